//! Real evidence, handed out by a driver: what the agent collects through NVML is the recorded bytes, and reaches the
//! verdict that the manifest states.
//!
//! Without the files the trials are listed as ignored, by name.

use std::ffi::OsString;
use std::path::Path;

use evidence::work::Hex;
use fake_nvml::{Evidence, Gpu, NonceIs, Scene};
use libtest_mimic::{Arguments, Failed, Trial};
use tests::driver::FakeDriver;
use tests::real::{self, Case, Manifest};

/// Cases whose reports carry the nonce that is asked; those of one chip family from each firmware generation.
const CASES: [&str; 7] = [
    "hopper-1-pass",
    "hopper-1-rims-expired",
    "hopper-2-no-rims",
    "hopper-3-trailing-byte",
    "hopper-5-invalid-signature",
    "hopper-7-no-rims",
    "blackwell-1-no-rims",
];
/// A report for another nonce, which the agent does not let pass.
const OTHER_NONCE: &str = "hopper-1-wrong-nonce";

fn main() {
    let arguments = Arguments::from_args();
    let directory = real::directory();
    let named = CASES.iter().chain([&OTHER_NONCE]);
    let trials = named.map(|id| {
        let there = directory.clone();
        let trial = Trial::test(format!("recorded::{id}"), move || match there {
            Some(directory) => check(&directory, id),
            None => Err("needs real evidence, see POGW_EVIDENCE_DIR".into()),
        });
        trial.with_ignored_flag(directory.is_none())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn check(directory: &Path, id: &str) -> Result<(), Failed> {
    let cases = Manifest::read(directory).cases.into_iter();
    let case = cases.into_iter().find(|case| case.id == id);
    let case = case.ok_or_else(|| format!("the manifest has no {id}"))?;
    let nonce: Hex<32> = Hex::parse(&case.nonce).ok_or("nonce of the case")?;
    let driver = FakeDriver::playing(&scene(directory, &case));
    let devices = driver.open().map_err(|e| e.to_string())?;
    let evidence = devices.attest(&nonce.0);
    if id == OTHER_NONCE {
        return match evidence {
            Err(error) if error.code() == "nonce_not_echoed" => Ok(()),
            other => Err(format!("expected nonce_not_echoed, got {other:?}").into()),
        };
    }
    let evidence = evidence.map_err(|e| e.to_string())?;
    let [device] = evidence.as_slice() else {
        return Err("expected one device".into());
    };
    let recorded = |name: &str| std::fs::read(directory.join(name));
    if device.report != recorded(&case.report)? || device.chain_pem != recorded(&case.chain)? {
        return Err("the bytes are not those of the recording".into());
    }
    if device.arch.as_str() != case.arch {
        return Err(format!("expected {}, got {}", case.arch, device.arch).into());
    }
    appraise(directory, &case, device)
}

fn scene(directory: &Path, case: &Case) -> Scene {
    let gpu = Gpu {
        architecture: if case.arch == "BLACKWELL" { 10 } else { 9 },
        evidence: Evidence::Recorded {
            report: directory.join(&case.report),
            chain: directory.join(&case.chain),
            nonce: NonceIs::Signed,
        },
        ..Gpu::default()
    };
    Scene {
        gpus: vec![gpu],
        ..Scene::default()
    }
}

/// Judges what was collected as `pogw appraise` does.
fn appraise(
    directory: &Path,
    case: &Case,
    device: &attestation_agent::device::DeviceEvidence,
) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (report, chain) = (
        folder.path().join("report.bin"),
        folder.path().join("chain.pem"),
    );
    std::fs::write(&report, &device.report)?;
    std::fs::write(&chain, &device.chain_pem)?;
    let as_of = case.as_of.to_string();
    let mut args: Vec<OsString> = ["pogw", "appraise", "--format", "json"]
        .map(OsString::from)
        .into();
    let pairs: [(&str, OsString); 5] = [
        ("--report", report.into()),
        ("--chain", chain.into()),
        ("--nonce", OsString::from(&case.nonce)),
        ("--as-of", as_of.into()),
        // The case states what is found of revocation apart.
        ("--policy", "danger-without-revocation".into()),
    ];
    for (name, value) in pairs {
        args.extend([name.into(), value]);
    }
    for rim in [&case.driver_rim, &case.vbios_rim].into_iter().flatten() {
        args.extend(["--rim".into(), directory.join(rim).into_os_string()]);
    }
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    cli::run(args, &mut stdout, &mut stderr);
    let answer: serde_json::Value = serde_json::from_slice(&stdout)
        .map_err(|e| format!("no JSON answer: {e}\n{}", String::from_utf8_lossy(&stderr)))?;
    match answer["overall"].as_str() {
        Some(overall) if overall == case.overall => Ok(()),
        _ => Err(format!("expected {}\n{answer:#}", case.overall).into()),
    }
}
