//! The comparison of measurements with reference values (nvidia-evidence 6.7, rows 98 to 107).

use serde::Serialize;

use super::reference::{JudgedReference, JudgedReferences};
use super::report_unreadable;
use crate::check::{Check, CheckId, Status};
use crate::device::DeviceKind;
use crate::reason::{Code, Reason};
use crate::report::{OnOff, Report};
use crate::rim::GoldenMeasurement;

/// The golden index that measures the video decoder's firmware, absent while the decoder is disabled.
const NVDEC0_INDEX: u8 = 35;

/// What a comparison finds that is listed index by index ([`Mismatch`]), and what follows from a manifest, which has a check
/// of its own. Whatever else it finds says that the comparison means nothing.
pub const DIFFERENCES: [Code; 4] = [
    Code::MeasurementMismatch,
    Code::MeasurementMissing,
    Code::UnverifiedReferenceMismatch,
    Code::ReferenceNotVerified,
];

/// What was compared, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MeasurementSummary {
    /// Reference values compared, whatever the trust in their manifest.
    pub compared: usize,
    /// Reference values left out because the video decoder is disabled.
    pub skipped_nvdec0: usize,
    /// Golden indexes that differ, ascending.
    pub mismatched: Vec<u8>,
    /// Golden indexes that no active value of the manifests at hand covers although the device measured something there,
    /// ascending (row 109). Empty while a manifest is missing.
    #[serde(skip)]
    pub uncovered: Vec<u8>,
    /// Each difference, in the order of the indexes.
    #[serde(skip)]
    pub mismatches: Vec<Mismatch>,
}

/// A reference value that the report does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Golden index.
    pub index: u8,
    /// The manifest the value is from: `driver_rim` or `vbios_rim`.
    pub source: CheckId,
    /// Bytes the value should have.
    pub golden_size: usize,
    /// Every value the manifest allows; never empty.
    pub golden: Vec<Vec<u8>>,
    /// The value in the report; `None` if there is none.
    pub runtime: Option<Vec<u8>>,
}

/// One reference value and whether its manifest passed its own checks.
struct Golden<'a> {
    measurement: &'a GoldenMeasurement,
    source: CheckId,
    trusted: bool,
}

/// Compares everything that can be compared and says how far the result can be trusted.
///
/// A value that differs from an authentic manifest refutes. Where a manifest is missing or failed its own checks, the
/// result is unverifiable, and differences from it are told with a reason of their own.
pub(super) fn compare(
    report: Option<&Report>,
    kind: DeviceKind,
    references: &JudgedReferences<'_>,
) -> (Check, MeasurementSummary) {
    let Some(report) = report else {
        return (
            report_unreadable(CheckId::Measurements),
            MeasurementSummary::default(),
        );
    };
    let roles = match kind {
        DeviceKind::Gpu => vec![&references.driver, &references.vbios],
        DeviceKind::Switch => vec![&references.vbios],
    };
    let skip_nvdec0 = kind == DeviceKind::Gpu && report.opaque().nvdec0() == Some(OnOff::Disabled);
    let mut golden: Vec<Golden<'_>> = roles.iter().copied().flat_map(golden_of).collect();
    golden.sort_by_key(|golden| golden.measurement.index);

    let mut findings = Findings::default();
    findings.nvdec0_state(report, kind);
    findings.conflicts(&golden);
    let all_present = roles.iter().all(|role| role.rim.is_some());
    if golden.is_empty() && all_present {
        findings.refuting.push(Reason::new(
            Code::ReferenceEmpty,
            "no reference value is active",
        ));
    }
    for golden in &golden {
        if skip_nvdec0 && golden.measurement.index == NVDEC0_INDEX {
            findings.summary.skipped_nvdec0 = findings.summary.skipped_nvdec0.saturating_add(1);
        } else {
            findings.compare_one(report, golden);
        }
    }
    if all_present {
        findings.summary.uncovered = uncovered(report, &golden);
    }
    for role in roles {
        findings.limits_of_trust(role);
    }
    findings.into_check()
}

fn golden_of<'a>(role: &JudgedReference<'a>) -> Vec<Golden<'a>> {
    let trusted = role.is_trusted();
    let source = role.check.id;
    let measurements = role.rim.into_iter().flat_map(|rim| rim.golden());
    let golden = measurements.map(|measurement| Golden {
        measurement,
        source,
        trusted,
    });
    golden.collect()
}

/// Row 109: told, not judged. All devices measure more than their manifests speak of. `golden` is sorted by index.
fn uncovered(report: &Report, golden: &[Golden<'_>]) -> Vec<u8> {
    let covered = |index: &u8| {
        let found = golden.binary_search_by_key(index, |golden| golden.measurement.index);
        found.is_ok()
    };
    let measured = report
        .measurements()
        .filter(|(_, block)| block.value.iter().any(|b| *b != 0));
    let indexes = measured.map(|(index, _)| index);
    indexes.filter(|index| !covered(index)).collect()
}

#[derive(Default)]
struct Findings {
    summary: MeasurementSummary,
    /// Reasons that stand on authentic manifests.
    refuting: Vec<Reason>,
    /// Reasons that stand on manifests that failed their checks, or on none.
    limiting: Vec<Reason>,
}

impl Findings {
    /// Row 107: the state must be one of two, or skipping would be the host's choice.
    fn nvdec0_state(&mut self, report: &Report, kind: DeviceKind) {
        if let (DeviceKind::Gpu, Some(OnOff::Invalid(byte))) = (kind, report.opaque().nvdec0()) {
            let reason = Reason::new(Code::Nvdec0StatusInvalid, "state of the video decoder");
            let reason = reason.expected("0xaa or 0x55");
            self.refuting.push(reason.actual(format!("{byte:#04x}")));
        }
    }

    /// Row 98: no index is active in both manifests. `golden` is sorted by index.
    fn conflicts(&mut self, golden: &[Golden<'_>]) {
        for pair in golden.windows(2) {
            let [first, second] = pair else { continue };
            if first.measurement.index == second.measurement.index {
                let reason = Reason::new(Code::ReferenceConflict, "index active in both manifests");
                let reason = reason.actual(first.measurement.index);
                self.push(first.trusted && second.trusted, reason);
            }
        }
    }

    fn compare_one(&mut self, report: &Report, golden: &Golden<'_>) {
        let index = golden.measurement.index;
        self.summary.compared = self.summary.compared.saturating_add(1);
        let Some(reason) = difference(report, golden) else {
            return;
        };
        if self.summary.mismatched.last() != Some(&index) {
            self.summary.mismatched.push(index);
        }
        let measurement = golden.measurement;
        self.summary.mismatches.push(Mismatch {
            index,
            source: golden.source,
            golden_size: measurement.size,
            golden: measurement
                .alternatives
                .iter()
                .map(|a| a.to_vec())
                .collect(),
            runtime: report.measurement(index).map(|block| block.value.clone()),
        });
        self.push(golden.trusted, reason);
    }

    /// A manifest that is missing or failed cannot affirm anything.
    fn limits_of_trust(&mut self, role: &JudgedReference<'_>) {
        if role.rim.is_none() && role.check.status == Status::Unverifiable {
            let reason = Reason::new(Code::RimNotAvailable, format!("no {}", role.check.id));
            self.limiting.push(reason);
        } else if !role.is_trusted() {
            let message = format!("{} failed its own checks", role.check.id);
            self.limiting
                .push(Reason::new(Code::ReferenceNotVerified, message));
        }
    }

    fn push(&mut self, trusted: bool, reason: Reason) {
        if trusted {
            self.refuting.push(reason);
        } else {
            self.limiting.push(reason);
        }
    }

    fn into_check(self) -> (Check, MeasurementSummary) {
        let status = match (self.refuting.is_empty(), self.limiting.is_empty()) {
            (false, _) => Status::Refuted,
            (true, false) => Status::Unverifiable,
            (true, true) => Status::Affirmed,
        };
        let mut reasons = self.refuting;
        reasons.extend(self.limiting);
        (
            Check::with(CheckId::Measurements, status, reasons),
            self.summary,
        )
    }
}

/// Rows 102 to 104 and 18: a digest of the stated size that is one of the alternatives.
fn difference(report: &Report, golden: &Golden<'_>) -> Option<Reason> {
    let Golden {
        measurement,
        source,
        trusted,
    } = golden;
    let index = measurement.index;
    let expected = || {
        let alternatives = measurement.alternatives.iter().map(hex::encode);
        alternatives.collect::<Vec<_>>().join(" or ")
    };
    let Some(block) = report.measurement(index) else {
        let message = format!("measurement {index} of the {source} is not in the report");
        return Some(Reason::new(Code::MeasurementMissing, message).expected(expected()));
    };
    let sized = block.is_digest() && block.value.len() == measurement.size;
    let equal = measurement
        .alternatives
        .iter()
        .any(|value| value.as_slice() == block.value);
    if sized && equal {
        return None;
    }
    let code = if *trusted {
        Code::MeasurementMismatch
    } else {
        Code::UnverifiedReferenceMismatch
    };
    let message = format!("measurement {index} against the {source}");
    let reason = Reason::new(code, message).expected(expected());
    Some(reason.actual(hex::encode(&block.value)))
}
