//! Evidence of several devices, in the JSON in which the field's tools write it (nvidia-evidence 11).
//!
//! In scope: telling the forms apart ([`read`]), bounding what they hold before it is decoded (row 1), decoding it,
//! and the rules a file can break alone: nonces of 32 bytes (row 32) that are all the same (row 118), architectures
//! that exist. Two predicates compare what a file states with what others know: [`SubmittedEvidence::nonce_mismatch`]
//! (row 33) and [`StatedVersions::mismatches`] (row 41).
//! Out of scope: raw reports and PEM files (form 7 of the specification), Python objects pickled as JSON (its optional
//! form 4), and every question about a single device: a report or chain that cannot be read is a finding of the
//! appraisal, with its own code, not of the file.
//!
//! # The forms
//!
//! | [`Form`] | Document | Members of a device | `nonce` | `arch` |
//! |---|---|---|---|---|
//! | [`NvattestArray`](Form::NvattestArray) | array | `evidence`, `certificate` | each device | each device |
//! | [`NvattestSystem`](Form::NvattestSystem) | two such arrays in one: GPUs, switches | the same | each device | each device |
//! | [`NvattestOutput`](Form::NvattestOutput) | `{result_code, evidences: […]}` | the same | each device | each device |
//! | [`PythonSdkGpu`](Form::PythonSdkGpu) | array | the same | – | each device |
//! | [`PythonSdkSwitch`](Form::PythonSdkSwitch) | array | the same | – | – |
//! | [`NrasRequest`](Form::NrasRequest) | `{nonce, arch, evidence_list: […]}` | the same | document | document |
//! | [`Trustee`](Form::Trustee) | `{device_evidence_list: […]}` | the same; `evidence` may be hexadecimal | – | each device |
//! | [`Pogw`](Form::Pogw) | `{nonce, devices: […]}` | `report`, `chain` | document | optional |
//!
//! An object is recognised by the name of its list, and one with the lists of two forms is refused. An array is
//! recognised by its devices: if any of them has a nonce, all must state nonce and architecture; else, if any has an
//! architecture, all must state it; else it is the list of a tool that states neither. That tool writes switches so,
//! but the file does not say it: no architecture is claimed for them. An array of two arrays is a whole system, which
//! the specification has as "two arrays with one nonce"; any other number of arrays is no form. GPUs and switches may
//! be mixed wherever each device states its own.
//!
//! # What is taken literally, and what is not
//!
//! * No object at any depth may have a member twice: readers differ in which one they believe.
//! * Other members than those above are ignored, with three exceptions. A `nonce` anywhere in the document or a device
//!   has to agree with all others. An `arch` in a device of an NRAS request has to be the one of the request. A device
//!   with members of both vocabularies (`evidence` and `report`) is ambiguous. Our own form ignores nothing.
//! * `null` is absent.
//! * Hexadecimal and architectures are read in either case: the tools write both.
//! * Base64 is the standard alphabet with padding on one line. No real file breaks its lines.
//! * Whether a report in Trustee's form is hexadecimal or base64 follows from content and length. Hexadecimal digits
//!   are also letters of base64, so a text of 4 n digits could be either; then the reading that begins with the SPDM
//!   version 0x11 is the report. Both never do, and if neither does the text is ambiguous.
//!
//! # What this does not establish
//!
//! Anything at all about a device. A stated nonce, architecture, version or UUID is the sender's word.

mod fields;
mod form;
mod json;
mod node;
mod submission;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub use form::Form;

use crate::device::Architecture;
use crate::limits::{MAX_CHAIN_BYTES, MAX_DEVICES, MAX_REPORT_BYTES};
use crate::reason::{Code, Reason};
use node::{Findings, Node};

/// Largest file accepted, in bytes: as many devices as there may be, each with the largest report in hexadecimal and
/// the largest chain in base64, and a KiB for names and white space (row 1). Real ones take 10 to 15 KiB a device.
pub const MAX_JSON_BYTES: usize =
    MAX_DEVICES * (2 * MAX_REPORT_BYTES + MAX_CHAIN_BYTES.div_ceil(3) * 4 + 1024);

/// Evidence of several devices as somebody serialised it. Nothing in it is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedEvidence {
    /// The form it came in.
    pub form: Form,
    /// The nonce the file states, one for all devices; `None` for the forms without one. It is the sender's word and
    /// says nothing about freshness: see [`nonce_mismatch`](Self::nonce_mismatch).
    pub nonce: Option<[u8; 32]>,
    /// The claims the sender of an NRAS request wants in the answer.
    pub claims_version: Option<ClaimsVersion>,
    /// The devices in the order of the file; at least one, at most [`MAX_DEVICES`].
    pub devices: Vec<SubmittedDevice>,
}

/// One device of [`SubmittedEvidence`].
#[derive(Clone, PartialEq, Eq)]
pub struct SubmittedDevice {
    /// The architecture the sender claims, where the form has a place for it.
    pub claimed: Option<Architecture>,
    /// The raw report; at most [`MAX_REPORT_BYTES`], perhaps none.
    pub report: Vec<u8>,
    /// The device certificate chain, as PEM text unless the sender erred; at most [`MAX_CHAIN_BYTES`], perhaps none.
    pub chain_pem: Vec<u8>,
    /// Versions the sender read beside the report.
    pub stated: StatedVersions,
    /// The driver's name for the device. Nothing signed holds it.
    pub uuid: Option<String>,
}

/// Versions stated outside the report: older files of nvattest do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatedVersions {
    /// `driver_version`.
    pub driver: Option<String>,
    /// `vbios_version`.
    pub vbios: Option<String>,
}

/// Which set of claims an NRAS request asks for (nvidia-evidence 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ClaimsVersion {
    /// `2.0`.
    #[serde(rename = "2.0")]
    V2,
    /// `3.0`.
    #[serde(rename = "3.0")]
    V3,
    /// `4.0`, of GPUs alone: what NVIDIA's C++ client asks for since its newer releases.
    #[serde(rename = "4.0")]
    V4,
}

/// Reads a file of any [`Form`].
///
/// # Errors
/// Every reason the file is not evidence of one form, each with the place it was found at, as in
/// `evidences[3].certificate: …`; never empty. At most the first 512.
///
/// # Examples
/// ```
/// use evidence::forms::{self, Form};
///
/// let json = br#"[{"evidence": "EeAB/w==", "certificate": "LS0tLS0="}]"#;
/// let submitted = forms::read(json).unwrap();
/// assert_eq!(submitted.form, Form::PythonSdkSwitch);
/// assert_eq!(submitted.devices[0].report, [0x11, 0xe0, 0x01, 0xff]);
///
/// let reasons = forms::read(br#"[{"evidence": "EeAB/w"}]"#).unwrap_err();
/// let places = reasons.iter().map(|reason| reason.message.split(':').next().unwrap());
/// assert_eq!(places.collect::<Vec<_>>(), ["[0].evidence", "[0].certificate"]);
/// ```
pub fn read(json: &[u8]) -> Result<SubmittedEvidence, Vec<Reason>> {
    if json.len() > MAX_JSON_BYTES {
        let reason = Reason::new(Code::EvidenceTooLarge, "document: size in bytes")
            .expected(format!("at most {MAX_JSON_BYTES}"))
            .actual(json.len());
        return Err(vec![reason]);
    }
    let findings = Findings::default();
    let evidence = json::parse(json, &findings)
        .and_then(|document| submission::read(Node::document(&document, &findings)));
    findings.conclude(evidence)
}

impl SubmittedEvidence {
    /// Row 33: the nonce the file states is the expected one. A file that states none breaks no rule: the nonce in
    /// each report is compared by the appraisal in any case.
    #[must_use]
    pub fn nonce_mismatch(&self, expected: &[u8; 32]) -> Option<Reason> {
        let stated = self.nonce.filter(|stated| stated != expected)?;
        Some(other_nonce_stated(&stated, expected))
    }
}

/// Row 33, where it does not hold.
pub(crate) fn other_nonce_stated(stated: &[u8; 32], expected: &[u8; 32]) -> Reason {
    Reason::new(Code::NonceMismatch, "nonce stated with the evidence")
        .expected(hex::encode(expected))
        .actual(hex::encode(stated))
}

impl StatedVersions {
    /// Row 41: the versions stated are those in the report. Compared where both are known, and without regard to
    /// case, since tools differ in the case of a VBIOS version.
    #[must_use]
    pub fn mismatches(&self, driver: Option<&str>, vbios: Option<&str>) -> Vec<Reason> {
        let pairs = [
            ("driver version", self.driver.as_deref(), driver),
            ("VBIOS version", self.vbios.as_deref(), vbios),
        ];
        let compared = pairs.into_iter().filter_map(|(what, stated, reported)| {
            let (stated, reported) = stated.zip(reported)?;
            let differs = !stated.eq_ignore_ascii_case(reported);
            differs.then(|| {
                let what = format!("{what} stated with the evidence");
                Reason::new(Code::StatedVersionMismatch, what)
                    .expected(reported)
                    .actual(stated)
            })
        });
        compared.collect()
    }
}

impl fmt::Debug for SubmittedDevice {
    /// Lengths in place of evidence, which does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmittedDevice")
            .field("claimed", &self.claimed)
            .field("report_bytes", &self.report.len())
            .field("chain_bytes", &self.chain_pem.len())
            .field("stated", &self.stated)
            .field("uuid", &self.uuid)
            .finish()
    }
}

impl ClaimsVersion {
    /// The version as requests and answers write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "2.0",
            Self::V3 => "3.0",
            Self::V4 => "4.0",
        }
    }
}

impl fmt::Display for ClaimsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
