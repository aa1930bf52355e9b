//! Renew: an agent says that it still works.

use super::turn::Turn;
use crate::assignment::Stage;
use crate::clock::{LEASE_S, later};
use crate::id::{AgentId, AssignmentId};
use crate::job::Job;
use crate::refusal::Refusal;

pub(super) fn renew(
    job: &mut Job,
    id: &AssignmentId,
    by: &AgentId,
    turn: &Turn<'_>,
) -> Result<(), Refusal> {
    let now = turn.now();
    let assignment = job.of_agent(id, by)?;
    match assignment.stage {
        Stage::Leased { until, commit_by } if now < until => {
            let until = later(now, LEASE_S).min(commit_by);
            job.find_mut(id)?.stage = Stage::Leased { until, commit_by };
            Ok(())
        }
        Stage::Leased { until: due, .. } | Stage::Expired { at: due } => {
            Err(Refusal::LeaseOver { due })
        }
        // A renewal that crossed the commitment on its way.
        _ if assignment.commitment.is_some() => Ok(()),
        _ => Err(assignment.unfit()),
    }
}
