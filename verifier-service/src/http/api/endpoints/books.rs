//! Money in and out, and who has what.

use serde_json::{Value, json};

use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::examples::{self, ID};
use super::super::schema::{day_or_time, of, text};
use crate::http::{books, media_type, statements};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let deposit = Endpoint::post("/v1/deposits", "bookDeposit", books::deposit).says(
        "Book money that came in",
        "By the word of a marketplace, which takes the payment itself.",
    );
    let withdrawal = Endpoint::post("/v1/withdrawals", "bookWithdrawal", books::withdraw)
        .says(
            "Book money that went out",
            "By the word of a marketplace, which makes the payment itself.",
        )
        .fails(&[FundsMissing]);
    let all = [
        by_marketplace(deposit),
        by_marketplace(withdrawal),
        treasury(),
        payout(),
        account(),
        statement(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Books)).into()
}

fn by_marketplace(endpoint: Endpoint) -> Endpoint {
    booked(endpoint.by(Access::Party(Some("books:write")))).fails(&[PartyKindMismatch])
}

fn booked(endpoint: Endpoint) -> Endpoint {
    let money = json!({ "amount": 12_000, "currency": "EUR" });
    let example = json!({ "party": ID, "money": money, "reference": "order-1" });
    endpoint
        .takes("NewTransfer", books::MAX_BODY_BYTES, example)
        .gives(201, "Transfer", "Booked.")
        .gives(200, "Transfer", "Booked before, under the same reference.")
        .fails(&[
            MoneyMalformed,
            ReferenceMalformed,
            PartyNotFound,
            ReferenceReused,
        ])
}

fn treasury() -> Endpoint {
    Endpoint::get("/v1/treasury", "readTreasury", books::treasury)
        .says(
            "See what the treasury has",
            "Stakes that were slashed, and have not been paid out.",
        )
        .by(Access::Operator)
        .gives(200, "Treasury", "What it has, in each currency.")
}

fn payout() -> Endpoint {
    let payout = Endpoint::post("/v1/treasury/payouts", "payOutOfTreasury", books::pay_out).says(
        "Pay out of the treasury",
        "To what a party has available, which takes it out as any other money: it leaves by a withdrawal.",
    );
    booked(payout.by(Access::Operator)).fails(&[FundsMissing])
}

/// The name of a party, or the word for the one that asks.
fn party() -> Value {
    json!({ "anyOf": [of("Id"), { "const": "me" }] })
}

fn account() -> Endpoint {
    Endpoint::get("/v1/accounts/{party}", "readAccount", statements::account)
        .says("See what a party has", READABLE)
        .by(Access::PartyOrOperator("books:read"))
        .named("party", party(), "The name of the party, or `me`.")
        .gives(200, "Account", "What it has, in each currency.")
        .fails(&[PartyNotFound])
}

const READABLE: &str =
    "The party itself may read, a marketplace, and the operator. To others there is no such party.";

fn statement() -> Endpoint {
    Endpoint::get("/v1/providers/{id}/statement", "readStatement", statements::read)
        .says("Read the statement of a provider", "What it had, each thing that happened to it with the balance after, what it had then. `Accept: text/csv` gives lines. It is written while it is read: one that breaks off has no end.")
        .by(Access::PartyOrOperator("books:read"))
        .named("id", party(), "The name of the provider, or `me`.")
        .asks("from", day_or_time(), "The first moment: a day, or a time of RFC 3339.", json!("2026-01-01"))
        .asks("to", day_or_time(), "The moment after the last; without it, until now.", examples::time())
        .gives(200, "ProviderStatement", "The statement.")
        .gives_as(200, media_type::CSV, text(), "The statement.")
        .fails(&[PartyNotFound, NotAcceptable])
}
