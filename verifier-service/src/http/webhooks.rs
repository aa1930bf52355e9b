//! `/v1/webhooks`: where a party is told of which events, and what could not be delivered.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use jobs::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::jobs::party_of;
use super::page::Page;
use super::{App, json as body, no_store};
use crate::id::Id;
use crate::parties::{Caller, Kind, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::outbox::{Delivery, Webhook};
use crate::webhooks::{Message, MessageId, NotRegistered};

pub(super) const MAX_BODY_BYTES: usize = 16 * 1024;
/// Most kinds in a list; there are fewer.
const MAX_KINDS: usize = 64;
/// Most messages named in one request.
const MAX_MESSAGES: usize = 100;
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

type Named = Result<Path<String>, PathRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    url: String,
    #[serde(default, deserialize_with = "body::present")]
    kinds: Option<Vec<EventKind>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redelivery {
    #[serde(default, deserialize_with = "body::present")]
    messages: Option<Vec<MessageId>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedLetters {
    #[serde(default, deserialize_with = "body::present")]
    cursor: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    limit: Option<u32>,
}

#[derive(Serialize)]
struct ShownWebhook {
    id: Id,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds: Option<Vec<EventKind>>,
    created_at: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<UnixTime>,
}

#[derive(Serialize)]
struct DeadLetter {
    id: MessageId,
    message: Message,
    attempts: u32,
    failure: Option<String>,
}

/// Adds a webhook. Its secret is in the answer and nowhere else.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.may(writes(&caller))?;
    let new: NewWebhook = body::read(&app, request, MAX_BODY_BYTES).await?;
    let kinds = kinds(new.kinds)?;
    let party = party_of(&caller)?;
    let (webhook, secret) = app
        .webhooks
        .register(party, &new.url, kinds, caller.by)
        .await?;
    tracing::info!(party = %caller.party, webhook = %webhook.id, "webhook added");
    let location = [(header::LOCATION, format!("/v1/webhooks/{}", webhook.id))];
    let mut shown = json!(ShownWebhook::of(webhook));
    shown["secret"] = json!(*secret.text());
    Ok(no_store((StatusCode::CREATED, location, Json(shown))))
}

/// A page of the caller's webhooks, without their secrets.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    page: Result<Page, Problem>,
) -> Result<Response, Problem> {
    caller.may(reads(&caller))?;
    let page = page?;
    let party = party_of(&caller)?;
    let found = app.webhooks.of(&party, page.to_ask_by_name()).await?;
    let (found, next) = page.cut(found, |webhook| (webhook.created_at, webhook.id));
    let found: Vec<_> = found.into_iter().map(ShownWebhook::of).collect();
    Ok(no_store(Json(json!({ "webhooks": found, "next": next }))))
}

/// One of the caller's webhooks.
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.may(reads(&caller))?;
    let webhook = own(&app, &caller, id).await?;
    Ok(no_store(Json(ShownWebhook::of(webhook))))
}

/// Ends a webhook, and what was still to be sent to it.
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.may(writes(&caller))?;
    let id = parsed(id)?;
    let (store, party) = (app.webhooks.store(), party_of(&caller)?);
    match store.remove_webhook(&party, id, caller.by).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(not_found()),
    }
}

/// Gives a webhook another secret. The one before signs too, for a day.
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    id: Named,
) -> Result<Response, Problem> {
    caller.may(writes(&caller))?;
    let (id, party) = (parsed(id)?, party_of(&caller)?);
    let rotated = app.webhooks.rotate(&party, id, caller.by).await?;
    let (secret, until) = rotated.ok_or_else(not_found)?;
    tracing::info!(party = %caller.party, webhook = %id, "secret of a webhook replaced");
    let shown = json!({ "id": id, "secret": *secret.text(), "former_secret_until": until });
    Ok(no_store(Json(shown)))
}

/// A page of what was given up, latest first.
pub(super) async fn dead_letters(
    State(app): State<App>,
    caller: Caller,
    id: Named,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.may(reads(&caller))?;
    let (before, limit) = page_of_letters(&uri)?;
    let webhook = own(&app, &caller, id).await?;
    let store = app.webhooks.store();
    let mut found = store
        .dead_letters(webhook.id, before, limit.saturating_add(1))
        .await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > shown;
    found.truncate(shown);
    let next = found.last().filter(|_| has_more);
    let next = next.map(|delivery| delivery.number.to_string());
    let letters: Vec<_> = found.into_iter().map(DeadLetter::of).collect();
    Ok(no_store(Json(
        json!({ "dead_letters": letters, "next": next }),
    )))
}

/// Has what was given up sent again: the messages named, or all.
pub(super) async fn redeliver(
    State(app): State<App>,
    caller: Caller,
    id: Named,
    request: Request,
) -> Result<Response, Problem> {
    caller.may(writes(&caller))?;
    let webhook = own(&app, &caller, id).await?;
    let asked: Redelivery = body::read(&app, request, MAX_BODY_BYTES).await?;
    if webhook.disabled_at.is_some() {
        return Err(Problem::new(ProblemCode::WebhookDisabled));
    }
    let messages = asked.messages;
    if messages.as_ref().is_some_and(|m| m.len() > MAX_MESSAGES) {
        let detail = format!("expected at most {MAX_MESSAGES} messages");
        return Err(Problem::new(ProblemCode::RequestMalformed).detail(detail));
    }
    // What is another webhook's is not among the dead letters of this one.
    let events = messages.map(|messages| {
        let own = messages.iter().filter(|id| id.webhook == webhook.id);
        own.map(|id| id.event).collect()
    });
    let store = app.webhooks.store();
    let redelivered = store.redeliver(&webhook.party, webhook.id, events, caller.by);
    let redelivered = redelivered.await?;
    let shown = json!({ "redelivered": redelivered });
    Ok(no_store((StatusCode::ACCEPTED, Json(shown))))
}

/// What a webhook tells is what the party may read of its jobs, or of its agents' assignments.
pub(super) fn reads(caller: &Caller) -> Scope {
    match caller.kind {
        Kind::Provider => Scope::AgentsRead,
        Kind::Tenant | Kind::Marketplace => Scope::JobsRead,
    }
}

fn writes(caller: &Caller) -> Scope {
    match caller.kind {
        Kind::Provider => Scope::AgentsWrite,
        Kind::Tenant | Kind::Marketplace => Scope::JobsWrite,
    }
}

/// Each once, in one order.
fn kinds(asked: Option<Vec<EventKind>>) -> Result<Option<Vec<EventKind>>, Problem> {
    let Some(mut kinds) = asked else {
        return Ok(None);
    };
    if !(1..=MAX_KINDS).contains(&kinds.len()) {
        let problem = Problem::new(ProblemCode::RequestMalformed);
        return Err(problem.detail("expected at least one kind of event, or no kinds for all"));
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(Some(kinds))
}

fn page_of_letters(uri: &Uri) -> Result<(Option<i64>, u32), Problem> {
    let malformed = || {
        Problem::new(ProblemCode::QueryMalformed)
            .detail("expected cursor, as the page before gave it, and limit, 1 to 200")
    };
    let Query(asked) = Query::<AskedLetters>::try_from_uri(uri).map_err(|_| malformed())?;
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    let before = asked
        .cursor
        .map(|cursor| number(&cursor).ok_or_else(malformed));
    match (1..=MAX_LIMIT).contains(&limit) {
        true => Ok((before.transpose()?, limit)),
        false => Err(malformed()),
    }
}

/// The number of a delivery as a page gives it: 1 to 18 digits, the first no zero but alone.
fn number(cursor: &str) -> Option<i64> {
    let number: i64 = cursor.parse().ok()?;
    let is_as_given = cursor.len() <= 18 && number >= 0 && number.to_string() == cursor;
    is_as_given.then_some(number)
}

async fn own(app: &App, caller: &Caller, id: Named) -> Result<Webhook, Problem> {
    let (id, party) = (parsed(id)?, party_of(caller)?);
    let found = app.webhooks.store().webhook(&party, id).await?;
    found.ok_or_else(not_found)
}

fn parsed(id: Named) -> Result<Id, Problem> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    id.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::WebhookNotFound)
}

impl From<NotRegistered> for Problem {
    fn from(why: NotRegistered) -> Self {
        let detail = why.to_string();
        match why {
            NotRegistered::Url(_) => Self::new(ProblemCode::WebhookUrlNotAllowed).detail(detail),
            NotRegistered::TooMany => Self::new(ProblemCode::TooManyWebhooks).detail(detail),
            NotRegistered::Store(error) => error.into(),
        }
    }
}

impl ShownWebhook {
    fn of(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            kinds: webhook.kinds,
            created_at: webhook.created_at,
            disabled_at: webhook.disabled_at,
        }
    }
}

impl DeadLetter {
    fn of(delivery: Delivery) -> Self {
        Self {
            id: MessageId::of(&delivery),
            message: Message::of(&delivery.event),
            attempts: delivery.attempts,
            failure: delivery.failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_letters_is_a_number_as_it_was_given() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("999999999999999999"), Some(999_999_999_999_999_999));
        for cursor in [
            "",
            "+5",
            "-5",
            "-0",
            "05",
            " 5",
            "5.0",
            "1000000000000000000",
        ] {
            assert_eq!(number(cursor), None, "{cursor}");
            let asked = format!(
                "/?cursor={}",
                cursor.replace('+', "%2B").replace(' ', "%20")
            );
            assert!(
                page_of_letters(&asked.parse().unwrap()).is_err(),
                "{cursor}"
            );
        }
        let page = page_of_letters(&"/?cursor=7&limit=2".parse().unwrap());
        assert!(matches!(page, Ok((Some(7), 2))));
    }
}
