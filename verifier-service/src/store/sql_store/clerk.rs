//! What drives jobs, in the store.

use std::collections::HashMap;

use evidence::UnixTime;
use jobs::patience::Misses;
use jobs::{AgentId, AssignmentId, Currency, JobId, Outage, PartyId, Record, Size};

use super::jobs::CALL_UP;
use super::{SqlStore, id, optional_id, outages, untaken};
use crate::hub::{Events, Note};
use crate::id::Id;
use crate::store::clerk::{Available, ClerkStore, Draft, MOST_OF_OWNER, Return, Wanted, WithRoom};
use crate::store::sql::{Lock, Row, values};
use crate::store::{Answer, StoreError};

/// Most agents that are looked at for one job. Of each owner the first comes before the second of any.
const MOST_AVAILABLE: i64 = 10_000;
/// Most jobs of which documents are forgotten in one go, and most documents of each: they are large.
const SWEPT_JOBS: i64 = 16;
const SWEPT_DOCUMENTS: i64 = 64;
/// News beyond so many are read by now: they are looked for every second.
const MOST_NEWS: i64 = 100_000;

impl ClerkStore for SqlStore {
    fn available(&self, wanted: Wanted) -> Answer<'_, Vec<Available>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    AVAILABLE,
                    values![
                        wanted.workload.as_str(),
                        wanted.size.map_or(i64::MAX, number),
                        wanted.currency.to_string(),
                        wanted.since,
                        // Where the walk over agents begins is drawn, so that each comes to its turn.
                        Id::random(),
                        MOST_OF_OWNER,
                        MOST_AVAILABLE
                    ],
                )
                .await?;
            rows.iter().map(|row| available(row, wanted.now)).collect()
        })
    }

    fn with_room(&self, since: UnixTime) -> Answer<'_, Vec<WithRoom>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(WITH_ROOM, values![since, MOST_OF_OWNER, MOST_AVAILABLE])
                .await?;
            rows.iter().map(with_room).collect()
        })
    }

    fn funds(&self, since: UnixTime, currency: Currency) -> Answer<'_, HashMap<PartyId, i64>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT owners.owner, accounts.balance FROM
                       (SELECT DISTINCT owner FROM agents
                        WHERE removed_at IS NULL AND seen_at >= $1) AS owners
                     JOIN accounts ON accounts.name = 'party/' || owners.owner || '/available'
                                  AND accounts.currency = $2",
                    values![since, currency],
                )
                .await?;
            let funds = rows.iter().map(|row| {
                let owner = id(row, "owner", PartyId::parse)?;
                Ok((owner, row.int("balance")?))
            });
            funds.collect()
        })
    }

    fn draft<'a>(&'a self, assignment: &'a AssignmentId) -> Answer<'a, Option<Draft>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT claims, opening FROM drafts WHERE assignment = $1",
                    values![assignment],
                )
                .await?;
            let draft = row.map(|row| {
                Ok(Draft {
                    claims: row.text("claims")?,
                    opening: evidence::work::Hex(row.array("opening")?),
                })
            });
            draft.transpose()
        })
    }

    fn removed_at_work(&self, limit: u32) -> Answer<'_, Vec<AgentId>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT id FROM agents WHERE removed_at IS NOT NULL AND EXISTS
                       (SELECT 1 FROM assignments WHERE agent = agents.id AND is_open = 1
                          AND status IN ('offered', 'leased'))
                     LIMIT $1",
                    values![limit],
                )
                .await?;
            let agents = rows.iter().map(|row| id(row, "id", AgentId::parse));
            agents.collect()
        })
    }

    fn come_back(&self, back: Return) -> Answer<'_, Option<Outage>> {
        Box::pin(async move { self.again(|| self.try_come_back(back)).await })
    }

    fn is_alive(&self, now: UnixTime) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut tx = self.database.write().await?;
            outages::is_alive(&mut tx, now).await?;
            tx.commit().await
        })
    }

    fn call_up(&self, now: UnixTime, until: UnixTime) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut tx = self.database.write().await?;
            for call_up in CALL_UP {
                tx.execute(call_up, values![now, until]).await?;
            }
            tx.commit().await
        })
    }

    fn forget_documents(&self, ended_before: UnixTime) -> Answer<'_, usize> {
        Box::pin(async move { self.again(|| self.sweep(ended_before)).await })
    }

    fn forget_news(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut tx = self.database.write().await?;
            tx.execute(
                "DELETE FROM news WHERE number < (SELECT max(number) FROM news) - $1",
                values![MOST_NEWS],
            )
            .await?;
            tx.commit().await
        })
    }
}

impl Events for SqlStore {
    fn last(&self) -> Answer<'_, i64> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let last = "SELECT coalesce(max(number), 0) AS n FROM news";
            session.fetch_int(last, values![]).await
        })
    }

    fn after(&self, number: i64, limit: u32) -> Answer<'_, Vec<Note>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let rows = session
                .fetch(
                    "SELECT number, job, agent FROM news WHERE number > $1 ORDER BY number LIMIT $2",
                    values![number, limit],
                )
                .await?;
            rows.iter().map(note).collect()
        })
    }
}

impl SqlStore {
    async fn sweep(&self, ended_before: UnixTime) -> Result<usize, StoreError> {
        let mut tx = self.database.write().await?;
        let ended = tx
            .fetch_locked(
                "SELECT id FROM jobs WHERE unswept_since < $1 ORDER BY unswept_since LIMIT $2",
                Lock::SkipTaken,
                values![ended_before, SWEPT_JOBS],
            )
            .await?;
        let mut emptied = 0;
        for row in &ended {
            let job = id(row, "id", JobId::parse)?;
            let forgotten = tx
                .execute(
                    "DELETE FROM documents WHERE job = $1 AND sha256 IN
                       (SELECT sha256 FROM documents WHERE job = $1 ORDER BY sha256 LIMIT $2)",
                    values![&job, SWEPT_DOCUMENTS],
                )
                .await?;
            let is_last =
                i64::try_from(forgotten).is_ok_and(|forgotten| forgotten < SWEPT_DOCUMENTS);
            if is_last && untaken::forget(&mut tx, &job).await? {
                tx.execute(
                    "DELETE FROM drafts WHERE assignment IN (SELECT id FROM assignments WHERE job = $1)",
                    values![&job],
                )
                .await?;
                tx.execute(
                    "UPDATE jobs SET unswept_since = NULL WHERE id = $1",
                    values![&job],
                )
                .await?;
                emptied += 1;
            }
        }
        if !ended.is_empty() {
            tx.commit().await?;
        }
        Ok(emptied)
    }
}

/// Agents with room, ranked within their owner: one of each shape, then a second of each, and so on. Reports are large, so they
/// are read of those alone that are left.
const AVAILABLE: &str = concat!(
    "
    WITH present AS (
        SELECT id, owner, shape, (id < $5) AS lap, capacity,
               (SELECT count(*) FROM assignments
                WHERE assignments.agent = agents.id AND ",
    takes_a_place!(),
    ") AS busy
        FROM agents
        WHERE removed_at IS NULL AND seen_at >= $4
          AND owner NOT IN (SELECT id FROM parties WHERE barred_at IS NOT NULL)),
    shaped AS (
        SELECT id, owner, busy, lap,
               row_number() OVER (PARTITION BY owner, shape ORDER BY lap, id) AS of_shape
        FROM present WHERE busy < capacity),
    ranked AS (
        SELECT id, busy,
               row_number() OVER (PARTITION BY owner ORDER BY of_shape, lap, id) AS of_owner
        FROM shaped WHERE of_shape <= $6)
    SELECT agents.id, agents.owner, agents.report, ranked.busy,
           (SELECT CAST(coalesce(sum(good), 0) AS BIGINT) FROM records
            WHERE records.agent = ranked.id AND workload = $1 AND size >= $2) AS good,
           coalesce(accounts.balance, 0) AS funds,
           coalesce(misses.steps, 0) AS steps, coalesce(misses.at, 0) AS missed_at
    FROM ranked JOIN agents ON agents.id = ranked.id
    LEFT JOIN accounts ON accounts.name = 'party/' || agents.owner || '/available' AND accounts.currency = $3
    LEFT JOIN misses ON misses.owner = agents.owner
    WHERE of_owner <= $6 ORDER BY of_owner, ranked.id LIMIT $7"
);

/// Room by owner and shape, so that neither the many agents of one owner hide those of another nor each report is read: one
/// for each shape tells the devices of all. What the owner has, of all currencies together, tells only whether it has more.
const WITH_ROOM: &str = concat!(
    "
    WITH present AS (
        SELECT id, owner, shape, capacity,
               (SELECT count(*) FROM assignments
                WHERE assignments.agent = agents.id AND ",
    takes_a_place!(),
    ") AS busy
        FROM agents
        WHERE removed_at IS NULL AND seen_at >= $1
          AND owner NOT IN (SELECT id FROM parties WHERE barred_at IS NOT NULL)),
    shapes AS (
        SELECT owner, shape, count(*) AS number, min(id) AS one, CAST(sum(capacity - busy) AS BIGINT) AS places,
               row_number() OVER (PARTITION BY owner ORDER BY shape) AS of_owner
        FROM present WHERE busy < capacity GROUP BY owner, shape)
    SELECT shapes.owner, shapes.shape, places, agents.report,
           CASE WHEN number = 1 THEN one ELSE 'any' END AS agent,
           (SELECT CAST(coalesce(sum(balance), 0) AS BIGINT) FROM accounts
            WHERE name = 'party/' || shapes.owner || '/available') AS funds
    FROM shapes JOIN agents ON agents.id = one
    WHERE of_owner <= $2 ORDER BY of_owner, shapes.owner LIMIT $3"
);

pub(super) fn number(size: Size) -> i64 {
    size.number().into()
}

fn available(row: &Row, now: UnixTime) -> Result<Available, StoreError> {
    let misses = Misses {
        steps: row.u32("steps")?,
        at: row.time("missed_at")?,
    };
    Ok(Available {
        agent: id(row, "id", AgentId::parse)?,
        owner: id(row, "owner", PartyId::parse)?,
        declared: row.optional_text("report")?,
        record: Record(row.u32("good")?),
        missed: misses.steps_at(now),
        busy: row.u32("busy")?,
        funds: row.int("funds")?,
    })
}

fn with_room(row: &Row) -> Result<WithRoom, StoreError> {
    Ok(WithRoom {
        agent: id(row, "agent", AgentId::parse)?,
        owner: id(row, "owner", PartyId::parse)?,
        shape: row.text("shape")?,
        declared: row.optional_text("report")?,
        places: row.u32("places")?,
        funds: row.int("funds")?,
    })
}

fn note(row: &Row) -> Result<Note, StoreError> {
    Ok(Note {
        number: row.int("number")?,
        job: id(row, "job", JobId::parse)?,
        agent: optional_id(row, "agent", AgentId::parse)?,
    })
}
