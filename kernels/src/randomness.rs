//! What a prover could not know when it committed.
//!
//! In scope: the type, and its one constructor. Out of scope: drawing it, and keeping the order of events.

/// 32 bytes that the prover could not know when it committed to its output.
///
/// The type exists for the name of its constructor: every place that vouches for the order of
/// events can be found by searching for it.
#[derive(Clone)]
pub struct Randomness([u8; 32]);

impl Randomness {
    /// Asserts that `bytes` are 32 uniformly random bytes drawn **after** the prover committed to
    /// inputs and outputs, and known to nobody else before that.
    ///
    /// The bounds of [`freivalds`](crate::freivalds) and [`audit`](crate::audit) hold only if that
    /// is true, and nothing here can check it. Reusing them for another output, after the prover
    /// may have learned them, breaks both.
    pub const fn drawn_after_commitment(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
