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

/// The program that ran, in the agent's words. There is no specification to hold it against, and the file is one of the
/// host's: a digest that a tenant knows says what the host claims to have started, not what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramRef {
    /// The first argument of the job.
    pub name: String,
    /// Plain BLAKE3 of the file that was found under that name and started.
    pub blake3: Hex<32>,
    /// Its exit status. One that was ended by a signal, or by a limit, has no statement.
    pub exit_code: u8,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// A kernel of a catalogue.
    Kernel(KernelRef),
    /// A program of the tenant's own.
    Program(ProgramRef),
}

/// States on the way, committed by one digest.
///
/// The 32-byte BLAKE3 digests of the states, one after the other, are digested by plain BLAKE3. A Bao slice of 32 bytes
/// therefore opens any one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceCommitment {
    /// How many digests.
    pub entries: u64,
    /// Plain BLAKE3 of the digests in order, 32 bytes each.
    pub blake3: Hex<32>,
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
///
/// In JSON what ran is the member `kernel` or the member `program`, exactly one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StatementForm", into = "StatementForm")]
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
    pub ran: Ran,
    /// What came out.
    pub outputs: Vec<OutputCommitment>,
    /// The states on the way, where the run has such.
    pub trace: Option<TraceCommitment>,
    /// Where it ran, in the agent's words, such as `cpu-reference` or `cuda`.
    pub executor: String,
    /// When, in the agent's words.
    pub timing: Timing,
    /// Counters of the host, such as NVML readings, by name. The host can forge them.
    pub telemetry: BTreeMap<String, i64>,
}

/// A statement that names nothing that ran, or two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected either kernel or program")]
pub struct RanUnclear;

/// The members as they stand in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementForm {
    profile: Profile,
    job: Hex<32>,
    challenge: Base64Url<32>,
    agent_key: Base64Url<32>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    kernel: Option<KernelRef>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    program: Option<ProgramRef>,
    outputs: Vec<OutputCommitment>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    trace: Option<TraceCommitment>,
    executor: String,
    timing: Timing,
    #[serde(
        default,
        deserialize_with = "distinct_members",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    telemetry: BTreeMap<String, i64>,
}

impl TryFrom<StatementForm> for WorkStatement {
    type Error = RanUnclear;

    fn try_from(form: StatementForm) -> Result<Self, RanUnclear> {
        let ran = match (form.kernel, form.program) {
            (Some(kernel), None) => Ran::Kernel(kernel),
            (None, Some(program)) => Ran::Program(program),
            _ => return Err(RanUnclear),
        };
        Ok(Self {
            profile: form.profile,
            job: form.job,
            challenge: form.challenge,
            agent_key: form.agent_key,
            ran,
            outputs: form.outputs,
            trace: form.trace,
            executor: form.executor,
            timing: form.timing,
            telemetry: form.telemetry,
        })
    }
}

impl From<WorkStatement> for StatementForm {
    fn from(statement: WorkStatement) -> Self {
        let (kernel, program) = match statement.ran {
            Ran::Kernel(kernel) => (Some(kernel), None),
            Ran::Program(program) => (None, Some(program)),
        };
        Self {
            profile: statement.profile,
            job: statement.job,
            challenge: statement.challenge,
            agent_key: statement.agent_key,
            kernel,
            program,
            outputs: statement.outputs,
            trace: statement.trace,
            executor: statement.executor,
            timing: statement.timing,
            telemetry: statement.telemetry,
        }
    }
}

impl WorkStatement {
    /// The kernel that ran, where one did.
    #[must_use]
    pub fn kernel(&self) -> Option<&KernelRef> {
        match &self.ran {
            Ran::Kernel(kernel) => Some(kernel),
            Ran::Program(_) => None,
        }
    }

    /// The program that ran, where one did.
    #[must_use]
    pub fn program(&self) -> Option<&ProgramRef> {
        match &self.ran {
            Ran::Kernel(_) => None,
            Ran::Program(program) => Some(program),
        }
    }

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
    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

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
