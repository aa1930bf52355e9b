//! Outage: nobody could reach the service, so nobody is late by it.

use evidence::UnixTime;

use crate::assignment::Stage;
use crate::clock::later;
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
        let rest = Outage { from, ..outage };
        if rest.begins_before(self.offer_until()) {
            self.excused_s = self.excused_s.saturating_add(rest.length_s());
        }
        rest.delay_phase(&mut self.phase);
        for assignment in &mut self.assignments {
            rest.delay_stage(&mut assignment.stage);
        }
    }

    /// Outages up to then are of no concern to it any more.
    #[must_use]
    pub fn excused_until(&self) -> UnixTime {
        self.excused_until.unwrap_or(self.created_at)
    }
}

impl Outage {
    fn delay_phase(&self, phase: &mut Phase) {
        match phase {
            Phase::Opening(round) => {
                self.delay(&mut round.until);
                // Whatever was missing then may be there now.
                round.tried_at = None;
                round
                    .settle_from
                    .iter_mut()
                    .for_each(|time| self.delay(time));
            }
            Phase::Disputed(dispute) => {
                self.delay(&mut dispute.until);
                dispute
                    .settle_from
                    .iter_mut()
                    .for_each(|time| self.delay(time));
            }
            Phase::Accepted { settle_at, .. } => self.delay(settle_at),
            Phase::Open
            | Phase::Settled { .. }
            | Phase::Failed { .. }
            | Phase::Cancelled { .. } => {}
        }
    }

    fn delay_stage(&self, stage: &mut Stage) {
        match stage {
            Stage::Offered { until } => self.delay(until),
            Stage::Leased { until, commit_by } => {
                self.delay(until);
                self.delay(commit_by);
            }
            _ => {}
        }
    }

    fn delay(&self, due: &mut UnixTime) {
        if self.begins_before(*due) {
            *due = later(*due, self.length_s());
        }
    }

    /// What was over before is over.
    fn begins_before(&self, due: UnixTime) -> bool {
        due > self.from
    }

    fn length_s(&self) -> u32 {
        let length = self.until.secs().saturating_sub(self.from.secs());
        u32::try_from(length.max(0)).unwrap_or(u32::MAX)
    }
}
