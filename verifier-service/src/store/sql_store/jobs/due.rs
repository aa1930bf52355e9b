//! Jobs that are due, of the tenants whose turn it is. The caller says whose turn it is.
//!
//! The cost does not depend on how many jobs are due: a few are looked at, and if there are more, tenants are found by
//! jumping in an index from one to the next.

use std::collections::BTreeSet;

use jobs::PartyId;

use crate::store::StoreError;
use crate::store::jobs::{Due, Queue, Share, TakeDue};
use crate::store::sql::{Database, Lock, Session, values};
use crate::store::sql_store::id;

/// Jobs looked at to see whose they are.
const LOOKED_AT: i64 = 128;

/// The statements of a queue.
struct Statements {
    first: &'static str,
    tenants: &'static str,
    of_tenant: &'static str,
    call_up: &'static str,
}

macro_rules! statements {
    ($which:literal) => {
        Statements {
            first: concat!(
                "SELECT tenant FROM jobs WHERE ", $which, " AND due_at IS NOT NULL AND due_at <= $1
                 ORDER BY due_at LIMIT $2"
            ),
            tenants: concat!(
                "WITH RECURSIVE tenants (tenant) AS (
                   SELECT min(tenant) FROM jobs WHERE ", $which, " AND due_at IS NOT NULL
                   UNION ALL
                   SELECT (SELECT min(jobs.tenant) FROM jobs
                           WHERE ", $which, " AND due_at IS NOT NULL AND jobs.tenant > tenants.tenant)
                   FROM tenants WHERE tenants.tenant IS NOT NULL)
                 SELECT tenant FROM tenants
                 WHERE EXISTS (SELECT 1 FROM jobs WHERE ", $which, "
                                 AND due_at IS NOT NULL AND jobs.tenant = tenants.tenant AND due_at <= $1)
                 ORDER BY tenant"
            ),
            of_tenant: concat!(
                "SELECT id FROM jobs WHERE ", $which, " AND due_at IS NOT NULL AND tenant = $1 AND due_at <= $2
                 ORDER BY due_at LIMIT $3"
            ),
            call_up: concat!(
                "UPDATE jobs SET due_at = $1 WHERE ", $which, " AND due_at IS NOT NULL AND due_at > $1 AND due_at <= $2"
            ),
        }
    };
}

const OPENINGS: Statements = statements!("status = 'opening'");
const OTHERS: Statements = statements!("status <> 'opening'");

const fn statements(queue: Queue) -> &'static Statements {
    match queue {
        Queue::Openings => &OPENINGS,
        Queue::Others => &OTHERS,
    }
}

/// What makes jobs due now that are due soon, of each queue.
pub(in crate::store::sql_store) const CALL_UP: [&str; 2] = [OPENINGS.call_up, OTHERS.call_up];

pub(super) async fn tenants(
    database: &Database,
    queue: Queue,
    now: evidence::UnixTime,
) -> Result<Vec<PartyId>, StoreError> {
    let mut session = database.read().await?;
    let statements = statements(queue);
    let first = of_rows(&mut session, statements.first, values![now, LOOKED_AT]).await?;
    if i64::try_from(first.len()).is_ok_and(|looked_at| looked_at < LOOKED_AT) {
        let distinct: BTreeSet<_> = first.into_iter().collect();
        return Ok(distinct.into_iter().collect());
    }
    of_rows(&mut session, statements.tenants, values![now]).await
}

async fn of_rows(
    session: &mut Session,
    sql: &'static str,
    values: Vec<crate::store::sql::Value>,
) -> Result<Vec<PartyId>, StoreError> {
    let rows = session.fetch(sql, values).await?;
    let tenants = rows.iter().map(|row| id(row, "tenant", PartyId::parse));
    tenants.collect()
}

pub(super) async fn take(database: &Database, take: &TakeDue) -> Result<Vec<Due>, StoreError> {
    let mut tx = database.write().await?;
    let mut taken = Vec::new();
    for Share { tenant, most } in &take.shares {
        let rows = tx
            .fetch_locked(
                statements(take.queue).of_tenant,
                Lock::SkipTaken,
                values![tenant, take.now, *most],
            )
            .await?;
        for row in &rows {
            taken.push(Due {
                job: id(row, "id", jobs::JobId::parse)?,
                tenant: tenant.clone(),
            });
        }
    }
    for due in &taken {
        let held = "UPDATE jobs SET due_at = $1 WHERE id = $2";
        tx.execute(held, values![take.until, &due.job]).await?;
    }
    if !taken.is_empty() {
        tx.commit().await?;
    }
    Ok(taken)
}
