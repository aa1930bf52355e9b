//! Does the device state one mode, without contradicting itself? (nvidia-evidence 7, rows 110 and 111)
//!
//! In scope: that a mode stated is a known one, and that the two fields that state it agree. Out of scope: which mode
//! there should be, which a policy decides; that all GPUs of a system are in the same one, which the topology checks.

use crate::check::{Check, CheckId};
use crate::reason::{Code, Reason};
use crate::report::{OnOff, OpaqueData};

/// FEATURE_FLAG: one GPU passed through, several passed through, protected PCIe (nvidia-evidence 3.1).
const KNOWN_FLAGS: std::ops::RangeInclusive<u64> = 0..=2;
const PROTECTED_PCIE: u64 = 2;

/// Older reports state no mode, or one of the two fields only: then there is nothing to disagree.
pub(super) fn judge(opaque: &OpaqueData) -> Check {
    let (flag, state) = (opaque.feature_flag(), opaque.protected_pcie());
    if flag.is_none() && state.is_none() {
        return Check::not_requested(CheckId::Mode);
    }
    let rules = [
        flag.and_then(unknown_flag),
        state.and_then(unknown_state),
        flag.zip(state).and_then(disagree),
    ];
    Check::refuted_by(CheckId::Mode, rules.into_iter().flatten().collect())
}

/// Row 110.
fn unknown_flag(flag: u64) -> Option<Reason> {
    let reason = || Reason::new(Code::FeatureFlagUnknown, "mode in the report");
    (!KNOWN_FLAGS.contains(&flag)).then(|| reason().expected("0, 1 or 2").actual(flag))
}

fn unknown_state(state: OnOff) -> Option<Reason> {
    let OnOff::Invalid(byte) = state else {
        return None;
    };
    let reason = Reason::new(Code::FeatureFlagUnknown, "state of protected PCIe");
    Some(
        reason
            .expected("0xaa or 0x55")
            .actual(format!("{byte:#04x}")),
    )
}

/// Row 111.
fn disagree((flag, state): (u64, OnOff)) -> Option<Reason> {
    let (stated, expected) = match (state, flag == PROTECTED_PCIE) {
        (OnOff::Enabled, false) => ("on", "off"),
        (OnOff::Disabled, true) => ("off", "on"),
        _ => return None,
    };
    let message = "state of protected PCIe against the mode in the report";
    let reason = Reason::new(Code::FeatureFlagMismatch, message);
    Some(reason.expected(expected).actual(stated))
}
