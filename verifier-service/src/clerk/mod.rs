//! The clerk: drives jobs from an offer to a reward.
//!
//! The rules are pure and in the crate `jobs`. What happens to a job, whoever asks for it, is one action applied under
//! the job's lock, written together with everything that follows from it ([`Clerk::act`]).
//!
//! What no request asks for is done by one background task for each verifier ([`Clerk::run`]). It takes jobs that are
//! due, in turns by tenant, lets time pass for them, judges openings and asks the referee's questions. Apart from that,
//! in places of its own, it looks for agents for jobs that lack some. Any number of verifiers may do so on one
//! database: a job is handed to one of them at a time, and what two of them do to it takes effect once.
//!
//! In scope:
//!
//! * `offer`: what a job must be to be taken; `bounds`: how large what agents hand in can be;
//! * `search`: which jobs agents are looked for, and when; `dispatch`: who is offered a replica;
//! * `leaving`: what becomes of the work of agents that are removed;
//! * `tasks`: what an agent is to do next;
//! * `judging`: from stored bytes to a verdict, `referee`: from stored answers to the next question or a ruling;
//! * `receipts`: what is signed once replicas agree;
//! * `forgetting`: openings and answers of jobs that ended long ago;
//! * `outage`: nobody is late because the service was away; `presence`: whether this verifier is there.
//!
//! Out of scope: HTTP; who may ask (`parties`, `agents`); whether evidence is good (`evidence`, through [`Proceedings`]).
//!
//! A crash loses nothing that is kept in memory here: openings and answers are stored before anybody looks at them, and
//! judging again gives the same. No lock is held while anything is judged, signed or awaited.

mod act;
mod attend;
mod bounds;
mod caught;
mod dispatch;
#[cfg(test)]
mod fixture;
mod forgetting;
mod judging;
mod lane;
mod leaving;
mod offer;
mod outage;
mod presence;
mod receipts;
mod referee;
mod rounds;
mod search;
mod tasks;
mod turns;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use jobs::terms::Assurance;
use jobs::{AgentId, AssignmentId, Job, JobId, Refusal};
use lru::LruCache;
use receipt::Level;
use thiserror::Error;
use tokio::sync::Notify;

pub(crate) use act::Deed;
pub(crate) use bounds::{HANDED_IN_A_SECOND, largest_answer, largest_opening};
pub(crate) use offer::{NewOffer, Offered};
use presence::Presence;
pub(crate) use tasks::Asking;

use crate::clock::Clock;
use crate::hub::Hub;
use crate::judge::Proceedings;
use crate::lock::lock;
use crate::metrics::JobMeters;
use crate::policies::Book;
use crate::problem::{Problem, ProblemCode};
use crate::store::jobs::JobStore;
use crate::store::{SqlStore, StoreError};

/// Traces of openings remembered, about 200 bytes each; a verdict whose trace was forgotten begins one of its own.
const TRACES_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// What a clerk is made of.
pub(crate) struct Parts {
    /// Remembers jobs.
    pub(crate) store: SqlStore,
    /// Knows good openings from bad, and signs.
    pub(crate) proceedings: Proceedings,
    /// The policies that a job may name.
    pub(crate) book: Book,
    /// Who waits for what.
    pub(crate) hub: Hub,
    /// Says when.
    pub(crate) clock: Arc<dyn Clock>,
    /// The clock of the machine, by which it is found that nobody was there.
    pub(crate) wall: Arc<dyn Clock>,
    /// Whom receipts are for.
    pub(crate) audience: Vec<String>,
    /// Most bytes of an opening or an answer.
    pub(crate) body_limit: usize,
    /// Most open jobs of a tenant.
    pub(crate) most_open_jobs: u32,
    /// Seconds that openings and answers are kept after their job ended.
    pub(crate) opening_retention_s: u32,
}

/// See the [module documentation](self). Copies share everything.
#[derive(Clone)]
pub(crate) struct Clerk(Arc<Office>);

struct Office {
    parts: Parts,
    /// Something became due that this process knows of.
    due: Notify,
    /// A job lacks agents that this process knows of, or may find some now.
    wanted: Notify,
    /// An agent came, or has less to do, since agents were looked at last.
    is_anybody_free: AtomicBool,
    meters: JobMeters,
    /// The traces that openings came in, so that their verdicts are in them too.
    traces: Mutex<LruCache<AssignmentId, String>>,
    /// Jobs being attended to here, and how often in a row each failed.
    desk: Mutex<HashMap<JobId, Attendance>>,
    presence: Presence,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attendance {
    is_under_way: bool,
    /// Something happened meanwhile.
    again: bool,
    failures: u32,
}

/// Why nothing came of an action.
#[derive(Debug, Error)]
pub(crate) enum ClerkError {
    /// There is no such job, or no such assignment of the agent.
    #[error("no such job or assignment")]
    Unknown,
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This verifier was not there for a while, and what came due meanwhile is not yet excused; or it is being stopped, and
    /// whoever comes next says whether that is late.
    #[error("an outage is not over yet")]
    Away,
    /// An agent that would be offered something is gone or has as much as it takes.
    #[error("agent {0} has no room")]
    NoRoom(AgentId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Judging or signing failed.
    #[error("{}", .0.text())]
    Problem(Problem),
    /// Something panicked.
    #[error("it panicked; the log says where")]
    Panicked,
    /// What was stored cannot be read, or contradicts itself.
    #[error("{what}")]
    Broken {
        /// What.
        what: String,
    },
}

impl Clerk {
    /// Puts a clerk together. Nothing happens until it [runs](Self::run).
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(Office {
            presence: Presence::new(Arc::clone(&parts.wall)),
            parts,
            due: Notify::new(),
            wanted: Notify::new(),
            is_anybody_free: AtomicBool::new(false),
            meters: JobMeters::default(),
            traces: Mutex::new(LruCache::new(TRACES_KEPT)),
            desk: Mutex::default(),
        }))
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &SqlStore {
        &self.0.parts.store
    }

    /// An opening comes in the trace that is under way.
    pub(crate) fn is_opened_in_trace(&self, assignment: &AssignmentId) {
        if let Some(trace) = telemetry::outgoing() {
            lock(&self.0.traces).put(assignment.clone(), trace);
        }
    }

    /// How jobs go.
    pub(crate) fn meters(&self) -> &JobMeters {
        &self.0.meters
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// The job an assignment belongs to, if the assignment is this agent's.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn job_of(
        &self,
        assignment: &AssignmentId,
        agent: &AgentId,
    ) -> Result<Job, ClerkError> {
        let id = self.store().job_of(assignment).await?;
        let id = id.ok_or(ClerkError::Unknown)?;
        let job = self.store().job(&id).await?.ok_or(ClerkError::Unknown)?;
        let is_its = job
            .assignment(assignment)
            .is_some_and(|assignment| assignment.agent() == agent);
        is_its.then_some(job).ok_or(ClerkError::Unknown)
    }
}

/// The level of a receipt in the words of terms.
const fn assurance(level: Level) -> Assurance {
    match level {
        Level::A0 => Assurance::A0,
        Level::A1 => Assurance::A1,
        Level::A2 => Assurance::A2,
        Level::A3 => Assurance::A3,
    }
}

impl From<Problem> for ClerkError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<ClerkError> for Problem {
    fn from(error: ClerkError) -> Self {
        match error {
            ClerkError::Unknown => Self::new(ProblemCode::AssignmentUnknown),
            ClerkError::Away => Self::new(ProblemCode::Resuming).retry_after_s(1),
            ClerkError::Refused(refusal) => offer::refused(&refusal),
            ClerkError::Store(error) => error.into(),
            ClerkError::Problem(problem) => problem,
            ours @ (ClerkError::NoRoom(_) | ClerkError::Panicked | ClerkError::Broken { .. }) => {
                Self::caused(ProblemCode::Internal, ours)
            }
        }
    }
}
