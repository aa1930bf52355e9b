//! Heartbeats: which devices an agent has, and what it still holds.

use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use super::text::{Id, Word, moment};
use super::{MAX_EXECUTORS, MAX_HELD};
use crate::UnixTime;
use crate::device::Architecture;
use crate::limits::MAX_DEVICES;
use crate::work::encoding::{Hex, bounded_list, present};

/// Body of `POST /v1/agents/{id}/heartbeat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The devices of the host, in the agent's words. What they are, reports will show.
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_DEVICES>")]
    pub devices: Vec<DeclaredDevice>,
    /// What runs jobs here, in the words of statements: `cuda`, `host`, `cpu-reference`; `host-program` where commands are
    /// run.
    #[serde(deserialize_with = "bounded_list::<_, _, MAX_EXECUTORS>")]
    pub executors: Vec<Word>,
    /// Assignments worked on at a time, at most [`MAX_HELD`]; 0 from an agent that is about to stop and wants no more.
    pub capacity: u32,
    /// Assignments that the agent keeps something for: work, outputs, answers. Absent where there are none.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded_list::<_, _, MAX_HELD>"
    )]
    pub held: Vec<Id>,
    /// What work is taken for. Absent from agents of before there were conditions ([`Conditions::unstated`]).
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub conditions: Option<Conditions>,
}

/// A device of an agent's host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredDevice {
    /// Chip family.
    pub architecture: Architecture,
    /// The most that a receipt about it can say.
    pub assurance: Assurance,
    /// Whether it is software.
    pub simulated: bool,
    /// SHA-256 of its `ueid`, where the agent knows it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub ueid_sha256: Option<Hex<32>>,
}

/// Levels of assurance (DESIGN section 6), the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Assurance {
    /// Self-asserted or simulated.
    A0,
    /// A genuine device, fresh.
    A1,
    /// And the output committed in the report.
    A2,
    /// And a CPU TEE quote over the same statement.
    A3,
}

/// The answer to a [`Heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatAnswer {
    /// How often the verifier wants a sign of life, in seconds.
    pub heartbeat_every_s: u32,
    /// The time on the verifier's clock.
    #[serde(with = "moment")]
    pub now: UnixTime,
    /// Those of [`Heartbeat::held`] that nothing will be asked about any more. Said again for as long as they are held;
    /// absent where there are none.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "bounded_list::<_, _, MAX_HELD>"
    )]
    pub ended: Vec<Ended>,
}

/// An assignment that is at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Which.
    pub assignment: Id,
    /// How: the assignment's status (`paid`, `expired`, `released`, `refused`), the job's where that ended first
    /// (`failed`, `cancelled`), or `unknown` where this agent has no such assignment.
    pub status: Word,
    /// Why, where there is a reason.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub code: Option<Word>,
}
