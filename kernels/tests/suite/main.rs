//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets.

mod attacks;
mod codes;
mod cpp;
mod jobs;
mod option_sets;
mod points;
mod samples;
mod scalar_vectors;
mod vectors;
