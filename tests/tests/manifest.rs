//! Every real case reaches its stated verdict, overall and per check, through the command a person types.
//!
//! One trial per case. Without the files the trials are listed as ignored.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use evidence::device::is_rim_id;
use evidence::rim::Rim;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use tests::real::{self, Case, MalformedRim, Manifest};

fn main() {
    let arguments = Arguments::from_args();
    let trials = match real::directory() {
        Some(directory) => trials(&directory),
        None => ignored(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

/// The names of all trials, for machines without the files.
const NAMES: &str = include_str!("../vectors/real_cases.txt");

/// Ignored, each by its name: never passed.
fn ignored() -> Vec<Trial> {
    let unavailable = || Err("needs real evidence, see POGW_EVIDENCE_DIR".into());
    let named = NAMES.lines().map(|name| Trial::test(name, unavailable));
    named.map(|trial| trial.with_ignored_flag(true)).collect()
}

fn trials(directory: &Path) -> Vec<Trial> {
    let manifest = Manifest::read(directory);
    assert!(!manifest.cases.is_empty(), "the manifest lists no case");
    let mut trials = Vec::new();
    for case in manifest.cases {
        let directory = directory.to_owned();
        trials.push(Trial::test(format!("case::{}", case.id), move || {
            check_case(&directory, &case)
        }));
    }
    for rim in manifest.malformed_rims {
        let directory = directory.to_owned();
        trials.push(Trial::test(format!("malformed::{}", rim.file), move || {
            check_malformed(&directory, &rim)
        }));
    }
    for id in ["hopper-1-pass", "switch-1-pass"] {
        let directory = directory.to_owned();
        trials.push(Trial::test(format!("directory::{id}"), move || {
            check_directory(&directory, id)
        }));
    }
    let of_ids = directory.to_owned();
    trials.push(Trial::test("ids::every_manifest_is_of_its_id", move || {
        check_ids(&of_ids)
    }));
    let directory = directory.to_owned();
    trials.push(Trial::test(
        "policy::expired_manifests_tolerated",
        move || check_tolerated(&directory),
    ));
    trials
}

/// The ids derived from a report find the right manifests in a directory of many.
fn check_directory(directory: &Path, id: &str) -> Result<(), Failed> {
    let case = case_named(directory, id)?;
    let rims = directory.join("rims").into_os_string();
    let (exit, answer) = appraise_with(directory, &case, ["--rim-dir".into(), rims])?;
    let references = answer["devices"][0]["references"].as_array();
    let ids: Vec<_> = references
        .into_iter()
        .flatten()
        .map(|r| text(&r["id"]))
        .collect();
    let wanted = [&case.driver_rim_id, &case.vbios_rim_id];
    let wanted: Vec<_> = wanted.into_iter().flatten().map(String::as_str).collect();
    if exit != 0 || ids != wanted {
        return Err(format!("expected {wanted:?}, got {ids:?}\n{answer:#}").into());
    }
    Ok(())
}

/// No genuine manifest is taken for one of something else, and each is under every id but its own.
fn check_ids(directory: &Path) -> Result<(), Failed> {
    let mut genuine = Vec::new();
    for file in std::fs::read_dir(directory.join("rims"))? {
        let path = file?.path();
        let id = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        if is_rim_id(id) {
            let rim = Rim::parse(&std::fs::read(&path)?);
            let rim = rim.map_err(|reasons| format!("{id}: {reasons:?}"))?;
            genuine.push((id.to_owned(), rim));
        }
    }
    if genuine.len() < 20 {
        return Err(format!("{} manifests", genuine.len()).into());
    }
    for (id, rim) in &genuine {
        for (other, _) in &genuine {
            let same_version = id.rsplit('_').next() == other.rsplit('_').next();
            let objection = rim.peek().objection_to_id(other);
            if objection.is_none() != same_version {
                return Err(format!("{id} under {other}: {objection:?}").into());
            }
        }
    }
    Ok(())
}

/// Expired manifests are refused by default and granted by the policy that tolerates them, and by it alone.
fn check_tolerated(directory: &Path) -> Result<(), Failed> {
    let (folder, policy) = tolerant_without_revocation()?;
    for (id, expected) in [
        ("hopper-1-rims-expired", 0),
        ("hopper-1-rims-not-yet-valid", 1),
    ] {
        let case = case_named(directory, id)?;
        let rims = directory.join("rims").into_os_string();
        let args = ["--rim-dir".into(), rims];
        let (exit, answer) = appraise_under(&policy, directory, &case, args)?;
        if exit != expected || text(&answer["overall"]) != "fail" {
            return Err(format!("{id}: expected exit {expected}, got {exit}\n{answer:#}").into());
        }
    }
    drop(folder);
    Ok(())
}

/// The policy that tolerates expired manifests, in a file, but for what it wants to know about revocation.
fn tolerant_without_revocation() -> Result<(tempfile::TempDir, OsString), Failed> {
    let shipped = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../policies/tolerate-expired-manifests.rego"
    );
    let shipped = std::fs::read_to_string(shipped)?;
    let terms = shipped
        .lines()
        .find(|line| line.starts_with("revocation :="));
    let terms = terms.ok_or("the policy states no terms")?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tolerant.rego");
    std::fs::write(
        &path,
        shipped.replace(terms, r#"revocation := {"mode": "off"}"#),
    )?;
    Ok((folder, path.into_os_string()))
}

fn case_named(directory: &Path, id: &str) -> Result<Case, Failed> {
    let cases = Manifest::read(directory).cases.into_iter();
    let mut named = cases.filter(|case| case.id == id);
    named
        .next()
        .ok_or_else(|| format!("the manifest has no {id}").into())
}

fn check_case(directory: &Path, case: &Case) -> Result<(), Failed> {
    let rims = [&case.driver_rim, &case.vbios_rim];
    let rims: Vec<_> = rims
        .into_iter()
        .flatten()
        .map(|rim| directory.join(rim))
        .collect();
    let (exit, answer) = appraise(directory, case, &rims)?;

    let mut wrong = Vec::new();
    let mut expect = |what: &str, expected: &str, actual: &str| {
        if expected != actual {
            wrong.push(format!("{what}: expected {expected}, got {actual}"));
        }
    };
    expect("overall", &case.overall, text(&answer["overall"]));
    let exit_expected = match case.overall.as_str() {
        "pass" => "0",
        "fail" => "1",
        _ => "3",
    };
    expect("exit", exit_expected, &exit.to_string());
    let device = &answer["devices"][0];
    expect("kind", &case.kind, text(&device["kind"]));
    if status(device, "chain") == "affirmed" {
        expect("arch", &case.arch, text(&device["arch"]));
    }
    for (what, stated) in [
        ("driver_version", &case.driver_version),
        ("vbios_version", &case.vbios_version),
    ] {
        if let Some(stated) = stated {
            expect(what, stated, text(&device[what]));
        }
    }
    let verdicts = &case.expect;
    expect(
        "parse",
        status_word(&verdicts.parse),
        status(device, "parse"),
    );
    expect(
        "nonce",
        status_word(&verdicts.nonce),
        status(device, "nonce"),
    );
    expect(
        "chain",
        status_word(&verdicts.chain),
        status(device, "chain"),
    );
    let signature = status_word(&verdicts.report_signature);
    expect(
        "report_signature",
        signature,
        status(device, "report_signature"),
    );
    expect("fwid", status_word(&verdicts.fwid), status(device, "fwid"));
    expect("revocation", "not_requested", status(device, "revocation"));
    for (role, stated) in [
        ("driver_rim", verdicts.driver_rim.as_deref()),
        ("vbios_rim", verdicts.vbios_rim.as_deref()),
    ] {
        expect(role, rim_status(stated), status(device, role));
        // The manifest judges contents; that a file is also named after another id is for us to say.
        let found = reasons(device, role, &["rim_id_mismatch", "rim_id_unbound"]);
        expect(role, &rim_reasons(stated), &found);
    }
    expect(
        "measurements",
        measurements_status(case),
        status(device, "measurements"),
    );
    let compared = [verdicts.compared, verdicts.skipped_nvdec0].map(Option::unwrap_or_default);
    let mismatched = verdicts.mismatched_indexes.clone().unwrap_or_default();
    let numbers = json!({
        "compared": compared[0],
        "skipped_nvdec0": compared[1],
        "mismatched": mismatched,
    });
    let found = &device["measurements"];
    expect("comparison", &numbers.to_string(), &found.to_string());
    let in_reasons = mismatches(device);
    expect("mismatches told", &format!("{mismatched:?}"), &in_reasons);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\n{answer:#}", wrong.join("\n")).into())
    }
}

/// A malformed document in place of a good one never leads to a pass and always to a reason.
fn check_malformed(directory: &Path, rim: &MalformedRim) -> Result<(), Failed> {
    let pass = case_named(directory, "hopper-1-pass")?;
    let driver = pass.driver_rim.as_ref().map(|rim| directory.join(rim));
    let rims = [driver, Some(directory.join(&rim.file))]
        .into_iter()
        .flatten();
    let (exit, answer) = appraise(directory, &pass, &rims.collect::<Vec<_>>())?;
    let device = &answer["devices"][0];
    if exit != 1 || text(&answer["overall"]) != "fail" || status(device, "vbios_rim") != "refuted" {
        return Err(format!("{}: not refused\n{answer:#}", rim.reason).into());
    }
    Ok(())
}

fn appraise(directory: &Path, case: &Case, rims: &[PathBuf]) -> Result<(i32, Value), Failed> {
    let named = rims
        .iter()
        .flat_map(|rim| ["--rim".into(), rim.clone().into_os_string()]);
    appraise_with(directory, case, named)
}

/// The manifest states what is found of revocation apart, for no instant has all of the stored answers. So nobody is
/// asked here.
fn appraise_with(
    directory: &Path,
    case: &Case,
    more: impl IntoIterator<Item = OsString>,
) -> Result<(i32, Value), Failed> {
    appraise_under("danger-without-revocation".as_ref(), directory, case, more)
}

fn appraise_under(
    policy: &OsStr,
    directory: &Path,
    case: &Case,
    more: impl IntoIterator<Item = OsString>,
) -> Result<(i32, Value), Failed> {
    let as_of = case.as_of.to_string();
    let mut args: Vec<OsString> = vec!["pogw".into(), "appraise".into()];
    args.extend([
        "--report".into(),
        directory.join(&case.report).into_os_string(),
    ]);
    args.extend([
        "--chain".into(),
        directory.join(&case.chain).into_os_string(),
    ]);
    args.extend(["--nonce".into(), OsString::from(&case.nonce)]);
    args.extend(["--as-of".into(), OsString::from(&as_of)]);
    args.extend(["--format".into(), "json".into()]);
    args.extend(["--policy".into(), policy.to_owned()]);
    args.extend(more);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = cli::run(args, &mut stdout, &mut stderr);
    let answer = serde_json::from_slice(&stdout)
        .map_err(|e| format!("no JSON answer: {e}\n{}", String::from_utf8_lossy(&stderr)))?;
    Ok((exit as i32, answer))
}

fn status_word(verdict: &str) -> &'static str {
    match verdict {
        // No firmware id to compare with is affirmed with a reason (nvidia-evidence 4.5).
        "pass" | "match" | "absent_in_report" => "affirmed",
        "fail" | "mismatch" | "trailing_bytes" | "absent_in_certificate" => "refuted",
        other => panic!("unknown verdict {other}"),
    }
}

fn rim_status(stated: Option<&str>) -> &'static str {
    match stated {
        None => "not_requested",
        Some("pass") => "affirmed",
        Some("not_available") => "unverifiable",
        Some(_) => "refuted",
    }
}

/// The reasons the manifest states, in our words.
fn rim_reasons(stated: Option<&str>) -> String {
    let codes: BTreeSet<_> = match stated {
        None | Some("pass") => BTreeSet::new(),
        Some("not_available") => BTreeSet::from(["rim_not_available"]),
        Some(failed) => {
            let words = failed.strip_prefix("fail: ").unwrap_or(failed).split(", ");
            words.map(rim_code).collect()
        }
    };
    format!("{codes:?}")
}

fn rim_code(word: &str) -> &'static str {
    match word {
        "digest" => "rim_digest_mismatch",
        "signature" => "rim_signature_invalid",
        "chain_links" => "certificate_signature_invalid",
        "root" => "chain_root_untrusted",
        "not_yet_valid" => "certificate_not_yet_valid",
        "expired" => "certificate_expired",
        "version" => "rim_version_mismatch",
        "product" => "rim_product_mismatch",
        other => panic!("unknown reason {other}"),
    }
}

/// The manifest compares with the RIMs given, whatever their trust; we say `unverifiable` where a RIM is missing or
/// failed its own checks, and refute only by an authentic one.
fn measurements_status(case: &Case) -> &'static str {
    let roles = [
        case.expect.driver_rim.as_deref(),
        case.expect.vbios_rim.as_deref(),
    ];
    let trusted = |role: &&str| *role == "pass";
    let all_trusted = roles.iter().flatten().all(trusted);
    match case.expect.measurements.as_str() {
        "match" if all_trusted => "affirmed",
        "mismatch" if mismatch_is_against_a_trusted_rim(case) => "refuted",
        _ => "unverifiable",
    }
}

/// Golden indexes are disjoint between the two manifests of a GPU; driver indexes begin at 7 and skip 9 to 11.
fn mismatch_is_against_a_trusted_rim(case: &Case) -> bool {
    let roles = (
        case.expect.driver_rim.as_deref(),
        case.expect.vbios_rim.as_deref(),
    );
    let trusted = |role: Option<&str>| role == Some("pass");
    match roles {
        (None, vbios) => trusted(vbios),
        (Some("pass"), Some("not_available")) | (Some("not_available"), Some("pass")) => true,
        (driver, vbios) => trusted(driver) && trusted(vbios),
    }
}

fn check<'a>(device: &'a Value, id: &str) -> &'a Value {
    let checks = device["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let check = checks.iter().find(|check| check["id"] == id);
    check.unwrap_or(&Value::Null)
}

fn status<'a>(device: &'a Value, id: &str) -> &'a str {
    text(&check(device, id)["status"])
}

fn reasons(device: &Value, id: &str, but: &[&str]) -> String {
    let reasons = check(device, id)["reasons"].as_array();
    let codes = reasons.into_iter().flatten().map(|r| text(&r["code"]));
    let codes: BTreeSet<_> = codes.filter(|code| !but.contains(code)).collect();
    format!("{codes:?}")
}

/// Golden indexes named in the reasons of the measurements check.
fn mismatches(device: &Value) -> String {
    let reasons = check(device, "measurements")["reasons"].as_array();
    let codes = ["measurement_mismatch", "unverified_reference_mismatch"];
    let mut indexes: Vec<u8> = reasons
        .into_iter()
        .flatten()
        .filter(|reason| codes.contains(&text(&reason["code"])))
        .filter_map(|reason| text(&reason["message"]).split(' ').nth(1)?.parse().ok())
        .collect();
    indexes.sort_unstable();
    format!("{indexes:?}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(absent)")
}
