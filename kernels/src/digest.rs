//! The digest of operands and outputs: plain BLAKE3 of the bytes.
//!
//! In scope: the digest as a type with one text form, and a writer that digests what passes
//! through it. Out of scope: keyed or derived BLAKE3 (the modules that use those state their
//! context), and any comparison with a claim.
//!
//! Source: "BLAKE3: one function, fast everywhere", hash mode, 32 bytes of output. No prefix and
//! no length are added, so that `b3sum FILE` and a GPU that hashes its own buffer agree with us.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hex32::{self, HexError};

/// The BLAKE3 digest of some bytes; as text and in JSON, 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Blake3Digest(#[serde(with = "hex32")] [u8; 32]);

impl Blake3Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// The digest of int8 values, each as its two's complement byte.
    pub fn of_int8(values: &[i8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut block = [0_u8; INT8_BLOCK];
        for chunk in values.chunks(INT8_BLOCK) {
            let bytes = &mut block[..chunk.len()];
            for (byte, value) in bytes.iter_mut().zip(chunk) {
                *byte = value.cast_unsigned();
            }
            hasher.update(bytes);
        }
        Self(hasher.finalize().into())
    }

    /// Takes 32 bytes that already are a digest, computed elsewhere (a GPU, a record).
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, in BLAKE3's output order.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Blake3Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex32::write(&self.0, out)
    }
}

impl fmt::Debug for Blake3Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Blake3Digest({self})")
    }
}

impl FromStr for Blake3Digest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        hex32::parse(text).map(Self)
    }
}

/// Passes bytes on to a writer and digests exactly those the writer took.
///
/// ```
/// use std::io::Write;
/// let mut writer = kernels::DigestWriter::new(Vec::new());
/// writer.write_all(b"abc")?;
/// let (bytes, len, digest) = writer.finish();
/// assert_eq!((bytes.as_slice(), len), (&b"abc"[..], 3));
/// assert_eq!(digest, kernels::Blake3Digest::of(b"abc"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct DigestWriter<W> {
    inner: W,
    hasher: blake3::Hasher,
}

impl<W: Write> DigestWriter<W> {
    /// Starts at the digest of nothing. Use [`io::sink`] to digest only.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: blake3::Hasher::new(),
        }
    }

    /// The writer, the number of bytes it took, and their digest. Does not flush.
    pub fn finish(self) -> (W, u64, Blake3Digest) {
        let digest = Blake3Digest(self.hasher.finalize().into());
        (self.inner, self.hasher.count(), digest)
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        // A writer that claims more than it was given breaks its own contract; `min` keeps that
        // from becoming a panic here.
        self.hasher.update(&bytes[..taken.min(bytes.len())]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Values converted at a time: large enough for BLAKE3's widest SIMD (16 chunks of 1 KiB).
const INT8_BLOCK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// BLAKE3 test vectors, input length 0.
    const OF_NOTHING: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    #[test]
    fn digest_of_nothing_is_the_published_one() {
        assert_eq!(Blake3Digest::of(b"").to_string(), OF_NOTHING);
    }

    #[test]
    fn json_is_lower_case_hexadecimal_text() {
        let json = format!("\"{OF_NOTHING}\"");
        let digest: Blake3Digest = serde_json::from_str(&json).unwrap();
        assert_eq!(digest, Blake3Digest::of(b""));
        assert_eq!(serde_json::to_string(&digest).unwrap(), json);
        let upper = json.to_uppercase();
        assert!(serde_json::from_str::<Blake3Digest>(&upper).is_err());
    }

    #[test]
    fn int8_digest_is_the_digest_of_twos_complement_bytes() {
        // Lengths around the conversion block.
        for len in [0, 1, INT8_BLOCK - 1, INT8_BLOCK, 2 * INT8_BLOCK + 1] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let values: Vec<i8> = bytes.iter().map(|b| b.cast_signed()).collect();
            assert_eq!(Blake3Digest::of_int8(&values), Blake3Digest::of(&bytes));
        }
    }

    /// Takes at most three bytes a call.
    struct Reluctant(Vec<u8>);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_writes_are_not_digested_twice() {
        let mut writer = DigestWriter::new(Reluctant(Vec::new()));
        writer.write_all(b"0123456789").unwrap();
        let (inner, len, digest) = writer.finish();
        assert_eq!(inner.0, b"0123456789");
        assert_eq!(len, 10);
        assert_eq!(digest, Blake3Digest::of(b"0123456789"));
    }
}
