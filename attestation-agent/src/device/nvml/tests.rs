//! NVML without a driver. `tests/tests/nvml.rs` tests drivers that answer and drivers that misbehave: the library that
//! imitates them uses this crate, so it cannot be used here.

use super::*;

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
fn a_report_is_held_against_the_question() {
    let nonce = [7; NONCE_LENGTH];
    let mut report = [0; REQUEST_LENGTH];
    report[NONCE_IN_REPORT].copy_from_slice(&nonce);
    assert!(check_report(&report, &nonce).is_ok());
    let code = |report: &[u8]| check_report(report, &nonce).unwrap_err().code();
    assert_eq!(
        code(&report[..REQUEST_LENGTH - 1]),
        "device_report_too_short"
    );
    report[35] ^= 1;
    assert_eq!(code(&report), "nonce_not_echoed");
}
