//! What an agent's key signs of an HTTP request: one fixed profile of RFC 9421, with the digest of RFC 9530.
//!
//! # In scope
//!
//! [`SignedRequest`] makes the three header fields and [`ReceivedRequest`] reads them; both build the same signature
//! base (RFC 9421 section 2.5):
//!
//! ```text
//! "@method": POST
//! "@path": /v1/assignments/next
//! "@query": ?wait_s=60
//! "content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
//! "@signature-params": ("@method" "@path" "@query" "content-digest");created=1795392000;keyid="agent-1";alg="ed25519";nonce="AAECAwQFBgcICQoLDA0ODw"
//! ```
//!
//! # The profile
//!
//! * Covered are method, path, query and body, in this order; `"@query"` exactly where the request has a query. The
//!   authority is not: verifiers behind proxies do not know it for certain, and an agent's key is known to one service.
//! * Parameters are `created`, `keyid`, `alg="ed25519"`, `nonce`, in this order. The one label is `pogw`.
//! * A request without a body has the digest of no bytes.
//! * One spelling: what this module would not write is refused, though RFC 9421 and RFC 9651 allow more.
//!
//! # Out of scope
//!
//! Which key belongs to a key id; that a nonce comes once; the time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::encoding::Base64Url;
use crate::crypto;
use crate::limits::{MAX_KEY_ID_BYTES, MAX_SIGNATURE_AGE_S, MAX_TARGET_BYTES};
use crate::time::UnixTime;

/// The label of the signature in both fields.
const LABEL: &str = "pogw=";

/// Latest time that fifteen digits write: the bound of integers in structured fields (RFC 9651 section 3.3.1).
const MAX_CREATED: i64 = 999_999_999_999_999;

/// Method, path and query of a request, as they stand in its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

/// Who signed when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureParams {
    /// When, by the signer's clock.
    pub created: UnixTime,
    /// Whose key.
    pub key_id: String,
    /// Random, so that no two requests have the same signature base.
    pub nonce: Base64Url<16>,
}

/// The fields that go with a signed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFields {
    /// `Content-Digest`.
    pub content_digest: String,
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

/// Why a request is not signed by whom it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// `Content-Digest` is not one SHA-256 digest.
    #[error("content-digest is malformed: expected sha-256=:<base64 of 32 bytes>:")]
    DigestMalformed,
    /// The body is another one.
    #[error("body does not have the digest that was signed")]
    DigestMismatch,
    /// `Signature-Input` is not that of the profile.
    #[error("signature-input is malformed: expected {expected}")]
    InputMalformed {
        /// Its form.
        expected: &'static str,
    },
    /// Not covered exactly what the profile says.
    #[error("signature covers other components: expected {expected}")]
    Components {
        /// The list for this request.
        expected: &'static str,
    },
    /// Too long ago, or not yet.
    #[error("signature was created {created}: expected within {MAX_SIGNATURE_AGE_S} s of {now}")]
    Expired {
        /// By the signer's clock.
        created: UnixTime,
        /// By ours.
        now: UnixTime,
    },
    /// The key did not sign this.
    #[error("signature is not by the key of {key_id}")]
    Invalid {
        /// Whose key it should be.
        key_id: String,
    },
    /// A key id that no agent has.
    #[error("key id is malformed: expected 1 to {MAX_KEY_ID_BYTES} of A-Z a-z 0-9 - _")]
    KeyId,
    /// `Signature` is not that of the profile.
    #[error("signature is malformed: expected pogw=:<base64 of 64 bytes>:")]
    SignatureMalformed,
    /// No request that the profile can sign.
    #[error("request target is malformed: {rule}")]
    Target {
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A time that the field cannot hold.
    #[error("created is outside 0 to {MAX_CREATED}")]
    Time,
}

impl RequestError {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DigestMalformed => "content_digest_malformed",
            Self::DigestMismatch => "content_digest_mismatch",
            Self::InputMalformed { .. } | Self::KeyId | Self::Time => "signature_input_malformed",
            Self::Components { .. } => "signature_components_mismatch",
            Self::Expired { .. } => "signature_expired",
            Self::Invalid { .. } => "signature_invalid",
            Self::SignatureMalformed => "signature_malformed",
            Self::Target { .. } => "request_target_malformed",
        }
    }
}

impl<'a> Target<'a> {
    /// Takes what stands in the first line of the request, before any decoding: the path from its `/` on, the query
    /// without its `?`.
    ///
    /// # Errors
    /// [`RequestError::Target`].
    pub fn new(
        method: &'a str,
        path: &'a str,
        query: Option<&'a str>,
    ) -> Result<Self, RequestError> {
        let rule = |rule| Err(RequestError::Target { rule });
        let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let len = path.len().saturating_add(query.map_or(0, str::len));
        if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            return rule("a method has capital letters alone");
        }
        if !path.starts_with('/') {
            return rule("a path starts with /");
        }
        if !visible(path) || path.contains('?') || !query.is_none_or(visible) {
            return rule("path and query have visible ASCII alone, and no #");
        }
        if len > MAX_TARGET_BYTES {
            return rule("path and query are not longer than any is");
        }
        Ok(Self {
            method,
            path,
            query,
        })
    }

    /// The list of covered components, as it stands in `Signature-Input`.
    const fn components(&self) -> &'static str {
        match self.query {
            Some(_) => r#"("@method" "@path" "@query" "content-digest")"#,
            None => r#"("@method" "@path" "content-digest")"#,
        }
    }

    fn base(&self, content_digest: &str, params: &SignatureParams) -> String {
        let query = self.query.map(|query| format!("\"@query\": ?{query}\n"));
        format!(
            "\"@method\": {}\n\"@path\": {}\n{}\"content-digest\": {content_digest}\n\"@signature-params\": {}",
            self.method,
            self.path,
            query.unwrap_or_default(),
            params.written(self),
        )
    }
}

impl SignatureParams {
    /// # Errors
    /// [`RequestError::KeyId`], [`RequestError::Time`].
    fn check(&self) -> Result<(), RequestError> {
        let named = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let len = self.key_id.len();
        if !(1..=MAX_KEY_ID_BYTES).contains(&len) || !self.key_id.bytes().all(named) {
            return Err(RequestError::KeyId);
        }
        match (0..=MAX_CREATED).contains(&self.created.secs()) {
            true => Ok(()),
            false => Err(RequestError::Time),
        }
    }

    /// The value of `"@signature-params"`.
    fn written(&self, target: &Target<'_>) -> String {
        format!(
            "{};created={};keyid=\"{}\";alg=\"ed25519\";nonce=\"{}\"",
            target.components(),
            self.created.secs(),
            self.key_id,
            self.nonce,
        )
    }

    /// Inverse of [`Self::written`].
    fn read(text: &str, target: &Target<'_>) -> Result<Self, RequestError> {
        const EXPECTED: &str =
            r#"pogw=(…);created=…;keyid="…";alg="ed25519";nonce="<base64url of 16 bytes>""#;
        let malformed = RequestError::InputMalformed { expected: EXPECTED };
        let end = text.find(';').ok_or_else(|| malformed.clone())?;
        let (components, rest) = text.split_at(end);
        let expected = target.components();
        if components != expected {
            return Err(RequestError::Components { expected });
        }
        let params = || {
            let rest = rest.strip_prefix(";created=")?;
            let (created, rest) = rest.split_once(";keyid=\"")?;
            let (key_id, rest) = rest.split_once("\";alg=\"ed25519\";nonce=\"")?;
            let nonce = Base64Url::parse(rest.strip_suffix('"')?)?;
            Some(Self {
                created: UnixTime::from_secs(created.parse().ok()?),
                key_id: key_id.to_owned(),
                nonce,
            })
        };
        let params = params().ok_or_else(|| malformed.clone())?;
        params.check()?;
        // A second spelling of a number, such as +1 or 01.
        match params.written(target) == text {
            true => Ok(params),
            false => Err(malformed),
        }
    }
}

/// A request to be signed.
#[derive(Clone, Debug)]
pub struct SignedRequest<'a> {
    target: Target<'a>,
    params: SignatureParams,
    content_digest: String,
}

impl<'a> SignedRequest<'a> {
    /// A request with this body, empty where there is none.
    ///
    /// # Errors
    /// [`RequestError::KeyId`], [`RequestError::Time`].
    pub fn new(
        target: Target<'a>,
        params: SignatureParams,
        body: &[u8],
    ) -> Result<Self, RequestError> {
        params.check()?;
        let content_digest = content_digest(body);
        Ok(Self {
            target,
            params,
            content_digest,
        })
    }

    /// The fields, with a signature made by `sign` over the bytes given to it.
    #[must_use]
    pub fn sign(self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> SignatureFields {
        let base = self.target.base(&self.content_digest, &self.params);
        let signature = STANDARD.encode(sign(base.as_bytes()));
        SignatureFields {
            content_digest: self.content_digest,
            signature_input: format!("{LABEL}{}", self.params.written(&self.target)),
            signature: format!("{LABEL}:{signature}:"),
        }
    }
}

/// A request that came with the fields of the profile. Nothing in it is verified.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    params: SignatureParams,
    body_digest: [u8; 32],
    base: String,
    signature: [u8; 64],
}

impl ReceivedRequest {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// The first of the profile's rules that does not hold.
    pub fn parse(
        target: &Target<'_>,
        content_digest: &str,
        signature_input: &str,
        signature: &str,
    ) -> Result<Self, RequestError> {
        const NO_LABEL: RequestError = RequestError::InputMalformed {
            expected: "the one label pogw",
        };
        let body_digest = binary(content_digest, "sha-256=");
        let body_digest = body_digest.ok_or(RequestError::DigestMalformed)?;
        let input = signature_input.strip_prefix(LABEL).ok_or(NO_LABEL)?;
        let params = SignatureParams::read(input, target)?;
        let signature = binary(signature, LABEL);
        let signature = signature.ok_or(RequestError::SignatureMalformed)?;
        let base = target.base(content_digest, &params);
        Ok(Self {
            params,
            body_digest,
            base,
            signature,
        })
    }

    /// Whose key should have signed it, when, and the nonce.
    #[must_use]
    pub const fn params(&self) -> &SignatureParams {
        &self.params
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn signature_base(&self) -> &[u8] {
        self.base.as_bytes()
    }

    /// Whether `key` signed this request with this body, about `now`. The cheapest rule first.
    ///
    /// # Errors
    /// [`RequestError::Expired`], [`RequestError::DigestMismatch`], [`RequestError::Invalid`].
    pub fn verify(&self, key: &[u8; 32], body: &[u8], now: UnixTime) -> Result<(), RequestError> {
        self.check_time(now)?;
        if crypto::sha256(body) != self.body_digest {
            return Err(RequestError::DigestMismatch);
        }
        self.check_signature(key)
    }

    /// Whether `key` signed this request with some body, about `now`: for a body that is not read.
    ///
    /// # Errors
    /// [`RequestError::Expired`], [`RequestError::Invalid`].
    pub fn verify_head(&self, key: &[u8; 32], now: UnixTime) -> Result<(), RequestError> {
        self.check_time(now)?;
        self.check_signature(key)
    }

    fn check_time(&self, now: UnixTime) -> Result<(), RequestError> {
        let created = self.params.created;
        match created.secs().abs_diff(now.secs()) <= MAX_SIGNATURE_AGE_S {
            true => Ok(()),
            false => Err(RequestError::Expired { created, now }),
        }
    }

    fn check_signature(&self, key: &[u8; 32]) -> Result<(), RequestError> {
        match crypto::ed25519(key, self.base.as_bytes(), &self.signature) {
            true => Ok(()),
            false => Err(RequestError::Invalid {
                key_id: self.params.key_id.clone(),
            }),
        }
    }
}

/// `Content-Digest` of a body (RFC 9530 section 2).
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(crypto::sha256(body)))
}

/// A dictionary of one member that is a byte sequence (RFC 9651 section 3.3.5), strictly padded.
fn binary<const N: usize>(field: &str, key: &str) -> Option<[u8; N]> {
    let text = field
        .strip_prefix(key)?
        .strip_prefix(':')?
        .strip_suffix(':')?;
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
