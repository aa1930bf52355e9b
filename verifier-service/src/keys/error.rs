//! Why keys cannot be used.

use std::path::PathBuf;

use receipt::{Algorithm, JwksError, SignError, Thumbprint};
use thiserror::Error;

use crate::private_files::PrivateFileError;
use crate::store::StoreError;

/// Why the keys cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A file or directory of the keys is not as it must be.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No key could be made.
    #[error("cannot make a key for {0}")]
    Generate(Algorithm),
    /// The file is not a key of the algorithm that it must be of.
    #[error("{path}: {source}")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SignError,
    },
    /// The file is not a private key for receipts.
    #[error("{0} is not an unencrypted PKCS#8 private key for ES384, ES256 or Ed25519")]
    NotAKey(PathBuf),
    /// The file is no key for secrets of webhooks.
    #[error("{path}: expected {expected} bytes, got {actual}")]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes of a key.
        expected: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// The token cannot be used.
    #[error("PKCS #11: {0}")]
    Token(String),
    /// The token, or the way to it, is not there now: a network module that is away, a device that was taken out.
    #[error("PKCS #11: {0}")]
    TokenAway(String),
    /// There is no PIN in the file that should hold one.
    #[error("PIN file {0} must hold one line of 1 to 255 bytes")]
    Pin(PathBuf),
    /// A file of retired keys is defective.
    #[error("{path}: {source}")]
    Retired {
        /// The file.
        path: PathBuf,
        /// The defect.
        source: JwksError,
    },
    /// A retired key does not say when it signed last.
    #[error("{path}: key {kid} has no exp, the time it signed last")]
    NotRetired {
        /// The file.
        path: PathBuf,
        /// The key.
        kid: Thumbprint,
    },
    /// The keys do not make a set.
    #[error("cannot publish the keys: {0}")]
    Set(#[from] JwksError),
    /// Which key signs is not known.
    #[error(
        "there are {0} private keys, and the store knows none of them: leave the one that signs, and put the public halves of the others into retired/"
    )]
    Ambiguous(usize),
    /// Every key that is held was retired.
    #[error("every private key there is was retired: `verifier-service keys rotate` makes another")]
    AllRetired,
    /// Nobody knows a key of this name.
    #[error("there is no key {0}: `verifier-service keys list` names them")]
    Unknown(Thumbprint),
    /// Without the key nothing could be signed.
    #[error("key {0} is the only one that may sign: `verifier-service keys rotate` makes another")]
    Last(Thumbprint),
    /// Keys may sign in its place, and none of them is within reach.
    #[error(
        "no key that may sign in the place of {0} has its private half here: if another verifier has, say --held-elsewhere"
    )]
    SuccessorNotHeld(Thumbprint),
    /// The key is another verifier's, which may have no other.
    #[error(
        "the private half of {0} is not here, and whoever has it may have no other: retire it there, or, if its successor is there too, say --held-elsewhere"
    )]
    OfAnother(Thumbprint),
    /// The key set is about to be longer than validators take.
    #[error(
        "{0} keys are published, and validators take no more: bound receipt_lifetime_s, so that retired keys leave the set"
    )]
    TooMany(usize),
    /// A search took too long, or one is under way still.
    #[error("looking for private keys was broken off")]
    BrokenOff,
}

impl KeyError {
    /// Whether trying again changes nothing, or does harm: all but a store, a token or a search that gave no answer.
    #[must_use]
    pub const fn is_for_the_operator(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::TokenAway(_) | Self::BrokenOff)
    }
}
