//! The scalar maths of every kernel, written from `spec/scalar.md`: the Rust twin of `cuda/pogw.cuh`.
//!
//! # In scope
//!
//! What cannot be had from `core` with bits that are fixed: canonical forms, compare-and-select, the
//! exponential family, the reciprocal square root, sine and cosine, integer rounding.
//!
//! # Out of scope
//!
//! What `core` defines exactly is used as it is. Rust neither contracts nor reassociates, and rounds
//! every operation to nearest, ties to even:
//!
//! | `pogw.cuh` | Rust |
//! |---|---|
//! | `pg_add`, `pg_sub`, `pg_mul`, `pg_div` | `+`, `-`, `*`, `/` on `f32` |
//! | `pg_fma(a, b, c)` | `a.mul_add(b, c)`; a library call unless built for hardware FMA, slower and equal |
//! | `pg_sqrt`, `pg_rint`, `pg_floor` | `sqrt`, `round_ties_even`, `floor` |
//! | `pg_neg`, `pg_abs`, `pg_bits`, `pg_from_bits` | `-x`, `abs`, `to_bits`, `from_bits` |
//! | `pg_i32`, `pg_u32` | `x as i32`, `x as u32` |
//! | `pg_float_i32`, `pg_float_u32` | `i as f32` |
//! | `pg_mulhi_*` | the upper half of a wider product |
//!
//! Never `f32::exp`, `sin`, `tanh` and the like (the platform's library decides their bits), nor
//! `f32::max` and `min` (their zero and NaN rules are others than those here).

mod basic;
mod circle;
#[cfg(test)]
mod error_bounds;
mod exponential;
mod integer;
mod root;

pub use basic::{NAN, canon, clamp, i8_nearest, max, min, one_nan, output, u8_nearest};
pub use circle::{SinCos, cos, sin, sin_cos, sin_cos_turn};
pub use exponential::{exp, gelu, sigmoid, silu, tanh};
pub use integer::{clamp_i8, dp4a, requant, shift_even};
pub use root::rsqrt;

/// The specification: Markdown, UTF-8. A kernel that uses it names its BLAKE3 digest.
pub const SPECIFICATION: &str = include_str!("../spec/scalar.md");
