//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets, device modules.

mod attacks;
mod codes;
mod cpp;
mod jobs;
mod launches;
mod modules;
mod points;
mod ptx_rules;
mod samples;
mod option_sets;
mod scalar_vectors;
mod vectors;
