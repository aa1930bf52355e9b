//! Every parser holds what it promises, over good inputs, good inputs after changes, and noise.
//!
//! The same properties run under a fuzzing engine in `tests/fuzz`; here they run in any build, over the same changes
//! every time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::fuzz::mutation::{changed, changes, noise, spliced, words};
use tests::fuzz::properties::{TARGETS, Target, fixture};
use tests::fuzz::seeds;

/// Inputs made for each target: changes of one seed, then splices of two and noise.
const CHANGES: u32 = 3000;
const OTHERS: u32 = 600;

/// The same changes in every run.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, b"PoGW: what parsers hold, and why");
    TestRunner::new_with_rng(config, rng)
}

fn words_of(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries");
    let file = folder.join(target.dictionary).with_extension("dict");
    words(&std::fs::read_to_string(file).expect("a dictionary"))
}

fn hold(target: &Target) {
    let seeds = seeds::all().remove(target.name).expect("seeds");
    seeds.iter().for_each(|seed| (target.property)(seed));

    // By index: a failure shows the seed's number and the change, not the evidence.
    let seed = 0..seeds.len();
    let one = (seed.clone(), changes(&words_of(target)));
    let held = runner(CHANGES).run(&one, |(seed, changes)| {
        (target.property)(&changed(&seeds[seed], &changes));
        Ok(())
    });
    held.unwrap_or_else(|failure| panic!("{}, after changes: {failure}", target.name));

    let two = (seed.clone(), seed, any::<Index>());
    let held = runner(OTHERS).run(&two, |(head, tail, at)| {
        (target.property)(&spliced(&seeds[head], &seeds[tail], &at));
        Ok(())
    });
    held.unwrap_or_else(|failure| panic!("{}, spliced: {failure}", target.name));

    let held = runner(OTHERS).run(&noise(), |bytes| {
        (target.property)(&bytes);
        Ok(())
    });
    held.unwrap_or_else(|failure| panic!("{}, noise: {failure}", target.name));
}

/// One test for each target, so that they run side by side.
macro_rules! every_target_holds {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            hold(TARGETS.iter().find(|it| it.name == stringify!($name)).expect("a target"));
        })+

        #[test]
        fn every_target_is_tested() {
            let tested = BTreeSet::from([$(stringify!($name)),+]);
            assert_eq!(tested, names());
        }
    };
}

every_target_holds! {
    report opaque chain certificate rim ocsp_request ocsp_response forms bundle opening request strict_json token claims jwks
}

fn names() -> BTreeSet<&'static str> {
    TARGETS.iter().map(|target| target.name).collect()
}

/// The engine runs what is tested here, and nothing else.
#[test]
fn every_target_has_its_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let programs = manifest["bin"].as_array().expect("programs").iter();
    let programs: BTreeSet<_> = programs.filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(programs, names());
    for name in programs {
        let file = folder.join("fuzz_targets").join(name).with_extension("rs");
        let program = std::fs::read_to_string(file).expect("a program");
        assert!(program.contains(&format!("properties::{name}(")), "{name}");
    }
}

/// What is fuzzed is what is built: the second lock file has no version that the first has not.
#[test]
fn the_engine_runs_the_versions_of_the_main_workspace() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [main, fuzz] =
        ["..", "fuzz"].map(|folder| versions(&tests.join(folder).join("Cargo.lock")));
    let differing = fuzz.iter().filter(|(name, versions)| {
        let known = main.get(*name);
        known.is_some_and(|known| !versions.is_subset(known))
    });
    assert_eq!(differing.collect::<Vec<_>>(), []);
    let alone: Vec<_> = fuzz
        .keys()
        .filter(|name| !main.contains_key(*name))
        .collect();
    assert_eq!(alone, ["arbitrary", "libfuzzer-sys", "pogw-fuzz"]);
}

/// Versions by package.
fn versions(lock: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let lock = std::fs::read_to_string(lock).expect("a lock file");
    let lock: toml::Table = lock.parse().expect("TOML");
    let mut versions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("packages") {
        let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        versions
            .entry(text("name"))
            .or_default()
            .insert(text("version"));
    }
    versions
}

#[test]
fn every_target_has_good_inputs() {
    let own = seeds::own();
    assert_eq!(own.keys().copied().collect::<BTreeSet<_>>(), names());
    for target in TARGETS {
        let seeds = &own[target.name];
        assert!(!seeds.is_empty(), "{}", target.name);
        assert!(
            seeds.iter().any(|seed| seed.len() <= target.max_len),
            "{}",
            target.name
        );
    }
}

/// A property that never meets an accepted input, or an authentic one, would hold of a parser that refuses everything.
#[test]
fn seeds_are_accepted() {
    use evidence::cert::CertificateChain;
    use evidence::device::DeviceKind;
    use evidence::ocsp::{OcspRequest, OcspResponse};
    use evidence::report::Report;
    use evidence::rim::Rim;
    use evidence::work::{Bundle, Opening, StrictValue};
    use receipt::Jwks;

    let own = seeds::own();
    let all = |name: &str, accepted: fn(&[u8]) -> bool| {
        let seeds = own[name].iter();
        assert!(seeds.clone().all(|seed| accepted(seed)), "{name}");
    };
    let first =
        |name: &str, accepted: fn(&[u8]) -> bool| assert!(accepted(&own[name][0]), "{name}");
    all("report", |raw| {
        let kinds = [DeviceKind::Gpu, DeviceKind::Switch];
        kinds
            .into_iter()
            .any(|kind| Report::parse(raw, kind).is_ok())
    });
    all("chain", |pem| CertificateChain::from_pem(pem).is_ok());
    all("certificate", |der| {
        CertificateChain::from_ders([der]).is_ok()
    });
    all("rim", |xml| Rim::parse(xml).is_ok());
    all("ocsp_request", |der| OcspRequest::parse(der).is_ok());
    all("forms", |json| evidence::forms::read(json).is_ok());
    all("bundle", |json| Bundle::parse(json).is_ok());
    all("opening", |json| Opening::parse(json).is_ok());
    all("jwks", |json| {
        Jwks::parse(&String::from_utf8_lossy(json)).is_ok()
    });
    first("ocsp_response", |der| OcspResponse::parse(der).is_ok());
    first("strict_json", |json| {
        serde_json::from_slice::<StrictValue>(json).is_ok()
    });
    fixture::assert_authentic();
}
