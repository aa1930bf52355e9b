//! Secret bytes that must not be shown before the rules say so.

use std::fmt;

use evidence::work::Base64Url;

/// 32 secret bytes: a replica's key, the seed of an audit.
///
/// It prints as nothing and has no serde form of its own. What may show it, and when, says so by calling
/// [`reveal`](Self::reveal); the stored form of a job is the one other place.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for whom they are meant.
    #[must_use]
    pub const fn reveal(&self) -> Base64Url<32> {
        Base64Url(self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
