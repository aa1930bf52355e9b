//! The documents that an appraisal used, as they are kept with a receipt, under their digests.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// What a piece of collateral is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PieceKind {
    /// A reference manifest, XML.
    Rim,
    /// An answer about revocation, DER.
    Ocsp,
}

impl PieceKind {
    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rim => "rim",
            Self::Ocsp => "ocsp",
        }
    }
}

/// A word that is no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected rim or ocsp")]
pub struct NotAKind;

impl FromStr for PieceKind {
    type Err = NotAKind;

    fn from_str(text: &str) -> Result<Self, NotAKind> {
        let mut all = [Self::Rim, Self::Ocsp].into_iter();
        all.find(|kind| kind.as_str() == text).ok_or(NotAKind)
    }
}

/// One document, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Its bytes, as they came.
    pub bytes: Arc<[u8]>,
}

/// The documents that an appraisal went by, each once, by SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used(BTreeMap<[u8; 32], Piece>);

impl Used {
    /// Adds a document under its SHA-256.
    pub fn insert(&mut self, sha256: [u8; 32], piece: Piece) {
        self.0.insert(sha256, piece);
    }

    /// In the order of the digests.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8; 32], &Piece)> {
        self.0.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
