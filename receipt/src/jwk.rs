//! A public key as JSON (RFC 7517, RFC 7518 section 6.2, RFC 8037 section 2), and its name (RFC 7638).

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::code::codes;
use crate::value::{Thumbprint, excerpt, from_base64url, to_base64url};

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// A member that identifies the key is absent or not a string.
    #[error("member {name} is missing or not a string")]
    MemberMissing {
        /// The member.
        name: &'static str,
    },
    /// The key contains its private part: it is no longer a secret.
    #[error("member d: the private key is published")]
    PrivateKeyPublished,
    /// `alg` is not the algorithm of this curve.
    #[error("alg: expected {expected}, got {actual:?}")]
    AlgorithmMismatch {
        /// The algorithm of the curve.
        expected: Algorithm,
        /// The beginning of the algorithm stated.
        actual: String,
    },
    /// A coordinate is not base64url of the full length of the field.
    #[error("member {name}: expected base64url of {expected} bytes")]
    CoordinateMalformed {
        /// The member.
        name: &'static str,
        /// The length of a coordinate, in bytes.
        expected: usize,
    },
    /// The bytes are not an uncompressed point, or not on the curve.
    #[error("not a public key of {algorithm}")]
    PointInvalid {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// `kid` is not the RFC 7638 thumbprint of the key.
    #[error("kid: expected {expected}, got {actual:?}")]
    KidMismatch {
        /// The thumbprint.
        expected: Thumbprint,
        /// The beginning of the name stated.
        actual: String,
    },
    /// `exp` is not a time.
    #[error("exp: expected seconds since the Unix epoch, got {actual}")]
    RetirementMalformed {
        /// The beginning of what was stated.
        actual: String,
    },
}

codes! { JwkError:
    MemberMissing = "jwk_member_missing",
    PrivateKeyPublished = "jwk_private_key_published",
    AlgorithmMismatch = "jwk_algorithm_mismatch",
    CoordinateMalformed = "jwk_coordinate_malformed",
    PointInvalid = "jwk_point_invalid",
    KidMismatch = "jwk_kid_mismatch",
    RetirementMalformed = "jwk_retirement_malformed",
}

/// A public key for receipts. Its algorithm follows from its curve and its name from its bytes, so neither can be
/// stated wrongly.
#[derive(Clone)]
pub struct Jwk {
    algorithm: Algorithm,
    /// The coordinates, x first.
    coordinates: Vec<u8>,
    thumbprint: Thumbprint,
    key: ParsedPublicKey,
}

impl Jwk {
    /// A key from the bytes a key store exports: an uncompressed point `04 ‖ x ‖ y` (SEC 1 section 2.3.3) for ECDSA,
    /// the 32 bytes of RFC 8032 for Ed25519.
    ///
    /// # Errors
    /// [`JwkError::PointInvalid`].
    pub fn from_public_key(algorithm: Algorithm, public_key: &[u8]) -> Result<Self, JwkError> {
        let coordinates = match (algorithm, public_key) {
            (Algorithm::Ed25519, x) => x,
            (Algorithm::Es256 | Algorithm::Es384, [0x04, point @ ..]) => point,
            _ => return Err(JwkError::PointInvalid { algorithm }),
        };
        Self::from_coordinates(algorithm, coordinates)
    }

    /// The algorithm of every signature of this key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of this key: its RFC 7638 thumbprint with SHA-256.
    #[must_use]
    pub const fn kid(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Inverse of [`read`](Self::read).
    pub(crate) fn to_members(&self) -> BTreeMap<&'static str, Value> {
        let required = self.required_members().into_iter();
        let mut members: BTreeMap<_, _> = required
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        members.insert("alg", json!(self.algorithm));
        members.insert("kid", json!(self.thumbprint));
        members.insert("use", json!("sig"));
        members
    }

    /// A key from its members; their type and curve have been found to be those of `algorithm`.
    pub(crate) fn read(
        algorithm: Algorithm,
        members: &Map<String, Value>,
    ) -> Result<Self, JwkError> {
        if members.contains_key("d") {
            return Err(JwkError::PrivateKeyPublished);
        }
        let stated = text(members, "alg")?;
        if stated != algorithm.as_str() {
            return Err(JwkError::AlgorithmMismatch {
                expected: algorithm,
                actual: excerpt(stated),
            });
        }
        let mut coordinates = coordinate(members, "x", algorithm)?;
        if algorithm.coordinates() == 2 {
            coordinates.extend(coordinate(members, "y", algorithm)?);
        }
        let key = Self::from_coordinates(algorithm, &coordinates)?;
        key.is_named_by_thumbprint(text(members, "kid")?)?;
        Ok(key)
    }

    /// Whether `signature` is one of this key over `message`.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    fn from_coordinates(algorithm: Algorithm, coordinates: &[u8]) -> Result<Self, JwkError> {
        let invalid = || JwkError::PointInvalid { algorithm };
        // Lengths first: the parser below would also accept DER and compressed points.
        let whole = algorithm
            .coordinate_bytes()
            .checked_mul(algorithm.coordinates());
        if whole != Some(coordinates.len()) {
            return Err(invalid());
        }
        let mut point = Vec::with_capacity(coordinates.len().saturating_add(1));
        if algorithm.coordinates() == 2 {
            point.push(0x04);
        }
        point.extend_from_slice(coordinates);
        let key = ParsedPublicKey::new(algorithm.verification(), &point).map_err(|_| invalid())?;
        let mut jwk = Self {
            algorithm,
            coordinates: coordinates.to_vec(),
            thumbprint: Thumbprint::from_bytes([0; 32]),
            key,
        };
        let required = jwk.required_members();
        let required: Vec<_> = required
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        jwk.thumbprint = thumbprint(&required);
        Ok(jwk)
    }

    fn is_named_by_thumbprint(&self, kid: &str) -> Result<(), JwkError> {
        if kid == self.thumbprint.to_string() {
            return Ok(());
        }
        Err(JwkError::KidMismatch {
            expected: self.thumbprint,
            actual: excerpt(kid),
        })
    }

    /// The members that make the key what it is, and nothing else: the input of RFC 7638 section 3.2.
    fn required_members(&self) -> BTreeMap<&'static str, String> {
        let (key_type, curve) = self.algorithm.key_type_and_curve();
        let coordinates = self.coordinates.chunks(self.algorithm.coordinate_bytes());
        let mut members: BTreeMap<_, _> = ["x", "y"]
            .into_iter()
            .zip(coordinates.map(to_base64url))
            .collect();
        members.insert("kty", key_type.to_owned());
        members.insert("crv", curve.to_owned());
        members
    }
}

/// Equal keys have equal bytes for the same algorithm.
impl PartialEq for Jwk {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.coordinates) == (other.algorithm, &other.coordinates)
    }
}

impl Eq for Jwk {}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwk({} {})", self.algorithm, self.thumbprint)
    }
}

impl Thumbprint {
    /// The thumbprint of the Ed25519 key of these bytes (RFC 8032), for the `jkt` of an agent. Whether they are a key is
    /// found by who verifies its signatures.
    #[must_use]
    pub fn of_ed25519(public_key: &[u8; 32]) -> Self {
        let (key_type, curve) = Algorithm::Ed25519.key_type_and_curve();
        let x = to_base64url(public_key);
        thumbprint(&[("crv", curve), ("kty", key_type), ("x", &x)])
    }
}

/// RFC 7638 section 3: members in the order of their names, no white space. Our names and values need no escapes.
fn thumbprint(required: &[(&'static str, &str)]) -> Thumbprint {
    let members: Vec<String> = required
        .iter()
        .map(|(name, value)| format!(r#""{name}":"{value}""#))
        .collect();
    let canonical = format!("{{{}}}", members.join(","));
    let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
    let mut bytes = [0; 32];
    for (byte, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *byte = *from;
    }
    Thumbprint::from_bytes(bytes)
}

fn coordinate(
    members: &Map<String, Value>,
    name: &'static str,
    algorithm: Algorithm,
) -> Result<Vec<u8>, JwkError> {
    let expected = algorithm.coordinate_bytes();
    from_base64url(text(members, name)?)
        .filter(|bytes| bytes.len() == expected)
        .ok_or(JwkError::CoordinateMalformed { name, expected })
}

fn text<'m>(members: &'m Map<String, Value>, name: &'static str) -> Result<&'m str, JwkError> {
    let value = members.get(name).and_then(Value::as_str);
    value.ok_or(JwkError::MemberMissing { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.3: the thumbprint of the key of RFC 8032 section 7.1, test 1.
    #[test]
    fn thumbprint_of_the_standards_example() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = Jwk::from_public_key(Algorithm::Ed25519, &from_base64url(x).unwrap()).unwrap();
        assert_eq!(
            key.kid().to_string(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        let bytes = from_base64url(x).unwrap().try_into().unwrap();
        assert_eq!(Thumbprint::of_ed25519(&bytes), key.kid());
    }

    #[test]
    fn bytes_that_are_no_point_are_refused() {
        for algorithm in Algorithm::ALL {
            for bytes in [
                vec![],
                vec![4; 33],
                vec![4; 65],
                vec![4; 97],
                vec![2; 49],
                vec![0; 97],
            ] {
                let refused = Jwk::from_public_key(*algorithm, &bytes);
                assert_eq!(
                    refused,
                    Err(JwkError::PointInvalid {
                        algorithm: *algorithm
                    }),
                    "{bytes:?}"
                );
            }
        }
    }
}
