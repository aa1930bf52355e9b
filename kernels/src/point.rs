//! One point of an output, recomputed alone.
//!
//! In scope: the seam [`PointKernel`] between a kernel and whoever checks a claimed output at chosen places, and the
//! bytes a point is computed from ([`Slices`]). A point is the smallest part of an output that a CPU recomputes at a
//! small part of the whole cost: an element of a product, a body, a pixel (methods 2.1).
//!
//! Out of scope: which points are drawn and when ([`audit`](crate::audit)), and where slices come from: memory here,
//! verified slices of a committed tensor elsewhere.

use std::collections::BTreeMap;

use crate::job::{CheckedInputs, Cost};

/// A job whose outputs can be recomputed point by point. Exact: equal bytes or a wrong output.
pub trait PointKernel {
    /// How many points there are. Together they cover every byte of every output, those of the first output before those
    /// of the second, and so on.
    fn points(&self) -> u64;

    /// Where the bytes of `point` are.
    ///
    /// `point` is below [`points`](Self::points); what another one gives is up to the kernel, and no panic.
    fn place(&self, point: u64) -> Place;

    /// The point that has byte `offset` of an output; `None` where there is no such byte.
    ///
    /// By default found by halving, for kernels whose points are in the order of their bytes.
    fn point_at(&self, output: usize, offset: u64) -> Option<u64> {
        let target = (output, offset);
        let [mut low, mut high] = [0, self.points()];
        while low < high {
            let middle = low + (high - low) / 2;
            let place = self.place(middle);
            let end = place.offset.saturating_add(place.len as u64);
            if target < (place.output, place.offset) {
                high = middle;
            } else if target >= (place.output, end) {
                low = middle + 1;
            } else {
                return Some(middle);
            }
        }
        None
    }

    /// What [`eval`](Self::eval) reads. Empty where everything follows from the job's seed.
    ///
    /// Of its own output, bytes before its own; of another one, of outputs that do not read this one, nor any that do.
    /// So what points are computed from always leads back to inputs.
    fn needs(&self, point: u64) -> Vec<Span>;

    /// What [`eval`](Self::eval) reads of these bytes: less than [`needs`](Self::needs) where that depends on them.
    ///
    /// # Errors
    ///
    /// [`SliceMissing`] if `slices` does not have what it takes to tell.
    fn reads(&self, point: u64, _slices: &dyn Slices) -> Result<Vec<Span>, SliceMissing> {
        Ok(self.needs(point))
    }

    /// The right bytes of `point`, as long as its place, given that what it reads is right.
    ///
    /// Where a point reads another output, its bytes show that the two fit, and no more.
    ///
    /// # Errors
    ///
    /// [`SliceMissing`] if `slices` does not have what it reads.
    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing>;

    /// What `point` costs, at most; the same for all points of an output.
    fn point_cost(&self, point: u64) -> Cost;

    /// How many points in a row are computed from one another, at most: 1 where every point follows from the inputs
    /// alone, the number of steps where each step is computed from the one before.
    ///
    /// Above 1, a single wrong point can make others wrong that follow from it, and that no recomputation shows to be.
    fn chain_steps(&self) -> u64;

    /// What is recomputed at once for `point`, by number: points of one unit are recomputed together at the price of one
    /// of them. Each is a unit of its own unless a kernel says otherwise.
    fn unit(&self, point: u64) -> u64 {
        point
    }

    /// The right bytes of points of one unit, in their order.
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval).
    fn eval_unit(&self, points: &[u64], slices: &dyn Slices) -> Result<Vec<Vec<u8>>, SliceMissing> {
        points
            .iter()
            .map(|point| self.eval(*point, slices))
            .collect()
    }

    /// What all points cost together, at most, where points share units; `None` where each costs for itself.
    fn shared_cost(&self) -> Option<Cost> {
        None
    }
}

/// Where a point is in the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The output, by its place in [`Job::outputs`](crate::Job::outputs).
    pub output: usize,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: usize,
}

/// A tensor that points are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tensor {
    /// An input of the job.
    Input(&'static str),
    /// An output of the job, committed before the points were drawn.
    Output(&'static str),
    /// A state on the way, by its place in the trace that commits to it.
    State(u64),
}

/// Bytes of a tensor: `count` runs of `len`, each `stride` bytes after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The tensor.
    pub tensor: Tensor,
    /// First byte of the first run.
    pub offset: u64,
    /// Bytes of a run.
    pub len: u64,
    /// From one run to the next.
    pub stride: u64,
    /// Runs.
    pub count: u64,
}

impl Span {
    /// One run of `len` bytes.
    #[must_use]
    pub const fn run(tensor: Tensor, offset: u64, len: u64) -> Self {
        Self {
            tensor,
            offset,
            len,
            stride: len,
            count: 1,
        }
    }
}

/// Bytes of tensors by place.
pub trait Slices {
    /// Fills `into` from byte `offset` of `tensor` on.
    ///
    /// # Errors
    ///
    /// [`SliceMissing`] if the bytes are not at hand.
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing>;
}

/// Bytes that a point is computed from are not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bytes {offset} to {} of {tensor:?} are missing", offset + len)]
pub struct SliceMissing {
    /// The tensor.
    pub tensor: Tensor,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

impl SliceMissing {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "slice_missing"
    }
}

/// Whole tensors in memory.
#[derive(Clone, Debug, Default)]
pub struct InMemory<'a> {
    tensors: BTreeMap<Tensor, &'a [u8]>,
}

impl<'a> InMemory<'a> {
    /// The inputs of a job, and outputs by name.
    #[must_use]
    pub fn new(
        inputs: &'a CheckedInputs<'_>,
        outputs: impl IntoIterator<Item = (&'static str, &'a [u8])>,
    ) -> Self {
        let inputs = inputs
            .iter()
            .map(|(name, bytes)| (Tensor::Input(name), bytes));
        let outputs = outputs.into_iter();
        let outputs = outputs.map(|(name, bytes)| (Tensor::Output(name), bytes));
        Self {
            tensors: inputs.chain(outputs).collect(),
        }
    }

    fn slice(&self, tensor: Tensor, offset: u64, len: usize) -> Option<&'a [u8]> {
        let start = usize::try_from(offset).ok()?;
        self.tensors.get(&tensor)?.get(start..)?.get(..len)
    }
}

impl Slices for InMemory<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let found = self.slice(tensor, offset, into.len());
        let found = found.ok_or(SliceMissing {
            tensor,
            offset,
            len: into.len() as u64,
        })?;
        into.copy_from_slice(found);
        Ok(())
    }
}
