//! Verdicts: what judging an opening showed. They come in as data; this crate judges nothing.

use std::collections::BTreeMap;

use evidence::crypto::sha256_of;
use evidence::device::Architecture;
use evidence::work::{Hex, WorkStatement, canonical_json};
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::id::AssignmentId;
use crate::terms::Assurance;

const RESULTS_CONTEXT: &[u8] = b"pogw/1 results\n";

/// What judging an opening showed. What could not be judged, as in an outage of collateral, has no verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check that the job asks for held.
    Upheld(Upheld),
    /// A check did not.
    Refuted(Refuted),
}

/// What an opening showed that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upheld {
    /// The outputs and the trace, by one digest ([`results_digest`]).
    pub results: Hex<32>,
    /// The devices, verified.
    pub devices: Vec<SeenDevice>,
    /// The level of the evidence.
    pub assurance: Assurance,
    /// The keyed digest with the assignment's own key, as committed.
    pub keyed: Hex<32>,
    /// Keyed digests with the keys of the other replicas, by their assignments.
    pub cross: BTreeMap<AssignmentId, Hex<32>>,
}

/// A device as its evidence shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDevice {
    /// Its id, pseudonymous and the same wherever the device is seen. A simulated device calls itself what it likes.
    pub id: Hex<32>,
    /// Its architecture.
    pub architecture: Architecture,
    /// Whether it is software.
    pub simulated: bool,
    /// Whose it was known to be.
    #[serde(default)]
    pub holder: Holder,
}

/// Whose a device was known to be, of the provider that shows it, when its agent was offered the work. Nobody knows that of
/// software.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// It was nobody's.
    #[default]
    Nobody,
    /// The provider's that shows it.
    Provider,
    /// Another provider's, whatever happened since.
    Another,
}

/// Why an opening did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuted {
    /// The first reason.
    pub code: Code,
    /// What it says of the agent.
    pub blame: Blame,
}

/// What a refuted opening says of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// It handed in what no honest agent does: the stake is slashed.
    Wrong,
    /// Its evidence is not good enough, as with an old driver: the stake goes back, nothing is paid, the record starts again.
    /// In a later round of openings this says nothing: evidence is appraised once.
    Unfit,
    /// Its evidence is good enough for the service, and not for the policy that the terms name: the stake goes back, nothing
    /// is paid, the record is as it was. Whoever orders work must not be able to ruin a record by what it asks for.
    Unsuited,
}

/// SHA-256("pogw/1 results\n" ‖ JCS({"outputs": …, "trace": …})): two statements with this digest in common claim the
/// same outputs by name, length and BLAKE3, and the same trace or none.
///
/// # Errors
/// The statement does not serialise, which no statement read from JSON does.
pub fn results_digest(statement: &WorkStatement) -> Result<Hex<32>, serde_json::Error> {
    let results = serde_json::json!({
        "outputs": statement.outputs,
        "trace": statement.trace,
    });
    Ok(Hex(sha256_of(&[
        RESULTS_CONTEXT,
        &canonical_json(&results)?,
    ])))
}
