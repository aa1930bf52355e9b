//! Who signs: a trait narrow enough for a key that never leaves its module, and one implementation in memory.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use crate::algorithm::Algorithm;
use crate::code::codes;
use crate::jwk::{Jwk, JwkError};

/// A private key that signs receipts: in memory, in an HSM, in a cloud's key service.
///
/// Algorithm and `kid` are not asked for, they follow from the public key. Implementations may block.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public_jwk(&self) -> &Jwk;

    /// The signature over `message` in the form of JWS: r and s side by side in full length, not DER (RFC 7518
    /// section 3.4), or the 64 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`SignError`] if there is no signature now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The bytes are not a PKCS#8 private key for this algorithm.
    #[error("not a PKCS#8 private key for {algorithm}")]
    KeyRejected {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The public half is not usable.
    #[error("public key: {0}")]
    PublicKey(JwkError),
    /// The key's holder did not sign.
    #[error("signing failed: {reason}")]
    Failed {
        /// What the holder says; no secret.
        reason: String,
    },
}

codes! { SignError:
    KeyRejected = "signing_key_rejected",
    Failed = "signing_failed",
    ; SignError::PublicKey(error) => error.code()
}

/// A private key in this process's memory.
pub struct LocalSigner {
    jwk: Jwk,
    key: LocalKey,
}

enum LocalKey {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl LocalSigner {
    /// A signer from an unencrypted PKCS#8 document in DER (RFC 5208, or RFC 5958 for Ed25519). The caller keeps and
    /// erases its own copy.
    ///
    /// # Errors
    /// [`SignError::KeyRejected`] if the document is malformed or for another algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, SignError> {
        let rejected = |_| SignError::KeyRejected { algorithm };
        let key = match algorithm.ecdsa_signing() {
            Some(signing) => EcdsaKeyPair::from_pkcs8(signing, der).map(LocalKey::Ecdsa),
            None => Ed25519KeyPair::from_pkcs8(der).map(LocalKey::Ed25519),
        }
        .map_err(rejected)?;
        let public_key = match &key {
            LocalKey::Ecdsa(pair) => pair.public_key().as_ref(),
            LocalKey::Ed25519(pair) => pair.public_key().as_ref(),
        };
        let jwk = Jwk::from_public_key(algorithm, public_key).map_err(SignError::PublicKey)?;
        Ok(Self { jwk, key })
    }
}

impl Signer for LocalSigner {
    fn public_jwk(&self) -> &Jwk {
        &self.jwk
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = match &self.key {
            // AWS-LC draws ECDSA's secret per signature itself and ignores the source it is handed.
            LocalKey::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message),
            LocalKey::Ed25519(pair) => pair.try_sign(message),
        };
        match signature {
            Ok(signature) => Ok(signature.as_ref().to_vec()),
            Err(_) => Err(SignError::Failed {
                reason: "the cryptographic library gives no reason".to_owned(),
            }),
        }
    }
}

/// Shows the public half only.
impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalSigner({:?})", self.jwk)
    }
}
