//! What an agent sees of its assignment.

use evidence::UnixTime;
use evidence::work::{Base64Url, Hex, JobSpec};
use serde::Serialize;

use crate::assignment::{Assignment, AssignmentStatus, Stage, Stake};
use crate::code::Code;
use crate::id::{AgentId, AssignmentId};
use crate::job::{Job, Phase};
use crate::money::{Amount, Money};

/// An assignment, for its agent alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentView<'j> {
    /// Which.
    pub assignment: &'j AssignmentId,
    /// Where it stands.
    pub status: AssignmentStatus,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'j Code>,
    /// SHA-256 of the canonical spec.
    pub job: Hex<32>,
    /// What is to be run.
    pub spec: &'j JobSpec,
    /// What is paid if it is accepted.
    pub price: Money,
    /// What is put down when it is taken, in the currency of the price.
    pub stake: Amount,
    /// By when it is to be taken, while it is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_by: Option<UnixTime>,
    /// What the agent needs for its run, once it has taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// The opening that is asked for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening: Option<OpeningRequest<'j>>,
    /// The referee's question that is to be answered now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<QuestionView<'j>>,
}

/// What an agent needs for its run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeaseView {
    /// What its statement must answer.
    pub challenge: Base64Url<32>,
    /// The key of its keyed digest.
    pub replica_key: Base64Url<32>,
    /// When the lease ends without sign of life, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixTime>,
    /// By when the commitment is due, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_by: Option<UnixTime>,
}

/// What an opening must show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpeningRequest<'j> {
    /// From 0; the opening answers this round.
    pub round: u32,
    /// By when.
    pub due: UnixTime,
    /// The seed from which the points are drawn.
    pub randomness: Base64Url<32>,
    /// How many points of each output; 0 for none.
    pub points: u32,
    /// Whether the whole outputs are asked for.
    pub whole: bool,
    /// Keys under which the agent's own output is to be digested as well.
    pub cross: Vec<CrossKey<'j>>,
}

/// The key of another replica.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossKey<'j> {
    /// Which.
    pub assignment: &'j AssignmentId,
    /// Its key.
    pub replica_key: Base64Url<32>,
}

/// A question of the referee.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionView<'j> {
    /// Its number.
    pub number: u32,
    /// Its words.
    pub text: &'j str,
    /// By when.
    pub due: UnixTime,
}

impl<'j> AgentView<'j> {
    /// What this agent may see of this assignment; `None` if it is not its own.
    #[must_use]
    pub fn of(job: &'j Job, id: &AssignmentId, agent: &AgentId) -> Option<Self> {
        let assignment = job.assignment(id).filter(|a| a.agent == *agent)?;
        Some(Self {
            assignment: &assignment.id,
            status: assignment.status(),
            code: assignment.code(),
            job: job.digest,
            spec: &job.spec,
            price: job.terms.price(),
            stake: job.terms.stake(),
            accept_by: accept_by(assignment),
            lease: lease(assignment),
            opening: OpeningRequest::of(job, assignment),
            question: QuestionView::of(job, assignment),
        })
    }

    /// Whether the agent has something to do: to take, to open, to answer.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.accept_by.is_some() || self.opening.is_some() || self.question.is_some()
    }
}

const fn accept_by(assignment: &Assignment) -> Option<UnixTime> {
    match assignment.stage {
        Stage::Offered { until } => Some(until),
        _ => None,
    }
}

/// Challenge and key are given once the stake is down: who only looks at offers learns nothing from them.
fn lease(assignment: &Assignment) -> Option<LeaseView> {
    let (until, commit_by) = match assignment.stage {
        Stage::Leased { until, commit_by } => (Some(until), Some(commit_by)),
        _ => (None, None),
    };
    (assignment.stake != Stake::None).then(|| LeaseView {
        challenge: assignment.challenge,
        replica_key: assignment.replica_key.reveal(),
        until,
        commit_by,
    })
}

impl<'j> OpeningRequest<'j> {
    fn of(job: &'j Job, assignment: &'j Assignment) -> Option<Self> {
        let (Phase::Opening(round), Stage::Opening) = (&job.phase, &assignment.stage) else {
            return None;
        };
        Some(Self {
            round: round.number,
            due: round.until,
            randomness: round.audit_seed.reveal(),
            points: job.points_in_round(),
            whole: job.wants_whole_outputs(),
            cross: cross(job, assignment),
        })
    }
}

fn cross<'j>(job: &'j Job, assignment: &'j Assignment) -> Vec<CrossKey<'j>> {
    let others = job.standing().filter(|other| other.id != assignment.id);
    let key = |other: &'j Assignment| CrossKey {
        assignment: &other.id,
        replica_key: other.replica_key.reveal(),
    };
    others.map(key).collect()
}

impl<'j> QuestionView<'j> {
    fn of(job: &'j Job, assignment: &'j Assignment) -> Option<Self> {
        let dispute = job.dispute()?;
        let question = dispute.question.as_ref()?;
        let number = question.number;
        let open = assignment.is_standing() && !assignment.answers.contains_key(&number);
        (open && question.asked.contains(&assignment.id)).then_some(Self {
            number,
            text: &question.text,
            due: dispute.until,
        })
    }
}
