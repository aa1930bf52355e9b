//! The checks of an opening: those the job asks for, and the point audit of its terms over the slices that were opened.

use std::num::NonZeroUsize;

use evidence::appraise::{WorkChecker, WorkFinding};
use evidence::work::{Blob, Bundle, JobSpec, OpenedSlice, OpenedTensor};
use evidence::{Check, CheckId, Code, Reason, Source};
use kernels::audit::{self, Mismatch, Strength, Verdict};
use kernels::slices::{self, Opened, Stretch, output_named};
use kernels::{Blake3Digest, Job, Randomness};

use super::{Finding, KernelChecker, accepted, chain, excerpt};

/// The weakest strength a receipt can state: better ones are stated as this.
const MOST_LOG2: i32 = -4096;

/// Checks an opening with the shipped kernels.
#[derive(Clone, Copy, Debug)]
pub struct OpeningChecker<'o> {
    kernels: KernelChecker,
    slices: &'o [OpenedSlice],
    audit: Option<Strength>,
}

impl<'o> OpeningChecker<'o> {
    /// `randomness` must be drawn after every replica of the job had committed to its result. `audit` is that of the terms.
    #[must_use]
    pub fn new(
        randomness: [u8; 32],
        slices: &'o [OpenedSlice],
        audit: Option<Strength>,
        threads: NonZeroUsize,
    ) -> Self {
        Self {
            kernels: KernelChecker::new(randomness, threads),
            slices,
            audit,
        }
    }
}

impl WorkChecker for OpeningChecker<'_> {
    fn inspect(&self, bundle: &Bundle) -> Vec<Reason> {
        self.kernels.inspect(bundle)
    }

    fn requested(&self, job: &JobSpec) -> Vec<CheckId> {
        let mut ids = self.kernels.requested(job);
        ids.extend(self.audit.map(|_| CheckId::Audit));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn recompute(&self, bundle: &Bundle) -> Vec<WorkFinding> {
        let mut findings = self.kernels.recompute(bundle);
        findings.extend(self.audit.map(|strength| self.audited(bundle, strength)));
        findings
    }
}

impl OpeningChecker<'_> {
    fn audited(&self, bundle: &Bundle, strength: Strength) -> WorkFinding {
        let check = match self.audit(bundle, strength) {
            Ok(check) => check,
            Err(finding) => finding.into_check(CheckId::Audit),
        };
        let is_affirmed = check.is_affirmed();
        WorkFinding {
            log2_error: is_affirmed.then(|| strength.log2_miss().clamp(MOST_LOG2, 0)),
            wrong_ppm: is_affirmed.then_some(strength.fraction_ppm),
            chain: match is_affirmed {
                true => chain(bundle, strength.points),
                false => None,
            },
            check,
            source: Source::Recomputation,
        }
    }

    /// Points drawn after the commitment, recomputed from what was opened of the committed outputs (methods 2.3, T1).
    fn audit(&self, bundle: &Bundle, strength: Strength) -> Result<Check, Finding> {
        let (job, inputs) = accepted(bundle)?;
        let digests = bundle.statement.outputs.iter();
        let digests = digests.map(|output| Blake3Digest::from_bytes(output.blake3.0));
        let mut opened = Opened::of_outputs(&job, &inputs, digests);
        for slice in self.slices {
            add(&job, &mut opened, slice)?;
        }
        let randomness = Randomness::drawn_after_commitment(self.kernels.randomness);
        let points = audit::draw(&randomness, &job, strength.points);
        match slices::check(&job, &opened, &points, self.kernels.threads) {
            Ok(Verdict::Accepted) => Ok(Check::affirmed(CheckId::Audit)),
            Ok(Verdict::Refused(mismatch)) => Err(Finding::Wrong(wrong(&mismatch))),
            Err(missing) => {
                let reason = Reason::new(Code::OutputNotProvided, missing.to_string());
                Err(Finding::Missing(reason))
            }
        }
    }
}

fn add(job: &Job, opened: &mut Opened<'_>, slice: &OpenedSlice) -> Result<(), Finding> {
    let OpenedTensor::Output(name) = &slice.tensor;
    let Some(tensor) = output_named(job, name) else {
        let reason = Reason::new(Code::OutputsUnexpected, "output of a slice");
        return Err(Finding::Wrong(reason.actual(name)));
    };
    let stretch = Stretch {
        start: slice.start,
        len: slice.len,
    };
    let Blob(bytes) = &slice.bytes;
    opened.add(tensor, stretch, bytes).map_err(|error| {
        let message = format!("slice of output {name}: {error}");
        Finding::Wrong(Reason::new(Code::OutputDigestMismatch, message))
    })
}

/// A point that does not follow.
pub(super) fn wrong(mismatch: &Mismatch) -> Reason {
    let Mismatch {
        point,
        output,
        offset,
        expected,
        actual,
    } = mismatch;
    let message = format!("point {point}: output {output} at byte {offset}");
    let reason = Reason::new(Code::AuditRefuted, message);
    reason.expected(excerpt(expected)).actual(excerpt(actual))
}
