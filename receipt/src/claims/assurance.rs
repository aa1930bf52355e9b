//! Which level devices and findings support. One fn per level, one reason per thing that can be missing.

use std::collections::BTreeSet;

use super::{ClaimsParts, Device, DeviceKind, Level, Method, ResultCheck, Source, Status, Tier};
use crate::code::codes;
use crate::value::Text;

/// What a level lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Shortfall {
    /// A device is software.
    #[error("device {device} is simulated")]
    Simulated {
        /// The device.
        device: Text,
    },
    /// There is no GPU among the devices.
    #[error("no device is a GPU")]
    GpuMissing,
    /// The hardware of a device is not affirmed.
    #[error("hardware of device {device} is {tier}")]
    HardwareNotAffirmed {
        /// The device.
        device: Text,
        /// What is said about its hardware.
        tier: Tier,
    },
    /// The evidence of a device carried no nonce, so it may be old.
    #[error("evidence of device {device} has no nonce")]
    EvidenceNonceMissing {
        /// The device.
        device: Text,
    },
    /// No device report on the word of hardware.
    #[error("device_report is not affirmed by hardware")]
    ReportNotAffirmed,
    /// A certificate is revoked.
    #[error("revocation is refuted")]
    Revoked,
    /// The nonce of the report does not commit to the output.
    #[error("output_commitment is not affirmed by hardware")]
    OutputNotCommitted,
    /// No CPU TEE quote over the statement.
    #[error("guest_quote is not affirmed by hardware")]
    GuestNotQuoted,
}

codes! { Shortfall:
    Simulated = "simulated",
    GpuMissing = "gpu_missing",
    HardwareNotAffirmed = "hardware_not_affirmed",
    EvidenceNonceMissing = "evidence_nonce_missing",
    ReportNotAffirmed = "report_not_affirmed",
    Revoked = "revoked",
    OutputNotCommitted = "output_not_committed",
    GuestNotQuoted = "guest_not_quoted",
}

/// The highest level whose rule and all rules below it hold, and what the next one lacks.
pub(super) fn supported(claims: &ClaimsParts) -> (Level, Option<Shortfall>) {
    type Rule = fn(&ClaimsParts) -> Result<(), Shortfall>;
    let ladder: [(Level, Rule); 3] = [
        (Level::A1, is_genuine_and_fresh),
        (Level::A2, is_output_committed),
        (Level::A3, is_guest_quoted),
    ];
    let mut level = Level::A0;
    for (next, rule) in ladder {
        match rule(claims) {
            Ok(()) => level = next,
            Err(shortfall) => return (level, Some(shortfall)),
        }
    }
    (level, None)
}

pub(super) fn affirmed_results(claims: &ClaimsParts) -> BTreeSet<ResultCheck> {
    let affirmed = |check: &ResultCheck| has_status(claims, &check.method(), Status::Affirmed);
    ResultCheck::ALL.iter().copied().filter(affirmed).collect()
}

/// A1: every GPU and every switch is genuine on the word of its own fresh report, and there is a GPU.
///
/// Every one, not some: who pays for eight GPUs reads one letter.
fn is_genuine_and_fresh(claims: &ClaimsParts) -> Result<(), Shortfall> {
    let devices = &claims.pogw.devices;
    if let Some(simulated) = devices.iter().find(|device| device.simulated) {
        let device = simulated.id.clone();
        return Err(Shortfall::Simulated { device });
    }
    if !devices.iter().any(|device| device.kind == DeviceKind::Gpu) {
        return Err(Shortfall::GpuMissing);
    }
    for device in devices
        .iter()
        .filter(|device| device.kind != DeviceKind::CpuTee)
    {
        is_affirmed_by_its_evidence(claims, device)?;
    }
    if !is_affirmed_by_hardware(claims, &Method::DeviceReport) {
        return Err(Shortfall::ReportNotAffirmed);
    }
    if has_status(claims, &Method::Revocation, Status::Refuted) {
        return Err(Shortfall::Revoked);
    }
    Ok(())
}

fn is_affirmed_by_its_evidence(claims: &ClaimsParts, device: &Device) -> Result<(), Shortfall> {
    let appraisal = claims.submods.get(&device.submod);
    let tier = appraisal.map_or(Tier::None, |appraisal| {
        Tier::of(appraisal.ear_trustworthiness_vector.hardware)
    });
    let device = device.id.clone();
    if tier != Tier::Affirming {
        return Err(Shortfall::HardwareNotAffirmed { device, tier });
    }
    match appraisal.and_then(|appraisal| appraisal.eat_nonce.as_ref()) {
        Some(_) => Ok(()),
        None => Err(Shortfall::EvidenceNonceMissing { device }),
    }
}

/// A2: whoever drove the report had fixed the output by then.
fn is_output_committed(claims: &ClaimsParts) -> Result<(), Shortfall> {
    match is_affirmed_by_hardware(claims, &Method::OutputCommitment) {
        true => Ok(()),
        false => Err(Shortfall::OutputNotCommitted),
    }
}

/// A3: a measured guest image vouches for the statement.
fn is_guest_quoted(claims: &ClaimsParts) -> Result<(), Shortfall> {
    match is_affirmed_by_hardware(claims, &Method::GuestQuote) {
        true => Ok(()),
        false => Err(Shortfall::GuestNotQuoted),
    }
}

fn is_affirmed_by_hardware(claims: &ClaimsParts, method: &Method) -> bool {
    let finding = claims.pogw.finding(method);
    finding.is_some_and(|finding| finding.is_affirmed_by(Source::Hardware))
}

fn has_status(claims: &ClaimsParts, method: &Method, status: Status) -> bool {
    let finding = claims.pogw.finding(method);
    finding.is_some_and(|finding| finding.status == status)
}
