//! What has to be opened so that given points can be recomputed.

use std::collections::{BTreeMap, BTreeSet};

use super::Stretch;
use crate::committed::chunks;
use crate::job::Job;
use crate::point::{SliceMissing, Slices, Span, Tensor};
use crate::tree::CHUNK;

/// Bytes between two stretches for which it is cheaper to open them as well than to open the two apart: a second slice
/// repeats the nodes above, 64 bytes a level.
const GAP: u64 = CHUNK;

/// The stretches of outputs that an audit of `points` reads: the points themselves and what they are computed from,
/// whole chunks, merged where they are close. In order of tensor and place.
///
/// `at_hand` is what the prover has, whole: a point may read here what depends on bytes.
///
/// # Errors
///
/// [`SliceMissing`] if `at_hand` is not whole.
pub fn stretches(
    job: &Job,
    points: &[u64],
    at_hand: &dyn Slices,
) -> Result<Vec<(Tensor, Stretch)>, SliceMissing> {
    let kernel = job.points();
    let specs = job.outputs();
    let mut chunks = Chunks::default();
    for point in points.iter().copied().collect::<BTreeSet<_>>() {
        let place = kernel.place(point);
        if let Some(spec) = specs.get(place.output) {
            let tensor = Tensor::Output(spec.name);
            chunks.add(Span::run(tensor, place.offset, place.len as u64));
        }
        let reads = kernel.reads(point, at_hand)?;
        reads.into_iter().for_each(|span| chunks.add(span));
    }
    let total = |tensor| {
        let spec = specs
            .iter()
            .find(|spec| Tensor::Output(spec.name) == tensor);
        spec.map_or(0, |spec| spec.len)
    };
    Ok(chunks.merged(total))
}

/// Bytes of the slices that open these stretches of outputs of `job`.
#[must_use]
pub fn opening_len(job: &Job, stretches: &[(Tensor, Stretch)]) -> u64 {
    let specs = job.outputs();
    let of = |(tensor, stretch): &(Tensor, Stretch)| {
        let spec = specs
            .iter()
            .find(|spec| Tensor::Output(spec.name) == *tensor)?;
        stretch.slice_len(spec.len)
    };
    stretches.iter().filter_map(of).sum()
}

/// Chunks of tensors, gathered. Those of inputs are left out: a verifier has inputs whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    runs: BTreeMap<Tensor, BTreeMap<u64, u64>>,
}

impl Chunks {
    pub(crate) fn add(&mut self, span: Span) {
        if matches!(span.tensor, Tensor::Input(_)) || span.len == 0 || span.count == 0 {
            return;
        }
        let gap = span.stride.saturating_sub(span.len);
        if gap <= GAP {
            let last = span.stride.saturating_mul(span.count - 1);
            self.push(span.tensor, span.offset, last.saturating_add(span.len));
            return;
        }
        for run in 0..span.count {
            let start = span.offset.saturating_add(span.stride.saturating_mul(run));
            self.push(span.tensor, start, span.len);
        }
    }

    /// By first chunk, the furthest end.
    fn push(&mut self, tensor: Tensor, start: u64, len: u64) {
        let [start, end] = chunks(start, start.saturating_add(len).min(u64::MAX - CHUNK));
        let runs = self.runs.entry(tensor).or_default();
        let furthest = runs.entry(start).or_default();
        *furthest = end.max(*furthest);
    }

    /// Merged where they are close, and cut at the end of their tensor.
    pub(crate) fn merged(self, total: impl Fn(Tensor) -> u64) -> Vec<(Tensor, Stretch)> {
        let mut all = Vec::new();
        for (tensor, runs) in self.runs {
            let total = total(tensor);
            let mut merged: Vec<[u64; 2]> = Vec::new();
            for (start, end) in runs {
                let end = end.min(total);
                match merged.last_mut() {
                    Some([_, last]) if start <= last.saturating_add(GAP) => *last = end.max(*last),
                    _ => merged.push([start, end]),
                }
            }
            let stretch = |[start, end]: [u64; 2]| Stretch {
                start,
                len: end.saturating_sub(start),
            };
            all.extend(merged.into_iter().map(|run| (tensor, stretch(run))));
        }
        all
    }
}
