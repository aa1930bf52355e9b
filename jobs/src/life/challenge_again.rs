//! Challenge again: within the dispute window, tenant or marketplace may have the results audited once more, with a new
//! seed and twice the points. Each party may ask once, and at most [`MOST_CHALLENGES`] parties may ask. What is found
//! wrong is slashed and not paid.

use super::ask_openings;
use super::turn::Turn;
use crate::event::EventKind;
use crate::id::PartyId;
use crate::job::{Job, Phase};
use crate::refusal::Refusal;

/// How many parties may have the results of a job audited again. Each audit draws twice the points of the one before, and a
/// job is taken only if its last one can be paid for and opened.
pub const MOST_CHALLENGES: u32 = 2;

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
    if round >= MOST_CHALLENGES {
        return Err(Refusal::ChallengesSpent);
    }
    job.challenged_by.push(by);
    turn.job_event(EventKind::JobChallenged, None);
    ask_openings::ask(job, round.saturating_add(1), Some(settle_at), turn);
    Ok(())
}
