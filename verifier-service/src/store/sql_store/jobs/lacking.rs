//! Jobs that lack agents, of the tenants whose turn it is. The caller says whose turn it is.
//!
//! A search has a number and goes over every such job once. The cost of a round does not depend on how many jobs wait:
//! tenants are found by jumping in the index from one to the next, and of some of them the first few jobs are read.

use jobs::{JobId, PartyId};

use crate::store::StoreError;
use crate::store::jobs::Lacking;
use crate::store::sql::{Database, Lock, Transaction, values};
use crate::store::sql_store::id;

pub(super) async fn latest_search(database: &Database) -> Result<Option<i64>, StoreError> {
    let mut session = database.read().await?;
    let latest = "SELECT max(sought) AS latest FROM jobs WHERE sought IS NOT NULL";
    let row = session.fetch_optional(latest, values![]).await?;
    let row = row.ok_or(StoreError::Malformed { column: "latest" })?;
    row.optional_int("latest")
}

pub(super) async fn tenants(database: &Database, search: i64) -> Result<Vec<PartyId>, StoreError> {
    let mut session = database.read().await?;
    let rows = session
        .fetch(
            "WITH RECURSIVE tenants (tenant) AS (
               SELECT min(tenant) FROM jobs WHERE sought IS NOT NULL
               UNION ALL
               SELECT (SELECT min(jobs.tenant) FROM jobs
                       WHERE sought IS NOT NULL AND jobs.tenant > tenants.tenant)
               FROM tenants WHERE tenants.tenant IS NOT NULL)
             SELECT tenant FROM tenants
             WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.tenant = tenants.tenant AND sought < $1)
             ORDER BY tenant",
            values![search],
        )
        .await?;
    let tenants = rows.iter().map(|row| id(row, "tenant", PartyId::parse));
    tenants.collect()
}

pub(super) async fn take(
    database: &Database,
    search: i64,
    tenants: &[PartyId],
    limit: u32,
) -> Result<Vec<Lacking>, StoreError> {
    let mut tx = database.write().await?;
    let share = limit.div_ceil(u32::try_from(tenants.len()).unwrap_or(limit).max(1));
    let mut queues = Vec::new();
    for tenant in tenants {
        queues.push(first_of(&mut tx, search, tenant, share).await?);
    }
    let taken = in_turn(queues, limit);
    for lacking in &taken {
        let sought = "UPDATE jobs SET sought = $1 WHERE id = $2";
        tx.execute(sought, values![search, &lacking.job]).await?;
    }
    if !taken.is_empty() {
        tx.commit().await?;
    }
    Ok(taken)
}

pub(super) async fn hand_back(
    database: &Database,
    search: i64,
    jobs: &[JobId],
) -> Result<(), StoreError> {
    let mut tx = database.write().await?;
    for job in jobs {
        let back = "UPDATE jobs SET sought = 0 WHERE id = $1 AND sought = $2";
        tx.execute(back, values![job, search]).await?;
    }
    tx.commit().await
}

/// The jobs of one tenant that were looked after longest ago; of those alike, the oldest.
async fn first_of(
    tx: &mut Transaction,
    search: i64,
    tenant: &PartyId,
    share: u32,
) -> Result<Vec<Lacking>, StoreError> {
    let rows = tx
        .fetch_locked(
            "SELECT id FROM jobs WHERE tenant = $1 AND sought < $2
             ORDER BY sought, created_at, id LIMIT $3",
            Lock::SkipTaken,
            values![tenant, search, share],
        )
        .await?;
    let lacking = rows.iter().map(|row| {
        Ok(Lacking {
            job: id(row, "id", JobId::parse)?,
            tenant: tenant.clone(),
        })
    });
    lacking.collect()
}

/// The first of each queue, then the second of each, and so on.
fn in_turn<T>(queues: Vec<Vec<T>>, limit: u32) -> Vec<T> {
    let mut queues: Vec<_> = queues.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(queues.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            break;
        }
    }
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_comes_before_the_second_of_any() {
        let queues = || vec![vec![1, 2, 3], vec![10], vec![20, 21]];
        assert_eq!(in_turn(queues(), 9), [1, 10, 20, 2, 21, 3]);
        assert_eq!(in_turn(queues(), 4), [1, 10, 20, 2]);
        assert_eq!(in_turn(Vec::<Vec<u8>>::new(), 4), [0; 0]);
    }
}
