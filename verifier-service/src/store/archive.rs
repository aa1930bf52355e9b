//! What receipts rest on, kept as long as they are: the bundle, and the manifests and answers that it was judged by.
//!
//! Promises: these are written with the receipt, or with the draft of one, in one step; each document is kept once,
//! under its digest, and is never changed or deleted. For receipts that an earlier version issued there is only the
//! bundle.

use super::{Answer, StoredReceipt};
use crate::collateral::Used;
use crate::id::Id;

/// What claims about a bundle rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grounds {
    /// SHA-256 of the bundle.
    pub(crate) bundle_sha256: [u8; 32],
    /// What it was judged by.
    pub(crate) collateral: Used,
}

/// A receipt, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archived {
    /// The receipt.
    pub(crate) receipt: StoredReceipt,
    /// The bundle, exactly as received.
    pub(crate) bundle: Vec<u8>,
    /// What it was judged by.
    pub(crate) collateral: Used,
}

/// See the [module documentation](self).
pub(crate) trait ArchiveStore: Send + Sync {
    /// Everything about the receipt of this name.
    fn archived(&self, id: Id) -> Answer<'_, Option<Archived>>;
}
