//! What an agent says about an assignment it has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{Secret, Word, moment};
use crate::UnixTime;
use crate::work::encoding::{Base64Url, Blob, distinct_members};

/// The body of a request that says all in its path: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// The answer to `accept` and `renew`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The challenge of the statement.
    pub challenge: Base64Url<32>,
    /// The key under which this replica's outputs are digested; nobody else has it.
    pub replica_key: Secret<32>,
    /// Renewed or committed by then, or the assignment goes to another.
    #[serde(with = "moment")]
    pub until: UnixTime,
    /// Committed by then in any case, or the assignment expires.
    #[serde(with = "moment")]
    pub commit_until: UnixTime,
}

/// Body of `release`: the agent gives an assignment back, before it has committed to a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Why, in one of the agent's codes, such as `shutting_down` or `input_missing`.
    pub code: Word,
}

/// Body of `answer`: what a referee asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The number of the question.
    pub number: u32,
    /// The answer.
    pub reply: Reply,
}

/// What is answered: an object of one member, of the same name as the question's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The bytes of the kernels' witness; how many follows from the question.
    Witness(Blob),
    /// Everything there is.
    Outputs(Outputs),
}

/// Outputs and trace of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outputs {
    /// The outputs by name.
    #[serde(deserialize_with = "distinct_members")]
    pub outputs: BTreeMap<String, Blob>,
    /// The 32-byte digests of the trace, one after the other; empty where there is none.
    pub trace: Blob,
}
