//! What devices hand out when they are asked for evidence over a fresh nonce.
//!
//! In scope: asking all of them at once, and not waiting for one that hangs.
//! Out of scope: what the answers are worth.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use evidence::device::Architecture;

use super::{Finding, FindingId, collect, within};
use crate::collect::DeviceSet;
use crate::device::nvml::Driver;
use crate::device::{
    Description, DeviceError, DeviceEvidence, NONCE_LENGTH, Selection, SourceKind,
};

/// What one device handed out.
pub(super) struct Handed {
    pub(super) index: u32,
    /// The chip family that the driver names.
    pub(super) claimed: Option<Architecture>,
    pub(super) report: Result<Vec<u8>, Cause>,
    pub(super) chain: Result<Vec<u8>, Cause>,
}

/// Why there is nothing to look at.
pub(super) enum Cause {
    /// The device says why not.
    Refused(DeviceError),
    /// It has not answered so far.
    Silent(Duration),
    /// It was not asked: what was found before says that there will be no answer.
    NotAsked(FindingId),
}

impl Cause {
    pub(super) fn finding(&self, id: FindingId) -> Finding {
        match self {
            Self::Refused(error) => Finding::device_error(id, error),
            Self::Silent(limit) => silent(id, *limit),
            Self::NotAsked(want) => Finding::open(id, *want),
        }
    }
}

/// A device or driver that does not answer.
pub(super) fn silent(id: FindingId, limit: Duration) -> Finding {
    let found = format!("no answer within {} ms", limit.as_millis());
    Finding::problem(id, found).code("device_silent").mend(
        "A driver that hangs usually leaves Xid messages in dmesg. Reset the GPU or restart the guest.",
    )
}

impl Handed {
    pub(super) fn not_asked(index: u32, want: FindingId) -> Self {
        Self {
            index,
            claimed: None,
            report: Err(Cause::NotAsked(want)),
            chain: Err(Cause::NotAsked(want)),
        }
    }
}

enum Part {
    Report(Result<Vec<u8>, DeviceError>),
    Chain(Result<Vec<u8>, DeviceError>),
}

/// Asks GPUs for a report and for a chain, each on a thread of its own: one that hangs keeps nobody else from answering.
pub(super) fn by_driver(
    driver: &Arc<Driver>,
    gpus: &[(u32, Architecture)],
    limit: Duration,
    nonce: &[u8; NONCE_LENGTH],
) -> Vec<Handed> {
    let (sender, receiver) = mpsc::channel();
    for (index, _) in gpus.iter().copied() {
        let (driver, nonce, tell) = (Arc::clone(driver), *nonce, sender.clone());
        let of_chain = (Arc::clone(&driver), sender.clone());
        // Nobody listens any more if the limit has passed.
        thread::spawn(move || {
            let report = driver.report(index, &nonce);
            let _ = tell.send((index, Part::Report(report)));
        });
        thread::spawn(move || {
            let (driver, tell) = of_chain;
            let _ = tell.send((index, Part::Chain(driver.certificate_chain(index))));
        });
    }
    drop(sender);
    let silent = |(index, arch): &(u32, Architecture)| {
        let handed = Handed {
            index: *index,
            claimed: Some(*arch),
            report: Err(Cause::Silent(limit)),
            chain: Err(Cause::Silent(limit)),
        };
        (*index, handed)
    };
    let mut handed: BTreeMap<_, _> = gpus.iter().map(silent).collect();
    let (parts, _) = collect(&receiver, limit);
    for (index, part) in parts {
        let Some(device) = handed.get_mut(&index) else {
            continue;
        };
        match part {
            Part::Report(report) => device.report = report.map_err(Cause::Refused),
            Part::Chain(chain) => device.chain = chain.map_err(Cause::Refused),
        }
    }
    handed.into_values().collect()
}

/// Opens devices that need no driver, and asks them.
pub(super) fn by_other_devices(
    selection: &Selection,
    limit: Duration,
    nonce: &[u8; NONCE_LENGTH],
) -> (Vec<Finding>, Vec<Handed>) {
    let (selection, nonce) = (selection.clone(), *nonce);
    let opened = within(limit, move || -> Result<_, DeviceError> {
        let devices = DeviceSet::open(&selection)?;
        Ok((devices.describe(), devices.attest(&nonce)))
    });
    let mut findings: Vec<_> = OF_A_DRIVER
        .iter()
        .map(|id| Finding::not_applicable(*id, "this device has no driver"))
        .collect();
    let (described, evidence) = match opened {
        Some(Ok(opened)) => opened,
        Some(Err(error)) => {
            findings.push(Finding::device_error(FindingId::Devices, &error));
            findings.push(Finding::open(
                FindingId::GpuArchitecture,
                FindingId::Devices,
            ));
            return (findings, Vec::new());
        }
        None => {
            findings.push(silent(FindingId::Devices, limit));
            findings.push(Finding::open(
                FindingId::GpuArchitecture,
                FindingId::Devices,
            ));
            return (findings, Vec::new());
        }
    };
    let kind = match described.first().map(|device| device.source) {
        Some(SourceKind::Recorded) => "recorded; proves nothing about this host",
        _ => "simulated; proves nothing about hardware",
    };
    let found = format!("{} {kind}", described.len());
    findings.push(Finding::ok(FindingId::Devices, found));
    for device in &described {
        let arch = Finding::ok(FindingId::GpuArchitecture, device.arch.to_string());
        findings.push(arch.of_device(device.index));
    }
    (findings, handed(&described, evidence))
}

fn handed(
    described: &[Description],
    evidence: Result<Vec<DeviceEvidence>, DeviceError>,
) -> Vec<Handed> {
    match evidence {
        Ok(evidence) => described
            .iter()
            .zip(evidence)
            .map(|(device, evidence)| Handed {
                index: device.index,
                claimed: Some(evidence.arch),
                report: Ok(evidence.report),
                chain: Ok(evidence.chain_pem),
            })
            .collect(),
        Err(error) => vec![Handed {
            report: Err(Cause::Refused(error)),
            ..Handed::not_asked(0, FindingId::Report)
        }],
    }
}

/// Findings about a driver, which only NVIDIA's GPUs have.
const OF_A_DRIVER: [FindingId; 7] = [
    FindingId::NvmlLibrary,
    FindingId::DriverVersion,
    FindingId::ConfidentialComputing,
    FindingId::Environment,
    FindingId::DeveloperMode,
    FindingId::ReadyState,
    FindingId::MultiGpuMode,
];
