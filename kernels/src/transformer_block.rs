//! `transformer_block`: inference of one block of a quantised decoder transformer, attention included, exact to the bit.
//!
//! # What's in scope
//!
//! * [`Params`] → [`TransformerBlock`]: the JSON of a job, then the same with its rules checked.
//! * [`Shape`], [`Scales`]: sizes, and what a unit of an integer sum is worth.
//! * The whole block, and any 16 columns of a row of its outputs alone.
//! * The launches of a device.
//!
//! # What's out of scope
//!
//! Quantising a model, tokens, caches, sampling: the block's input and weights are tensors. The GPU kernel itself
//! (`cuda/transformer_block.cu`).
//!
//! The normative text is `spec/transformer_block.md`. Every sum over keys or channels is a sum of integers, so tiles and
//! their order are free; what is left of floating point belongs to one element each, but for the norms, whose order is
//! given.

mod arithmetic;
mod operands;
mod params;
mod point;
mod program;
mod reference;
mod shape;

pub use params::{GivenOperands, OperandSource, Params, TransformerBlock};
pub use shape::{
    MAX_HEAD, MAX_HIDDEN, MAX_OUTPUT_BYTES, MAX_SCALE, MAX_TOKENS, MAX_WIDTH, Scales, Shape,
};
