//! The job: one aggregate, with all its assignments.

use evidence::UnixTime;
use evidence::work::{Hex, JobSpec, RequestedCheck};
use serde::{Deserialize, Serialize};

use crate::assignment::{Assignment, Stage};
use crate::clock::{stored as moment, stored_option as maybe_moment};
use crate::code::Code;
use crate::id::{AssignmentId, JobId, PartyId};
use crate::passed_over::PassedOver;
use crate::record::{Size, Workload};
use crate::secret::Secret;
use crate::terms::Terms;

/// A job with all its assignments.
///
/// It changes by [`Job::apply`] alone, and has no serde form: [`Job::to_stored`] is for the database, [`crate::view`] for
/// everybody else.
///
/// ```compile_fail,E0277
/// fn leak(job: &jobs::Job) -> String {
///     serde_json::to_string(job).unwrap() // not `Serialize`
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn forge(text: &str) -> jobs::Job {
///     serde_json::from_str(text).unwrap() // not `Deserialize`
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub(crate) id: JobId,
    pub(crate) tenant: PartyId,
    pub(crate) spec: JobSpec,
    pub(crate) digest: Hex<32>,
    pub(crate) terms: Terms,
    pub(crate) terms_sha256: Hex<32>,
    pub(crate) nature: Nature,
    pub(crate) created_at: UnixTime,
    pub(crate) phase: Phase,
    /// How many replicas are run: secret until they are all committed. `None` until the first agent is chosen.
    pub(crate) wanted: Option<u32>,
    pub(crate) assignments: Vec<Assignment>,
    /// Owners whose agents let the job wait, the last one last.
    pub(crate) passed_over: Vec<PassedOver>,
    /// Who had the results audited again.
    pub(crate) challenged_by: Vec<PartyId>,
    /// Whether a referee decided a dispute about the results.
    pub(crate) refereed: bool,
    /// How many questions the referee asked.
    pub(crate) questions: u32,
    /// Up to when outages of the service are excused.
    pub(crate) excused_until: Option<UnixTime>,
    /// By how many seconds outages moved the job's own deadline.
    pub(crate) excused_s: u32,
}

/// What kernels know of the job's work and this crate does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nature {
    /// Whether a referee can find a wrong point and recompute it: true of kernels, false of commands.
    pub recomputable: bool,
    /// Points of each output that the terms' audit draws; 0 where none is asked for.
    pub points: u32,
    /// Operations that the work takes by its specification, whatever the machine. `None` for commands, of which nobody can
    /// tell.
    #[serde(default)]
    pub operations: Option<u64>,
    /// Whether the tenant chose what is worked on: on a matrix of zeros the work may be worth less than its operations.
    #[serde(default)]
    pub given: bool,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Open,
    Opening(Round),
    Disputed(Dispute),
    Accepted {
        #[serde(with = "moment")]
        at: UnixTime,
        #[serde(with = "moment")]
        settle_at: UnixTime,
        round: u32,
    },
    Settled {
        #[serde(with = "moment")]
        at: UnixTime,
    },
    Failed {
        #[serde(with = "moment")]
        at: UnixTime,
        code: Code,
    },
    Cancelled {
        #[serde(with = "moment")]
        at: UnixTime,
    },
}

/// One round of openings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// From 0; later ones are asked for in the dispute window.
    pub(crate) number: u32,
    #[serde(with = "crate::stored::secret")]
    pub(crate) audit_seed: Secret,
    /// Openings are due.
    #[serde(with = "moment")]
    pub(crate) until: UnixTime,
    /// When what was accepted before would have been settled; `None` in the first round.
    #[serde(with = "maybe_moment")]
    pub(crate) settle_from: Option<UnixTime>,
    /// When a verifier first tried in vain to judge what has been opened so far.
    #[serde(
        default,
        with = "maybe_moment",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) tried_at: Option<UnixTime>,
}

/// A dispute before the referee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// What it is about.
    pub about: DisputeKind,
    /// Who is asked: all replicas whose word is in doubt.
    pub opponents: Vec<AssignmentId>,
    /// The question that stands, once there is one.
    pub question: Option<Question>,
    /// Until when it is to be answered, or the referee is to ask or decide.
    #[serde(with = "moment")]
    pub until: UnixTime,
    /// How many questions were asked in it.
    #[serde(default)]
    pub(crate) asked: u32,
    /// The round of audit before it.
    pub(crate) round: u32,
    /// When what was accepted before would have been settled; `None` in the first round.
    #[serde(with = "maybe_moment")]
    pub(crate) settle_from: Option<UnixTime>,
}

/// What a dispute is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeKind {
    /// Results differ: the referee looks for one point that it recomputes itself.
    Results,
    /// Results are the same, but keyed digests do not match. The referee asks for the whole output, which the agreed
    /// digest vouches for, and computes the keyed digests itself: from the digests alone nobody can tell who lied.
    Holding,
}

/// A question of the referee. Its answers lie with the assignments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// From 1, over all disputes of the job.
    pub number: u32,
    /// The referee's words, which only it and the agents read.
    pub text: String,
    /// Who is asked.
    pub asked: Vec<AssignmentId>,
}

/// The public word for where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Replicas are being found, run and committed.
    Open,
    /// Openings are asked for and judged.
    Opening,
    /// A referee asks who is right.
    Disputed,
    /// The results are accepted, in their dispute window.
    Accepted,
    /// Everybody has what is theirs.
    Settled,
    /// It failed; the tenant has its money back.
    Failed,
    /// The tenant cancelled it.
    Cancelled,
}

impl JobStatus {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Opening => "opening",
            Self::Disputed => "disputed",
            Self::Accepted => "accepted",
            Self::Settled => "settled",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Failed | Self::Cancelled)
    }
}

impl Job {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &JobId {
        &self.id
    }

    /// Whose job it is.
    #[must_use]
    pub const fn tenant(&self) -> &PartyId {
        &self.tenant
    }

    /// What is to be run.
    #[must_use]
    pub const fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// SHA-256 of the canonical spec: what statements name.
    #[must_use]
    pub const fn digest(&self) -> Hex<32> {
        self.digest
    }

    /// What is offered beside the work.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// SHA-256 of the canonical terms.
    #[must_use]
    pub const fn terms_sha256(&self) -> Hex<32> {
        self.terms_sha256
    }

    /// What its kernel says of it.
    #[must_use]
    pub const fn nature(&self) -> Nature {
        self.nature
    }

    /// What records are kept of it.
    #[must_use]
    pub fn workload(&self) -> Workload {
        Workload::of(&self.spec)
    }

    /// How much work it is; `None` where nobody can tell.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        self.nature.operations.map(Size::of)
    }

    /// When it was created.
    #[must_use]
    pub const fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> JobStatus {
        match self.phase {
            Phase::Open => JobStatus::Open,
            Phase::Opening(_) => JobStatus::Opening,
            Phase::Disputed(_) => JobStatus::Disputed,
            Phase::Accepted { .. } => JobStatus::Accepted,
            Phase::Settled { .. } => JobStatus::Settled,
            Phase::Failed { .. } => JobStatus::Failed,
            Phase::Cancelled { .. } => JobStatus::Cancelled,
        }
    }

    /// Why it failed.
    #[must_use]
    pub const fn code(&self) -> Option<&Code> {
        match &self.phase {
            Phase::Failed { code, .. } => Some(code),
            _ => None,
        }
    }

    /// When it ended.
    #[must_use]
    pub const fn ended_at(&self) -> Option<UnixTime> {
        match self.phase {
            Phase::Settled { at } | Phase::Failed { at, .. } | Phase::Cancelled { at } => Some(at),
            _ => None,
        }
    }

    /// The dispute before the referee, where there is one.
    #[must_use]
    pub const fn dispute(&self) -> Option<&Dispute> {
        match &self.phase {
            Phase::Disputed(dispute) => Some(dispute),
            _ => None,
        }
    }

    /// How many questions its referees have asked, over all disputes.
    #[must_use]
    pub const fn questions(&self) -> u32 {
        self.questions
    }

    /// All its assignments, in the order in which they were made. Not for the tenant, nor for any agent, before openings
    /// are asked for.
    #[must_use]
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// One of its assignments.
    #[must_use]
    pub fn assignment(&self, id: &AssignmentId) -> Option<&Assignment> {
        self.assignments
            .iter()
            .find(|assignment| assignment.id == *id)
    }

    /// Whether the verifier checks results itself, so that a single replica does not stand on its own word.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        let recomputes = |check: &RequestedCheck| {
            matches!(check, RequestedCheck::Freivalds | RequestedCheck::Audit)
        };
        self.nature.points > 0 || self.spec.checks.iter().any(recomputes)
    }

    /// Points of each output that this round of openings draws: twice as many in each later one, so that the probability of
    /// a miss is squared.
    #[must_use]
    pub fn points_in_round(&self) -> u32 {
        let doubled = 1_u32.checked_shl(self.round()).unwrap_or(u32::MAX);
        self.nature.points.saturating_mul(doubled)
    }

    /// Whether the verifier must hold the outputs.
    #[must_use]
    pub fn wants_whole_outputs(&self) -> bool {
        !self.spec.checks.is_empty()
    }

    /// The seed of this round's audit, for the verifier that judges openings.
    #[must_use]
    pub const fn audit_seed(&self) -> Option<&Secret> {
        match &self.phase {
            Phase::Opening(round) => Some(&round.audit_seed),
            _ => None,
        }
    }

    /// The round of openings it is in, or was in last.
    #[must_use]
    pub const fn round(&self) -> u32 {
        match &self.phase {
            Phase::Opening(round) => round.number,
            Phase::Disputed(dispute) => dispute.round,
            Phase::Accepted { round, .. } => *round,
            _ => 0,
        }
    }

    /// How many replicas were accepted, whose results are the same. The claim `replicas` is affirmed from two on: the
    /// result is right if one of them is honest.
    #[must_use]
    pub fn agreeing(&self) -> usize {
        let accepted = |a: &&Assignment| matches!(a.stage, Stage::Accepted | Stage::Paid { .. });
        self.assignments.iter().filter(accepted).count()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments
            .iter()
            .filter(|assignment| assignment.is_running())
    }

    /// The assignments that are committed, and neither refused nor paid.
    pub fn standing(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments
            .iter()
            .filter(|assignment| assignment.is_standing())
    }
}
