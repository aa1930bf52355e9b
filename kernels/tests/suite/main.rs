//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets.

mod attacks;
mod codes;
mod cpp;
mod jobs;
mod points;
mod samples;
mod option_sets;
mod scalar_vectors;
mod vectors;
