//! Secrets of webhooks at rest.
//!
//! The service signs messages with a secret, so it must be able to read it back: a digest, as it keeps of API keys, is
//! not enough. The secret is sealed under a key that is stored beside the signing keys and not in the database, so that
//! whoever gets a copy of the database can sign nothing. Whoever gets the state directory too can.
//!
//! The form: a byte for the version, 1; 12 bytes nonce, random; the secret by AES-256-GCM (NIST SP 800-38D) with the
//! webhook's name as associated data, so that a secret moved to another webhook does not open; 16 bytes tag.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::SigningSecret;
use crate::id::Id;
use crate::random;

/// Bytes of a key.
pub(crate) const KEY_LEN: usize = 32;

const VERSION: u8 = 1;
const CONTEXT: &str = "pogw/1 webhook secret\n";

/// Seals and opens secrets.
pub(crate) struct Vault(LessSafeKey);

/// A secret that does not open: sealed under another key, for another webhook, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is not sealed under the key of this verifier")]
pub(crate) struct NotOpened;

impl Vault {
    /// Under this key.
    ///
    /// # Panics
    /// Never: the cipher takes every key of this length.
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key);
        Self(LessSafeKey::new(key.expect("a key of 32 bytes")))
    }

    /// A secret as it is kept.
    ///
    /// # Panics
    /// Never: the cipher takes 32 bytes.
    pub(super) fn seal(&self, webhook: Id, secret: &SigningSecret) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed = Zeroizing::new(secret.bytes().to_vec());
        let tag = self.0.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            associated(webhook),
            &mut sealed,
        );
        let tag = tag.expect("32 bytes can be sealed");
        [&[VERSION], &nonce[..], &sealed, tag.as_ref()].concat()
    }

    /// The bytes that sign.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub(super) fn open(&self, webhook: Id, kept: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let sealed = kept.strip_prefix(&[VERSION]).ok_or(NotOpened)?;
        let (nonce, sealed) = sealed.split_first_chunk().ok_or(NotOpened)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let secret = self
            .0
            .open_in_place(nonce, associated(webhook), &mut opened);
        let len = secret.map_err(|_| NotOpened)?.len();
        opened.truncate(len);
        Ok(opened)
    }
}

fn associated(webhook: Id) -> Aad<String> {
    Aad::from(format!("{CONTEXT}{webhook}"))
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_key_for_its_webhook_alone() {
        let (vault, other) = (Vault::new(&[1; 32]), Vault::new(&[2; 32]));
        let (webhook, secret) = (Id::random(), SigningSecret::random());
        let kept = vault.seal(webhook, &secret);
        assert_eq!(kept.len(), 1 + 12 + 32 + 16);
        assert_eq!(*vault.open(webhook, &kept).unwrap(), secret.bytes());
        assert!(!kept.windows(8).any(|part| secret.bytes().starts_with(part)));
        assert_eq!(vault.open(Id::random(), &kept), Err(NotOpened));
        assert_eq!(other.open(webhook, &kept), Err(NotOpened));
        assert_ne!(vault.seal(webhook, &secret), kept, "each has its nonce");
        for at in 0..kept.len() {
            let mut damaged = kept.clone();
            damaged[at] ^= 1;
            assert_eq!(vault.open(webhook, &damaged), Err(NotOpened), "byte {at}");
            assert_eq!(
                vault.open(webhook, &kept[..at]),
                Err(NotOpened),
                "{at} bytes"
            );
        }
    }
}
