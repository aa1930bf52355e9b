//! Policies in SQLite.

use evidence::UnixTime;
use evidence::crypto;
use evidence::work::Hex;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use super::SqliteStore;
use super::rows::{bytes, id};
use crate::id::Id;
use crate::store::policies::{
    AddedPolicy, Issued, NewPolicy, PolicyStore, PolicyVersion, StoredActivation, StoredPolicy,
    Unless, VersionNumber,
};
use crate::store::{Answer, StoreError};

/// Most names, and most versions of one. An operator who uploads ten texts a day for a name has room for 100 days;
/// then another name has to be taken, since nothing is ever deleted. Lists of them stay below 200 KiB.
pub(crate) const MAX_POLICIES: u32 = 256;
/// See [`MAX_POLICIES`].
pub(crate) const MAX_VERSIONS: u32 = 1000;

impl SqliteStore {
    async fn insert_policy(&self, new: NewPolicy) -> Result<AddedPolicy, StoreError> {
        let mut tx = self.write().await?;
        let sha256 = crypto::sha256(new.text.as_bytes());
        let newest = newest(&mut tx, &new.id).await?;
        let same = match new.unless {
            Unless::Newest => newest.clone().filter(|newest| newest.sha256.0 == sha256),
            Unless::Any => of_text(&mut tx, &new.id, sha256).await?,
        };
        if let Some(same) = same {
            return Ok(AddedPolicy::Before(same));
        }
        let last = newest.map_or(0, |newest| newest.version);
        if last >= MAX_VERSIONS || (last == 0 && names(&mut tx).await? >= MAX_POLICIES) {
            return Ok(AddedPolicy::TooMany);
        }
        let version = PolicyVersion {
            id: new.id,
            version: last + 1,
            sha256: Hex(sha256),
            added_at: new.now,
        };
        query("INSERT INTO policies (id, version, sha256, text, added_at) VALUES (?, ?, ?, ?, ?)")
            .bind(&version.id)
            .bind(version.version)
            .bind(sha256.to_vec())
            .bind(new.text.into_bytes())
            .bind(new.now.secs())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(AddedPolicy::New(version))
    }

    async fn insert_activation(
        &self,
        id: &str,
        version: VersionNumber,
        now: UnixTime,
    ) -> Result<Option<StoredActivation>, StoreError> {
        let mut tx = self.write().await?;
        let last = last_activation(&mut tx).await?;
        let is_last = |last: &StoredActivation| {
            let of = &last.policy.version;
            of.id == id && of.version == version
        };
        if let Some(last) = last.filter(is_last) {
            return Ok(Some(last));
        }
        let Some(policy) = stored(&mut tx, id, version).await? else {
            return Ok(None);
        };
        let number = query("INSERT INTO policy_activations (id, version, at) VALUES (?, ?, ?)")
            .bind(id.to_owned())
            .bind(version)
            .bind(now.secs())
            .execute(&mut *tx)
            .await?
            .last_insert_rowid();
        tx.commit().await?;
        Ok(Some(StoredActivation {
            number,
            at: now,
            policy,
        }))
    }
}

impl PolicyStore for SqliteStore {
    fn add_policy(&self, new: NewPolicy) -> Answer<'_, AddedPolicy> {
        Box::pin(self.insert_policy(new))
    }

    fn policies(&self) -> Answer<'_, Vec<PolicyVersion>> {
        Box::pin(async move {
            let newest = "SELECT id, max(version) AS version, sha256, added_at FROM policies
                 GROUP BY id ORDER BY id";
            let rows = query(newest).fetch_all(&self.readers).await?;
            rows.iter().map(read_version).collect()
        })
    }

    fn policy_versions<'a>(&'a self, id: &'a str) -> Answer<'a, Vec<PolicyVersion>> {
        Box::pin(async move {
            let rows = query(
                "SELECT id, version, sha256, added_at FROM policies WHERE id = ? ORDER BY version",
            )
            .bind(id.to_owned())
            .fetch_all(&self.readers)
            .await?;
            rows.iter().map(read_version).collect()
        })
    }

    fn policy<'a>(
        &'a self,
        id: &'a str,
        version: VersionNumber,
    ) -> Answer<'a, Option<StoredPolicy>> {
        Box::pin(async move { stored(&mut *self.readers.acquire().await?, id, version).await })
    }

    fn policy_by_sha256(&self, sha256: [u8; 32]) -> Answer<'_, Option<StoredPolicy>> {
        Box::pin(async move {
            let row = query(
                "SELECT id, version, sha256, added_at, text FROM policies WHERE sha256 = ?
                 ORDER BY id, version LIMIT 1",
            )
            .bind(sha256.to_vec())
            .fetch_optional(&self.readers)
            .await?;
            row.map(|row| read_policy(&row)).transpose()
        })
    }

    fn activate_policy<'a>(
        &'a self,
        id: &'a str,
        version: VersionNumber,
        now: UnixTime,
    ) -> Answer<'a, Option<StoredActivation>> {
        Box::pin(self.insert_activation(id, version, now))
    }

    fn active_policy(&self) -> Answer<'_, Option<StoredActivation>> {
        Box::pin(async move { last_activation(&mut *self.readers.acquire().await?).await })
    }

    fn issued(&self, receipt: Id) -> Answer<'_, Option<Issued>> {
        Box::pin(async move {
            let row = query(
                "SELECT challenge, issued_at, bytes FROM receipts
                 JOIN bundles ON bundles.sha256 = receipts.bundle WHERE receipts.id = ?",
            )
            .bind(receipt.to_string())
            .fetch_optional(&self.readers)
            .await?;
            row.map(|row| read_issued(&row)).transpose()
        })
    }

    fn recent_receipts(&self, limit: u32) -> Answer<'_, Vec<Id>> {
        Box::pin(async move {
            let latest = "SELECT id FROM receipts ORDER BY issued_at DESC, rowid DESC LIMIT ?";
            let rows = query(latest).bind(limit).fetch_all(&self.readers).await?;
            rows.iter().map(id).collect()
        })
    }
}

async fn newest(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<PolicyVersion>, StoreError> {
    let row = query(
        "SELECT id, version, sha256, added_at FROM policies WHERE id = ? ORDER BY version DESC LIMIT 1",
    )
    .bind(id.to_owned())
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_version(&row)).transpose()
}

async fn of_text(
    connection: &mut SqliteConnection,
    id: &str,
    sha256: [u8; 32],
) -> Result<Option<PolicyVersion>, StoreError> {
    let row = query(
        "SELECT id, version, sha256, added_at FROM policies WHERE id = ? AND sha256 = ?
         ORDER BY version DESC LIMIT 1",
    )
    .bind(id.to_owned())
    .bind(sha256.to_vec())
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_version(&row)).transpose()
}

async fn names(connection: &mut SqliteConnection) -> Result<u32, StoreError> {
    let count = query_scalar("SELECT count(DISTINCT id) FROM policies");
    Ok(count.fetch_one(connection).await?)
}

async fn stored(
    connection: &mut SqliteConnection,
    id: &str,
    version: VersionNumber,
) -> Result<Option<StoredPolicy>, StoreError> {
    let row = query(
        "SELECT id, version, sha256, added_at, text FROM policies WHERE id = ? AND version = ?",
    )
    .bind(id.to_owned())
    .bind(version)
    .fetch_optional(connection)
    .await?;
    row.map(|row| read_policy(&row)).transpose()
}

async fn last_activation(
    connection: &mut SqliteConnection,
) -> Result<Option<StoredActivation>, StoreError> {
    let row = query(
        "SELECT number, at, id, version, sha256, added_at, text
         FROM policy_activations JOIN policies USING (id, version) ORDER BY number DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(StoredActivation {
            number: row.try_get("number")?,
            at: UnixTime::from_secs(row.try_get("at")?),
            policy: read_policy(&row)?,
        })
    })
    .transpose()
}

fn read_version(row: &SqliteRow) -> Result<PolicyVersion, StoreError> {
    Ok(PolicyVersion {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        sha256: Hex(bytes(row, "sha256")?),
        added_at: UnixTime::from_secs(row.try_get("added_at")?),
    })
}

/// A text that has not the digest it was stored under decides nothing.
fn read_policy(row: &SqliteRow) -> Result<StoredPolicy, StoreError> {
    let version = read_version(row)?;
    let text: Vec<u8> = row.try_get("text")?;
    let malformed = StoreError::Malformed { column: "text" };
    if crypto::sha256(&text) != version.sha256.0 {
        return Err(malformed);
    }
    let text = String::from_utf8(text).map_err(|_| malformed)?;
    Ok(StoredPolicy { version, text })
}

fn read_issued(row: &SqliteRow) -> Result<Issued, StoreError> {
    Ok(Issued {
        bundle: row.try_get("bytes")?,
        challenge: bytes(row, "challenge")?,
        issued_at: UnixTime::from_secs(row.try_get("issued_at")?),
    })
}
