//! Whether the agents that are offered something have room for it, checked in the transaction that writes the offers.

use jobs::{AgentId, Job};

use crate::store::StoreError;
use crate::store::sql::{Lock, Transaction, values};

/// The first agent that is offered something by a change, and is gone, has as much as it takes, or is of an owner that is
/// barred.
///
/// The agents are locked until the end of the transaction: offers that others write at the same time are counted, and
/// whoever removes an agent finds every offer that it got.
pub(super) async fn first_without(
    tx: &mut Transaction,
    before: &Job,
    job: &Job,
) -> Result<Option<AgentId>, StoreError> {
    let all = job.assignments().iter();
    let new = all.filter(|assignment| before.assignment(assignment.id()).is_none());
    let mut agents: Vec<_> = new.map(|assignment| assignment.agent()).collect();
    // Always in the same order: other jobs lock the same rows.
    agents.sort();
    for agent in agents {
        if !has_room(tx, agent).await? {
            return Ok(Some(agent.clone()));
        }
    }
    Ok(None)
}

async fn has_room(tx: &mut Transaction, agent: &AgentId) -> Result<bool, StoreError> {
    let rows = tx
        .fetch_locked(
            "SELECT capacity FROM agents WHERE id = $1 AND removed_at IS NULL",
            Lock::Wait,
            values![agent],
        )
        .await?;
    let Some(row) = rows.first() else {
        return Ok(false);
    };
    // Statements of their own, which see what was committed while the lock was waited for.
    let barred = tx
        .fetch_int(
            "SELECT count(*) AS n FROM agents a JOIN parties p ON p.id = a.owner
             WHERE a.id = $1 AND p.barred_at IS NOT NULL",
            values![agent],
        )
        .await?;
    if barred > 0 {
        return Ok(false);
    }
    let busy = tx
        .fetch_int(
            concat!(
                "SELECT count(*) AS n FROM assignments WHERE agent = $1 AND ",
                takes_a_place!()
            ),
            values![agent],
        )
        .await?;
    Ok(busy < row.int("capacity")?)
}
