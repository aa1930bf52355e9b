//! Writes a job and everything that follows from its change, in the caller's transaction.

use std::collections::BTreeSet;

use evidence::UnixTime;
use evidence::work::Hex;
use jobs::books::{Account, Transfer};
use jobs::patience::{Miss, Misses};
use jobs::{AssignmentId, Effects, Event, Job, JobId, PartyId, ResultKind};

use super::execute;
use crate::store::books::Booked;
use crate::store::clerk::Draft;
use crate::store::jobs::{Change, EventNumber, Search, told};
use crate::store::sql::{Lock, Transaction, values};
use crate::store::sql_store::clerk::number;
use crate::store::sql_store::{journal, receipts};
use crate::store::{NewReceipt, StoreError};

/// Whether a change leaves nothing.
pub(super) fn is_nothing(change: &Change) -> bool {
    change.effects.is_empty()
        && change.documents.is_empty()
        && change.receipts.is_empty()
        && change.drafts.is_empty()
}

/// What should have been impossible: the job's own rules let something happen twice.
pub(super) fn conflict(what: &str, name: &str) -> StoreError {
    let what = format!("{what} {name}");
    StoreError::Conflict { what }
}

/// Inserts a job; `false` if its idempotency key is taken, or its id.
pub(super) async fn insert(
    tx: &mut Transaction,
    job: &Job,
    change: &Change,
    idempotency: Option<&(String, [u8; 32])>,
) -> Result<bool, StoreError> {
    let inserted = tx
        .execute(
            "INSERT INTO jobs (id, tenant, digest, status, created_at, due_at, body,
                               idempotency_key, idempotency_sha256, sought)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            values![
                job.id(),
                job.tenant(),
                job.digest(),
                job.status().as_str(),
                job.created_at(),
                change.due_at,
                body(job)?,
                idempotency.map(|(key, _)| key.as_str()),
                idempotency.map(|(_, sha256)| *sha256),
                sought(change.search, None),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// In which search the job was looked after, from the one it was before; see the column.
pub(super) fn sought(search: Search, before: Option<i64>) -> Option<i64> {
    match search {
        Search::Over => None,
        Search::On => Some(before.unwrap_or_default()),
        Search::Anew => Some(0),
    }
}

/// Writes the job over the one that is locked.
pub(super) async fn update(
    tx: &mut Transaction,
    job: &Job,
    change: &Change,
    sought: Option<i64>,
) -> Result<(), StoreError> {
    execute(
        tx,
        "UPDATE jobs SET status = $1, due_at = $2, body = $3, sought = $4, unswept_since = $5 WHERE id = $6",
        values![
            job.status().as_str(),
            change.due_at,
            body(job)?,
            sought,
            job.ended_at(),
            job.id()
        ],
    )
    .await
}

/// Writes everything beside the job; gives the numbers of its events.
pub(super) async fn all(
    tx: &mut Transaction,
    before: Option<&Job>,
    job: &Job,
    change: &Change,
) -> Result<Vec<EventNumber>, StoreError> {
    let Effects {
        transfers,
        events,
        records: _,
        missed,
        spent,
        receipts: _,
        revoked,
        disowned,
        wake: _,
    } = &change.effects;
    assignments(tx, before, job).await?;
    for challenge in spent {
        spend(tx, job.id(), challenge.0).await?;
    }
    for document in &change.documents {
        execute(
            tx,
            "INSERT INTO documents (sha256, job, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            values![document.sha256, job.id(), document.bytes.as_slice()],
        )
        .await?;
    }
    for (assignment, receipt) in &change.receipts {
        issue(tx, job, assignment, receipt).await?;
    }
    for assignment in revoked {
        let at = events.first().map_or(job.created_at(), |event| event.at);
        revoke(tx, assignment, at).await?;
    }
    disown(tx, job, disowned).await?;
    records(tx, &change.effects).await?;
    let now = events.first().map_or(job.created_at(), |event| event.at);
    misses(tx, missed, now).await?;
    for (assignment, draft) in &change.drafts {
        keep(tx, assignment, draft).await?;
    }
    // Last, since others wait for these rows.
    let numbers = history(tx, job, events).await?;
    news(tx, job.id(), &change.effects).await?;
    // By the account that jobs share, so that two jobs that pay the same parties do not wait for each other.
    let mut transfers: Vec<_> = transfers.iter().collect();
    transfers.sort_by_cached_key(|transfer| shared(transfer));
    for transfer in transfers {
        match journal::book(tx, transfer).await? {
            Booked::New => {}
            refused => {
                let what = format!("{refused:?} {}", transfer.kind().as_str());
                return Err(conflict(&what, transfer.key()));
            }
        }
    }
    Ok(numbers)
}

fn shared(transfer: &Transfer) -> Option<String> {
    let mut accounts = transfer.postings().iter().map(|posting| &posting.account);
    let is_own = |account: &&Account| matches!(account, Account::Escrow(_) | Account::Stake(_));
    accounts
        .find(|account| !is_own(account))
        .map(Account::to_string)
}

async fn assignments(
    tx: &mut Transaction,
    before: Option<&Job>,
    job: &Job,
) -> Result<(), StoreError> {
    for assignment in job.assignments() {
        let old = before.and_then(|before| before.assignment(assignment.id()));
        if old.is_some_and(|old| old.status() == assignment.status()) {
            continue;
        }
        execute(
            tx,
            "INSERT INTO assignments (id, job, agent, status, offered_at, is_open)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, is_open = excluded.is_open",
            values![
                assignment.id(),
                job.id(),
                assignment.agent(),
                assignment.status().as_str(),
                assignment.offered_at(),
                i64::from(assignment.ended_at().is_none()),
            ],
        )
        .await?;
    }
    Ok(())
}

async fn spend(tx: &mut Transaction, job: &JobId, challenge: [u8; 32]) -> Result<(), StoreError> {
    let spent = tx
        .execute(
            "INSERT INTO assignment_challenges (value, job) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            values![challenge, job],
        )
        .await?;
    match spent {
        1 => Ok(()),
        _ => Err(conflict("challenge of", job.as_str())),
    }
}

async fn issue(
    tx: &mut Transaction,
    job: &Job,
    assignment: &AssignmentId,
    new: &NewReceipt,
) -> Result<(), StoreError> {
    if !receipts::write(tx, new).await? {
        return Err(conflict("receipt of", assignment.as_str()));
    }
    execute(
        tx,
        "INSERT INTO job_receipts (receipt, assignment, job, tenant, issued_at)
         VALUES ($1, $2, $3, $4, $5)",
        values![
            new.receipt.id,
            assignment,
            job.id(),
            job.tenant(),
            new.receipt.issued_at
        ],
    )
    .await
}

async fn revoke(
    tx: &mut Transaction,
    assignment: &AssignmentId,
    at: UnixTime,
) -> Result<(), StoreError> {
    execute(
        tx,
        "UPDATE job_receipts SET revoked_at = $1 WHERE assignment = $2 AND revoked_at IS NULL",
        values![at, assignment],
    )
    .await
}

/// Forgets whose devices are that became known since the job was offered.
async fn disown(
    tx: &mut Transaction,
    job: &Job,
    disowned: &[(PartyId, Hex<32>)],
) -> Result<(), StoreError> {
    // Always in the same order: other jobs change the same rows.
    let disowned: BTreeSet<_> = disowned.iter().collect();
    for (owner, device) in disowned {
        execute(
            tx,
            "DELETE FROM devices WHERE ueid_sha256 = $1 AND owner = $2 AND first_seen_at >= $3",
            values![*device, owner, job.created_at()],
        )
        .await?;
    }
    Ok(())
}

async fn records(tx: &mut Transaction, effects: &Effects) -> Result<(), StoreError> {
    let mut changes: Vec<_> = effects.records.iter().collect();
    // Always in the same order: other jobs change the same rows.
    changes.sort_by(|a, b| a.agent.cmp(&b.agent));
    for change in changes {
        let (agent, workload) = (&change.agent, change.workload.as_str());
        match change.result {
            ResultKind::Good(size) => {
                execute(
                    tx,
                    "INSERT INTO records (agent, workload, size, good) VALUES ($1, $2, $3, 1)
                     ON CONFLICT (agent, workload, size) DO UPDATE SET good = records.good + 1",
                    values![agent, workload, number(size)],
                )
                .await?;
            }
            ResultKind::Bad => {
                execute(
                    tx,
                    "UPDATE records SET good = 0 WHERE agent = $1 AND workload = $2",
                    values![agent, workload],
                )
                .await?;
            }
        }
    }
    Ok(())
}

/// Whoever left others waiting is drawn less.
async fn misses(tx: &mut Transaction, missed: &[Miss], now: UnixTime) -> Result<(), StoreError> {
    let mut missed: Vec<_> = missed.iter().collect();
    // Always in the same order: other jobs change the same rows.
    missed.sort_by(|a, b| a.owner.cmp(&b.owner));
    for miss in missed {
        let rows = tx
            .fetch_locked(
                "SELECT steps, at FROM misses WHERE owner = $1",
                Lock::Wait,
                values![&miss.owner],
            )
            .await?;
        let before = rows.first().map(|row| {
            let (steps, at) = (row.u32("steps")?, row.time("at")?);
            Ok::<_, StoreError>(Misses { steps, at })
        });
        let before = before.transpose()?.unwrap_or(Misses::NONE);
        let after = before.after(miss.kind, now);
        if after != before {
            execute(
                tx,
                "INSERT INTO misses (owner, steps, at) VALUES ($1, $2, $3)
                 ON CONFLICT (owner) DO UPDATE SET steps = excluded.steps, at = excluded.at",
                values![&miss.owner, after.steps, after.at],
            )
            .await?;
        }
    }
    Ok(())
}

/// The events, and for each a delivery to every webhook that is told.
async fn history(
    tx: &mut Transaction,
    job: &Job,
    events: &[Event],
) -> Result<Vec<EventNumber>, StoreError> {
    let mut numbers = Vec::new();
    for event in events {
        let malformed = |_| StoreError::Malformed { column: "body" };
        let text = serde_json::to_string(event).map_err(malformed)?;
        let rows = tx
            .execute_returning(
                "INSERT INTO events (job, at, kind, body) VALUES ($1, $2, $3, $4) RETURNING number",
                values![job.id(), event.at, event.kind.as_str(), text],
            )
            .await?;
        let row = rows
            .first()
            .ok_or(StoreError::Malformed { column: "number" })?;
        let number = row.int("number")?;
        for party in told(job, event) {
            execute(
                tx,
                "INSERT INTO deliveries (webhook, event, job, status, due_at, attempts)
                 SELECT id, $1, $2, 'pending', $3, 0 FROM webhooks
                 WHERE party = $4 AND removed_at IS NULL AND disabled_at IS NULL
                   AND (kinds IS NULL OR ' ' || kinds || ' ' LIKE '% ' || $5 || ' %')",
                values![number, job.id(), event.at, party, event.kind.as_str()],
            )
            .await?;
        }
        numbers.push(number);
    }
    Ok(numbers)
}

/// The first draft stands: later rounds audit what it says again.
async fn keep(
    tx: &mut Transaction,
    assignment: &AssignmentId,
    draft: &Draft,
) -> Result<(), StoreError> {
    execute(
        tx,
        "INSERT INTO drafts (assignment, claims, opening) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        values![assignment, draft.claims.as_str(), draft.opening],
    )
    .await
}

/// A line for each agent that has something to fetch, and one for whoever follows the job.
async fn news(tx: &mut Transaction, job: &JobId, effects: &Effects) -> Result<(), StoreError> {
    let agents: BTreeSet<_> = effects.wake.iter().collect();
    for agent in agents {
        execute(
            tx,
            "INSERT INTO news (job, agent) VALUES ($1, $2)",
            values![job, agent],
        )
        .await?;
    }
    if effects.wake.is_empty() && !effects.events.is_empty() {
        execute(tx, "INSERT INTO news (job) VALUES ($1)", values![job]).await?;
    }
    Ok(())
}

fn body(job: &Job) -> Result<String, StoreError> {
    let malformed = |_| StoreError::Malformed { column: "body" };
    job.to_stored().map_err(malformed)
}
