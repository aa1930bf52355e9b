//! The long poll: what there is to do next.

use serde::{Deserialize, Deserializer, Serialize};

use super::presence::Assurance;
use super::text::{Id, PolicyName, Secret, moment, short};
use super::{MAX_CROSS, MAX_HELD, MAX_QUESTION_BYTES};
use crate::UnixTime;
use crate::device::Architecture;
use crate::limits::MAX_DEVICES;
use crate::work::encoding::{Base64Url, Hex, bounded_list, present};
use crate::work::job::JobSpec;

/// Three letters of ISO 4217.
const CURRENCY_BYTES: usize = 3;

/// Body of `POST /v1/assignments/next`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextRequest {
    /// What the agent knows already and is at work on: the verifier answers with something else, or waits. An agent that
    /// starts anew knows nothing, and is told everything again.
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_HELD>")]
    pub known: Vec<Known>,
}

/// Something to do, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The assignment.
    pub assignment: Id,
    /// What is to be done.
    pub task: TaskKind,
    /// 0 of an offer, [`Open::round`], [`Question::number`].
    pub number: u32,
}

/// The kinds of things to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Take an assignment, or leave it.
    Offer,
    /// Open a commitment.
    Open,
    /// Answer a referee.
    Question,
}

/// Something to do: an object of one member, `offer`, `open` or `question`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// An assignment that can be taken.
    Offer(Box<Offer>),
    /// A commitment to be opened.
    Open(Open),
    /// A question of a referee.
    Question(Question),
}

/// An assignment that can be taken. It says nothing of other replicas, nor whether there are any, and what the run needs
/// comes with the [`Lease`](super::Lease): who only looks at offers learns nothing from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Its name.
    pub assignment: Id,
    /// SHA-256 of the canonical job.
    pub job: Hex<32>,
    /// The job.
    pub spec: JobSpec,
    /// Accepted by then, or it goes to another.
    #[serde(with = "moment")]
    pub accept_until: UnixTime,
    /// What the tenant offers and asks for.
    pub terms: TermsShown,
}

/// What an agent may know of a job's terms before it takes an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsShown {
    /// Paid for an accepted result.
    pub price: Price,
    /// From acceptance of the assignment to the commitment, seconds at most.
    pub commit_within_s: u32,
    /// Held from the provider until then, in minor units of the same currency.
    pub stake: u64,
    /// The strength of the point audit, where one is made.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub audit: Option<AuditTerms>,
    /// From the call for openings to the last one, seconds; also from a question to its answer.
    pub open_within_s: u32,
    /// From acceptance to payment, seconds.
    pub dispute_window_s: u32,
    /// What the devices must be and their evidence show; `None` for an agent that states no conditions.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub devices: Option<DevicesAsked>,
    /// How many replicas must agree for any to be paid, where that is more than one.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub min_agreeing: Option<u32>,
    /// The policy that the evidence is judged by, where the terms name one.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub policy: Option<PolicyName>,
}

/// What terms ask of the devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevicesAsked {
    /// How many, at least.
    pub count: u32,
    /// Of which architectures; absent: of any.
    #[serde(
        default,
        deserialize_with = "architectures",
        skip_serializing_if = "Option::is_none"
    )]
    pub architectures: Option<Vec<Architecture>>,
    /// What the evidence must show at least.
    pub min_assurance: Assurance,
    /// Whether software devices are let in.
    pub simulated: bool,
}

fn architectures<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Architecture>>, D::Error> {
    bounded_list::<_, _, MAX_DEVICES>(deserializer).map(Some)
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Minor units.
    pub amount: u64,
    /// ISO 4217.
    #[serde(deserialize_with = "short::<_, CURRENCY_BYTES>")]
    pub currency: String,
}

/// The strength of a point audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTerms {
    /// The share of wrong points that must not go unnoticed, parts per million.
    pub wrong_ppm: u32,
    /// The probability of missing it, as a power of two.
    pub log2_miss: i32,
}

/// A commitment to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Of which assignment.
    pub assignment: Id,
    /// Which round of audit, from 0; the opening names it, so that one for an old round is never taken for a new one.
    pub round: u32,
    /// The verifier's randomness, drawn after the commitment: points are drawn from it.
    pub randomness: Base64Url<32>,
    /// Points of each output whose slices are asked for; 0 where none is.
    pub points: u32,
    /// Whether the bundle carries the outputs.
    pub whole: bool,
    /// The other replicas whose keyed digest of these outputs is asked for.
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_CROSS>")]
    pub cross: Vec<CrossKey>,
    /// Opened by then, or the result is refused and the stake lost.
    #[serde(with = "moment")]
    pub until: UnixTime,
}

/// The key of another replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossKey {
    /// Of which assignment.
    pub assignment: Id,
    /// Its key.
    pub replica_key: Secret<32>,
}

/// A question of a referee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// About which assignment.
    pub assignment: Id,
    /// Its number, from 1.
    pub number: u32,
    /// What is asked.
    pub ask: Ask,
    /// Answered by then, or the dispute is lost.
    #[serde(with = "moment")]
    pub until: UnixTime,
}

/// What a referee asks for: an object of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// A question in the words of the kernels' referee, which a witness answers.
    Witness(#[serde(deserialize_with = "short::<_, MAX_QUESTION_BYTES>")] String),
    /// All outputs and the digests of the trace: who holds them is in doubt. The member's value is `{}`.
    Outputs {},
}

impl Next {
    /// Of which assignment.
    #[must_use]
    pub const fn assignment(&self) -> &Id {
        match self {
            Self::Offer(offer) => &offer.assignment,
            Self::Open(open) => &open.assignment,
            Self::Question(question) => &question.assignment,
        }
    }

    /// Its name, for [`NextRequest::known`].
    #[must_use]
    pub fn name(&self) -> Known {
        let (task, number) = match self {
            Self::Offer(_) => (TaskKind::Offer, 0),
            Self::Open(open) => (TaskKind::Open, open.round),
            Self::Question(question) => (TaskKind::Question, question.number),
        };
        Known {
            assignment: self.assignment().clone(),
            task,
            number,
        }
    }
}
