//! The field's JSON forms of evidence.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::device::Architecture;
use evidence::forms::{self, MAX_JSON_BYTES, SubmittedDevice, SubmittedEvidence};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_DEVICES, MAX_REPORT_BYTES};
use serde_json::{Value, json};

use super::explained;

/// Forms: what is accepted is within the limits, and written in a form that holds it, read as the same devices.
pub fn forms(json: &[u8]) {
    let submitted = match forms::read(json) {
        Ok(submitted) => submitted,
        Err(reasons) => return explained(&reasons),
    };
    assert!(json.len() <= MAX_JSON_BYTES);
    assert!((1..=MAX_DEVICES).contains(&submitted.devices.len()));
    for device in &submitted.devices {
        assert!(device.report.len() <= MAX_REPORT_BYTES);
        assert!(device.chain_pem.len() <= MAX_CHAIN_BYTES);
        let debugged = format!("{device:?}");
        assert!(debugged.len() < 2048, "evidence in a debug line");
    }
    assert!(
        submitted
            .nonce_mismatch(&submitted.nonce.unwrap_or_default())
            .is_none()
    );
    if let Some(written) = written(&submitted) {
        let again = forms::read(written.to_string().as_bytes()).expect("the same evidence");
        assert_eq!(again.nonce, submitted.nonce);
        let device = |it: &SubmittedDevice| (it.claimed, it.report.clone(), it.chain_pem.clone());
        let all = |it: &SubmittedEvidence| it.devices.iter().map(device).collect::<Vec<_>>();
        assert_eq!(all(&again), all(&submitted));
    }
}

/// The evidence in a form with a place for all that is stated: ours where there is a nonce, else one of the Python SDK's
/// where all architectures are stated or none is.
fn written(submitted: &SubmittedEvidence) -> Option<Value> {
    let devices = &submitted.devices;
    if let Some(nonce) = submitted.nonce {
        let devices = devices.iter().map(|it| device(it, "report", "chain"));
        let devices: Vec<_> = devices.collect();
        return Some(json!({ "nonce": hex::encode(nonce), "devices": devices }));
    }
    let stated = devices.iter().filter(|it| it.claimed.is_some()).count();
    let is_uniform = stated == 0 || stated == devices.len();
    let devices = devices
        .iter()
        .map(|it| device(it, "evidence", "certificate"));
    is_uniform.then(|| devices.collect())
}

fn device(it: &SubmittedDevice, report: &str, chain: &str) -> Value {
    let mut device = json!({
        report: STANDARD.encode(&it.report),
        chain: STANDARD.encode(&it.chain_pem),
    });
    if let Some(arch) = it.claimed.map(Architecture::as_str) {
        device["arch"] = arch.into();
    }
    device
}
