//! `/v1/deposits`, `/v1/withdrawals`: money in and out, by the word of a marketplace.
//!
//! The service keeps the books; payment itself is the marketplace's.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jobs::books::Transfer;
use jobs::{Amount, Currency, Money, PartyId};
use serde::Deserialize;
use serde_json::json;

use super::jobs::party_of;
use super::{App, json as body, no_store};
use crate::id::Id;
use crate::parties::{Caller, Kind, Scope};
use crate::problem::{Problem, ProblemCode};
use crate::store::books::{BookStore, Booked};

pub(super) const MAX_BODY_BYTES: usize = 4 * 1024;
/// Longest reference of a marketplace.
const MAX_REFERENCE_CHARS: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTransfer {
    party: String,
    money: AskedMoney,
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedMoney {
    #[serde(deserialize_with = "body::whole")]
    amount: i64,
    currency: String,
}

type Make = fn(&PartyId, &PartyId, Money, &str, evidence::UnixTime) -> Transfer;

/// Money came in: 201, or 200 if the same was booked under the reference before.
pub(super) async fn deposit(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let booked = book(&app, &caller, request, Transfer::deposit).await?;
    // An owner of agents may have more to stake.
    app.clerk.agents_may_be_free();
    Ok(booked)
}

/// Money went out: 201, or 200 if the same was booked under the reference before.
pub(super) async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    book(&app, &caller, request, Transfer::withdrawal).await
}

async fn book(
    app: &App,
    caller: &Caller,
    request: Request,
    make: Make,
) -> Result<Response, Problem> {
    caller.is(Kind::Marketplace)?;
    caller.may(Scope::BooksWrite)?;
    let new: NewTransfer = body::read(app, request, MAX_BODY_BYTES).await?;
    let money = money(&new.money)?;
    is_reference(&new.reference)?;
    let party = existing(app, &new.party).await?;
    let marketplace = party_of(caller)?;
    let transfer = make(&marketplace, &party, money, &new.reference, app.clock.now());
    let (kind, at) = (transfer.kind().as_str(), transfer.at());
    let status = match app.clerk.store().book(transfer, caller.by.clone()).await? {
        Booked::New => StatusCode::CREATED,
        Booked::Before => StatusCode::OK,
        Booked::Differs => return Err(Problem::new(ProblemCode::ReferenceReused)),
        Booked::Overdrawn => return Err(Problem::new(ProblemCode::FundsMissing)),
    };
    tracing::info!(marketplace = %caller.party, %party, kind, "money booked");
    let shown = json!({ "kind": kind, "party": party, "money": money, "reference": new.reference, "at": at });
    Ok(no_store((status, Json(shown))))
}

fn money(asked: &AskedMoney) -> Result<Money, Problem> {
    let malformed = |error: jobs::MoneyError| {
        Problem::new(ProblemCode::MoneyMalformed).detail(error.to_string())
    };
    let money = Money {
        amount: Amount::new(asked.amount).map_err(malformed)?,
        currency: Currency::parse(&asked.currency).map_err(malformed)?,
    };
    match money.amount.is_zero() {
        true => Err(Problem::new(ProblemCode::MoneyMalformed).detail("expected more than nothing")),
        false => Ok(money),
    }
}

fn is_reference(text: &str) -> Result<(), Problem> {
    let is_short = (1..=MAX_REFERENCE_CHARS).contains(&text.len());
    match is_short && text.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(Problem::new(ProblemCode::ReferenceMalformed)),
    }
}

async fn existing(app: &App, name: &str) -> Result<PartyId, Problem> {
    let not_found = || Problem::new(ProblemCode::PartyNotFound);
    let id: Id = name.parse().map_err(|_| not_found())?;
    let party = app.credentials.store().party(id).await?;
    party.ok_or_else(not_found)?;
    PartyId::parse(name).map_err(|_| not_found())
}
