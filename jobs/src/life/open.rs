//! Open: an agent shows what it committed to. The bytes are judged elsewhere.

use evidence::UnixTime;
use evidence::work::Hex;

use super::turn::Turn;
use crate::assignment::{Assignment, Opened, Stage};
use crate::code::Code;
use crate::event::EventKind;
use crate::id::{AgentId, AssignmentId};
use crate::job::{Job, Phase};
use crate::refusal::Refusal;

/// An opening of one round, by digest.
pub(super) struct Opening {
    pub(super) round: u32,
    pub(super) sha256: Hex<32>,
}

pub(super) fn open(
    job: &mut Job,
    (id, by): (&AssignmentId, &AgentId),
    opening: &Opening,
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    let assignment = job.of_agent(id, by)?;
    if let Some(before) = assignment
        .openings
        .iter()
        .find(|o| o.round == opening.round)
    {
        return same(before, opening);
    }
    check_asked(job, assignment, opening.round, turn.now())?;
    take(job.find_mut(id)?, opening, turn);
    if let Phase::Opening(round) = &mut job.phase {
        // Nobody has tried this one.
        round.tried_at = None;
    }
    Ok(())
}

fn same(before: &Opened, opening: &Opening) -> Result<(), Refusal> {
    let round = opening.round;
    match before.sha256 == opening.sha256 {
        true => Ok(()),
        false => Err(Refusal::OpeningDiffers { round }),
    }
}

fn check_asked(
    job: &Job,
    assignment: &Assignment,
    actual: u32,
    now: UnixTime,
) -> Result<(), Refusal> {
    if let Stage::Refused { at: due, code } = &assignment.stage
        && *code == Code::OPENING_WITHHELD
    {
        return Err(Refusal::OpeningLate { due: *due });
    }
    let (Stage::Opening, Phase::Opening(round)) = (&assignment.stage, &job.phase) else {
        return Err(assignment.unfit());
    };
    let expected = round.number;
    match (actual == expected, now < round.until) {
        (false, _) => Err(Refusal::RoundUnknown { expected, actual }),
        (true, false) => Err(Refusal::OpeningLate { due: round.until }),
        (true, true) => Ok(()),
    }
}

fn take(assignment: &mut Assignment, opening: &Opening, turn: &mut Turn<'_>) {
    if assignment.openings.is_empty() {
        turn.effects.spent.push(assignment.challenge);
    }
    assignment.openings.push(Opened {
        round: opening.round,
        sha256: opening.sha256,
        at: turn.now(),
    });
    assignment.stage = Stage::Opened;
    turn.event(EventKind::AssignmentOpened, assignment);
}
