//! NVML without a driver, and drivers that misbehave.
//!
//! The second kind is `fake_nvml.c`, compiled once per case by the C compiler that building this
//! workspace needs anyway; without one those tests say that they were skipped. No test here says
//! anything about real hardware.

use std::path::PathBuf;
use std::process::Command;

use super::*;

const NONCE: [u8; NONCE_LENGTH] = *b"0123456789abcdef0123456789abcdef";

/// A fake library that lives as long as the folder it was built in.
struct Fake {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

/// Builds the fake with these macros, or says why not and returns nothing.
fn fake(macros: &[&str]) -> Option<Fake> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libfake.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/device/nvml/fake_nvml.c");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Werror"])
        .args(macros.iter().map(|definition| format!("-D{definition}")))
        .arg("-o")
        .args([path.as_os_str(), source.as_ref()])
        .status();
    match built {
        Ok(status) => assert!(
            status.success(),
            "fake_nvml.c does not compile with {macros:?}"
        ),
        Err(e) => {
            eprintln!("skipped: no C compiler to build the fake driver ({e})");
            return None;
        }
    }
    Some(Fake { _dir: dir, path })
}

/// The devices of a fake that must open.
fn opened(macros: &[&str]) -> Option<(Fake, Vec<NvmlDevice>)> {
    let fake = fake(macros)?;
    let devices = open(Some(&fake.path)).unwrap();
    Some((fake, devices))
}

#[track_caller]
fn refuses_to_open(macros: &[&str], code: &str) {
    let Some(fake) = fake(macros) else { return };
    let error = open(Some(&fake.path)).err().expect("opened");
    assert_eq!(error.code(), code, "{error}");
}

#[track_caller]
fn refuses_to_attest(macros: &[&str], code: &str) {
    let Some((_fake, devices)) = opened(macros) else {
        return;
    };
    let error = devices[0].attest(&NONCE).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

#[test]
fn without_a_library_the_error_comes_at_once() {
    let absent = Path::new("/nonexistent/libnvidia-ml.so.1");
    let error = open(Some(absent)).err().unwrap();
    assert!(
        matches!(&error, DeviceError::LibraryNotFound { library, .. } if library == "/nonexistent/libnvidia-ml.so.1"),
        "{error}"
    );
}

#[test]
fn something_else_than_a_library_is_not_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libnvidia-ml.so.1");
    std::fs::write(&path, "text").unwrap();
    assert_eq!(
        open(Some(&path)).err().unwrap().code(),
        "nvml_library_not_found"
    );
}

#[test]
fn two_gpus_attest() {
    let Some((_fake, devices)) = opened(&[]) else {
        return;
    };
    let said: Vec<_> = devices
        .iter()
        .map(|d| (d.describe().index, d.describe().uuid))
        .collect();
    assert_eq!(
        said,
        [(0, "GPU-fake-0".to_owned()), (1, "GPU-fake-1".to_owned())]
    );
    let first = devices[0].describe();
    assert_eq!(first.driver.as_deref(), Some("550.90.07"));
    assert_eq!(first.vbios.as_deref(), Some("96.00.9F.00.01"));
    let modes = first.modes.unwrap();
    assert!(modes.production && !modes.developer_tools && first.warnings().is_empty());
    assert_eq!(modes.multi_gpu, Some(MultiGpuMode::ProtectedPcie));
    let evidence = devices[1].attest(&NONCE).unwrap();
    assert_eq!(evidence.arch, Architecture::Hopper);
    assert_eq!(evidence.report.len(), 4130);
    assert_eq!(evidence.report[4..36], NONCE);
    assert_eq!(evidence.chain_pem, b"chain");
}

#[test]
fn an_older_driver_does_not_tell_the_multi_gpu_mode() {
    let Some((_fake, devices)) = opened(&["NO_SETTINGS", "ARCH=10"]) else {
        return;
    };
    let said = devices[0].describe();
    assert_eq!(
        (said.modes.unwrap().multi_gpu, said.arch),
        (None, Architecture::Blackwell)
    );
}

#[test]
fn developer_mode_is_told_and_not_fatal() {
    let Some((_fake, devices)) = opened(&["DEVTOOLS=1"]) else {
        return;
    };
    assert_eq!(devices[0].describe().warnings()[0].code(), "developer_mode");
    assert!(devices[0].attest(&NONCE).is_ok());
}

#[test]
fn a_counted_nul_is_not_part_of_the_chain() {
    let Some((_fake, devices)) = opened(&["CHAIN_SIZE=6"]) else {
        return;
    };
    assert_eq!(devices[0].attest(&NONCE).unwrap().chain_pem, b"chain");
}

#[test]
fn the_largest_report_that_fits_is_taken() {
    let Some((_fake, devices)) = opened(&["REPORT_SIZE=8192"]) else {
        return;
    };
    assert_eq!(devices[0].attest(&NONCE).unwrap().report.len(), 8192);
}

#[test]
fn preconditions_are_named() {
    refuses_to_open(&["INIT=9"], "driver_not_loaded");
    refuses_to_open(&["INIT=18"], "driver_mismatch");
    refuses_to_open(&["INIT=4"], "nvml_permission_denied");
    refuses_to_open(&["INIT=999"], "nvml_error");
    refuses_to_open(&["GPUS=0"], "no_gpu");
    refuses_to_open(&["ARCH=8"], "wrong_architecture");
    refuses_to_open(&["ARCH=77"], "wrong_architecture");
    refuses_to_open(&["CC=0"], "confidential_computing_off");
    refuses_to_open(&["STATE=3"], "confidential_computing_off");
    refuses_to_open(&["STATE=1"], "nvml_error");
    refuses_to_open(&["NO_STATE"], "nvml_symbol_missing");
}

#[test]
fn answers_to_another_question_are_caught() {
    refuses_to_attest(&["REPORT_SIZE=8193"], "device_report_too_large");
    refuses_to_attest(&["REPORT_SIZE=0xffffffff"], "device_report_too_large");
    refuses_to_attest(&["REPORT_SIZE=36"], "device_report_too_short");
    refuses_to_attest(&["NONCE_FLIP=1"], "nonce_not_echoed");
    refuses_to_attest(&["CHAIN_SIZE=5121"], "device_chain_too_large");
    refuses_to_attest(&["CHAIN_SIZE=0"], "device_chain_empty");
    refuses_to_attest(&["ASKED=15"], "gpu_lost");
    refuses_to_attest(&["ASKED=3"], "nvml_error");
}
