//! What the matrix products have in common: C = A·B, A m×k, B k×n, C m×n, all row major.
//!
//! # What's in scope
//!
//! * [`Shape`]: m, n, k within limits that bound memory and work.
//! * [`Params`] → [`Product`]: the JSON of a job, then the same with its rules checked.
//! * [`Operands`]: A and B, from a seed or from given bytes whose digests match.
//! * [`Element`] and [`Multiply`]: what differs between kernels, the type of an operand and what is
//!   computed with it.
//! * [`encode_f32`]: an f32 C as output bytes.
//!
//! # What's out of scope
//!
//! The arithmetic: the module of each kernel. The bytes of an int32 C:
//! [`gemm_i8`](crate::gemm_i8).

mod element;
mod job;
mod multiply;
mod operands;
mod params;
mod point;
mod product;
mod program;
mod shape;

pub(crate) use product::by_columns;

pub use element::Element;
pub use multiply::Multiply;
pub use operands::Operands;
pub use params::{OperandSource, Params, Product};
pub use product::encode_f32;
pub use program::Functions;
pub use shape::{MAX_K, MAX_M_N, MAX_MATRIX_ELEMENTS, Shape, ShapeError};
