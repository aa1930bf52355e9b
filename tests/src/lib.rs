//! Test kit: where real evidence is found, forged evidence, requests in NVIDIA's form, properties of the parsers, the
//! table of checks, a driver without a GPU, services started for a test, some in
//! processes of their own, the services they depend on, and a world of
//! one of each.
//!
//! Nothing depends on this crate.

pub mod checks;
pub mod cuda;
pub mod driver;
pub mod forge;
pub mod fuzz;
pub mod market;
pub mod nras;
pub mod process;
pub mod real;
pub mod scene;
pub mod served;
pub mod upstream;
pub mod world;
