//! `blake3`: the tree hash of some bytes, with the chaining value of every chunk.
//!
//! # What's in scope
//!
//! * [`Params`] → [`Blake3Tree`]: the JSON of a job, then the same with its rules checked.
//! * The right outputs and single points of them, by the `blake3` crate; the launches of a device.
//!
//! # What's out of scope
//!
//! Digests of other kernels' outputs ([`digest_program`](crate::digest_program)). The normative text is
//! `spec/blake3.md`.

mod params;
mod point;
mod program;
mod tree;

pub use params::{Blake3Tree, InputSource, MAX_LEN, Params};
