//! Do GPUs and switches belong to one system? (nvidia-evidence 8, rows 110 and 114 to 117)
//!
//! Each GPU of a protected-PCIe system reports the identities (PDIs) of the switches that its links end at, and each
//! switch those of the GPUs. A device's own PDI is in its certificate. So the graph can be checked as a whole: no
//! device can be left out, added or swapped for another genuine one.
//!
//! GPUs without switches have no graph; that they run in one mode is judged all the same.
//!
//! In scope: the graph, and one mode for all GPUs. Out of scope: how many GPUs and switches there should be, and in
//! which mode; a policy decides that.

use std::collections::BTreeSet;

use super::DeviceAppraisal;
use crate::check::{Check, CheckId};
use crate::device::DeviceKind;
use crate::reason::{Code, Reason};

/// A device identity, in the byte order a device reports of itself.
pub type Pdi = [u8; 8];

type Pdis = BTreeSet<Pdi>;

/// Judges the graph where there are GPUs and switches; otherwise there is none to judge, and the modes alone can refute.
pub(super) fn judge(devices: &[DeviceAppraisal]) -> Check {
    let id = CheckId::Topology;
    let of_kind = |kind: DeviceKind| -> Vec<&DeviceAppraisal> {
        devices
            .iter()
            .filter(|device| device.kind == kind)
            .collect()
    };
    let (gpus, switches) = (of_kind(DeviceKind::Gpu), of_kind(DeviceKind::Switch));
    if gpus.is_empty() || switches.is_empty() {
        return match other_modes(&gpus) {
            Some(reason) => Check::refuted_by(id, vec![reason]),
            None => Check::not_requested(id),
        };
    }
    let (Some(present_gpus), Some(present_switches)) = (identities(&gpus), identities(&switches))
    else {
        let message = "a device's identity cannot be read from its certificate";
        return Check::unverifiable(id, Reason::new(Code::PdiUndeterminable, message));
    };
    let mut reasons = Vec::new();
    reasons.extend(other_links("GPU", &gpus, "switches", &present_switches));
    reasons.extend(other_links("switch", &switches, "GPUs", &present_gpus));
    reasons.extend(other_modes(&gpus));
    Check::refuted_by(id, reasons)
}

/// The identities of the devices, from their certificates; `None` if one has none.
fn identities(devices: &[&DeviceAppraisal]) -> Option<Pdis> {
    devices.iter().map(|device| device.pdi).collect()
}

/// Each device must name exactly the devices present at the other end: then all name the same, none is missing and none
/// is too many.
fn other_links(
    kind: &str,
    devices: &[&DeviceAppraisal],
    ends: &str,
    present: &Pdis,
) -> Vec<Reason> {
    let numbered = devices.iter().enumerate();
    let wrong = numbered.filter(|(_, device)| device.links != *present);
    wrong
        .map(|(position, device)| {
            let message = format!("{ends} that {kind} {position} is linked to");
            Reason::new(Code::TopologyMismatch, message)
                .expected(listed(present))
                .actual(listed(&device.links))
        })
        .collect()
}

/// Row 110: the GPUs of one system run in one mode, as far as they state any.
fn other_modes(gpus: &[&DeviceAppraisal]) -> Option<Reason> {
    let stated: BTreeSet<u64> = gpus.iter().filter_map(|gpu| gpu.feature_flag).collect();
    let reason = || Reason::new(Code::FeatureFlagMismatch, "modes of the GPUs of one system");
    (stated.len() > 1).then(|| {
        let stated: Vec<_> = stated.iter().map(u64::to_string).collect();
        reason().expected("one").actual(stated.join(", "))
    })
}

fn listed(pdis: &Pdis) -> String {
    let named: Vec<_> = pdis.iter().map(hex::encode).collect();
    match named.as_slice() {
        [] => "none".to_owned(),
        named => named.join(" "),
    }
}
