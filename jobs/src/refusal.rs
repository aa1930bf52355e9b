//! Refusals: answers to actions that change nothing.

use evidence::UnixTime;

use crate::assignment::AssignmentStatus;
use crate::job::JobStatus;
use crate::money::Money;

/// Why an action is refused. The job is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another answer to the same question is in.
    #[error("another answer to question {number} is in")]
    AnswerDiffers {
        /// The question.
        number: u32,
    },
    /// The answer came too late.
    #[error("the answer was due by {due}")]
    AnswerLate {
        /// The last moment it was not.
        due: UnixTime,
    },
    /// The assignment is not where the action needs it.
    #[error("the assignment is {}, which does not allow this", actual.as_str())]
    AssignmentStatus {
        /// Where it is.
        actual: AssignmentStatus,
    },
    /// The job has no such assignment of that agent.
    #[error("no such assignment")]
    AssignmentUnknown,
    /// Somebody committed already.
    #[error("a commitment is in, so the job can no longer be cancelled")]
    CancelLate,
    /// The dispute window is over.
    #[error("the dispute window ended at {due}")]
    ChallengeLate {
        /// When.
        due: UnixTime,
    },
    /// As many parties had the results audited again as may.
    #[error("the results were audited again as often as they may be")]
    ChallengesSpent,
    /// Another commitment is in.
    #[error("another commitment of this assignment is in")]
    CommitmentDiffers,
    /// The commitment came too late.
    #[error("the commitment was due by {due}")]
    CommitmentLate {
        /// The last moment it was not.
        due: UnixTime,
    },
    /// The tenant cannot pay for the job.
    #[error("funds missing: {needed} needed, {available} available")]
    FundsMissing {
        /// What the terms offer.
        needed: Money,
        /// What there is.
        available: Money,
    },
    /// The job cannot be digested: a number or depth beyond canonical JSON.
    #[error("the job has no canonical form: {what}")]
    JobNotCanonical {
        /// What is wrong.
        what: String,
    },
    /// The job is not where the action needs it.
    #[error("the job is {}, which does not allow this", actual.as_str())]
    JobStatus {
        /// Where it is.
        actual: JobStatus,
    },
    /// An opening is judged already, with another verdict.
    #[error("the opening is judged already, and otherwise")]
    JudgedAlready,
    /// The lease ran out.
    #[error("the lease ended at {due}")]
    LeaseOver {
        /// When.
        due: UnixTime,
    },
    /// Nobody but the agent could say whether the results are right.
    #[error("the verifier has nothing to check these results by")]
    NothingToCheck,
    /// The offer ran out.
    #[error("the offer ended at {due}")]
    OfferOver {
        /// When.
        due: UnixTime,
    },
    /// Another opening of the same round is in.
    #[error("another opening of round {round} is in")]
    OpeningDiffers {
        /// The round.
        round: u32,
    },
    /// The opening came too late.
    #[error("the opening was due by {due}")]
    OpeningLate {
        /// The last moment it was not.
        due: UnixTime,
    },
    /// A question that does not follow the last, is too long, or asks nobody or strangers.
    #[error("the question does not follow the last one, or asks others than the opponents")]
    QuestionMalformed,
    /// The round is not the one asked for.
    #[error("round {actual} is not asked for: it is {expected}")]
    RoundUnknown {
        /// Which is asked for.
        expected: u32,
        /// Which was named.
        actual: u32,
    },
    /// A ruling that finds nobody wrong, or somebody who is no opponent.
    #[error("the ruling must find an opponent wrong, and nobody else")]
    RulingMalformed,
    /// The dispute window is still open.
    #[error("the dispute window is open until {due}")]
    SettleEarly {
        /// Until when.
        due: UnixTime,
    },
    /// The owner of the agent cannot put the stake down.
    #[error("stake missing: {needed} needed, {available} available")]
    StakeMissing {
        /// What the terms ask.
        needed: Money,
        /// What there is.
        available: Money,
    },
}

impl Refusal {
    /// The stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AnswerDiffers { .. } => "answer_differs",
            Self::AnswerLate { .. } => "answer_late",
            Self::AssignmentStatus { .. } => "assignment_status",
            Self::AssignmentUnknown => "assignment_unknown",
            Self::CancelLate => "cancel_late",
            Self::ChallengeLate { .. } => "challenge_late",
            Self::ChallengesSpent => "challenges_spent",
            Self::CommitmentDiffers => "commitment_differs",
            Self::CommitmentLate { .. } => "commitment_late",
            Self::FundsMissing { .. } => "funds_missing",
            Self::JobNotCanonical { .. } => "job_not_canonical",
            Self::JobStatus { .. } => "job_status",
            Self::JudgedAlready => "judged_already",
            Self::LeaseOver { .. } => "lease_over",
            Self::NothingToCheck => "nothing_to_check",
            Self::OfferOver { .. } => "offer_over",
            Self::OpeningDiffers { .. } => "opening_differs",
            Self::OpeningLate { .. } => "opening_late",
            Self::QuestionMalformed => "question_malformed",
            Self::RoundUnknown { .. } => "round_unknown",
            Self::RulingMalformed => "ruling_malformed",
            Self::SettleEarly { .. } => "settle_early",
            Self::StakeMissing { .. } => "stake_missing",
        }
    }
}
