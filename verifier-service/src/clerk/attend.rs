//! What is done about a job that is due: time passes, openings are judged, the referee goes on. A job that fails is put off,
//! ever longer, and stands in nobody's way.
//!
//! Out of scope: looking for agents, which is `search`, in places of its own.

use evidence::UnixTime;
use jobs::{Action, AssignmentStatus, Effects, Job, JobId};

use super::act::{Deed, due_at, is_referees_turn};
use super::{Clerk, ClerkError};
use crate::lock::lock;
use crate::problem::ProblemCode;
use crate::store::jobs::{Acted, Change, JobStore, Search};

/// Seconds until an opening that could not be judged is judged again.
const UNVERIFIABLE_RETRY_S: i64 = 10;
/// Seconds until a job that failed is looked at again; doubled with every failure in a row, up to the second number.
const FAILED_RETRY_S: (i64, i64) = (1, 300);

impl Clerk {
    /// Attends to one job, unless it is attended to here already.
    pub(super) async fn attend(self, id: JobId) {
        if !self.begin(&id) {
            return;
        }
        loop {
            let now = self.parts().clock.now();
            let not_before = match self.go_on(&id).await {
                Ok(not_before) => {
                    self.note(&id, |attendance| attendance.failures = 0);
                    not_before
                }
                Err(error) => Some(self.failed(&id, &error, now)),
            };
            if let Err(error) = self.put_off(&id, not_before).await {
                tracing::warn!(job = %id, cause = %error, "job is not put off");
            }
            if !self.once_more(&id) {
                return;
            }
        }
    }

    /// As far as it goes now; `Some` if it is not to be looked at again before.
    async fn go_on(&self, id: &JobId) -> Result<Option<UnixTime>, ClerkError> {
        let job = self.store().job(id).await?;
        let mut job = job.ok_or(ClerkError::Unknown)?;
        let now = self.parts().clock.now();
        if job.due_at().is_some_and(|due| due <= now) {
            job = self.act(id, Deed::new(Action::Tick)).await?;
        }
        let mut not_before = None;
        let opened: Vec<_> = opened(&job).collect();
        for assignment in opened {
            match self.judge(&job, &assignment).await {
                Ok(()) => {}
                Err(ClerkError::Problem(problem)) if is_unverifiable(problem.code()) => {
                    let wait = now.secs().saturating_add(UNVERIFIABLE_RETRY_S);
                    not_before = Some(UnixTime::from_secs(wait));
                    tracing::info!(job = %id, %assignment, "opening cannot be judged yet");
                }
                Err(error) => return Err(error),
            }
        }
        let job = self.store().job(id).await?;
        let mut job = job.ok_or(ClerkError::Unknown)?;
        while is_referees_turn(&job) {
            job = self.referee(job).await?;
        }
        Ok(not_before)
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
    pub(super) async fn put_off(
        &self,
        id: &JobId,
        not_before: Option<UnixTime>,
    ) -> Result<(), ClerkError> {
        let now = self.parts().clock.now();
        let act = move |job: &mut Job, _| {
            let due = due_at(job, now);
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

    fn begin(&self, id: &JobId) -> bool {
        self.note(id, |attendance| {
            let is_free = !attendance.is_under_way;
            attendance.again = !is_free;
            attendance.is_under_way = true;
            is_free
        })
    }

    /// Whether something happened meanwhile. If not, the job is off the desk, and remembered only if it failed.
    fn once_more(&self, id: &JobId) -> bool {
        let mut desk = lock(&self.0.desk);
        let Some(attendance) = desk.get_mut(id) else {
            return false;
        };
        if attendance.again && attendance.failures == 0 {
            attendance.again = false;
            return true;
        }
        attendance.is_under_way = false;
        attendance.again = false;
        if attendance.failures == 0 {
            desk.remove(id);
        }
        false
    }

    fn note<T>(&self, id: &JobId, change: impl FnOnce(&mut super::Attendance) -> T) -> T {
        let mut desk = lock(&self.0.desk);
        change(desk.entry(id.clone()).or_default())
    }
}

fn opened(job: &Job) -> impl Iterator<Item = jobs::AssignmentId> {
    let opened = job.assignments().iter();
    let opened = opened.filter(|assignment| assignment.status() == AssignmentStatus::Opened);
    opened.map(|assignment| assignment.id().clone())
}

/// Whether something is missing that may be there later: collateral, a place to recompute in.
fn is_unverifiable(code: &str) -> bool {
    let passing = [ProblemCode::Unverifiable, ProblemCode::ResultChecksBusy];
    passing.iter().any(|known| known.as_str() == code)
}
