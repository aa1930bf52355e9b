//! `/v1/enrolment-tokens` and `/v1/agents`: a provider's agents, and what they say of themselves.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use evidence::work::Base64Url;
use evidence::work::wire::{HeartbeatAnswer, Id as WireId, MAX_HELD};
use jobs::AgentId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::attribution::Attribution;
use super::page::Page;
use super::parties::end_of_life;
use super::{App, json as body, later, no_store, shown_devices, signed};
use crate::agents::{Applicant, Declared, HEARTBEAT_EVERY_S, PRESENT_FOR_S};
use crate::id::Id;
use crate::label::Label;
use crate::parties::{Caller, Kind, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::agents::Agent;

pub(super) const MAX_BODY_BYTES: usize = 4 * 1024;
/// Room for 128 devices.
pub(super) const MAX_HEARTBEAT_BYTES: usize = 32 * 1024;
/// Life of an enrolment token if nothing else is asked for, in seconds.
const TOKEN_LIFE_S: u32 = 3600;
/// Longest life, in seconds: a week, for machines that are on their way.
pub(super) const MAX_TOKEN_LIFE_S: u32 = 7 * 24 * 3600;

type Named = Result<Path<String>, PathRejection>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    #[serde(default, deserialize_with = "body::present")]
    label: Option<Label>,
    #[serde(default, deserialize_with = "body::present_whole")]
    expires_in_s: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enrolment {
    token: String,
    agent_key: Base64Url<32>,
    proof: Base64Url<64>,
    #[serde(default, deserialize_with = "body::present")]
    name: Option<Label>,
}

/// A sign of life: what the agent says of itself, and what it still keeps of assignments.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
struct Beat {
    declared: Declared,
    held: Vec<WireId>,
}

impl TryFrom<Map<String, Value>> for Beat {
    type Error = serde_json::Error;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let held = members.remove("held").map(Vec::<WireId>::deserialize);
        let held = held.transpose()?.unwrap_or_default();
        if held.len() > MAX_HELD {
            let many = format_args!("held: expected at most {MAX_HELD} names").to_string();
            return Err(serde::de::Error::custom(many));
        }
        let declared = Declared::deserialize(Value::Object(members))?;
        Ok(Self { declared, held })
    }
}

#[derive(Debug, Serialize)]
struct ShownAgent {
    id: Id,
    agent_key: Base64Url<32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    enrolled_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_at: Option<UnixTime>,
    present: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<Value>,
}

/// Makes a token that lets one agent in. Its text is in the answer and nowhere else.
pub(super) async fn create_token(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    is_provider(&caller, Scope::AgentsWrite)?;
    let new: NewToken = body::read(&app, request, MAX_BODY_BYTES).await?;
    let now = app.clock.now();
    let expires_at = end_of_life(now, new.expires_in_s, MAX_TOKEN_LIFE_S)?;
    let expires_at = expires_at.unwrap_or_else(|| later(now, TOKEN_LIFE_S));
    let label = new.label.map(|label| label.0);
    let fresh = app
        .agents
        .new_token(caller.party, label, expires_at, &caller.by)
        .await?;
    tracing::info!(provider = %caller.party, token = %fresh.token.id, "enrolment token made");
    let shown = json!({
        "id": fresh.token.id,
        "token": fresh.secret.text(),
        "label": fresh.token.label,
        "expires_at": expires_at,
    });
    Ok(no_store((StatusCode::CREATED, Json(shown))))
}

/// Ends a token that was not used.
pub(super) async fn delete_token(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    is_provider(&caller, Scope::AgentsWrite)?;
    let not_found = || Problem::new(ProblemCode::EnrolmentTokenNotFound);
    let id = parsed(id).ok_or_else(not_found)?;
    let store = app.agents.store();
    let deleted = store.delete_enrolment_token(caller.party, id, caller.by);
    match deleted.await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(not_found()),
    }
}

/// Lets an agent in: 201, or 200 if the same agent was let in by the same token before.
pub(super) async fn enrol(
    State(app): State<App>,
    attribution: Attribution,
    request: Request,
) -> Result<Response, Problem> {
    let enrolment: Enrolment = body::read(&app, request, MAX_BODY_BYTES).await?;
    let applicant = Applicant {
        token: enrolment.token,
        key: enrolment.agent_key.0,
        proof: enrolment.proof.0,
        name: enrolment.name.map(|name| name.0),
    };
    let (agent, is_new) = app.agents.enrol(applicant, attribution.asked()).await?;
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    tracing::info!(agent = %agent.id, provider = %agent.owner, is_new, "agent enrolled");
    let shown = json!({
        "id": agent.id,
        "provider": agent.owner,
        "heartbeat_every_s": HEARTBEAT_EVERY_S,
        "now": app.clock.now(),
    });
    let location = [(header::LOCATION, format!("/v1/agents/{}", agent.id))];
    Ok(no_store((status, location, Json(shown))))
}

/// A page of the provider's agents.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    page: Result<Page, Problem>,
) -> Result<Response, Problem> {
    is_provider(&caller, Scope::AgentsRead)?;
    let page = page?;
    let agents = app
        .agents
        .store()
        .agents(caller.party, page.to_ask())
        .await?;
    let (agents, next) = page.cut(agents, |agent| (agent.enrolled_at, agent.id));
    let now = app.clock.now();
    let agents: Vec<_> = agents
        .into_iter()
        .map(|agent| ShownAgent::of(agent, now))
        .collect();
    Ok(no_store(Json(json!({ "agents": agents, "next": next }))))
}

/// One of the provider's agents.
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    is_provider(&caller, Scope::AgentsRead)?;
    let agent = own(&app, &caller, id).await?;
    Ok(no_store(Json(ShownAgent::of(agent, app.clock.now()))))
}

/// What the devices of one of the provider's agents showed in the last evidence that got a receipt.
pub(super) async fn devices(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    is_provider(&caller, Scope::AgentsRead)?;
    let agent = own(&app, &caller, id).await?;
    let latest = app.agents.store().latest_receipt_of(agent.key).await?;
    let shown = latest.map(|receipt| {
        json!({
            "appraised_at": receipt.issued_at,
            "devices": shown_devices::of(&receipt.token),
        })
    });
    Ok(no_store(Json(shown.unwrap_or(json!({ "devices": [] })))))
}

/// Ends an agent. Its unfinished work goes to others.
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    is_provider(&caller, Scope::AgentsWrite)?;
    let id = parsed(id).ok_or_else(not_found)?;
    if !app.agents.remove(caller.party, id, caller.by).await? {
        return Err(not_found());
    }
    tracing::info!(agent = %id, provider = %caller.party, "agent removed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A sign of life, signed by the agent.
pub(super) async fn heartbeat(
    State(app): State<App>,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    let signed = signed::read(&app, request, MAX_HEARTBEAT_BYTES).await?;
    if parsed(id) != Some(signed.agent.id) {
        return Err(Problem::new(ProblemCode::AgentMismatch));
    }
    let Beat { declared, held } = signed.json::<Beat>()?;
    app.agents.heard(signed.agent.id, &declared).await?;
    let agent = AgentId::parse(&signed.agent.id.to_string());
    let agent = agent.map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
    Ok(no_store(Json(HeartbeatAnswer {
        heartbeat_every_s: HEARTBEAT_EVERY_S,
        now: app.clock.now(),
        ended: app.clerk.ended_of(&agent, &held).await?,
    })))
}

/// An agent of the caller's.
async fn own(app: &App, caller: &Caller, id: Named) -> Result<Agent, Problem> {
    let id = parsed(id).ok_or_else(not_found)?;
    let agent = app.agents.living(id).await?;
    let agent = agent.filter(|agent| agent.owner == caller.party);
    agent.ok_or_else(not_found)
}

fn is_provider(caller: &Caller, scope: Scope) -> Result<(), Problem> {
    caller.is(Kind::Provider)?;
    caller.may(scope)
}

fn parsed(id: Named) -> Option<Id> {
    id.ok().and_then(|Path(id)| id.parse().ok())
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::AgentNotFound)
}

impl ShownAgent {
    fn of(agent: Agent, now: UnixTime) -> Self {
        let is_late = |at: UnixTime| now.secs().saturating_sub(at.secs()) > PRESENT_FOR_S;
        let report = agent.report.as_deref();
        Self {
            id: agent.id,
            agent_key: Base64Url(agent.key),
            name: agent.name,
            enrolled_at: agent.enrolled_at,
            seen_at: agent.seen_at,
            present: agent.seen_at.is_some_and(|at| !is_late(at)),
            declared: report.and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}
