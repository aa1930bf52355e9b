//! Test kit: where real evidence is found, forged evidence, and services started for a test.
//!
//! Nothing depends on this crate.

pub mod forge;
pub mod real;
pub mod scene;
pub mod served;
