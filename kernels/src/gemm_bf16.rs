//! `gemm_bf16`: C = A·B with bf16 operands and f32 results, as Hopper's tensor cores compute it.
//!
//! # What's in scope
//!
//! * [`Bf16`]: the values that are multiplied.
//! * [`tensor_core`]: the arithmetic of one step, and of a whole sum.
//! * [`reference()`]: the whole product.
//!
//! # What's out of scope
//!
//! The shape and where operands come from ([`matrix`]), and the GPU kernels.
//!
//! The normative text is `spec/gemm_bf16.md`. The order of operations is fixed: sixteen products
//! at a time, ascending, one accumulator. A GPU of the Hopper or Blackwell class runs it on tensor
//! cores; every other machine emulates it in integers.

mod bf16;
mod multiply;
mod reference;
pub mod tensor_core;

use crate::matrix;

pub use crate::matrix::encode_f32 as encode;
pub use bf16::Bf16;
pub use reference::reference;

/// A job of this kernel whose shape keeps the rules.
pub type GemmBf16 = matrix::Product<Bf16>;

/// A and B of this kernel.
pub type Operands = matrix::Operands<Bf16>;
