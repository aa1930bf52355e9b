//! Policies. Whoever adds or activates one holds the topic `policies`: numbers follow one another without gaps.

use evidence::crypto;
use evidence::work::Hex;

use super::{SqlStore, audit};
use crate::audit::{Action, By, New, details};
use crate::id::Id;
use crate::store::policies::{
    AddedPolicy, Issued, NewPolicy, PolicyStore, PolicyVersion, StoredActivation, StoredPolicy,
    Unless, VersionNumber,
};
use crate::store::sql::{Row, Session, values};
use crate::store::{Answer, StoreError};

/// Most names, and most versions of one. An operator who uploads ten texts a day for a name has room for 100 days;
/// then another name has to be taken, since nothing is ever deleted. Lists of them stay below 200 KiB.
const MAX_POLICIES: u32 = 256;
/// See [`MAX_POLICIES`].
const MAX_VERSIONS: u32 = 1000;

const TOPIC: &str = "policies";

impl SqlStore {
    async fn insert_policy(&self, new: NewPolicy) -> Result<AddedPolicy, StoreError> {
        let mut tx = self.database.write().await?;
        tx.hold(TOPIC).await?;
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
        if last >= MAX_VERSIONS || (last == 0 && names(&mut tx).await? >= MAX_POLICIES.into()) {
            return Ok(AddedPolicy::TooMany);
        }
        let version = PolicyVersion {
            id: new.id,
            version: last + 1,
            sha256: Hex(sha256),
            added_at: new.by.at,
        };
        tx.execute(
            "INSERT INTO policies (id, version, sha256, text, added_at) VALUES ($1, $2, $3, $4, $5)",
            values![
                version.id.as_str(),
                version.version,
                sha256,
                new.text.into_bytes(),
                new.by.at
            ],
        )
        .await?;
        let name = format!("{}/{}", version.id, version.version);
        let entry = New::done(new.by, Action::PolicyUpload, name);
        let entry = entry.with(details! { "sha256": version.sha256 });
        audit::commit(tx, entry).await?;
        Ok(AddedPolicy::New(version))
    }

    async fn insert_activation(
        &self,
        id: &str,
        version: VersionNumber,
        by: By,
    ) -> Result<Option<StoredActivation>, StoreError> {
        let mut tx = self.database.write().await?;
        tx.hold(TOPIC).await?;
        let last = last_activation(&mut tx).await?;
        let is_last = |last: &StoredActivation| {
            let of = &last.policy.version;
            of.id == id && of.version == version
        };
        let last = match last {
            Some(last) if is_last(&last) => return Ok(Some(last)),
            last => last.map(|last| last.policy.version),
        };
        let Some(policy) = stored(&mut tx, id, version).await? else {
            return Ok(None);
        };
        let rows = tx
            .execute_returning(
                "INSERT INTO policy_activations (id, version, at) VALUES ($1, $2, $3) RETURNING number",
                values![id, version, by.at],
            )
            .await?;
        let row = rows
            .first()
            .ok_or(StoreError::Malformed { column: "number" })?;
        let number = row.int("number")?;
        let at = by.at;
        audit::commit(tx, activated(by, &policy.version, last.as_ref())).await?;
        Ok(Some(StoredActivation { number, at, policy }))
    }
}

impl PolicyStore for SqlStore {
    fn add_policy(&self, new: NewPolicy) -> Answer<'_, AddedPolicy> {
        Box::pin(self.insert_policy(new))
    }

    fn policies(&self) -> Answer<'_, Vec<PolicyVersion>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id, version, sha256, added_at FROM policies AS p
                     WHERE version = (SELECT max(version) FROM policies WHERE id = p.id) ORDER BY id",
                    values![],
                )
                .await?;
            rows.iter().map(read_version).collect()
        })
    }

    fn policy_versions<'a>(&'a self, id: &'a str) -> Answer<'a, Vec<PolicyVersion>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id, version, sha256, added_at FROM policies WHERE id = $1 ORDER BY version",
                    values![id],
                )
                .await?;
            rows.iter().map(read_version).collect()
        })
    }

    fn policy<'a>(
        &'a self,
        id: &'a str,
        version: VersionNumber,
    ) -> Answer<'a, Option<StoredPolicy>> {
        Box::pin(async move { stored(&mut self.database.read().await?, id, version).await })
    }

    fn policy_by_sha256(&self, sha256: [u8; 32]) -> Answer<'_, Option<StoredPolicy>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT id, version, sha256, added_at, text FROM policies WHERE sha256 = $1
                     ORDER BY id, version LIMIT 1",
                    values![sha256],
                )
                .await?;
            row.as_ref().map(read_policy).transpose()
        })
    }

    fn activate_policy<'a>(
        &'a self,
        id: &'a str,
        version: VersionNumber,
        by: By,
    ) -> Answer<'a, Option<StoredActivation>> {
        Box::pin(self.insert_activation(id, version, by))
    }

    fn last_activation(&self) -> Answer<'_, i64> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let last = "SELECT coalesce(max(number), 0) AS n FROM policy_activations";
            session.fetch_int(last, values![]).await
        })
    }

    fn active_policy(&self) -> Answer<'_, Option<StoredActivation>> {
        Box::pin(async move { last_activation(&mut self.database.read().await?).await })
    }

    fn issued(&self, receipt: Id) -> Answer<'_, Option<Issued>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT challenge, issued_at, bytes FROM receipts
                     JOIN bundles ON bundles.sha256 = receipts.bundle WHERE receipts.id = $1",
                    values![receipt],
                )
                .await?;
            row.as_ref().map(read_issued).transpose()
        })
    }

    fn recent_receipts(&self, limit: u32) -> Answer<'_, Vec<Id>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id FROM receipts ORDER BY issued_at DESC, id DESC LIMIT $1",
                    values![limit],
                )
                .await?;
            rows.iter().map(|row| row.parsed("id")).collect()
        })
    }
}

/// What replaced what; an activation that was the first replaced the policy of the configuration.
fn activated(by: By, now: &PolicyVersion, before: Option<&PolicyVersion>) -> New {
    let name = |version: &PolicyVersion| format!("{}/{}", version.id, version.version);
    let mut details = details! { "sha256": now.sha256 };
    if let Some(before) = before {
        details.insert("replaced".into(), name(before).into());
        details.insert("replaced_sha256".into(), before.sha256.to_string().into());
    }
    New::done(by, Action::PolicyActivate, name(now)).with(details)
}

async fn newest(session: &mut Session, id: &str) -> Result<Option<PolicyVersion>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT id, version, sha256, added_at FROM policies WHERE id = $1
             ORDER BY version DESC LIMIT 1",
            values![id],
        )
        .await?;
    row.as_ref().map(read_version).transpose()
}

async fn of_text(
    session: &mut Session,
    id: &str,
    sha256: [u8; 32],
) -> Result<Option<PolicyVersion>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT id, version, sha256, added_at FROM policies WHERE id = $1 AND sha256 = $2
             ORDER BY version DESC LIMIT 1",
            values![id, sha256],
        )
        .await?;
    row.as_ref().map(read_version).transpose()
}

async fn names(session: &mut Session) -> Result<i64, StoreError> {
    let count = "SELECT count(DISTINCT id) AS n FROM policies";
    session.fetch_int(count, values![]).await
}

async fn stored(
    session: &mut Session,
    id: &str,
    version: VersionNumber,
) -> Result<Option<StoredPolicy>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT id, version, sha256, added_at, text FROM policies WHERE id = $1 AND version = $2",
            values![id, version],
        )
        .await?;
    row.as_ref().map(read_policy).transpose()
}

async fn last_activation(session: &mut Session) -> Result<Option<StoredActivation>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT number, at, id, version, sha256, added_at, text
             FROM policy_activations JOIN policies USING (id, version) ORDER BY number DESC LIMIT 1",
            values![],
        )
        .await?;
    row.map(|row| {
        Ok(StoredActivation {
            number: row.int("number")?,
            at: row.time("at")?,
            policy: read_policy(&row)?,
        })
    })
    .transpose()
}

fn read_version(row: &Row) -> Result<PolicyVersion, StoreError> {
    Ok(PolicyVersion {
        id: row.text("id")?,
        version: row.u32("version")?,
        sha256: Hex(row.array("sha256")?),
        added_at: row.time("added_at")?,
    })
}

/// A text that has not the digest it was stored under decides nothing.
fn read_policy(row: &Row) -> Result<StoredPolicy, StoreError> {
    let version = read_version(row)?;
    let text = row.bytes("text")?;
    let malformed = StoreError::Malformed { column: "text" };
    if crypto::sha256(&text) != version.sha256.0 {
        return Err(malformed);
    }
    let text = String::from_utf8(text).map_err(|_| malformed)?;
    Ok(StoredPolicy { version, text })
}

fn read_issued(row: &Row) -> Result<Issued, StoreError> {
    Ok(Issued {
        bundle: row.bytes("bytes")?,
        challenge: row.array("challenge")?,
        issued_at: row.time("issued_at")?,
    })
}
