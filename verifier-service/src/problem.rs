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

pub(crate) use findings::{FailedCheck, Finding, refusal, refusal_of, word_of_devices};

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
    /// `Last-Event-ID` is not the number of an event.
    LastEventIdMalformed = 400 "last_event_id_malformed",
    /// The body does not have the digest that was signed.
    ContentDigestMismatch = 400 "content_digest_mismatch",
    /// This takes a credential, and the request has none.
    AuthorizationMissing = 401 "authorization_missing",
    /// What the request has is no credential of the kind this takes.
    AuthorizationInvalid = 401 "authorization_invalid",
    /// There is no such API key.
    ApiKeyUnknown = 401 "api_key_unknown",
    /// The API key was revoked.
    ApiKeyRevoked = 401 "api_key_revoked",
    /// The API key has expired.
    ApiKeyExpired = 401 "api_key_expired",
    /// The bearer token is not a signed JWT.
    TokenMalformed = 401 "token_malformed",
    /// The token is signed with an algorithm that is not configured.
    TokenAlgorithmRefused = 401 "token_algorithm_refused",
    /// The issuer has no such key.
    TokenKeyUnknown = 401 "token_key_unknown",
    /// The signature of the token is wrong.
    TokenSignatureInvalid = 401 "token_signature_invalid",
    /// The token is of another issuer.
    TokenIssuerMismatch = 401 "token_issuer_mismatch",
    /// The token is for another audience.
    TokenAudienceMismatch = 401 "token_audience_mismatch",
    /// The token has expired.
    TokenExpired = 401 "token_expired",
    /// The token does not count yet.
    TokenNotYetValid = 401 "token_not_yet_valid",
    /// A claim the token must have is missing or not of its type.
    TokenClaimMissing = 401 "token_claim_missing",
    /// The request must be signed by an agent, and is not, or not in the one form taken.
    SignatureMalformed = 401 "signature_malformed",
    /// The request was signed too long ago, or in the future.
    SignatureExpired = 401 "signature_expired",
    /// There is no such agent, or it was removed.
    AgentUnknown = 401 "agent_unknown",
    /// The signature is not by the agent's key over this request.
    SignatureInvalid = 401 "signature_invalid",
    /// The agent sent a request with this nonce before.
    SignatureReplayed = 401 "signature_replayed",
    /// There is no such enrolment token, or it was used by another agent.
    EnrolmentTokenUnknown = 401 "enrolment_token_unknown",
    /// The enrolment token has expired.
    EnrolmentTokenExpired = 401 "enrolment_token_expired",
    /// The party has less available than this takes.
    FundsMissing = 402 "funds_missing",
    /// The owner of the agent has less available than the stake.
    StakeMissing = 402 "stake_missing",
    /// The configuration alone says which policy decides.
    PolicyPinned = 403 "policy_pinned",
    /// The token is good, and names no party known here.
    PartyUnknown = 403 "party_unknown",
    /// A party of this kind cannot do this.
    PartyKindMismatch = 403 "party_kind_mismatch",
    /// The credential does not allow this; `WWW-Authenticate` names the scope.
    ScopeMissing = 403 "scope_missing",
    /// The agent signed the request, and what it is about is another agent's.
    AgentMismatch = 403 "agent_mismatch",
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
    /// There is no party of this name.
    PartyNotFound = 404 "party_not_found",
    /// The party has no API key of this name.
    ApiKeyNotFound = 404 "api_key_not_found",
    /// The provider has no agent of this name.
    AgentNotFound = 404 "agent_not_found",
    /// The provider has no enrolment token of this name that could still be used.
    EnrolmentTokenNotFound = 404 "enrolment_token_not_found",
    /// The party has no webhook of this name.
    WebhookNotFound = 404 "webhook_not_found",
    /// There is no job of this name.
    JobNotFound = 404 "job_not_found",
    /// The agent has no assignment of this name.
    AssignmentUnknown = 404 "assignment_unknown",
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
    /// Another party has this OIDC name.
    OidcNameTaken = 409 "oidc_name_taken",
    /// An agent with this key was enrolled before.
    AgentKeyTaken = 409 "agent_key_taken",
    /// Another answer to the question is in.
    AnswerDiffers = 409 "answer_differs",
    /// The assignment is not where this needs it.
    AssignmentStatus = 409 "assignment_status",
    /// Somebody has committed to a result: the job can no longer be cancelled.
    CancelLate = 409 "cancel_late",
    /// As many parties had the results audited again as may.
    ChallengesSpent = 409 "challenges_spent",
    /// Another commitment of the assignment is in.
    CommitmentDiffers = 409 "commitment_differs",
    /// The job is not where this needs it.
    JobStatus = 409 "job_status",
    /// Another opening of the round is in.
    OpeningDiffers = 409 "opening_differs",
    /// Another round or question is asked for.
    RoundUnknown = 409 "round_unknown",
    /// The reference was used for another transfer.
    ReferenceReused = 409 "reference_reused",
    /// The receiver of the webhook said that it is gone (410): nothing is sent to it.
    WebhookDisabled = 409 "webhook_disabled",
    /// The answer came too late.
    AnswerLate = 410 "answer_late",
    /// The dispute window is over.
    ChallengeLate = 410 "challenge_late",
    /// The commitment came too late.
    CommitmentLate = 410 "commitment_late",
    /// The lease ran out.
    LeaseOver = 410 "lease_over",
    /// The offer ran out.
    OfferOver = 410 "offer_over",
    /// The opening came too late.
    OpeningLate = 410 "opening_late",
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
    /// A party of this kind cannot be given one of these scopes, or none was given.
    ScopesNotAllowed = 422 "scopes_not_allowed",
    /// The time is past, or too far ahead.
    ExpiryNotAllowed = 422 "expiry_not_allowed",
    /// The party has too many API keys.
    TooManyApiKeys = 422 "too_many_api_keys",
    /// The provider has too many agents, or too many enrolment tokens that wait to be used.
    TooManyAgents = 422 "too_many_agents",
    /// The agent did not prove that it holds the key.
    AgentProofInvalid = 422 "agent_proof_invalid",
    /// The terms ask for an audit, and so do the checks of the job.
    AuditAskedTwice = 422 "audit_asked_twice",
    /// The job has no canonical form, and so no digest.
    JobNotCanonical = 422 "job_not_canonical",
    /// The amount or the currency is none.
    MoneyMalformed = 422 "money_malformed",
    /// Nobody but the agent could say whether the results are right.
    NothingToCheck = 422 "nothing_to_check",
    /// An opening of this job could be larger than this verifier takes.
    OpeningTooLarge = 422 "opening_beyond_limit",
    /// A dispute about this job could ask for more than this verifier takes, or take more questions than it has.
    DisputeTooLarge = 422 "dispute_beyond_limit",
    /// There is no policy of the name that the terms give.
    PolicyUnknown = 422 "policy_unknown",
    /// The reference is not 1 to 128 visible ASCII characters.
    ReferenceMalformed = 422 "reference_malformed",
    /// The architectures of the terms are none, named twice, or compute nothing.
    TermsArchitectures = 422 "terms_architectures",
    /// The share of wrong points in the terms is none.
    TermsAuditFraction = 422 "terms_audit_fraction",
    /// The probability of missing them in the terms is none that is asked for.
    TermsAuditMiss = 422 "terms_audit_miss",
    /// The deadline of the terms leaves no time for the last commitment.
    TermsDeadline = 422 "terms_deadline",
    /// The terms ask for no devices, or for too many.
    TermsDeviceCount = 422 "terms_device_count",
    /// The price of all replicas, or their stakes, cannot be counted.
    TermsEscrow = 422 "terms_escrow",
    /// The terms do not have the members terms have, or not of their types.
    TermsMalformed = 422 "terms_malformed",
    /// The policy of the terms has a name that no policy has.
    TermsPolicyName = 422 "terms_policy_name",
    /// The terms ask for the agreement of none, or of more replicas than there can be.
    TermsMinAgreeing = 422 "terms_min_agreeing",
    /// The price of the terms is none.
    TermsPrice = 422 "terms_price",
    /// The terms ask for no replica, or for too many.
    TermsReplicaCount = 422 "terms_replica_count",
    /// The stake of the terms is none.
    TermsStake = 422 "terms_stake",
    /// A time of the terms is none, or longer than any step may take.
    TermsTime = 422 "terms_time",
    /// The address is none that webhooks may be sent to.
    WebhookUrlNotAllowed = 422 "webhook_url_not_allowed",
    /// The party has too many webhooks.
    TooManyWebhooks = 422 "too_many_webhooks",
    /// The policy says no; `deny` says why.
    PolicyDenied = 422 "policy_denied",
    /// There are too many policies, or too many versions of this one.
    TooManyPolicies = 422 "too_many_policies",
    /// Too many challenges wait for an answer.
    TooManyChallenges = 429 "too_many_challenges",
    /// Too many challenges of this agent wait for an answer.
    TooManyChallengesOfAgent = 429 "too_many_challenges_of_agent",
    /// The tenant has as many open jobs as it may.
    TooManyOpenJobs = 429 "too_many_open_jobs",
    /// As many requests of the party wait for news as may.
    TooManyWaiting = 429 "too_many_waiting",
    /// The agent sends more signed requests than are remembered.
    TooManyRequestsOfAgent = 429 "too_many_requests_of_agent",
    /// The service failed; the request is not at fault.
    Internal = 500 "internal",
    /// The store failed; the request is not at fault.
    StoreFailed = 500 "store_failed",
    /// The policy cannot be evaluated; the evidence is not at fault.
    PolicyFailed = 500 "policy_failed",
    /// The store cannot take anything now.
    StoreUnavailable = 503 "store_unavailable",
    /// No verifier was there for a while, which is about to be written down; nobody is late meanwhile.
    Resuming = 503 "resuming",
    /// No key held here may sign now: the only one is still being made known, or every one was retired.
    NoSigningKey = 503 "no_signing_key",
    /// The keys of the OpenID issuer cannot be had now; nothing is known about the token.
    IssuerUnavailable = 503 "issuer_unavailable",
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
    challenge: Option<HeaderValue>,
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

    /// Adds what the client has to show (RFC 9110 11.6.1).
    pub(crate) fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.0.challenge = Some(challenge);
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
            challenge: None,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
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
            trace_id: crate::trace::current(),
        };
        let mut body = json!(details);
        for (name, value) in facts.members {
            body[name] = value;
        }
        let mut response = (facts.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = facts.challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
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

fn meaning(code: ProblemCode) -> &'static str {
    let known = ProblemCode::ALL.iter().find(|(known, _)| *known == code);
    known.map_or("", |(_, meaning)| meaning.trim())
}

#[cfg(test)]
mod tests;
