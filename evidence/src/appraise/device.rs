//! What an appraisal says about one device.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ChainRevocation, MeasurementSummary, Pdi, ReferenceUsed};
use crate::check::{Check, CheckId, Overall};
use crate::device::{Architecture, DeviceKind};
use crate::time::UnixTime;

/// One device, judged. Nobody outside this crate can make or change one.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceAppraisal {
    /// GPU or switch.
    pub(crate) kind: DeviceKind,
    /// The architecture named by the certificates, or by the sender where these name none.
    pub(crate) arch: Option<Architecture>,
    /// Common name of the second certificate: NVIDIA's `hwmodel` (nvidia-evidence 9.2).
    pub(crate) hwmodel: Option<String>,
    /// Serial number of the leaf certificate in decimal: NVIDIA's `ueid`. A persistent identity of the device.
    pub(crate) ueid: Option<String>,
    /// Driver version in the report.
    pub(crate) driver_version: Option<String>,
    /// VBIOS or switch BIOS version in the report.
    pub(crate) vbios_version: Option<String>,
    /// Whether the chain leads to the root of a software device, which proves nothing about hardware.
    pub(crate) simulated: bool,
    /// The checks in the order they run.
    pub(crate) checks: Vec<Check>,
    /// Serial number of the second certificate in hexadecimal: it holds the device identity (PDI).
    #[serde(skip)]
    pub(crate) device_serial: Option<String>,
    /// The device's identity (PDI), from that serial number, where it has the known form.
    #[serde(skip)]
    pub(crate) pdi: Option<Pdi>,
    /// Identities of the devices at the other ends of its links: switches of a GPU, GPUs of a switch.
    #[serde(skip)]
    pub(crate) links: BTreeSet<Pdi>,
    /// Manufacturer id stated by the driver RIM: NVIDIA's `oemid`.
    #[serde(skip)]
    pub(crate) oemid: Option<String>,
    /// Multi-GPU mode in the report: 0 single passthrough, 1 multi passthrough, 2 protected PCIe.
    #[serde(skip)]
    pub(crate) feature_flag: Option<u64>,
    /// The nonce the report was expected to carry.
    #[serde(skip)]
    pub(crate) nonce: [u8; 32],
    /// What was compared.
    #[serde(rename = "measurements")]
    pub(crate) compared: MeasurementSummary,
    /// Golden indexes that the device measured and no manifest speaks of: told, not judged (row 109).
    pub(crate) uncovered: Vec<u8>,
    /// The manifests used, by id and digest, with what was found true of each.
    pub(crate) references: Vec<ReferenceUsed>,
    /// Which certificates were asked about, and what is known of each; empty if nobody asked.
    pub(crate) revocation: Vec<ChainRevocation>,
    /// The end of validity of the device chain: the earliest of its certificates.
    #[serde(skip)]
    pub(crate) chain_expires: Option<UnixTime>,
}

impl DeviceAppraisal {
    /// GPU or switch.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// The architecture named by the certificates, or by the sender where these name none.
    #[must_use]
    pub fn arch(&self) -> Option<Architecture> {
        self.arch
    }

    /// Common name of the second certificate: NVIDIA's `hwmodel` (nvidia-evidence 9.2).
    #[must_use]
    pub fn hwmodel(&self) -> Option<&str> {
        self.hwmodel.as_deref()
    }

    /// Serial number of the leaf certificate in decimal: NVIDIA's `ueid`. A persistent identity of the device.
    #[must_use]
    pub fn ueid(&self) -> Option<&str> {
        self.ueid.as_deref()
    }

    /// Driver version in the report.
    #[must_use]
    pub fn driver_version(&self) -> Option<&str> {
        self.driver_version.as_deref()
    }

    /// VBIOS or switch BIOS version in the report.
    #[must_use]
    pub fn vbios_version(&self) -> Option<&str> {
        self.vbios_version.as_deref()
    }

    /// Whether the chain leads to the root of a software device, which proves nothing about hardware.
    #[must_use]
    pub fn simulated(&self) -> bool {
        self.simulated
    }

    /// The checks in the order they run.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Serial number of the second certificate in hexadecimal: it holds the device identity (PDI).
    #[must_use]
    pub fn device_serial(&self) -> Option<&str> {
        self.device_serial.as_deref()
    }

    /// The device's identity (PDI), from that serial number, where it has the known form.
    #[must_use]
    pub fn pdi(&self) -> Option<Pdi> {
        self.pdi
    }

    /// Identities of the devices at the other ends of its links: switches of a GPU, GPUs of a switch.
    #[must_use]
    pub fn links(&self) -> &BTreeSet<Pdi> {
        &self.links
    }

    /// Manufacturer id stated by the driver RIM: NVIDIA's `oemid`.
    #[must_use]
    pub fn oemid(&self) -> Option<&str> {
        self.oemid.as_deref()
    }

    /// Multi-GPU mode in the report: 0 single passthrough, 1 multi passthrough, 2 protected PCIe.
    #[must_use]
    pub fn feature_flag(&self) -> Option<u64> {
        self.feature_flag
    }

    /// The nonce the report was expected to carry.
    #[must_use]
    pub fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    /// What was compared.
    #[must_use]
    pub fn compared(&self) -> &MeasurementSummary {
        &self.compared
    }

    /// The manifests used, by id and digest.
    #[must_use]
    pub fn references(&self) -> &[ReferenceUsed] {
        &self.references
    }

    /// Which certificates were asked about, and what is known of each; empty if nobody asked.
    #[must_use]
    pub fn revocation(&self) -> &[ChainRevocation] {
        &self.revocation
    }

    /// The end of validity of the device chain: the earliest of its certificates.
    #[must_use]
    pub fn chain_expires(&self) -> Option<UnixTime> {
        self.chain_expires
    }

    /// The check with this id.
    #[must_use]
    pub fn check(&self, id: CheckId) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// Whether the check with this id is affirmed.
    #[must_use]
    pub fn affirms(&self, id: CheckId) -> bool {
        self.check(id).is_some_and(Check::is_affirmed)
    }

    /// The sum of the device's checks.
    #[must_use]
    pub fn overall(&self) -> Overall {
        Overall::of(&self.checks)
    }
}
