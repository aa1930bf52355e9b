//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets.

mod attacks;
mod codes;
mod cpp;
#[cfg(feature = "host")]
mod executions;
mod jobs;
mod mlp_sgd;
mod option_sets;
mod points;
mod samples;
mod scalar_vectors;
mod vectors;
