//! `gemm_f32`: C = A·B in f32, one fused multiply-add after the other.
//!
//! # What's in scope
//!
//! * [`reference()`]: ascending k, one accumulator, each step rounded once.
//! * The domain of operands: finite, and small enough that no sum overflows.
//!
//! # What's out of scope
//!
//! The shape and where operands come from ([`matrix`]), and the GPU kernel.
//!
//! The normative text is `spec/gemm_f32.md`.

mod element;
mod multiply;
mod reference;

use crate::matrix;

pub use crate::matrix::encode_f32 as encode;
pub use reference::reference;

/// A job of this kernel whose shape keeps the rules.
pub type GemmF32 = matrix::Product<f32>;

/// A and B of this kernel.
pub type Operands = matrix::Operands<f32>;
