//! The verifier, as the agent sees it: a place to ask for a challenge and to hand in a bundle.
//!
//! | Request | Body | Answer |
//! |---|---|---|
//! | `POST /v1/challenges` | `{job, agent_key, audience?}` | 201 `{id, challenge, expires_at, accept}` |
//! | `POST /v1/receipts` | the bundle, `Idempotency-Key`: its SHA-256 | 201 or 200: the receipt, a JWT |
//!
//! In scope: these two requests (DESIGN section 7), retries, and what answers mean. The doctor asks
//! other things, once.
//!
//! Out of scope: believing the receipt. The agent holds no keys of the service and passes the token
//! on; whoever pays validates it.

mod error;

use std::time::{Duration, Instant};

use evidence::UnixTime;
use evidence::work::{Base64Url, Hex};
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, LOCATION};
use serde::{Deserialize, Deserializer, Serialize};

use crate::bind::SealedBundle;
use crate::http::{self, Answer, Http, HttpSettings, Settled, is_loopback};
use crate::progress::Progress;
use crate::retry::RetryPolicy;

pub use error::VerifierError;

/// Media type of a bundle.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.pogw.bundle+json";
/// Media type of a receipt (RFC 9782).
pub const RECEIPT_MEDIA_TYPE: &str = "application/eat+jwt";

/// A challenge. The verifier issued it for one job and one agent; it is spent by one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The verifier's name for it.
    pub id: String,
    /// What the statement must contain.
    pub challenge: Base64Url<32>,
    /// When it ceases to serve.
    #[serde(deserialize_with = "rfc3339")]
    pub expires_at: UnixTime,
    /// Media types that may answer it; empty where the verifier does not say.
    #[serde(default)]
    pub accept: Vec<String>,
    /// When the last attempt to answer it may begin, on this machine's monotonic clock: as long
    /// after the challenge arrived as it lives by the verifier's clock, less a margin. Absent where
    /// no clock tells how long it lives.
    #[serde(skip)]
    pub deadline: Option<Instant>,
}

/// A receipt as it came: signed by the verifier, checked by nobody here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The JWT in compact form.
    pub jwt: String,
    /// Where the verifier keeps it.
    pub location: Option<String>,
}

/// What a challenge is asked for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ChallengeRequest<'a> {
    /// SHA-256 of the canonical job.
    pub job: Hex<32>,
    /// The key the bundle will be signed with.
    pub agent_key: Base64Url<32>,
    /// Who the receipt is for, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<&'a str>,
}

/// A verifier and the way to it.
#[derive(Clone, Debug)]
pub struct Verifier {
    base: Url,
    http: Http,
}

impl Verifier {
    /// A verifier at `url`, which may have a path before `/v1`.
    ///
    /// # Errors
    /// [`VerifierError::Url`], [`VerifierError::File`], [`VerifierError::Client`].
    pub fn new(url: &str, http: &HttpSettings, retry: RetryPolicy) -> Result<Self, VerifierError> {
        let base = parse_base(url)?;
        if base.scheme() == "http" && !is_loopback(&base) {
            tracing::warn!(verifier = %base, "bundles and receipts travel without TLS");
        }
        let http = Http::new(&base, http, retry)?;
        Ok(Self { base, http })
    }

    /// The address, ending in a slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    /// Asks for a challenge.
    ///
    /// # Errors
    /// [`VerifierError::Refused`], [`VerifierError::Unavailable`], [`VerifierError::NotAccepted`],
    /// [`VerifierError::Answer`].
    pub async fn challenge(
        &self,
        request: &ChallengeRequest<'_>,
        progress: &dyn Progress,
    ) -> Result<Challenge, VerifierError> {
        let post = self.http.client().post(self.endpoint("v1/challenges")?);
        let post = post.header(ACCEPT, "application/json").json(request);
        let answer = self.send("challenge", post, None, progress).await?;
        let mut challenge: Challenge =
            serde_json::from_slice(&answer.body).map_err(|e| VerifierError::Answer {
                detail: format!("not a challenge: {e}"),
            })?;
        challenge.deadline = deadline(challenge.expires_at, &answer);
        let accept = &challenge.accept;
        if accept.is_empty() || accept.iter().any(|kind| kind == BUNDLE_MEDIA_TYPE) {
            return Ok(challenge);
        }
        Err(VerifierError::NotAccepted {
            accept: accept.join(", "),
        })
    }

    /// Hands in a bundle for a receipt. Safe to repeat, in this process or another: the verifier
    /// answers the same bytes with the same receipt.
    ///
    /// No further attempt begins after `until` ([`Challenge::deadline`]): a verifier that cannot
    /// verify now would only say that the challenge has expired. Where it says so all the same after
    /// it could not verify, that is no refusal of the evidence, and not reported as one.
    ///
    /// # Errors
    /// [`VerifierError::Refused`], [`VerifierError::Unavailable`], [`VerifierError::Answer`].
    pub async fn submit(
        &self,
        bundle: &SealedBundle,
        until: Option<Instant>,
        progress: &dyn Progress,
    ) -> Result<Receipt, VerifierError> {
        let post = self.http.client().post(self.endpoint("v1/receipts")?);
        let post = post
            .header(CONTENT_TYPE, BUNDLE_MEDIA_TYPE)
            .header(ACCEPT, RECEIPT_MEDIA_TYPE)
            .header(IDEMPOTENCY_KEY, bundle.digest().to_string())
            .body(bundle.json().to_vec());
        let answer = self.send("receipt", post, until, progress).await?;
        let jwt = compact_jwt(&answer.body).ok_or_else(|| VerifierError::Answer {
            detail: "not a JWT in compact form".to_owned(),
        })?;
        let location = self.base.join(answer.header(LOCATION)).ok();
        Ok(Receipt {
            jwt,
            location: location.filter(|url| *url != self.base).map(Url::into),
        })
    }

    /// The address itself.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// Asks for something once. The outer error is final, the inner one may pass.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Result<Answer, reqwest::Error>, VerifierError> {
        let mut url = self.endpoint(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.client().get(url).build();
        let request = request.map_err(|e| VerifierError::Client {
            detail: e.to_string(),
        })?;
        self.http.exchange(request).await
    }

    /// A request with a body, yet without one.
    pub(crate) fn post(&self, path: &str) -> Result<reqwest::RequestBuilder, VerifierError> {
        Ok(self.http.client().post(self.endpoint(path)?))
    }

    /// Sends a request once. The outer error is final, the inner one may pass.
    pub(crate) async fn exchange(
        &self,
        request: reqwest::Request,
    ) -> Result<Result<Answer, reqwest::Error>, VerifierError> {
        self.http.exchange(request).await
    }

    async fn send(
        &self,
        name: &'static str,
        request: reqwest::RequestBuilder,
        until: Option<Instant>,
        progress: &dyn Progress,
    ) -> Result<Answer, VerifierError> {
        let request = request.build().map_err(|e| VerifierError::Client {
            detail: e.to_string(),
        })?;
        let settled = self.http.send(name, request, until, progress).await?;
        let Settled {
            answer,
            attempts,
            unable,
        } = settled;
        let problem = answer.problem();
        match (answer.status, unable) {
            (200 | 201, _) => Ok(answer),
            (410, Some(unable)) if problem.from_verifier => Err(VerifierError::Unavailable {
                request: name,
                attempts,
                expired: true,
                cause: unable.cause,
                retry_after: None,
                problem: unable.problem,
            }),
            (400..500, _) if problem.from_verifier => {
                Err(VerifierError::Refused(Box::new(problem)))
            }
            (500..600, _) => Err(VerifierError::Unavailable {
                request: name,
                attempts,
                expired: false,
                cause: problem.to_string(),
                retry_after: None,
                problem: Some(Box::new(problem)),
            }),
            _ => Err(VerifierError::Answer {
                detail: problem.to_string(),
            }),
        }
    }

    fn endpoint(&self, path: &str) -> Result<Url, VerifierError> {
        self.base.join(path).map_err(|e| VerifierError::Url {
            reason: e.to_string(),
        })
    }
}

fn parse_base(url: &str) -> Result<Url, VerifierError> {
    let refuse = |reason: &str| VerifierError::Url {
        reason: reason.to_owned(),
    };
    let mut base = Url::parse(url).map_err(|e| refuse(&e.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(refuse("expected the scheme http or https"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refuse("a user name or password would end up in logs"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(refuse("a query or fragment has no place in it"));
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(base)
}

/// When the last attempt to answer a challenge may begin. Its life is read on one clock, that of
/// the verifier, and counted on another that nobody sets; this machine's own date serves only where
/// the verifier's is not told, and not where it makes the challenge dead on arrival.
fn deadline(expires_at: UnixTime, answer: &Answer) -> Option<Instant> {
    let life = |now: UnixTime| expires_at.secs().saturating_sub(now.secs());
    let life = match answer.date() {
        Some(date) => life(date).max(0),
        None => Some(life(http::now())).filter(|life| *life > 0)?,
    };
    let life = Duration::from_secs(u64::try_from(life).unwrap_or(0));
    let usable = life.saturating_sub(EXPIRY_MARGIN);
    answer.received.checked_add(usable)
}

/// Three parts of base64url, as RFC 7515 section 7.1 writes a token, a line end forgiven.
fn compact_jwt(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim_ascii_end();
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
    let parts: Vec<_> = text.split('.').collect();
    (parts.len() == 3 && parts.into_iter().all(part)).then(|| text.to_owned())
}

fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    UnixTime::parse_rfc3339(&text)
        .ok_or_else(|| serde::de::Error::custom("expires_at: expected an RFC 3339 time"))
}

/// Taken off the life of a challenge: a second because a Date has whole seconds, two for the way.
const EXPIRY_MARGIN: Duration = Duration::from_secs(3);
/// draft-ietf-httpapi-idempotency-key-header.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_and_hold_no_secret() {
        let table = [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080/")),
            ("https://v.example/pogw", Some("https://v.example/pogw/")),
            ("https://v.example/pogw/", Some("https://v.example/pogw/")),
            ("v.example", None),
            ("ftp://v.example", None),
            ("https://me:secret@v.example", None),
            ("https://v.example/?key=1", None),
            ("https://v.example/#x", None),
            ("", None),
        ];
        for (url, expected) in table {
            let base = parse_base(url);
            assert_eq!(base.as_ref().ok().map(Url::as_str), expected, "{url}");
            if let Err(error) = base {
                assert!(!error.to_string().contains("secret"));
            }
        }
    }

    #[test]
    fn a_receipt_has_the_form_of_a_token() {
        assert_eq!(compact_jwt(b"a-b.c_d.E9\n").as_deref(), Some("a-b.c_d.E9"));
        for wrong in ["", "a.b", "a.b.c.d", "a..c", "a.b.c=", "<html>", "a.b. c"] {
            assert_eq!(compact_jwt(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
