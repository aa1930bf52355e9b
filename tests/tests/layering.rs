//! The house keeps its shape: which crate may use which, held against `cargo metadata` (DESIGN section 3).

use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// Our crates and those of ours each may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("evidence", &[]),
    ("pogw-receipt", &[]),
    ("kernels", &[]),
    ("jobs", &["evidence"]),
    ("daemon", &[]),
    ("telemetry", &[]),
    (
        "attestation-agent",
        &["evidence", "kernels", "daemon", "telemetry"],
    ),
    (
        "verifier-service",
        &[
            "evidence",
            "pogw-receipt",
            "kernels",
            "jobs",
            "daemon",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "evidence",
            "pogw-receipt",
            "kernels",
            "jobs",
            "attestation-agent",
            "verifier-service",
        ],
    ),
    (
        "tests",
        &[
            "evidence",
            "pogw-receipt",
            "kernels",
            "jobs",
            "attestation-agent",
            "verifier-service",
            "cli",
            "fake-nvml",
            "fake-cuda",
            "telemetry",
        ],
    ),
    ("fake-nvml", &["attestation-agent"]),
    ("fake-cuda", &["kernels"]),
];

/// Crates of others that a crate of ours must not reach, however indirectly, and why.
const MUST_NOT_REACH: &[(&str, &[&str], &str)] = &[
    (
        "evidence",
        &[
            "tokio",
            "reqwest",
            "sqlx",
            "hyper",
            "jsonwebtoken",
            "nvml-wrapper",
            "cudarc",
        ],
        "evidence is a pure function and never learns what a JWT is",
    ),
    (
        "pogw-receipt",
        &[
            "tokio",
            "reqwest",
            "sqlx",
            "hyper",
            "x509-parser",
            "nvml-wrapper",
            "cudarc",
        ],
        "receipt is the marketplace's only dependency and never learns what SPDM is",
    ),
    (
        "kernels",
        &["tokio", "reqwest", "sqlx", "hyper", "nvml-wrapper"],
        "the reference of a kernel needs no device and no network",
    ),
    (
        "jobs",
        &[
            "tokio",
            "reqwest",
            "sqlx",
            "hyper",
            "jsonwebtoken",
            "regorus",
            "blake3",
        ],
        "the rules from a job to a reward judge nothing and keep nothing: verdicts come in, effects go out",
    ),
    (
        "attestation-agent",
        &["regorus", "jsonwebtoken", "sqlx", "axum"],
        "the agent holds no policy, no signing key of the service, no store",
    ),
    (
        "verifier-service",
        &["nvml-wrapper", "nvml-wrapper-sys", "cudarc", "rcgen"],
        // It opens one library at run time: the PKCS #11 module that its configuration names.
        "the verifier never links CUDA or NVML, and makes no certificates",
    ),
];

/// No network, and no packages of platforms that nobody builds for.
const OPTIONS: [&str; 4] = [
    "--locked",
    "--offline",
    "--filter-platform",
    "x86_64-unknown-linux-gnu",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(OPTIONS.map(str::to_owned).to_vec())
        .exec()
        .expect("cargo metadata")
}

fn package<'a>(metadata: &'a Metadata, name: &str) -> &'a Package {
    let mut members = metadata.workspace_packages().into_iter();
    let found = members.find(|package| package.name.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is no member of the workspace"))
}

#[test]
fn every_member_is_listed() {
    let metadata = metadata();
    let members: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let listed: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(members, listed);
}

#[test]
fn edges_between_our_crates_run_one_way() {
    let metadata = metadata();
    let ours: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in MAY_USE {
        let used = package(&metadata, name).dependencies.iter();
        let used = used.map(|dependency| dependency.name.as_str());
        for used in used.filter(|used| ours.contains(used)) {
            assert!(allowed.contains(&used), "{name} uses {used}");
        }
    }
}

#[test]
fn no_crate_reaches_what_it_must_not_know() {
    for (name, forbidden, why) in MUST_NOT_REACH {
        let reached = reachable(name);
        for forbidden in *forbidden {
            assert!(
                !reached.contains(*forbidden),
                "{name} reaches {forbidden}: {why}"
            );
        }
        assert!(
            reached.len() > 5,
            "{name} reaches next to nothing: is this test blind?"
        );
    }
}

/// Names of all packages a member reaches through normal and build dependencies, built for itself: within the
/// workspace, features that another member turns on would count as well.
fn reachable(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["tree", "--package", name, "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(["--locked", "--offline"])
        .output()
        .expect("cargo tree");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let lines = String::from_utf8(output.stdout).expect("text");
    let names = lines.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let root = &root.canonicalize().expect("root");
    let allowed = [
        "attestation-agent/src/device",
        "attestation-agent/src/execute/cuda/driver",
        "kernels/src/host/ffi.rs",
        "kernels/src/host/hand_made.rs",
        "kernels/tests/suite/vouched.rs",
        "tests/fake-cuda/src/abi/",
        "tests/fake-cuda/src/vouched.rs",
        "tests/fake-nvml/src/abi.rs",
        "tests/tests/hardware/astray.rs",
    ];
    let metadata = metadata();
    for (name, _) in MAY_USE {
        let home = package(&metadata, name).manifest_path.parent();
        for file in rust_files(home.expect("folder of a manifest").as_std_path()) {
            let text = std::fs::read_to_string(&file).expect("source file");
            let inside = file
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            let allowed = allowed.iter().any(|room| inside.starts_with(room));
            let keyword = concat!("un", "safe");
            let used = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.split(|c: char| !c.is_alphanumeric() && c != '_')
                    .any(|word| word == keyword)
            });
            assert!(allowed || !used, "{inside} holds {keyword} code");
        }
    }
}

fn rust_files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("directory").flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
