//! Jobs that every shared test body runs: one list, each entry with the reason it is in it.

use kernels::point::{SliceMissing, Slices, Span, Tensor};
use kernels::{Job, Kernel};
use serde_json::{Value, json};

pub(crate) const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Seeded jobs small enough to recompute every point, by a name that says what is special.
pub(crate) fn small() -> Vec<(String, Job)> {
    let of_kernel = |kernel: Kernel| {
        let cases = cases(kernel).into_iter();
        cases.map(move |(why, params)| {
            let job = Job::parse(kernel.name(), &params);
            let job = job.unwrap_or_else(|error| panic!("{kernel}, {why}: {error}"));
            (format!("{kernel}, {why}"), job)
        })
    };
    Kernel::ALL.iter().copied().flat_map(of_kernel).collect()
}

fn cases(kernel: Kernel) -> Vec<(&'static str, Value)> {
    match kernel {
        Kernel::Blake3 => vec![
            ("one byte", hashed(1)),
            ("a block and one byte", hashed(65)),
            ("a chunk", hashed(1024)),
            ("a chunk and one byte", hashed(1025)),
            ("a node left over at every level", hashed(31 * 1024 - 7)),
            ("a launch of the tree", hashed(512 * 1024)),
            ("two launches of the tree", hashed(513 * 1024 + 1)),
        ],
        Kernel::GemmChain => vec![
            ("one element", chain(1, 3, 2)),
            ("one below a tile, one weight", chain(63, 2, 1)),
            ("a tile, weights used twice", chain(64, 4, 2)),
            ("odd, more weights than steps", chain(71, 2, 3)),
            ("more than a slice", chain(132, 2, 2)),
        ],
        Kernel::GemmI8Requant => vec![
            ("one element", requantised(1, 1, 1, 1, 0)),
            ("all clamped", requantised(17, 9, 5, u32::MAX >> 1, 0)),
            ("ties", requantised(65, 33, 2, 1, 9)),
            ("spread over int8", requantised(64, 64, 130, 24_000, 24)),
            ("largest shift", requantised(3, 5, 70, u32::MAX >> 1, 62)),
        ],
        Kernel::Stream => vec![
            ("one word", passes(1, 1)),
            ("not a multiple of four words", passes(1027, 2)),
            ("a block, each array written", passes(1024, 3)),
            ("many passes", passes(1021, 100)),
        ],
        Kernel::VramWalk => vec![
            ("one line", walk(1, 1, 1, 1)),
            ("one lane", walk(1, 65, 3, 70)),
            ("one line a lane", walk(130, 1, 5, 4)),
            ("more lanes than a block", walk(129, 7, 140, 9)),
        ],
        Kernel::GemmI8 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below a tile", product(63, 5, 31)),
            ("a tile", product(64, 64, 32)),
            ("one above a tile", product(65, 66, 33)),
            ("odd everywhere", product(37, 71, 53)),
        ],
    }
}

fn product(m: u32, n: u32, k: u32) -> Value {
    json!({"m": m, "n": n, "k": k, "operands": {"seed": SEED}})
}

fn hashed(len: u32) -> Value {
    json!({"len": len, "input": {"seed": SEED}})
}

fn chain(n: u32, steps: u32, weights: u32) -> Value {
    json!({"n": n, "steps": steps, "weights": weights, "seed": SEED})
}

fn requantised(m: u32, n: u32, k: u32, multiplier: u32, shift: u32) -> Value {
    let mut params = product(m, n, k);
    params["multiplier"] = multiplier.into();
    params["shift"] = shift.into();
    params
}

fn passes(words: u32, passes: u32) -> Value {
    json!({"words": words, "passes": passes, "seed": SEED})
}

fn walk(lanes: u32, depth: u32, walkers: u32, hops: u32) -> Value {
    json!({"lanes": lanes, "depth": depth, "walkers": walkers, "hops": hops, "seed": SEED})
}

/// Slices that refuse what was not announced.
pub(crate) struct Watched<'a> {
    inner: &'a dyn Slices,
    announced: &'a [Span],
}

impl<'a> Watched<'a> {
    pub(crate) fn new(inner: &'a dyn Slices, announced: &'a [Span]) -> Self {
        Self { inner, announced }
    }

    /// Whether some announced run has all of these bytes.
    fn has(&self, tensor: Tensor, offset: u64, len: u64) -> bool {
        self.announced.iter().any(|span| {
            let Some(into) = offset.checked_sub(span.offset) else {
                return false;
            };
            let stride = span.stride.max(1);
            let (run, within) = (into / stride, into % stride);
            let contiguous = span.stride == span.len && into + len <= span.len * span.count;
            let in_one = run < span.count && within + len <= span.len;
            span.tensor == tensor && (contiguous || in_one)
        })
    }
}

impl Slices for Watched<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let len = into.len() as u64;
        if !self.has(tensor, offset, len) {
            return Err(SliceMissing {
                tensor,
                offset,
                len,
            });
        }
        self.inner.read(tensor, offset, into)
    }
}
