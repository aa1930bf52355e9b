//! Outage: nobody could reach the service, so nobody is late by it.

use evidence::UnixTime;

use crate::assignment::Stage;
use crate::job::{Job, Phase};

/// Moves every deadline that was open when the outage began by its length. An outage, or the part of it, that was excused
/// before is not excused again.
pub(super) fn outage(job: &mut Job, from: UnixTime, to: UnixTime) {
    let from = job.excused_until.map_or(from, |before| before.max(from));
    if to <= from {
        return;
    }
    job.excused_until = Some(to);
    let delay = Delay { from, to };
    delay.phase(&mut job.phase);
    for assignment in &mut job.assignments {
        delay.stage(&mut assignment.stage);
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
