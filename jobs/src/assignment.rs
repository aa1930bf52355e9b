//! An assignment: one replica of a job, given to one agent.

use std::collections::BTreeMap;

use evidence::UnixTime;
use evidence::work::{Base64Url, Hex};
use serde::{Deserialize, Serialize};

use crate::clock::stored as moment;
use crate::code::Code;
use crate::id::{AgentId, AssignmentId, PartyId};
use crate::secret::Secret;
use crate::verdict::Upheld;

/// One replica of a job, given to one agent.
///
/// It has no serde form: it holds what the agent, the tenant and the other agents may not see at the same time. What may
/// be shown is in [`crate::view`]; the stored form is a job's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub(crate) id: AssignmentId,
    pub(crate) agent: AgentId,
    pub(crate) owner: PartyId,
    pub(crate) challenge: Base64Url<32>,
    pub(crate) replica_key: Secret,
    pub(crate) offered_at: UnixTime,
    pub(crate) stage: Stage,
    pub(crate) stake: Stake,
    pub(crate) commitment: Option<Commitment>,
    pub(crate) openings: Vec<Opened>,
    pub(crate) upheld: Option<Upheld>,
    /// Answers to the referee: SHA-256 of their bytes, by question.
    pub(crate) answers: BTreeMap<u32, Hex<32>>,
    /// The last question that it answered with more than any right answer has.
    pub(crate) oversized: Option<u32>,
}

/// Where an assignment stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Picked; the agent has not taken it yet.
    Offered {
        #[serde(with = "moment")]
        until: UnixTime,
    },
    /// The agent works on it.
    Leased {
        /// Without sign of life.
        #[serde(with = "moment")]
        until: UnixTime,
        /// At most.
        #[serde(with = "moment")]
        commit_by: UnixTime,
    },
    /// It is committed to a result.
    Committed,
    /// An opening is asked for.
    Opening,
    /// The opening is in, to be judged.
    Opened,
    /// The opening held.
    Judged,
    /// The result is accepted, in its dispute window.
    Accepted,
    /// Paid; the end.
    Paid {
        #[serde(with = "moment")]
        at: UnixTime,
    },
    /// The offer or the lease ran out; the end.
    Expired {
        #[serde(with = "moment")]
        at: UnixTime,
    },
    /// The agent gave it back; the end.
    Released {
        #[serde(with = "moment")]
        at: UnixTime,
    },
    /// Refused; the end.
    Refused {
        #[serde(with = "moment")]
        at: UnixTime,
        code: Code,
    },
}

/// What became of the provider's stake. It goes one way: `None → Held → Returned | Slashed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stake {
    /// Not put down: the assignment was never taken.
    None,
    /// On the assignment's account.
    Held,
    /// Back with the provider.
    Returned,
    /// In the treasury.
    Slashed,
}

/// A salted commitment to a statement and its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// The 32 bytes, whose derivation is `evidence::work`'s.
    pub value: Base64Url<32>,
    /// When it came in.
    #[serde(with = "moment")]
    pub at: UnixTime,
}

/// An opening that came in, by digest; its bytes are the store's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// For which round of audit, from 0.
    pub round: u32,
    /// SHA-256 of the bytes.
    pub sha256: Hex<32>,
    /// When it came in.
    #[serde(with = "moment")]
    pub at: UnixTime,
}

/// The public word for where an assignment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentStatus {
    /// Picked, not yet taken.
    Offered,
    /// Worked on.
    Leased,
    /// Committed to a result.
    Committed,
    /// An opening is asked for.
    Opening,
    /// The opening is in, to be judged.
    Opened,
    /// The opening held.
    Judged,
    /// The result is accepted.
    Accepted,
    /// Paid.
    Paid,
    /// The offer or the lease ran out.
    Expired,
    /// The agent gave it back.
    Released,
    /// Refused.
    Refused,
}

impl AssignmentStatus {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Leased => "leased",
            Self::Committed => "committed",
            Self::Opening => "opening",
            Self::Opened => "opened",
            Self::Judged => "judged",
            Self::Accepted => "accepted",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Refused => "refused",
        }
    }
}

impl Assignment {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &AssignmentId {
        &self.id
    }

    /// Who runs it.
    #[must_use]
    pub const fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Whose agent that is.
    #[must_use]
    pub const fn owner(&self) -> &PartyId {
        &self.owner
    }

    /// The challenge its statement must answer.
    #[must_use]
    pub const fn challenge(&self) -> Base64Url<32> {
        self.challenge
    }

    /// The key of its keyed digest. Nobody but its agent may know it before openings are asked for.
    #[must_use]
    pub const fn replica_key(&self) -> &Secret {
        &self.replica_key
    }

    /// When it was offered.
    #[must_use]
    pub const fn offered_at(&self) -> UnixTime {
        self.offered_at
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> AssignmentStatus {
        match self.stage {
            Stage::Offered { .. } => AssignmentStatus::Offered,
            Stage::Leased { .. } => AssignmentStatus::Leased,
            Stage::Committed => AssignmentStatus::Committed,
            Stage::Opening => AssignmentStatus::Opening,
            Stage::Opened => AssignmentStatus::Opened,
            Stage::Judged => AssignmentStatus::Judged,
            Stage::Accepted => AssignmentStatus::Accepted,
            Stage::Paid { .. } => AssignmentStatus::Paid,
            Stage::Expired { .. } => AssignmentStatus::Expired,
            Stage::Released { .. } => AssignmentStatus::Released,
            Stage::Refused { .. } => AssignmentStatus::Refused,
        }
    }

    /// Why it was refused.
    #[must_use]
    pub const fn code(&self) -> Option<&Code> {
        match &self.stage {
            Stage::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// When it ended.
    #[must_use]
    pub const fn ended_at(&self) -> Option<UnixTime> {
        match self.stage {
            Stage::Paid { at }
            | Stage::Expired { at }
            | Stage::Released { at }
            | Stage::Refused { at, .. } => Some(at),
            _ => None,
        }
    }

    /// When an offer ended that was never taken; `None` for one that stands, or was taken.
    pub(crate) fn untaken_at(&self) -> Option<UnixTime> {
        match self.stake {
            Stake::None => self.ended_at(),
            Stake::Held | Stake::Returned | Stake::Slashed => None,
        }
    }

    /// What became of its stake.
    #[must_use]
    pub const fn stake(&self) -> Stake {
        self.stake
    }

    /// What it committed to.
    #[must_use]
    pub const fn commitment(&self) -> Option<&Commitment> {
        self.commitment.as_ref()
    }

    /// The openings that came in, the last of them last.
    #[must_use]
    pub fn openings(&self) -> &[Opened] {
        &self.openings
    }

    /// Its answers to the referee: SHA-256 of their bytes, by the number of the question.
    #[must_use]
    pub const fn answers(&self) -> &BTreeMap<u32, Hex<32>> {
        &self.answers
    }

    /// What its last opening showed.
    #[must_use]
    pub const fn upheld(&self) -> Option<&Upheld> {
        self.upheld.as_ref()
    }

    /// Whether it holds a place among the replicas, up to its commitment.
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Offered { .. } | Stage::Leased { .. })
    }

    /// Whether it is committed, and neither refused nor paid.
    pub(crate) const fn is_standing(&self) -> bool {
        matches!(
            self.stage,
            Stage::Committed | Stage::Opening | Stage::Opened | Stage::Judged | Stage::Accepted
        )
    }

    /// The digest of its results, once an opening held.
    pub(crate) fn results(&self) -> Option<Hex<32>> {
        self.upheld.as_ref().map(|upheld| upheld.results)
    }
}
