//! Single rows, on whichever connection asks: a reader's, or the writer's inside a transaction.

use evidence::UnixTime;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, query, query_scalar};

use crate::id::Id;
use crate::store::{Challenge, Fate, Standing, StoreError, StoredReceipt};

pub(super) async fn challenge(
    connection: &mut SqliteConnection,
    id: Id,
) -> Result<Option<(Challenge, Fate)>, StoreError> {
    let row = query("SELECT id, value, job, agent_key, audience, expires_at, receipt, refuted FROM challenges WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| read_challenge(&row)).transpose()
}

/// A challenge may have been forgotten; its receipt never is.
pub(super) async fn standing(
    connection: &mut SqliteConnection,
    value: [u8; 32],
) -> Result<Standing, StoreError> {
    let row = query("SELECT id, value, job, agent_key, audience, expires_at, receipt, refuted FROM challenges WHERE value = ?")
        .bind(value.to_vec())
        .fetch_optional(&mut *connection)
        .await?;
    match row.map(|row| read_challenge(&row)).transpose()? {
        Some((challenge, Fate::Unspent)) => return Ok(Standing::Unspent(challenge)),
        Some((_, Fate::Refuted)) => return Ok(Standing::Refuted),
        Some((_, Fate::Spent)) | None => {}
    }
    let receipt: Option<i64> = query_scalar("SELECT 1 FROM receipts WHERE challenge = ?")
        .bind(value.to_vec())
        .fetch_optional(connection)
        .await?;
    Ok(receipt.map_or(Standing::Unknown, |_| Standing::Spent))
}

pub(super) async fn receipt(
    connection: &mut SqliteConnection,
    id: Id,
) -> Result<Option<StoredReceipt>, StoreError> {
    let row = query("SELECT id, token, issued_at FROM receipts WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| read_receipt(&row)).transpose()
}

pub(super) async fn receipt_of(
    connection: &mut SqliteConnection,
    bundle_sha256: [u8; 32],
) -> Result<Option<StoredReceipt>, StoreError> {
    let row = query("SELECT id, token, issued_at FROM receipts WHERE bundle = ?")
        .bind(bundle_sha256.to_vec())
        .fetch_optional(connection)
        .await?;
    row.map(|row| read_receipt(&row)).transpose()
}

pub(super) async fn bundle_under(
    connection: &mut SqliteConnection,
    agent_key: [u8; 32],
    key: &str,
) -> Result<Option<[u8; 32]>, StoreError> {
    let row = query("SELECT bundle FROM receipts WHERE agent_key = ? AND idempotency_key = ?")
        .bind(agent_key.to_vec())
        .bind(key.to_owned())
        .fetch_optional(connection)
        .await?;
    row.map(|row| bytes(&row, "bundle")).transpose()
}

fn read_challenge(row: &SqliteRow) -> Result<(Challenge, Fate), StoreError> {
    let challenge = Challenge {
        id: id(row)?,
        value: bytes(row, "value")?,
        job: bytes(row, "job")?,
        agent_key: bytes(row, "agent_key")?,
        audience: row.try_get("audience")?,
        expires_at: UnixTime::from_secs(row.try_get("expires_at")?),
    };
    let receipt: Option<String> = row.try_get("receipt")?;
    let fate = match (receipt, row.try_get("refuted")?) {
        (Some(_), _) => Fate::Spent,
        (None, true) => Fate::Refuted,
        (None, false) => Fate::Unspent,
    };
    Ok((challenge, fate))
}

fn read_receipt(row: &SqliteRow) -> Result<StoredReceipt, StoreError> {
    Ok(StoredReceipt {
        id: id(row)?,
        token: row.try_get("token")?,
        issued_at: UnixTime::from_secs(row.try_get("issued_at")?),
    })
}

pub(super) fn id(row: &SqliteRow) -> Result<Id, StoreError> {
    let text: String = row.try_get("id")?;
    text.parse()
        .map_err(|_| StoreError::Malformed { column: "id" })
}

pub(super) fn bytes(row: &SqliteRow, column: &'static str) -> Result<[u8; 32], StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes
        .try_into()
        .map_err(|_| StoreError::Malformed { column })
}
