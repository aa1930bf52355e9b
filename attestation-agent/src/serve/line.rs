//! The line to the verifier: requests that the agent's key signs, sent until they are answered.
//!
//! In scope: signing (a fresh signature for every attempt), waiting and trying again, the verifier's clock as its
//! `Date` shows it, and which answers end a request. Out of scope: what requests say.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evidence::UnixTime;
use evidence::work::Base64Url;
use evidence::work::request::{SignatureFields, SignatureParams, SignedRequest, Target};
use evidence::work::wire::Id;
use reqwest::Request;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::error::ServeError;
use super::figures::Figures;
use crate::agent::Agent;
use crate::error::AgentError;
use crate::http::{self, Answer};
use crate::key::AgentKey;
use crate::problem::Problem;
use crate::retry::{self, RetryPolicy, is_transient};
use crate::verifier::{Verifier, VerifierError};

/// A request without its signature.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// From `/v1` on.
    path: String,
    query: Option<String>,
    media_type: &'static str,
    body: Vec<u8>,
    /// Beyond the usual time for a request.
    wait: Duration,
}

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The verifier does not know this agent.
    Removed(Box<Problem>),
    /// The verifier said no, and will say it again.
    Refused(Box<Problem>),
    /// It may pass.
    Passing {
        cause: String,
        retry_after: Option<Duration>,
    },
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum No {
    /// The verifier does not know this agent.
    Removed(Box<Problem>),
    /// The verifier said no.
    Refused(Box<Problem>),
}

/// The way to the verifier.
pub(super) struct Line {
    verifier: Verifier,
    key: Arc<AgentKey>,
    id: OnceLock<Id>,
    pace: RetryPolicy,
    timeout: Duration,
    /// Seconds by which the verifier's clock is ahead of ours.
    ahead: AtomicI64,
    figures: Arc<Figures>,
}

impl Call {
    /// A request with a JSON body.
    pub(super) fn json(path: String, body: &impl Serialize) -> Self {
        // The forms of the wire are structs of texts and numbers, which always have a JSON form.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self::bytes(path, "application/json", body)
    }

    /// A request with a body of this type.
    pub(super) fn bytes(path: String, media_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            path,
            query: None,
            media_type,
            body,
            wait: Duration::ZERO,
        }
    }

    /// With a query.
    pub(super) fn with_query(self, query: String) -> Self {
        let query = Some(query);
        Self { query, ..self }
    }

    /// The last word of its path, which says what is asked.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The answer may take so much longer.
    pub(super) fn waiting(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

impl Line {
    /// The line to the verifier of the settings; nobody has said yet who we are.
    pub(super) fn new(agent: &Agent, figures: Arc<Figures>) -> Result<Arc<Self>, AgentError> {
        let settings = agent.settings();
        Ok(Arc::new(Self {
            verifier: agent.verifier()?,
            key: agent.key(),
            id: OnceLock::new(),
            pace: settings.retry,
            timeout: Duration::from_secs(settings.http.timeout_s),
            ahead: AtomicI64::new(0),
            figures,
        }))
    }

    /// What is counted.
    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The address of the verifier.
    pub(super) fn url(&self) -> &str {
        self.verifier.url()
    }

    /// From now on requests are signed under this name.
    pub(super) fn is_known_as(&self, id: Id) {
        // Enrolment is done once.
        let _ = self.id.set(id);
    }

    /// The agent's name; empty before enrolment.
    pub(super) fn id(&self) -> &str {
        self.id.get().map_or("", Id::as_str)
    }

    /// The time on the verifier's clock, as far as it has told.
    pub(super) fn now(&self) -> UnixTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        UnixTime::from_secs(http::now().secs().saturating_add(ahead))
    }

    /// How long it is until a time of the verifier.
    pub(super) fn left(&self, until: UnixTime) -> Duration {
        let left = until.secs().saturating_sub(self.now().secs());
        Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }

    /// Sends a request until it is answered for good, however long that takes.
    pub(super) async fn insist(&self, call: &Call) -> Result<Answer, No> {
        self.insist_telling(call, |_| {}).await
    }

    /// The same, and tells why each attempt failed.
    pub(super) async fn insist_telling(
        &self,
        call: &Call,
        failed: impl FnMut(&str),
    ) -> Result<Answer, No> {
        let step = telemetry::span!("POST", otel.name = call.name(), otel.kind = "client");
        self.until_answered(call, failed).instrument(step).await
    }

    async fn until_answered(
        &self,
        call: &Call,
        mut failed: impl FnMut(&str),
    ) -> Result<Answer, No> {
        let mut attempt = 1;
        loop {
            let (cause, retry_after) = match self.once(call).await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Removed(problem)) => return Err(No::Removed(problem)),
                Err(Fault::Refused(problem)) => return Err(No::Refused(problem)),
                Err(Fault::Passing { cause, retry_after }) => (cause, retry_after),
            };
            self.figures.repeats();
            failed(&cause);
            let wait = self.wait_after(attempt, retry_after);
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                request = call.path,
                attempt,
                wait_ms,
                "attempt failed, trying again: {cause}"
            );
            tokio::time::sleep(wait).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// How long to wait after a failed attempt; there is always another one.
    pub(super) fn wait_after(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let patient = RetryPolicy {
            attempts: u32::MAX,
            ..self.pace
        };
        let longest = Duration::from_secs(self.pace.max_retry_after_s);
        let asked = retry_after.map(|asked| asked.min(longest));
        let attempt = attempt.min(64);
        patient
            .wait_after(attempt, asked, retry::jitter())
            .unwrap_or(longest)
    }

    /// Sends a request once.
    pub(super) async fn once(&self, call: &Call) -> Result<Answer, Fault> {
        let request = self
            .signed(call)
            .map_err(|error| passing(error.to_string()))?;
        let answer = match self.verifier.exchange(request).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(passing(http::chain(&error))),
            Err(error) => return Err(passing(error.to_string())),
        };
        self.read_clock(&answer);
        match answer.status {
            200..=299 => Ok(answer),
            status => Err(fault(status, &answer)),
        }
    }

    fn read_clock(&self, answer: &Answer) {
        if let Some(date) = answer.date() {
            let ahead = date.secs().saturating_sub(http::now().secs());
            self.ahead.store(ahead, Ordering::Relaxed);
            self.figures.is_behind(ahead);
        }
    }

    fn signed(&self, call: &Call) -> Result<Request, AgentError> {
        let target = match &call.query {
            Some(query) => format!("{}?{query}", call.path),
            None => call.path.clone(),
        };
        let mut request = self.verifier.post(target.trim_start_matches('/'))?;
        request = request
            .timeout(self.timeout.saturating_add(call.wait))
            .header(CONTENT_TYPE, call.media_type)
            .header(ACCEPT, "application/json");
        if let Some(id) = self.id.get() {
            let fields = self.sign(id, call)?;
            request = request
                .header(CONTENT_DIGEST, fields.content_digest)
                .header(SIGNATURE_INPUT, fields.signature_input)
                .header(SIGNATURE, fields.signature);
        }
        let built = request.body(call.body.clone()).build();
        built.map_err(|error| {
            let detail = error.to_string();
            VerifierError::Client { detail }.into()
        })
    }

    /// Signs what the verifier sees: the path from `/v1` on, whatever a proxy before it is called.
    fn sign(&self, id: &Id, call: &Call) -> Result<SignatureFields, AgentError> {
        let malformed = |error: evidence::work::request::RequestError| VerifierError::Client {
            detail: error.to_string(),
        };
        let target = Target::new("POST", &call.path, call.query.as_deref()).map_err(malformed)?;
        let params = SignatureParams {
            created: self.now(),
            key_id: id.as_str().to_owned(),
            nonce: Base64Url(random()?),
        };
        let request = SignedRequest::new(target, params, &call.body).map_err(malformed)?;
        Ok(request.sign(|base| self.key.sign(base)))
    }
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], ServeError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ServeError::NoRandomness)?;
    Ok(bytes)
}

fn passing(cause: String) -> Fault {
    Fault::Passing {
        cause,
        retry_after: None,
    }
}

/// What a verifier says is final, but for signatures (the next attempt has another one) and for what an operator mends
/// (403). What something on the way says may pass.
fn fault(status: u16, answer: &Answer) -> Fault {
    let problem = answer.problem();
    let refused = match status {
        401 if problem.code == AGENT_UNKNOWN => {
            return Fault::Removed(Box::new(problem));
        }
        401 => problem.code.starts_with(TOKEN_REFUSED),
        403 => false,
        400..=499 => problem.from_verifier && !is_transient(status),
        _ => false,
    };
    match refused {
        true => Fault::Refused(Box::new(problem)),
        false => Fault::Passing {
            cause: problem.to_string(),
            retry_after: answer.retry_after(),
        },
    }
}

/// Reads what a verifier answered.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| format!("the answer is not understood: {error}"))
}

/// The verifier's code for an agent that it does not have (any more).
const AGENT_UNKNOWN: &str = "agent_unknown";
/// What its codes for tokens that let nobody in begin with.
const TOKEN_REFUSED: &str = "enrolment_token_";
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
