//! Jobs: created, changed under a lock, handed out when due, listed.

mod due;
mod lacking;
mod lists;
mod room;
mod write;

pub(super) use due::CALL_UP;
pub(super) use lists::event;

use ::jobs::{AgentId, Amount, AssignmentId, Job, JobId, PartyId};
use evidence::UnixTime;
use evidence::work::Hex;

use super::outages::{body, excused};
use super::parties::hold_party;
use super::{SqlStore, archive, audit, id, journal};
use crate::store::jobs::{
    Act, Acted, Askable, CreatedJob, Due, EventNumber, JobReceipt, JobRequest, JobStore,
    JobSummary, Lacking, NumberedEvent, OpenAssignment, Queue, TakeDue, Written,
};
use crate::store::sql::{Lock, Session, Transaction, values};
use crate::store::{Answer, Page, StoreError};

impl SqlStore {
    async fn try_create(&self, request: &JobRequest) -> Result<CreatedJob, StoreError> {
        let mut tx = self.database.write().await?;
        // Jobs of one tenant are created one after the other, so that what is counted stays true.
        hold_party(&mut tx, &request.tenant).await?;
        if let Some(before) = created_before(&mut tx, request).await? {
            return Ok(before);
        }
        if open_jobs(&mut tx, &request.tenant, request.most_open).await? >= request.most_open.into()
        {
            return Ok(CreatedJob::TooManyOpen);
        }
        let available = journal::available(&mut tx, &request.tenant, request.currency).await?;
        let (job, change) = match (request.create)(available) {
            Ok(created) => created,
            Err(refusal) => return Ok(CreatedJob::Refused(refusal)),
        };
        if !write::insert(&mut tx, &job, &change, request.idempotency.as_ref()).await? {
            // The same key a moment ago, or the same id, which is random.
            drop(tx);
            let mut session = self.database.read().await?;
            let before = created_before(&mut session, request).await?;
            return before.ok_or_else(|| write::conflict("job", job.id().as_str()));
        }
        let events = write::all(&mut tx, None, &job, &change).await?;
        audit::commit_with(tx, change.audit).await?;
        let effects = change.effects;
        Ok(CreatedJob::New(Box::new(job), Written { effects, events }))
    }

    async fn try_act(
        &self,
        id: &JobId,
        available_of: Option<&PartyId>,
        act: &Act,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.database.write().await?;
        let rows = tx
            .fetch_locked(
                concat!(
                    "SELECT due_at, sought, ",
                    body!(),
                    " FROM jobs WHERE id = $1"
                ),
                Lock::Wait,
                values![id],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(Acted::Unknown);
        };
        let (before, is_excused) = excused(&mut tx, row).await?;
        let available = match available_of {
            Some(party) => {
                journal::available(&mut tx, party, before.terms().price().currency).await?
            }
            None => Amount::ZERO,
        };
        let mut job = before.clone();
        let change = match act(&mut job, available) {
            Ok(change) => change,
            Err(refusal) => return Ok(Acted::Refused(refusal)),
        };
        let (due_before, sought_before) =
            (row.optional_time("due_at")?, row.optional_int("sought")?);
        let sought = write::sought(change.search, sought_before);
        let is_unchanged = job == before && write::is_nothing(&change);
        if is_unchanged && !is_excused && change.due_at == due_before && sought == sought_before {
            return Ok(Acted::Done(Box::new(job), Written::default()));
        }
        if let Some(full) = room::first_without(&mut tx, &before, &job).await? {
            return Ok(Acted::NoRoom(full));
        }
        write::update(&mut tx, &job, &change, sought).await?;
        if let Some(grounds) = &change.grounds {
            archive::file(&mut tx, grounds, &self.filed).await?;
        }
        let events = write::all(&mut tx, Some(&before), &job, &change).await?;
        let entry = change.audit.filter(|_| !is_unchanged);
        audit::commit_with(tx, entry).await?;
        if let Some(grounds) = &change.grounds {
            self.filed.note(&grounds.collateral);
        }
        let effects = change.effects;
        Ok(Acted::Done(Box::new(job), Written { effects, events }))
    }
}

impl JobStore for SqlStore {
    fn create_job(&self, request: JobRequest) -> Answer<'_, CreatedJob> {
        Box::pin(async move { self.again(|| self.try_create(&request)).await })
    }

    fn with_job<'a>(
        &'a self,
        id: &'a JobId,
        available_of: Option<&'a PartyId>,
        act: Act,
    ) -> Answer<'a, Acted> {
        Box::pin(async move { self.again(|| self.try_act(id, available_of, &act)).await })
    }

    fn job<'a>(&'a self, id: &'a JobId) -> Answer<'a, Option<Job>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let of = concat!("SELECT ", body!(), " FROM jobs WHERE id = $1");
            let row = session.fetch_optional(of, values![id]).await?;
            let Some(row) = row else { return Ok(None) };
            let (job, _) = excused(&mut session, &row).await?;
            Ok(Some(job))
        })
    }

    fn job_of<'a>(&'a self, assignment: &'a AssignmentId) -> Answer<'a, Option<JobId>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let of = "SELECT job FROM assignments WHERE id = $1";
            let row = session.fetch_optional(of, values![assignment]).await?;
            row.map(|row| id(&row, "job", JobId::parse)).transpose()
        })
    }

    fn jobs<'a>(&'a self, tenant: Option<&'a PartyId>, page: Page) -> Answer<'a, Vec<JobSummary>> {
        Box::pin(lists::jobs(&self.database, tenant, page))
    }

    fn tenants_due(&self, queue: Queue, now: UnixTime) -> Answer<'_, Vec<PartyId>> {
        Box::pin(due::tenants(&self.database, queue, now))
    }

    fn due(&self, take: TakeDue) -> Answer<'_, Vec<Due>> {
        Box::pin(async move { self.again(|| due::take(&self.database, &take)).await })
    }

    fn latest_search(&self) -> Answer<'_, Option<i64>> {
        Box::pin(lacking::latest_search(&self.database))
    }

    fn tenants_lacking(&self, search: i64) -> Answer<'_, Vec<PartyId>> {
        Box::pin(lacking::tenants(&self.database, search))
    }

    fn take_lacking<'a>(
        &'a self,
        search: i64,
        tenants: &'a [PartyId],
        limit: u32,
    ) -> Answer<'a, Vec<Lacking>> {
        Box::pin(async move {
            let take = || lacking::take(&self.database, search, tenants, limit);
            self.again(take).await
        })
    }

    fn hand_back<'a>(&'a self, search: i64, jobs: &'a [JobId]) -> Answer<'a, ()> {
        Box::pin(async move {
            let hand_back = || lacking::hand_back(&self.database, search, jobs);
            self.again(hand_back).await
        })
    }

    fn askable<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, Vec<Askable>> {
        Box::pin(lists::askable(&self.database, agent))
    }

    fn unfinished<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, Vec<OpenAssignment>> {
        Box::pin(lists::unfinished(&self.database, agent))
    }

    #[cfg(test)]
    fn record<'a>(
        &'a self,
        agent: &'a AgentId,
        workload: &'a ::jobs::Workload,
        size: ::jobs::Size,
    ) -> Answer<'a, ::jobs::Record> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let good = session
                .fetch_int(
                    "SELECT CAST(coalesce(sum(good), 0) AS BIGINT) AS n FROM records
                     WHERE agent = $1 AND workload = $2 AND size >= $3",
                    values![agent, workload.as_str(), super::clerk::number(size)],
                )
                .await?;
            Ok(::jobs::Record(u32::try_from(good).unwrap_or(u32::MAX)))
        })
    }

    fn document<'a>(&'a self, job: &'a JobId, sha256: Hex<32>) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let mut session = self.database.read().await?;
            let row = session
                .fetch_optional(
                    "SELECT bytes FROM documents WHERE sha256 = $1 AND job = $2",
                    values![sha256, job],
                )
                .await?;
            row.map(|row| row.bytes("bytes")).transpose()
        })
    }

    fn events<'a>(
        &'a self,
        job: &'a JobId,
        after: EventNumber,
        limit: u32,
    ) -> Answer<'a, Vec<NumberedEvent>> {
        Box::pin(lists::events(&self.database, job, after, limit))
    }

    fn receipts_of<'a>(
        &'a self,
        tenant: Option<&'a PartyId>,
        page: Page,
    ) -> Answer<'a, Vec<JobReceipt>> {
        Box::pin(lists::receipts_of(&self.database, tenant, page))
    }

    fn job_receipts<'a>(&'a self, job: &'a JobId) -> Answer<'a, Vec<JobReceipt>> {
        Box::pin(lists::job_receipts(&self.database, job))
    }
}

/// Open jobs of a tenant, counted up to the limit.
async fn open_jobs(session: &mut Session, tenant: &PartyId, limit: u32) -> Result<i64, StoreError> {
    let count = "SELECT count(*) AS n FROM
                   (SELECT 1 AS one FROM jobs
                    WHERE tenant = $1 AND status IN ('open', 'opening', 'disputed') LIMIT $2) AS open";
    session.fetch_int(count, values![tenant, limit]).await
}

/// The job that the same request made, or why there can be none of this key.
async fn created_before(
    session: &mut Session,
    request: &JobRequest,
) -> Result<Option<CreatedJob>, StoreError> {
    let Some((key, sha256)) = &request.idempotency else {
        return Ok(None);
    };
    let row = session
        .fetch_optional(
            concat!(
                "SELECT idempotency_sha256, ",
                body!(),
                " FROM jobs WHERE tenant = $1 AND idempotency_key = $2"
            ),
            values![&request.tenant, key.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(match row.array("idempotency_sha256")? == *sha256 {
        true => CreatedJob::Before(Box::new(excused(session, &row).await?.0)),
        false => CreatedJob::KeyReused,
    }))
}

/// For [`write`].
async fn execute(
    tx: &mut Transaction,
    sql: &'static str,
    values: Vec<crate::store::sql::Value>,
) -> Result<(), StoreError> {
    tx.execute(sql, values).await.map(drop)
}
