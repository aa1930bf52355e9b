//! Challenge again: within the dispute window, tenant or marketplace may have the results audited once more, with a new
//! seed and twice the points. Each party once; what is found wrong is slashed and not paid.

use super::ask_openings;
use super::turn::Turn;
use crate::event::EventKind;
use crate::id::PartyId;
use crate::job::{Job, Phase};
use crate::refusal::Refusal;

pub(super) fn challenge_again(
    job: &mut Job,
    by: PartyId,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    if job.challenged_by.contains(&by) {
        return Ok(()); // had its audit
    }
    let Phase::Accepted {
        settle_at, round, ..
    } = job.phase
    else {
        let actual = job.status();
        return Err(Refusal::JobStatus { actual });
    };
    if turn.now() >= settle_at {
        return Err(Refusal::ChallengeLate { due: settle_at });
    }
    if !job.is_checked() {
        return Err(Refusal::NothingToCheck);
    }
    job.challenged_by.push(by);
    turn.job_event(EventKind::JobChallenged, None);
    ask_openings::ask(job, round.saturating_add(1), Some(settle_at), turn);
    Ok(())
}
