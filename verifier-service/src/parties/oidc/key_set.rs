//! The keys of an issuer, as far as tokens could be signed with them (RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::token::Heading;

/// Most keys looked at. Issuers publish two to ten.
const MAX_KEYS: usize = 64;

/// A key set that was read.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    jwk: Jwk,
    decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a key set. Keys that nothing here could be verified with are passed over (RFC 7517 5).
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(json).ok()?;
        let keys = document.keys.into_iter().take(MAX_KEYS);
        Some(Self(keys.filter_map(Key::read).collect()))
    }

    /// The key a token says it was signed with. A token that names none is served by a set of one.
    pub(super) fn find(&self, heading: &Heading) -> Option<&DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| key.fits(heading));
        let first = fitting.next()?;
        let is_only = fitting.next().is_none();
        (is_only || heading.kid.is_some()).then_some(&first.decoding)
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let is_secret = matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|_| !is_secret)?;
        Some(Self { jwk, decoding })
    }

    fn fits(&self, heading: &Heading) -> bool {
        let common = &self.jwk.common;
        let is_named = heading.kid.is_none() || heading.kid == common.key_id;
        let is_for_signatures =
            matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let may_verify = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let is_of_algorithm = common
            .key_algorithm
            .is_none_or(|stated| stated.to_string() == format!("{:?}", heading.algorithm));
        let has_type = is_of_type(&self.jwk.algorithm, heading.algorithm);
        is_named && is_for_signatures && may_verify && is_of_algorithm && has_type
    }
}

/// Whether a key is of the type, and on the curve, that an algorithm asks for.
fn is_of_type(key: &AlgorithmParameters, algorithm: Algorithm) -> bool {
    match key {
        AlgorithmParameters::RSA(_) => matches!(
            algorithm,
            Algorithm::RS256
                | Algorithm::RS384
                | Algorithm::RS512
                | Algorithm::PS256
                | Algorithm::PS384
                | Algorithm::PS512
        ),
        AlgorithmParameters::EllipticCurve(key) => matches!(
            (&key.curve, algorithm),
            (EllipticCurve::P256, Algorithm::ES256) | (EllipticCurve::P384, Algorithm::ES384)
        ),
        AlgorithmParameters::OctetKeyPair(key) => {
            key.curve == EllipticCurve::Ed25519 && algorithm == Algorithm::EdDSA
        }
        _ => false,
    }
}
