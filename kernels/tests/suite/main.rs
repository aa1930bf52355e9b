//! Tests of the public interface: vectors, jobs, known attacks, stable codes, device modules.

mod attacks;
mod codes;
mod jobs;
mod modules;
mod ptx_rules;
mod vectors;
