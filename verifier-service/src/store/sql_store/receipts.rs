//! Receipts and their bundles: issued once, found, never changed.

use jobs::JobStatus;

use super::archive::{self, Filed};
use super::challenges;
use crate::id::Id;
use crate::store::archive::Grounds;
use crate::store::sql::{Database, Row, Session, Transaction, values};
use crate::store::{NewReceipt, Spent, Standing, StoreError, StoredReceipt};

/// Where a job stands of which nothing more will come.
const ENDED: [&str; 3] = [
    JobStatus::Settled.as_str(),
    JobStatus::Failed.as_str(),
    JobStatus::Cancelled.as_str(),
];

/// Receipts as they are read: with how the job stands that one came of, and since when that holds to it no more.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT receipts.id, token, receipts.issued_at, job_receipts.revoked_at, jobs.status AS job_status
             FROM receipts
             LEFT JOIN job_receipts ON job_receipts.receipt = receipts.id
             LEFT JOIN jobs ON jobs.id = job_receipts.job ",
            $which
        )
    };
}

/// The conditional write of [`challenges::take`] decides between two that come at once; everything else here says why.
pub(super) async fn insert(
    database: &Database,
    filed: &Filed,
    new: NewReceipt,
) -> Result<Spent, StoreError> {
    let mut tx = database.write().await?;
    if let Some(before) = of(&mut tx, new.bundle_sha256).await? {
        return Ok(Spent::Before(before));
    }
    if is_key_taken(&mut tx, &new).await? {
        return Ok(Spent::KeyReused);
    }
    if !challenges::take(&mut tx, &new).await? {
        return why_not_taken(&mut tx, &new).await;
    }
    // What may be in the way is a receipt under the same idempotency key, written a moment ago: nothing else that is
    // unique here is shared by two challenges.
    if !write(&mut tx, &new).await? {
        return Ok(Spent::KeyReused);
    }
    let grounds = Grounds {
        bundle_sha256: new.bundle_sha256,
        collateral: new.collateral,
    };
    archive::file(&mut tx, &grounds, filed).await?;
    tx.commit().await?;
    filed.note(&grounds.collateral);
    Ok(Spent::Issued)
}

/// Writes a receipt and its bundle; `false` if something unique is in the way: then the transaction is to be dropped.
pub(super) async fn write(tx: &mut Transaction, new: &NewReceipt) -> Result<bool, StoreError> {
    let inserted = tx
        .execute(
            "INSERT INTO bundles (sha256, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            values![new.bundle_sha256, new.bundle.as_slice()],
        )
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let inserted = tx
        .execute(
            "INSERT INTO receipts (id, token, issued_at, challenge, bundle, job, agent_key, idempotency_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            values![
                new.receipt.id,
                new.receipt.token.as_str(),
                new.receipt.issued_at,
                new.challenge,
                new.bundle_sha256,
                new.job,
                new.agent_key,
                new.idempotency_key.as_deref(),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn by_id(
    session: &mut Session,
    id: Id,
) -> Result<Option<StoredReceipt>, StoreError> {
    let row = session
        .fetch_optional(select!("WHERE receipts.id = $1"), values![id])
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn of(
    session: &mut Session,
    bundle_sha256: [u8; 32],
) -> Result<Option<StoredReceipt>, StoreError> {
    let row = session
        .fetch_optional(select!("WHERE bundle = $1"), values![bundle_sha256])
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn latest_of(
    session: &mut Session,
    agent_key: [u8; 32],
) -> Result<Option<StoredReceipt>, StoreError> {
    let row = session
        .fetch_optional(
            select!("WHERE agent_key = $1 ORDER BY receipts.issued_at DESC LIMIT 1"),
            values![agent_key],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn bundle_under(
    session: &mut Session,
    agent_key: [u8; 32],
    key: &str,
) -> Result<Option<[u8; 32]>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT bundle FROM receipts WHERE agent_key = $1 AND idempotency_key = $2",
            values![agent_key, key],
        )
        .await?;
    row.map(|row| row.array("bundle")).transpose()
}

async fn is_key_taken(session: &mut Session, new: &NewReceipt) -> Result<bool, StoreError> {
    let Some(key) = &new.idempotency_key else {
        return Ok(false);
    };
    let bundle = bundle_under(session, new.agent_key, key).await?;
    Ok(bundle.is_some())
}

async fn why_not_taken(tx: &mut Transaction, new: &NewReceipt) -> Result<Spent, StoreError> {
    // The same bundle may have been faster by less than the time since the first look.
    if let Some(before) = of(tx, new.bundle_sha256).await? {
        return Ok(Spent::Before(before));
    }
    Ok(match challenges::standing(tx, new.challenge).await? {
        Standing::Unknown => Spent::Unknown,
        Standing::Spent => Spent::ByAnother,
        Standing::Refuted => Spent::Refuted,
        Standing::Unspent(_) => Spent::Expired,
    })
}

fn read(row: &Row) -> Result<StoredReceipt, StoreError> {
    Ok(StoredReceipt {
        id: row.parsed("id")?,
        token: row.text("token")?,
        issued_at: row.time("issued_at")?,
        provisional: row
            .optional_text("job_status")?
            .is_some_and(|status| !ENDED.contains(&status.as_str())),
        revoked_at: row.optional_time("revoked_at")?,
    })
}
