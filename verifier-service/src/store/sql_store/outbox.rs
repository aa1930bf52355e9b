//! Webhooks, and what is still to be sent to them.

mod deliveries;

use evidence::UnixTime;
use jobs::{EventKind, PartyId};

use super::{SqlStore, after, audit, id};
use crate::audit::{Action, By, New, details};
use crate::id::Id;
use crate::store::jobs::EventNumber;
use crate::store::outbox::{AddedWebhook, Attempt, Delivery, DeliveryNumber, OutboxStore, Webhook};
use crate::store::sql::{Lock, Row, values};
use crate::store::{Answer, Page, StoreError};

impl SqlStore {
    async fn insert_webhook(
        &self,
        webhook: &Webhook,
        most: u32,
        by: By,
    ) -> Result<AddedWebhook, StoreError> {
        let mut tx = self.database.write().await?;
        let of_id = "SELECT id FROM parties WHERE id = $1";
        tx.fetch_locked(of_id, Lock::Wait, values![&webhook.party])
            .await?;
        let count = tx.fetch_int(
            "SELECT count(*) AS n FROM webhooks WHERE party = $1 AND removed_at IS NULL",
            values![&webhook.party],
        );
        if count.await? >= most.into() {
            return Ok(AddedWebhook::TooMany);
        }
        tx.execute(
            "INSERT INTO webhooks (id, party, url, kinds, secret, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            values![
                webhook.id,
                &webhook.party,
                webhook.url.as_str(),
                webhook.kinds.as_deref().map(words),
                webhook.secret.as_slice(),
                webhook.created_at
            ],
        )
        .await?;
        let entry = New::done(by, Action::WebhookCreate, webhook.id).of(&webhook.party);
        let entry = entry.with(details! { "host": host(&webhook.url) });
        audit::commit(tx, entry).await?;
        Ok(AddedWebhook::Stored)
    }

    async fn remove(&self, party: &PartyId, id: Id, by: &By) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let removed = tx
            .execute(
                "UPDATE webhooks SET removed_at = $1 WHERE id = $2 AND party = $3 AND removed_at IS NULL",
                values![by.at, id, party],
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
        audit::commit(
            tx,
            New::done(by.clone(), Action::WebhookRemove, id).of(party),
        )
        .await?;
        Ok(true)
    }

    async fn put_secret(
        &self,
        party: &PartyId,
        id: Id,
        secret: &[u8],
        former_until: UnixTime,
        by: By,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let changed = tx
            .execute(
                "UPDATE webhooks SET former_secret = secret, former_until = $1, secret = $2
                 WHERE id = $3 AND party = $4 AND removed_at IS NULL",
                values![former_until, secret, id, party],
            )
            .await?;
        if changed != 1 {
            return Ok(false);
        }
        let entry = New::done(by, Action::WebhookRotate, id).of(party);
        let entry = entry.with(details! { "former_until": former_until });
        audit::commit(tx, entry).await?;
        Ok(true)
    }
}

impl OutboxStore for SqlStore {
    fn add_webhook(&self, webhook: Webhook, most: u32, by: By) -> Answer<'_, AddedWebhook> {
        Box::pin(async move { self.insert_webhook(&webhook, most, by).await })
    }

    fn webhooks<'a>(&'a self, party: &'a PartyId, page: Page) -> Answer<'a, Vec<Webhook>> {
        Box::pin(async move {
            let (at, name) = after(&page);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id AS webhook, party, url, kinds, secret, former_secret, former_until, created_at,
                            disabled_at
                     FROM webhooks
                     WHERE party = $1 AND removed_at IS NULL AND (created_at, id) < ($2, $3)
                     ORDER BY created_at DESC, id DESC LIMIT $4",
                    values![party, at, name, page.limit],
                )
                .await?;
            rows.iter().map(webhook).collect()
        })
    }

    fn webhook<'a>(&'a self, party: &'a PartyId, id: Id) -> Answer<'a, Option<Webhook>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT id AS webhook, party, url, kinds, secret, former_secret, former_until, created_at,
                            disabled_at
                     FROM webhooks WHERE id = $1 AND party = $2 AND removed_at IS NULL",
                    values![id, party],
                )
                .await?;
            row.as_ref().map(webhook).transpose()
        })
    }

    fn remove_webhook<'a>(&'a self, party: &'a PartyId, id: Id, by: By) -> Answer<'a, bool> {
        Box::pin(async move { self.again(|| self.remove(party, id, &by)).await })
    }

    fn replace_secret<'a>(
        &'a self,
        party: &'a PartyId,
        id: Id,
        secret: Vec<u8>,
        former_until: UnixTime,
        by: By,
    ) -> Answer<'a, bool> {
        Box::pin(async move { self.put_secret(party, id, &secret, former_until, by).await })
    }

    fn due_deliveries(
        &self,
        now: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>> {
        Box::pin(async move {
            if !deliveries::are_any_due(&self.database, now).await? {
                return Ok(Vec::new());
            }
            self.again(|| deliveries::take(&self.database, now, until, limit))
                .await
        })
    }

    fn attempted(&self, number: DeliveryNumber, attempt: Attempt, now: UnixTime) -> Answer<'_, ()> {
        Box::pin(async move {
            self.again(|| deliveries::note(&self.database, number, &attempt, now))
                .await
        })
    }

    fn dead_letters(
        &self,
        webhook: Id,
        before: Option<DeliveryNumber>,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>> {
        Box::pin(deliveries::dead(&self.database, webhook, before, limit))
    }

    fn redeliver<'a>(
        &'a self,
        party: &'a PartyId,
        webhook: Id,
        events: Option<Vec<EventNumber>>,
        by: By,
    ) -> Answer<'a, u64> {
        Box::pin(async move {
            let entry = New::done(by, Action::WebhookRedeliver, webhook).of(party);
            self.again(|| deliveries::revive(&self.database, webhook, events.as_deref(), &entry))
                .await
        })
    }
}

/// Where it is, without the path: that may be what lets its bearer in.
fn host(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.host_str().map(str::to_owned)
}

fn words(kinds: &[EventKind]) -> String {
    let words: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    words.join(" ")
}

fn kinds(text: &str) -> Result<Vec<EventKind>, StoreError> {
    let malformed = |_| StoreError::Malformed { column: "kinds" };
    let kind = |word: &str| serde_json::from_value(word.into()).map_err(malformed);
    text.split(' ').map(kind).collect()
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    let former = (
        row.optional_bytes("former_secret")?,
        row.optional_time("former_until")?,
    );
    Ok(Webhook {
        id: row.parsed("webhook")?,
        party: id(row, "party", PartyId::parse)?,
        url: row.text("url")?,
        kinds: row
            .optional_text("kinds")?
            .map(|text| kinds(&text))
            .transpose()?,
        secret: row.bytes("secret")?,
        former: former.0.zip(former.1),
        created_at: row.time("created_at")?,
        disabled_at: row.optional_time("disabled_at")?,
    })
}
