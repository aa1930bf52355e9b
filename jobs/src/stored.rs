//! The stored form of a job: versioned JSON for the database, and for nothing else.
//!
//! Types that carry trust have no serde form in this project. This one is an exception: the database is ours, and what
//! it holds was made by these rules. It also holds secrets (replica keys, the seed of an audit), so the form is made and
//! read by two functions alone, and the types themselves stay without it.

use std::collections::BTreeMap;

use evidence::UnixTime;
use evidence::work::{Base64Url, Hex, JobSpec};
use serde::{Deserialize, Serialize};

use crate::assignment::{Assignment, Commitment, Opened, Stage, Stake};
use crate::clock::{stored as moment, stored_option as maybe_moment};
use crate::id::{AgentId, AssignmentId, JobId, PartyId};
use crate::job::{Job, Nature, Phase};
use crate::passed_over::PassedOver;
use crate::secret::Secret;
use crate::terms::Terms;
use crate::verdict::Upheld;

/// A text that is no stored job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored job: {what}")]
pub struct StoredError {
    /// What is wrong.
    pub what: String,
}

/// The version written now. A new form gets the next number; older ones are read as long as rows of them exist.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Out<'j> {
    version: u32,
    #[serde(with = "JobForm")]
    job: &'j Job,
}

/// Read first, and alone: what else there is depends on it.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct InV1 {
    job: JobV1,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct JobV1(#[serde(with = "JobForm")] Job);

impl Job {
    /// The text for the database. It holds secrets: no log and no answer may carry it.
    ///
    /// # Errors
    /// The job does not serialise, which no job made here does.
    pub fn to_stored(&self) -> Result<String, StoredError> {
        let out = Out {
            version: VERSION,
            job: self,
        };
        serde_json::to_string(&out).map_err(failed)
    }

    /// Reads the text back.
    ///
    /// # Errors
    /// The text is of no version known here.
    pub fn from_stored(text: &str) -> Result<Self, StoredError> {
        let Version { version } = serde_json::from_str(text).map_err(failed)?;
        if version != VERSION {
            let what = format!("version: expected {VERSION}, got {version}");
            return Err(StoredError { what });
        }
        let read: InV1 = serde_json::from_str(text).map_err(failed)?;
        Ok(read.job.0)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn failed(error: serde_json::Error) -> StoredError {
    let what = error.to_string();
    StoredError { what }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Job", deny_unknown_fields)]
struct JobForm {
    id: JobId,
    tenant: PartyId,
    spec: JobSpec,
    digest: Hex<32>,
    terms: Terms,
    terms_sha256: Hex<32>,
    nature: Nature,
    #[serde(with = "moment")]
    created_at: UnixTime,
    phase: Phase,
    wanted: Option<u32>,
    #[serde(with = "assignments")]
    assignments: Vec<Assignment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<PassedOver>,
    challenged_by: Vec<PartyId>,
    refereed: bool,
    questions: u32,
    #[serde(with = "maybe_moment")]
    excused_until: Option<UnixTime>,
    #[serde(default, skip_serializing_if = "is_zero")]
    excused_s: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "it is what serde hands over"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Assignment", deny_unknown_fields)]
struct AssignmentForm {
    id: AssignmentId,
    agent: AgentId,
    owner: PartyId,
    challenge: Base64Url<32>,
    #[serde(with = "secret")]
    replica_key: Secret,
    #[serde(with = "moment")]
    offered_at: UnixTime,
    stage: Stage,
    stake: Stake,
    commitment: Option<Commitment>,
    openings: Vec<Opened>,
    upheld: Option<Upheld>,
    answers: BTreeMap<u32, Hex<32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oversized: Option<u32>,
}

/// Secret bytes in the stored form.
pub(crate) mod secret {
    use evidence::work::Base64Url;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::secret::Secret;

    pub(crate) fn serialize<S: Serializer>(secret: &Secret, s: S) -> Result<S::Ok, S::Error> {
        secret.reveal().serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Secret, D::Error> {
        Base64Url::deserialize(d).map(|bytes| Secret::new(bytes.0))
    }
}

mod assignments {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Assignment, AssignmentForm};

    #[derive(Serialize)]
    struct Out<'a>(#[serde(with = "AssignmentForm")] &'a Assignment);

    #[derive(Deserialize)]
    struct In(#[serde(with = "AssignmentForm")] Assignment);

    pub(super) fn serialize<S: Serializer>(all: &[Assignment], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(all.iter().map(Out))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<Assignment>, D::Error> {
        let all = Vec::<In>::deserialize(d)?;
        Ok(all.into_iter().map(|one| one.0).collect())
    }
}
