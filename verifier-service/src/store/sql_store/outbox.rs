//! Webhooks, and what is still to be sent to them.

use evidence::UnixTime;
use jobs::PartyId;

use super::{SqlStore, after, id};
use crate::id::Id;
use crate::store::outbox::{Attempt, Delivery, DeliveryNumber, OutboxStore, Webhook};
use crate::store::sql::{Lock, Row, Session, Value, values};
use crate::store::{Answer, Page, StoreError};

impl SqlStore {
    async fn take_deliveries(
        &self,
        now: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut tx = self.database.write().await?;
        let rows = tx
            .fetch_locked(
                "SELECT number FROM deliveries WHERE status = 'pending' AND due_at <= $1
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
            taken.extend(delivery_of(&mut tx, number).await?);
        }
        if !rows.is_empty() {
            tx.commit().await?;
        }
        Ok(taken)
    }

    async fn remove(&self, party: &PartyId, id: Id, now: UnixTime) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let removed = tx
            .execute(
                "UPDATE webhooks SET removed_at = $1 WHERE id = $2 AND party = $3 AND removed_at IS NULL",
                values![now, id, party],
            )
            .await?;
        if removed == 0 {
            return Ok(false);
        }
        tx.execute(
            "DELETE FROM deliveries WHERE webhook = $1 AND status <> 'delivered'",
            values![id],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl SqlStore {
    /// Executes one statement; says whether it changed a row.
    async fn changes(&self, sql: &'static str, values: Vec<Value>) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let changed = tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }
}

impl OutboxStore for SqlStore {
    fn add_webhook(&self, webhook: Webhook) -> Answer<'_, ()> {
        Box::pin(async move {
            self.changes(
                "INSERT INTO webhooks (id, party, url, secret, created_at) VALUES ($1, $2, $3, $4, $5)",
                values![
                    webhook.id,
                    &webhook.party,
                    webhook.url,
                    webhook.secret,
                    webhook.created_at
                ],
            )
            .await
            .map(drop)
        })
    }

    fn webhooks<'a>(&'a self, party: &'a PartyId, page: Page) -> Answer<'a, Vec<Webhook>> {
        Box::pin(async move {
            let (at, name) = after(&page);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id AS webhook, party, url, secret, created_at FROM webhooks
                     WHERE party = $1 AND removed_at IS NULL AND (created_at, id) < ($2, $3)
                     ORDER BY created_at DESC, id DESC LIMIT $4",
                    values![party, at, name, page.limit],
                )
                .await?;
            rows.iter().map(webhook).collect()
        })
    }

    fn remove_webhook<'a>(&'a self, party: &'a PartyId, id: Id, now: UnixTime) -> Answer<'a, bool> {
        Box::pin(async move { self.again(|| self.remove(party, id, now)).await })
    }

    fn due_deliveries(
        &self,
        now: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>> {
        Box::pin(async move { self.again(|| self.take_deliveries(now, until, limit)).await })
    }

    fn attempted(&self, number: DeliveryNumber, attempt: Attempt) -> Answer<'_, ()> {
        Box::pin(async move {
            let (sql, values) = noted(number, attempt);
            self.changes(sql, values).await.map(drop)
        })
    }

    fn dead_letters(
        &self,
        webhook: Id,
        before: Option<DeliveryNumber>,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT number FROM deliveries WHERE webhook = $1 AND status = 'dead' AND number < $2
                     ORDER BY number DESC LIMIT $3",
                    values![webhook, before.unwrap_or(i64::MAX), limit],
                )
                .await?;
            let mut dead = Vec::new();
            for row in &rows {
                dead.extend(delivery_of(&mut session, row.int("number")?).await?);
            }
            Ok(dead)
        })
    }

    fn redeliver(&self, webhook: Id, number: DeliveryNumber, now: UnixTime) -> Answer<'_, bool> {
        Box::pin(self.changes(
            "UPDATE deliveries SET status = 'pending', due_at = $1, attempts = 0
             WHERE number = $2 AND webhook = $3 AND status = 'dead'",
            values![now, number, webhook],
        ))
    }
}

/// A late report of an attempt does not bring back what was delivered.
fn noted(number: DeliveryNumber, attempt: Attempt) -> (&'static str, Vec<Value>) {
    match attempt {
        Attempt::Delivered => (
            "UPDATE deliveries SET status = 'delivered', attempts = attempts + 1, failure = NULL
             WHERE number = $1",
            values![number],
        ),
        Attempt::Retry { at, failure } => (
            "UPDATE deliveries SET due_at = $1, attempts = attempts + 1, failure = $2
             WHERE number = $3 AND status = 'pending'",
            values![at, failure, number],
        ),
        Attempt::Dead { failure } => (
            "UPDATE deliveries SET status = 'dead', attempts = attempts + 1, failure = $1
             WHERE number = $2 AND status = 'pending'",
            values![failure, number],
        ),
    }
}

async fn delivery_of(
    session: &mut Session,
    number: DeliveryNumber,
) -> Result<Option<Delivery>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT deliveries.number AS delivery, attempts, failure, webhook, party, url, secret, created_at,
                    events.number, job, at, kind, body
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
        event: super::jobs::event(row)?,
        attempts: row.u32("attempts")?,
        failure: row.optional_text("failure")?,
    })
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.parsed("webhook")?,
        party: id(row, "party", PartyId::parse)?,
        url: row.text("url")?,
        secret: row.bytes("secret")?,
        created_at: row.time("created_at")?,
    })
}
