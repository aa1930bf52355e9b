//! Dispute: the referee asks, agents answer, the referee decides. The referee (`kernels`) knows what is asked and how
//! it is decided; this module has the order and the deadlines.

use std::collections::BTreeSet;

use evidence::work::Hex;

use super::conclude;
use super::endings::Cost;
use super::turn::Turn;
use crate::assignment::{Assignment, Stage};
use crate::clock::{JUDGING_S, later};
use crate::code::Code;
use crate::event::EventKind;
use crate::id::{AgentId, AssignmentId};
use crate::job::{Dispute, DisputeKind, Job, Phase, Question};
use crate::refusal::Refusal;

/// Most questions of one dispute. A bisection over 1024 steps of 256 operations of 2^20 points takes 38 one bit at a time
/// (methods 2.3).
///
/// Each dispute has as many, so nobody can use up what another one needs. The whole is bounded all the same: a dispute that
/// is decided, or not answered, ends a replica, so a job has fewer disputes than replicas.
pub const MOST_QUESTIONS: u32 = 64;

/// Longest question, in bytes.
const MAX_QUESTION_BYTES: usize = 64 * 1024;

pub(super) fn ask(job: &mut Job, question: Question, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    let dispute = disputed(job)?;
    if dispute.question.as_ref() == Some(&question) {
        return Ok(()); // asked before
    }
    check_question(job, dispute, &question)?;
    let asked = |a: &&Assignment| question.asked.contains(&a.id);
    let agents = job.standing().filter(asked).map(|a| a.agent.clone());
    turn.effects.wake.extend(agents);
    let until = later(turn.now(), job.terms.open_within_s());
    job.questions = question.number;
    replace(job, Some(question), until);
    if let Phase::Disputed(dispute) = &mut job.phase {
        dispute.asked = dispute.asked.saturating_add(1);
    }
    Ok(())
}

fn check_question(job: &Job, dispute: &Dispute, question: &Question) -> Result<(), Refusal> {
    let next = job.questions.saturating_add(1);
    let follows = question.number == next && is_answered(job, dispute);
    let follows = follows && dispute.asked < MOST_QUESTIONS;
    let short = question.text.len() <= MAX_QUESTION_BYTES;
    let opponents = question
        .asked
        .iter()
        .all(|id| dispute.opponents.contains(id));
    match follows && short && opponents && !question.asked.is_empty() {
        true => Ok(()),
        false => Err(Refusal::QuestionMalformed),
    }
}

pub(super) fn answer(
    job: &mut Job,
    (id, by): (&AssignmentId, &AgentId),
    number: u32,
    answer: Hex<32>,
    turn: &Turn<'_>,
) -> Result<(), Refusal> {
    let assignment = job.of_agent(id, by)?;
    if let Some(before) = assignment.answers.get(&number) {
        return match *before == answer {
            true => Ok(()), // answered before
            false => Err(Refusal::AnswerDiffers { number }),
        };
    }
    check_asked(job, assignment, number, turn)?;
    job.find_mut(id)?.answers.insert(number, answer);
    if disputed(job).is_ok_and(|dispute| is_answered(job, dispute)) {
        give_referee_time(job, turn);
    }
    Ok(())
}

/// Nothing of what was handed in is kept, and the question still stands.
pub(super) fn too_large(
    job: &mut Job,
    (id, by): (&AssignmentId, &AgentId),
    turn: &Turn<'_>,
) -> Result<(), Refusal> {
    let assignment = job.of_agent(id, by)?;
    let number = job.questions;
    if assignment.answers.contains_key(&number) {
        return Ok(()); // answered before
    }
    check_asked(job, assignment, number, turn)?;
    job.find_mut(id)?.oversized = Some(number);
    Ok(())
}

fn check_asked(
    job: &Job,
    assignment: &Assignment,
    actual: u32,
    turn: &Turn<'_>,
) -> Result<(), Refusal> {
    if let Stage::Refused { at: due, code } = &assignment.stage
        && (*code == Code::DISPUTE_UNANSWERED || *code == Code::DISPUTE_ANSWER_TOO_LARGE)
    {
        return Err(Refusal::AnswerLate { due: *due });
    }
    let dispute = disputed(job)?;
    let Some(question) = dispute
        .question
        .as_ref()
        .filter(|q| q.asked.contains(&assignment.id))
    else {
        return Err(assignment.unfit());
    };
    let expected = question.number;
    match (actual == expected, turn.now() < dispute.until) {
        (false, _) => Err(Refusal::RoundUnknown { expected, actual }),
        (true, false) => Err(Refusal::AnswerLate { due: dispute.until }),
        (true, true) => Ok(()),
    }
}

pub(super) fn decide(
    job: &mut Job,
    wrong: &[AssignmentId],
    turn: &mut Turn<'_>,
) -> Result<(), Refusal> {
    if !wrong.is_empty() && wrong.iter().all(|id| is_decided(job, id)) {
        return Ok(()); // decided before
    }
    let dispute = disputed(job)?;
    if wrong.is_empty() || !wrong.iter().all(|id| dispute.opponents.contains(id)) {
        return Err(Refusal::RulingMalformed);
    }
    let (losers, code) = match dispute.about {
        DisputeKind::Results => (of_the_same_word(job, wrong), Code::DISPUTE_LOST),
        DisputeKind::Holding => (wrong.iter().cloned().collect(), Code::KEYED_DIGEST_MISMATCH),
    };
    job.refereed |= dispute.about == DisputeKind::Results;
    job.refuse(|a| losers.contains(&a.id), &code, Cost::Stake, turn);
    turn.job_event(EventKind::DisputeDecided, None);
    conclude::conclude(job, turn);
    Ok(())
}

fn is_decided(job: &Job, id: &AssignmentId) -> bool {
    let code = job.assignment(id).and_then(Assignment::code);
    code.is_some_and(|code| *code == Code::DISPUTE_LOST || *code == Code::KEYED_DIGEST_MISMATCH)
}

/// Who handed in a result that is wrong is wrong, whoever of them the referee asked.
fn of_the_same_word(job: &Job, wrong: &[AssignmentId]) -> BTreeSet<AssignmentId> {
    let results: Vec<_> = job
        .standing()
        .filter(|a| wrong.contains(&a.id))
        .map(Assignment::results)
        .collect();
    let losing = job.standing().filter(|a| results.contains(&a.results()));
    losing.map(|a| a.id.clone()).collect()
}

/// The referee's, or an opponent's, time is over.
pub(super) fn overdue(job: &mut Job, turn: &mut Turn<'_>) {
    let Ok(dispute) = disputed(job) else {
        return;
    };
    if is_answered(job, dispute) {
        return give_up_deciding(job, turn);
    }
    let silent: BTreeSet<_> = unanswered(job, dispute).cloned().collect();
    let number = job.questions;
    for (was_too_large, code) in [
        (true, Code::DISPUTE_ANSWER_TOO_LARGE),
        (false, Code::DISPUTE_UNANSWERED),
    ] {
        let which = |a: &Assignment| {
            silent.contains(&a.id) && (a.oversized == Some(number)) == was_too_large
        };
        job.refuse(which, &code, Cost::Stake, turn);
    }
    conclude::conclude(job, turn);
}

/// The referee did not decide in time. In the first round nobody knows whose result is right, and the job fails. In a later
/// round the earlier verdict stands: an outage must not be a way to take the reward back.
fn give_up_deciding(job: &mut Job, turn: &mut Turn<'_>) {
    match job.round() {
        0 => job.fail(&Code::UNVERIFIABLE, turn),
        _ => conclude::accept(job, turn),
    }
}

/// Whether it is the referee's turn.
fn is_answered(job: &Job, dispute: &Dispute) -> bool {
    unanswered(job, dispute).next().is_none()
}

fn unanswered<'j>(job: &'j Job, dispute: &'j Dispute) -> impl Iterator<Item = &'j AssignmentId> {
    let asked = dispute
        .question
        .iter()
        .flat_map(|q| q.asked.iter().map(move |id| (q.number, id)));
    let silent = |(number, id): &(u32, &AssignmentId)| {
        let assignment = job.assignment(id);
        assignment.is_some_and(|a| !a.answers.contains_key(number))
    };
    asked.filter(silent).map(|(_, id)| id)
}

fn give_referee_time(job: &mut Job, turn: &Turn<'_>) {
    let question = job.dispute().and_then(|dispute| dispute.question.clone());
    replace(job, question, later(turn.now(), JUDGING_S));
}

fn replace(job: &mut Job, question: Option<Question>, until: evidence::UnixTime) {
    if let Phase::Disputed(dispute) = &mut job.phase {
        dispute.question = question;
        dispute.until = until;
    }
}

fn disputed(job: &Job) -> Result<&Dispute, Refusal> {
    let actual = job.status();
    job.dispute().ok_or(Refusal::JobStatus { actual })
}
