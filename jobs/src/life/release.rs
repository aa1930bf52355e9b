//! Release: an agent gives an assignment back before it is committed.

use super::ask_openings;
use super::turn::Turn;
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
    match assignment.stage {
        Stage::Offered { .. } | Stage::Leased { .. } => {}
        Stage::Released { .. } => return Ok(()),
        _ => return Err(assignment.unfit()),
    }
    job.drop_one(id, Stage::Released { at: turn.now() }, turn);
    ask_openings::if_complete(job, turn);
    Ok(())
}
