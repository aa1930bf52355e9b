//! Deliveries: taken, marked, given up, tried again.
//!
//! Of the deliveries about one job to one webhook, only the first that is pending is handed out. The others are due
//! whenever it is, so that those for a receiver that is away are not looked at again and again.

use evidence::UnixTime;

use super::webhook;
use crate::audit::{New, details};
use crate::id::Id;
use crate::store::StoreError;
use crate::store::jobs::EventNumber;
use crate::store::outbox::{Attempt, Delivery, DeliveryNumber};
use crate::store::sql::{Database, Lock, Row, Session, Transaction, values};
use crate::store::sql_store::audit;

/// Looks without a transaction: mostly there are none.
pub(super) async fn are_any_due(database: &Database, now: UnixTime) -> Result<bool, StoreError> {
    let mut session = database.read().await?;
    let row = session
        .fetch_optional(
            "SELECT number FROM deliveries WHERE status = 'pending' AND due_at <= $1 LIMIT 1",
            values![now],
        )
        .await?;
    Ok(row.is_some())
}

pub(super) async fn take(
    database: &Database,
    now: UnixTime,
    until: UnixTime,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let mut tx = database.write().await?;
    let rows = tx
        .fetch_locked(
            "SELECT number FROM deliveries WHERE status = 'pending' AND due_at <= $1
                AND NOT EXISTS (SELECT 1 FROM deliveries AS earlier
                    WHERE earlier.status = 'pending' AND earlier.webhook = deliveries.webhook
                      AND earlier.job = deliveries.job AND earlier.number < deliveries.number)
             ORDER BY due_at, number LIMIT $2",
            Lock::SkipTaken,
            values![now, limit],
        )
        .await?;
    let mut taken = Vec::new();
    for row in &rows {
        let number = row.int("number")?;
        tx.execute(
            "UPDATE deliveries SET due_at = $1 WHERE number = $2",
            values![until, number],
        )
        .await?;
        if is_dropped(&mut tx, number).await? {
            continue;
        }
        taken.extend(of_number(&mut tx, number).await?);
    }
    if !rows.is_empty() {
        tx.commit().await?;
    }
    Ok(taken)
}

/// An event that was written while its webhook was removed or disabled leaves a delivery that nobody is to be told of.
async fn is_dropped(tx: &mut Transaction, number: DeliveryNumber) -> Result<bool, StoreError> {
    let removed = tx
        .execute(
            "DELETE FROM deliveries WHERE number = $1
                AND webhook IN (SELECT id FROM webhooks WHERE removed_at IS NOT NULL)",
            values![number],
        )
        .await?;
    let disabled = tx
        .execute(
            "UPDATE deliveries SET status = 'dead', failure = 'the webhook is disabled' WHERE number = $1
                AND webhook IN (SELECT id FROM webhooks WHERE disabled_at IS NOT NULL)",
            values![number],
        )
        .await?;
    Ok(removed + disabled > 0)
}

/// Whoever reports late does not bring back what was delivered, and changes nothing for those behind it.
pub(super) async fn note(
    database: &Database,
    number: DeliveryNumber,
    attempt: &Attempt,
    now: UnixTime,
) -> Result<(), StoreError> {
    let mut tx = database.write().await?;
    let (sql, values) = match attempt {
        Attempt::Delivered => (
            "UPDATE deliveries SET status = 'delivered', attempts = attempts + 1, failure = NULL
             WHERE number = $1 AND status <> 'delivered'",
            values![number],
        ),
        Attempt::Postponed { until } => (
            "UPDATE deliveries SET due_at = $1 WHERE number = $2 AND status = 'pending'",
            values![*until, number],
        ),
        Attempt::Retry { at, failure } => (
            "UPDATE deliveries SET due_at = $1, attempts = attempts + 1, failure = $2
             WHERE number = $3 AND status = 'pending'",
            values![*at, failure.as_str(), number],
        ),
        Attempt::Dead { failure } | Attempt::Gone { failure } => (
            "UPDATE deliveries SET status = 'dead', attempts = attempts + 1, failure = $1
             WHERE number = $2 AND status = 'pending'",
            values![failure.as_str(), number],
        ),
    };
    if tx.execute(sql, values).await? == 0 {
        return Ok(());
    }
    match attempt {
        Attempt::Postponed { .. } => {}
        Attempt::Retry { at, .. } => those_behind_are_due(&mut tx, number, *at).await?,
        Attempt::Delivered | Attempt::Dead { .. } => {
            those_behind_are_due(&mut tx, number, now).await?;
        }
        Attempt::Gone { .. } => disable(&mut tx, number, now).await?,
    }
    tx.commit().await
}

async fn those_behind_are_due(
    tx: &mut Transaction,
    number: DeliveryNumber,
    at: UnixTime,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE deliveries SET due_at = $1
         WHERE status = 'pending' AND number > $2 AND due_at <> $1
           AND webhook = (SELECT webhook FROM deliveries WHERE number = $2)
           AND job = (SELECT job FROM deliveries WHERE number = $2)",
        values![at, number],
    )
    .await
    .map(drop)
}

async fn disable(
    tx: &mut Transaction,
    number: DeliveryNumber,
    now: UnixTime,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE webhooks SET disabled_at = $1
         WHERE disabled_at IS NULL AND id = (SELECT webhook FROM deliveries WHERE number = $2)",
        values![now, number],
    )
    .await?;
    tx.execute(
        "UPDATE deliveries SET status = 'dead', failure = 'the webhook is disabled'
         WHERE status = 'pending' AND webhook = (SELECT webhook FROM deliveries WHERE number = $1)",
        values![number],
    )
    .await
    .map(drop)
}

pub(super) async fn dead(
    database: &Database,
    webhook: Id,
    before: Option<DeliveryNumber>,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    let mut session = database.read().await?;
    let rows = session
        .fetch(
            "SELECT number FROM deliveries WHERE webhook = $1 AND status = 'dead' AND number < $2
             ORDER BY number DESC LIMIT $3",
            values![webhook, before.unwrap_or(i64::MAX), limit],
        )
        .await?;
    let mut dead = Vec::new();
    for row in &rows {
        dead.extend(of_number(&mut session, row.int("number")?).await?);
    }
    Ok(dead)
}

pub(super) async fn revive(
    database: &Database,
    webhook: Id,
    events: Option<&[EventNumber]>,
    entry: &New,
) -> Result<u64, StoreError> {
    let now = entry.by.at;
    let mut tx = database.write().await?;
    let mut revived = 0;
    match events {
        None => {
            revived += tx
                .execute(
                    "UPDATE deliveries SET status = 'pending', due_at = $1, attempts = 0
                     WHERE webhook = $2 AND status = 'dead'",
                    values![now, webhook],
                )
                .await?;
        }
        Some(events) => {
            for event in events {
                revived += tx
                    .execute(
                        "UPDATE deliveries SET status = 'pending', due_at = $1, attempts = 0
                         WHERE webhook = $2 AND status = 'dead' AND event = $3",
                        values![now, webhook, *event],
                    )
                    .await?;
            }
        }
    }
    if revived > 0 {
        let entry = entry.clone().with(details! { "messages": revived });
        audit::commit(tx, entry).await?;
    }
    Ok(revived)
}

async fn of_number(
    session: &mut Session,
    number: DeliveryNumber,
) -> Result<Option<Delivery>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT deliveries.number AS delivery, attempts, failure, webhook, party, url, kinds, secret,
                    former_secret, former_until, created_at, disabled_at, events.number, events.job, at, kind, body
             FROM deliveries JOIN webhooks ON webhooks.id = deliveries.webhook
                             JOIN events ON events.number = deliveries.event
             WHERE deliveries.number = $1",
            values![number],
        )
        .await?;
    row.as_ref().map(delivery).transpose()
}

fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        number: row.int("delivery")?,
        webhook: webhook(row)?,
        event: super::super::jobs::event(row)?,
        attempts: row.u32("attempts")?,
        failure: row.optional_text("failure")?,
    })
}
