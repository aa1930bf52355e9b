//! Test kit: where real evidence is found, forged evidence, a driver without a GPU, and services started for a test.
//!
//! Nothing depends on this crate.

pub mod driver;
pub mod forge;
pub mod real;
pub mod scene;
pub mod served;
