//! The job: what was asked.

use serde::{Deserialize, Serialize};

use super::canonical::{StrictValue, canonical_json};
use super::encoding::{Hex, present};
use super::statement::Profile;
use crate::crypto;

/// A job. Its digest is what statements, challenges and receipts name.
///
/// ```json
/// {"profile":"pogw/1","kernel":"gemm_i8","params":{"m":64,"n":64,"k":64, …},"checks":["freivalds"]}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Version of this form.
    pub profile: Profile,
    /// Name of the kernel.
    pub kernel: String,
    /// The kernel's parameters: integers, text and structure, no fractions.
    pub params: StrictValue,
    /// The checks of the result the tenant asks for; stated even if there are none, so that a job has one canonical
    /// form.
    pub checks: Vec<RequestedCheck>,
    /// Anything that tells this job from another with the same work, such as an order number.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub label: Option<String>,
}

/// A check of the result that a job can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedCheck {
    /// Hand over the output and compare it with its committed digest.
    OutputDigest,
    /// Hand over the output of a matrix product and check it against the inputs (Freivalds 1977).
    Freivalds,
}

impl RequestedCheck {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutputDigest => "output_digest",
            Self::Freivalds => "freivalds",
        }
    }
}

impl JobSpec {
    /// SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// The job does not serialise, which no job read from JSON does.
    pub fn digest(&self) -> Result<Hex<32>, serde_json::Error> {
        Ok(Hex(crypto::sha256(&canonical_json(self)?)))
    }
}
