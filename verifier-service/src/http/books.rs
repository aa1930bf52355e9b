//! `/v1/deposits`, `/v1/withdrawals`: money in and out, by the word of a marketplace. `/v1/treasury`,
//! `/v1/treasury/payouts`: what was slashed, and what the operator pays out of it.
//!
//! The service keeps the books; the marketplace makes the payments.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jobs::books::Transfer;
use jobs::{Amount, Currency, Money, PartyId};
use serde::Deserialize;
use serde_json::json;

use super::attribution::Operator;
use super::jobs::party_of;
use super::{App, json as body, no_store};
use crate::audit::By;
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

/// A transfer that is asked for and well formed, between books that are the caller's to know.
struct Asked {
    party: PartyId,
    money: Money,
    reference: String,
}

type Make = fn(&PartyId, &PartyId, Money, &str, evidence::UnixTime) -> Transfer;

/// Money came in: 201, or 200 if the same was booked under the reference before.
pub(super) async fn deposit(
    State(app): State<App>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let booked = by_marketplace(&app, &caller, request, Transfer::deposit).await?;
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
    by_marketplace(&app, &caller, request, Transfer::withdrawal).await
}

/// What the treasury has, in each currency it ever had.
pub(super) async fn treasury(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.operator.authorize(&headers)?;
    let held = app.clerk.store().treasury().await?;
    let shown = held
        .iter()
        .map(|(currency, available)| json!({ "currency": currency, "available": available }));
    let balances: Vec<_> = shown.collect();
    Ok(no_store(Json(json!({ "balances": balances }))))
}

/// Money goes from the treasury to a party: 201, or 200 if the same was booked under the reference before.
pub(super) async fn pay_out(
    State(app): State<App>,
    Operator(by): Operator,
    request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::read(&app, request).await?;
    let (party, reference) = (&asked.party, &asked.reference);
    let transfer = Transfer::payout(party, asked.money, reference, app.clock.now());
    let booked = book(&app, &asked, transfer, by).await?;
    tracing::info!(party = %asked.party, "money paid out of the treasury");
    // An owner of agents may have more to stake.
    app.clerk.agents_may_be_free();
    Ok(booked)
}

async fn by_marketplace(
    app: &App,
    caller: &Caller,
    request: Request,
    make: Make,
) -> Result<Response, Problem> {
    caller.is(Kind::Marketplace)?;
    caller.may(Scope::BooksWrite)?;
    let asked = Asked::read(app, request).await?;
    let (party, reference) = (&asked.party, &asked.reference);
    let now = app.clock.now();
    let transfer = make(&party_of(caller)?, party, asked.money, reference, now);
    let kind = transfer.kind().as_str();
    let booked = book(app, &asked, transfer, caller.by.clone()).await?;
    tracing::info!(marketplace = %caller.party, party = %asked.party, kind, "money booked");
    Ok(booked)
}

impl Asked {
    async fn read(app: &App, request: Request) -> Result<Self, Problem> {
        let new: NewTransfer = body::read(app, request, MAX_BODY_BYTES).await?;
        let money = money(&new.money)?;
        is_reference(&new.reference)?;
        Ok(Self {
            party: existing(app, &new.party).await?,
            money,
            reference: new.reference,
        })
    }
}

async fn book(app: &App, asked: &Asked, transfer: Transfer, by: By) -> Result<Response, Problem> {
    let (kind, at) = (transfer.kind().as_str(), transfer.at());
    let status = match app.clerk.store().book(transfer, by).await? {
        Booked::New => StatusCode::CREATED,
        Booked::Before => StatusCode::OK,
        Booked::Differs => return Err(Problem::new(ProblemCode::ReferenceReused)),
        Booked::Overdrawn => return Err(Problem::new(ProblemCode::FundsMissing)),
    };
    let Asked {
        party,
        money,
        reference,
    } = asked;
    let shown =
        json!({ "kind": kind, "party": party, "money": money, "reference": reference, "at": at });
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
