//! The statement: what an agent says it did. Nothing in it is true because it is said; the reports' nonce shows that
//! it was fixed before they were made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canonical::canonical_json;
use super::encoding::{Base64Url, Hex, distinct_members, present};
use crate::crypto;

const STATEMENT_CONTEXT: &[u8] = b"pogw/1 statement\n";
const GUEST_CONTEXT: &[u8] = b"pogw/1 guest\n";
const BUNDLE_CONTEXT: &[u8] = b"pogw/1 bundle\n";

/// Version of jobs, statements and bundles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// The first.
    #[default]
    #[serde(rename = "pogw/1")]
    V1,
}

/// The kernel that ran, by name and by what it is meant to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelRef {
    /// Name.
    pub name: String,
    /// BLAKE3 of the kernel's specification text.
    pub spec: Hex<32>,
    /// SHA-256 of the module the driver loaded; absent where no module ran, as on the CPU reference.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub module: Option<Hex<32>>,
}

/// An output, committed by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputCommitment {
    /// Name within the job.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
    /// Plain BLAKE3 of the bytes, as `b3sum` prints it.
    pub blake3: Hex<32>,
}

/// Times on the agent's own clock: asserted by the provider, proven by nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Start of the run, milliseconds since 1970.
    pub started_at_ms: u64,
    /// Time in the kernel, microseconds.
    pub run_us: u64,
    /// Time to digest the outputs, microseconds.
    pub digest_us: u64,
}

/// What an agent commits to before it asks the devices for their reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkStatement {
    /// Version of this form.
    pub profile: Profile,
    /// SHA-256 of the canonical job.
    pub job: Hex<32>,
    /// The verifier's challenge.
    pub challenge: Base64Url<32>,
    /// The agent's Ed25519 public key.
    pub agent_key: Base64Url<32>,
    /// What ran.
    pub kernel: KernelRef,
    /// What came out.
    pub outputs: Vec<OutputCommitment>,
    /// Where it ran, in the agent's words, such as `cpu-reference` or `cuda`.
    pub executor: String,
    /// When, in the agent's words.
    pub timing: Timing,
    /// Counters of the host, such as NVML readings, by name. The host can forge them.
    #[serde(
        default,
        deserialize_with = "distinct_members",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub telemetry: BTreeMap<String, i64>,
}

impl WorkStatement {
    /// The canonical JSON, over which all derivations run.
    ///
    /// # Errors
    /// A time or counter is beyond 2^53 − 1.
    pub fn canonical(&self) -> Result<CanonicalStatement, serde_json::Error> {
        canonical_json(self).map(CanonicalStatement)
    }
}

/// A statement's canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalStatement(Vec<u8>);

impl CanonicalStatement {
    /// The canonical JSON text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The nonce every device report must carry.
    #[must_use]
    pub fn report_nonce(&self) -> [u8; 32] {
        crypto::sha256_of(&[STATEMENT_CONTEXT, &self.0])
    }

    /// The report data of a CPU TEE quote over this statement and these reports.
    #[must_use]
    pub fn guest_report_data(&self, reports: &[&[u8]]) -> [u8; 64] {
        let digests: Vec<u8> = reports
            .iter()
            .flat_map(|report| crypto::sha256(report))
            .collect();
        crypto::sha512_of(&[GUEST_CONTEXT, &self.0, &digests])
    }

    /// The message the agent signs: the statement and, by digest, each device's report and chain.
    #[must_use]
    pub fn bundle_message<'a>(
        &self,
        devices: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Vec<u8> {
        let mut message = [BUNDLE_CONTEXT, &self.0].concat();
        for (report, chain) in devices {
            message.extend(crypto::sha256(report));
            message.extend(crypto::sha256(chain));
        }
        message
    }
}
