//! The audit log. Whoever appends holds the topic `audit` from there to the end of the transaction, so appending is the last
//! thing before a commit: nothing else is waited for meanwhile, and nobody who holds the topic waits for another lock.

use super::SqlStore;
use crate::audit::{Entry, Link, New};
use crate::store::audit::{AuditStore, Wanted};
use crate::store::sql::{Row, Session, Transaction, values};
use crate::store::{Answer, StoreError};

const TOPIC: &str = "audit";

/// A statement that reads whole entries.
macro_rules! select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT number, at, actor, actor_id, actor_issuer, actor_party, action, object, object_id, party,
                    request, trace, refused, details, previous, digest
             FROM audit WHERE ",
            $($rest),+
        )
    };
}

/// Which index is entered is said by what is asked for: a condition that may be absent enters none.
macro_rules! page {
    ($lead:literal) => {
        select!(
            $lead,
            " AND number < $3 AND at >= $4 AND ($5 IS NULL OR action = $5)
              AND ($6 IS NULL OR actor_id = $6 OR actor = $6)
             ORDER BY number DESC LIMIT $7"
        )
    };
}

const OF_ALL: &str = page!("$1 IS NULL AND $2 IS NULL");
const OF_OBJECT: &str = page!("object_id = $1 AND ($2 IS NULL OR party = $2 OR actor_party = $2)");
const OF_PARTY: &str = page!("$1 IS NULL AND (party = $2 OR actor_party = $2)");

/// Appends an entry and makes the transaction count: the change and its entry, or neither.
pub(super) async fn commit(tx: Transaction, new: New) -> Result<(), StoreError> {
    commit_with(tx, Some(new)).await
}

/// The same for a change that may have no entry.
pub(super) async fn commit_with(mut tx: Transaction, new: Option<New>) -> Result<(), StoreError> {
    let Some(new) = new else {
        return tx.commit().await;
    };
    let entry = append(&mut tx, new).await?;
    tx.commit().await?;
    // The log of the process is kept elsewhere, and has the head with it.
    let digest = hex::encode(&entry.digest);
    let (number, action) = (entry.number, entry.action);
    tracing::info!(number, digest, action, "audit entry");
    Ok(())
}

async fn append(tx: &mut Transaction, new: New) -> Result<Entry, StoreError> {
    tx.hold(TOPIC).await?;
    let last = head(tx).await?;
    let malformed = |_| StoreError::Malformed { column: "details" };
    let entry = new.after(last).map_err(malformed)?;
    let stored = entry.clone();
    tx.execute(
        "INSERT INTO audit (number, at, actor, actor_id, actor_issuer, actor_party, action, object, object_id, party,
                            request, trace, refused, details, previous, digest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        values![
            stored.number,
            stored.at,
            stored.actor,
            stored.actor_id,
            stored.actor_issuer,
            stored.actor_party,
            stored.action,
            stored.object,
            stored.object_id,
            stored.party,
            stored.request,
            stored.trace,
            stored.refused,
            stored.details,
            stored.previous,
            stored.digest
        ],
    )
    .await?;
    Ok(entry)
}

async fn head(session: &mut Session) -> Result<Link, StoreError> {
    let last = "SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1";
    let row = session.fetch_optional(last, values![]).await?;
    row.map_or(Ok(Link::BEGINNING), |row| {
        Ok(Link {
            number: row.int("number")?,
            digest: row.array("digest")?,
        })
    })
}

impl SqlStore {
    async fn write_entry(&self, new: New) -> Result<(), StoreError> {
        commit(self.database.write().await?, new).await
    }
}

impl AuditStore for SqlStore {
    fn add_entry(&self, new: New) -> Answer<'_, ()> {
        Box::pin(self.write_entry(new))
    }

    fn audit(&self, wanted: Wanted) -> Answer<'_, Vec<Entry>> {
        Box::pin(async move {
            let sql = match (&wanted.object, wanted.party) {
                (Some(_), _) => OF_OBJECT,
                (None, Some(_)) => OF_PARTY,
                (None, None) => OF_ALL,
            };
            let values = values![
                wanted.object,
                wanted.party,
                wanted.before.unwrap_or(i64::MAX),
                wanted.since.map_or(i64::MIN, |since| since.secs()),
                wanted.action.map(|action| action.as_str()),
                wanted.actor,
                wanted.limit
            ];
            let mut session = self.database.read().await?;
            let rows = session.fetch(sql, values).await?;
            rows.iter().map(read).collect()
        })
    }

    fn audit_after(&self, number: i64, limit: u32) -> Answer<'_, Vec<Entry>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let sql = select!("number > $1 ORDER BY number LIMIT $2");
            let rows = session.fetch(sql, values![number, limit]).await?;
            rows.iter().map(read).collect()
        })
    }

    fn audit_head(&self) -> Answer<'_, Link> {
        Box::pin(async move { head(&mut self.database.read().await?).await })
    }
}

fn read(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        number: row.int("number")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        actor_id: row.optional_text("actor_id")?,
        actor_issuer: row.optional_text("actor_issuer")?,
        actor_party: row.optional_text("actor_party")?,
        action: row.text("action")?,
        object: row.text("object")?,
        object_id: row.optional_text("object_id")?,
        party: row.optional_text("party")?,
        request: row.optional_text("request")?,
        trace: row.optional_text("trace")?,
        refused: row.optional_text("refused")?,
        details: row.text("details")?,
        previous: row.bytes("previous")?,
        digest: row.bytes("digest")?,
    })
}
