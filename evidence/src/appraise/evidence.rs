//! The appraisal of a set of devices, with nothing said about work.

use std::collections::BTreeSet;

use super::{Appraised, ChainRevocation, DeviceAppraisal, Document, topology};
use crate::check::{Check, CheckId, Overall, Status};
use crate::device::Architecture;
use crate::ocsp::RevocationFinding;
use crate::reason::{Code, Reason};
use crate::time::UnixTime;

/// Devices judged together at one time.
#[derive(Clone, Debug)]
pub struct EvidenceAppraisal {
    /// Each device.
    pub(crate) devices: Vec<DeviceAppraisal>,
    /// The checks that concern the devices together.
    pub(crate) checks: Vec<Check>,
    /// The time everything was judged at.
    pub(crate) as_of: UnixTime,
}

impl EvidenceAppraisal {
    /// Each device.
    #[must_use]
    pub fn devices(&self) -> &[DeviceAppraisal] {
        &self.devices
    }

    /// The checks that concern the devices together.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The time everything was judged at.
    #[must_use]
    pub fn as_of(&self) -> UnixTime {
        self.as_of
    }

    /// Joins appraised devices.
    #[must_use]
    pub fn new(devices: Vec<DeviceAppraisal>, as_of: UnixTime) -> Self {
        let checks = vec![distinct_devices(&devices), topology::judge(&devices)];
        Self {
            devices,
            checks,
            as_of,
        }
    }

    /// The sum of all checks.
    #[must_use]
    pub fn overall(&self) -> Overall {
        Overall::of(self.all_checks())
    }
}

impl Appraised for EvidenceAppraisal {
    fn all_checks(&self) -> Box<dyn Iterator<Item = &Check> + '_> {
        let of_devices = self.devices.iter().flat_map(|device| &device.checks);
        Box::new(self.checks.iter().chain(of_devices))
    }

    fn core_checks(&self) -> &'static [CheckId] {
        &[CheckId::Devices]
    }

    fn devices(&self) -> &[DeviceAppraisal] {
        &self.devices
    }

    fn policy_input(&self) -> Document<'_> {
        Document::Object(vec![
            ("purpose", "evidence".into()),
            ("as_of", self.as_of.to_string().into()),
            ("overall", self.overall().as_str().into()),
            ("checks", checks_by_id(&self.checks)),
            ("devices", devices_input(&self.devices)),
        ])
    }
}

/// Row 55: at least one device, and none twice. A device is known by its leaf and by its own certificate.
pub(super) fn distinct_devices(devices: &[DeviceAppraisal]) -> Check {
    let id = CheckId::Devices;
    if devices.is_empty() {
        let reason = Reason::new(Code::DeviceMissing, "devices in the evidence");
        return Check::refuted_by(id, vec![reason.expected("at least 1").actual(0)]);
    }
    let mut seen = BTreeSet::new();
    let mut reasons = Vec::new();
    for (position, device) in devices.iter().enumerate() {
        let names = [("leaf", &device.ueid), ("device", &device.device_serial)];
        let repeated = names.into_iter().any(|(what, name)| {
            name.as_ref()
                .is_some_and(|name| !seen.insert((what, name.as_str())))
        });
        if repeated {
            let message = format!("device {position} was given before");
            let reason = Reason::new(Code::DeviceRepeated, message);
            reasons.push(reason.actual(device.hwmodel.as_deref().unwrap_or_default()));
        }
    }
    Check::refuted_by(id, reasons)
}

/// Checks as policies read them: by id, with their status and the codes of their reasons.
pub(super) fn checks_by_id<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Document<'a> {
    let checks = checks.into_iter();
    let by_id = checks.map(|check| (check.id.as_str(), Document::Check(check)));
    Document::Object(by_id.collect())
}

/// Devices as policies read them.
pub(super) fn devices_input(devices: &[DeviceAppraisal]) -> Document<'_> {
    Document::list(devices.iter().map(|device| {
        Document::Object(vec![
            ("kind", device.kind.as_str().into()),
            ("arch", device.arch.map(Architecture::as_str).into()),
            ("hwmodel", device.hwmodel.as_deref().into()),
            ("ueid", device.ueid.as_deref().into()),
            ("driver_version", device.driver_version.as_deref().into()),
            ("vbios_version", device.vbios_version.as_deref().into()),
            ("feature_flag", device.feature_flag.into()),
            ("simulated", device.simulated.into()),
            ("revocation", revocation_input(device)),
            ("checks", checks_by_id(&device.checks)),
        ])
    }))
}

/// Each certificate asked about: its chain, its place in it, what is known of it and why.
fn revocation_input(device: &DeviceAppraisal) -> Document<'_> {
    let chains = device.revocation.iter();
    Document::list(chains.flat_map(certificates_input))
}

fn certificates_input(chain: &ChainRevocation) -> impl Iterator<Item = Document<'_>> {
    let name = chain.chain.as_str();
    let findings = chain.certificates.iter();
    findings.map(move |finding| certificate_input(name, finding))
}

fn certificate_input<'a>(chain: &'static str, finding: &'a RevocationFinding) -> Document<'a> {
    let position = u64::try_from(finding.position()).unwrap_or(u64::MAX);
    Document::Object(vec![
        ("chain", chain.into()),
        ("position", position.into()),
        ("status", finding.status().as_str().into()),
        ("reasons", Document::codes(finding.reasons())),
    ])
}

/// Whether the status leaves no doubt.
pub(super) fn all_affirmed(device: &DeviceAppraisal, ids: &[CheckId]) -> bool {
    ids.iter()
        .all(|id| device.check(*id).map(|check| check.status) == Some(Status::Affirmed))
}
