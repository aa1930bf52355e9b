//! The books, for those who read them and for money from and to the outside.

use evidence::UnixTime;
use jobs::books::{Account, Transfer, TransferKind};
use jobs::{AssignmentId, Currency, JobId, PartyId};

use super::{SqlStore, audit, journal, optional_id};
use crate::audit::{Action, By, New, details};
use crate::store::books::{BookStore, Booked, Entry, Holding, Period};
use crate::store::sql::{Database, Row, values};
use crate::store::{Answer, StoreError};

/// Seconds of a day of the table `days`.
const DAY_S: i64 = 86_400;

impl BookStore for SqlStore {
    fn book(&self, transfer: Transfer, by: By) -> Answer<'_, Booked> {
        Box::pin(async move { self.again(|| book(&self.database, &transfer, &by)).await })
    }

    fn holdings<'a>(&'a self, party: &'a PartyId) -> Answer<'a, Vec<Holding>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            // One statement, so that money on its way between two accounts is seen in one of them.
            let rows = session
                .fetch(
                    "SELECT currency, CAST(sum(available) AS BIGINT) AS available,
                            CAST(sum(in_escrow) AS BIGINT) AS in_escrow, CAST(sum(at_stake) AS BIGINT) AS at_stake
                     FROM (SELECT currency, balance AS available, 0 AS in_escrow, 0 AS at_stake
                           FROM accounts WHERE name = $1
                           UNION ALL
                           SELECT currency, 0, balance, 0 FROM jobs
                           JOIN accounts ON name = 'job/' || jobs.id || '/escrow'
                           WHERE tenant = $2 AND due_at IS NOT NULL
                           UNION ALL
                           SELECT currency, 0, 0, balance FROM agents
                           JOIN assignments ON assignments.agent = agents.id AND is_open = 1
                           JOIN accounts ON accounts.name = 'assignment/' || assignments.id || '/stake'
                           WHERE owner = $2) AS held
                     GROUP BY currency ORDER BY currency",
                    values![available(party), party],
                )
                .await?;
            rows.iter().map(holding).collect()
        })
    }

    fn treasury(&self) -> Answer<'_, Vec<(Currency, i64)>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session.fetch(
                "SELECT currency, balance FROM accounts WHERE name = $1 ORDER BY currency",
                values![Account::Treasury.to_string()],
            );
            let rows = rows.await?;
            rows.iter().map(|row| balance(row, "balance")).collect()
        })
    }

    fn statement<'a>(&'a self, party: &'a PartyId, period: Period) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let (at, number) = period.after.unwrap_or((period.from, i64::MIN));
            // The index is entered where the last page ended, not where the period begins.
            let from = period.from.max(at);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT number, kind, key, transfers.at, currency, amount, job, assignment
                     FROM postings JOIN transfers ON transfers.number = postings.transfer
                     WHERE account = $1 AND postings.at >= $2 AND postings.at < $3
                       AND (postings.at, transfer) > ($4, $5)
                     ORDER BY postings.at, transfer LIMIT $6",
                    values![available(party), from, period.to, at, number, period.limit],
                )
                .await?;
            rows.iter().map(entry).collect()
        })
    }

    fn opening_balances<'a>(
        &'a self,
        party: &'a PartyId,
        before: UnixTime,
    ) -> Answer<'a, Vec<(Currency, i64)>> {
        Box::pin(async move {
            // Whole days by their sums, and what there was of the last one.
            let day = before.secs().div_euclid(DAY_S);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT currency, CAST(sum(amount) AS BIGINT) AS sum
                     FROM (SELECT currency, amount FROM days WHERE account = $1 AND day < $2
                           UNION ALL
                           SELECT currency, amount
                           FROM postings JOIN transfers ON transfers.number = postings.transfer
                           WHERE account = $1 AND postings.at >= $3 AND postings.at < $4) AS earlier
                     GROUP BY currency ORDER BY currency",
                    values![available(party), day, day.saturating_mul(DAY_S), before],
                )
                .await?;
            rows.iter().map(|row| balance(row, "sum")).collect()
        })
    }
}

async fn book(database: &Database, transfer: &Transfer, by: &By) -> Result<Booked, StoreError> {
    let mut tx = database.write().await?;
    let booked = journal::book(&mut tx, transfer).await?;
    if booked == Booked::New {
        audit::commit_with(tx, entry_of(transfer, by)).await?;
    }
    Ok(booked)
}

/// Transfers of jobs are in the history of their jobs.
fn entry_of(transfer: &Transfer, by: &By) -> Option<New> {
    let action = match transfer.kind() {
        TransferKind::Deposit => Action::TransferDeposit,
        TransferKind::Withdrawal => Action::TransferWithdraw,
        TransferKind::Payout => Action::TransferPayout,
        _ => return None,
    };
    let of_party = transfer
        .postings()
        .iter()
        .find_map(|posting| match &posting.account {
            Account::Available(party) => Some((party, posting.amount)),
            _ => None,
        });
    let (party, amount) = of_party?;
    let details = details! { "amount": amount.abs(), "currency": transfer.currency() };
    let entry = New::done(by.clone(), action, transfer.key());
    Some(entry.of(party).with(details))
}

fn available(party: &PartyId) -> String {
    Account::Available(party.clone()).to_string()
}

fn holding(row: &Row) -> Result<Holding, StoreError> {
    Ok(Holding {
        currency: currency(row)?,
        available: row.int("available")?,
        in_escrow: row.int("in_escrow")?,
        at_stake: row.int("at_stake")?,
    })
}

fn balance(row: &Row, column: &'static str) -> Result<(Currency, i64), StoreError> {
    Ok((currency(row)?, row.int(column)?))
}

fn currency(row: &Row) -> Result<Currency, StoreError> {
    let malformed = |_| StoreError::Malformed { column: "currency" };
    Currency::parse(&row.text("currency")?).map_err(malformed)
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    let kind = serde_json::Value::String(row.text("kind")?);
    let malformed = |_| StoreError::Malformed { column: "kind" };
    let kind: TransferKind = serde_json::from_value(kind).map_err(malformed)?;
    Ok(Entry {
        number: row.int("number")?,
        kind,
        key: row.text("key")?,
        at: row.time("at")?,
        currency: currency(row)?,
        amount: row.int("amount")?,
        job: optional_id(row, "job", JobId::parse)?,
        assignment: optional_id(row, "assignment", AssignmentId::parse)?,
    })
}
