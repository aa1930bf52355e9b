//! Tests of the public interface: vectors, jobs, known attacks, stable codes, option sets, device modules.

mod attacks;
mod codes;
mod cpp;
#[cfg(feature = "host")]
mod device_digest;
#[cfg(feature = "host")]
mod host;
mod jobs;
mod launches;
mod modules;
mod option_sets;
mod points;
mod ptx_rules;
mod samples;
mod scalar_vectors;
mod vectors;
