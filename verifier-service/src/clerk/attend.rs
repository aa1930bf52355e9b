//! What is done about a job that is due: time passes, openings are judged, the referee goes on. A job that fails is put
//! off, longer each time, and delays no other; nor does one of its openings delay the others.
//!
//! Out of scope: looking for agents, which `search` does in places of its own.

use std::collections::HashMap;

use evidence::UnixTime;
use jobs::{Action, AssignmentId, AssignmentStatus, Effects, Job, JobId};

use super::act::{Deed, due_at, is_referees_turn};
use super::caught::caught;
use super::{Attendance, Clerk, ClerkError};
use crate::lock::lock;
use crate::problem::ProblemCode;
use crate::store::jobs::{Acted, Change, JobStore, Search};

/// Seconds until an opening that could not be judged is judged again.
const UNVERIFIABLE_RETRY_S: i64 = 10;
/// Seconds until a job that failed is looked at again: the first number, doubled once for each failure in a row, so 2
/// after the first one; at most the second number.
const FAILED_RETRY_S: (i64, i64) = (1, 300);

/// When a job is to be looked at again.
pub(super) struct Later {
    not_before: UnixTime,
    /// The openings that were looked at: one that came in meanwhile does not wait.
    tried: Vec<AssignmentId>,
}

impl Later {
    fn not_before(&self, job: &Job) -> Option<UnixTime> {
        let is_tried = opened(job).all(|assignment| self.tried.contains(&assignment));
        is_tried.then_some(self.not_before)
    }
}

/// A job on the desk. Whatever becomes of whoever attends to it, it is off the desk afterwards.
struct OnDesk {
    clerk: Clerk,
    id: JobId,
    is_off: bool,
}

impl Drop for OnDesk {
    fn drop(&mut self) {
        if !self.is_off {
            self.clerk.off_desk(&self.id);
        }
    }
}

impl Clerk {
    /// Attends to one job, unless it is attended to here already.
    pub(super) async fn attend(self, id: JobId) {
        let Some(mut on_desk) = self.begin(&id) else {
            return;
        };
        loop {
            let now = self.parts().clock.now();
            let mut tried = Vec::new();
            let not_before = match caught(self.go_on(&id, &mut tried)).await {
                Ok(not_before) => {
                    self.note(&id, |attendance| attendance.failures = 0);
                    not_before
                }
                Err(error) => {
                    let not_before = self.failed(&id, &error, now);
                    self.forget_if_ended(&id).await;
                    Some(not_before)
                }
            };
            let later = not_before.map(|not_before| Later { not_before, tried });
            if let Err(error) = caught(self.put_off(&id, later)).await {
                tracing::warn!(job = %id, cause = %error, "job is not put off");
            }
            if !self.once_more(&mut on_desk) {
                return;
            }
        }
    }

    /// As far as it goes now; `Some` if it is not to be looked at again before.
    ///
    /// What is the verifier's turn is done before its time is over: however long the job waited for a place, it is
    /// tried once more. And time passes whatever that came to.
    async fn go_on(
        &self,
        id: &JobId,
        tried: &mut Vec<AssignmentId>,
    ) -> Result<Option<UnixTime>, ClerkError> {
        let ours = caught(self.do_ours(id, tried)).await;
        let job = self.load(id).await?;
        let now = self.parts().clock.now();
        if job.due_at().is_some_and(|due| due <= now) {
            match self.act(id, Deed::new(Action::Tick)).await {
                // It is due still, and no time passes now.
                Ok(_) | Err(ClerkError::Away) => {}
                Err(error) => return Err(error),
            }
        }
        ours
    }

    /// Judges what is opened, and lets the referee go on.
    async fn do_ours(
        &self,
        id: &JobId,
        tried: &mut Vec<AssignmentId>,
    ) -> Result<Option<UnixTime>, ClerkError> {
        let job = self.load(id).await?;
        tried.extend(opened(&job));
        let not_before = self.judge_all(&job).await?;
        let mut job = self.load(id).await?;
        while is_referees_turn(&job) {
            job = self.referee(job).await?;
        }
        Ok(not_before)
    }

    async fn load(&self, id: &JobId) -> Result<Job, ClerkError> {
        let job = self.store().job(id).await?;
        job.ok_or(ClerkError::Unknown)
    }

    /// Judges every opening that came in, whatever becomes of the others; `Some` if one is to be judged again, not
    /// before then.
    ///
    /// # Errors
    /// The first failure, once all are looked at.
    async fn judge_all(&self, job: &Job) -> Result<Option<UnixTime>, ClerkError> {
        let (mut not_before, mut failure, mut is_tried) = (None, None, false);
        for assignment in opened(job) {
            let Err(error) = caught(self.judge(job, &assignment)).await else {
                continue;
            };
            is_tried |= !is_busy(&error);
            if is_passing(&error) {
                let now = self.parts().clock.now();
                let wait = now.secs().saturating_add(UNVERIFIABLE_RETRY_S);
                not_before = Some(UnixTime::from_secs(wait));
                tracing::info!(job = %job.id(), %assignment, "opening cannot be judged yet");
            } else {
                tracing::warn!(job = %job.id(), %assignment, cause = %error, "opening is not judged");
                failure.get_or_insert(error);
            }
        }
        if is_tried {
            self.act(job.id(), Deed::new(Action::TryInVain)).await?;
        }
        failure.map_or(Ok(not_before), Err)
    }

    /// The failures of a job that time ended are of no use to anybody.
    async fn forget_if_ended(&self, id: &JobId) {
        if let Ok(job) = self.load(id).await
            && job.due_at().is_none()
        {
            self.note(id, |attendance| attendance.failures = 0);
        }
    }

    fn failed(&self, id: &JobId, error: &ClerkError, now: UnixTime) -> UnixTime {
        self.meters().failed();
        tracing::error!(job = %id, cause = %error, "job failed to go on; it is tried again");
        let failures = self.note(id, |attendance| {
            attendance.failures = attendance.failures.saturating_add(1);
            attendance.failures
        });
        let (first, most) = FAILED_RETRY_S;
        let wait = first << failures.min(9);
        UnixTime::from_secs(now.secs().saturating_add(wait.min(most)))
    }

    /// Gives the job back: due when its rules say, not before a time if one is named, but never later than time alone moves
    /// it on.
    /// If it lacks agents, they are looked for anew: that it was due means that somebody it had is gone, or that somebody
    /// it passed over may be asked again.
    pub(super) async fn put_off(&self, id: &JobId, later: Option<Later>) -> Result<(), ClerkError> {
        let now = self.parts().clock.now();
        let act = move |job: &mut Job, _| {
            let due = due_at(job, now);
            let not_before = later.as_ref().and_then(|later| later.not_before(job));
            let due = due.map(|due| not_before.map_or(due, |time| due.max(time)));
            let by_time = job.due_at().filter(|by_time| *by_time > now);
            let due = due.map(|due| by_time.map_or(due, |by_time| due.min(by_time)));
            Ok(Change {
                search: Search::anew_if(job.wants_agents(now)),
                ..Change::new(Effects::default(), due)
            })
        };
        match self.store().with_job(id, None, Box::new(act)).await? {
            Acted::Done(job, _) => {
                if job.wants_agents(now) {
                    self.agents_are_wanted();
                }
                Ok(())
            }
            Acted::Refused(refusal) => Err(refusal.into()),
            Acted::NoRoom(agent) => Err(ClerkError::NoRoom(agent)),
            Acted::Unknown => Err(ClerkError::Unknown),
        }
    }

    fn begin(&self, id: &JobId) -> Option<OnDesk> {
        let is_free = self.note(id, |attendance| {
            let is_free = !attendance.is_under_way;
            attendance.again = !is_free;
            attendance.is_under_way = true;
            is_free
        });
        is_free.then(|| OnDesk {
            clerk: self.clone(),
            id: id.clone(),
            is_off: false,
        })
    }

    /// Whether something happened meanwhile. If not, the job is off the desk.
    fn once_more(&self, on_desk: &mut OnDesk) -> bool {
        let mut desk = lock(&self.0.desk);
        if let Some(attendance) = desk.get_mut(&on_desk.id)
            && attendance.again
            && attendance.failures == 0
        {
            attendance.again = false;
            return true;
        }
        take_off(&mut desk, &on_desk.id);
        on_desk.is_off = true;
        false
    }

    fn off_desk(&self, id: &JobId) {
        take_off(&mut lock(&self.0.desk), id);
    }

    fn note<T>(&self, id: &JobId, change: impl FnOnce(&mut Attendance) -> T) -> T {
        let mut desk = lock(&self.0.desk);
        change(desk.entry(id.clone()).or_default())
    }
}

/// A job that failed is remembered.
fn take_off(desk: &mut HashMap<JobId, Attendance>, id: &JobId) {
    let Some(attendance) = desk.get_mut(id) else {
        return;
    };
    attendance.is_under_way = false;
    attendance.again = false;
    if attendance.failures == 0 {
        desk.remove(id);
    }
}

fn opened(job: &Job) -> impl Iterator<Item = AssignmentId> {
    let opened = job.assignments().iter();
    let opened = opened.filter(|assignment| assignment.status() == AssignmentStatus::Opened);
    opened.map(|assignment| assignment.id().clone())
}

/// Whether something is missing that may be there later: collateral, a place to recompute in.
fn is_passing(error: &ClerkError) -> bool {
    is_busy(error) || is_problem(error, ProblemCode::Unverifiable)
}

/// Whether there was no place to recompute in.
fn is_busy(error: &ClerkError) -> bool {
    is_problem(error, ProblemCode::ResultChecksBusy)
}

fn is_problem(error: &ClerkError, code: ProblemCode) -> bool {
    matches!(error, ClerkError::Problem(problem) if problem.code() == code.as_str())
}
