//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets, device modules.

mod attacks;
mod codes;
mod cpp;
#[cfg(feature = "host")]
mod executions;
mod float_vectors;
#[cfg(feature = "host")]
mod host_products;
mod jobs;
mod launches;
mod modules;
mod nbody;
mod option_sets;
mod pathtrace;
mod points;
mod ptx_rules;
mod samples;
mod scalar_vectors;
mod scene_option_sets;
mod scene_vectors;
mod vectors;
