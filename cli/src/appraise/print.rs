//! The answer, for people and for programs.

use evidence::Status;
use evidence::appraise::{DeviceAppraisal, EvidenceAppraisal};
use evidence::device::DeviceKind;
use evidence::policy::Decision;
use verifier_service::report::AppraisalReport;

use super::Format;
use crate::Output;
use crate::failure::Failure;

/// Prints what was decided, and why.
pub(super) fn decision(
    decision: &Decision<EvidenceAppraisal>,
    format: Format,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let report = AppraisalReport::from(decision);
    match format {
        Format::Json => out.json(&report),
        Format::Text => text(&report, out),
    }
}

fn text(report: &AppraisalReport<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
    for device in report.devices {
        print_device(device, out)?;
    }
    let policy = &report.policy;
    out.line(format_args!(
        "\npolicy {} (sha256 {}…): {}",
        policy.identity.id,
        policy
            .identity
            .sha256
            .to_string()
            .get(..16)
            .unwrap_or_default(),
        if policy.granted { "granted" } else { "refused" }
    ))?;
    for denial in policy.deny {
        out.line(format_args!("  {}: {}", denial.code, denial.message))?;
    }
    out.line(format_args!("overall: {}", report.overall))
}

fn print_device(device: &DeviceAppraisal, out: &mut Output<'_>) -> Result<(), Failure> {
    let kind = match device.kind() {
        DeviceKind::Gpu => "GPU",
        DeviceKind::Switch => "NVSwitch",
    };
    let arch = device
        .arch()
        .map_or("unknown architecture", |arch| arch.as_str());
    let model = device.hwmodel().unwrap_or("unknown model");
    out.line(format_args!("{kind} {arch}  {model}"))?;
    for (name, value) in [
        ("ueid", device.ueid()),
        ("driver", device.driver_version()),
        ("vbios", device.vbios_version()),
    ] {
        if let Some(value) = value {
            out.line(format_args!("  {name:<8}{value}"))?;
        }
    }
    if device.simulated() {
        out.line(format_args!(
            "  SIMULATED: a software device, which proves nothing about hardware"
        ))?;
    }
    out.line(format_args!(""))?;
    for check in device.checks() {
        let mark = match check.status {
            Status::Affirmed => "ok",
            Status::Refuted => "FAIL",
            Status::Unverifiable => "?",
            Status::NotRequested => "-",
        };
        out.line(format_args!(
            "  {mark:<5}{:<18}{}",
            check.id.as_str(),
            check.status
        ))?;
        for reason in &check.reasons {
            out.line(format_args!("         {reason}"))?;
        }
        if matches!(check.status, Status::Refuted | Status::Unverifiable) {
            out.line(format_args!("         remedy: {}", check.id.remedy()))?;
        }
    }
    Ok(())
}
