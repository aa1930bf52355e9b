//! The command: exit codes, what goes to which stream, and what a person reads.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::kit::seeded_text;
use crate::server::{JWT, Reply, Server};

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
const CHALLENGE: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

/// Runs the command with its state in `dir`, two quick attempts, and these arguments.
pub(crate) fn agent(dir: &Path, args: &[&str]) -> Output {
    fs::write(dir.join("job.json"), seeded_text(r#""freivalds""#)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_attestation-agent"))
        .current_dir(dir)
        .env_clear()
        .env("ATTESTATION_AGENT__STATE_DIR", dir.join("state"))
        .env("ATTESTATION_AGENT__RETRY__ATTEMPTS", "2")
        .env("ATTESTATION_AGENT__RETRY__FIRST_DELAY_MS", "1")
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
pub(crate) fn assert_ends(output: &Output, code: i32) -> (String, String) {
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

fn verifier(receipts: Reply) -> Server {
    Server::start([
        ("/v1/challenges", vec![Reply::challenge()]),
        ("/v1/receipts", vec![receipts]),
    ])
}

fn run_args(server: &Server) -> Vec<&str> {
    let url = server.url.as_str();
    vec![
        "run",
        "--job",
        "job.json",
        "--device",
        "simulated",
        "--verifier",
        url,
    ]
}

#[test]
fn a_run_writes_receipt_bundle_and_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let server = verifier(Reply::receipt());
    let args = [run_args(&server), vec!["--out", "out/deep"]].concat();
    let (stdout, _) = assert_ends(&agent(dir.path(), &args), 0);
    assert_eq!(
        stdout,
        "out/deep/bundle.json\nout/deep/output-c.bin\nout/deep/receipt.jwt\n"
    );
    let read = |name: &str| fs::read(dir.path().join("out/deep").join(name)).unwrap();
    assert_eq!(read("receipt.jwt"), JWT.as_bytes());
    assert_eq!(read("bundle.json"), server.seen("/v1/receipts")[0].body);
    assert_eq!(read("output-c.bin").len(), 4 * 4 * 5);
}

#[test]
fn without_a_folder_the_receipt_alone_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let server = verifier(Reply::receipt());
    let (stdout, stderr) = assert_ends(&agent(dir.path(), &run_args(&server)), 0);
    assert_eq!(stdout, format!("{JWT}\n"));
    assert!(stderr.contains("receipt is stored"), "{stderr}");
}

#[test]
fn json_formats_are_json_on_both_streams() {
    let dir = tempfile::tempdir().unwrap();
    let server = verifier(Reply::receipt());
    let args = [run_args(&server), vec!["--format", "json", "--log", "json"]].concat();
    let (stdout, stderr) = assert_ends(&agent(dir.path(), &args), 0);
    let result: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&result["outcome"], &result["receipt"]),
        (&"receipt".into(), &JWT.into())
    );
    let lines: Vec<Value> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["message"] == "reports are collected")
    );
}

#[test]
fn the_environment_of_a_service_chooses_the_form_of_its_log() {
    let told = |form: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_attestation-agent"))
            .env_clear()
            .env("ATTESTATION_AGENT_LOG", form)
            .args(["serve", "--verifier", "http://127.0.0.1:1"])
            .args(["--device", "simulated", "--token-file", "absent"])
            .arg("--state-dir")
            .arg(tempfile::tempdir().unwrap().path())
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let (json, human) = (told("json"), told("human"));
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let line: Value = serde_json::from_str(&first(&json)).unwrap();
    assert!(line["message"].is_string(), "{json}");
    assert!(!first(&human).starts_with('{'), "{human}");
    assert!(told("neither").contains("ATTESTATION_AGENT_LOG") || told("neither").contains("--log"));
}

#[test]
fn a_refusal_is_told_in_full_and_ends_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let server = verifier(Reply::problem(422, "evidence_refuted"));
    let args = [run_args(&server), vec!["--out", "out"]].concat();
    let (stdout, stderr) = assert_ends(&agent(dir.path(), &args), 1);
    assert_eq!(stdout, "");
    for part in [
        "evidence_refuted",
        "nonce_mismatch",
        "expected 3f, got 91",
        "Attest again.",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert!(dir.path().join("out/bundle.json").exists());
    assert!(!dir.path().join("out/receipt.jwt").exists());

    let args = [run_args(&server), vec!["--format", "json"]].concat();
    let (stdout, _) = assert_ends(&agent(dir.path(), &args), 1);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["outcome"], "refused");
    let reason = &document["problem"]["checks"][0]["reasons"][0];
    assert_eq!(reason["actual"], "91");
}

#[test]
fn an_unavailable_verifier_ends_with_3_and_submit_ends_the_matter() {
    let dir = tempfile::tempdir().unwrap();
    let busy = Reply::problem(503, "collateral_unavailable");
    let server = Server::start([
        ("/v1/challenges", vec![Reply::challenge()]),
        (
            "/v1/receipts",
            vec![
                busy.clone(),
                busy.clone(),
                busy.clone(),
                busy,
                Reply::receipt(),
            ],
        ),
    ]);
    let (_, stderr) = assert_ends(&agent(dir.path(), &run_args(&server)), 3);
    assert!(stderr.contains("attestation-agent submit"), "{stderr}");
    let (stdout, _) = assert_ends(&agent(dir.path(), &["submit"]), 3);
    assert!(stdout.starts_with("waiting  "), "{stdout}");
    let (stdout, _) = assert_ends(&agent(dir.path(), &["submit"]), 0);
    assert!(stdout.starts_with("receipt  "), "{stdout}");
    let (stdout, _) = assert_ends(&agent(dir.path(), &["submit"]), 0);
    assert_eq!(stdout, "nothing waits\n");
}

#[test]
fn a_challenge_that_ends_while_the_verifier_cannot_verify_ends_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let expired = Reply::problem(410, "challenge_expired");
    let server = Server::start([
        ("/v1/challenges", vec![Reply::challenge_for(30)]),
        (
            "/v1/receipts",
            vec![Reply::unverifiable().after(60), expired],
        ),
    ]);
    let (_, stderr) = assert_ends(&agent(dir.path(), &run_args(&server)), 3);
    for part in [
        "HTTP 503 unverifiable",
        "NV_GPU_DRIVER_GH100_550.90.07",
        "The evidence was not refused.",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let (stdout, _) = assert_ends(&agent(dir.path(), &["submit"]), 3);
    assert!(stdout.starts_with("expired  "), "{stdout}");
    for part in [
        "expired while the verifier could not verify",
        "NV_GPU_DRIVER_GH100_550.90.07",
        ".expired",
    ] {
        assert!(stdout.contains(part), "{stdout}");
    }
    let (stdout, _) = assert_ends(&agent(dir.path(), &["submit"]), 0);
    assert_eq!(stdout, "nothing waits\n");
}

#[test]
fn collateral_of_the_simulated_device_fits_its_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["simulated-collateral", "--device-dir", "sim", "--out", "c"];
    let (stdout, stderr) = assert_ends(&agent(dir.path(), &args), 0);
    assert!(stderr.contains("proves nothing about hardware"), "{stderr}");
    let files: Vec<_> = stdout.lines().collect();
    assert_eq!((files.len(), files[0]), (9, "c/anchors.toml"));
    for answer in &files[3..] {
        assert!(answer.starts_with("c/ocsp/") && answer.ends_with(".der"));
        let answer = fs::read(dir.path().join(answer)).unwrap();
        assert!(evidence::ocsp::OcspResponse::parse(&answer).is_ok());
    }
    for rim in &files[1..3] {
        let text = fs::read_to_string(dir.path().join(rim)).unwrap();
        assert!(rim.ends_with(".xml") && text.contains("SoftwareIdentity"));
    }
    let anchors = fs::read_to_string(dir.path().join("c/anchors.toml")).unwrap();
    assert_eq!(anchors.matches("simulated = true").count(), 2);

    // The device that was made is the one that attests, and is opened and not made anew.
    let evidence = [
        &["attest", "--nonce", NONCE, "--device", "simulated"][..],
        &["--device-dir", "sim"],
    ];
    let (evidence, _) = assert_ends(&agent(dir.path(), &evidence.concat()), 0);
    let evidence: Value = serde_json::from_str(&evidence).unwrap();
    let chain = base64(evidence[0]["certificate"].as_str().unwrap());
    let root = pem::parse_many(chain).unwrap().pop().unwrap();
    let fingerprint = hex::encode(evidence::crypto::sha256(root.contents()));
    assert!(anchors.contains(&fingerprint), "{anchors}");

    let json = [&args[..], &["--format", "json"]].concat();
    let (stdout, _) = assert_ends(&agent(dir.path(), &json), 0);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["simulated"], true);
    assert_eq!(document["ocsp"]["dir"], "c/ocsp");
    assert_eq!(document["ocsp"]["answers"].as_array().unwrap().len(), 6);
    let valid_until = document["ocsp"]["valid_until"].as_str().unwrap();
    assert!(
        valid_until.ends_with('Z') && stderr.contains("valid until"),
        "{stderr}"
    );
    let count = fs::read_dir(dir.path().join("c/ocsp")).unwrap().count();
    assert_eq!(count, 6, "the answers are replaced");
    let again = fs::read_to_string(dir.path().join("c/anchors.toml")).unwrap();
    assert_eq!(again, anchors);
    assert_ends(&agent(dir.path(), &["simulated-collateral"]), 2);
    let for_nothing = [&args[..], &["--valid-for", "0s"]].concat();
    assert_ends(&agent(dir.path(), &for_nothing), 2);
}

#[test]
fn the_help_of_simulated_collateral_says_what_it_is_worth() {
    let dir = tempfile::tempdir().unwrap();
    let (stdout, _) = assert_ends(&agent(dir.path(), &["simulated-collateral", "--help"]), 0);
    for part in [
        "proves nothing about hardware",
        "simulated_anchors = [",
        "rim_dir = ",
        "[appraisal]",
        "[appraisal.ocsp]",
        "--valid-for",
    ] {
        assert!(stdout.contains(part), "{stdout}");
    }
    for command in ["attest", "devices"] {
        let (stdout, _) = assert_ends(&agent(dir.path(), &[command, "--help"]), 0);
        assert!(stdout.contains("simulated-collateral"), "{stdout}");
    }
}

#[test]
fn a_challenge_that_came_another_way_makes_a_bundle_only() {
    let dir = tempfile::tempdir().unwrap();
    let run = [
        "run",
        "--job",
        "job.json",
        "--device",
        "simulated",
        "--challenge",
        CHALLENGE,
    ];
    let (stdout, _) = assert_ends(&agent(dir.path(), &run), 0);
    let bundle = evidence::work::Bundle::parse(stdout.as_bytes()).unwrap();
    assert_eq!(bundle.statement.challenge.0, [7; 32]);
    let (stdout, _) = assert_ends(&agent(dir.path(), &[&run[..], &["--out", "o"]].concat()), 0);
    assert_eq!(stdout, "o/bundle.json\no/output-c.bin\n");
    assert_eq!(
        fs::read_dir(dir.path().join("state/outbox"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn without_a_driver_the_agent_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let library = ["--nvml-library", "/nonexistent/libnvidia-ml.so.1"];
    let run = ["run", "--job", "job.json", "--challenge", CHALLENGE];
    for command in [&["devices"][..], &["attest", "--nonce", NONCE], &run] {
        let (stdout, stderr) = assert_ends(&agent(dir.path(), &[command, &library].concat()), 3);
        assert_eq!(stdout, "");
        for part in [
            "/nonexistent/libnvidia-ml.so.1",
            "nvml_library_not_found",
            "remedy: Install",
        ] {
            assert!(stderr.contains(part), "{stderr}");
        }
    }
    let args = [&["devices", "--format", "json"][..], &library].concat();
    let (stdout, _) = assert_ends(&agent(dir.path(), &args), 3);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["code"], "nvml_library_not_found");
    assert!(document["remedy"].as_str().unwrap().contains("driver"));
}

#[test]
fn evidence_is_printed_in_the_form_of_nvidia() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["attest", "--nonce", NONCE, "--device", "simulated"];
    let (stdout, _) = assert_ends(&agent(dir.path(), &args), 0);
    let evidence: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(evidence[0]["nonce"], NONCE.to_ascii_lowercase());
    assert_eq!(evidence.as_array().unwrap().len(), 1);
    let (stdout, _) = assert_ends(
        &agent(dir.path(), &[&args[..], &["--out", "e.json"]].concat()),
        0,
    );
    assert_eq!(stdout, "evidence of 1 devices in e.json\n");
    let file = fs::read(dir.path().join("e.json")).unwrap();
    assert!(serde_json::from_slice::<Value>(&file).unwrap().is_array());
}

#[test]
fn devices_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (stdout, _) = assert_ends(&agent(dir.path(), &["devices", "--device", "simulated"]), 0);
    assert!(
        stdout.contains("HOPPER") && stdout.contains("SIMULATED"),
        "{stdout}"
    );
}

#[test]
fn wrong_usage_and_unreadable_input_end_with_2() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("junk.json"), "junk").unwrap();
    fs::write(dir.path().join("junk.toml"), "colour = 1").unwrap();
    let simulated = ["--device", "simulated", "--challenge", CHALLENGE];
    let table: [(&[&str], &str); 11] = [
        (&[], "Usage"),
        (&["runn"], "runn"),
        (&["run"], "--job"),
        (&["attest", "--nonce", "00"], "64 hexadecimal digits"),
        (&["run", "--job", "j", "--challenge", "x"], "base64url"),
        (&["run", "--job", "j", "--input", "a"], "NAME=FILE"),
        (
            &["run", "--job", "job.json", "--device", "simulated"],
            "verifier_not_set",
        ),
        (&["run", "--job", "absent.json"], "absent.json"),
        (&["run", "--job", "junk.json"], "job_malformed"),
        (&["devices", "--config", "junk.toml"], "colour"),
        (
            &[
                "run",
                "--job",
                "job.json",
                "--device",
                "simulated",
                "--verifier",
                "ftp://x",
            ],
            "verifier_url_invalid",
        ),
    ];
    for (args, word) in table {
        let (stdout, stderr) = assert_ends(&agent(dir.path(), args), 2);
        assert!(
            stdout.is_empty() && stderr.contains(word),
            "{args:?}: {stderr}"
        );
    }
    let unasked = [
        &["run", "--job", "job.json", "--input", "a=job.json"][..],
        &simulated,
    ]
    .concat();
    let (_, stderr) = assert_ends(&agent(dir.path(), &unasked), 2);
    assert!(stderr.contains("input_unexpected"), "{stderr}");
}

#[test]
fn a_setting_of_the_environment_that_nobody_reads_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_attestation-agent"))
        .env_clear()
        .env("ATTESTATION_AGENT__STATE_DIR", dir.path())
        .env("ATTESTATION_AGENT__DEVICE__KINDD", "simulated")
        .arg("devices")
        .output()
        .unwrap();
    let (_, stderr) = assert_ends(&output, 2);
    assert!(stderr.contains("kindd"), "{stderr}");
}

#[test]
fn help_tells_commands_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (stdout, _) = assert_ends(&agent(dir.path(), &["--help"]), 0);
    for part in [
        "run",
        "attest",
        "devices",
        "doctor",
        "submit",
        "simulated-collateral",
        "Exit codes:",
        "refused by the verifier",
        "doctor, install-check: a problem was found",
    ] {
        assert!(stdout.contains(part), "{stdout}");
    }
}
