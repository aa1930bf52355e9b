//! Conclude: all openings are judged or withheld; what do the replicas say together?
//!
//! The checks, in this order: no two replicas are on one device; none is on another's; all have the same results, or
//! there is a dispute; all hold these results, or there is a dispute. The replicas left are then accepted, if they are
//! as many as the terms ask for. There is no vote: two that agree do not outweigh a third.

use std::collections::BTreeSet;

use super::agreement::{self, Agreement};
use super::endings::Cost;
use super::turn::Turn;
use crate::assignment::{Assignment, Stage};
use crate::clock::{JUDGING_S, later};
use crate::code::Code;
use crate::event::EventKind;
use crate::id::AssignmentId;
use crate::job::{Dispute, DisputeKind, Job, Phase};
use crate::verdict::{Holder, SeenDevice};

/// Concludes a round of openings once none of them is to come or to be judged.
pub(super) fn if_judged(job: &mut Job, turn: &mut Turn<'_>) {
    let unjudged = |a: &Assignment| matches!(a.stage, Stage::Opening | Stage::Opened);
    if matches!(job.phase, Phase::Opening(_)) && !job.assignments.iter().any(unjudged) {
        conclude(job, turn);
    }
}

pub(super) fn conclude(job: &mut Job, turn: &mut Turn<'_>) {
    if job.round() == 0 {
        refuse_by_devices(job, turn);
    }
    match agreement::of(job) {
        Agreement::Nobody => job.fail(&Code::NO_RESULT, turn),
        Agreement::ResultsDiffer(opponents) => match job.nature.recomputable {
            true => dispute(job, DisputeKind::Results, opponents, turn),
            false => job.fail(&Code::REPLICAS_DISAGREE, turn),
        },
        Agreement::KeyedDigestsDiffer(opponents) => {
            dispute(job, DisputeKind::Holding, opponents, turn)
        }
        Agreement::Unanimous if job.can_agree() => accept(job, turn),
        Agreement::Unanimous => job.fail(&Code::TOO_FEW_AGREE, turn),
    }
}

/// Evidence is appraised once, in the first round.
fn refuse_by_devices(job: &mut Job, turn: &mut Turn<'_>) {
    let shared = agreement::sharing_devices(job);
    let is_in = |ids: &BTreeSet<AssignmentId>, one: &Assignment| ids.contains(&one.id);
    disown(job, &shared, turn);
    job.refuse(
        |a| is_in(&shared, a),
        &Code::DEVICE_SHARED,
        Cost::Stake,
        turn,
    );
    let others = agreement::on_devices_of_others(job);
    let code = Code::DEVICE_OF_ANOTHER;
    job.refuse(|a| is_in(&others, a), &code, Cost::Nothing, turn);
}

/// Whoever of the two was judged first is known by the device now, and must not be by that alone.
fn disown(job: &Job, shared: &BTreeSet<AssignmentId>, turn: &mut Turn<'_>) {
    let nobodys = |device: &&SeenDevice| device.holder == Holder::Nobody && !device.simulated;
    for one in job.standing().filter(|one| shared.contains(&one.id)) {
        let disowned = agreement::devices(one).filter(nobodys);
        let disowned = disowned.map(|device| (one.owner.clone(), device.id));
        turn.effects.disowned.extend(disowned);
    }
}

fn dispute(job: &mut Job, about: DisputeKind, opponents: Vec<AssignmentId>, turn: &mut Turn<'_>) {
    let (round, settle_from) = round_of(job);
    job.phase = Phase::Disputed(Dispute {
        about,
        opponents,
        question: None,
        until: later(turn.now(), JUDGING_S),
        asked: 0,
        round,
        settle_from,
    });
    turn.job_event(EventKind::JobDisputed, None);
}

/// What stands is accepted; in a later round it was before.
pub(super) fn accept(job: &mut Job, turn: &mut Turn<'_>) {
    let (round, settle_from) = round_of(job);
    let at = turn.now();
    let window_end = later(at, job.terms.dispute_window_s());
    let settle_at = settle_from.map_or(window_end, |before| before.max(at));
    job.each(Assignment::is_standing, |assignment, _| {
        assignment.stage = Stage::Accepted;
        if round == 0 {
            turn.effects.receipts.push(assignment.id.clone());
        }
    });
    job.phase = Phase::Accepted {
        at,
        settle_at,
        round,
    };
    turn.job_event(EventKind::JobAccepted, None);
}

/// The number of the round, and when what was accepted before it would have been settled.
fn round_of(job: &Job) -> (u32, Option<evidence::UnixTime>) {
    match &job.phase {
        Phase::Opening(round) => (round.number, round.settle_from),
        Phase::Disputed(dispute) => (dispute.round, dispute.settle_from),
        _ => (0, None),
    }
}
