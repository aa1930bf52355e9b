//! Tick: time has passed. Every state but the last ones has a moment at which a tick moves it on, so no job stays open.

use evidence::UnixTime;

use super::endings::Cost;
use super::turn::Turn;
use super::{ask_openings, conclude, dispute, settle};
use crate::assignment::{Assignment, Stage};
use crate::clock::{JUDGING_S, later};
use crate::code::Code;
use crate::job::{Job, Phase, Round};
use crate::refusal::Refusal;

impl Job {
    /// When the next tick is due; `None` once nothing more will happen. A tick before that changes nothing.
    #[must_use]
    pub fn due_at(&self) -> Option<UnixTime> {
        match &self.phase {
            Phase::Open => Some(open_until(self)),
            Phase::Opening(round) => Some(opening_until(self, round)),
            Phase::Disputed(dispute) => Some(dispute.until),
            Phase::Accepted { settle_at, .. } => Some(*settle_at),
            Phase::Settled { .. } | Phase::Failed { .. } | Phase::Cancelled { .. } => None,
        }
    }
}

pub(super) fn tick(job: &mut Job, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    if job.due_at().is_none_or(|due| turn.now() < due) {
        return Ok(());
    }
    match job.phase {
        Phase::Open => expire(job, turn),
        Phase::Opening(_) => close_openings(job, turn),
        Phase::Disputed(_) => dispute::overdue(job, turn),
        Phase::Accepted { .. } => settle::settle(job, turn)?,
        Phase::Settled { .. } | Phase::Failed { .. } | Phase::Cancelled { .. } => {}
    }
    Ok(())
}

/// Offers and leases end by themselves. Without any, the job waits for agents as long as they would have time enough.
fn open_until(job: &Job) -> UnixTime {
    let ends = job.running().filter_map(end_of);
    ends.min().unwrap_or_else(|| job.offer_until())
}

fn end_of(assignment: &Assignment) -> Option<UnixTime> {
    match assignment.stage {
        Stage::Offered { until } | Stage::Leased { until, .. } => Some(until),
        _ => None,
    }
}

fn expire(job: &mut Job, turn: &mut Turn<'_>) {
    let over = |a: &&Assignment| end_of(a).is_some_and(|until| until <= turn.now());
    let over: Vec<_> = job
        .running()
        .filter(over)
        .map(|a| (a.id.clone(), a.stage.clone()))
        .collect();
    for (id, stage) in over {
        match stage {
            Stage::Offered { until } => {
                job.drop_one(&id, &Stage::Expired { at: until }, Cost::Nothing, turn)
            }
            Stage::Leased { until, .. } => {
                job.drop_one(&id, &Stage::Expired { at: until }, Cost::Record, turn)
            }
            _ => {}
        }
    }
    ask_openings::if_complete(job, turn);
}

/// Agents have until the deadline; the verifier has some time more to judge.
fn opening_until(job: &Job, round: &Round) -> UnixTime {
    let withheld = job.assignments.iter().any(|a| a.stage == Stage::Opening);
    match withheld {
        true => round.until,
        false => later(round.until, JUDGING_S),
    }
}

fn close_openings(job: &mut Job, turn: &mut Turn<'_>) {
    let withheld = |a: &Assignment| a.stage == Stage::Opening;
    job.refuse(withheld, &Code::OPENING_WITHHELD, Cost::Stake, turn);
    if job.due_at().is_some_and(|due| due <= turn.now()) && matches!(job.phase, Phase::Opening(_)) {
        give_up_judging(job, turn);
    }
    conclude::if_judged(job, turn);
}

/// The verifier did not judge in time. In the first round nothing is known, and the job fails. In a later one the earlier
/// verdict stands: an outage must not be a way to take the reward back.
fn give_up_judging(job: &mut Job, turn: &mut Turn<'_>) {
    let unjudged = |a: &Assignment| a.stage == Stage::Opened;
    if !job.assignments.iter().any(unjudged) {
        return;
    }
    match job.round() {
        0 => job.fail(&Code::UNVERIFIABLE, turn),
        _ => job.each(unjudged, |assignment, _| assignment.stage = Stage::Judged),
    }
}
