//! Deletes the offers of an ended job that nobody took: they moved no money and showed no challenge, and there may be
//! many.

use std::collections::BTreeSet;

use jobs::{AssignmentId, JobId};
use serde::Deserialize;

use super::id;
use crate::store::StoreError;
use crate::store::sql::{Row, Transaction, values};

/// Most events that are looked at in one go.
const SWEPT_EVENTS: i64 = 256;

/// What of an event is asked.
#[derive(Deserialize)]
struct About {
    assignment: AssignmentId,
}

/// Forgets some of a job's offers that were never taken, with their events; says whether that was all of them.
pub(super) async fn forget(tx: &mut Transaction, job: &JobId) -> Result<bool, StoreError> {
    let taken = taken(tx, job).await?;
    let mut after = 0;
    loop {
        let events = events(tx, job, after).await?;
        let Some((last, _)) = events.last() else {
            break;
        };
        after = *last;
        let of_untaken = events.iter().filter(|(_, of)| !taken.contains(of));
        let mut is_any = false;
        for (number, _) in of_untaken {
            tx.execute("DELETE FROM deliveries WHERE event = $1", values![*number])
                .await?;
            tx.execute("DELETE FROM events WHERE number = $1", values![*number])
                .await?;
            is_any = true;
        }
        if is_any {
            return Ok(false);
        }
    }
    let rows = tx
        .fetch(
            "SELECT id FROM assignments WHERE job = $1 AND is_open = 0 AND status IN ('expired', 'released')
             ORDER BY id",
            values![job],
        )
        .await?;
    for row in &rows {
        let assignment = id(row, "id", AssignmentId::parse)?;
        if !taken.contains(&assignment) {
            tx.execute(
                "DELETE FROM assignments WHERE id = $1",
                values![&assignment],
            )
            .await?;
        }
    }
    Ok(true)
}

/// The assignments that agents took: few, since the rules count them.
async fn taken(tx: &mut Transaction, job: &JobId) -> Result<BTreeSet<AssignmentId>, StoreError> {
    let rows = tx
        .fetch(
            "SELECT body FROM events WHERE job = $1 AND kind = 'assignment_leased'",
            values![job],
        )
        .await?;
    rows.iter().map(about).collect()
}

/// Events of offers and of assignments that were not committed to, in their order: number and assignment.
async fn events(
    tx: &mut Transaction,
    job: &JobId,
    after: i64,
) -> Result<Vec<(i64, AssignmentId)>, StoreError> {
    let rows = tx
        .fetch(
            "SELECT number, body FROM events WHERE job = $1 AND number > $2
               AND kind IN ('assignment_offered', 'assignment_expired', 'assignment_released')
             ORDER BY number LIMIT $3",
            values![job, after, SWEPT_EVENTS],
        )
        .await?;
    let events = rows.iter().map(|row| Ok((row.int("number")?, about(row)?)));
    events.collect()
}

fn about(row: &Row) -> Result<AssignmentId, StoreError> {
    let about: Result<About, _> = serde_json::from_str(&row.text("body")?);
    let malformed = |_| StoreError::Malformed { column: "body" };
    about.map(|about| about.assignment).map_err(malformed)
}
