//! `/v1/assignments`: what agents are asked to do, and what they say about it. Every request is signed by its agent.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evidence::work::ResultCommitment;
use evidence::work::wire::{self, Lease, MAX_WAIT_S, NextRequest, Secret};
use jobs::view::AgentView;
use jobs::{AgentId, AssignmentId, AssignmentStatus, Job, PartyId};

use super::jobs::Named;
use super::signed::{self, Signed, Unread};
use super::{App, media_type, no_store};
use crate::agents::Declared;
use crate::clerk::{self, Asking, ClerkError, Deed};
use crate::hub::Topic;
use crate::problem::{Problem, ProblemCode};
use crate::store::agents::Agent;
use crate::store::jobs::Document;

/// Where an agent opens what it committed to.
pub(super) const OPENING: &str = "/v1/assignments/{id}/opening";
/// Where it answers the referee.
pub(super) const ANSWER: &str = "/v1/assignments/{id}/answer";
/// Routes of the largest bodies that agents send.
pub(super) const HANDING_IN: [&str; 2] = [OPENING, ANSWER];

pub(super) const MAX_BODY_BYTES: usize = 4 * 1024;
/// Room for 256 names of things to do.
pub(super) const MAX_KNOWN_BYTES: usize = 64 * 1024;
/// How long an agent waits if it does not say, in seconds.
const WAIT_S: u32 = 30;

/// An assignment, its job and the agent that asks about it.
struct Asked {
    job: Job,
    id: AssignmentId,
    agent: AgentId,
    signed: Signed,
}

/// What there is to do next, as soon as there is something: 200, or 204 if there was nothing for so long.
pub(super) async fn next(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let wait_s = number(&request, "wait_s")?.unwrap_or(WAIT_S);
    let signed = signed::read(&app, request, MAX_KNOWN_BYTES).await?;
    let asked: NextRequest = signed.json()?;
    let agent = agent_of(&signed.agent)?;
    let asking = Asking {
        id: agent.clone(),
        states_conditions: Declared::of(&signed.agent).conditions.is_some(),
    };
    let deadline = app.news_deadline(wait_s.min(MAX_WAIT_S));
    let look = || async {
        let next = app.clerk.next_for(&asking, &asked.known).await;
        next.map_err(Problem::from)
    };
    let topic = Topic::Agent(agent);
    let owner = signed.agent.owner;
    let found = app.hub.until(owner, topic, deadline, look).await?;
    Ok(match found {
        Some(next) => no_store(Json(next)),
        None => no_store(StatusCode::NO_CONTENT),
    })
}

/// Takes an offer.
pub(super) async fn accept(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let asked = asked(&app, id, request).await?;
    let wire::Empty {} = asked.signed.json()?;
    let owner = PartyId::parse(&asked.signed.agent.owner.to_string());
    let owner = owner.map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
    let deed = Deed::accept(&asked.id, &asked.agent, owner);
    let job = app.clerk.act(asked.job.id(), deed).await?;
    lease(&app, &job, &asked)
}

/// Says that the work goes on.
pub(super) async fn renew(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let asked = asked(&app, id, request).await?;
    let wire::Empty {} = asked.signed.json()?;
    let deed = Deed::renew(&asked.id, &asked.agent);
    let job = app.clerk.act(asked.job.id(), deed).await?;
    lease(&app, &job, &asked)
}

/// Gives an assignment back.
pub(super) async fn release(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let asked = asked(&app, id, request).await?;
    let release: wire::Release = asked.signed.json()?;
    let deed = Deed::release(&asked.id, &asked.agent);
    app.clerk.act(asked.job.id(), deed).await?;
    tracing::info!(assignment = %asked.id, code = %release.code, "assignment given back");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes a commitment.
pub(super) async fn commitment(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let asked = asked(&app, id, request).await?;
    let ResultCommitment { commitment } = asked.signed.json()?;
    let deed = Deed::commit(&asked.id, &asked.agent, commitment);
    app.clerk.act(asked.job.id(), deed).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Takes an opening: 202 while it is judged, 204 once it is. What it showed is not said here.
pub(super) async fn opening(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    media_type::require(request.headers(), media_type::OPENING)?;
    let round = number(&request, "round")?.unwrap_or(0);
    let limit = app.config.body_limit_bytes;
    let asked = asked_within(&app, id, request, limit).await?;
    is_at_most(clerk::largest_opening(&asked.job), &asked.signed)?;
    let document = Document::new(asked.signed.bytes().to_vec());
    app.clerk.is_opened_in_trace(&asked.id);
    let deed = Deed::open(&asked.id, &asked.agent, round, document);
    let job = app.clerk.act(asked.job.id(), deed).await?;
    let assignment = job.assignment(&asked.id);
    let is_judged = assignment.is_some_and(|it| it.status() != AssignmentStatus::Opened);
    let status = match is_judged {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::ACCEPTED,
    };
    Ok(status.into_response())
}

/// Takes an answer to the referee. One that is larger than any right answer is not kept, and not taken for silence.
pub(super) async fn answer(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let limit = app.config.body_limit_bytes;
    let signed = match signed::read_or_tell_whose(&app, request, limit).await {
        Ok(signed) => signed,
        Err(Unread::TooLarge(agent, problem)) => {
            let (agent, id) = (agent_of(&agent)?, assignment(id)?);
            let job = app.clerk.job_of(&id, &agent).await?;
            return Err(too_large(&app, &job, Deed::answer_too_large(&id, &agent), problem).await?);
        }
        Err(Unread::Refused(problem)) => return Err(problem),
    };
    let asked = about(&app, id, signed).await?;
    let answer: wire::Answer = asked.signed.json()?;
    let standing = asked.job.dispute();
    let standing = standing.and_then(|dispute| dispute.question.as_ref());
    if standing.is_some_and(|question| question.number == answer.number)
        && let Some(most) = clerk::largest_answer(&asked.job)
        && let Err(problem) = is_at_most(most, &asked.signed)
    {
        let deed = Deed::answer_too_large(&asked.id, &asked.agent);
        return Err(too_large(&app, &asked.job, deed, problem).await?);
    }
    let document = Document::new(asked.signed.bytes().to_vec());
    let deed = Deed::answer(&asked.id, &asked.agent, answer.number, document);
    app.clerk.act(asked.job.id(), deed).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Notes that an answer was too large, where one is asked for. The answer to the request is the problem.
async fn too_large(app: &App, job: &Job, deed: Deed, problem: Problem) -> Result<Problem, Problem> {
    match app.clerk.act(job.id(), deed).await {
        Ok(_) | Err(ClerkError::Refused(_)) => Ok(problem),
        Err(error) => Err(error.into()),
    }
}

/// Nobody has more kept than what is asked for can need.
fn is_at_most(most: u64, signed: &Signed) -> Result<(), Problem> {
    let actual = signed.bytes().len();
    match u64::try_from(actual).is_ok_and(|actual| actual <= most) {
        true => Ok(()),
        false => Err(Problem::new(ProblemCode::BodyTooLarge)
            .detail(format!("expected at most {most} bytes, got {actual}"))),
    }
}

async fn asked(app: &App, id: Named, request: Request) -> Result<Asked, Problem> {
    asked_within(app, id, request, MAX_BODY_BYTES).await
}

async fn asked_within(
    app: &App,
    id: Named,
    request: Request,
    limit: usize,
) -> Result<Asked, Problem> {
    let signed = signed::read(app, request, limit).await?;
    about(app, id, signed).await
}

async fn about(app: &App, id: Named, signed: Signed) -> Result<Asked, Problem> {
    let (agent, id) = (agent_of(&signed.agent)?, assignment(id)?);
    let job = app.clerk.job_of(&id, &agent).await?;
    Ok(Asked {
        job,
        id,
        agent,
        signed,
    })
}

fn assignment(id: Named) -> Result<AssignmentId, Problem> {
    let id = id.ok().and_then(|Path(id)| AssignmentId::parse(&id).ok());
    id.ok_or_else(|| Problem::new(ProblemCode::AssignmentUnknown))
}

fn lease(app: &App, job: &Job, asked: &Asked) -> Result<Response, Problem> {
    let view = AgentView::of(job, &asked.id, &asked.agent);
    let lease = view.and_then(|view| view.lease);
    let lease = lease.ok_or_else(|| Problem::new(ProblemCode::AssignmentUnknown))?;
    // One that committed meanwhile has nothing to renew.
    let over = app.clock.now();
    Ok(no_store(Json(Lease {
        challenge: lease.challenge,
        replica_key: Secret::new(lease.replica_key.0),
        until: lease.until.unwrap_or(over),
        commit_until: lease.commit_by.unwrap_or(over),
    })))
}

fn agent_of(agent: &Agent) -> Result<AgentId, Problem> {
    let agent = AgentId::parse(&agent.id.to_string());
    agent.map_err(|error| Problem::caused(ProblemCode::Internal, error))
}

/// A number of the query; the one parameter there is.
fn number(request: &Request, name: &str) -> Result<Option<u32>, Problem> {
    let malformed = || {
        Problem::new(ProblemCode::QueryMalformed)
            .detail(format!("expected a number {name} and nothing else"))
    };
    let query = Query::<HashMap<String, u32>>::try_from_uri(request.uri());
    let Query(mut query) = query.map_err(|_| malformed())?;
    let number = query.remove(name);
    match query.is_empty() {
        true => Ok(number),
        false => Err(malformed()),
    }
}
