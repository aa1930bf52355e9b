//! `gemm_i8`: C = A·B with int8 operands and int32 results, exact.
//!
//! # What's in scope
//!
//! * [`Shape`]: m, n, k within limits that make the result exact and the memory bounded.
//! * [`Params`] → [`GemmI8`]: the JSON of a job, then the same with its rules checked.
//! * [`Operands`]: A and B, from a seed or from given bytes whose digests match.
//! * [`reference()`], [`Operands::element`]: the whole product, and one element of it.
//! * The launches of a device, and one element from the seed or from slices alone.
//! * [`encode`], [`decode`], [`OutputView`]: the output as bytes.
//!
//! # What's out of scope
//!
//! Checking a claimed product at less than its cost ([`freivalds`](crate::freivalds)), and the
//! GPU kernel itself (`cuda/gemm_i8.cu`).
//!
//! The normative text is `spec/gemm_i8.md`. There is no rounding and no overflow, so the order of
//! additions is free and every correct implementation produces the same bytes.

mod element;
mod output;
mod reference;

use crate::matrix;

pub use crate::matrix::{
    MAX_K, MAX_M_N, MAX_MATRIX_ELEMENTS, OperandSource, Params, Shape, ShapeError,
};
pub use output::{OutputLength, OutputView, decode, encode};
pub use reference::reference;

/// A job of this kernel whose shape keeps the rules.
pub type GemmI8 = matrix::Product<i8>;

/// A and B of this kernel.
pub type Operands = matrix::Operands<i8>;
