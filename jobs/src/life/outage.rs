//! Outage: nobody could reach the service, so nobody is late by it.

use evidence::UnixTime;

use crate::assignment::Stage;
use crate::job::{Job, Phase};

/// A time in which nobody could reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When the service was last known to answer.
    pub from: UnixTime,
    /// From when on it answered again.
    pub until: UnixTime,
}

impl Job {
    /// Moves every deadline that was open when the outage began by its length. An outage, or the part of it, that was
    /// excused before, or was over before there was the job, is not excused again.
    ///
    /// It is no action: whoever holds the list of outages applies those after [`Job::excused_until`], in their order,
    /// to each job that is loaded, before anything else. Then no job has to be looked at when the service comes back,
    /// however many there are, and none can be found late before it is.
    pub fn excuse(&mut self, outage: Outage) {
        let from = outage.from.max(self.excused_until());
        let is_known = outage.until <= from;
        if is_known || self.status().is_final() {
            return;
        }
        self.excused_until = Some(outage.until);
        let delay = Delay {
            from,
            to: outage.until,
        };
        delay.phase(&mut self.phase);
        for assignment in &mut self.assignments {
            delay.stage(&mut assignment.stage);
        }
    }

    /// Outages up to then are of no concern to it any more.
    #[must_use]
    pub fn excused_until(&self) -> UnixTime {
        self.excused_until.unwrap_or(self.created_at)
    }
}

struct Delay {
    from: UnixTime,
    to: UnixTime,
}

impl Delay {
    fn phase(&self, phase: &mut Phase) {
        match phase {
            Phase::Opening(round) => {
                self.time(&mut round.until);
                // Whatever was missing then may be there now.
                round.tried_at = None;
                round
                    .settle_from
                    .iter_mut()
                    .for_each(|time| self.time(time));
            }
            Phase::Disputed(dispute) => {
                self.time(&mut dispute.until);
                dispute
                    .settle_from
                    .iter_mut()
                    .for_each(|time| self.time(time));
            }
            Phase::Accepted { settle_at, .. } => self.time(settle_at),
            Phase::Open
            | Phase::Settled { .. }
            | Phase::Failed { .. }
            | Phase::Cancelled { .. } => {}
        }
    }

    fn stage(&self, stage: &mut Stage) {
        match stage {
            Stage::Offered { until } => self.time(until),
            Stage::Leased { until, commit_by } => {
                self.time(until);
                self.time(commit_by);
            }
            _ => {}
        }
    }

    /// What was over before is over.
    fn time(&self, due: &mut UnixTime) {
        if *due > self.from {
            let length = self.to.secs().saturating_sub(self.from.secs());
            *due = UnixTime::from_secs(due.secs().saturating_add(length));
        }
    }
}
