//! What the store remembers about signing keys: their public halves, and from when until when each may sign.
//!
//! Every time is set once: a key that is retired is not retired again, and one that leaked stays leaked.

use evidence::UnixTime;
use receipt::{Jwk, Thumbprint};

use super::Answer;
use crate::audit::By;

/// A key as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The public half.
    pub(crate) jwk: Jwk,
    /// When it was added.
    pub(crate) added_at: UnixTime,
    /// The first second in which it may sign; `None` until a running verifier has published it.
    pub(crate) usable_from: Option<UnixTime>,
    /// The first second in which it signs no more.
    pub(crate) retired_at: Option<UnixTime>,
    /// Since when it and its receipts count for nothing.
    pub(crate) leaked_at: Option<UnixTime>,
    /// The longest life of a receipt of it, in seconds; `None` if some have no end.
    pub(crate) receipts_live_s: Option<u32>,
}

/// See the [module documentation](self).
pub(crate) trait KeyStore: Send + Sync {
    /// Every key there ever was, in the order in which they were added.
    fn signing_keys(&self) -> Answer<'_, Vec<KeyRecord>>;

    /// Adds a key unless it is there. The first of all may sign at once: nobody has a key set without it.
    fn add_signing_key<'a>(&'a self, key: &'a KeyRecord, by: By) -> Answer<'a, ()>;

    /// Says from when a key may sign that a verifier publishes now.
    fn publish_signing_key(&self, kid: Thumbprint, usable_from: UnixTime, by: By)
    -> Answer<'_, ()>;

    /// Says that a key signs no more from then on.
    fn retire_signing_key(&self, kid: Thumbprint, at: UnixTime, by: By) -> Answer<'_, ()>;

    /// Says that others may have the key: it is retired, and published no more, from the time of [`By`] on.
    fn disown_signing_key(&self, kid: Thumbprint, by: By) -> Answer<'_, ()>;

    /// Says how long receipts live that are signed from now on; what was said before is never shortened.
    fn note_receipt_life(&self, kid: Thumbprint, seconds: Option<u32>) -> Answer<'_, ()>;
}
