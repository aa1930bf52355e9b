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
        Kernel::GemmI8 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below a tile", product(63, 5, 31)),
            ("a tile", product(64, 64, 32)),
            ("one above a tile", product(65, 66, 33)),
            ("odd everywhere", product(37, 71, 53)),
        ],
        Kernel::GemmBf16 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below a tile and a step", product(31, 5, 15)),
            ("a tile, a step", product(32, 32, 16)),
            ("one above a tile and a step", product(33, 34, 17)),
            ("odd everywhere", product(37, 71, 53)),
        ],
        Kernel::GemmF32 => vec![
            ("one element", product(1, 1, 1)),
            ("one row, long sum", product(1, 3, 1000)),
            ("one below a tile and its depth", product(63, 5, 15)),
            ("a tile", product(64, 64, 16)),
            ("one above a tile and its depth", product(65, 66, 17)),
            ("odd everywhere", product(37, 71, 53)),
        ],
    }
}

fn product(m: u32, n: u32, k: u32) -> Value {
    json!({"m": m, "n": n, "k": k, "operands": {"seed": SEED}})
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
