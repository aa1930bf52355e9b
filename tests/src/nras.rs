//! Requests in NVIDIA's form, of forged and of real evidence, and a verifier that can judge forged evidence over HTTP.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::cert::{AnchorUse, TrustAnchor};
use serde_json::{Value, json};
use verifier_service::AppraisalSettings;

use crate::forge::{Forged, NONCE};

/// Forged GPUs that are all in order and all different: other leaf, other identity, one root.
#[must_use]
pub fn gpus(count: u8) -> Vec<Forged> {
    let gpus = (0..count).map(|position| {
        Forged::gpu().with(|it| {
            for certificate in 0..2 {
                let serial = &mut it.chain.certificate(certificate).serial;
                if let Some(last) = serial.last_mut() {
                    *last = last.wrapping_add(position);
                }
            }
        })
    });
    gpus.collect()
}

/// Writes roots and manifests of forged devices, and says how a verifier finds them.
///
/// # Panics
/// The folder cannot be written.
#[must_use]
pub fn collateral(folder: &Path, devices: &[&Forged]) -> AppraisalSettings {
    let rims = folder.join("rims");
    std::fs::create_dir_all(&rims).expect("folder");
    let mut anchors: Vec<&TrustAnchor> = Vec::new();
    for device in devices {
        for anchor in &device.anchors {
            if !anchors.contains(&anchor) {
                anchors.push(anchor);
            }
        }
        for manifest in [&device.driver, &device.vbios].into_iter().flatten() {
            let id = manifest.id.as_deref().expect("an id");
            std::fs::write(rims.join(format!("{id}.xml")), manifest.document()).expect("manifest");
        }
    }
    let file = folder.join("anchors.toml");
    std::fs::write(&file, facts(&anchors)).expect("anchors");
    AppraisalSettings {
        rim_dir: Some(rims),
        simulated_anchors: vec![file],
        policy: Some("danger-without-revocation".to_owned()),
        ..AppraisalSettings::default()
    }
}

fn facts(anchors: &[&TrustAnchor]) -> String {
    let mut text = String::new();
    for anchor in anchors {
        let usage = match anchor.usage {
            AnchorUse::Device => "device",
            AnchorUse::Rim => "rim",
        };
        let (subject, sha256) = (&anchor.subject, hex::encode(anchor.sha256));
        let spki = hex::encode(&anchor.spki);
        write!(
            text,
            "[[anchor]]\nuse = \"{usage}\"\nsubject = \"{subject}\"\nsha256 = \"{sha256}\"\n\
             spki = \"{spki}\"\nsimulated = true\n\n"
        )
        .expect("text");
    }
    text
}

/// One device as NVIDIA's Python SDK hands it over.
#[must_use]
pub fn evidence(device: &Forged) -> Value {
    let arch = device.claimed.map(|arch| arch.as_str());
    let report = STANDARD.encode(device.report_bytes());
    let chain = STANDARD.encode(device.chain_pem());
    json!({ "evidence": report, "certificate": chain, "arch": arch })
}

/// A request for forged devices, which all answer [`NONCE`].
#[must_use]
pub fn request(devices: &[Forged], claims_version: Option<&str>) -> Value {
    let list: Vec<_> = devices.iter().map(evidence).collect();
    let arch = list.first().map(|device| device["arch"].clone());
    let mut request = json!({ "nonce": hex::encode(NONCE), "arch": arch, "evidence_list": list });
    if let Some(version) = claims_version {
        request["claims_version"] = json!(version);
    }
    request
}

/// A request for one real device.
///
/// # Panics
/// The files are not there.
#[must_use]
pub fn real_request(directory: &Path, device: &str, arch: &str, nonce: &str) -> Value {
    let read = |file: &str| {
        let path: PathBuf = directory.join(device).join(file);
        STANDARD.encode(std::fs::read(path).expect("real evidence"))
    };
    let device = json!({ "evidence": read("report.bin"), "certificate": read("chain.pem") });
    json!({ "nonce": nonce, "arch": arch, "evidence_list": [device] })
}
