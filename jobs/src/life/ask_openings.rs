//! Ask for openings: when nothing more can be committed, and not a moment earlier, the seed of the audit is drawn.

use evidence::UnixTime;

use super::turn::Turn;
use crate::assignment::{Assignment, Stage};
use crate::clock::later;
use crate::code::Code;
use crate::context::Label;
use crate::event::EventKind;
use crate::job::{Job, Phase, Round};
use crate::secret::Secret;

/// Moves an open job on, if no commitment is to come any more.
pub(super) fn if_complete(job: &mut Job, turn: &mut Turn<'_>) {
    let waiting = job.running().next().is_some() || job.wants_agents(turn.now());
    if job.phase != Phase::Open || waiting {
        return;
    }
    match job.standing().count() {
        0 => job.fail(&Code::NO_COMMITMENT, turn),
        // Nothing of the work was shown to anybody yet.
        _ if !job.can_agree() => job.fail(&Code::TOO_FEW_AGREE, turn),
        _ => ask(job, 0, None, turn),
    }
}

/// Asks all standing replicas to open, for points nobody could know before.
pub(super) fn ask(job: &mut Job, number: u32, settle_from: Option<UnixTime>, turn: &mut Turn<'_>) {
    let seed = turn.randomness().bytes(Label::AuditSeed, u64::from(number));
    job.phase = Phase::Opening(Round {
        number,
        audit_seed: Secret::new(seed),
        until: later(turn.now(), job.terms.open_within_s()),
        settle_from,
        tried_at: None,
    });
    job.each(Assignment::is_standing, |assignment, _| {
        assignment.stage = Stage::Opening;
        turn.effects.wake.push(assignment.agent.clone());
    });
    turn.job_event(EventKind::OpeningsAsked, None);
}
