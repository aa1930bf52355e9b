//! The three signature algorithms of receipts, each bound to one curve (RFC 7518 section 3.4, RFC 8037, RFC 9864).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaSigningAlgorithm, VerificationAlgorithm,
};

use crate::value::words;

words! {
    /// A signature algorithm. There is no `none` and no shared secret, so neither can be asked for.
    Algorithm, "alg":
    /// ECDSA with P-384 and SHA-384; the default.
    Es384 = "ES384",
    /// ECDSA with P-256 and SHA-256.
    Es256 = "ES256",
    /// Ed25519 under its own name; the older `EdDSA` names a family and is not accepted (RFC 9864).
    Ed25519 = "Ed25519",
}

impl Algorithm {
    /// `kty` and `crv` of the keys of this algorithm.
    pub(crate) const fn key_type_and_curve(self) -> (&'static str, &'static str) {
        match self {
            Self::Es384 => ("EC", "P-384"),
            Self::Es256 => ("EC", "P-256"),
            Self::Ed25519 => ("OKP", "Ed25519"),
        }
    }

    /// The only algorithm of keys of this type and curve, if there is one.
    pub(crate) fn of_key(key_type: &str, curve: &str) -> Option<Self> {
        let is_theirs = |algorithm: &Self| algorithm.key_type_and_curve() == (key_type, curve);
        Self::ALL.iter().copied().find(is_theirs)
    }

    /// Length of one coordinate of a public key, in bytes.
    pub(crate) const fn coordinate_bytes(self) -> usize {
        match self {
            Self::Es384 => 48,
            Self::Es256 | Self::Ed25519 => 32,
        }
    }

    /// Number of coordinates in a public key.
    pub(crate) const fn coordinates(self) -> usize {
        match self {
            Self::Es384 | Self::Es256 => 2,
            Self::Ed25519 => 1,
        }
    }

    /// Length of a signature, in bytes: r and s side by side, or R and S of Ed25519; never DER.
    #[must_use]
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::Es384 => 96,
            Self::Es256 | Self::Ed25519 => 64,
        }
    }

    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es384 => &ECDSA_P384_SHA384_FIXED,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Ed25519 => &ED25519,
        }
    }

    pub(crate) fn ecdsa_signing(self) -> Option<&'static EcdsaSigningAlgorithm> {
        match self {
            Self::Es384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Self::Es256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Self::Ed25519 => None,
        }
    }
}
