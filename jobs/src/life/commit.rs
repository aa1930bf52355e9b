//! Commit: an agent is bound to a result that nobody else has seen.

use evidence::UnixTime;
use evidence::work::Base64Url;

use super::ask_openings;
use super::turn::Turn;
use crate::assignment::{Assignment, Commitment, Stage};
use crate::event::EventKind;
use crate::id::{AgentId, AssignmentId};
use crate::job::Job;
use crate::refusal::Refusal;

pub(super) fn commit(
    job: &mut Job,
    (id, by): (&AssignmentId, &AgentId),
    value: Base64Url<32>,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    let assignment = job.of_agent(id, by)?;
    if let Some(committed) = &assignment.commitment {
        return match committed.value == value {
            true => Ok(()), // committed before
            false => Err(Refusal::CommitmentDiffers),
        };
    }
    check_in_time(assignment, turn.now())?;
    let at = turn.now();
    let assignment = job.find_mut(id)?;
    assignment.commitment = Some(Commitment { value, at });
    assignment.stage = Stage::Committed;
    turn.event(EventKind::AssignmentCommitted, assignment);
    ask_openings::if_complete(job, turn);
    Ok(())
}

fn check_in_time(assignment: &Assignment, now: UnixTime) -> Result<(), Refusal> {
    match assignment.stage {
        Stage::Leased { until, .. } if now < until => Ok(()),
        Stage::Leased { until: due, .. } | Stage::Expired { at: due } => {
            Err(Refusal::CommitmentLate { due })
        }
        _ => Err(assignment.unfit()),
    }
}
