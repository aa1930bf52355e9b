//! Keys that sign certificates and reports.
//!
//! In scope: ECDSA keys on P-384, in the two signature encodings that attestation uses, and a P-256
//! key for evidence that is wrong in that way.
//!
//! Out of scope: where keys are kept (see the store) and what is signed.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SignatureAlgorithm};
use zeroize::Zeroizing;

use super::DeviceError;

/// A signing key, parsed once for both encodings of a signature.
pub struct Key {
    /// Signs as DER `SEQUENCE { r, s }`: certificates.
    asn1: EcdsaKeyPair,
    /// Signs as r ‖ s: reports and manifests.
    fixed: EcdsaKeyPair,
    algorithm: &'static SignatureAlgorithm,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// What distinguishes the curves that keys can be on.
struct Curve {
    asn1: &'static EcdsaSigningAlgorithm,
    fixed: &'static EcdsaSigningAlgorithm,
    certificate: &'static SignatureAlgorithm,
}

const P384: Curve = Curve {
    asn1: &ECDSA_P384_SHA384_ASN1_SIGNING,
    fixed: &ECDSA_P384_SHA384_FIXED_SIGNING,
    certificate: &PKCS_ECDSA_P384_SHA384,
};
const P256: Curve = Curve {
    asn1: &ECDSA_P256_SHA256_ASN1_SIGNING,
    fixed: &ECDSA_P256_SHA256_FIXED_SIGNING,
    certificate: &PKCS_ECDSA_P256_SHA256,
};

impl Key {
    /// A new P-384 key; signs with SHA-384.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn generate() -> Result<Self, DeviceError> {
        Self::generate_on(&P384)
    }

    /// A new P-256 key, which no genuine chain has; signs with SHA-256.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] on a machine without randomness.
    pub fn generate_p256() -> Result<Self, DeviceError> {
        Self::generate_on(&P256)
    }

    /// A P-384 key from its PKCS #8 form (DER).
    ///
    /// # Errors
    /// [`DeviceError::Crypto`] if these bytes are not such a key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, DeviceError> {
        Self::from_pkcs8_on(&P384, der)
    }

    /// The PKCS #8 form (DER): the secret itself.
    #[must_use]
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public point, uncompressed: 0x04 ‖ x ‖ y, 97 bytes on P-384.
    #[must_use]
    pub fn public_point(&self) -> &[u8] {
        self.fixed.public_key().as_ref()
    }

    /// The public key as a SubjectPublicKeyInfo (RFC 5280), DER.
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    /// Signs as r ‖ s, big endian, zero padded: 96 bytes on P-384.
    ///
    /// # Errors
    /// [`DeviceError::Crypto`].
    pub fn sign_fixed(&self, message: &[u8]) -> Result<Vec<u8>, DeviceError> {
        sign(&self.fixed, message).ok_or_else(|| DeviceError::crypto("sign with the device key"))
    }

    fn generate_on(curve: &Curve) -> Result<Self, DeviceError> {
        let document = EcdsaKeyPair::generate_pkcs8(curve.fixed, &SystemRandom::new())
            .map_err(|_| DeviceError::crypto("generate a key"))?;
        Self::from_pkcs8_on(curve, document.as_ref())
    }

    fn from_pkcs8_on(curve: &Curve, der: &[u8]) -> Result<Self, DeviceError> {
        let parse = |algorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, der)
                .map_err(|e| DeviceError::crypto(format!("parse a private key: {e}")))
        };
        Ok(Self {
            asn1: parse(curve.asn1)?,
            fixed: parse(curve.fixed)?,
            algorithm: curve.certificate,
            pkcs8: Zeroizing::new(der.to_vec()),
        })
    }
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let signature = key.sign(&SystemRandom::new(), message).ok()?;
    Some(signature.as_ref().to_vec())
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.public_point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        sign(&self.asn1, message).ok_or(rcgen::Error::RingUnspecified)
    }
}

impl fmt::Debug for Key {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex::encode(self.public_point()))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_survives_its_pkcs8_form() {
        let key = Key::generate().unwrap();
        let again = Key::from_pkcs8(key.to_pkcs8()).unwrap();
        let signature = again.sign_fixed(b"message").unwrap();
        assert_eq!(signature.len(), 96);
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key.public_point())
            .verify(b"message", &signature)
            .unwrap();
    }

    #[test]
    fn foreign_keys_and_junk_are_refused() {
        let p256 = Key::generate_p256().unwrap();
        assert_eq!(p256.public_point().len(), 65);
        assert_eq!(
            Key::from_pkcs8(p256.to_pkcs8()).unwrap_err().code(),
            "device_crypto_failed"
        );
        assert_eq!(
            Key::from_pkcs8(b"junk").unwrap_err().code(),
            "device_crypto_failed"
        );
    }

    #[test]
    fn a_key_does_not_print_its_secret() {
        let key = Key::generate().unwrap();
        let secret = hex::encode(&key.to_pkcs8()[..60]);
        assert!(!format!("{key:?}").contains(&secret));
    }
}
