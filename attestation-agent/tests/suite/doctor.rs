//! `doctor` from outside: exit codes, both formats, and everything that can be wrong with a verifier. Drivers are met
//! in `tests/tests/doctor.rs`.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use crate::binary::{agent, assert_ends};
use crate::server::{Nobody, Reply, Server};

const DRIVER_RIM: &str = "NV_GPU_DRIVER_GH100_999.01.SIM";
const VBIOS_RIM: &str = "NV_GPU_VBIOS_SIM0_0000_000_F053494D01";
const READY: &str = "/readyz";
const COVERAGE: &str = "/v1/coverage";

const IMF_FIXDATE: &[FormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// A verifier's clock, so many seconds ahead of this machine's.
fn clock(ahead_s: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::seconds(ahead_s)
}

fn dated(reply: Reply, ahead_s: i64) -> Reply {
    let Reply::Answer(status, mut headers, body) = reply else {
        return reply;
    };
    headers.push(("Date", clock(ahead_s).format(IMF_FIXDATE).unwrap()));
    Reply::Answer(status, headers, body)
}

fn ready() -> Reply {
    dated(
        Reply::json(200, "application/json", r#"{"status":"ready"}"#),
        0,
    )
}

fn manifest(id: &str, status: &str) -> Value {
    json!({ "role": "driver_rim", "id": id, "status": status, "valid_until": "2030-01-01T00:00:00Z",
            "reasons": [] })
}

fn coverage(manifests: &[Value], ahead_s: i64) -> Reply {
    let as_of = clock(ahead_s).format(&Rfc3339).unwrap();
    let body = json!({ "as_of": as_of, "covered": true, "manifests": manifests });
    Reply::json(200, "application/json", &body.to_string())
}

fn covered() -> Reply {
    coverage(
        &[
            manifest(DRIVER_RIM, "available"),
            manifest(VBIOS_RIM, "available"),
        ],
        0,
    )
}

fn verifier(ready: Reply, coverage: Reply) -> Server {
    Server::start([(READY, vec![ready]), (COVERAGE, vec![coverage])])
}

/// Visits a host with a simulated device, in a folder of its own.
fn visit(dir: &Path, url: &str, more: &[&str]) -> Output {
    let doctor = ["doctor", "--device", "simulated", "--verifier", url];
    agent(dir, &[&doctor[..], more].concat())
}

fn document(output: &Output, code: i32) -> Value {
    serde_json::from_str(&assert_ends(output, code).0).unwrap()
}

/// The findings that are not as they should be, as `status id`, in their order.
fn complaints(document: &Value) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter();
    let bad = |finding: &&Value| !["ok", "not_applicable"].contains(&text(&finding["status"]));
    let word = |finding: &Value| format!("{} {}", text(&finding["status"]), text(&finding["id"]));
    findings.filter(bad).map(word).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(absent)")
}

fn finding<'a>(document: &'a Value, id: &str) -> &'a Value {
    let mut findings = document["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["id"] == id).unwrap()
}

#[track_caller]
fn complains(ready: Reply, coverage: Reply, code: i32, expected: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let server = verifier(ready, coverage);
    let document = document(&visit(dir.path(), &server.url, &["--format", "json"]), code);
    assert_eq!(complaints(&document), expected, "{document:#}");
    document
}

#[test]
fn a_host_and_a_verifier_that_fit_end_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let server = verifier(ready(), covered());
    let (stdout, _) = assert_ends(&visit(dir.path(), &server.url, &[]), 0);
    for line in [
        "ok       agent_key: not there yet; made at the first run",
        "-        nvml_library: this device has no driver",
        "ok       devices: 1 simulated; proves nothing about hardware",
        "ok       report_signature (device 0): right",
        "-        verifier_tls: the address is http",
        "ok       reference_manifest NV_GPU_DRIVER_GH100_999.01.SIM: available, valid until 2030",
        "nothing is in the way that can be seen from here; the verifier decides",
    ] {
        assert!(stdout.contains(line), "{line}\n{stdout}");
    }
    assert!(!stdout.contains("remedy"), "{stdout}");
    // Nothing was made that a run would make.
    assert!(!dir.path().join("state/agent-key.der").exists());
    assert!(!dir.path().join("state/outbox").exists());

    let asked = server.seen(COVERAGE);
    let query = format!("{COVERAGE}?rim={DRIVER_RIM}&rim={VBIOS_RIM}");
    assert_eq!((asked.len(), asked[0].target.as_str()), (1, query.as_str()));
}

#[test]
fn the_document_tells_each_finding_by_its_words() {
    let missing = coverage(
        &[
            manifest(DRIVER_RIM, "missing"),
            manifest(VBIOS_RIM, "available"),
        ],
        0,
    );
    let document = complains(ready(), missing, 1, &["problem reference_manifest"]);
    assert_eq!(document["outcome"], "problem");
    let finding = finding(&document, "reference_manifest");
    assert_eq!(finding["manifest"], DRIVER_RIM);
    assert_eq!(
        finding["found"],
        "missing, valid until 2030-01-01T00:00:00Z"
    );
    assert_eq!(finding["expected"], "the verifier has it, and it is valid");
    assert!(text(&finding["remedy"]).contains("manifest"), "{finding}");
}

#[test]
fn what_the_verifier_says_of_a_manifest_decides() {
    let with = |status| {
        coverage(
            &[
                manifest(DRIVER_RIM, status),
                manifest(VBIOS_RIM, "available"),
            ],
            0,
        )
    };
    for status in ["expired", "not_yet_valid", "refused", "missing"] {
        complains(ready(), with(status), 1, &["problem reference_manifest"]);
    }
    for status in ["unreachable", "invented_later"] {
        complains(ready(), with(status), 3, &["unknown reference_manifest"]);
    }
    let half = coverage(&[manifest(VBIOS_RIM, "available")], 0);
    complains(ready(), half, 3, &["unknown reference_manifest"]);
}

#[test]
fn a_verifier_that_does_not_answer_about_coverage_leaves_it_open() {
    let both = ["unknown reference_manifest", "unknown reference_manifest"];
    let garbage = |body: &str| Reply::json(200, "application/json", body);
    for (reply, word) in [
        (Reply::problem(404, "not_found"), "HTTP 404 not_found"),
        (Reply::problem(503, "unverifiable"), "HTTP 503 unverifiable"),
        (garbage("<html>"), "not one about coverage"),
        (garbage(r#"{"manifests":{}}"#), "not one about coverage"),
        (garbage(&" ".repeat(2 << 20)), "too large"),
        (Reply::Hangup, "does not tell"),
        (Reply::CutShort, "does not tell"),
    ] {
        let document = complains(ready(), reply, 3, &both);
        let found = text(&finding(&document, "reference_manifest")["found"]);
        assert!(found.contains(word), "{found}");
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let endless = Reply::json(200, "application/json", &" ".repeat(2 << 20));
    let open = [
        "problem verifier_http",
        "unknown verifier_ready",
        "unknown clock",
        "unknown reference_manifest",
    ];
    let document = complains(endless, covered(), 1, &open);
    let http = finding(&document, "verifier_http");
    assert_eq!(http["codes"], json!(["answer_too_large"]));
}

#[test]
fn readiness_is_the_verifiers_word() {
    let unready = || dated(Reply::problem(503, "store_unavailable"), 0);
    let document = complains(unready(), covered(), 1, &["problem verifier_ready"]);
    let ready = finding(&document, "verifier_ready");
    assert_eq!(ready["codes"], json!(["store_unavailable"]));
    let absent = dated(Reply::problem(404, "not_found"), 0);
    complains(absent, covered(), 3, &["unknown verifier_ready"]);
}

#[test]
fn a_clock_more_than_a_minute_off_is_a_problem() {
    let answer = || Reply::json(200, "application/json", "{}");
    for ahead_s in [-300, 300] {
        let date = dated(answer(), ahead_s);
        let document = complains(date, covered(), 1, &["problem clock"]);
        let found = text(&finding(&document, "clock")["found"]).to_owned();
        let word = if ahead_s < 0 { "ahead of" } else { "behind" };
        assert!(found.contains(word) && found.contains("`Date`"), "{found}");
    }
    let both = [
        manifest(DRIVER_RIM, "available"),
        manifest(VBIOS_RIM, "available"),
    ];
    complains(ready(), coverage(&both, 300), 1, &["problem clock"]);
    complains(ready(), coverage(&both, 30), 0, &[]);
    // Without a Date the time of judgement is all there is; without either there is nothing.
    complains(answer(), coverage(&both, 0), 0, &[]);
    let timeless = Reply::problem(404, "not_found");
    let open = [
        "unknown clock",
        "unknown reference_manifest",
        "unknown reference_manifest",
    ];
    complains(answer(), timeless, 3, &open);
}

/// Everything behind `step` on the way to an answer.
fn failed_at(step: &str) -> Vec<String> {
    let steps = [
        "verifier_name",
        "verifier_connect",
        "verifier_tls",
        "verifier_http",
        "verifier_ready",
        "clock",
        "reference_manifest",
    ];
    let from = steps.iter().skip_while(|name| **name != step);
    let word = |name: &&str| match *name == step {
        true => format!("problem {name}"),
        false => format!("unknown {name}"),
    };
    from.map(word).collect()
}

#[test]
fn the_step_at_which_the_way_ends_is_named() {
    let nobody = Nobody::listens();
    let plain = verifier(ready(), covered());
    let https = plain.url.replace("http://", "https://");
    let [hangup, silent] = [Reply::Hangup, Reply::Silence].map(|reply| verifier(reply, covered()));
    // RFC 6761 section 6.4: no name under `invalid` has an address.
    let table = [
        ("http://verifier.invalid".to_owned(), "verifier_name"),
        (nobody.url.clone(), "verifier_connect"),
        (https, "verifier_tls"),
        (hangup.url.clone(), "verifier_http"),
        (silent.url.clone(), "verifier_http"),
    ];
    for (url, step) in table {
        let dir = tempfile::tempdir().unwrap();
        let document = document(&visit(dir.path(), &url, &["--format", "json"]), 1);
        let mut expected = failed_at(step);
        let tls = finding(&document, "verifier_tls");
        if url.starts_with("http:") {
            assert_eq!(tls["status"], "not_applicable", "{url}");
            expected.retain(|word| word != "unknown verifier_tls");
        }
        assert_eq!(complaints(&document), expected, "{url} {document:#}");
    }
}

#[test]
fn without_a_verifier_half_the_questions_are_open() {
    let dir = tempfile::tempdir().unwrap();
    let output = agent(dir.path(), &["doctor", "--device", "simulated"]);
    let (stdout, _) = assert_ends(&output, 3);
    assert!(
        stdout.contains("unknown  verifier_address: no verifier is set"),
        "{stdout}"
    );
    assert!(
        stdout.contains("no problem was found; 8 could not be determined"),
        "{stdout}"
    );
}

#[test]
fn without_a_driver_its_libraries_are_all_there_is_to_mend() {
    let dir = tempfile::tempdir().unwrap();
    let library = ["--nvml-library", "/nonexistent/libnvidia-ml.so.1"];
    let args = [&["doctor", "--format", "json"][..], &library].concat();
    let document = document(&agent(dir.path(), &args), 1);
    let problems = complaints(&document).into_iter();
    let problems: Vec<_> = problems
        .filter(|word| word.starts_with("problem"))
        .collect();
    // The driver brings both; this machine may have the other one.
    let of_the_driver = ["problem nvml_library", "problem cuda_library"];
    assert_eq!(problems.first().map(String::as_str), Some(of_the_driver[0]));
    let is_of_the_driver = |word: &String| of_the_driver.contains(&word.as_str());
    assert!(problems.iter().all(is_of_the_driver), "{problems:?}");
    let library = finding(&document, "nvml_library");
    assert_eq!(library["codes"], json!(["nvml_library_not_found"]));
}

#[test]
fn a_recording_has_no_driver_and_no_fresh_nonce() {
    let dir = tempfile::tempdir().unwrap();
    let nonce = "00".repeat(32);
    let attest = ["attest", "--device", "simulated", "--nonce", &nonce];
    let (evidence, _) = assert_ends(&agent(dir.path(), &attest), 0);
    let evidence: Value = serde_json::from_str(&evidence).unwrap();
    let capture = dir.path().join("capture");
    fs::create_dir(&capture).unwrap();
    for (file, member) in [("report.bin", "evidence"), ("chain.pem", "certificate")] {
        let bytes = crate::binary::base64(text(&evidence[0][member]));
        fs::write(capture.join(file), bytes).unwrap();
    }
    let server = verifier(ready(), covered());
    let recorded = ["--device", "recorded", "--device-dir", "capture"];
    let verifier = ["--verifier", &server.url, "--format", "json"];
    let args = [&["doctor"][..], &recorded, &verifier].concat();
    let document = document(&agent(dir.path(), &args), 0);
    assert_eq!(document["outcome"], "ok");
    for id in ["nvml_library", "developer_mode", "report_nonce"] {
        assert_eq!(finding(&document, id)["status"], "not_applicable", "{id}");
    }
    assert_eq!(finding(&document, "report_signature")["status"], "ok");
}

#[test]
fn settings_that_cannot_be_used_end_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for (args, word) in [
        (&["--verifier", "ftp://x"][..], "verifier_url_invalid"),
        (
            &["--verifier", "https://me:secret@x"],
            "verifier_url_invalid",
        ),
        (&["--device", "recorded"], "settings_invalid"),
        (&["--devices"], "--devices"),
    ] {
        let (_, stderr) = assert_ends(&agent(dir.path(), &[&["doctor"], args].concat()), 2);
        assert!(
            stderr.contains(word) && !stderr.contains("secret@"),
            "{stderr}"
        );
    }
}
