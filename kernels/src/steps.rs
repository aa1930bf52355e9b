//! The states that a run marks into its trace, one recomputed from the one before.
//!
//! In scope: the seam [`StepKernel`] between a kernel with marks and the referee of a dispute
//! ([`bisect`](crate::bisect)). A kernel that marks no states has none: its steps, if it has any, are outputs, and
//! [`PointKernel`](crate::point::PointKernel) recomputes them.

use crate::point::{SliceMissing, Slices, Span};

/// A job that marks every state on its way: entry `i` of the trace is the digest of the state after step `i`, and follows
/// from the inputs and the state before alone.
pub trait StepKernel {
    /// Bytes of a state; of every one the same.
    fn state_len(&self) -> u64;

    /// What [`eval`](Self::eval) reads beside inputs: bytes of the state before. Nothing for the first.
    fn needs(&self, entry: u64) -> Vec<Span>;

    /// The right bytes of state `entry`, `len` from `offset` on, given that what it reads is right.
    ///
    /// # Errors
    ///
    /// [`SliceMissing`] if `slices` does not have what it reads.
    fn eval(
        &self,
        entry: u64,
        offset: u64,
        len: usize,
        slices: &dyn Slices,
    ) -> Result<Vec<u8>, SliceMissing>;

    /// A whole state again, for whoever did not keep it: from inputs and own outputs.
    ///
    /// # Errors
    ///
    /// [`SliceMissing`] if `slices` does not have what it reads.
    fn regain(&self, entry: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing>;
}
