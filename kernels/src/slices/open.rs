//! From a Bao slice to its bytes.

use std::io::Read;

use super::Stretch;
use crate::digest::Blake3Digest;

/// Why a slice opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SliceError {
    /// The slice is longer or shorter than one of these bytes is.
    #[error("slice has the wrong length: expected {expected} bytes, got {actual}")]
    Length {
        /// Bytes of a slice of that place.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// The digest does not vouch for it.
    #[error("slice of bytes {start} to {} does not belong to digest {digest}", start + len)]
    NotCommitted {
        /// The digest.
        digest: Blake3Digest,
        /// First byte it should open.
        start: u64,
        /// Bytes it should open.
        len: u64,
    },
    /// Bytes that were opened already.
    #[error("slice of bytes {start} to {} meets another one", start.saturating_add(*len))]
    Overlapping {
        /// First byte.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// No bytes, or some beyond the end.
    #[error("slice of bytes {start} to {} is not within the {total} bytes of its tensor", start.saturating_add(*len))]
    Outside {
        /// First byte.
        start: u64,
        /// Bytes.
        len: u64,
        /// Bytes of the tensor.
        total: u64,
    },
    /// A tensor whose digest is not known.
    #[error("slice of a tensor that nobody committed to")]
    TensorUnknown,
}

impl SliceError {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "slice_length_mismatch",
            Self::NotCommitted { .. } => "slice_not_committed",
            Self::Outside { .. } => "slice_outside_output",
            Self::Overlapping { .. } => "slice_overlapping",
            Self::TensorUnknown => "slice_tensor_unknown",
        }
    }
}

/// The bytes that a Bao slice opens of the `total` bytes with this digest.
///
/// Rules from the cheapest on: place, length of the slice, stated length, then every hash from the root to the bytes.
///
/// # Errors
///
/// The first rule that does not hold.
pub fn open(
    digest: Blake3Digest,
    total: u64,
    stretch: Stretch,
    slice: &[u8],
) -> Result<Vec<u8>, SliceError> {
    let Stretch { start, len } = stretch;
    let expected = stretch.slice_len(total);
    let expected = expected.ok_or(SliceError::Outside { start, len, total })?;
    let actual = slice.len() as u64;
    if actual != expected {
        return Err(SliceError::Length { expected, actual });
    }
    let foreign = SliceError::NotCommitted { digest, start, len };
    if !slice.starts_with(&total.to_le_bytes()) {
        return Err(foreign);
    }
    let root = blake3::Hash::from_bytes(*digest.as_bytes());
    let mut rest = slice;
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    let mut decoder = bao::decode::SliceDecoder::new(&mut rest, &root, start, len);
    decoder.read_to_end(&mut bytes).map_err(|_| foreign)?;
    drop(decoder);
    if rest.is_empty() && bytes.len() as u64 == len {
        Ok(bytes)
    } else {
        Err(foreign)
    }
}
