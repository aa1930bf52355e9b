//! `/v1/audit`: who did what. The operator sees all of it, a party what concerns it. Also the layer that records what
//! was refused.

use axum::Json;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attribution::Attribution;
use super::statements::time;
use super::webhooks::reads;
use super::{App, json as body, no_store};
use crate::audit::{Action, By, Entry, Head};
use crate::id::Id;
use crate::parties::Caller;
use crate::policies::PolicyName;
use crate::problem::{AnsweredCode, Problem, ProblemCode};
use crate::store::audit::Wanted;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// Longest name of an object or an actor that is looked for.
pub(super) const MAX_NAME_BYTES: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default, deserialize_with = "body::present")]
    cursor: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    limit: Option<u32>,
    #[serde(default, deserialize_with = "body::present")]
    action: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    object: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    actor: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    since: Option<String>,
}

/// Who reads.
enum Reader {
    Operator,
    Party(Id),
}

/// A page of the log, latest first, and where the log ends.
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let reader = reader(&app, &headers).await?;
    let mut wanted = wanted(&uri).ok_or_else(malformed)?;
    if let Reader::Party(party) = reader {
        wanted.party = Some(party);
    }
    let limit = wanted.limit;
    wanted.limit = limit.saturating_add(1);
    let store = app.audit.store();
    let head = Head::from(store.audit_head().await?);
    let mut entries = store.audit(wanted).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = entries.len() > shown;
    entries.truncate(shown);
    let next = entries.last().filter(|_| has_more);
    let next = next.map(|entry| entry.number.to_string());
    let entries: Result<Vec<_>, _> = entries
        .iter()
        .map(|entry| for_reader(entry, &reader))
        .collect();
    let entries = entries.map_err(|error| Problem::caused(ProblemCode::StoreFailed, error))?;
    Ok(no_store(Json(json!({
        "entries": entries,
        "next": next,
        "head": { "number": head.number(), "digest": head.digest() },
    }))))
}

/// The operator reads all; a party what it may read of its jobs, or of its agents.
async fn reader(app: &App, headers: &HeaderMap) -> Result<Reader, Problem> {
    if app.operator.authorize(headers).is_ok() {
        return Ok(Reader::Operator);
    }
    let caller: Caller = app.credentials.caller(headers).await?;
    caller.may(reads(&caller))?;
    Ok(Reader::Party(caller.party))
}

fn wanted(uri: &Uri) -> Option<Wanted> {
    let Query(asked) = Query::<Asked>::try_from_uri(uri).ok()?;
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    let is_short = |name: &Option<String>| {
        let len = name.as_deref().map_or(1, str::len);
        (1..=MAX_NAME_BYTES).contains(&len)
    };
    let is_good =
        (1..=MAX_LIMIT).contains(&limit) && is_short(&asked.object) && is_short(&asked.actor);
    let before = asked.cursor.as_deref().map(number);
    let action = asked.action.as_deref().map(str::parse::<Action>);
    let since = asked.since.as_deref().map(|text| time(text).ok_or(()));
    is_good.then_some(Wanted {
        before: before.map(|number| number.ok_or(())).transpose().ok()?,
        action: action.transpose().ok()?,
        object: asked.object,
        actor: asked.actor,
        since: since.transpose().ok()?,
        party: None,
        limit,
    })
}

/// The number of an entry in digits alone, as `next` gives it.
fn number(text: &str) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn malformed() -> Problem {
    Problem::new(ProblemCode::QueryMalformed).detail(
        "expected cursor, as the page before gave it, limit, 1 to 200, action, a word of the list, \
         object and actor, names, and since, a date or a time of RFC 3339",
    )
}

/// Of others who acted on what is a party's, it learns what kind they are, and nothing of their requests.
fn for_reader(entry: &Entry, reader: &Reader) -> Result<Value, serde_json::Error> {
    let mut shown = entry.to_json()?;
    let is_own = |party: &Id| entry.actor_party.as_deref() == Some(party.to_string().as_str());
    if let Reader::Party(party) = reader
        && !is_own(party)
        && let Some(members) = shown.as_object_mut()
    {
        members.insert("actor".into(), json!({ "kind": entry.actor }));
        members.remove("request");
        members.remove("trace");
    }
    Ok(shown)
}

/// Records requests for what is recorded that were refused (4xx), whoever sent them. What failed for another reason is in
/// the log of requests.
pub(super) async fn record_refusals(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let attempt = attempt(&app, &request);
    let response = next.run(request).await;
    let code = response.extensions().get::<AnsweredCode>().copied();
    let refused = code.filter(|_| response.status().is_client_error());
    if let Some((attempt, AnsweredCode(code))) = attempt.zip(refused) {
        let by = By::new(attempt.attribution.actor(), app.clock.now());
        let by = by.in_request(attempt.attribution.asked());
        app.audit
            .refused(by, attempt.action, attempt.object, code)
            .await;
    }
    response
}

struct Attempt {
    action: Action,
    object: Option<String>,
    attribution: Attribution,
}

fn attempt(app: &App, request: &Request) -> Option<Attempt> {
    let route = request.extensions().get::<MatchedPath>()?.as_str();
    let action = recorded(request.method().as_str(), route)?;
    Some(Attempt {
        action,
        object: object(app, action, route, request.uri().path()),
        attribution: request.extensions().get().cloned().unwrap_or_default(),
    })
}

/// What a request is recorded as. Routes that are not here change nothing that is recorded.
fn recorded(method: &str, route: &str) -> Option<Action> {
    Some(match (method, route) {
        ("PUT", "/v1/policies/{id}") => Action::PolicyUpload,
        ("POST", "/v1/policies/{id}/versions/{version}/activate") => Action::PolicyActivate,
        ("POST", "/v1/policies/{id}/versions/{version}/simulate") => Action::PolicySimulate,
        ("POST", "/v1/parties") => Action::PartyCreate,
        ("POST", "/v1/parties/{id}/keys") => Action::ApiKeyCreate,
        ("DELETE", "/v1/parties/{id}/keys/{key}") => Action::ApiKeyRevoke,
        ("PUT", "/v1/parties/{id}/bar") => Action::PartyBar,
        ("DELETE", "/v1/parties/{id}/bar") => Action::PartyAdmit,
        ("POST", "/v1/enrolment-tokens") => Action::EnrolmentTokenCreate,
        ("DELETE", "/v1/enrolment-tokens/{id}") => Action::EnrolmentTokenDelete,
        ("POST", "/v1/agents") => Action::AgentEnrol,
        ("DELETE", "/v1/agents/{id}") => Action::AgentRemove,
        ("POST", "/v1/jobs") => Action::JobCreate,
        ("POST", "/v1/jobs/{id}/cancel") => Action::JobCancel,
        ("POST", "/v1/jobs/{id}/dispute") => Action::JobDispute,
        ("POST", "/v1/deposits") => Action::TransferDeposit,
        ("POST", "/v1/withdrawals") => Action::TransferWithdraw,
        ("POST", "/v1/treasury/payouts") => Action::TransferPayout,
        ("POST", "/v1/webhooks") => Action::WebhookCreate,
        ("DELETE", "/v1/webhooks/{id}") => Action::WebhookRemove,
        ("POST", "/v1/webhooks/{id}/rotate") => Action::WebhookRotate,
        ("POST", "/v1/webhooks/{id}/redeliver") => Action::WebhookRedeliver,
        _ => return None,
    })
}

/// The object that a path names, if it is a name of ours: a path may hold anything, a secret included.
fn object(app: &App, action: Action, route: &str, path: &str) -> Option<String> {
    let segments = route.split('/').zip(path.split('/'));
    let named = segments.filter(|(of_route, _)| of_route.starts_with('{'));
    let named: Vec<_> = named.map(|(_, of_path)| of_path).collect();
    if named.iter().any(|name| app.operator.is(name)) {
        return None;
    }
    match (action, named.as_slice()) {
        // What is made has no name yet; the path has that of whom it is made for.
        (Action::ApiKeyCreate, _) => None,
        (Action::PolicyUpload, [name]) => {
            name.parse::<PolicyName>().ok().map(|name| name.to_string())
        }
        (Action::PolicyActivate | Action::PolicySimulate, [name, version]) => {
            let (name, version) = (
                name.parse::<PolicyName>().ok()?,
                version.parse::<u32>().ok()?,
            );
            Some(format!("{name}/{version}"))
        }
        (_, [.., id]) => id.parse::<Id>().ok().map(|id| id.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api;

    /// Every route that may change something is recorded, or is known not to be, with a reason.
    #[test]
    fn every_route_that_changes_something_is_recorded_or_known_not_to_be() {
        let not_recorded = [
            (
                "post",
                "/v1/challenges",
                "anybody's; receipts are their record",
            ),
            (
                "post",
                "/v1/receipts",
                "anybody's; receipts are their record",
            ),
            ("post", "/v1/verify", "nothing is kept"),
            (
                "post",
                "/v1/agents/{id}/heartbeat",
                "what agents say of themselves",
            ),
            (
                "post",
                "/v1/assignments/next",
                "the history of the job has it",
            ),
            (
                "post",
                "/v1/assignments/{id}/accept",
                "the history of the job has it",
            ),
            (
                "post",
                "/v1/assignments/{id}/renew",
                "the history of the job has it",
            ),
            (
                "post",
                "/v1/assignments/{id}/release",
                "the history of the job has it",
            ),
            (
                "post",
                "/v1/assignments/{id}/commitment",
                "the history of the job has it",
            ),
            (
                "post",
                "/v1/assignments/{id}/opening",
                "the history of the job has it",
            ),
            (
                "post",
                "/v1/assignments/{id}/answer",
                "the history of the job has it",
            ),
            ("post", "/v1/ocsp", "nothing is kept"),
            ("post", "/ocsp", "nothing is kept"),
            ("post", "/v1/ocsp/", "nothing is kept"),
            ("post", "/ocsp/", "nothing is kept"),
            ("post", "/v3/attest/gpu", "nothing is kept"),
            ("post", "/v3/attest/switch", "nothing is kept"),
            ("post", "/v4/attest/gpu", "nothing is kept"),
            ("post", "/v4/attest/switch", "nothing is kept"),
        ];
        let mut routes = 0;
        for (method, path) in api::changing() {
            routes += 1;
            let is_recorded = recorded(&method.to_uppercase(), path).is_some();
            let is_known = not_recorded
                .iter()
                .any(|(m, p, _)| (*m, *p) == (method, path));
            assert!(is_recorded != is_known, "{method} {path}");
        }
        assert_eq!(routes, not_recorded.len() + 22, "routes were found");
    }
}
