//! The rules a token must keep, one after the other, each with its own code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::UnixTime;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::config::{OidcSettings, TokenAlgorithm};
use crate::parties::Scopes;
use crate::problem::ProblemCode;

/// Longest token. Headers of this size pass most proxies.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Types of tokens that are for us (RFC 7519 5.1, RFC 9068 2.1), in lower case, without `application/`.
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// What a token must say.
#[derive(Debug)]
pub(super) struct Terms {
    issuer: String,
    audience: Vec<String>,
    algorithms: Vec<TokenAlgorithm>,
    party_claim: String,
    scope_claim: String,
    leeway_s: i64,
}

/// What a token's header says: which rules and which key it is to be held against. Nothing is verified yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
}

/// Whom a verified token names, and what it allows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The party, in the words of the issuer.
    pub(crate) party: String,
    /// Whom it was given to: `sub`, or what names the party where it has none.
    pub(crate) subject: String,
    /// The scopes of ours among those it lists.
    pub(crate) scopes: Scopes,
}

/// The rule a token breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenRefusal {
    #[error("expected a signed JWT of at most 8192 bytes: {0}")]
    Malformed(&'static str),
    #[error("the algorithm is none of those configured")]
    Algorithm,
    #[error("the issuer has no such key for this algorithm")]
    KeyUnknown,
    #[error("the signature is not by that key")]
    Signature,
    #[error("iss is not the configured issuer")]
    Issuer,
    #[error("aud names none of the configured audiences")]
    Audience,
    #[error("expired at {exp}, now {now}")]
    Expired { exp: i64, now: i64 },
    #[error("not valid before {nbf}, now {now}")]
    NotYetValid { nbf: i64, now: i64 },
    #[error("claim {0} is missing or not of its type")]
    Claim(String),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

impl TokenRefusal {
    pub(crate) fn code(&self) -> ProblemCode {
        match self {
            Self::Malformed(_) => ProblemCode::TokenMalformed,
            Self::Algorithm => ProblemCode::TokenAlgorithmRefused,
            Self::KeyUnknown => ProblemCode::TokenKeyUnknown,
            Self::Signature => ProblemCode::TokenSignatureInvalid,
            Self::Issuer => ProblemCode::TokenIssuerMismatch,
            Self::Audience => ProblemCode::TokenAudienceMismatch,
            Self::Expired { .. } => ProblemCode::TokenExpired,
            Self::NotYetValid { .. } => ProblemCode::TokenNotYetValid,
            Self::Claim(_) => ProblemCode::TokenClaimMissing,
        }
    }
}

impl Terms {
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn of(issuer: &str, settings: &OidcSettings) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: settings.audience.clone(),
            algorithms: settings.algorithms.clone(),
            party_claim: settings.party_claim.clone(),
            scope_claim: settings.scope_claim.clone(),
            leeway_s: settings.leeway_s.into(),
        }
    }
}

impl Heading {
    /// Reads the header, and nothing in it but type, algorithm and the name of the key.
    pub(super) fn read(token: &str, terms: &Terms) -> Result<Self, TokenRefusal> {
        let malformed = TokenRefusal::Malformed;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(malformed("it is longer"));
        }
        let parts: Vec<_> = token.split('.').collect();
        let [header, _, _] = parts.as_slice() else {
            return Err(malformed("it has not three parts"));
        };
        let header = URL_SAFE_NO_PAD.decode(header).ok();
        let header = header.and_then(|json| serde_json::from_slice::<Header>(&json).ok());
        let header = header.ok_or(malformed("its header is not one"))?;
        if header.crit.is_some() {
            return Err(malformed("its header has critical members"));
        }
        if !header.typ.as_deref().is_none_or(is_our_type) {
            return Err(malformed("typ is neither JWT nor at+jwt"));
        }
        let algorithm = terms.algorithms.iter().copied().map(of_library);
        let algorithm = algorithm
            .into_iter()
            .find(|a| format!("{a:?}") == header.alg);
        Ok(Self {
            algorithm: algorithm.ok_or(TokenRefusal::Algorithm)?,
            kid: header.kid,
        })
    }
}

/// Holds a token against its key and the terms.
pub(super) fn check(
    token: &str,
    heading: &Heading,
    key: &DecodingKey,
    terms: &Terms,
    now: UnixTime,
) -> Result<Named, TokenRefusal> {
    let claims = verified(token, heading.algorithm, key)?;
    is_by(&claims, &terms.issuer)?;
    is_for(&claims, &terms.audience)?;
    is_current(&claims, now.secs(), terms.leeway_s)?;
    let party = text(&claims, &terms.party_claim).filter(|party| !party.is_empty());
    let party = party.ok_or_else(|| missing(&terms.party_claim))?;
    Ok(Named {
        party: party.to_owned(),
        subject: text(&claims, "sub").unwrap_or(party).to_owned(),
        scopes: scopes(&claims, &terms.scope_claim)?,
    })
}

/// The claims, once the signature is known to be good. Times are compared here, by our own clock, not by the library.
fn verified(
    token: &str,
    algorithm: Algorithm,
    key: &DecodingKey,
) -> Result<Map<String, Value>, TokenRefusal> {
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &rules);
    decoded.map(|decoded| decoded.claims).map_err(|error| {
        use jsonwebtoken::errors::ErrorKind;
        match error.kind() {
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
                TokenRefusal::Malformed("its claims are not a JSON object")
            }
            _ => TokenRefusal::Signature,
        }
    })
}

fn is_by(claims: &Map<String, Value>, issuer: &str) -> Result<(), TokenRefusal> {
    match text(claims, "iss") == Some(issuer) {
        true => Ok(()),
        false => Err(TokenRefusal::Issuer),
    }
}

/// `aud` is a text or a list of them (RFC 7519 4.1.3).
fn is_for(claims: &Map<String, Value>, audience: &[String]) -> Result<(), TokenRefusal> {
    let is_ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|named| audience.iter().any(|ours| ours == named))
    };
    let found = match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(is_ours),
        Some(name) => is_ours(name),
        None => false,
    };
    match found {
        true => Ok(()),
        false => Err(TokenRefusal::Audience),
    }
}

/// A token without an end is not taken.
fn is_current(claims: &Map<String, Value>, now: i64, leeway_s: i64) -> Result<(), TokenRefusal> {
    let exp = claims.get("exp").and_then(seconds);
    let exp = exp.ok_or_else(|| missing("exp"))?;
    if now >= exp.saturating_add(leeway_s) {
        return Err(TokenRefusal::Expired { exp, now });
    }
    let Some(nbf) = claims.get("nbf") else {
        return Ok(());
    };
    let nbf = seconds(nbf).ok_or_else(|| missing("nbf"))?;
    match now.saturating_add(leeway_s) < nbf {
        true => Err(TokenRefusal::NotYetValid { nbf, now }),
        false => Ok(()),
    }
}

/// Text with spaces between (RFC 8693 4.2), or a list, as some issuers write it. Without the claim there are none.
fn scopes(claims: &Map<String, Value>, claim: &str) -> Result<Scopes, TokenRefusal> {
    match claims.get(claim) {
        None => Ok(Scopes::default()),
        Some(Value::String(words)) => Ok(Scopes::among(words.split(' '))),
        Some(Value::Array(words)) => Ok(Scopes::among(words.iter().filter_map(Value::as_str))),
        Some(_) => Err(missing(claim)),
    }
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    claims.get(claim)?.as_str()
}

/// A `NumericDate` may have a fraction (RFC 7519 2); it is cut off.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float saturates"
)]
fn seconds(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_f64().map(|secs| secs as i64))
}

fn missing(claim: &str) -> TokenRefusal {
    TokenRefusal::Claim(claim.to_owned())
}

fn is_our_type(stated: &str) -> bool {
    let stated = stated.to_ascii_lowercase();
    let stated = stated.strip_prefix("application/").unwrap_or(&stated);
    TYPES.contains(&stated)
}

fn of_library(algorithm: TokenAlgorithm) -> Algorithm {
    match algorithm {
        TokenAlgorithm::RS256 => Algorithm::RS256,
        TokenAlgorithm::RS384 => Algorithm::RS384,
        TokenAlgorithm::RS512 => Algorithm::RS512,
        TokenAlgorithm::PS256 => Algorithm::PS256,
        TokenAlgorithm::PS384 => Algorithm::PS384,
        TokenAlgorithm::PS512 => Algorithm::PS512,
        TokenAlgorithm::ES256 => Algorithm::ES256,
        TokenAlgorithm::ES384 => Algorithm::ES384,
        TokenAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}
