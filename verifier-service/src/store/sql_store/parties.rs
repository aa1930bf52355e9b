//! Parties and their API keys.

use evidence::UnixTime;
use jobs::PartyId;

use super::{SqlStore, after, id};
use crate::id::Id;
use crate::store::parties::{Party, PartyStore, StoredKey};
use crate::store::sql::{Row, values};
use crate::store::{Answer, Page, StoreError};

impl SqlStore {
    /// Executes one statement; says whether it changed a row.
    pub(super) async fn changes(
        &self,
        sql: &'static str,
        values: Vec<crate::store::sql::Value>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let changed = tx.execute(sql, values).await?;
        tx.commit().await?;
        Ok(changed > 0)
    }
}

impl PartyStore for SqlStore {
    fn add_party(&self, party: Party) -> Answer<'_, bool> {
        Box::pin(self.changes(
            "INSERT INTO parties (id, kind, name, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            values![&party.id, party.kind.as_str(), party.name, party.created_at],
        ))
    }

    fn party<'a>(&'a self, id: &'a PartyId) -> Answer<'a, Option<Party>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT id AS party, kind, name, created_at AS since FROM parties WHERE id = $1",
                    values![id],
                )
                .await?;
            row.as_ref().map(party).transpose()
        })
    }

    fn parties(&self, page: Page) -> Answer<'_, Vec<Party>> {
        Box::pin(async move {
            let (at, name) = after(&page);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id AS party, kind, name, created_at AS since FROM parties
                     WHERE (created_at, id) < ($1, $2)
                     ORDER BY created_at DESC, id DESC LIMIT $3",
                    values![at, name, page.limit],
                )
                .await?;
            rows.iter().map(party).collect()
        })
    }

    fn add_key(&self, key: StoredKey) -> Answer<'_, bool> {
        Box::pin(self.changes(
            "INSERT INTO api_keys (id, party, prefix, sha256, scopes, label, created_at)
             SELECT $1, id, $3, $4, $5, $6, $7 FROM parties WHERE id = $2
             ON CONFLICT DO NOTHING",
            values![
                key.id,
                &key.party,
                key.prefix,
                key.sha256,
                key.scopes,
                key.label,
                key.created_at
            ],
        ))
    }

    fn key<'a>(&'a self, prefix: &'a str) -> Answer<'a, Option<(StoredKey, Party)>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT api_keys.id, party, prefix, sha256, scopes, label, api_keys.created_at, revoked_at,
                            kind, name, parties.created_at AS since
                     FROM api_keys JOIN parties ON parties.id = api_keys.party WHERE prefix = $1",
                    values![prefix],
                )
                .await?;
            row.map(|row| Ok((key(&row)?, party(&row)?))).transpose()
        })
    }

    fn keys<'a>(&'a self, party: &'a PartyId, page: Page) -> Answer<'a, Vec<StoredKey>> {
        Box::pin(async move {
            let (at, name) = after(&page);
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id, party, prefix, sha256, scopes, label, created_at, revoked_at FROM api_keys
                     WHERE party = $1 AND (created_at, id) < ($2, $3)
                     ORDER BY created_at DESC, id DESC LIMIT $4",
                    values![party, at, name, page.limit],
                )
                .await?;
            rows.iter().map(key).collect()
        })
    }

    fn revoke_key<'a>(&'a self, party: &'a PartyId, id: Id, now: UnixTime) -> Answer<'a, bool> {
        // Again: since when it was.
        Box::pin(self.changes(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2 AND party = $3",
            values![now, id, party],
        ))
    }
}

fn party(row: &Row) -> Result<Party, StoreError> {
    Ok(Party {
        id: id(row, "party", PartyId::parse)?,
        kind: row.parsed("kind")?,
        name: row.text("name")?,
        created_at: row.time("since")?,
    })
}

fn key(row: &Row) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        id: row.parsed("id")?,
        party: id(row, "party", PartyId::parse)?,
        prefix: row.text("prefix")?,
        sha256: row.array("sha256")?,
        scopes: row.text("scopes")?,
        label: row.optional_text("label")?,
        created_at: row.time("created_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}
