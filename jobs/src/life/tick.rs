//! Tick: time has passed. Every state but the last ones has a moment at which a tick moves it on, so no job stays open.

use evidence::UnixTime;

use super::endings::Cost;
use super::turn::Turn;
use super::{ask_openings, conclude, dispute, settle};
use crate::assignment::{Assignment, Stage};
use crate::clock::{JUDGING_S, MOST_JUDGING_S, later};
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

/// Moves the job on as far as the time allows. Each move ends an assignment or a phase, so this ends as well.
pub(super) fn tick(job: &mut Job, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    while job.due_at().is_some_and(|due| due <= turn.now()) {
        match job.phase {
            Phase::Open => expire(job, turn),
            Phase::Opening(_) => close_openings(job, turn),
            Phase::Disputed(_) => dispute::overdue(job, turn),
            Phase::Accepted { .. } => settle::settle(job, turn)?,
            Phase::Settled { .. } | Phase::Failed { .. } | Phase::Cancelled { .. } => {}
        }
    }
    Ok(())
}

/// Offers and leases end by themselves. Without any, the job waits for agents as long as they would have time enough.
fn open_until(job: &Job) -> UnixTime {
    let first = job.running().filter_map(end_of).min();
    first.unwrap_or_else(|| job.offer_until())
}

/// When an assignment ends by itself.
const fn end_of(assignment: &Assignment) -> Option<UnixTime> {
    match assignment.stage {
        Stage::Offered { until } | Stage::Leased { until, .. } => Some(until),
        _ => None,
    }
}

fn expire(job: &mut Job, turn: &mut Turn<'_>) {
    let ends = job
        .running()
        .filter_map(|a| Some((a.id.clone(), end_of(a)?)));
    let ends: Vec<_> = ends.collect();
    for (id, at) in ends {
        if at <= turn.now() {
            job.drop_one(&id, Stage::Expired { at }, turn);
        }
    }
    ask_openings::if_complete(job, turn);
}

/// Agents have until the deadline; the verifier has some time more to judge, which begins when it first tries, and much
/// more where it does not come to try.
fn opening_until(job: &Job, round: &Round) -> UnixTime {
    if is_opening_due(job) {
        return round.until;
    }
    let longest = later(round.until, MOST_JUDGING_S);
    let tried = round.tried_at.map(|tried| tried.max(round.until));
    tried.map_or(longest, |from| later(from, JUDGING_S).min(longest))
}

/// First the agents' time is over, later the verifier's.
fn close_openings(job: &mut Job, turn: &mut Turn<'_>) {
    match is_opening_due(job) {
        true => {
            let withheld = |a: &Assignment| a.stage == Stage::Opening;
            job.refuse(withheld, &Code::OPENING_WITHHELD, Cost::Stake, turn);
        }
        false => give_up_judging(job, turn),
    }
    conclude::if_judged(job, turn);
}

fn is_opening_due(job: &Job) -> bool {
    job.assignments.iter().any(|a| a.stage == Stage::Opening)
}

/// The verifier did not judge in time. In the first round nothing is known of what was not judged: it ends, and the job goes
/// on with the others, since one whose evidence nobody can appraise must not take the reward of the rest. Without others the
/// job fails, and nobody's record knows of it. In a later round the earlier verdict stands: an outage must not be a way to
/// take the reward back.
fn give_up_judging(job: &mut Job, turn: &mut Turn<'_>) {
    let unjudged = |a: &Assignment| a.stage == Stage::Opened;
    let is_judged = |a: &Assignment| a.stage == Stage::Judged;
    match job.round() {
        0 if job.assignments.iter().any(is_judged) => {
            job.refuse(unjudged, &Code::UNVERIFIABLE, Cost::Record, turn);
        }
        0 => job.fail(&Code::UNVERIFIABLE, turn),
        _ => job.each(unjudged, |assignment, _| assignment.stage = Stage::Judged),
    }
}
