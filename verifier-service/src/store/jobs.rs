//! What the store remembers about jobs: each as one aggregate with its assignments, changed under a lock, together with
//! everything the change leaves behind.
//!
//! The promises: [`JobStore::with_job`] writes the job and all effects or nothing; no two callers change one job at the
//! same time; [`JobStore::due`] hands a job to one caller at a time. A change is computed by a function without side
//! effects, because it is computed again where the database asks for another try.

use evidence::UnixTime;
use evidence::work::Hex;
use evidence::work::wire::TaskKind;
use jobs::{
    AgentId, Amount, AssignmentId, Effects, Event, EventKind, Job, JobId, PartyId, Refusal,
};

use super::archive::Grounds;
use super::clerk::Draft;
use super::{Answer, NewReceipt, Page};
use crate::audit::New;

/// What becomes of a job: the action, applied. The amount is what the party named beside it has available in the currency
/// of the job's terms; nothing, where none was named.
///
/// It may be called several times and must do nothing but change the job it is handed. Where it refuses, nothing is
/// written.
pub(crate) type Act = Box<dyn Fn(&mut Job, Amount) -> Result<Change, Refusal> + Send + Sync>;

/// What makes a job, from what the tenant has available.
pub(crate) type Create = Box<dyn Fn(Amount) -> Result<(Job, Change), Refusal> + Send + Sync>;

/// What a change leaves to be written with the job.
#[derive(Clone, Default)]
pub(crate) struct Change {
    /// What the rules say.
    pub(crate) effects: Effects,
    /// When the job is to be looked at again: its next deadline, or the next attempt to find agents; `None` for never.
    pub(crate) due_at: Option<UnixTime>,
    /// Openings and answers that came in.
    pub(crate) documents: Vec<Document>,
    /// Receipts for the assignments that the effects accept. Their challenges are the assignments'.
    pub(crate) receipts: Vec<(AssignmentId, NewReceipt)>,
    /// Receipts that wait for agreement.
    pub(crate) drafts: Vec<(AssignmentId, Draft)>,
    /// What the claims of a draft rest on.
    pub(crate) grounds: Option<Grounds>,
    /// Whether agents are to be looked for.
    pub(crate) search: Search,
    /// Who asked for it, where somebody who is on record did. It is recorded where anything else is written.
    pub(crate) audit: Option<New>,
}

/// Whether agents are to be looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Search {
    /// The job lacks none.
    #[default]
    Over,
    /// It lacks some. If it lacked some before, who is there was seen already.
    On,
    /// It lacks some, and whoever was passed over before may do now.
    Anew,
}

impl Search {
    /// From the beginning, where the job lacks some.
    pub(crate) const fn anew_if(lacks_some: bool) -> Self {
        match lacks_some {
            true => Self::Anew,
            false => Self::Over,
        }
    }
}

/// A job that lacks agents, taken to look for some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lacking {
    /// Which.
    pub(crate) job: JobId,
    /// Whose.
    pub(crate) tenant: PartyId,
}

/// What a job that is due waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// That its openings are judged, which may take long.
    Openings,
    /// All else, which is quick.
    Others,
}

/// Jobs that are due, to be taken.
#[derive(Clone, Debug)]
pub(crate) struct TakeDue {
    /// Of which queue.
    pub(crate) queue: Queue,
    /// What time it is.
    pub(crate) now: UnixTime,
    /// Until when nobody else is handed them.
    pub(crate) until: UnixTime,
    /// Whose.
    pub(crate) shares: Vec<Share>,
}

/// How many jobs of a tenant are taken at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Whose.
    pub(crate) tenant: PartyId,
    /// How many.
    pub(crate) most: u32,
}

/// A job that was due, and is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Which.
    pub(crate) job: JobId,
    /// Whose.
    pub(crate) tenant: PartyId,
}

/// Bytes the job knows by digest.
#[derive(Clone)]
pub(crate) struct Document {
    /// SHA-256 of the bytes.
    pub(crate) sha256: Hex<32>,
    /// Exactly as received.
    pub(crate) bytes: Vec<u8>,
}

/// A job about to be created.
pub(crate) struct JobRequest {
    /// Whose it is.
    pub(crate) tenant: PartyId,
    /// In which currency it is paid.
    pub(crate) currency: jobs::Currency,
    /// How many open jobs the tenant may have, this one counted.
    pub(crate) most_open: u32,
    /// The tenant's own name for the request, and SHA-256 of the request.
    pub(crate) idempotency: Option<(String, [u8; 32])>,
    /// Makes it.
    pub(crate) create: Create,
}

/// What became of a new job.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each change of a job, taken apart at once"
)]
pub(crate) enum CreatedJob {
    /// It exists from now on.
    New(Box<Job>, Written),
    /// The same request made it before.
    Before(Box<Job>),
    /// The tenant used the idempotency key with another request.
    KeyReused,
    /// The tenant has as many open jobs as it may.
    TooManyOpen,
    /// The rules say no.
    Refused(Refusal),
}

/// What became of an action.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each change of a job, taken apart at once"
)]
pub(crate) enum Acted {
    /// It is applied, now or before; this is the job.
    Done(Box<Job>, Written),
    /// The rules say no.
    Refused(Refusal),
    /// This agent would be offered a replica, and is gone or has as much as it takes. Nothing is written.
    NoRoom(AgentId),
    /// There is no such job.
    Unknown,
}

/// What was written with a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// The effects.
    pub(crate) effects: Effects,
    /// The numbers of their events, in order.
    pub(crate) events: Vec<EventNumber>,
}

/// Position in the history of all jobs; later ones of one job are greater.
pub(crate) type EventNumber = i64;

/// A line of a job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberedEvent {
    /// Its number.
    pub(crate) number: EventNumber,
    /// Whose.
    pub(crate) job: JobId,
    /// When.
    pub(crate) at: UnixTime,
    /// What happened, which says who may read it.
    pub(crate) kind: EventKind,
    /// The line, as JSON: [`Event`] serialised.
    pub(crate) body: String,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobSummary {
    /// Which.
    pub(crate) id: JobId,
    /// SHA-256 of the canonical spec.
    pub(crate) digest: Hex<32>,
    /// The public word for where it stands.
    pub(crate) status: String,
    /// When it was created.
    pub(crate) created_at: UnixTime,
}

/// An assignment that is not at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenAssignment {
    /// Which.
    pub(crate) id: AssignmentId,
    /// Of which job.
    pub(crate) job: JobId,
}

/// An assignment about which its agent may be asked something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Askable {
    /// Which.
    pub(crate) id: AssignmentId,
    /// Of which job.
    pub(crate) job: JobId,
    /// What it can be asked, where it stands.
    pub(crate) task: TaskKind,
}

/// A receipt that came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobReceipt {
    /// Its name.
    pub(crate) id: crate::id::Id,
    /// For which assignment.
    pub(crate) assignment: AssignmentId,
    /// Of which job.
    pub(crate) job: JobId,
    /// When it was issued.
    pub(crate) issued_at: UnixTime,
    /// Since when it no longer holds.
    pub(crate) revoked_at: Option<UnixTime>,
}

/// See the [module documentation](self).
pub(crate) trait JobStore: Send + Sync {
    /// Creates a job; its price goes into escrow in the same step. However many are created at the same time, a tenant gets
    /// no more open ones than the request says.
    fn create_job(&self, request: JobRequest) -> Answer<'_, CreatedJob>;

    /// Loads a job under a lock, applies the action, writes everything in one transaction. `available_of` names the party
    /// whose money the action needs to know. Nothing is offered to an agent beyond its capacity, or once it is removed,
    /// however many jobs are changed at the same time.
    fn with_job<'a>(
        &'a self,
        id: &'a JobId,
        available_of: Option<&'a PartyId>,
        act: Act,
    ) -> Answer<'a, Acted>;

    /// The job of this name.
    fn job<'a>(&'a self, id: &'a JobId) -> Answer<'a, Option<Job>>;

    /// The job an assignment belongs to.
    fn job_of<'a>(&'a self, assignment: &'a AssignmentId) -> Answer<'a, Option<JobId>>;

    /// The jobs of a tenant, or of all of them, latest first.
    fn jobs<'a>(&'a self, tenant: Option<&'a PartyId>, page: Page) -> Answer<'a, Vec<JobSummary>>;

    /// Tenants with jobs that are due, in the order of their names.
    fn tenants_due(&self, queue: Queue, now: UnixTime) -> Answer<'_, Vec<PartyId>>;

    /// Takes jobs that are due, of each tenant those longest due first: nobody else is handed them until `until`, when
    /// whoever took them has set another time or has died.
    fn due(&self, take: TakeDue) -> Answer<'_, Vec<Due>>;

    /// The number of the latest search for agents that a job which lacks some was part of; 0 if they were part of none.
    /// `None` if no job lacks any.
    fn latest_search(&self) -> Answer<'_, Option<i64>>;

    /// Tenants with jobs that lack agents and were not part of this search, in the order of their names.
    fn tenants_lacking(&self, search: i64) -> Answer<'_, Vec<PartyId>>;

    /// Takes jobs that lack agents and were not part of this search: of each of these tenants, in this order, the one that
    /// was looked after longest ago, then of each the second, and so on. They are part of the search from now on, so that
    /// nobody else is handed them in it.
    fn take_lacking<'a>(
        &'a self,
        search: i64,
        tenants: &'a [PartyId],
        limit: u32,
    ) -> Answer<'a, Vec<Lacking>>;

    /// Has agents looked for again at once, for jobs that were taken and could not be looked after.
    fn hand_back<'a>(&'a self, search: i64, jobs: &'a [JobId]) -> Answer<'a, ()>;

    /// The assignments of an agent about which it may be asked something now: questions, then openings, then offers, of each
    /// kind the oldest first. What it works on, waits for others or is accepted is not among them.
    fn askable<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, Vec<Askable>>;

    /// The assignments of an agent that it has not committed to, oldest first.
    fn unfinished<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, Vec<OpenAssignment>>;

    /// The record of an agent with a workload towards jobs of a size, to see what was written: dispatch reads the records of
    /// all candidates at once.
    #[cfg(test)]
    fn record<'a>(
        &'a self,
        agent: &'a AgentId,
        workload: &'a ::jobs::Workload,
        size: ::jobs::Size,
    ) -> Answer<'a, ::jobs::Record>;

    /// An opening or an answer of this job, by digest.
    fn document<'a>(&'a self, job: &'a JobId, sha256: Hex<32>) -> Answer<'a, Option<Vec<u8>>>;

    /// The events of a job after a number, in order.
    fn events<'a>(
        &'a self,
        job: &'a JobId,
        after: EventNumber,
        limit: u32,
    ) -> Answer<'a, Vec<NumberedEvent>>;

    /// The receipts that came of the jobs of a tenant, or of all of them, latest first.
    fn receipts_of<'a>(
        &'a self,
        tenant: Option<&'a PartyId>,
        page: Page,
    ) -> Answer<'a, Vec<JobReceipt>>;

    /// The receipts of a job.
    fn job_receipts<'a>(&'a self, job: &'a JobId) -> Answer<'a, Vec<JobReceipt>>;
}

impl Change {
    /// What the rules say, and when the job is to be looked at again.
    pub(crate) fn new(effects: Effects, due_at: Option<UnixTime>) -> Self {
        Self {
            effects,
            due_at,
            ..Self::default()
        }
    }
}

/// Who is told of an event: the tenant, and the provider whose assignment it is about.
pub(crate) fn told<'a>(job: &'a Job, event: &'a Event) -> impl Iterator<Item = &'a PartyId> {
    let tenant = Some(job.tenant()).filter(|_| event.kind.is_for_tenant());
    let provider = event.provider.as_ref().filter(|id| event.is_for(id));
    // A party may be both.
    let provider = provider.filter(|id| Some(*id) != tenant);
    tenant.into_iter().chain(provider)
}
