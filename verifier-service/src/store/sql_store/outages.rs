//! When nobody could reach any verifier.

use ::jobs::{Job, Outage};
use evidence::UnixTime;

use super::SqlStore;
use crate::store::StoreError;
use crate::store::clerk::Return;
use crate::store::sql::{Lock, Row, Session, Transaction, values};

/// For how long an outage is remembered, in seconds: a job that has not ended is due, and written, more often than once
/// in a year.
const KEPT_S: i64 = 366 * 24 * 60 * 60;
/// Most outages that are remembered. Beyond so many the two oldest are taken for one: whoever was late between them is
/// excused too.
const MOST: i64 = 1024;

/// SQL: the columns of `jobs` that [`excused`] needs.
macro_rules! body {
    () => {
        "body, (SELECT max(until) FROM outages) AS last_outage"
    };
}
pub(super) use body;

/// A job as it is now, from a row with the columns of [`body`]; and whether outages are excused in it that the row does
/// not know of.
pub(super) async fn excused(session: &mut Session, row: &Row) -> Result<(Job, bool), StoreError> {
    let mut job = stored(row)?;
    let known = job.excused_until();
    let last = row.optional_time("last_outage")?;
    if last.is_none_or(|last| last <= known) || job.status().is_final() {
        return Ok((job, false));
    }
    for outage in since(session, known).await? {
        job.excuse(outage);
    }
    Ok((job, true))
}

/// Why it cannot be read is not said: the text holds secrets.
fn stored(row: &Row) -> Result<Job, StoreError> {
    let malformed = |_| StoreError::Malformed { column: "body" };
    Job::from_stored(&row.text("body")?).map_err(malformed)
}

/// Those that ended after this, in their order.
async fn since(session: &mut Session, known: UnixTime) -> Result<Vec<Outage>, StoreError> {
    let after = "SELECT since, until FROM outages WHERE until > $1 ORDER BY since";
    let rows = session.fetch(after, values![known]).await?;
    rows.iter().map(outage).collect()
}

fn outage(row: &Row) -> Result<Outage, StoreError> {
    Ok(Outage {
        from: row.time("since")?,
        until: row.time("until")?,
    })
}

impl SqlStore {
    pub(super) async fn try_come_back(&self, back: Return) -> Result<Option<Outage>, StoreError> {
        let mut tx = self.database.write().await?;
        // Verifiers that come back at once do so one after the other, and the second finds the first.
        let rows = tx
            .fetch_locked(
                "SELECT at FROM alive WHERE only_one = 1",
                Lock::Wait,
                values![],
            )
            .await?;
        let last = rows.first().map(|row| row.time("at")).transpose()?;
        let outage = back.outage(last);
        if let Some(outage) = outage {
            remember(&mut tx, outage).await?;
            forget(&mut tx, back.now).await?;
        }
        is_alive(&mut tx, back.now).await?;
        tx.commit().await?;
        Ok(outage)
    }
}

/// A verifier is there.
pub(super) async fn is_alive(tx: &mut Transaction, now: UnixTime) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO alive (only_one, at) VALUES (1, $1)
         ON CONFLICT (only_one) DO UPDATE SET at = excluded.at WHERE alive.at < excluded.at",
        values![now],
    )
    .await
    .map(drop)
}

/// The same outage may have turned out to last longer.
async fn remember(tx: &mut Transaction, outage: Outage) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outages (since, until) VALUES ($1, $2)
         ON CONFLICT (since) DO UPDATE SET until = excluded.until WHERE outages.until < excluded.until",
        values![outage.from, outage.until],
    )
    .await
    .map(drop)
}

async fn forget(tx: &mut Transaction, now: UnixTime) -> Result<(), StoreError> {
    let before = UnixTime::from_secs(now.secs().saturating_sub(KEPT_S));
    let old = "DELETE FROM outages WHERE until < $1";
    tx.execute(old, values![before]).await?;
    let count = "SELECT count(*) AS n FROM outages";
    if tx.fetch_int(count, values![]).await? <= MOST {
        return Ok(());
    }
    let oldest = "SELECT since, until FROM outages ORDER BY since LIMIT 2";
    let rows = tx.fetch(oldest, values![]).await?;
    let [first, second] = rows.as_slice() else {
        return Ok(());
    };
    let (first, second) = (outage(first)?, outage(second)?);
    let gone = "DELETE FROM outages WHERE since = $1";
    tx.execute(gone, values![second.from]).await?;
    let both = Outage {
        from: first.from,
        until: second.until,
    };
    remember(tx, both).await
}
