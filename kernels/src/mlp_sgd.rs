//! `mlp_sgd`: a neural network of one or two hidden layers trained by stochastic gradient descent, exact to the bit.
//!
//! # What's in scope
//!
//! * [`Params`] → [`MlpSgd`]: the JSON of a job, then the same with its rules checked. Everything that decides a result
//!   is in it, the order of the data too: a prover chooses nothing.
//! * The whole training, and one segment of it from the checkpoint before: the points of this kernel.
//! * The launches of a device.
//!
//! # What's out of scope
//!
//! Whether what was learned is any good: a right training of a bad job is right. The GPU kernel itself
//! (`cuda/mlp_sgd.cu`).
//!
//! The normative text is `spec/mlp_sgd.md`. Sums are made in a fixed order and each multiply-add rounds once, so that
//! no implementation is free to differ; a tolerance would let a prover invent cheap trainings (methods 1.7).

mod data;
mod layers;
mod loss;
mod params;
mod point;
mod program;
mod state;
mod step;
mod steps;

pub use layers::{Dense, Layers, MAX_WIDTH};
pub use params::{
    DataSource, MAX_BATCH, MAX_DATA_ELEMENTS, MAX_LEARNING_RATE, MAX_MOMENTUM, MAX_OUTPUT_BYTES,
    MAX_SAMPLES, MAX_SEGMENT_OPERATIONS, MAX_STEPS, MlpSgd, Params, Task,
};
