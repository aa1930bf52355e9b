//! Parties and their API keys. Whoever adds a key holds the row of its party, so that keys are counted rightly.

use evidence::UnixTime;

use super::{SqlStore, audit};
use crate::audit::{Action, By, New, details};
use crate::id::Id;
use crate::store::parties::{AddedKey, AddedParty, ApiKey, PageOf, Party, PartyStore};
use crate::store::sql::{Lock, Row, Session, ToValue, Transaction, Value, values};
use crate::store::{Answer, StoreError};

impl SqlStore {
    async fn insert_party(&self, party: Party, by: By) -> Result<AddedParty, StoreError> {
        let mut tx = self.database.write().await?;
        let added = tx
            .execute(
                "INSERT INTO parties (id, kind, name, oidc_name, created_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (oidc_name) DO NOTHING",
                values![
                    party.id,
                    party.kind.as_str(),
                    party.name,
                    party.oidc_name,
                    party.created_at
                ],
            )
            .await?;
        if added == 0 {
            return Ok(AddedParty::OidcNameTaken);
        }
        let entry = New::done(by, Action::PartyCreate, party.id).of(party.id);
        let entry = entry.with(details! { "kind": party.kind });
        audit::commit(tx, entry).await?;
        Ok(AddedParty::Stored)
    }

    async fn bar(&self, id: Id, is_barred: bool, by: By) -> Result<Option<Party>, StoreError> {
        let mut tx = self.database.write().await?;
        let changed = tx.execute(
            "UPDATE parties SET barred_at = $2 WHERE id = $1 AND (barred_at IS NULL) <> ($2 IS NULL)",
            values![id, is_barred.then_some(by.at)],
        );
        let changed = changed.await? > 0;
        let of_id =
            "SELECT id, kind, name, oidc_name, created_at, barred_at FROM parties WHERE id = $1";
        let row = tx.fetch_optional(of_id, values![id]).await?;
        let party = row.as_ref().map(read_party).transpose()?;
        if changed {
            // Whoever offers holds its agents, in this order: what is offered meanwhile is offered before this.
            let its_agents =
                "SELECT id FROM agents WHERE owner = $1 AND removed_at IS NULL ORDER BY id";
            tx.fetch_locked(its_agents, Lock::Wait, values![id]).await?;
            let action = match is_barred {
                true => Action::PartyBar,
                false => Action::PartyAdmit,
            };
            audit::commit(tx, New::done(by, action, id).of(id)).await?;
        }
        Ok(party)
    }

    async fn insert_key(&self, key: ApiKey, most: u32, by: By) -> Result<AddedKey, StoreError> {
        let mut tx = self.database.write().await?;
        if !hold_party(&mut tx, key.party).await? {
            return Ok(AddedKey::NoParty);
        }
        let count = tx.fetch_int(
            "SELECT count(*) AS n FROM api_keys
             WHERE party = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
            values![key.party, key.created_at],
        );
        if count.await? >= most.into() {
            return Ok(AddedKey::TooMany);
        }
        let added = tx
            .execute(
                "INSERT INTO api_keys (id, party, prefix, sha256, scopes, label, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (prefix) DO NOTHING",
                values![
                    key.id,
                    key.party,
                    key.prefix,
                    key.sha256,
                    key.scopes.to_string(),
                    key.label,
                    key.created_at,
                    key.expires_at
                ],
            )
            .await?;
        if added == 0 {
            return Ok(AddedKey::PrefixTaken);
        }
        let entry = New::done(by, Action::ApiKeyCreate, key.id).of(key.party);
        let details = details! { "scopes": key.scopes, "expires_at": key.expires_at };
        audit::commit(tx, entry.with(details)).await?;
        Ok(AddedKey::Stored)
    }

    async fn revoke_key(&self, party: Id, key: Id, by: By) -> Result<bool, StoreError> {
        let mut tx = self.database.write().await?;
        let revoked = tx.execute(
            "UPDATE api_keys SET revoked_at = $3 WHERE id = $1 AND party = $2 AND revoked_at IS NULL",
            values![key, party, by.at],
        );
        if revoked.await? == 0 {
            let before = "SELECT count(*) AS n FROM api_keys WHERE id = $1 AND party = $2";
            return Ok(tx.fetch_int(before, values![key, party]).await? > 0);
        }
        audit::commit(tx, New::done(by, Action::ApiKeyRevoke, key).of(party)).await?;
        Ok(true)
    }

    async fn note_use(&self, key: Id, now: UnixTime) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        tx.execute(
            "UPDATE api_keys SET last_used_at = $2
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
            values![key, now],
        )
        .await?;
        tx.commit().await
    }

    async fn one_party(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Party>, StoreError> {
        let mut session = self.database.read().await?;
        let row = session.fetch_optional(sql, values).await?;
        row.as_ref().map(read_party).transpose()
    }
}

/// Keeps others from changing what belongs to a party until the transaction ends; `false` if there is no such party.
pub(super) async fn hold_party(
    tx: &mut Transaction,
    party: impl ToValue,
) -> Result<bool, StoreError> {
    let of_id = "SELECT id FROM parties WHERE id = $1";
    let held = tx.fetch_locked(of_id, Lock::Wait, values![party]).await?;
    Ok(!held.is_empty())
}

/// The last entry of the page before; for the first page, what comes after everything.
pub(super) fn before(page: PageOf) -> (i64, String) {
    page.after.map_or_else(
        || (i64::MAX, String::new()),
        |(at, id)| (at.secs(), id.to_string()),
    )
}

impl PartyStore for SqlStore {
    fn add_party(&self, party: Party, by: By) -> Answer<'_, AddedParty> {
        Box::pin(self.insert_party(party, by))
    }

    fn party(&self, id: Id) -> Answer<'_, Option<Party>> {
        Box::pin(self.one_party(
            "SELECT id, kind, name, oidc_name, created_at, barred_at FROM parties WHERE id = $1",
            values![id],
        ))
    }

    fn party_of_oidc_name<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Party>> {
        Box::pin(self.one_party(
            "SELECT id, kind, name, oidc_name, created_at, barred_at FROM parties WHERE oidc_name = $1",
            values![name],
        ))
    }

    fn parties(&self, page: PageOf) -> Answer<'_, Vec<Party>> {
        Box::pin(async move {
            let (at, id) = before(page);
            let mut session = self.database.read().await?;
            let rows = session.fetch(
                "SELECT id, kind, name, oidc_name, created_at, barred_at FROM parties
                 WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3",
                values![at, id, page.limit],
            );
            rows.await?.iter().map(read_party).collect()
        })
    }

    fn set_barred(&self, id: Id, is_barred: bool, by: By) -> Answer<'_, Option<Party>> {
        Box::pin(self.bar(id, is_barred, by))
    }

    fn add_api_key(&self, key: ApiKey, most: u32, by: By) -> Answer<'_, AddedKey> {
        Box::pin(self.insert_key(key, most, by))
    }

    fn api_keys(&self, party: Id, limit: u32) -> Answer<'_, Vec<ApiKey>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session.fetch(
                "SELECT id AS key_id, party, prefix, sha256, scopes, label, created_at AS key_created_at,
                        expires_at, revoked_at, last_used_at
                 FROM api_keys WHERE party = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
                values![party, limit],
            );
            rows.await?.iter().map(read_key).collect()
        })
    }

    fn api_key_of_prefix<'a>(&'a self, prefix: &'a str) -> Answer<'a, Option<(ApiKey, Party)>> {
        Box::pin(async move {
            let session: &mut Session = &mut self.database.read().await?;
            let row = session.fetch_optional(
                "SELECT k.id AS key_id, k.party, k.prefix, k.sha256, k.scopes, k.label,
                        k.created_at AS key_created_at, k.expires_at, k.revoked_at, k.last_used_at,
                        p.id, p.kind, p.name, p.oidc_name, p.created_at, p.barred_at
                 FROM api_keys AS k JOIN parties AS p ON p.id = k.party WHERE k.prefix = $1",
                values![prefix],
            );
            let row = row.await?;
            row.map(|row| Ok((read_key(&row)?, read_party(&row)?)))
                .transpose()
        })
    }

    fn revoke_api_key(&self, party: Id, key: Id, by: By) -> Answer<'_, bool> {
        Box::pin(self.revoke_key(party, key, by))
    }

    fn api_key_used(&self, key: Id, now: UnixTime) -> Answer<'_, ()> {
        Box::pin(self.note_use(key, now))
    }
}

fn read_party(row: &Row) -> Result<Party, StoreError> {
    Ok(Party {
        id: row.parsed("id")?,
        kind: row.parsed("kind")?,
        name: row.text("name")?,
        oidc_name: row.optional_text("oidc_name")?,
        created_at: row.time("created_at")?,
        barred_at: row.optional_time("barred_at")?,
    })
}

fn read_key(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.parsed("key_id")?,
        party: row.parsed("party")?,
        prefix: row.text("prefix")?,
        sha256: row.array("sha256")?,
        scopes: row.parsed("scopes")?,
        label: row.optional_text("label")?,
        created_at: row.time("key_created_at")?,
        expires_at: optional_time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
    })
}

/// A time, or none.
pub(super) fn optional_time(
    row: &Row,
    column: &'static str,
) -> Result<Option<UnixTime>, StoreError> {
    row.optional_time(column)
}
