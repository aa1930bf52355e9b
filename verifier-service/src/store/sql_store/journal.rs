//! The journal and the balances, inside a transaction that may hold more.

use jobs::books::{Account, Posting, Transfer};
use jobs::{Amount, Currency, PartyId};

use crate::store::StoreError;
use crate::store::books::Booked;
use crate::store::sql::{Lock, Transaction, values};

/// The largest amount there is.
const MOST: i64 = evidence::work::MAX_SAFE_INTEGER;

/// Books a transfer. Whatever is answered but [`Booked::New`], the transaction is to be dropped.
pub(super) async fn book(tx: &mut Transaction, transfer: &Transfer) -> Result<Booked, StoreError> {
    balanced(transfer)?;
    let inserted = tx
        .execute_returning(
            "INSERT INTO transfers (kind, key, at, currency, job, assignment)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, key) DO NOTHING RETURNING number",
            values![
                transfer.kind().as_str(),
                transfer.key(),
                transfer.at(),
                transfer.currency(),
                transfer.job().map(|id| id.as_str()),
                transfer.assignment().map(|id| id.as_str()),
            ],
        )
        .await?;
    let Some(row) = inserted.first() else {
        return booked_before(tx, transfer).await;
    };
    let number = row.int("number")?;
    // Always in the same order, so that two transfers between the same accounts do not wait for each other.
    let mut postings: Vec<_> = transfer.postings().iter().collect();
    postings.sort_by_cached_key(|posting| posting.account.to_string());
    for posting in postings {
        if !post(tx, number, posting, transfer).await? {
            return Ok(Booked::Overdrawn);
        }
    }
    Ok(Booked::New)
}

/// What a party has available, and nobody else changes before the transaction ends.
pub(super) async fn available(
    tx: &mut Transaction,
    party: &PartyId,
    currency: Currency,
) -> Result<Amount, StoreError> {
    let account = Account::Available(party.clone()).to_string();
    let rows = tx
        .fetch_locked(
            "SELECT balance FROM accounts WHERE name = $1 AND currency = $2",
            Lock::Wait,
            values![account, currency],
        )
        .await?;
    let balance = rows.first().map(|row| row.int("balance")).transpose()?;
    let malformed = |_| StoreError::Malformed { column: "balance" };
    // What cannot be counted cannot be spent at once either.
    Amount::new(balance.unwrap_or_default().min(MOST)).map_err(malformed)
}

fn balanced(transfer: &Transfer) -> Result<(), StoreError> {
    let amounts = transfer.postings().iter().map(|p| i128::from(p.amount));
    match amounts.sum::<i128>() {
        0 => Ok(()),
        sum => Err(StoreError::Conflict {
            what: format!(
                "{} {} sums to {sum}",
                transfer.kind().as_str(),
                transfer.key()
            ),
        }),
    }
}

async fn post(
    tx: &mut Transaction,
    number: i64,
    posting: &Posting,
    transfer: &Transfer,
) -> Result<bool, StoreError> {
    let account = posting.account.to_string();
    // Towards the side on which the account may be, anything goes; towards the other, what is there.
    let change = match (posting.account.may_be_negative(), posting.amount >= 0) {
        (false, true) | (true, false) => {
            "INSERT INTO accounts (name, currency, balance) VALUES ($1, $2, $3)
             ON CONFLICT (name, currency) DO UPDATE SET balance = accounts.balance + excluded.balance"
        }
        (false, false) => {
            "UPDATE accounts SET balance = balance + $3
             WHERE name = $1 AND currency = $2 AND balance + $3 >= 0"
        }
        (true, true) => {
            "UPDATE accounts SET balance = balance + $3
             WHERE name = $1 AND currency = $2 AND balance + $3 <= 0"
        }
    };
    let changed = tx
        .execute(
            change,
            values![account.as_str(), transfer.currency(), posting.amount],
        )
        .await?;
    if changed != 1 {
        return Ok(false);
    }
    // After the account, which is locked now: the database adds a posting to its day, and whoever locked an account to see
    // what there is comes to the day after it too.
    tx.execute(
        "INSERT INTO postings (transfer, account, amount, at) VALUES ($1, $2, $3, $4)",
        values![number, account, posting.amount, transfer.at()],
    )
    .await?;
    Ok(true)
}

async fn booked_before(tx: &mut Transaction, transfer: &Transfer) -> Result<Booked, StoreError> {
    let rows = tx
        .fetch(
            "SELECT postings.account, postings.amount, transfers.currency FROM transfers
             JOIN postings ON postings.transfer = transfers.number
             WHERE transfers.kind = $1 AND transfers.key = $2",
            values![transfer.kind().as_str(), transfer.key()],
        )
        .await?;
    let mut booked = Vec::new();
    for row in &rows {
        let posting = (row.text("account")?, row.int("amount")?);
        booked.push((posting, row.text("currency")?));
    }
    let currency = transfer.currency().to_string();
    let postings = transfer.postings().iter();
    let mut asked: Vec<_> = postings
        .map(|p| ((p.account.to_string(), p.amount), currency.clone()))
        .collect();
    booked.sort();
    asked.sort();
    Ok(match booked == asked {
        true => Booked::Before,
        false => Booked::Differs,
    })
}
