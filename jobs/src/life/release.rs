//! Release: an agent gives an assignment back before it is committed.

use super::turn::Turn;
use super::{ask_openings, endings::Cost};
use crate::assignment::Stage;
use crate::id::{AgentId, AssignmentId};
use crate::job::Job;
use crate::refusal::Refusal;

pub(super) fn release(
    job: &mut Job,
    id: &AssignmentId,
    by: &AgentId,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    let assignment = job.of_agent(id, by)?;
    let cost = match assignment.stage {
        Stage::Offered { .. } => Cost::Nothing,
        // It knew the challenge by then: to take work and drop it at will is not a good result.
        Stage::Leased { .. } => Cost::Record,
        Stage::Released { .. } => return Ok(()),
        _ => return Err(assignment.unfit()),
    };
    job.drop_one(id, Stage::Released { at: turn.now() }, cost, turn);
    ask_openings::if_complete(job, turn);
    Ok(())
}
