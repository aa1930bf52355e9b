//! Do certificates, report and claim speak of one chip and one device? (nvidia-evidence 4.4, 4.5, 8; rows 40, 51 to 54)

use super::topology::Pdi;
use crate::cert::Certificate;
use crate::check::{Check, CheckId, Status};
use crate::device::Architecture;
use crate::reason::{Code, Reason};
use crate::report::OpaqueData;

/// The device identity (PDI) is the last 8 bytes of the second certificate's serial number, after one of these
/// prefixes. An observation on all public evidence, not documented by NVIDIA (nvidia-evidence 8).
const PDI_SERIAL_PREFIXES: [u8; 2] = [0x41, 0x50];

/// Judges chip family and device identity. `switch_pdi` is what a switch says of itself in its report.
pub(super) fn judge(
    certificates: [Option<&Certificate>; 2],
    claimed: Option<Architecture>,
    switch_pdi: Option<&[u8]>,
) -> Check {
    let [leaf, issuer] = certificates;
    let Some(leaf) = leaf else {
        let reason = Reason::new(Code::SigningKeyUnavailable, "no certificate could be read");
        return Check::unverifiable(CheckId::Identity, reason);
    };
    let certified = Architecture::of_common_name(leaf.common_name());
    let mut reasons = Vec::new();
    reasons.extend(unknown_chip(leaf, certified));
    reasons.extend(issuer.and_then(|issuer| other_chip_above(leaf, issuer)));
    reasons.extend(claimed.and_then(|claimed| other_than_claimed(claimed, certified)));
    reasons.extend(
        issuer
            .zip(switch_pdi)
            .and_then(|(i, pdi)| other_pdi(i, pdi)),
    );
    Check::refuted_by(CheckId::Identity, reasons)
}

fn unknown_chip(leaf: &Certificate, certified: Option<Architecture>) -> Option<Reason> {
    if certified.is_some() {
        return None;
    }
    let reason = Reason::new(Code::ArchitectureUnknown, "chip in the leaf's common name");
    let reason = reason.expected("GH100, GBnnn or LS_10");
    Some(reason.actual(leaf.common_name()))
}

/// Row 40: the firmware certificate and the one above it name the same chip.
fn other_chip_above(leaf: &Certificate, issuer: &Certificate) -> Option<Reason> {
    let chip = |certificate: &Certificate| Architecture::of_common_name(certificate.common_name());
    let message = "chip of the first two certificates";
    let reason = || Reason::new(Code::ArchitectureMismatch, message);
    (chip(leaf) != chip(issuer)).then(|| {
        reason()
            .expected(leaf.common_name())
            .actual(issuer.common_name())
    })
}

/// Row 40: the sender's claim is what the certificates say.
fn other_than_claimed(claimed: Architecture, certified: Option<Architecture>) -> Option<Reason> {
    let certified = certified.filter(|certified| *certified != claimed)?;
    let reason = Reason::new(Code::ArchitectureMismatch, "claimed architecture");
    Some(reason.expected(certified).actual(claimed))
}

/// Row 54: the identity a switch reports is the one its certificate carries.
fn other_pdi(issuer: &Certificate, reported: &[u8]) -> Option<Reason> {
    let certified = certified_pdi(issuer)?;
    let reason = Reason::new(Code::PdiMismatch, "device identity in the report");
    (certified != reported).then(|| {
        reason
            .expected(hex::encode(certified))
            .actual(hex::encode(reported))
    })
}

/// The PDI in the serial number of a device's second certificate; `None` where it is not determinable.
pub(super) fn certified_pdi(certificate: &Certificate) -> Option<Pdi> {
    let (prefix, pdi) = certificate.serial().split_first()?;
    let pdi = Pdi::try_from(pdi).ok()?;
    PDI_SERIAL_PREFIXES.contains(prefix).then_some(pdi)
}

/// Rows 51 to 53: the firmware id of the report is that of the leaf.
///
/// Early Hopper firmware and all LS10 report none. That is affirmed with a reason that says so, as NVIDIA's verifiers
/// do, except where the report is new enough to have one (opaque data with a version field); a policy may demand it.
pub(super) fn fwid(leaf: Option<&Certificate>, opaque: &OpaqueData) -> Check {
    let id = CheckId::Fwid;
    let Some(leaf) = leaf else {
        let reason = Reason::new(Code::SigningKeyUnavailable, "no certificate could be read");
        return Check::unverifiable(id, reason);
    };
    match (leaf.fwid(), opaque.fwid()) {
        (Err(error), _) => {
            let reason = Reason::new(Code::FwidMalformed, error.to_string());
            Check::refuted_by(id, vec![reason])
        }
        (Ok(_), None) => {
            let reason = Reason::new(Code::FwidAbsentInReport, "report carries no firmware id");
            let status = match opaque.version() {
                Some(_) => Status::Refuted,
                None => Status::Affirmed,
            };
            Check::with(id, status, vec![reason])
        }
        (Ok(None), Some(_)) => {
            let message = "leaf certificate carries no firmware id";
            let reason = Reason::new(Code::FwidAbsentInCertificate, message);
            Check::refuted_by(id, vec![reason.actual(leaf.common_name())])
        }
        (Ok(Some(certified)), Some(reported)) => {
            let differs = (certified.0 != reported).then(|| {
                Reason::new(Code::FwidMismatch, "firmware id in the report")
                    .expected(hex::encode(certified.0))
                    .actual(hex::encode(reported))
            });
            Check::refuted_by(id, differs.into_iter().collect())
        }
    }
}
