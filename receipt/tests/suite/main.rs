//! Tests over the public interface, as a stranger uses it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests read vectors and documents; the crate does not"
)]

mod claims;
mod documents;
mod expectations;
mod interop;
mod jwks;
mod kit;
mod missing;
mod roundtrip;
mod signers;
mod tokens;
mod vectors;
