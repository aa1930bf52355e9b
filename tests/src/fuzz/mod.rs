//! What parsers hold whatever the bytes, and the bytes to try it with.
//!
//! In scope: one [property](properties) for each parser, good inputs to start from ([`seeds`]), changes to them
//! ([`mutation`]).
//! Out of scope: coverage and the engine that follows it, which are `tests/fuzz`; it runs the same properties.

pub mod fixture;
pub mod mutation;
pub mod properties;
pub mod seeds;
