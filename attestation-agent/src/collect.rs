//! The devices of this host, asked together.
//!
//! In scope: opening every device of the kind chosen, one report of each over one nonce, in the
//! order of the devices, and NVIDIA's serialized form of the result.
//!
//! Out of scope: how a device is asked ([`device`]), and what its answer is worth (the verifier).

use std::fmt;
use std::thread;

use evidence::device::Architecture;
use evidence::work::{Blob, BundleDevice, Hex};
use serde::Serialize;

use crate::device::{
    self, Description, Device, DeviceError, DeviceEvidence, NONCE_LENGTH, Selection,
};

/// Every device of one kind, open.
pub struct DeviceSet(Vec<Box<dyn Device>>);

impl DeviceSet {
    /// Opens every device of one kind, or none.
    ///
    /// # Errors
    /// The cause for the first device that cannot be opened, or that there is none.
    pub fn open(selection: &Selection) -> Result<Self, DeviceError> {
        device::open(selection).map(Self)
    }

    /// What the devices say of themselves: unsigned, for people.
    #[must_use]
    pub fn describe(&self) -> Vec<Description> {
        self.0.iter().map(|device| device.describe()).collect()
    }

    /// How many there are; never none.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Asks all devices at once for a report over `nonce`: a GPU takes about a second, and a system
    /// has eight.
    ///
    /// # Errors
    /// The cause for the first device, in order, that does not answer. A bundle that left a device
    /// out would misstate the host.
    pub fn attest(&self, nonce: &[u8; NONCE_LENGTH]) -> Result<Vec<DeviceEvidence>, DeviceError> {
        thread::scope(|scope| {
            let asked: Vec<_> = self
                .0
                .iter()
                .map(|device| scope.spawn(|| device.attest(nonce)))
                .collect();
            let answers = asked.into_iter().map(|answer| match answer.join() {
                Ok(answer) => answer,
                // A defect, not an answer: it goes on as the panic it was.
                Err(panic) => std::panic::resume_unwind(panic),
            });
            answers.collect()
        })
    }
}

impl fmt::Debug for DeviceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSet({} devices)", self.0.len())
    }
}

/// Evidence as it travels in a bundle.
#[must_use]
pub fn bundle_device(evidence: DeviceEvidence) -> BundleDevice {
    BundleDevice {
        arch: evidence.arch,
        report: Blob(evidence.report),
        chain: Blob(evidence.chain_pem),
    }
}

/// One device in the array that NVIDIA's tools write and read (nvidia-evidence 11, form 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SerializedEvidence {
    /// `HOPPER`, `BLACKWELL` or `LS10`.
    pub arch: Architecture,
    /// The nonce the report carries.
    pub nonce: Hex<NONCE_LENGTH>,
    /// The report.
    pub evidence: Blob,
    /// The certificate chain: PEM text, leaf first.
    pub certificate: Blob,
}

/// Evidence in NVIDIA's serialized form.
///
/// The nonce is read from the report, not from the question: a recording answers an old one, and a
/// file that claimed otherwise would be refused far from the cause.
///
/// # Errors
/// [`DeviceError::ReportTooShort`] for a report that ends before its nonce does.
pub fn serialized(evidence: Vec<DeviceEvidence>) -> Result<Vec<SerializedEvidence>, DeviceError> {
    evidence.into_iter().map(serialized_one).collect()
}

fn serialized_one(evidence: DeviceEvidence) -> Result<SerializedEvidence, DeviceError> {
    let nonce = evidence.report.get(NONCE_IN_REPORT);
    let nonce =
        nonce
            .and_then(|nonce| nonce.try_into().ok())
            .ok_or(DeviceError::ReportTooShort {
                size: evidence.report.len(),
                least: NONCE_IN_REPORT.end,
            })?;
    Ok(SerializedEvidence {
        arch: evidence.arch,
        nonce: Hex(nonce),
        evidence: Blob(evidence.report),
        certificate: Blob(evidence.chain_pem),
    })
}

/// Where the nonce lies in a report: behind four bytes of SPDM header (nvidia-evidence 1.1).
const NONCE_IN_REPORT: std::ops::Range<usize> = 4..4 + NONCE_LENGTH;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serialized_form_is_the_one_nvidia_reads() {
        let dir = tempfile::tempdir().unwrap();
        let selection = Selection::Simulated {
            dir: dir.path().join("device"),
        };
        let devices = DeviceSet::open(&selection).unwrap();
        let evidence = devices.attest(&[0xab; NONCE_LENGTH]).unwrap();
        let chain = evidence[0].chain_pem.clone();
        let json = serde_json::to_value(serialized(evidence).unwrap()).unwrap();
        let members: Vec<_> = json[0].as_object().unwrap().keys().collect();
        assert_eq!(members, ["arch", "certificate", "evidence", "nonce"]);
        assert_eq!(json[0]["arch"], "HOPPER");
        assert_eq!(json[0]["nonce"], "ab".repeat(32));
        let certificate: Blob = serde_json::from_value(json[0]["certificate"].clone()).unwrap();
        assert_eq!(certificate.0, chain);
    }

    #[test]
    fn a_report_without_room_for_a_nonce_is_not_serialized() {
        let evidence = DeviceEvidence {
            arch: Architecture::Hopper,
            report: vec![0; 35],
            chain_pem: Vec::new(),
        };
        let error = serialized(vec![evidence]).unwrap_err();
        assert_eq!(error.code(), "device_report_too_short");
    }
}
