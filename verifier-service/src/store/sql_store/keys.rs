//! Signing keys. Each time is written only if there is none yet, so that verifiers that write the same one at once
//! agree.

use evidence::UnixTime;
use receipt::{Jwk, Jwks, PublishedKey, Thumbprint};

use super::{SqlStore, audit};
use crate::audit::{Action, By, New, details};
use crate::store::keys::{KeyRecord, KeyStore};
use crate::store::sql::{Row, Value, values};
use crate::store::{Answer, StoreError};

const TOPIC: &str = "signing_keys";

impl SqlStore {
    async fn insert_signing_key(&self, key: &KeyRecord, by: &By) -> Result<(), StoreError> {
        let set = Jwks::new(vec![PublishedKey::from(key.jwk.clone())]);
        let set = set.map_err(|_| StoreError::Malformed { column: "jwks" })?;
        let mut tx = self.database.write().await?;
        tx.hold(TOPIC).await?;
        let others = tx.fetch_int("SELECT count(*) AS n FROM signing_keys", values![]);
        let usable_from = match others.await? {
            0 => Some(key.added_at),
            _ => key.usable_from,
        };
        let added = tx.execute(
            "INSERT INTO signing_keys
             (kid, jwks, added_at, usable_from, retired_at, leaked_at, receipts_live_s)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kid) DO NOTHING",
            values![
                key.jwk.kid().to_string(),
                set.to_json(),
                key.added_at,
                usable_from,
                key.retired_at,
                key.leaked_at,
                key.receipts_live_s
            ],
        );
        if added.await? == 0 {
            return Ok(());
        }
        let entry = New::done(by.clone(), Action::SigningKeyAdd, key.jwk.kid());
        let algorithm = key.jwk.algorithm().to_string();
        let details = details! { "algorithm": algorithm, "usable_from": usable_from };
        audit::commit(tx, entry.with(details)).await
    }

    async fn write_of_key(
        &self,
        statement: &'static str,
        values: Vec<Value>,
        entry: Option<New>,
    ) -> Result<(), StoreError> {
        let mut tx = self.database.write().await?;
        match tx.execute(statement, values).await? {
            0 => Ok(()),
            _ => audit::commit_with(tx, entry).await,
        }
    }
}

impl KeyStore for SqlStore {
    fn signing_keys(&self) -> Answer<'_, Vec<KeyRecord>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session.fetch(
                "SELECT kid, jwks, added_at, usable_from, retired_at, leaked_at, receipts_live_s
                 FROM signing_keys ORDER BY added_at, kid",
                values![],
            );
            rows.await?.iter().map(read).collect()
        })
    }

    fn add_signing_key<'a>(&'a self, key: &'a KeyRecord, by: By) -> Answer<'a, ()> {
        Box::pin(async move { self.again(|| self.insert_signing_key(key, &by)).await })
    }

    fn publish_signing_key(
        &self,
        kid: Thumbprint,
        usable_from: UnixTime,
        by: By,
    ) -> Answer<'_, ()> {
        let entry = New::done(by, Action::SigningKeyPublish, kid);
        let entry = entry.with(details! { "usable_from": usable_from });
        Box::pin(self.write_of_key(
            "UPDATE signing_keys SET usable_from = $2 WHERE kid = $1 AND usable_from IS NULL",
            values![kid.to_string(), usable_from],
            Some(entry),
        ))
    }

    fn retire_signing_key(&self, kid: Thumbprint, at: UnixTime, by: By) -> Answer<'_, ()> {
        let entry = New::done(by, Action::SigningKeyRetire, kid);
        let entry = entry.with(details! { "retired_at": at });
        Box::pin(self.write_of_key(
            "UPDATE signing_keys SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL",
            values![kid.to_string(), at],
            Some(entry),
        ))
    }

    fn disown_signing_key(&self, kid: Thumbprint, by: By) -> Answer<'_, ()> {
        let (now, entry) = (by.at, New::done(by, Action::SigningKeyDisown, kid));
        Box::pin(self.write_of_key(
            "UPDATE signing_keys SET leaked_at = $2, retired_at = COALESCE(retired_at, $2)
             WHERE kid = $1 AND leaked_at IS NULL",
            values![kid.to_string(), now],
            Some(entry),
        ))
    }

    fn note_receipt_life(&self, kid: Thumbprint, seconds: Option<u32>) -> Answer<'_, ()> {
        Box::pin(self.write_of_key(
            "UPDATE signing_keys SET receipts_live_s = $2
             WHERE kid = $1 AND ($2 IS NULL OR receipts_live_s < $2)",
            values![kid.to_string(), seconds],
            None,
        ))
    }
}

fn read(row: &Row) -> Result<KeyRecord, StoreError> {
    let jwk = only_key(&row.text("jwks")?).filter(|jwk| row.parsed("kid").ok() == Some(jwk.kid()));
    Ok(KeyRecord {
        jwk: jwk.ok_or(StoreError::Malformed { column: "jwks" })?,
        added_at: row.time("added_at")?,
        usable_from: row.optional_time("usable_from")?,
        retired_at: row.optional_time("retired_at")?,
        leaked_at: row.optional_time("leaked_at")?,
        receipts_live_s: row.optional_u32("receipts_live_s")?,
    })
}

fn only_key(jwks: &str) -> Option<Jwk> {
    let set = Jwks::parse(jwks).ok()?;
    match set.keys() {
        [key] => Some(key.jwk.clone()),
        _ => None,
    }
}
