//! `/v1/challenges`: random bytes to answer, for one job and one agent.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use evidence::UnixTime;
use evidence::work::{Base64Url, Hex};
use serde::{Deserialize, Serialize};

use super::{App, json, later, media_type, no_store};
use crate::id::Id;
use crate::problem::{Problem, ProblemCode};
use crate::random;
use crate::store::{Added, Challenge, ChallengeBounds, Fate};

/// Room for a digest, a key and an audience of 512 bytes, written with escapes.
pub(super) const MAX_BODY_BYTES: usize = 8 * 1024;
/// Seconds after which some challenge may have been answered.
const TOO_MANY_RETRY_S: u32 = 10;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewChallenge {
    /// SHA-256 of the job.
    job: Hex<32>,
    /// The agent's Ed25519 key.
    agent_key: Base64Url<32>,
    /// Whom the receipt shall be for; all audiences of the verifier if absent.
    #[serde(default, deserialize_with = "json::present")]
    audience: Option<String>,
}

#[derive(Debug, Serialize)]
struct Issued {
    id: String,
    challenge: Base64Url<32>,
    expires_at: UnixTime,
    accept: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
}

/// Issues a challenge.
pub(super) async fn create(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let new: NewChallenge = json::read(&app, request, MAX_BODY_BYTES).await?;
    if let Some(audience) = &new.audience
        && !app.config.audience.contains(audience)
    {
        return Err(Problem::new(ProblemCode::AudienceNotServed));
    }
    let now = app.clock.now();
    let challenge = Challenge {
        id: Id::random(),
        value: random::bytes(),
        job: new.job.0,
        agent_key: new.agent_key.0,
        audience: new.audience,
        expires_at: later(now, app.config.challenge_lifetime_s),
    };
    let bounds = ChallengeBounds {
        now,
        max_open: app.config.max_open_challenges.get(),
        max_open_of_agent: app.config.max_open_challenges_per_agent.get(),
        forget_before: earlier(now, app.config.challenge_retention_s),
    };
    let too_many = |code| Err(Problem::new(code).retry_after_s(TOO_MANY_RETRY_S));
    match app.store.add_challenge(challenge.clone(), bounds).await? {
        Added::TooMany => too_many(ProblemCode::TooManyChallenges),
        Added::TooManyOfAgent => too_many(ProblemCode::TooManyChallengesOfAgent),
        Added::Stored => {
            let location = [(header::LOCATION, format!("/v1/challenges/{}", challenge.id))];
            let body = Json(Issued::new(&challenge, None));
            Ok(no_store((StatusCode::CREATED, location, body)))
        }
    }
}

/// What became of a challenge.
pub(super) async fn read(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let not_found = || Problem::new(ProblemCode::ChallengeNotFound);
    let id: Id = id
        .ok()
        .and_then(|Path(id)| id.parse().ok())
        .ok_or_else(not_found)?;
    let (challenge, fate) = app.store.challenge(id).await?.ok_or_else(not_found)?;
    let status = match fate {
        Fate::Spent => "spent",
        Fate::Refuted => "refuted",
        Fate::Unspent if challenge.expires_at <= app.clock.now() => "expired",
        Fate::Unspent => "open",
    };
    Ok(no_store(Json(Issued::new(&challenge, Some(status)))))
}

impl Issued {
    fn new(challenge: &Challenge, status: Option<&'static str>) -> Self {
        Self {
            id: challenge.id.to_string(),
            challenge: Base64Url(challenge.value),
            expires_at: challenge.expires_at,
            accept: [media_type::BUNDLE],
            status,
        }
    }
}

fn earlier(now: UnixTime, seconds: u32) -> UnixTime {
    UnixTime::from_secs(now.secs().saturating_sub(seconds.into()))
}
