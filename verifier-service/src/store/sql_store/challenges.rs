//! Challenges: added within bounds, found, spent by one conditional write, forgotten.

use evidence::UnixTime;

use crate::id::Id;
use crate::store::sql::{Database, Lock, Row, Session, Transaction, values};
use crate::store::{Added, Challenge, ChallengeBounds, Fate, NewReceipt, Standing, StoreError};

/// Most challenges forgotten when one is added: the new one does not wait for thousands, and they become fewer.
const FORGOTTEN_AT_ONCE: i64 = 64;

pub(super) async fn insert(
    database: &Database,
    new: Challenge,
    bounds: ChallengeBounds,
) -> Result<Added, StoreError> {
    let mut tx = database.write().await?;
    forget(&mut tx, bounds.forget_before).await?;
    let open = tx
        .fetch_int(
            "SELECT count(*) AS n FROM challenges WHERE expires_at > $1 AND receipt IS NULL",
            values![bounds.now],
        )
        .await?;
    if open >= i64::from(bounds.max_open) {
        return Ok(Added::TooMany);
    }
    let of_agent = tx
        .fetch_int(
            "SELECT count(*) AS n FROM challenges
             WHERE agent_key = $1 AND expires_at > $2 AND receipt IS NULL",
            values![new.agent_key, bounds.now],
        )
        .await?;
    if of_agent >= i64::from(bounds.max_open_of_agent) {
        return Ok(Added::TooManyOfAgent);
    }
    tx.execute(
        "INSERT INTO challenges (id, value, job, agent_key, audience, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            new.id,
            new.value,
            new.job,
            new.agent_key,
            new.audience,
            new.expires_at
        ],
    )
    .await?;
    tx.commit().await?;
    Ok(Added::Stored)
}

pub(super) async fn by_id(
    session: &mut Session,
    id: Id,
) -> Result<Option<(Challenge, Fate)>, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT id, value, job, agent_key, audience, expires_at, receipt, refuted
             FROM challenges WHERE id = $1",
            values![id],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// A challenge may have been forgotten; its receipt never is.
pub(super) async fn standing(
    session: &mut Session,
    value: [u8; 32],
) -> Result<Standing, StoreError> {
    let row = session
        .fetch_optional(
            "SELECT id, value, job, agent_key, audience, expires_at, receipt, refuted
             FROM challenges WHERE value = $1",
            values![value],
        )
        .await?;
    match row.as_ref().map(read).transpose()? {
        Some((challenge, Fate::Unspent)) => return Ok(Standing::Unspent(challenge)),
        Some((_, Fate::Refuted)) => return Ok(Standing::Refuted),
        Some((_, Fate::Spent)) | None => {}
    }
    let receipt = session
        .fetch_optional(
            "SELECT id FROM receipts WHERE challenge = $1",
            values![value],
        )
        .await?;
    Ok(receipt.map_or(Standing::Unknown, |_| Standing::Spent))
}

/// Spends the challenge if it can be; whether it was is the answer. Of two at once the second waits for the first and
/// then finds it spent.
pub(super) async fn take(tx: &mut Transaction, new: &NewReceipt) -> Result<bool, StoreError> {
    let taken = tx
        .execute(
            "UPDATE challenges SET receipt = $1
             WHERE value = $2 AND receipt IS NULL AND refuted = 0 AND expires_at > $3",
            values![new.receipt.id, new.challenge, new.arrived_at],
        )
        .await?;
    Ok(taken == 1)
}

/// Lets it be answered no more. One that was spent stays spent.
pub(super) async fn refute(database: &Database, value: [u8; 32]) -> Result<(), StoreError> {
    let mut tx = database.write().await?;
    tx.execute(
        "UPDATE challenges SET refuted = 1 WHERE value = $1",
        values![value],
    )
    .await?;
    tx.commit().await
}

/// Of two that forget at once each takes what the other has not.
async fn forget(tx: &mut Transaction, before: UnixTime) -> Result<(), StoreError> {
    let old = tx
        .fetch_locked(
            "SELECT id FROM challenges WHERE expires_at < $1 LIMIT $2",
            Lock::SkipTaken,
            values![before, FORGOTTEN_AT_ONCE],
        )
        .await?;
    for row in old {
        let id: Id = row.parsed("id")?;
        tx.execute("DELETE FROM challenges WHERE id = $1", values![id])
            .await?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<(Challenge, Fate), StoreError> {
    let challenge = Challenge {
        id: row.parsed("id")?,
        value: row.array("value")?,
        job: row.array("job")?,
        agent_key: row.array("agent_key")?,
        audience: row.optional_text("audience")?,
        expires_at: row.time("expires_at")?,
    };
    let fate = match (row.optional_text("receipt")?, row.int("refuted")?) {
        (Some(_), _) => Fate::Spent,
        (None, 0) => Fate::Unspent,
        (None, _) => Fate::Refuted,
    };
    Ok((challenge, fate))
}
