//! Exactly specified GPU workloads, their reference results, and what a verifier needs to check them.
//!
//! # What's in scope
//!
//! * [`Kernel`]: the catalogue. Which kernels exist, the version of each specification, and the
//!   digest of its text, which a work statement carries as *kernel digest*.
//! * [`Job`] → [`CheckedInputs`] → [`Output`]: the one entry that an agent and a verifier share. A
//!   job is parsed from its JSON parameters, accepts its inputs, and is run by the reference.
//! * [`program`]: what a device does for a job, launch by launch, the same on every device.
//! * `host` (feature `host`): runs such a program on this CPU, from the CUDA C++ sources.
//! * [`point`], [`audit`]: single points of an output recomputed, and what a sample of them shows.
//! * [`committed`], [`slices`]: few bytes of an output opened under its digest, by whoever has it and for whoever has the
//!   digest alone; the audit over them. [`KeyedDigest`]: what only whoever has all of it can compute.
//! * [`steps`], [`bisect`]: a dispute between two replicas, followed down to one point or one step of a run.
//! * [`gemm_i8`]: the exact int8 matrix product, `spec/gemm_i8.md`.
//! * [`gemm_bf16`]: the bf16 product in the arithmetic of Hopper's tensor cores, which
//!   [`gemm_bf16::tensor_core`] emulates, `spec/gemm_bf16.md`.
//! * [`gemm_f32`]: the f32 product in a fixed order, `spec/gemm_f32.md`.
//! * [`matrix`]: what the products share.
//! * [`mlp_sgd`]: the training of a small network, `spec/mlp_sgd.md`.
//! * [`transformer_block`]: one block of a quantised transformer, `spec/transformer_block.md`.
//! * [`nbody`]: bodies under their gravity, step by step, `spec/nbody.md`.
//! * [`pathtrace`]: a picture by path tracing, as a PNG file, `spec/pathtrace.md`.
//! * [`freivalds`]: the check of a whole claimed product at a small part of its cost, with a
//!   wrong product accepted with probability at most 2^-124.
//! * [`philox`], [`OperandStream`]: how operands come from a seed, so that they need not be sent.
//! * [`scalar`]: f32 maths with fixed bits, `spec/scalar.md`, the twin of `cuda/pogw.cuh`.
//! * [`Blake3Digest`], [`DigestWriter`]: the digest of operands and outputs; `b3sum` of the same
//!   bytes prints the same text.
//!
//! # What's out of scope
//!
//! * Driving a GPU. The sources and modules are here; nothing here links, loads or needs a driver.
//! * Where randomness comes from, and when. [`Randomness`] says what its caller promises; the
//!   verifier service keeps that promise.
//! * Which device computed a result. A correct product says nothing about that.
//! * Files, network, clocks, environment: bytes and numbers come in, bytes and verdicts go out. An output too large for
//!   memory comes as an open file, which is read and nothing else.
//!
//! The vectors in `vectors/` let an implementation in any language compare itself with this one.

// Expected in `host/ffi.rs` alone, which exists with feature `host` only.
#![cfg_attr(not(feature = "host"), forbid(unsafe_code))]
#![deny(unsafe_code)]

pub mod audit;
pub mod bisect;
pub mod blake3_tree;
mod catalog;
pub mod committed;
mod digest;
pub mod digest_program;
mod excerpt;
mod fill;
pub mod freivalds;
pub mod gemm_bf16;
pub mod gemm_chain;
pub mod gemm_f32;
pub mod gemm_i8;
pub mod gemm_i8_requant;
mod hex32;
#[cfg(feature = "host")]
pub mod host;
mod job;
mod keyed;
pub mod matrix;
pub mod mlp_sgd;
mod modules;
pub mod nbody;
mod operand_stream;
pub mod pathtrace;
pub mod philox;
pub mod point;
pub mod program;
mod randomness;
pub mod scalar;
pub mod slices;
pub mod steps;
pub mod stream;
pub mod transformer_block;
mod tree;
pub mod vram_walk;

pub use catalog::{Kernel, UnknownKernel};
pub use digest::{Blake3Digest, DigestWriter};
pub use hex32::HexError;
pub use job::{
    CheckedInputs, Cost, InputError, InputSpec, Inputs, Job, JobError, KernelJob, LimitError,
    Output, OutputSpec,
};
pub use keyed::KeyedDigest;
pub use modules::{Module, Ptx};
pub use operand_stream::{OperandSeed, OperandStream};
pub use randomness::Randomness;
