//! Tests of the public interface: vectors, jobs, known attacks, stable codes, device modules.

mod attacks;
mod codes;
mod jobs;
mod launches;
mod modules;
mod points;
mod ptx_rules;
mod samples;
mod vectors;
