//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets, device modules.

mod attacks;
mod bisect;
mod bisect_steps;
mod codes;
mod cpp;
mod defective;
#[cfg(feature = "host")]
mod device_digest;
mod float_vectors;
#[cfg(feature = "host")]
mod host;
#[cfg(feature = "host")]
mod host_products;
mod job_vectors;
mod jobs;
mod launches;
mod mlp_sgd;
mod modules;
mod nbody;
mod option_sets;
mod pathtrace;
mod points;
#[cfg(feature = "host")]
mod program_sets;
mod ptx_rules;
mod replica;
mod samples;
mod scalar_vectors;
mod scene_vectors;
mod slices;
mod transformer_block;
mod vectors;
#[cfg(feature = "host")]
mod vouched;
