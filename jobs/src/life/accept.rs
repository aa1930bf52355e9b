//! Accept: an agent takes what it was offered, and its owner puts the stake down.

use evidence::UnixTime;

use super::turn::Turn;
use crate::assignment::{Assignment, Stage, Stake};
use crate::clock::{LEASE_S, later};
use crate::event::EventKind;
use crate::id::{AgentId, AssignmentId};
use crate::job::Job;
use crate::money::Amount;
use crate::refusal::Refusal;

pub(super) fn accept(
    job: &mut Job,
    (id, by): (&AssignmentId, &AgentId),
    available: Amount,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    let assignment = job.of_agent(id, by)?;
    if assignment.stake != Stake::None {
        return Ok(()); // taken before
    }
    check_offer(assignment, turn.now())?;
    check_stake(job, available)?;
    lease(job, id, turn);
    Ok(())
}

fn check_offer(assignment: &Assignment, now: UnixTime) -> Result<(), Refusal> {
    match assignment.stage {
        Stage::Offered { until } if now < until => Ok(()),
        Stage::Offered { until: due } | Stage::Expired { at: due } => {
            Err(Refusal::OfferOver { due })
        }
        _ => Err(assignment.unfit()),
    }
}

fn check_stake(job: &Job, available: Amount) -> Result<(), Refusal> {
    let needed = job.terms.stake();
    match available >= needed {
        true => Ok(()),
        false => Err(Refusal::StakeMissing {
            needed: job.money(needed),
            available: job.money(available),
        }),
    }
}

fn lease(job: &mut Job, id: &AssignmentId, turn: &mut Turn<'_>) {
    let commit_by = later(turn.now(), job.terms.commit_within_s());
    let until = later(turn.now(), LEASE_S).min(commit_by);
    job.each(
        |assignment| assignment.id == *id,
        |assignment, stakes| {
            stakes.put_down(assignment, turn);
            assignment.stage = Stage::Leased { until, commit_by };
            turn.event(EventKind::AssignmentLeased, assignment);
        },
    );
}
