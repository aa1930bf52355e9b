//! What no policy can waive, and what a policy that reads claims does not see.

use super::Denial;
use crate::appraise::{Appraised, CORE_DEVICE_CHECKS, DIFFERENCES, DeviceAppraisal};
use crate::check::{Check, CheckId, Status};
use crate::ocsp::RevocationStatus;
use crate::reason::Code;

/// The checks no policy can waive and that are not affirmed.
pub(super) fn below<A: Appraised>(appraisal: &A) -> Vec<Denial> {
    let devices = appraisal.devices().iter().enumerate();
    let of_devices = devices.flat_map(|(position, device)| {
        let lookup = move |id: &CheckId| (*id, device.check(*id).map(|check| check.status));
        let named = move |(id, status)| unaffirmed(&format!("device {position}: "), id, status);
        CORE_DEVICE_CHECKS.iter().map(lookup).filter_map(named)
    });
    let of_whole = appraisal.core_checks().iter().filter_map(|id| {
        let check = appraisal.all_checks().find(|check| check.id == *id);
        unaffirmed("", *id, check.map(|check| check.status))
    });
    of_whole.chain(of_devices).collect()
}

/// The checks of the whole and of the result that are refuted or could not be made: claims speak of single devices, so
/// a policy that reads nothing else would pass over a wrong result.
pub(super) fn beside_devices<A: Appraised>(appraisal: &A) -> Vec<Denial> {
    let of_a_device = |id| appraisal.devices().iter().any(|d| d.check(id).is_some());
    let beside = appraisal.all_checks().filter(|check| {
        matches!(check.status, Status::Refuted | Status::Unverifiable) && !of_a_device(check.id)
    });
    let denials = beside.map(|check| found("", check.id, check.status));
    denials.chain(untold(appraisal)).collect()
}

/// What policies over claims pass over. NVIDIA's client asks its policy only where it got to the end: a chain, manifest or
/// comparison that is broken ends it with an error and no claims (nvidia-evidence 9.2), so published policies read of a
/// manifest no more than the life and the revocation of its certificates, and of the comparison no more than its
/// differences. And claims have no words for a device that states two modes, or for revocation that nobody could tell.
fn untold<A: Appraised>(appraisal: &A) -> impl Iterator<Item = Denial> {
    let devices = appraisal.devices().iter().enumerate();
    let checks = devices.flat_map(|(position, device)| {
        let of_device = device.checks().iter();
        of_device.map(move |check| (position, check))
    });
    let untold = checks.filter(|(_, check)| !is_told(check));
    let untold = untold.map(|(position, check)| {
        let subject = format!("device {position}: ");
        found(&subject, check.id, check.status)
    });
    let devices = appraisal.devices().iter().enumerate();
    let hidden = devices.filter(|(_, device)| hides_a_doubt(device));
    untold.chain(hidden.map(|(position, _)| {
        let subject = format!("device {position}: beside a revoked certificate, ");
        found(&subject, CheckId::Revocation, Status::Unverifiable)
    }))
}

/// What was found of a check as a reason against it.
fn found(subject: &str, id: CheckId, status: Status) -> Denial {
    Denial {
        code: format!("{id}_{status}"),
        message: format!("{subject}{id} is {status}"),
    }
}

/// Whether one certificate is revoked, which a policy may look past, and nothing is known of another, which it may not.
fn hides_a_doubt(device: &DeviceAppraisal) -> bool {
    let refuted =
        device.check(CheckId::Revocation).map(|check| check.status) == Some(Status::Refuted);
    let mut findings = device
        .revocation()
        .iter()
        .flat_map(|chain| &chain.certificates);
    refuted && findings.any(|finding| finding.status() == RevocationStatus::NotChecked)
}

/// Whether claims say all that is found by a check, in words that published policies read.
fn is_told(check: &Check) -> bool {
    let failed = matches!(check.status, Status::Refuted | Status::Unverifiable);
    let only = |codes: &[Code]| {
        let mut reasons = check.reasons.iter();
        !check.reasons.is_empty() && reasons.all(|reason| codes.contains(&reason.code))
    };
    match check.id {
        CheckId::Mode | CheckId::Fwid => !failed,
        // A certificate that is revoked they tell of, and a policy may look past it.
        CheckId::Revocation => {
            matches!(check.status, Status::Affirmed | Status::Refuted)
        }
        CheckId::DriverRim | CheckId::VbiosRim => !failed || only(&[Code::CertificateExpired]),
        CheckId::Measurements => !failed || only(&DIFFERENCES),
        _ => true,
    }
}

fn unaffirmed(subject: &str, id: CheckId, status: Option<Status>) -> Option<Denial> {
    if status == Some(Status::Affirmed) {
        return None;
    }
    let found = status.map_or("missing", Status::as_str);
    Some(Denial {
        code: Code::CoreCheckNotAffirmed.as_str().to_owned(),
        message: format!("{subject}{id} is {found}; no policy can waive it"),
    })
}
