//! Revocation in `pogw appraise`: who is asked, what becomes of the answers, and what is said where nobody can be.
//!
//! In scope: the sources of the command line and their order, the terms of policies, services that answer and services
//! that do not. What single answers are worth is the table of `forged`.
//!
//! One trial per rule. Trials with real answers are listed as ignored where the files are not there.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use attestation_agent::device::simulated::ocsp::CERTIFICATE_HOLD;
use attestation_agent::device::simulated::{
    CertStatus, Key, OcspSpec, Responder, SimulatedDevice, Window, firmware,
};
use evidence::ocsp::OcspRequest;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use tempfile::TempDir;
use tests::real;
use tests::scene::{AS_OF, Scene};
use tests::served::{self, Served};
use time::OffsetDateTime;
use tokio::runtime::Runtime;

const HOUR: i64 = 3600;
const NONCE: [u8; 32] = [0x3c; 32];
/// Position of the first certificate asked about in a device chain, and in that of a manifest.
const FIRST: [(Of, usize); 2] = [(Of::Device, 1), (Of::Manifests, 0)];

/// A trial over the directory of real evidence.
type TestOfReal = fn(&Path);

fn main() {
    let simulated: [(&str, fn()); 17] = [
        ("good_answers_affirm", good_answers_affirm),
        (
            "without_a_source_nothing_is_known",
            without_a_source_nothing_is_known,
        ),
        (
            "a_policy_that_is_off_asks_nobody",
            a_policy_that_is_off_asks_nobody,
        ),
        (
            "outdated_answers_tell_nothing",
            outdated_answers_tell_nothing,
        ),
        (
            "a_missing_answer_is_missed_alone",
            a_missing_answer_is_missed_alone,
        ),
        (
            "a_hold_refutes_unless_the_policy_allows_it",
            a_hold_refutes_unless_the_policy_allows_it,
        ),
        (
            "a_hold_in_the_device_chain_is_never_allowed",
            a_hold_in_the_device_chain_is_never_allowed,
        ),
        (
            "a_revocation_stands_beside_a_newer_good_answer",
            a_revocation_stands_beside_a_newer_good_answer,
        ),
        (
            "the_answer_for_the_day_is_taken",
            the_answer_for_the_day_is_taken,
        ),
        ("what_is_no_answer_is_told", what_is_no_answer_is_told),
        ("required_takes_no_file", required_takes_no_file),
        (
            "required_asks_the_responder_with_a_nonce",
            required_asks_the_responder_with_a_nonce,
        ),
        (
            "a_responder_speaks_of_its_own_day",
            a_responder_speaks_of_its_own_day,
        ),
        (
            "a_mirror_serves_what_is_missing",
            a_mirror_serves_what_is_missing,
        ),
        (
            "a_service_out_of_reach_is_unverifiable",
            a_service_out_of_reach_is_unverifiable,
        ),
        (
            "an_address_that_is_none_is_a_usage_error",
            an_address_that_is_none_is_a_usage_error,
        ),
        (
            "a_policy_is_named_or_in_a_file",
            a_policy_is_named_or_in_a_file,
        ),
    ];
    let simulated = simulated.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let real: [(&str, TestOfReal); 4] = [
        (
            "real::an_old_answer_is_no_worse_than_none",
            real_old_answers_are_no_worse_than_none,
        ),
        (
            "real::no_policy_that_asks_grants_without_a_source",
            real_without_a_source_is_not_granted,
        ),
        (
            "real::each_answer_counts_in_its_window",
            real_answers_count_in_their_windows,
        ),
        (
            "real::the_text_names_windows_and_no_serial",
            real_text_names_windows_and_no_serial,
        ),
    ];
    let real = real.map(|(name, test)| match real::directory() {
        Some(directory) => Trial::test(name, move || {
            test(&directory);
            Ok(())
        }),
        None => Trial::test(name, || {
            Err("needs real evidence, see POGW_EVIDENCE_DIR".into())
        })
        .with_ignored_flag(true),
    });
    let trials = simulated.into_iter().chain(real).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

//------------ What was said -------------------------------------------------

/// What the command said.
struct Said {
    exit: i32,
    text: String,
    notes: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|e| panic!("{e}\n{}{}", self.text, self.notes))
    }

    fn check(&self, id: &str) -> Value {
        let device = &self.json()["devices"][0];
        let checks = device["checks"].as_array().expect("checks").iter();
        let mut found = checks.filter(|check| check["id"] == id);
        found
            .next()
            .unwrap_or_else(|| panic!("no check {id}"))
            .clone()
    }

    fn revocation(&self) -> String {
        let check = self.check("revocation");
        check["status"].as_str().expect("status").to_owned()
    }

    /// Status of every certificate asked about, as `chain 1 good`.
    fn statuses(&self) -> Vec<String> {
        let mut statuses = Vec::new();
        for chain in self.json()["devices"][0]["revocation"]
            .as_array()
            .expect("chains")
        {
            for finding in chain["certificates"].as_array().expect("certificates") {
                let word = |value: &Value| value.as_str().expect("a word").to_owned();
                let (chain, status) = (word(&chain["chain"]), word(&finding["status"]));
                statuses.push(format!("{chain} {} {status}", finding["position"]));
            }
        }
        statuses
    }

    /// Codes of the reasons of `revocation`, each once.
    fn codes(&self) -> Vec<String> {
        let check = self.check("revocation");
        let reasons = check["reasons"].as_array().expect("reasons").iter();
        let mut codes: Vec<_> = reasons
            .map(|reason| reason["code"].as_str().expect("code").to_owned())
            .collect();
        codes.sort();
        codes.dedup();
        codes
    }
}

/// Every certificate of a GPU has this status, but for some.
fn all(status: &str, but: &[&str]) -> Vec<String> {
    let chains = [("chain", 1..4), ("driver_rim", 0..3), ("vbios_rim", 0..3)];
    let places = chains.map(|(chain, positions)| positions.map(move |n| format!("{chain} {n} ")));
    let found = places.into_iter().flatten().map(|place| {
        let other = but.iter().find(|other| other.starts_with(&place));
        other.map_or_else(|| format!("{place}{status}"), |other| (*other).to_owned())
    });
    found.collect()
}

fn pogw(args: Vec<OsString>) -> Said {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = cli::run(args, &mut stdout, &mut stderr);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said {
        exit: exit as i32,
        text: text(stdout),
        notes: text(stderr),
    }
}

//------------ A software device and answers about it ------------------------

/// Which chain of the software device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Device,
    Manifests,
}

/// Evidence of a software device in files.
struct Desk {
    folder: TempDir,
    scene: Scene,
}

impl Desk {
    fn new() -> Self {
        let (folder, scene) = (tempfile::tempdir().expect("folder"), Scene::new());
        let [device] = &scene.attest(&NONCE)[..] else {
            panic!("one device");
        };
        fs::write(folder.path().join("report.bin"), &device.report.0).expect("report");
        fs::write(folder.path().join("chain.pem"), &device.chain.0).expect("chain");
        Self { folder, scene }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Judges the evidence with these options, manifests at hand, answer in JSON.
    fn appraise(&self, more: &[&dyn AsRef<Path>]) -> Said {
        let rims = self.scene.collateral_dir();
        let mut options: Vec<&dyn AsRef<Path>> = vec![&"--rim-dir", &rims, &"--format", &"json"];
        options.extend(more);
        self.appraise_alone(&options)
    }

    fn appraise_alone(&self, more: &[&dyn AsRef<Path>]) -> Said {
        let (nonce, as_of) = (hex::encode(NONCE), AS_OF.to_string());
        let (report, chain) = (self.path("report.bin"), self.path("chain.pem"));
        let anchors = self.scene.collateral_dir().join("anchors.toml");
        let mut options: Vec<&dyn AsRef<Path>> = vec![&"pogw", &"appraise", &"--report", &report];
        options.extend::<[&dyn AsRef<Path>; 8]>([
            &"--chain",
            &chain,
            &"--nonce",
            &nonce,
            &"--as-of",
            &as_of,
            &"--simulated-anchors",
            &anchors,
        ]);
        options.extend(more);
        pogw(
            options
                .iter()
                .map(|option| option.as_ref().into())
                .collect(),
        )
    }

    /// Good answers for these hours after the time of appraisal, in a folder.
    fn answers(&self, name: &str, from_h: i64, until_h: i64) -> (PathBuf, Vec<PathBuf>) {
        let device = SimulatedDevice::open(&self.scene.device_dir()).expect("device");
        let folder = self.path(name);
        let files = device.write_answers(&folder, window(from_h, until_h));
        (folder, files.expect("answers"))
    }

    /// An answer about one certificate that says something, in a file.
    fn answer(&self, name: &str, about: (Of, usize), status: CertStatus, from_h: i64) -> PathBuf {
        let mut spec = self.spec(about, window(from_h, from_h + 24));
        spec.status = status;
        let path = self.path(name);
        fs::write(&path, spec.build().expect("answer")).expect("file");
        path
    }

    /// A good answer about one certificate, not yet signed.
    fn spec(&self, (of, position): (Of, usize), window: Window) -> OcspSpec {
        let identity = format!("identity-{}", firmware::REVISION);
        let home = self.scene.device_dir().join(identity);
        let read = |name: &str| fs::read(home.join(name)).expect("a file of the identity");
        let ders = |name: &str| pem::parse_many(read(name)).expect("PEM");
        let name = match of {
            Of::Device => "device",
            Of::Manifests => "rim",
        };
        let first = FIRST
            .iter()
            .find(|(chain, _)| *chain == of)
            .expect("either")
            .1;
        let chain = ders(&format!("{name}-chain.pem"));
        let responders = ders(&format!("{name}-responders.pem"));
        let responder = Responder {
            certificate: responders[position - first].contents().to_vec(),
            key: Arc::new(Key::from_pkcs8(&read("responder.key")).expect("key")),
        };
        let (subject, issuer) = (chain[position].contents(), chain[position + 1].contents());
        let mut spec = OcspSpec::good(subject, issuer, responder, window.from).expect("answer");
        spec.next_update = Some(window.until);
        spec
    }

    fn policy(&self, name: &str, terms: &str) -> PathBuf {
        let path = self.path(name);
        let text = format!("package pogw\nimport rego.v1\nrevocation := {terms}\n{DENY_REFUTED}");
        fs::write(&path, text).expect("policy");
        path
    }
}

const DENY_REFUTED: &str = r#"
deny contains {"code": id, "message": check.status} if {
	some device in input.devices
	some id, check in device.checks
	check.status in {"refuted", "unverifiable"}
}
"#;

fn window(from_h: i64, until_h: i64) -> Window {
    let at = |hours: i64| OffsetDateTime::from_unix_timestamp(AS_OF.secs() + hours * HOUR);
    Window {
        from: at(from_h).expect("time"),
        until: at(until_h).expect("time"),
    }
}

fn revoked(hours: i64, reason: u8) -> CertStatus {
    CertStatus::Revoked {
        at: window(hours, hours).from,
        reason: Some(reason),
    }
}

//------------ Files ---------------------------------------------------------

fn good_answers_affirm() {
    let desk = Desk::new();
    let (folder, files) = desk.answers("ocsp", -1, 23);
    let said = desk.appraise(&[&"--ocsp-dir", &folder]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (0, "affirmed"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("good", &[]));

    let mut named: Vec<&dyn AsRef<Path>> = Vec::new();
    for file in &files {
        named.extend::<[&dyn AsRef<Path>; 2]>([&"--ocsp", file]);
    }
    let said = desk.appraise(&named);
    assert_eq!((said.exit, said.notes.as_str()), (0, ""), "{}", said.text);
    assert_eq!(said.statuses(), all("good", &[]));
}

/// Who names no source is left without answers: what that is worth is the policy's word, in every mode that asks.
fn without_a_source_nothing_is_known() {
    let desk = Desk::new();
    for terms in [
        r#"{"mode": "required"}"#,
        r#"{"mode": "cached", "max_age_s": 86400}"#,
    ] {
        let policy = desk.policy("asks.rego", terms);
        let said = desk.appraise(&[&"--policy", &policy]);
        assert_eq!(
            (said.exit, said.revocation().as_str()),
            (3, "unverifiable"),
            "{terms}: {}",
            said.text
        );
        assert_eq!(said.statuses(), all("not_checked", &[]), "{terms}");
        assert_eq!(said.codes(), ["ocsp_not_available"], "{terms}");
    }
    // The default policy looks away from that for a software device, and still says it is not known.
    let said = desk.appraise(&[]);
    assert_eq!((said.exit, said.revocation().as_str()), (0, "unverifiable"));
    assert_eq!(said.json()["overall"], "incomplete");
    let said = desk.appraise_alone(&[&"--rim-dir", &desk.scene.collateral_dir()]);
    let how = "\nrevocation: nobody could be asked; --ocsp FILE, --ocsp-dir DIR or --ocsp-service URL names who answers\n";
    assert!(said.text.contains(how), "{}", said.text);
}

fn a_policy_that_is_off_asks_nobody() {
    let desk = Desk::new();
    let policy = desk.policy("off.rego", r#"{"mode": "off"}"#);
    let revocation = desk.answer("revoked.der", (Of::Device, 2), revoked(-3, 1), -2);
    let said = desk.appraise(&[&"--policy", &policy, &"--ocsp", &revocation]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (0, "not_requested"),
        "{}",
        said.text
    );
    assert!(
        said.notes
            .contains("the policy asks nobody about revocation"),
        "{}",
        said.notes
    );
    assert!(said.notes.contains("not used: "), "{}", said.notes);
    let rims = desk.scene.collateral_dir();
    let text = desk.appraise_alone(&[
        &"--rim-dir",
        &rims,
        &"--policy",
        &policy,
        &"--ocsp",
        &revocation,
    ]);
    let why = "\nrevocation: nobody was asked, as the policy does without\n";
    assert!(text.text.contains(why), "{}", text.text);
}

fn outdated_answers_tell_nothing() {
    let desk = Desk::new();
    let strict_about_it = desk.policy("cached.rego", r#"{"mode": "cached", "max_age_s": 7200}"#);
    for (name, from_h, until_h, code) in [
        ("past", -48, -24, "ocsp_stale"),
        ("future", 24, 48, "ocsp_not_yet_valid"),
        ("old", -4, 20, "ocsp_too_old"),
    ] {
        let (folder, _) = desk.answers(name, from_h, until_h);
        let said = desk.appraise(&[&"--ocsp-dir", &folder, &"--policy", &strict_about_it]);
        assert_eq!(
            (said.exit, said.revocation().as_str()),
            (3, "unverifiable"),
            "{name}"
        );
        assert_eq!(said.statuses(), all("not_checked", &[]), "{name}");
        assert!(
            said.codes().contains(&code.to_owned()),
            "{name}: {:?}",
            said.codes()
        );
    }
}

fn a_missing_answer_is_missed_alone() {
    let desk = Desk::new();
    let (folder, files) = desk.answers("ocsp", -1, 23);
    fs::remove_file(&files[1]).expect("the second of the device chain");
    let said = desk.appraise(&[&"--ocsp-dir", &folder]);
    assert_eq!(said.revocation(), "unverifiable");
    assert_eq!(said.statuses(), all("good", &["chain 2 not_checked"]));
    assert_eq!(said.codes(), ["ocsp_not_available"]);
}

fn a_hold_refutes_unless_the_policy_allows_it() {
    let desk = Desk::new();
    let (folder, _) = desk.answers("ocsp", -2, 22);
    let hold = desk.answer(
        "hold.der",
        (Of::Manifests, 0),
        revoked(-3, CERTIFICATE_HOLD),
        -1,
    );
    let held = all("good", &["driver_rim 0 on_hold", "vbios_rim 0 on_hold"]);
    let terms = r#"{"mode": "cached", "max_age_s": 86400, "allow_hold": true}"#;
    let allows = desk.policy("allows.rego", terms);
    for (policy, exit, status) in [
        (Path::new("default"), 1, "refuted"),
        (&allows, 0, "affirmed"),
    ] {
        let said = desk.appraise(&[
            &"--ocsp-dir",
            &folder,
            &"--ocsp",
            &hold,
            &"--policy",
            &policy,
        ]);
        assert_eq!(
            (said.exit, said.revocation().as_str()),
            (exit, status),
            "{}",
            said.text
        );
        assert_eq!(said.statuses(), held);
        assert_eq!(said.codes(), ["certificate_on_hold"]);
    }
}

fn a_hold_in_the_device_chain_is_never_allowed() {
    let desk = Desk::new();
    let (folder, _) = desk.answers("ocsp", -2, 22);
    let hold = desk.answer(
        "hold.der",
        (Of::Device, 2),
        revoked(-3, CERTIFICATE_HOLD),
        -1,
    );
    let terms = r#"{"mode": "cached", "max_age_s": 86400, "allow_hold": true}"#;
    let allows = desk.policy("allows.rego", terms);
    let said = desk.appraise(&[
        &"--ocsp-dir",
        &folder,
        &"--ocsp",
        &hold,
        &"--policy",
        &allows,
    ]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (1, "refuted"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("good", &["chain 2 on_hold"]));
}

/// Nothing takes a revocation back: neither time nor another answer nor a policy that takes no files.
fn a_revocation_stands_beside_a_newer_good_answer() {
    let desk = Desk::new();
    let (folder, _) = desk.answers("ocsp", -1, 23);
    let old = desk.answer("old.der", (Of::Device, 2), revoked(-99, 1), -96);
    let said = desk.appraise(&[&"--ocsp-dir", &folder, &"--ocsp", &old]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (1, "refuted"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("good", &["chain 2 revoked"]));

    let required = desk.policy("required.rego", r#"{"mode": "required"}"#);
    let said = desk.appraise(&[&"--ocsp", &old, &"--policy", &required]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (1, "refuted"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("not_checked", &["chain 2 revoked"]));

    let later = desk.answer("later.der", (Of::Device, 2), revoked(30, 1), 31);
    let said = desk.appraise(&[&"--ocsp-dir", &folder, &"--ocsp", &later]);
    assert_eq!(
        (said.exit, said.statuses()),
        (0, all("good", &[])),
        "revoked after the appraisal"
    );
}

fn the_answer_for_the_day_is_taken() {
    let desk = Desk::new();
    let (folder, _) = desk.answers("today", -1, 23);
    let newer = desk.answer("newer.der", (Of::Device, 1), CertStatus::Good, 30);
    let older = desk.answer("older.der", (Of::Device, 1), CertStatus::Good, -30);
    let said = desk.appraise(&[&"--ocsp", &newer, &"--ocsp", &older, &"--ocsp-dir", &folder]);
    assert_eq!(said.statuses(), all("good", &[]));
    for unused in [&newer, &older] {
        let note = format!("not used: {}", unused.display());
        assert!(said.notes.contains(&note), "{}", said.notes);
    }
}

fn what_is_no_answer_is_told() {
    let desk = Desk::new();
    let (folder, files) = desk.answers("ocsp", -1, 23);
    let junk = folder.join("junk.der");
    fs::write(&junk, b"no answer").expect("file");
    let named = desk.appraise(&[&"--ocsp", &junk]);
    assert_eq!((named.exit, named.text.as_str()), (2, ""));
    assert!(named.notes.contains("ocsp_malformed"), "{}", named.notes);
    let filed = desk.appraise(&[&"--ocsp-dir", &folder]);
    assert_eq!((filed.exit, filed.revocation().as_str()), (0, "affirmed"));
    let note = format!("not used: cannot read {}", junk.display());
    assert!(filed.notes.contains(&note), "{}", filed.notes);

    // Damaged on the way: about the right certificate, signed by nobody.
    let mut der = fs::read(&files[0]).expect("answer");
    let middle = der.len() / 2;
    der[middle] ^= 1;
    fs::write(&files[0], der).expect("file");
    let damaged = desk.appraise(&[&"--ocsp-dir", &folder]);
    assert_eq!(damaged.revocation(), "unverifiable");
    assert_eq!(damaged.statuses(), all("good", &["chain 1 not_checked"]));

    for option in ["--ocsp", "--ocsp-dir"] {
        let absent = desk.appraise(&[&option, &desk.path("absent")]);
        assert_eq!((absent.exit, absent.text.as_str()), (2, ""), "{option}");
    }
}

fn required_takes_no_file() {
    let desk = Desk::new();
    let (folder, files) = desk.answers("ocsp", -1, 23);
    let required = desk.policy("required.rego", r#"{"mode": "required"}"#);
    let said = desk.appraise(&[
        &"--ocsp-dir",
        &folder,
        &"--ocsp",
        &files[0],
        &"--policy",
        &required,
    ]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (3, "unverifiable"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("not_checked", &[]));
    assert!(
        said.text
            .contains("made for this appraisal, which no file is"),
        "{}",
        said.text
    );
    assert!(said.notes.contains("not used: "), "{}", said.notes);
}

//------------ Services ------------------------------------------------------

/// Good answers about every certificate, made these hours after the time of appraisal.
fn specs(desk: &Desk, from_h: i64) -> Vec<OcspSpec> {
    let abouts = FIRST
        .iter()
        .flat_map(|(of, first)| (*first..first + 3).map(|n| (*of, n)));
    let specs = abouts.map(|about| desk.spec(about, window(from_h, from_h + 24)));
    specs.collect()
}

/// A responder for one client at a time that repeats nonces, or does not.
fn responder(specs: Vec<OcspSpec>, repeats: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve_one(stream.expect("a client"), &specs, repeats);
        }
    });
    url
}

fn serve_one(mut stream: TcpStream, specs: &[OcspSpec], repeats: bool) {
    let mut reader = BufReader::new(stream.try_clone().expect("stream"));
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).expect("a line") > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(stated) = header.strip_prefix("content-length:") {
            length = stated.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut question = vec![0; length];
    reader.read_exact(&mut question).expect("the question");
    let question = OcspRequest::parse(&question).expect("a question");
    let asked = |spec: &&OcspSpec| spec.id.serial == question.id().serial();
    let mut answer = specs
        .iter()
        .find(asked)
        .expect("a certificate asked about")
        .clone();
    answer.nonce = question.nonce().filter(|_| repeats).map(<[u8]>::to_vec);
    let der = answer.build().expect("answer");
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        der.len()
    );
    stream
        .write_all(&[head.as_bytes(), &der].concat())
        .expect("the answer");
}

fn required_asks_the_responder_with_a_nonce() {
    let desk = Desk::new();
    let required = desk.policy("required.rego", r#"{"mode": "required"}"#);
    let url = responder(specs(&desk, 0), true);
    let said = desk.appraise(&[&"--ocsp-service", &url, &"--policy", &required]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (0, "affirmed"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("good", &[]));

    let url = responder(specs(&desk, 0), false);
    let said = desk.appraise(&[&"--ocsp-service", &url, &"--policy", &required]);
    assert_eq!((said.exit, said.statuses()), (3, all("not_checked", &[])));
    assert_eq!(said.codes(), ["ocsp_nonce_absent"]);
    let said = desk.appraise(&[&"--ocsp-service", &url]);
    assert_eq!(
        (said.exit, said.statuses()),
        (0, all("good", &[])),
        "the default policy needs none"
    );
}

/// A responder speaks of today. For an appraisal of an earlier day that says nothing, but for a revocation that was in
/// force.
fn a_responder_speaks_of_its_own_day() {
    let desk = Desk::new();
    let mut later = specs(&desk, 48);
    later[1].status = revoked(-1, 1);
    later[2].status = revoked(1, 1);
    let said = desk.appraise(&[&"--ocsp-service", &responder(later, false)]);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (1, "refuted"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("not_checked", &["chain 2 revoked"]));
    assert!(
        said.text.contains("OCSP response is not valid yet"),
        "{}",
        said.text
    );
}

/// A verifier with everything in directories, as a mirror.
fn mirror(desk: &Desk, runtime: &Runtime) -> Served {
    let config = served::config(desk.folder.path(), desk.scene.settings());
    runtime.block_on(Served::start(config, AS_OF))
}

fn a_mirror_serves_what_is_missing() {
    let desk = Desk::new();
    let runtime = Runtime::new().expect("runtime");
    let served = mirror(&desk, &runtime);
    let ocsp = format!("{}/ocsp", served.url);
    let services: [&dyn AsRef<Path>; 6] = [
        &"--rim-service",
        &served.url,
        &"--ocsp-service",
        &ocsp,
        &"--format",
        &"json",
    ];
    let said = desk.appraise_alone(&services);
    assert_eq!(
        (said.exit, said.revocation().as_str()),
        (0, "affirmed"),
        "{}",
        said.text
    );
    assert_eq!(said.statuses(), all("good", &[]));
    let json = said.json();
    let references = json["devices"][0]["references"]
        .as_array()
        .expect("references");
    assert_eq!(references.len(), 2);
    for reference in references {
        // By the clock, not by the time of appraisal.
        let obtained = reference["obtained_at"].as_str().expect("a time");
        assert!(
            reference["trusted"] == true && obtained != AS_OF.to_string(),
            "{reference}"
        );
    }

    // An outdated file gives way to the service, a good one does not ask it.
    let stale = desk.answer("stale.der", (Of::Device, 1), CertStatus::Good, -90);
    let good = desk.answer("good.der", (Of::Device, 2), CertStatus::Good, -2);
    let mut with_files = services.to_vec();
    with_files.extend::<[&dyn AsRef<Path>; 4]>([&"--ocsp", &stale, &"--ocsp", &good]);
    let said = desk.appraise_alone(&with_files);
    assert_eq!((said.exit, said.statuses()), (0, all("good", &[])));
    assert_eq!(said.notes, format!("pogw: not used: {}\n", stale.display()));

    // It has answers of an hour ago alone, and nobody to ask: they come without the nonce, and that is seen.
    let required = desk.policy("required.rego", r#"{"mode": "required"}"#);
    let mut with_policy = services.to_vec();
    with_policy.extend::<[&dyn AsRef<Path>; 2]>([&"--policy", &required]);
    let said = desk.appraise_alone(&with_policy);
    assert_eq!(
        (said.exit, said.statuses()),
        (3, all("not_checked", &[])),
        "{}",
        said.text
    );
    assert_eq!(said.codes(), ["ocsp_nonce_absent"]);
    runtime.block_on(served.stop());
}

fn a_service_out_of_reach_is_unverifiable() {
    let desk = Desk::new();
    // Bound and not listened on: refused, and nobody else's until the end.
    let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
    nobody.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let url = format!("http://{}", nobody.local_addr().expect("an address"));
    let said = desk.appraise_alone(&[
        &"--rim-service",
        &url,
        &"--ocsp-service",
        &url,
        &"--format",
        &"json",
    ]);
    assert_eq!((said.exit, said.notes.as_str()), (3, ""), "{}", said.text);
    assert_eq!(
        said.statuses(),
        [
            "chain 1 not_checked",
            "chain 2 not_checked",
            "chain 3 not_checked"
        ]
    );
    for (id, words) in [
        ("driver_rim", "RIM service: no connection"),
        ("vbios_rim", "RIM service: no connection"),
        ("revocation", "OCSP responder: no connection"),
    ] {
        let check = said.check(id);
        assert_eq!(check["status"], "unverifiable", "{check}");
        assert!(check.to_string().contains(words), "{check}");
    }
}

fn an_address_that_is_none_is_a_usage_error() {
    let desk = Desk::new();
    for option in ["--ocsp-service", "--rim-service"] {
        for url in ["ocsp.ndis.nvidia.com", "ftp://mirror.example", ""] {
            let said = desk.appraise(&[&option, &url]);
            assert_eq!((said.exit, said.text.as_str()), (2, ""), "{option} {url}");
            assert!(said.notes.contains(option), "{}", said.notes);
        }
    }
}

fn a_policy_is_named_or_in_a_file() {
    let desk = Desk::new();
    let policy =
        |named: &dyn AsRef<Path>| desk.appraise(&[&"--policy", named]).json()["policy"].clone();
    for (name, _) in verifier_service::policies::BUILT_IN {
        assert_eq!(policy(&name)["id"], name);
    }
    let own = desk.policy("strict", r#"{"mode": "off"}"#);
    let (own, built_in) = (policy(&own), policy(&"strict"));
    assert_eq!(
        (&own["id"], &built_in["id"]),
        (&"strict".into(), &"strict".into())
    );
    assert_ne!(own["sha256"], built_in["sha256"]);
    let unknown = desk.appraise(&[&"--policy", &"strikt"]);
    assert_eq!((unknown.exit, unknown.text.as_str()), (2, ""));
    assert!(
        unknown.notes.contains("cannot read policy strikt"),
        "{}",
        unknown.notes
    );
}

//------------ Real answers --------------------------------------------------

fn appraise_real(directory: &Path, as_of: &str, format: &str) -> Said {
    let ocsp = directory.join("ocsp");
    let more: [&dyn AsRef<Path>; 6] = [
        &"--ocsp-dir",
        &ocsp,
        &"--format",
        &format,
        &"--policy",
        &"default",
    ];
    appraise_case(directory, "hopper-1-pass", as_of, &more)
}

/// A real case with its manifests at hand.
fn appraise_case(directory: &Path, id: &str, as_of: &str, more: &[&dyn AsRef<Path>]) -> Said {
    let manifest = real::Manifest::read(directory);
    let mut cases = manifest.cases.iter();
    let case = cases.find(|case| case.id == id).expect("the case");
    let path = |name: &str| directory.join(name);
    let (report, chain, rims) = (path(&case.report), path(&case.chain), path("rims"));
    let mut args: Vec<&dyn AsRef<Path>> = vec![&"pogw", &"appraise"];
    args.extend::<[&dyn AsRef<Path>; 10]>([
        &"--report",
        &report,
        &"--chain",
        &chain,
        &"--nonce",
        &case.nonce,
        &"--rim-dir",
        &rims,
        &"--as-of",
        &as_of,
    ]);
    args.extend(more);
    pogw(args.iter().map(|arg| arg.as_ref().into()).collect())
}

/// Where answers are carried in by hand, handing in one that has run out never makes the decision worse: with all of
/// them, with each alone, with none.
fn real_old_answers_are_no_worse_than_none(directory: &Path) {
    let folder = tempfile::tempdir().expect("folder");
    let none = folder.path().join("none");
    fs::create_dir(&none).expect("directory");
    let mut sets = vec![none, directory.join("ocsp")];
    for entry in fs::read_dir(directory.join("ocsp")).expect("answers") {
        let file = entry.expect("an entry").path();
        let alone = folder.path().join(file.file_stem().expect("a name"));
        fs::create_dir(&alone).expect("directory");
        fs::copy(&file, alone.join("answer.der")).expect("a copy");
        sets.push(alone);
    }
    // Months after the last of the answers ran out, while chain and manifests were still good.
    for (id, as_of) in [
        ("switch-1-pass", "2026-11-27T12:00:00Z"),
        ("hopper-1-pass", "2026-02-01T12:00:00Z"),
    ] {
        for answers in &sets {
            let more: [&dyn AsRef<Path>; 6] = [
                &"--format",
                &"json",
                &"--policy",
                &"air-gapped",
                &"--ocsp-dir",
                answers,
            ];
            let said = appraise_case(directory, id, as_of, &more);
            let found = (said.exit, said.revocation());
            let expected = (0, "unverifiable".to_owned());
            assert_eq!(
                found,
                expected,
                "{id}, {}: {}",
                answers.display(),
                said.text
            );
        }
    }
}

/// Genuine evidence with nothing wrong: granted where the policy does without revocation, and not where it asks.
fn real_without_a_source_is_not_granted(directory: &Path) {
    let day = "2025-08-21T08:00:00Z";
    let judged = |policy: &dyn AsRef<Path>| {
        let more: [&dyn AsRef<Path>; 4] = [&"--format", &"json", &"--policy", policy];
        appraise_case(directory, "hopper-1-pass", day, &more)
    };
    for policy in ["default", "strict", "tolerate-expired-manifests"] {
        let said = judged(&policy);
        assert_ne!(said.exit, 0, "{policy}: {}", said.text);
        assert_eq!(said.revocation(), "unverifiable", "{policy}");
    }
    let folder = tempfile::tempdir().expect("folder");
    let loose = folder.path().join("loose.rego");
    let text = format!(
        "package pogw\nimport rego.v1\nrevocation := {{\"mode\": \"required\"}}\n{DENY_REFUTED}"
    );
    fs::write(&loose, text).expect("policy");
    assert_eq!(judged(&loose).exit, 3);
    let without = judged(&"danger-without-revocation");
    assert_eq!(
        (without.exit, without.revocation().as_str()),
        (0, "not_requested"),
        "{}",
        without.text
    );
}

/// The stored answers about the device and those about its manifests are of different days, none of them both.
fn real_answers_count_in_their_windows(directory: &Path) {
    let device = ["chain 1 good", "chain 2 good", "chain 3 good"];
    let manifests =
        ["driver_rim", "vbios_rim"].map(|role| [0, 1, 2].map(|n| format!("{role} {n} good")));
    let manifests: Vec<_> = manifests.iter().flatten().map(String::as_str).collect();
    let table: [(&str, &[&str], &[&str]); 5] = [
        ("2025-08-21T06:40:00Z", &[], &["ocsp_not_yet_valid"]),
        ("2025-08-21T08:00:00Z", &device, &["ocsp_not_yet_valid"]),
        (
            "2025-09-15T00:00:00Z",
            &[],
            &["ocsp_not_yet_valid", "ocsp_stale", "ocsp_too_old"],
        ),
        (
            "2025-10-24T12:00:00Z",
            &manifests,
            // The certificate of one responder of the first day has run out meanwhile.
            &["ocsp_responder_expired", "ocsp_stale", "ocsp_too_old"],
        ),
        (
            "2025-10-25T12:00:00Z",
            &[],
            &["ocsp_responder_expired", "ocsp_stale", "ocsp_too_old"],
        ),
    ];
    for (as_of, good, codes) in table {
        let said = appraise_real(directory, as_of, "json");
        assert_eq!(
            (said.exit, said.revocation().as_str()),
            (3, "unverifiable"),
            "{as_of}"
        );
        assert_eq!(said.statuses(), all("not_checked", good), "{as_of}");
        assert_eq!(said.codes(), codes, "{as_of}");
    }
}

fn real_text_names_windows_and_no_serial(directory: &Path) {
    let said = appraise_real(directory, "2025-08-21T08:00:00Z", "text");
    let line = "1  good         GH100 A01 GSP BROM  (answer for 2025-08-21T06:47:07Z to 2025-08-22T06:47:07Z)";
    for expected in [
        line,
        "chain of the device",
        "chain of the driver manifest",
        "chain of the VBIOS manifest",
    ] {
        assert!(said.text.contains(expected), "{expected}\n{}", said.text);
    }
    let json = appraise_real(directory, "2025-08-21T08:00:00Z", "json").json();
    let serial = json["devices"][0]["revocation"][0]["certificates"][0]["serial"].as_str();
    let serial = serial.expect("the JSON has it");
    assert!(
        !said.text.to_ascii_lowercase().contains(serial),
        "{}",
        said.text
    );
}
