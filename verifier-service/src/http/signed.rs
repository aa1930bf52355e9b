//! Requests that an agent signed, for routes that agents use.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use evidence::UnixTime;
use evidence::work::request::{ReceivedRequest, RequestError, Target};
use serde::de::DeserializeOwned;

use super::{App, media_type};
use crate::agents::Seen;
use crate::body::Body;
use crate::malformed;
use crate::problem::{Problem, ProblemCode};
use crate::store::agents::Agent;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
/// What a request without a good signature has to show. The profile is that of [`evidence::work::request`].
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Signature realm="agents""#);
/// Bodies beyond this are digested off the async threads: 64 KiB take 0.1 ms or less.
const DIGESTED_INLINE_BYTES: usize = 64 * 1024;
/// Seconds after which an agent's requests begin to be forgotten.
const TOO_MANY_RETRY_S: u32 = 30;

/// A request that is an agent's, whole and new.
pub(super) struct Signed {
    /// The agent. It was not removed when this was read.
    pub(super) agent: Agent,
    headers: HeaderMap,
    body: Body,
}

impl Signed {
    /// The body as it came.
    pub(super) fn bytes(&self) -> &[u8] {
        self.body.bytes()
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// 400, 415.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        media_type::require(&self.headers, media_type::JSON)?;
        serde_json::from_slice(self.body.bytes())
            .map_err(|error| malformed::problem(ProblemCode::RequestMalformed, &error))
    }
}

/// Reads a request of at most `limit` bytes and sees that an agent signed it, within the last minute, and that it comes for
/// the first time.
///
/// # Errors
/// 401; 400 for a body that is not the one signed; those of reading a body; 429, 503.
pub(super) async fn read(app: &App, request: Request, limit: usize) -> Result<Signed, Problem> {
    let read = read_or_tell_whose(app, request, limit).await;
    read.map_err(Unread::into_problem)
}

/// Why a request was not read.
pub(super) enum Unread {
    /// Its body is too large. The agent signed it, whatever it is.
    TooLarge(Box<Agent>, Problem),
    /// As [`read`].
    Refused(Problem),
}

impl Unread {
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::TooLarge(_, problem) | Self::Refused(problem) => problem,
        }
    }
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// The same, for whoever has to know whose body was too large.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_or_tell_whose(
    app: &App,
    request: Request,
    limit: usize,
) -> Result<Signed, Unread> {
    let received = received(&request).map_err(unsigned)?;
    let id = received.params().key_id.parse().ok();
    let unknown = || challenged(ProblemCode::AgentUnknown);
    let agent = app.agents.living(id.ok_or_else(unknown)?).await;
    let agent = agent.map_err(Problem::from)?.ok_or_else(unknown)?;
    let limit = app.body_limit(limit);
    // Before anything of the body is kept: the memory that agents have is for those alone who showed a key, and a signature
    // is good for one body. It is as old as its head, however long the body takes.
    let signed_at = app.clock.now();
    let head = received.verify_head(&agent.key, signed_at);
    let head = head.map_err(unsigned);
    if let Err(problem) = head.and_then(|()| is_new(app, &agent, &received)) {
        app.bodies.pass_over(request, limit).await;
        return Err(problem.into());
    }
    let headers = request.headers().clone();
    let bodies = app.bodies_of_agents.of(agent.owner);
    let body = match bodies.read(request, limit).await {
        Err(problem) if problem.code() == ProblemCode::BodyTooLarge.as_str() => {
            return Err(Unread::TooLarge(Box::new(agent), problem));
        }
        read => read?,
    };
    let body = verified(app, agent.key, body, received, signed_at).await?;
    Ok(Signed {
        agent,
        headers,
        body,
    })
}

fn received(request: &Request) -> Result<ReceivedRequest, RequestError> {
    let uri: &Uri = request.uri();
    let target = Target::new(request.method().as_str(), uri.path(), uri.query())?;
    let field = |name| field(request.headers(), name);
    ReceivedRequest::parse(
        &target,
        field(CONTENT_DIGEST),
        field(SIGNATURE_INPUT),
        field(SIGNATURE),
    )
}

/// The value of a field; one that is missing, given twice or not text reads as nothing, which is no value of any of them.
fn field(headers: &HeaderMap, name: HeaderName) -> &str {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn verified(
    app: &App,
    key: [u8; 32],
    body: Body,
    received: ReceivedRequest,
    signed_at: UnixTime,
) -> Result<Body, Problem> {
    let is_small = body.bytes().len() <= DIGESTED_INLINE_BYTES;
    let verify = move || {
        let verified = received.verify(&key, body.bytes(), signed_at);
        verified.map(|()| body)
    };
    let verified = match is_small {
        true => verify(),
        false => app.workers.run(verify).await,
    };
    verified.map_err(unsigned)
}

fn is_new(app: &App, agent: &Agent, received: &ReceivedRequest) -> Result<(), Problem> {
    let params = received.params();
    let nonce = params.nonce.0;
    match app
        .agents
        .nonces()
        .see(agent.id, nonce, params.created, app.clock.now())
    {
        Seen::Never => Ok(()),
        Seen::Before => Err(challenged(ProblemCode::SignatureReplayed)),
        Seen::TooMany => {
            Err(Problem::new(ProblemCode::TooManyRequestsOfAgent).retry_after_s(TOO_MANY_RETRY_S))
        }
    }
}

fn unsigned(error: RequestError) -> Problem {
    let code = match error {
        RequestError::DigestMismatch => return Problem::new(ProblemCode::ContentDigestMismatch),
        RequestError::Expired { .. } => ProblemCode::SignatureExpired,
        RequestError::Invalid { .. } => ProblemCode::SignatureInvalid,
        _ => ProblemCode::SignatureMalformed,
    };
    challenged(code).detail(error.to_string())
}

fn challenged(code: ProblemCode) -> Problem {
    Problem::new(code).challenge(CHALLENGE)
}
