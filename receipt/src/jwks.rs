//! The key set a verifier publishes and a marketplace keeps (RFC 7517 section 5).
//!
//! Retired keys stay in it for as long as their receipts are kept, with `exp`: the time after which they signed
//! nothing. RFC 7517 lets members be added; this one is used as in the historical keys of OpenID Federation 1.0. A key
//! that leaked is taken out of the set, and its receipts with it: their times are the thief's to choose.
//!
//! A key for receipts is published bare: its name is its thumbprint, and no certificate adds to that. A key with `x5c` is
//! one for other tokens of the same issuer and is passed over, so what it signs is never a receipt. That is how a verifier
//! keeps the key that NVIDIA's attestation clients want, in the one key set they look at, apart from those for receipts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::code::codes;
use crate::json::{self, JsonFault};
use crate::jwk::{Jwk, JwkError};
use crate::limits::{MAX_JWKS_BYTES, MAX_KEYS};
use crate::value::{Thumbprint, UnixTime, excerpt};

/// Why a key set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The text is longer than any key set.
    #[error("key set: expected at most {limit} bytes, got {actual}")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// The length, in bytes.
        actual: usize,
    },
    /// There is no array of objects called `keys`.
    #[error("keys is not an array of objects")]
    KeysMalformed,
    /// There are more keys than anyone needs.
    #[error("key set: expected at most {limit} keys, got {actual}")]
    TooManyKeys {
        /// The limit.
        limit: usize,
        /// How many there are.
        actual: usize,
    },
    /// Two keys have one name.
    #[error("key {kid} occurs twice")]
    KeyDuplicate {
        /// The name.
        kid: Thumbprint,
    },
    /// No key is left that could verify a receipt.
    #[error("no usable key")]
    NoUsableKey,
    /// The text is not JSON of the profile; the code is that of the fault.
    #[error("key set: {0}")]
    Json(JsonFault),
    /// A key of ours is defective; the code is that of the defect.
    #[error("key {index}: {error}")]
    Key {
        /// Its place in the set, from 0.
        index: usize,
        /// The defect.
        error: JwkError,
    },
}

codes! { JwksError:
    TooLarge = "jwks_too_large",
    KeysMalformed = "jwks_keys_malformed",
    TooManyKeys = "jwks_too_many_keys",
    KeyDuplicate = "jwks_key_duplicate",
    NoUsableKey = "jwks_no_usable_key",
    ; JwksError::Json(fault) => fault.code()
    ; JwksError::Key { error, .. } => error.code()
}

/// A key in a set, and whether it still signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub jwk: Jwk,
    /// When it signed for the last time; absent while it signs.
    pub retired_at: Option<UnixTime>,
}

impl From<Jwk> for PublishedKey {
    fn from(jwk: Jwk) -> Self {
        Self {
            jwk,
            retired_at: None,
        }
    }
}

/// A key of a set that is not for receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub index: usize,
    /// Why it was passed over.
    pub reason: &'static str,
}

/// The public keys of one verifier; never empty, each under its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<PublishedKey>,
    skipped: Vec<SkippedKey>,
}

impl Jwks {
    /// A set to publish.
    ///
    /// # Errors
    /// [`JwksError`] for no keys, too many, or one that occurs twice.
    pub fn new(keys: Vec<PublishedKey>) -> Result<Self, JwksError> {
        Self::of(keys, Vec::new())
    }

    /// A set somebody published.
    ///
    /// Keys of another type, curve or use are passed over (RFC 7517 section 5 asks for that, and a later algorithm
    /// needs it) and listed in [`skipped`](Self::skipped). A key that is of ours by type and curve and has a defect
    /// refuses the whole set: half a key set is a fault to be seen when it is loaded, not at some later receipt.
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn parse(text: &str) -> Result<Self, JwksError> {
        if text.len() > MAX_JWKS_BYTES {
            return Err(JwksError::TooLarge {
                limit: MAX_JWKS_BYTES,
                actual: text.len(),
            });
        }
        let set = json::read_object(text.as_bytes()).map_err(JwksError::Json)?;
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, members) in members_of_keys(&set)?.into_iter().enumerate() {
            match algorithm_if_ours(members) {
                Ok(algorithm) => keys.push(
                    read_key(algorithm, members)
                        .map_err(|error| JwksError::Key { index, error })?,
                ),
                Err(reason) => skipped.push(SkippedKey { index, reason }),
            }
        }
        Self::of(keys, skipped)
    }

    /// The set as JSON, retired keys included. Inverse of [`parse`](Self::parse) but for keys passed over.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(to_members).collect();
        json!({ "keys": keys }).to_string()
    }

    /// The keys that can verify receipts.
    #[must_use]
    pub fn keys(&self) -> &[PublishedKey] {
        &self.keys
    }

    /// The keys passed over when the set was parsed.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The key of this name.
    #[must_use]
    pub fn find(&self, kid: &Thumbprint) -> Option<&PublishedKey> {
        self.keys.iter().find(|key| key.jwk.kid() == *kid)
    }

    fn of(keys: Vec<PublishedKey>, skipped: Vec<SkippedKey>) -> Result<Self, JwksError> {
        if keys.is_empty() {
            return Err(JwksError::NoUsableKey);
        }
        if keys.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys {
                limit: MAX_KEYS,
                actual: keys.len(),
            });
        }
        let mut kids = BTreeSet::new();
        match keys
            .iter()
            .map(|key| key.jwk.kid())
            .find(|kid| !kids.insert(*kid))
        {
            Some(kid) => Err(JwksError::KeyDuplicate { kid }),
            None => Ok(Self { keys, skipped }),
        }
    }
}

fn members_of_keys(set: &Map<String, Value>) -> Result<Vec<&Map<String, Value>>, JwksError> {
    let Some(Value::Array(keys)) = set.get("keys") else {
        return Err(JwksError::KeysMalformed);
    };
    // Before any key is parsed: each costs a point decompression or a curve check.
    if keys.len() > MAX_KEYS {
        return Err(JwksError::TooManyKeys {
            limit: MAX_KEYS,
            actual: keys.len(),
        });
    }
    let members = keys.iter().map(Value::as_object);
    members
        .collect::<Option<_>>()
        .ok_or(JwksError::KeysMalformed)
}

/// The algorithm of a key for receipts, or why it is none.
fn algorithm_if_ours(members: &Map<String, Value>) -> Result<Algorithm, &'static str> {
    let text = |name| members.get(name).and_then(Value::as_str).unwrap_or("");
    if members.contains_key("use") && text("use") != "sig" {
        return Err("its use is not sig");
    }
    if members.contains_key("x5c") {
        return Err("it comes with a certificate, so it signs something else");
    }
    Algorithm::of_key(text("kty"), text("crv")).ok_or("its type and curve are none of ours")
}

fn read_key(algorithm: Algorithm, members: &Map<String, Value>) -> Result<PublishedKey, JwkError> {
    Ok(PublishedKey {
        jwk: Jwk::read(algorithm, members)?,
        retired_at: members.get("exp").map(retirement).transpose()?,
    })
}

fn retirement(exp: &Value) -> Result<UnixTime, JwkError> {
    match exp.as_u64() {
        Some(secs) => Ok(UnixTime::from_secs(secs)),
        None => Err(JwkError::RetirementMalformed {
            actual: excerpt(&exp.to_string()),
        }),
    }
}

fn to_members(key: &PublishedKey) -> BTreeMap<&'static str, Value> {
    let mut members = key.jwk.to_members();
    members.extend(key.retired_at.map(|retired_at| ("exp", json!(retired_at))));
    members
}
