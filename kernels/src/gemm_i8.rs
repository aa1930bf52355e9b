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

mod operands;
mod output;
mod params;
mod point;
mod program;
mod reference;
mod shape;

pub use operands::Operands;
pub use output::{OutputLength, OutputView, decode, encode};
pub use params::{GemmI8, OperandSource, Params};
pub use reference::reference;
pub use shape::{MAX_K, MAX_M_N, MAX_MATRIX_ELEMENTS, Shape, ShapeError};
