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
mod scene_option_sets;
mod scene_vectors;
mod scalar_vectors;
mod vectors;
