//! Errors over HTTP: problem details (RFC 9457), one stable word for each, two messages for two readers.
//!
//! The client reads title, detail and the findings of the appraisal. The cause, with its whole chain, goes to the log
//! and nowhere else. The word of a refusal is that of the evidence's own reason ([`evidence::Code`], such as
//! `nonce_mismatch`); the words of the service are in the table here. Words are never renamed and never reused.

mod findings;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::policy::Denial;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) use findings::{FailedCheck, Finding, refusal};

/// What the type URI of a problem starts with; the code follows.
pub const TYPE_PREFIX: &str = "urn:pogw:problem:";

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $status:literal $text:literal,)+) => {
        /// A problem of the service's own. What is wrong with evidence has codes of its own, [`evidence::Code`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ProblemCode {
            /// Every code with its one-line meaning, by status.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$variant, concat!($($doc),+)),)+];

            /// The stable snake_case word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    JsonMalformed = 400 "json_malformed",
    /// The JSON is not a bundle.
    BundleMalformed = 400 "bundle_malformed",
    /// The JSON is not what this path takes.
    RequestMalformed = 400 "request_malformed",
    /// The query is not what this path takes.
    QueryMalformed = 400 "query_malformed",
    /// The body ended early or was not framed rightly.
    BodyIncomplete = 400 "body_incomplete",
    /// The Idempotency-Key is not 1 to 255 visible ASCII characters, or is given twice.
    IdempotencyKeyMalformed = 400 "idempotency_key_malformed",
    /// The name of the policy is not 1 to 64 letters, digits, dots, dashes and underscores, or begins with a dot.
    PolicyNameMalformed = 400 "policy_name_malformed",
    /// The policy is not UTF-8 text.
    PolicyNotText = 400 "policy_not_text",
    /// This takes the operator token, and the request has none.
    AuthorizationMissing = 401 "authorization_missing",
    /// What the request has is not the operator token.
    AuthorizationInvalid = 401 "authorization_invalid",
    /// The configuration alone says which policy decides.
    PolicyPinned = 403 "policy_pinned",
    /// There is nothing at this path.
    NotFound = 404 "not_found",
    /// There is no challenge of this name, or it was forgotten after its time.
    ChallengeNotFound = 404 "challenge_not_found",
    /// There is no receipt of this name.
    ReceiptNotFound = 404 "receipt_not_found",
    /// There is no policy of this name, version or digest.
    PolicyNotFound = 404 "policy_not_found",
    /// There is no reference manifest of this id that could be handed out.
    RimNotFound = 404 "rim_not_found",
    /// The path does not take this method.
    MethodNotAllowed = 405 "method_not_allowed",
    /// The answer has none of the media types asked for.
    NotAcceptable = 406 "not_acceptable",
    /// The body did not arrive in time.
    BodyTimeout = 408 "body_timeout",
    /// The challenge was answered with a result that a check of it refuted.
    ChallengeRefuted = 409 "challenge_refuted",
    /// The challenge was answered before, with another bundle.
    ChallengeSpent = 409 "challenge_spent",
    /// The bundle arrived after the challenge's time.
    ChallengeExpired = 410 "challenge_expired",
    /// The body is larger than this path takes.
    BodyTooLarge = 413 "body_too_large",
    /// The body has another media type than this path takes.
    MediaTypeUnsupported = 415 "media_type_unsupported",
    /// This verifier issues no receipts for the audience asked for.
    AudienceNotServed = 422 "audience_not_served",
    /// This verifier did not issue the challenge, or has forgotten it.
    ChallengeUnknown = 422 "challenge_unknown",
    /// The challenge was issued for another job.
    ChallengeJobMismatch = 422 "challenge_job_mismatch",
    /// The challenge was issued to another agent.
    ChallengeAgentMismatch = 422 "challenge_agent_mismatch",
    /// The Idempotency-Key was used with another bundle.
    IdempotencyKeyReused = 422 "idempotency_key_reused",
    /// The policy says no; `deny` says why.
    PolicyDenied = 422 "policy_denied",
    /// There are too many policies, or too many versions of this one.
    TooManyPolicies = 422 "too_many_policies",
    /// Too many challenges wait for an answer.
    TooManyChallenges = 429 "too_many_challenges",
    /// Too many challenges of this agent wait for an answer.
    TooManyChallengesOfAgent = 429 "too_many_challenges_of_agent",
    /// The service failed; the request is not at fault.
    Internal = 500 "internal",
    /// The store failed; the request is not at fault.
    StoreFailed = 500 "store_failed",
    /// The policy cannot be evaluated; the evidence is not at fault.
    PolicyFailed = 500 "policy_failed",
    /// The store cannot take anything now.
    StoreUnavailable = 503 "store_unavailable",
    /// More is in progress than memory allows.
    Overloaded = 503 "overloaded",
    /// As many results wait to be checked as may; nothing was refuted, and sending the same bytes again is safe.
    ResultChecksBusy = 503 "result_checks_busy",
    /// The request took too long; sending the same bytes again is safe.
    TimedOut = 503 "timed_out",
    /// A manifest or a list of them cannot be had from its source now.
    RimUnavailable = 503 "rim_unavailable",
    /// Something needed to judge the evidence is not at hand now; nothing was refuted.
    Unverifiable = 503 "unverifiable",
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Facts>);

#[derive(Clone, Debug)]
struct Facts {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
    detail: Option<String>,
    checks: Vec<FailedCheck>,
    deny: Vec<Denial>,
    retry_after_s: Option<u32>,
    members: Map<String, Value>,
    cause: Option<Cause>,
}

/// What the log says of a failure and the client does not learn. Travels in the extensions of the response.
#[derive(Clone, Debug)]
pub(crate) struct Cause(Arc<dyn Error + Send + Sync>);

/// The code of the answer, for the log. Travels in the extensions of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnsweredCode(pub(crate) &'static str);

impl Problem {
    /// The problem alone.
    pub(crate) fn new(code: ProblemCode) -> Self {
        let status = StatusCode::from_u16(code.status());
        Self::with(
            code.as_str(),
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            meaning(code),
        )
    }

    /// A refusal for a reason of the evidence's own.
    pub(crate) fn refuted(code: evidence::Code) -> Self {
        let known = evidence::Code::ALL.iter().find(|(known, _)| *known == code);
        let title = known.map_or("The evidence was refuted.", |(_, meaning)| meaning.trim());
        Self::with(code.as_str(), StatusCode::UNPROCESSABLE_ENTITY, title)
    }

    /// A failure of ours, whose cause is for the log only.
    pub(crate) fn caused(
        code: ProblemCode,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let mut problem = Self::new(code);
        problem.0.cause = Some(Cause(cause.into().into()));
        problem
    }

    /// Adds a sentence about this occurrence. It must repeat nothing of the request's body.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds checks that did not come out as affirmed.
    pub(crate) fn checks(mut self, checks: impl IntoIterator<Item = FailedCheck>) -> Self {
        self.0.checks.extend(checks);
        self
    }

    /// Adds what the policy says.
    pub(crate) fn deny(mut self, deny: Vec<Denial>) -> Self {
        self.0.deny = deny;
        self
    }

    /// Asks the client to come again after some seconds.
    pub(crate) fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Adds members to the answer, in place of ours where they have one name.
    pub(crate) fn members(mut self, members: Map<String, Value>) -> Self {
        self.0.members = members;
        self
    }

    /// Whether any were added.
    pub(crate) fn has_members(&self) -> bool {
        !self.0.members.is_empty()
    }

    /// What the client reads of it, apart from the findings.
    pub(crate) fn text(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.title)
    }

    /// Whether a check gives this reason.
    pub(crate) fn has_reason(&self, code: evidence::Code) -> bool {
        self.0.checks.iter().any(|check| check.has_reason(code))
    }

    /// The stable word.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    fn with(code: &'static str, status: StatusCode, title: &'static str) -> Self {
        Self(Box::new(Facts {
            code,
            status,
            title,
            detail: None,
            checks: Vec::new(),
            deny: Vec::new(),
            retry_after_s: None,
            members: Map::new(),
            cause: None,
        }))
    }
}

impl Cause {
    /// The error and everything behind it, outermost first. A message that ends in the next one is not repeated.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(error) = next {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text = format!("{text}: {message}");
            }
            next = error.source();
        }
        text
    }
}

/// The members of RFC 9457, and ours.
#[derive(Serialize)]
struct Details<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checks: &'a [FailedCheck],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    deny: &'a [Denial],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let facts = *self.0;
        let details = Details {
            r#type: format!("{TYPE_PREFIX}{}", facts.code),
            title: facts.title,
            status: facts.status.as_u16(),
            detail: facts.detail.as_deref(),
            code: facts.code,
            checks: &facts.checks,
            deny: &facts.deny,
        };
        let mut body = json!(details);
        for (name, value) in facts.members {
            body[name] = value;
        }
        let mut response = (facts.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if facts.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, bearer_challenge(facts.code));
        }
        if let Some(seconds) = facts.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(AnsweredCode(facts.code));
        if let Some(cause) = facts.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// RFC 6750 section 3: a request without credentials is told of no error.
fn bearer_challenge(code: &str) -> HeaderValue {
    match code == ProblemCode::AuthorizationInvalid.as_str() {
        true => HeaderValue::from_static(r#"Bearer realm="operator", error="invalid_token""#),
        false => HeaderValue::from_static(r#"Bearer realm="operator""#),
    }
}

fn meaning(code: ProblemCode) -> &'static str {
    let known = ProblemCode::ALL.iter().find(|(known, _)| *known == code);
    known.map_or("", |(_, meaning)| meaning.trim())
}

#[cfg(test)]
mod tests;
