//! `/v1/accounts/{party}`, `/v1/accounts/me` and `/v1/providers/{id}/statement`: what a party has, and what happened to it.
//!
//! The party itself may read them, and so may a marketplace, which pays by them, and the operator. Others are answered
//! as if there were no such party.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use evidence::UnixTime;
use futures_util::stream;
use jobs::PartyId;
use serde::Deserialize;
use serde_json::json;

use super::{App, accept, json as body, media_type, no_store};
use crate::books::{Form, Range, Statement};
use crate::id::Id;
use crate::parties::{Kind, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::books::{BookStore, Holding};
use crate::store::parties::Party;

/// The forms of a statement, the default first.
const FORMS: [&str; 2] = [media_type::JSON, media_type::CSV];

/// In the place of a name: the party that asks.
const ME: &str = "me";

type Named = Result<Path<String>, PathRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default, deserialize_with = "body::present")]
    from: Option<String>,
    #[serde(default, deserialize_with = "body::present")]
    to: Option<String>,
}

/// What a party has, in each currency.
pub(super) async fn account(
    State(app): State<App>,
    headers: HeaderMap,
    id: Named,
) -> Result<Response, Problem> {
    let party = readable(&app, &headers, id).await?;
    let name = PartyId::from(party.id);
    let holdings = app.clerk.store().holdings(&name).await?;
    let balances: Vec<_> = holdings.iter().map(shown).collect();
    Ok(no_store(Json(
        json!({ "party": party.id, "balances": balances }),
    )))
}

/// The statement of a provider, as JSON or CSV, written while it is read.
pub(super) async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    id: Named,
    uri: Uri,
) -> Result<Response, Problem> {
    let party = readable(&app, &headers, id).await?;
    if party.kind != Kind::Provider {
        return Err(not_found());
    }
    let form = accept::choose(&headers, &FORMS)?;
    let range = range(&uri, app.clock.now())?;
    let store = Arc::new(app.clerk.store().clone());
    let form_of = match form {
        media_type::CSV => Form::Csv,
        _ => Form::Json,
    };
    let statement = Statement::begin(store, party.id.into(), range, form_of).await?;
    Ok(no_store(written(statement, form)))
}

/// The first pieces come before the answer does, so that a store that is away is a 503. One that fails later breaks the
/// answer off, which its reader sees: the last chunk is missing.
fn written(statement: Statement, form: &'static str) -> Response {
    let pieces = stream::try_unfold(statement, |mut statement| async {
        let piece = statement.piece().await.inspect_err(|error| {
            tracing::error!(cause = %error, "a statement broke off");
        })?;
        Ok::<_, crate::store::StoreError>(piece.map(|piece| (piece, statement)))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let media_type = match form {
        media_type::CSV => HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
        _ => HeaderValue::from_static(media_type::JSON),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    if form == media_type::CSV {
        let download = HeaderValue::from_static("attachment; filename=\"statement.csv\"");
        headers.insert(header::CONTENT_DISPOSITION, download);
    }
    response
}

/// The party, if whoever asks may read its books.
async fn readable(app: &App, headers: &HeaderMap, id: Named) -> Result<Party, Problem> {
    let Path(name) = id.map_err(|_| not_found())?;
    let named = name.parse::<Id>().ok();
    let id = match app.operator.authorize(headers) {
        Ok(()) => named,
        Err(_) => {
            let caller = app.credentials.caller(headers).await?;
            caller.may(Scope::BooksRead)?;
            let id = named.or((name == ME).then_some(caller.party));
            let may_read = caller.kind == Kind::Marketplace || id == Some(caller.party);
            id.filter(|_| may_read)
        }
    };
    let party = app.credentials.store().party(id.ok_or_else(not_found)?);
    party.await?.ok_or_else(not_found)
}

fn range(uri: &Uri, now: UnixTime) -> Result<Range, Problem> {
    let malformed = || {
        Problem::new(ProblemCode::QueryMalformed)
            .detail("expected from and to, each a date or a time of RFC 3339, from before to")
    };
    let Query(asked) = Query::<Asked>::try_from_uri(uri).map_err(|_| malformed())?;
    let read = |text: &str| time(text).ok_or_else(malformed);
    let from = asked.from.as_deref().map(read).transpose()?;
    let to = asked.to.as_deref().map(read).transpose()?;
    // Without `to`, everything that is booked by now.
    let range = Range {
        from: from.unwrap_or(UnixTime::from_secs(0)),
        to: to.unwrap_or(UnixTime::from_secs(now.secs().saturating_add(1))),
    };
    match range.from < range.to {
        true => Ok(range),
        false => Err(malformed()),
    }
}

/// A time, or the first second of a day in UTC.
pub(super) fn time(text: &str) -> Option<UnixTime> {
    match text.len() {
        10 => UnixTime::parse_rfc3339(&format!("{text}T00:00:00Z")),
        _ => UnixTime::parse_rfc3339(text),
    }
}

fn shown(holding: &Holding) -> serde_json::Value {
    json!({
        "currency": holding.currency,
        "available": holding.available,
        "in_escrow": holding.in_escrow,
        "at_stake": holding.at_stake,
    })
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::PartyNotFound)
}
