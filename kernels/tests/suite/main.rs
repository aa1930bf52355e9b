//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets.

mod attacks;
mod codes;
mod cpp;
#[cfg(feature = "host")]
mod executions;
mod jobs;
mod nbody;
mod pathtrace;
mod points;
mod option_sets;
mod samples;
mod scalar_vectors;
mod vectors;
