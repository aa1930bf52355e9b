//! Events: the public history of a job, and who may read which line.

use evidence::UnixTime;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::id::{AssignmentId, PartyId};

/// A line of a job's history. Its number over the whole service is the store's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: UnixTime,
    /// What.
    pub kind: EventKind,
    /// Of which assignment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<AssignmentId>,
    /// Whose assignment it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<PartyId>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The job exists and its price is in escrow.
    JobCreated,
    /// An agent was picked.
    AssignmentOffered,
    /// The agent took it; the stake is down.
    AssignmentLeased,
    /// Its offer or its lease ran out.
    AssignmentExpired,
    /// The agent gave it back.
    AssignmentReleased,
    /// A commitment is in.
    AssignmentCommitted,
    /// All commitments are in: openings are asked for.
    OpeningsAsked,
    /// An opening is in, to be judged.
    AssignmentOpened,
    /// An opening held.
    AssignmentJudged,
    /// An assignment was refused.
    AssignmentRefused,
    /// A referee asks who is right.
    JobDisputed,
    /// The referee has decided.
    DisputeDecided,
    /// The results are accepted, in their dispute window.
    JobAccepted,
    /// Somebody asked for another audit.
    JobChallenged,
    /// The price of an assignment is paid.
    AssignmentPaid,
    /// Everybody has what is theirs.
    JobSettled,
    /// The job failed.
    JobFailed,
    /// The tenant cancelled the job.
    JobCancelled,
}

impl EventKind {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobCreated => "job_created",
            Self::AssignmentOffered => "assignment_offered",
            Self::AssignmentLeased => "assignment_leased",
            Self::AssignmentExpired => "assignment_expired",
            Self::AssignmentReleased => "assignment_released",
            Self::AssignmentCommitted => "assignment_committed",
            Self::OpeningsAsked => "openings_asked",
            Self::AssignmentOpened => "assignment_opened",
            Self::AssignmentJudged => "assignment_judged",
            Self::AssignmentRefused => "assignment_refused",
            Self::JobDisputed => "job_disputed",
            Self::DisputeDecided => "dispute_decided",
            Self::JobAccepted => "job_accepted",
            Self::JobChallenged => "job_challenged",
            Self::AssignmentPaid => "assignment_paid",
            Self::JobSettled => "job_settled",
            Self::JobFailed => "job_failed",
            Self::JobCancelled => "job_cancelled",
        }
    }

    /// Whether the tenant may read it. Before openings are asked for, single assignments are not the tenant's to see: a
    /// tenant in league with an agent would tell it whether anybody else runs the same job.
    #[must_use]
    pub const fn is_for_tenant(self) -> bool {
        !matches!(
            self,
            Self::AssignmentOffered
                | Self::AssignmentLeased
                | Self::AssignmentExpired
                | Self::AssignmentReleased
                | Self::AssignmentCommitted
        )
    }

    /// Whether the provider of the assignment may read it. What concerns a job as a whole is not for one provider.
    #[must_use]
    pub const fn is_for_provider(self) -> bool {
        matches!(
            self,
            Self::AssignmentOffered
                | Self::AssignmentLeased
                | Self::AssignmentExpired
                | Self::AssignmentReleased
                | Self::AssignmentCommitted
                | Self::AssignmentOpened
                | Self::AssignmentJudged
                | Self::AssignmentRefused
                | Self::AssignmentPaid
        )
    }
}

impl Event {
    /// Whether a provider may read it: events of its own assignments alone.
    #[must_use]
    pub fn is_for(&self, provider: &PartyId) -> bool {
        self.kind.is_for_provider() && self.provider.as_ref() == Some(provider)
    }
}
