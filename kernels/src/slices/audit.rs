//! The point audit over what was opened.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use crate::audit::{Mismatch, Verdict, expected};
use crate::job::Job;
use crate::point::{SliceMissing, Slices, Tensor};

/// Recomputes `points` of outputs of which `slices` has enough, on at most `threads` threads, each point once, and tells
/// the lowest that is wrong: the verdict of [`audit::check`](crate::audit::check) over the whole outputs.
///
/// # Errors
///
/// [`SliceMissing`]: a point or what it reads was not opened. No verdict then, whatever the other points say.
pub fn check(
    job: &Job,
    slices: &(dyn Slices + Sync),
    points: &[u64],
    threads: NonZeroUsize,
) -> Result<Verdict, SliceMissing> {
    let points: BTreeSet<u64> = points.iter().copied().collect();
    let points: Vec<u64> = points.into_iter().collect();
    let claimed = points.iter().map(|point| claim(job, slices, *point));
    let claimed = claimed.collect::<Result<Vec<_>, _>>()?;
    let expected = expected(job, slices, &points, threads)?;
    let pairs = claimed.into_iter().zip(expected);
    let mut wrong = pairs.filter(|(claimed, expected)| claimed.actual != *expected);
    Ok(wrong
        .next()
        .map_or(Verdict::Accepted, |(claimed, expected)| {
            Verdict::Refused(Mismatch {
                expected,
                ..claimed
            })
        }))
}

/// A point as it was claimed; what is right is not known yet.
fn claim(job: &Job, slices: &dyn Slices, point: u64) -> Result<Mismatch, SliceMissing> {
    let place = job.points().place(point);
    let specs = job.outputs();
    let output = specs.get(place.output).map_or("", |spec| spec.name);
    let mut actual = vec![0; place.len];
    slices.read(Tensor::Output(output), place.offset, &mut actual)?;
    Ok(Mismatch {
        point,
        output,
        offset: place.offset,
        expected: Vec::new(),
        actual,
    })
}
