//! Real NVIDIA evidence, read in place.
//!
//! The files belong to others and are not part of this repository. They are looked for in `POGW_EVIDENCE_DIR`, then in
//! `../shared/evidence` beside the checkout. Tests that need them report themselves as ignored, by name, when they are
//! not there.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The directory of real evidence, if this machine has one.
///
/// # Panics
/// `POGW_EVIDENCE_DIR` names a directory without a manifest: whoever set it wants these tests run.
#[must_use]
pub fn directory() -> Option<PathBuf> {
    let holds_manifest = |directory: &PathBuf| directory.join("MANIFEST.toml").is_file();
    if let Some(named) = std::env::var_os("POGW_EVIDENCE_DIR").map(PathBuf::from) {
        let name = named.display();
        assert!(
            holds_manifest(&named),
            "POGW_EVIDENCE_DIR: no MANIFEST.toml in {name}"
        );
        return Some(named);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/evidence");
    Some(beside).filter(holds_manifest)
}

/// The list of cases and the verdict each must reach. Members this project does not use yet are left out.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// One appraisal each.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
    /// Evidence in the forms of the field.
    pub serialized: Vec<Serialized>,
    /// GPUs and switches together.
    #[serde(rename = "system")]
    pub systems: Vec<System>,
    /// Documents that are no manifests.
    #[serde(rename = "malformed_rim")]
    pub malformed_rims: Vec<MalformedRim>,
}

/// One appraisal: a device's report and chain, the RIMs to use, the expected nonce and the time.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Name.
    pub id: String,
    /// The device whose evidence it is.
    pub device: String,
    /// `gpu` or `switch`.
    pub kind: String,
    /// Architecture, in NVIDIA's word.
    pub arch: String,
    /// Report, relative to the directory.
    pub report: String,
    /// Chain, relative to the directory.
    pub chain: String,
    /// Expected nonce, hexadecimal.
    pub nonce: String,
    /// Time of appraisal.
    pub as_of: toml::value::Datetime,
    /// Driver version in the report.
    pub driver_version: Option<String>,
    /// VBIOS version in the report.
    pub vbios_version: Option<String>,
    /// Id of the driver RIM the device asks for.
    pub driver_rim_id: Option<String>,
    /// Id of the VBIOS RIM the device asks for.
    pub vbios_rim_id: Option<String>,
    /// Driver RIM, relative to the directory.
    pub driver_rim: Option<String>,
    /// VBIOS RIM, relative to the directory.
    pub vbios_rim: Option<String>,
    /// `pass`, `fail` or `incomplete`.
    pub overall: String,
    /// One verdict per check.
    pub expect: Expect,
}

/// A file in one of the forms of the field.
#[derive(Clone, Debug, Deserialize)]
pub struct Serialized {
    /// File, relative to the directory.
    pub file: String,
    /// The devices in it, in order.
    pub devices: Vec<String>,
    /// The nonce their reports carry, hexadecimal.
    pub nonce: String,
}

/// Devices that are, or are not, one system.
#[derive(Clone, Debug, Deserialize)]
pub struct System {
    /// Name.
    pub id: String,
    /// GPUs.
    pub gpus: Vec<String>,
    /// Switches.
    pub switches: Vec<String>,
    /// `topology_pass`, `topology_fail` or `duplicate_device`.
    pub expect: String,
}

/// The verdicts of one case.
#[derive(Clone, Debug, Deserialize)]
pub struct Expect {
    /// `pass` or `trailing_bytes`.
    pub parse: String,
    /// `pass` or `fail`.
    pub nonce: String,
    /// `pass` or `fail`.
    pub chain: String,
    /// `pass` or `fail`.
    pub report_signature: String,
    /// `match`, `mismatch`, `absent_in_report` or `absent_in_certificate`.
    pub fwid: String,
    /// `pass`, `not_available` or `fail: …` with all reasons.
    pub driver_rim: Option<String>,
    /// As `driver_rim`.
    pub vbios_rim: Option<String>,
    /// `match`, `mismatch` or `not_available`, over the RIMs given, whatever their trust.
    pub measurements: String,
    /// Values compared.
    pub compared: Option<usize>,
    /// Values skipped because the video decoder is disabled.
    pub skipped_nvdec0: Option<usize>,
    /// Golden indexes that differ.
    pub mismatched_indexes: Option<Vec<u8>>,
}

/// A document that must be refused.
#[derive(Clone, Debug, Deserialize)]
pub struct MalformedRim {
    /// File, relative to the directory.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Manifest {
    /// Reads the manifest of a directory of evidence.
    ///
    /// # Panics
    /// The manifest is not there or not of the known form.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let text = std::fs::read_to_string(directory.join("MANIFEST.toml")).expect("manifest");
        toml::from_str(&text).expect("manifest of the known form")
    }
}
