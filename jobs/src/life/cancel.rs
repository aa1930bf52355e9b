//! Cancel: the tenant takes the job back, as long as nobody has committed to a result.

use super::endings::Cost;
use super::turn::Turn;
use crate::code::Code;
use crate::event::EventKind;
use crate::job::{Job, Phase};
use crate::refusal::Refusal;

pub(super) fn cancel(job: &mut Job, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    match job.phase {
        Phase::Cancelled { .. } => return Ok(()), // cancelled before
        Phase::Open if job.standing().next().is_some() => return Err(Refusal::CancelLate),
        Phase::Open => {}
        _ => {
            let actual = job.status();
            return Err(Refusal::JobStatus { actual });
        }
    }
    let agents: Vec<_> = job.running().map(|a| a.agent.clone()).collect();
    turn.effects.wake.extend(agents);
    job.refuse(|_| true, &Code::JOB_CANCELLED, Cost::Nothing, turn);
    job.refund(job.terms.escrow(), turn);
    turn.job_event(EventKind::JobCancelled, None);
    job.phase = Phase::Cancelled { at: turn.now() };
    Ok(())
}
