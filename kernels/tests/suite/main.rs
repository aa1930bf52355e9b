//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets.

mod attacks;
mod codes;
mod cpp;
#[cfg(feature = "host")]
mod executions;
mod job_vectors;
mod jobs;
mod mlp_sgd;
mod option_sets;
mod points;
#[cfg(feature = "host")]
mod program_sets;
mod samples;
mod scalar_vectors;
mod transformer_block;
mod vectors;
