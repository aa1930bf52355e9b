//! Judge: takes in what an opening showed. The first verdict stands.
//!
//! Evidence is appraised once, in the first round of openings. A later round is about commitment, openings and points: what
//! was accepted is not taken back for a policy, a revocation or a manifest that came afterwards.

use super::conclude;
use super::endings::Cost;
use super::turn::Turn;
use crate::assignment::{Assignment, Stage};
use crate::code::Code;
use crate::event::EventKind;
use crate::id::AssignmentId;
use crate::job::{Job, Phase};
use crate::refusal::Refusal;
use crate::terms::{DeviceTraits, Terms};
use crate::verdict::{Blame, SeenDevice, Upheld, Verdict};

pub(super) fn judge(
    job: &mut Job,
    id: &AssignmentId,
    round: u32,
    verdict: Verdict,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    if !is_awaited(job, job.find(id)?, round) {
        return judged_before(job.find(id)?, round, &verdict);
    }
    let is_it = |assignment: &Assignment| assignment.id == *id;
    match verdict {
        Verdict::Upheld(upheld) => uphold(job, id, upheld, turn)?,
        Verdict::Refuted(refuted) => match refuted.blame {
            Blame::Wrong => job.refuse(is_it, &refuted.code, Cost::Stake, turn),
            Blame::Unfit | Blame::Unsuited if round > 0 => stand(job.find_mut(id)?, turn),
            Blame::Unfit => job.refuse(is_it, &refuted.code, Cost::Record, turn),
            Blame::Unsuited => job.refuse(is_it, &refuted.code, Cost::Nothing, turn),
        },
    }
    conclude::if_judged(job, turn);
    Ok(())
}

/// The verifier's time begins with the first try.
pub(super) fn try_in_vain(job: &mut Job, turn: &Turn<'_>) {
    let is_opened = |assignment: &Assignment| assignment.stage == Stage::Opened;
    if !job.assignments.iter().any(is_opened) {
        return;
    }
    if let Phase::Opening(round) = &mut job.phase {
        round.tried_at.get_or_insert(turn.now());
    }
}

fn is_awaited(job: &Job, assignment: &Assignment, number: u32) -> bool {
    let this_round = matches!(&job.phase, Phase::Opening(round) if round.number == number);
    this_round && assignment.stage == Stage::Opened
}

fn judged_before(assignment: &Assignment, round: u32, verdict: &Verdict) -> Result<(), Refusal> {
    let same = match verdict {
        Verdict::Refuted(refuted) if round > 0 && refuted.blame != Blame::Wrong => {
            assignment.code().is_none() // it changed nothing
        }
        Verdict::Upheld(upheld) => assignment.upheld.as_ref() == Some(upheld),
        Verdict::Refuted(refuted) => assignment.code() == Some(&refuted.code),
    };
    match assignment.stage {
        _ if same => Ok(()),
        _ if assignment.openings.is_empty() => Err(assignment.unfit()),
        Stage::Opening => Err(assignment.unfit()),
        _ => Err(Refusal::JudgedAlready),
    }
}

fn uphold(
    job: &mut Job,
    id: &AssignmentId,
    upheld: Upheld,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    let is_first = job.round() == 0;
    let unfit = unfit(&job.terms, &upheld).filter(|_| is_first);
    let assignment = job.find_mut(id)?;
    assignment.upheld = Some(upheld);
    match unfit {
        Some(code) => job.refuse(|a| a.id == *id, &code, Cost::Record, turn),
        None => stand(assignment, turn),
    }
    Ok(())
}

fn stand(assignment: &mut Assignment, turn: &mut Turn<'_>) {
    assignment.stage = Stage::Judged;
    turn.event(EventKind::AssignmentJudged, assignment);
}

/// What the evidence lacks that the terms ask for. The agent declared that it had it, or it would not have been offered the
/// job: the record starts again.
fn unfit(terms: &Terms, upheld: &Upheld) -> Option<Code> {
    let traits = |device: &SeenDevice| DeviceTraits {
        architecture: device.architecture,
        simulated: device.simulated,
    };
    let devices: Vec<_> = upheld.devices.iter().map(traits).collect();
    if !terms.fit(&devices) {
        return Some(Code::DEVICES_UNFIT);
    }
    (upheld.assurance < terms.min_assurance()).then_some(Code::ASSURANCE_TOO_LOW)
}
