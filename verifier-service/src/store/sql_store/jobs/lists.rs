//! Lists of jobs, assignments, events and receipts: keyset pages over an index, so that a page costs the same whatever
//! comes before it.

use evidence::work::Hex;
use evidence::work::wire::TaskKind;
use jobs::{AgentId, AssignmentId, JobId, PartyId};

use crate::store::jobs::{
    Askable, EventNumber, JobReceipt, JobSummary, NumberedEvent, OpenAssignment,
};
use crate::store::sql::{Database, Row, values};
use crate::store::sql_store::{after, id};
use crate::store::{Page, StoreError};

/// As much as an agent can be at work on at one time: the largest capacity.
const MOST_OPEN: i64 = 1024;

pub(super) async fn jobs(
    database: &Database,
    tenant: Option<&PartyId>,
    page: Page,
) -> Result<Vec<JobSummary>, StoreError> {
    let (at, name) = after(&page);
    let mut session = database.read().await?;
    let rows = match tenant {
        Some(tenant) => session.fetch(
            "SELECT id, digest, status, created_at FROM jobs
             WHERE tenant = $1 AND (created_at, id) < ($2, $3)
             ORDER BY created_at DESC, id DESC LIMIT $4",
            values![tenant, at, name, page.limit],
        ),
        None => session.fetch(
            "SELECT id, digest, status, created_at FROM jobs
             WHERE (created_at, id) < ($1, $2)
             ORDER BY created_at DESC, id DESC LIMIT $3",
            values![at, name, page.limit],
        ),
    };
    let rows = rows.await?;
    rows.iter().map(summary).collect()
}

pub(super) async fn askable(
    database: &Database,
    agent: &AgentId,
) -> Result<Vec<Askable>, StoreError> {
    let mut session = database.read().await?;
    let rows = session
        .fetch(
            "SELECT assignments.id, assignments.job, assignments.status
             FROM assignments JOIN jobs ON jobs.id = assignments.job
             WHERE agent = $1 AND is_open = 1 AND assignments.status IN ('offered', 'opening', 'judged')
               AND (assignments.status <> 'judged' OR jobs.status = 'disputed')
             ORDER BY CASE assignments.status WHEN 'judged' THEN 0 WHEN 'opening' THEN 1 ELSE 2 END,
                      offered_at, assignments.id LIMIT $2",
            values![agent, MOST_OPEN],
        )
        .await?;
    rows.iter().map(askable_in).collect()
}

pub(super) async fn unfinished(
    database: &Database,
    agent: &AgentId,
) -> Result<Vec<OpenAssignment>, StoreError> {
    let sql = "SELECT id, job FROM assignments WHERE agent = $1 AND is_open = 1
               AND status IN ('offered', 'leased')
             ORDER BY offered_at, id LIMIT $2";
    open_of(database, agent, sql).await
}

async fn open_of(
    database: &Database,
    agent: &AgentId,
    sql: &'static str,
) -> Result<Vec<OpenAssignment>, StoreError> {
    let mut session = database.read().await?;
    let rows = session.fetch(sql, values![agent, MOST_OPEN]).await?;
    rows.iter().map(open).collect()
}

pub(super) async fn events(
    database: &Database,
    job: &JobId,
    after: EventNumber,
    limit: u32,
) -> Result<Vec<NumberedEvent>, StoreError> {
    let mut session = database.read().await?;
    let rows = session
        .fetch(
            "SELECT number, job, at, kind, body FROM events WHERE job = $1 AND number > $2
             ORDER BY number LIMIT $3",
            values![job, after, limit],
        )
        .await?;
    rows.iter().map(event).collect()
}

pub(super) async fn receipts_of(
    database: &Database,
    tenant: Option<&PartyId>,
    page: Page,
) -> Result<Vec<JobReceipt>, StoreError> {
    let (at, name) = after(&page);
    let mut session = database.read().await?;
    let rows = match tenant {
        Some(tenant) => session.fetch(
            "SELECT receipt, assignment, job, issued_at, revoked_at FROM job_receipts
             WHERE tenant = $1 AND (issued_at, receipt) < ($2, $3)
             ORDER BY issued_at DESC, receipt DESC LIMIT $4",
            values![tenant, at, name, page.limit],
        ),
        None => session.fetch(
            "SELECT receipt, assignment, job, issued_at, revoked_at FROM job_receipts
             WHERE (issued_at, receipt) < ($1, $2)
             ORDER BY issued_at DESC, receipt DESC LIMIT $3",
            values![at, name, page.limit],
        ),
    };
    let rows = rows.await?;
    rows.iter().map(receipt).collect()
}

pub(super) async fn job_receipts(
    database: &Database,
    job: &JobId,
) -> Result<Vec<JobReceipt>, StoreError> {
    let mut session = database.read().await?;
    let rows = session
        .fetch(
            "SELECT receipt, assignment, job, issued_at, revoked_at FROM job_receipts
             WHERE job = $1 ORDER BY assignment",
            values![job],
        )
        .await?;
    rows.iter().map(receipt).collect()
}

fn summary(row: &Row) -> Result<JobSummary, StoreError> {
    Ok(JobSummary {
        id: id(row, "id", JobId::parse)?,
        digest: Hex(row.array("digest")?),
        status: row.text("status")?,
        created_at: row.time("created_at")?,
    })
}

fn askable_in(row: &Row) -> Result<Askable, StoreError> {
    Ok(Askable {
        id: id(row, "id", AssignmentId::parse)?,
        job: id(row, "job", JobId::parse)?,
        task: match row.text("status")?.as_str() {
            "judged" => TaskKind::Question,
            "opening" => TaskKind::Open,
            _ => TaskKind::Offer,
        },
    })
}

fn open(row: &Row) -> Result<OpenAssignment, StoreError> {
    Ok(OpenAssignment {
        id: id(row, "id", AssignmentId::parse)?,
        job: id(row, "job", JobId::parse)?,
    })
}

pub(in crate::store::sql_store) fn event(row: &Row) -> Result<NumberedEvent, StoreError> {
    let malformed = |_| StoreError::Malformed { column: "kind" };
    let kind = serde_json::Value::String(row.text("kind")?);
    Ok(NumberedEvent {
        number: row.int("number")?,
        job: id(row, "job", JobId::parse)?,
        at: row.time("at")?,
        kind: serde_json::from_value(kind).map_err(malformed)?,
        body: row.text("body")?,
    })
}

fn receipt(row: &Row) -> Result<JobReceipt, StoreError> {
    Ok(JobReceipt {
        id: row.parsed("receipt")?,
        assignment: id(row, "assignment", AssignmentId::parse)?,
        job: id(row, "job", JobId::parse)?,
        issued_at: row.time("issued_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}
