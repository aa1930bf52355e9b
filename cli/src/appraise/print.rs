//! The answer, for people and for programs.

use evidence::appraise::{ChainRevocation, DeviceAppraisal, EvidenceAppraisal};
use evidence::device::DeviceKind;
use evidence::ocsp::{RevocationFinding, RevocationStatus};
use evidence::policy::Decision;
use evidence::{Check, CheckId, Status, UnixTime};
use verifier_service::report::{AppraisalReport, PolicyReport};

use super::Format;
use super::sources::Asked;
use crate::Output;
use crate::failure::Failure;

/// Prints what was decided, and why.
pub(super) fn decision(
    decision: &Decision<EvidenceAppraisal>,
    asked: Asked,
    format: Format,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let report = AppraisalReport::from(decision);
    match format {
        Format::Json => out.json(&report),
        Format::Text => text(&report, asked, out),
    }
}

fn text(report: &AppraisalReport<'_>, asked: Asked, out: &mut Output<'_>) -> Result<(), Failure> {
    for device in report.devices {
        print_device(device, out)?;
    }
    print_together(report, out)?;
    match asked {
        Asked::Yes => {}
        Asked::WithoutSource => out.line(format_args!(
            "\nrevocation: nobody could be asked; --ocsp FILE, --ocsp-dir DIR or --ocsp-service URL names who answers"
        ))?,
        Asked::NotByPolicy => out.line(format_args!(
            "\nrevocation: nobody was asked, as the policy does without"
        ))?,
    }
    print_policy(&report.policy, out)?;
    out.line(format_args!("overall: {}", report.overall))
}

/// What the policy said, and why.
pub(crate) fn print_policy(policy: &PolicyReport<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
    let sha256 = policy.identity.sha256.to_string();
    out.line(format_args!(
        "\npolicy {} (sha256 {}…): {}",
        policy.identity.id,
        sha256.get(..16).unwrap_or_default(),
        if policy.granted { "granted" } else { "refused" }
    ))?;
    for denial in policy.deny {
        out.line(format_args!("  {}: {}", denial.code, denial.message))?;
    }
    Ok(())
}

pub(crate) fn print_device(device: &DeviceAppraisal, out: &mut Output<'_>) -> Result<(), Failure> {
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
        print_check(check, out)?;
        if check.id == CheckId::Revocation {
            for chain in device.revocation() {
                print_chain(chain, out)?;
            }
        }
    }
    Ok(())
}

/// The checks that concern the devices together, where there are several or something is wrong.
fn print_together(report: &AppraisalReport<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
    let silent = |check: &Check| check.reasons.is_empty() && check.status != Status::Unverifiable;
    if report.devices.len() == 1 && report.checks.iter().all(silent) {
        return Ok(());
    }
    out.line(format_args!("\nall devices together\n"))?;
    report
        .checks
        .iter()
        .try_for_each(|check| print_check(check, out))
}

/// A status at a glance.
pub(crate) const fn mark(status: Status) -> &'static str {
    match status {
        Status::Affirmed => "ok",
        Status::Refuted => "FAIL",
        Status::Unverifiable => "?",
        Status::NotRequested => "-",
    }
}

pub(crate) fn print_check(check: &Check, out: &mut Output<'_>) -> Result<(), Failure> {
    let mark = mark(check.status);
    let id = check.id.as_str();
    out.line(format_args!("  {mark:<5}{id:<18}{}", check.status))?;
    for reason in &check.reasons {
        out.line(format_args!("         {reason}"))?;
    }
    if check.reasons_left_out > 0 {
        let count = check.reasons_left_out;
        out.line(format_args!("         and {count} more of these codes"))?;
    }
    if matches!(check.status, Status::Refuted | Status::Unverifiable) {
        out.line(format_args!("         remedy: {}", check.remedy()))?;
    }
    Ok(())
}

/// Each certificate asked about. Serial numbers are left to the JSON: one of them is the identity of the device.
fn print_chain(chain: &ChainRevocation, out: &mut Output<'_>) -> Result<(), Failure> {
    let name = match chain.chain {
        CheckId::DriverRim => "chain of the driver manifest",
        CheckId::VbiosRim => "chain of the VBIOS manifest",
        _ => "chain of the device",
    };
    out.line(format_args!("         {name}"))?;
    for finding in &chain.certificates {
        out.line(format_args!(
            "           {}  {:<12} {}{}",
            finding.position(),
            status(finding.status()),
            // Of certificates whose issuers are not NVIDIA, too.
            finding.subject().escape_debug(),
            window(finding)
        ))?;
    }
    Ok(())
}

const fn status(status: RevocationStatus) -> &'static str {
    match status {
        RevocationStatus::Good => "good",
        RevocationStatus::OnHold => "on hold",
        RevocationStatus::Revoked => "REVOKED",
        RevocationStatus::Unknown => "unknown",
        RevocationStatus::NotChecked => "not checked",
    }
}

/// What the answer is for; nothing where none was believed to be one.
fn window(finding: &RevocationFinding) -> String {
    let Some(from) = finding.this_update() else {
        return String::new();
    };
    let until = finding.next_update().as_ref().map(UnixTime::to_string);
    let until = until.unwrap_or_else(|| "an unstated time".to_owned());
    format!("  (answer for {from} to {until})")
}
