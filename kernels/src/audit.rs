//! The point audit: sampled points of a claimed output, recomputed exactly.
//!
//! # What's in scope
//!
//! [`sample_size`] (how many points for a cheated fraction and a miss probability), [`draw`] (which points), [`cost`]
//! (what they cost), [`check`] (each point recomputed, its bytes compared), [`expected`] (each point recomputed),
//! [`chain`] (whether a point can be wrong that no recomputation shows to be).
//!
//! # What's out of scope
//!
//! Committing to the outputs, and drawing the randomness after that. Which device computed them.
//!
//! # What it shows
//!
//! If a fraction f of the points of an output is wrong, k points drawn independently and uniformly all miss them with
//! probability (1 − f)^k (methods 2.3, T1). It bounds the cheated *fraction*: a single wrong point among millions is
//! most likely missed.
//!
//! A point is wrong if it does not follow from the inputs *and the other claimed points it reads*. Where outputs feed
//! each other, as the steps of a simulation do, one wrong point makes all that follow it wrong although they follow: of N
//! points, k drawn find that one with probability 1 − (1 − 1/N)^k, about k/N, only. [`chain`] says where that is so.
//!
//! The randomness must be the verifier's and later than the commitment: a prover who knows the points computes only
//! those. The bound is for one attempt: whoever may try again, with other outputs or under another challenge, is drawn
//! for again.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::job::{CheckedInputs, Job};
use crate::point::{InMemory, Place, PointKernel, SliceMissing, Slices};
use crate::randomness::Randomness;

/// What an audit of `k` points says about a fraction: the strength of an affirmed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength {
    /// Points that were drawn.
    pub points: u32,
    /// The fraction of wrong points it speaks of, in parts per million.
    pub fraction_ppm: u32,
}

impl Strength {
    /// The default: 300 points, for a cheated fraction of 5 %, missed with probability below 2^-22.
    pub const DEFAULT: Self = Self {
        points: 300,
        fraction_ppm: 50_000,
    };

    /// Logarithm to base 2 of the probability that the audit misses, rounded towards zero: never better than it is.
    #[must_use]
    pub fn log2_miss(self) -> i32 {
        let kept = 1.0 - f64::from(self.fraction_ppm) / 1e6;
        (f64::from(self.points) * kept.log2()).trunc() as i32
    }
}

/// The fewest points that miss a wrong fraction of `fraction_ppm` with probability at most 2^`log2_miss`.
///
/// ```
/// // The table of methods 2.3.
/// assert_eq!(kernels::audit::sample_size(50_000, -20), 271);
/// assert_eq!(kernels::audit::sample_size(10_000, -40), 2759);
/// ```
#[must_use]
pub fn sample_size(fraction_ppm: u32, log2_miss: i32) -> u32 {
    let kept = 1.0 - f64::from(fraction_ppm.min(999_999)) / 1e6;
    (f64::from(log2_miss.min(0)) / kept.log2()).ceil() as u32
}

/// `count` points of each output, independent and uniform, output by output in the order drawn; a point may come twice.
///
/// Each output by itself, so that the strength holds for each: a root of 32 bytes would almost never be drawn among a
/// million elements beside it.
///
/// The points are taken one after another from the BLAKE3 output in `derive_key` mode with context
/// `PoGW 2026-11-27 point audit v2` over the 32 bytes: 16 bytes little endian, modulo the points of the output, counted
/// from its first; off from uniform by less than 2^-64.
#[must_use]
pub fn draw(randomness: &Randomness, job: &Job, count: u32) -> Vec<u64> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    let mut stream = hasher.update(randomness.bytes()).finalize_xof();
    let mut word = [0; 16];
    let mut below = |points: u64| {
        stream.fill(&mut word);
        (u128::from_le_bytes(word) % u128::from(points)) as u64
    };
    let mut drawn = Vec::new();
    for of in points_by_output(job) {
        let points = of.end - of.start;
        if points > 0 {
            drawn.extend((0..count).map(|_| of.start + below(points)));
        }
    }
    drawn
}

/// Operations that an audit may cost where anybody may ask for one: some ten seconds of a core. A job decides how large
/// its points are.
pub const MOST_OPERATIONS: u64 = 1 << 33;

/// How the outputs of a job build on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many points in a row follow from one another, at most; 2 or more.
    pub steps: u64,
    /// Points of the output that has the most: among so many, at most, a single made-up point hides.
    pub points: u64,
}

/// How the outputs of a job build on each other; `None` where each point follows from the inputs alone.
#[must_use]
pub fn chain(job: &Job) -> Option<Chain> {
    let steps = job.points().chain_steps();
    let points = points_by_output(job).map(|of| of.end - of.start).max();
    (steps > 1).then_some(Chain {
        steps,
        points: points.unwrap_or(0),
    })
}

/// Operations that an audit of `count` points of each output costs, at most: a point drawn again costs nothing, and points
/// that are recomputed together cost no more than all there are.
#[must_use]
pub fn cost(job: &Job, count: u32) -> u64 {
    let each = cost_each(job, count);
    let shared = job.points().shared_cost();
    shared.map_or(each, |all| all.operations.min(each))
}

/// The same if points shared nothing.
fn cost_each(job: &Job, count: u32) -> u64 {
    let kernel = job.points();
    let costs = points_by_output(job).map(|of| {
        let points = (of.end - of.start).min(count.into());
        points.saturating_mul(kernel.point_cost(of.start).operations)
    });
    costs.fold(0, u64::saturating_add)
}

/// Points of each output among which one is that no other of it surpasses: in its length, and in the bytes of outputs and
/// states that it is computed from.
const NEEDIEST: u64 = 64;

/// The points of one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfOutput {
    /// How many there are.
    pub count: u64,
    /// Its last ones. What points need is the same for all of an output, or grows along it but for the last row of it, which
    /// may be cut off: so what holds for these as a bound holds for all.
    pub neediest: Range<u64>,
}

/// The points of each output, for bounds of what any drawn points can need.
#[must_use]
pub fn by_output(job: &Job) -> Vec<OfOutput> {
    let all = points_by_output(job).map(|of| OfOutput {
        count: of.end - of.start,
        neediest: of.end.saturating_sub(NEEDIEST).max(of.start)..of.end,
    });
    all.collect()
}

/// The points of each output, in order.
pub(crate) fn points_by_output(job: &Job) -> impl Iterator<Item = Range<u64>> {
    let kernel = job.points();
    let mut start = 0;
    (0..job.outputs().len()).map(move |output| {
        let first = start;
        start = first_beyond(kernel, output, first);
        first..start
    })
}

/// The first point from `low` on that is in an output after `output`: points are in the order of outputs.
fn first_beyond(kernel: &dyn PointKernel, output: usize, mut low: u64) -> u64 {
    let mut high = kernel.points();
    while low < high {
        let middle = low + (high - low) / 2;
        if kernel.place(middle).output > output {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// What an audit says about claimed outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every point drawn is right.
    Accepted,
    /// A point is wrong, and so the output.
    Refused(Mismatch),
}

/// A point that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The point.
    pub point: u64,
    /// The output it is in.
    pub output: &'static str,
    /// Its first byte there.
    pub offset: u64,
    /// Its bytes by the specification.
    pub expected: Vec<u8>,
    /// Its bytes as claimed.
    pub actual: Vec<u8>,
}

/// Why an audit could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Not as many outputs as the job has, or one of another length.
    #[error("output {output} has the wrong length: expected {expected} bytes, got {actual}")]
    Length {
        /// The output.
        output: &'static str,
        /// Bytes by the specification.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// Bytes that a point reads are not at hand.
    #[error(transparent)]
    Slice(#[from] SliceMissing),
}

impl AuditError {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "output_length_mismatch",
            Self::Slice(error) => error.code(),
        }
    }
}

/// Recomputes `points` of the claimed outputs on at most `threads` threads, each point once and those of a
/// [unit](PointKernel::unit) together, and tells the first that is wrong, in the order of units.
///
/// # Errors
///
/// [`AuditError`]: the claimed outputs do not have the form of the job's.
pub fn check(
    job: &Job,
    inputs: &CheckedInputs<'_>,
    outputs: &[&[u8]],
    points: &[u64],
    threads: NonZeroUsize,
) -> Result<Verdict, AuditError> {
    let names = claimed(job, outputs)?;
    let slices = InMemory::new(inputs, names.iter().copied().zip(outputs.iter().copied()));
    let audit = |units: &[Vec<u64>]| first_wrong(job, &names, outputs, &slices, units);
    let found = in_shares(&by_unit(job, points), threads, audit)?;
    let first = found.into_iter().flatten().next();
    Ok(first.map_or(Verdict::Accepted, Verdict::Refused))
}

/// The right bytes of `points`, in their order, on at most `threads` threads: for whoever holds digests of the claimed
/// outputs and single bytes of them, not the outputs.
///
/// # Errors
///
/// [`SliceMissing`] for the first point, in the order given, that `slices` does not have the bytes for.
pub fn expected(
    job: &Job,
    slices: &(dyn Slices + Sync),
    points: &[u64],
    threads: NonZeroUsize,
) -> Result<Vec<Vec<u8>>, SliceMissing> {
    let eval = |points: &[u64]| {
        let kernel = job.points();
        let bytes = points.iter().map(|point| kernel.eval(*point, slices));
        bytes.collect::<Result<Vec<_>, _>>()
    };
    Ok(in_shares(points, threads, eval)?.concat())
}

/// The points of each unit, each once: a job of few points draws most of them many times over.
fn by_unit(job: &Job, points: &[u64]) -> Vec<Vec<u64>> {
    let kernel = job.points();
    let mut units: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for point in points {
        units.entry(kernel.unit(*point)).or_default().insert(*point);
    }
    let units = units.into_values();
    units.map(|points| points.into_iter().collect()).collect()
}

/// `work` on equal shares of `items`, one thread each; its answers in the order of the shares.
fn in_shares<I: Sync, T: Send, E: Send>(
    items: &[I],
    threads: NonZeroUsize,
    work: impl Fn(&[I]) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let share = items.len().div_ceil(threads.get()).max(1);
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|items| scope.spawn(move || work(items)))
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .map(|found| found.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn claimed(job: &Job, outputs: &[&[u8]]) -> Result<Vec<&'static str>, AuditError> {
    let specs = job.outputs();
    for (index, spec) in specs.iter().enumerate() {
        let actual = outputs.get(index).map_or(0, |bytes| bytes.len() as u64);
        if actual != spec.len {
            return Err(AuditError::Length {
                output: spec.name,
                expected: spec.len,
                actual,
            });
        }
    }
    Ok(specs.iter().map(|spec| spec.name).collect())
}

fn first_wrong(
    job: &Job,
    names: &[&'static str],
    outputs: &[&[u8]],
    slices: &InMemory<'_>,
    units: &[Vec<u64>],
) -> Result<Option<Mismatch>, AuditError> {
    let kernel = job.points();
    for points in units {
        let right = kernel.eval_unit(points, slices)?;
        for (point, expected) in points.iter().zip(right) {
            let place = kernel.place(*point);
            let actual = bytes_at(outputs, &place);
            if expected != actual {
                return Ok(Some(Mismatch {
                    point: *point,
                    output: names.get(place.output).copied().unwrap_or_default(),
                    offset: place.offset,
                    expected,
                    actual: actual.to_vec(),
                }));
            }
        }
    }
    Ok(None)
}

/// The claimed bytes of a point; none if they are not all there.
fn bytes_at<'a>(outputs: &[&'a [u8]], place: &Place) -> &'a [u8] {
    let output = outputs.get(place.output).copied().unwrap_or_default();
    let from = usize::try_from(place.offset)
        .ok()
        .and_then(|at| output.get(at..));
    from.and_then(|from| from.get(..place.len))
        .unwrap_or_default()
}

/// BLAKE3 `derive_key` context. Changing how points are drawn means changing this text.
const CONTEXT: &str = "PoGW 2026-11-27 point audit v2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_sizes_are_those_of_the_table() {
        let table = [
            (500_000, 20, 40),
            (100_000, 132, 264),
            (50_000, 271, 541),
            (10_000, 1380, 2759),
            (1000, 13_857, 27_713),
        ];
        for (fraction, for_20, for_40) in table {
            assert_eq!(sample_size(fraction, -20), for_20, "{fraction}");
            assert_eq!(sample_size(fraction, -40), for_40, "{fraction}");
        }
    }

    #[test]
    fn the_default_strength_is_what_it_says() {
        assert_eq!(Strength::DEFAULT.log2_miss(), -22);
    }

    #[test]
    fn points_are_below_their_number_and_follow_the_randomness() {
        let params =
            serde_json::json!({"m": 1, "n": 7, "k": 1, "operands": {"seed": "00".repeat(32)}});
        let job = Job::parse("gemm_i8", &params).unwrap();
        let draw_for = |byte| {
            let randomness = Randomness::drawn_after_commitment([byte; 32]);
            draw(&randomness, &job, 1000)
        };
        assert!(draw_for(1).iter().all(|point| *point < 7));
        assert_eq!(draw_for(1), draw_for(1));
        assert_ne!(draw_for(1), draw_for(2));
        for point in 0..7 {
            let times = draw_for(1).iter().filter(|p| **p == point).count();
            // Mean 143, standard deviation 11; five of them either side.
            assert!((88..198).contains(&times), "{point}: {times}");
        }
    }

    #[test]
    fn expected_bytes_are_in_the_order_of_the_points_also_of_those_drawn_twice() {
        let params =
            serde_json::json!({"m": 1, "n": 7, "k": 1, "operands": {"seed": "00".repeat(32)}});
        let job = Job::parse("gemm_i8", &params).unwrap();
        let points = [5, 2, 5];
        for threads in [1, 2, 3] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let found = expected(&job, &InMemory::default(), &points, threads).unwrap();
            let alone = points.map(|point| job.points().eval(point, &InMemory::default()).unwrap());
            assert_eq!(found, alone);
        }
    }

    #[test]
    fn each_output_is_drawn_from_by_itself() {
        // 16 chunks of 32 bytes, and one root.
        let params = serde_json::json!({"len": 16 * 1024, "input": {"seed": "00".repeat(32)}});
        let job = Job::parse("blake3", &params).unwrap();
        let drawn = draw(&Randomness::drawn_after_commitment([3; 32]), &job, 40);
        assert_eq!(drawn.len(), 80);
        assert!(drawn[..40].iter().all(|point| *point < 16));
        assert_eq!(drawn[40..], [16; 40]);
        let (chunk, root) = (job.points().point_cost(0), job.points().point_cost(16));
        let expected = 16 * chunk.operations + root.operations;
        assert_eq!(cost(&job, 40), expected);
    }
}
