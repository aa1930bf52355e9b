//! The opening: what a replica hands in after all have committed, so that its result can be judged.
//!
//! In scope: its JSON (media type `application/vnd.pogw.opening+json`) and the bounds of it:
//!
//! ```json
//! {"profile": "pogw/1", "salt": "…", "keyed": "…",
//!  "cross": {"<assignment>": "…"},
//!  "bundle": {…},
//!  "slices": [{"tensor": {"output": "c"}, "start": 1024, "len": 1024, "bytes": "<base64 Bao slice>"}]}
//! ```
//!
//! Out of scope: whether anything in it is true. That a slice belongs to the digest in the statement is found by
//! whoever knows BLAKE3 (`kernels::slices`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, BundleError};
use super::canonical::MAX_SAFE_INTEGER;
use super::commitment::{ResultCommitment, Secrets};
use super::encoding::{Base64Url, Blob, bounded_list, distinct_members};
use super::statement::{CanonicalStatement, Profile};
use crate::limits::{MAX_NAME_BYTES, MAX_REPLICAS, MAX_SLICE_BYTES, MAX_SLICES};

/// An opening as it travels. Nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Version of this form.
    pub profile: Profile,
    /// The salt of the commitment.
    pub salt: Base64Url<32>,
    /// The keyed digest that went into the commitment, under this replica's own key.
    pub keyed: Base64Url<32>,
    /// By assignment of another replica of the job: the keyed digest of the own outputs and trace under the other's key.
    #[serde(default, deserialize_with = "distinct_members")]
    pub cross: BTreeMap<String, Base64Url<32>>,
    /// The bundle; with outputs in full only where a check of the job needs them.
    pub bundle: Bundle,
    /// The bytes that were asked for.
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_SLICES>")]
    pub slices: Vec<OpenedSlice>,
}

/// A few bytes of an output, under its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedSlice {
    /// Of what.
    pub tensor: OpenedTensor,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// The Bao slice.
    pub bytes: Blob,
}

/// What a slice is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OpenedTensor {
    /// An output, by its name in the statement.
    Output(String),
}

/// Why bytes are not an opening.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// Its bundle holds too much.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Not the JSON of an opening.
    #[error("opening is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A name longer than any is.
    #[error("name of {what} is too long: expected at most {MAX_NAME_BYTES} bytes, got {actual}")]
    Name {
        /// Of what.
        what: &'static str,
        /// Bytes.
        actual: usize,
    },
    /// A slice of no bytes, or of places that no number names without loss.
    #[error(
        "slice {position}: expected 1 byte or more, ending at 2^53 - 1 at most, got {len} from {start}"
    )]
    Place {
        /// Its place in the list, from 0.
        position: usize,
        /// First byte.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// More of something than an opening may hold.
    #[error("too many {what}: expected at most {limit}, got {actual}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
}

impl OpeningError {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "bundle_too_large",
            Self::Json(_) | Self::Name { .. } => "opening_malformed",
            Self::Place { .. } => "slice_outside_output",
            Self::TooMany { .. } => "opening_too_large",
        }
    }
}

impl Opening {
    /// Reads the JSON of an opening. Unknown and repeated members are refused.
    ///
    /// # Errors
    /// See [`OpeningError`].
    pub fn parse(json: &[u8]) -> Result<Self, OpeningError> {
        let opening: Self = serde_json::from_slice(json)?;
        opening.bundle.check_counts()?;
        at_most("cross digests", MAX_REPLICAS, opening.cross.len())?;
        at_most("slices", MAX_SLICES, opening.slices.len())?;
        let bytes = opening.slices.iter().map(|slice| slice.bytes.0.len());
        let bytes = bytes.fold(0, usize::saturating_add);
        at_most("bytes of slices", MAX_SLICE_BYTES, bytes)?;
        opening
            .cross
            .keys()
            .try_for_each(|id| short("an assignment", id))?;
        let mut slices = opening.slices.iter().enumerate();
        slices.try_for_each(|(position, slice)| slice.check(position))?;
        Ok(opening)
    }

    /// What opens the commitment, beside the statement.
    #[must_use]
    pub const fn secrets(&self) -> Secrets {
        Secrets {
            salt: self.salt,
            keyed: self.keyed,
        }
    }

    /// Whether it opens this commitment; `statement` is the bundle's own.
    #[must_use]
    pub fn opens(&self, commitment: &ResultCommitment, statement: &CanonicalStatement) -> bool {
        ResultCommitment::to(statement, &self.secrets()) == *commitment
    }
}

impl OpenedSlice {
    fn check(&self, position: usize) -> Result<(), OpeningError> {
        let OpenedTensor::Output(name) = &self.tensor;
        short("an output", name)?;
        let end = self.start.checked_add(self.len);
        let safe = end.is_some_and(|end| end <= MAX_SAFE_INTEGER.unsigned_abs());
        if self.len == 0 || !safe {
            return Err(OpeningError::Place {
                position,
                start: self.start,
                len: self.len,
            });
        }
        Ok(())
    }
}

fn at_most(what: &'static str, limit: usize, actual: usize) -> Result<(), OpeningError> {
    if actual > limit {
        return Err(OpeningError::TooMany {
            what,
            limit,
            actual,
        });
    }
    Ok(())
}

fn short(what: &'static str, name: &str) -> Result<(), OpeningError> {
    let actual = name.len();
    match actual <= MAX_NAME_BYTES {
        true => Ok(()),
        false => Err(OpeningError::Name { what, actual }),
    }
}

#[cfg(test)]
mod tests;
