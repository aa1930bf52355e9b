//! `nbody`: bodies under their gravity, step by step, exact to the bit.
//!
//! # What's in scope
//!
//! * [`Params`] → [`Nbody`]: the JSON of a job, then the same with its rules checked. [`Params::discs`] is an encounter
//!   of two galaxies.
//! * Bodies in the beginning, from a seed or from given bytes whose digests match; one step; one body after one step.
//! * The launches of a device.
//!
//! # What's out of scope
//!
//! Whether the steps are short enough to be good physics: a right trajectory of a bad job is right. Trees and grids,
//! which trade exact pulls for fewer of them. The GPU kernel itself (`cuda/nbody.cu`).
//!
//! The normative text is `spec/nbody.md`. Every body adds its pulls in the order of the bodies, so the sum is one.

mod bodies;
mod params;
mod point;
mod program;
mod step;

pub use params::{
    BodySource, MAX_BODIES, MAX_DT, MAX_OUTPUT_BYTES, MAX_SOFTENING, MAX_STEPS, Nbody, Params,
};
