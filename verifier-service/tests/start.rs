//! What is said when the service cannot start, and with which exit status.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const LEAST: &str =
    "issuer = \"https://verifier.example\"\naudience = [\"https://market.example\"]\n";

/// Starts the service in `folder` with these settings and gives its exit status and what it said last.
fn refused(folder: &Path, settings: &str) -> (Option<i32>, String) {
    let file = folder.join("verifier.toml");
    let state = folder.join("state");
    let text = format!("{LEAST}state_dir = {state:?}\n{settings}");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_verifier-service"));
    let output = command
        .env("RUST_BACKTRACE", "1")
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = said.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(lines.len(), 1, "{said}");
    (output.status.code(), lines[0].to_owned())
}

#[test]
fn a_configuration_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let table = [
        ("body_limit = 5\n", "body_limit: unknown field"),
        ("listen = \n", "verifier.toml: line 4: not TOML: "),
        ("body_timeout_s = 0\n", "body_timeout_s must be at least 1"),
        (
            "[appraisal]\nrim_dir = \"/nowhere\"\n",
            "cannot read reference manifests from /nowhere: No such file",
        ),
        (
            "[appraisal]\npolicy = \"lenient\"\n",
            "appraisal.policy must be one of default, strict,",
        ),
        (
            "[appraisal]\npolicy = \"strict\"\npolicy_file = \"/nowhere.rego\"\n",
            "appraisal.policy and appraisal.policy_file must not both be set",
        ),
    ];
    for (settings, says) in table {
        let (status, said) = refused(folder.path(), settings);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.starts_with("verifier-service: "), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// A service that started, which ends with this.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the service in `folder` with these settings and gives the warnings up to where it listens.
fn warnings(folder: &Path, settings: &str) -> Vec<String> {
    let file = folder.join("verifier.toml");
    let state = folder.join("state");
    let text = format!("{LEAST}listen = \"127.0.0.1:0\"\nstate_dir = {state:?}\n{settings}");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_verifier-service"));
    command.args(["serve", "--config"]).arg(&file);
    let mut started = Started(command.stderr(Stdio::piped()).spawn().unwrap());
    let log = BufReader::new(started.0.stderr.take().unwrap());
    let mut warnings = Vec::new();
    for line in log.lines() {
        let line = line.unwrap();
        if line.contains("\"listening\"") {
            return warnings;
        }
        if line.contains("\"WARN\"") {
            warnings.push(line);
        }
    }
    panic!("it ended before it listened, having warned of {warnings:?}");
}

#[test]
fn what_the_policy_asks_for_and_no_setting_can_give_is_warned_of() {
    const NO_ANSWERS: &str = "no certificate will be known to be good";
    const NO_MANIFESTS: &str = "no measurement will be compared";
    let sources = tempfile::tempdir().unwrap();
    let (rims, answers) = (sources.path().join("rims"), sources.path().join("ocsp"));
    for folder in [&rims, &answers] {
        std::fs::create_dir(folder).unwrap();
    }
    let rim_dir = format!("rim_dir = {rims:?}\n");
    let rim_url = "[appraisal.rim_service]\nurl = \"http://127.0.0.1:9\"\n";
    let ocsp_dir = format!("[appraisal.ocsp]\ndir = {answers:?}\n");
    let ocsp_url = "[appraisal.ocsp]\nurl = \"http://127.0.0.1:9\"\n";
    let without = "policy = \"danger-without-revocation\"\n";
    let strict = "policy = \"strict\"\n";
    let table: [(String, &str, &[&str]); 9] = [
        (String::new(), "default", &[NO_ANSWERS, NO_MANIFESTS]),
        (strict.into(), "strict", &[NO_ANSWERS, NO_MANIFESTS]),
        (rim_dir.clone(), "default", &[NO_ANSWERS]),
        (rim_url.into(), "default", &[NO_ANSWERS]),
        (ocsp_dir.clone(), "default", &[NO_MANIFESTS]),
        (ocsp_url.into(), "default", &[NO_MANIFESTS]),
        (format!("{rim_dir}{ocsp_dir}"), "default", &[]),
        (without.into(), "danger-without-revocation", &[NO_MANIFESTS]),
        (
            format!("{without}{rim_dir}"),
            "danger-without-revocation",
            &[],
        ),
    ];
    for (settings, policy, expected) in table {
        let folder = tempfile::tempdir().unwrap();
        let said = warnings(folder.path(), &format!("[appraisal]\n{settings}"));
        assert_eq!(said.len(), expected.len(), "{settings}: {said:#?}");
        for (line, words) in said.iter().zip(expected) {
            assert!(line.contains(words), "{settings}: {line}");
            assert!(line.contains(&format!("\"{policy}\"")), "{line}");
        }
    }
}

#[test]
fn a_port_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (status, said) = refused(folder.path(), &format!("listen = \"{address}\"\n"));
    assert_eq!(status, Some(1), "{said}");
    let says = format!("verifier-service: cannot listen on {address}: Address already in use");
    assert!(said.starts_with(&says), "{said}");
}

#[test]
fn an_operator_token_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let settings = format!("listen = \"127.0.0.1:0\"\noperator_token_file = {token:?}\n");
    let (status, said) = refused(folder.path(), &settings);
    assert_eq!(status, Some(1), "{said}");
    let says = format!("operator token {} does not exist", token.display());
    assert!(said.ends_with(&says), "{said}");
    std::fs::write(&token, "secret-secret").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (status, said) = refused(folder.path(), &settings);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("must be one line of 32 to 512"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_key_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("state/keys");
    let mut private = std::fs::DirBuilder::new();
    private.mode(0o700).recursive(true).create(&keys).unwrap();
    let key = keys.join("signing.pk8");
    std::fs::write(&key, "no key").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (status, said) = refused(folder.path(), "listen = \"127.0.0.1:0\"\n");
    // Not to be tried again: nothing but an operator mends it, and a PIN that is tried again and again locks its token.
    assert_eq!(status, Some(2), "{said}");
    assert!(said.starts_with("verifier-service: "), "{said}");
    assert!(said.contains("signing.pk8"), "{said}");
}

#[test]
fn a_place_of_keys_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let pin = folder.path().join("pin");
    let settings = format!(
        "listen = \"127.0.0.1:0\"\n[keys.pkcs11]\nmodule = \"/no/such/module.so\"\ntoken = \"a\"\npin_file = {pin:?}\n"
    );
    let (status, said) = refused(folder.path(), &settings);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("/no/such/module.so"), "{said}");
}
