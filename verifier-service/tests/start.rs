//! What is said when the service cannot start, and with which exit status.

use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

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
        ("listen = \n", "configuration is malformed: line 4: "),
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
    assert_eq!(status, Some(1), "{said}");
    assert!(said.starts_with("verifier-service: "), "{said}");
    assert!(said.contains("signing.pk8"), "{said}");
}
