//! Tests of the public interface: vectors, jobs, known attacks, stable codes.

mod attacks;
mod codes;
mod float_vectors;
mod jobs;
mod points;
mod samples;
mod vectors;
