//! The one seam through which every signature and digest of this crate goes.
//!
//! aws-lc-rs serves it; tests demand the same answers from two further implementations. NVIDIA evidence knows a
//! single signature algorithm, ECDSA over P-384 with SHA-384, in two encodings: raw `r ‖ s` in reports and RIMs,
//! DER in certificates (nvidia-evidence 1.3, 4.1, 6.3). High `s` is accepted: NVIDIA does not normalise it.

use std::sync::OnceLock;

use aws_lc_rs::signature::ParsedPublicKey;
use aws_lc_rs::{digest, signature};

/// Bytes of an uncompressed P-384 point: 0x04 ‖ x ‖ y.
pub const P384_POINT_BYTES: usize = 97;

/// First byte of an uncompressed point (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// Bytes of a raw P-384 signature: r ‖ s, 48 bytes each, big endian.
pub const P384_SIGNATURE_BYTES: usize = 96;

/// SHA-256 (FIPS 180-4).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha256_of(&[bytes])
}

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn sha256_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    fixed(context.finish().as_ref())
}

/// SHA-384 (FIPS 180-4).
#[must_use]
pub fn sha384(bytes: &[u8]) -> [u8; 48] {
    fixed(digest::digest(&digest::SHA384, bytes).as_ref())
}

/// SHA-512 over the concatenation of `parts`.
#[must_use]
pub fn sha512_of(parts: &[&[u8]]) -> [u8; 64] {
    let mut context = digest::Context::new(&digest::SHA512);
    for part in parts {
        context.update(part);
    }
    fixed(context.finish().as_ref())
}

/// A P-384 public key. The library reads it once, however many signatures it is asked about.
#[derive(Clone, Debug)]
pub struct P384Key {
    point: [u8; P384_POINT_BYTES],
    raw: OnceLock<Option<ParsedPublicKey>>,
    der: OnceLock<Option<ParsedPublicKey>>,
}

impl P384Key {
    /// The key at an uncompressed point; `None` if it is spelled otherwise. Whether it lies on the curve is found when it
    /// is asked about a signature: it has made none if it does not.
    #[must_use]
    pub fn at(point: &[u8]) -> Option<Self> {
        Some(Self {
            point: point.try_into().ok().filter(is_uncompressed)?,
            raw: OnceLock::new(),
            der: OnceLock::new(),
        })
    }

    /// The uncompressed point.
    #[must_use]
    pub fn point(&self) -> &[u8; P384_POINT_BYTES] {
        &self.point
    }

    /// Whether `signature` (raw r ‖ s) over the SHA-384 of `message` is by this key.
    #[must_use]
    pub fn has_signed_raw(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED;
        let key = self.raw.get_or_init(|| self.read_for(algorithm));
        key.as_ref()
            .is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// Whether `signature` (DER) over the SHA-384 of `message` is by this key.
    #[must_use]
    pub fn has_signed_der(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm = &signature::ECDSA_P384_SHA384_ASN1;
        let key = self.der.get_or_init(|| self.read_for(algorithm));
        key.as_ref()
            .is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn read_for(
        &self,
        algorithm: &'static signature::EcdsaVerificationAlgorithm,
    ) -> Option<ParsedPublicKey> {
        ParsedPublicKey::new(algorithm, self.point).ok()
    }
}

/// Whether a P-384 point is spelled as 0x04 ‖ x ‖ y, the one spelling in NVIDIA's certificates. The library would take
/// compressed and hybrid points and whole SubjectPublicKeyInfos as well; other implementations differ on those.
fn is_uncompressed(point: &[u8; P384_POINT_BYTES]) -> bool {
    point.first() == Some(&UNCOMPRESSED)
}

/// Whether `signature` over `message` is by the Ed25519 key `public` (RFC 8032).
#[must_use]
pub fn ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    signature::UnparsedPublicKey::new(&signature::ED25519, public)
        .verify(message, signature)
        .is_ok()
}

/// Copies a digest of known length. The library's output length is fixed by the algorithm named beside it.
fn fixed<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    debug_assert_eq!(digest.len(), N);
    out.iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_abc() {
        let hex256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(b"abc")), hex256);
        assert_eq!(sha256_of(&[b"a", b"", b"bc"]), sha256(b"abc"));
        assert!(hex::encode(sha384(b"abc")).starts_with("cb00753f45a35e8b"));
        assert!(hex::encode(sha512_of(&[b"ab", b"c"])).starts_with("ddaf35a193617aba"));
    }
}
