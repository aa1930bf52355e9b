//! The token as bytes: compact JWS (RFC 7515 section 7.1) with a header of exactly three members.

use serde_json::{Map, Value};

use crate::json;
use crate::jwk::Jwk;
use crate::limits::MAX_TOKEN_BYTES;
use crate::rejected::{Part, Rejected};
use crate::value::{excerpt, from_base64url, push_base64url};

/// The type of a receipt (RFC 9782 section 6, without the `application/` prefix as RFC 7515 section 4.1.9 advises).
pub const TYP: &str = "eat+jwt";

const PARTS: usize = 3;

/// A compact JWS taken apart; nothing in it is believed yet.
pub(crate) struct Compact<'t> {
    /// What the signature is over: the first two parts as they stand in the token.
    pub(crate) signing_input: &'t str,
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    /// Inverse of [`join`] over [`signing_input`].
    pub(crate) fn split(token: &'t str) -> Result<Self, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TokenTooLarge {
                limit: MAX_TOKEN_BYTES,
                actual: token.len(),
            });
        }
        let wrong_number = || Rejected::TokenParts {
            expected: PARTS,
            actual: token.split('.').count(),
        };
        let (signing_input, signature) = token.rsplit_once('.').ok_or_else(wrong_number)?;
        let (header, payload) = signing_input.split_once('.').ok_or_else(wrong_number)?;
        if payload.contains('.') {
            return Err(wrong_number());
        }
        Ok(Self {
            signing_input,
            header: decode(Part::Header, header)?,
            payload: decode(Part::Payload, payload)?,
            signature: decode(Part::Signature, signature)?,
        })
    }

    /// The members of a part that is an object, each still to be read.
    pub(crate) fn members(part: Part, bytes: &[u8]) -> Result<json::Members<'_>, Rejected> {
        json::read_members(bytes).map_err(|fault| Rejected::Json { part, fault })
    }

    /// The members of a part that is an object.
    pub(crate) fn object(part: Part, bytes: &[u8]) -> Result<Map<String, Value>, Rejected> {
        json::read_object(bytes).map_err(|fault| Rejected::Json { part, fault })
    }
}

/// The protected header; all it may say.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) typ: String,
    pub(crate) alg: String,
    pub(crate) kid: String,
}

impl Header {
    /// Reads a header that has `typ`, `alg` and `kid` and nothing else. A list of what is allowed needs no list of
    /// what is dangerous: `jwk`, `jku`, `x5c`, `x5u` (keys of the sender's choice), `crit`, `b64`, `zip`, `cty`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Rejected> {
        let members = Compact::object(Part::Header, bytes)?;
        let is_foreign = |name: &&String| !["typ", "alg", "kid"].contains(&name.as_str());
        if let Some(name) = members.keys().filter(is_foreign).min() {
            let name = excerpt(name);
            return Err(Rejected::HeaderMemberNotAllowed { name });
        }
        Ok(Self {
            typ: text(&members, "typ")?,
            alg: text(&members, "alg")?,
            kid: text(&members, "kid")?,
        })
    }
}

/// The first two parts of a token of this key.
pub(crate) fn signing_input(key: &Jwk, payload: &[u8]) -> String {
    let header = format!(
        r#"{{"alg":"{}","kid":"{}","typ":"{TYP}"}}"#,
        key.algorithm(),
        key.kid()
    );
    // Base64 takes a third more; the rest is room for header and signature, so that the payload is written once.
    let mut token = String::with_capacity(payload.len().saturating_mul(2));
    push_base64url(&mut token, header.as_bytes());
    token.push('.');
    push_base64url(&mut token, payload);
    token
}

/// The token of a signed input.
pub(crate) fn join(signing_input: String, signature: &[u8]) -> String {
    let mut token = signing_input;
    token.push('.');
    push_base64url(&mut token, signature);
    token
}

fn decode(part: Part, text: &str) -> Result<Vec<u8>, Rejected> {
    from_base64url(text).ok_or(Rejected::Base64urlMalformed { part })
}

fn text(members: &Map<String, Value>, name: &'static str) -> Result<String, Rejected> {
    match members.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(Rejected::HeaderMemberMalformed { name }),
        None => Err(Rejected::HeaderMemberMissing { name }),
    }
}
