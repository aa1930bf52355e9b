//! The keyed digest: what only whoever holds the whole result can compute under a key of another.
//!
//! BLAKE3 in keyed mode over the outputs in the order of the statement, raw bytes, then 32 bytes for each digest of the
//! trace. Each replica has a secret key; after all have committed, each is asked for the digest of its own bytes under
//! the keys of the others. A replica that copied digests alone cannot answer (methods 2.3, "keyed trace digest").
//!
//! Out of scope: the commitment that the digest goes into (`evidence::work`), and who is asked when.

use std::io::{self, Write};

use crate::digest::Blake3Digest;

/// Digests what is written to it, outputs first; then [`finish`](Self::finish) with the trace.
#[derive(Clone, Debug)]
pub struct KeyedDigest(blake3::Hasher);

impl KeyedDigest {
    /// Under a replica's key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(key))
    }

    /// Of outputs in memory and a trace.
    #[must_use]
    pub fn of<'a>(
        key: &[u8; 32],
        outputs: impl IntoIterator<Item = &'a [u8]>,
        trace: &[Blake3Digest],
    ) -> [u8; 32] {
        let mut digest = Self::new(key);
        for bytes in outputs {
            digest.0.update(bytes);
        }
        digest.finish(trace)
    }

    /// Adds the trace, and ends.
    #[must_use]
    pub fn finish(mut self, trace: &[Blake3Digest]) -> [u8; 32] {
        for entry in trace {
            self.0.update(entry.as_bytes());
        }
        *self.0.finalize().as_bytes()
    }
}

impl Write for KeyedDigest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_keyed_blake3_of_all_bytes_in_order() {
        let key = *b"whats the Elvish word for friend";
        let entry = Blake3Digest::of(b"state");
        let parts: [&[u8]; 3] = [b"one", b"", b"two"];
        let whole = [b"onetwo".as_slice(), entry.as_bytes()].concat();
        let right = *blake3::keyed_hash(&key, &whole).as_bytes();
        assert_eq!(KeyedDigest::of(&key, parts, &[entry]), right);
        let mut streamed = KeyedDigest::new(&key);
        streamed.write_all(b"onetwo").unwrap();
        assert_eq!(streamed.finish(&[entry]), right);
    }
}
