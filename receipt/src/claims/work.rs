//! The `pogw` claim: what was asked, what came out, on which devices, and which checks it survived.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::method::{Finding, Method, Source};
use super::revocation::CertificateRevocation;
use crate::value::{Blake3Digest, Sha256Digest, Text, UnixTime, present, words};

/// The work and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Work {
    /// SHA-256 of the job's JSON in RFC 8785 form: what was asked.
    pub job_digest: Sha256Digest,
    /// The kernel that ran; absent where the job is a command of the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,
    /// The program that is said to have run, where the job is a command; nobody vouches for it, and nobody can recompute
    /// what it does. Never beside `kernel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<Asserted<Program>>,
    /// Where the work is said to have run, in the host's words, such as `cpu-reference`; nobody vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<Asserted<Text>>,
    /// SHA-256 of the module the driver is said to have loaded; nobody vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_digest: Option<Asserted<Sha256Digest>>,
    /// What came out.
    pub outputs: Vec<Output>,
    /// States on the way, committed with the outputs. That the run went through them is shown by nobody, unless a method
    /// says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The devices whose evidence came with it; one entry for each entry of `submods`.
    pub devices: Vec<Device>,
    /// Which checks were made, and how they came out; each method at most once.
    pub methods: Vec<Finding>,
    /// What it comes to.
    pub assurance: Assurance,
    /// The policy that granted the receipt.
    pub policy: Policy,
    /// What the appraisal compared with and asked.
    pub collateral: Vec<Collateral>,
    /// Every certificate that was asked about by OCSP, and what was known of it; empty if nobody asked.
    pub revocation: Vec<CertificateRevocation>,
    /// SHA-256 of the evidence bundle, by which it can be fetched and appraised again.
    pub evidence_digest: Sha256Digest,
    /// When the work is said to have run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// The time for which the evidence was appraised.
    pub as_of: UnixTime,
    /// The place of the statement in a batch that one report covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Inclusion>,
    /// The place of the receipt in the issuer's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_index: Option<u64>,
}

impl Work {
    /// The finding of a method, if there is one.
    #[must_use]
    pub fn finding(&self, method: &Method) -> Option<&Finding> {
        self.methods
            .iter()
            .find(|finding| finding.method == *method)
    }
}

/// The kernel a job names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Its name and version.
    pub name: Text,
    /// BLAKE3 of the kernel's specification text: what it is meant to compute.
    pub digest: Blake3Digest,
}

/// A program of the tenant's own, in the host's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The first argument of the job.
    pub name: Text,
    /// BLAKE3 of the file that is said to have been started under that name.
    pub blake3: Blake3Digest,
    /// The exit status it is said to have ended with.
    pub exit_code: u8,
}

/// The digests of states on the way of a run, committed by one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// How many states.
    pub entries: u64,
    /// BLAKE3 of their 32-byte digests in order.
    pub blake3: Blake3Digest,
}

/// What only the host can say, and on whose word; nobody else vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asserted<T> {
    /// What is said.
    pub value: T,
    /// Whose word it is: [`Source::ProviderAsserted`] or [`Source::GuestAsserted`].
    pub source: Source,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name in the job; unique within the receipt.
    pub name: Text,
    /// Its length in bytes.
    pub len: u64,
    /// BLAKE3 of its bytes.
    pub blake3: Blake3Digest,
}

words! {
    /// What a device is.
    DeviceKind, "device kind":
    /// A GPU.
    Gpu = "gpu",
    /// A switch between GPUs.
    NvSwitch = "nvswitch",
    /// The confidential virtual machine the work ran in.
    CpuTee = "cpu_tee",
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// A pseudonym, unique within the receipt: the lifelong identity is only in `ueid`, for those who may see it.
    pub id: Text,
    /// The name of its entry in `submods`.
    pub submod: Text,
    /// What it is.
    pub kind: DeviceKind,
    /// Its architecture, such as `hopper`.
    pub arch: Text,
    /// Whether it is software pretending to be a device.
    pub simulated: bool,
}

words! {
    /// How much hardware stands behind a receipt.
    Level, "assurance level":
    /// Self-asserted or simulated.
    A0 = "A0",
    /// A genuine device, fresh.
    A1 = "A1",
    /// A1, and the output is committed in the nonce of the report.
    A2 = "A2",
    /// A2, and a CPU TEE quote over the same statement.
    A3 = "A3",
}

words! {
    /// A check that speaks for the result itself.
    ResultCheck, "result check":
    /// See [`Method::Audit`].
    Audit = "audit",
    /// See [`Method::Freivalds`].
    Freivalds = "freivalds",
    /// See [`Method::Sumcheck`].
    Sumcheck = "sumcheck",
    /// See [`Method::Replicas`].
    Replicas = "replicas",
}

impl ResultCheck {
    /// The method this check is.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Audit => Method::Audit,
            Self::Freivalds => Method::Freivalds,
            Self::Sumcheck => Method::Sumcheck,
            Self::Replicas => Method::Replicas,
        }
    }
}

/// What the findings come to: the level, and beside it the result checks that held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assurance {
    /// The level; never above what devices and findings support.
    pub level: Level,
    /// The result checks that held; each an affirmed method.
    pub results: BTreeSet<ResultCheck>,
}

/// A policy, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub id: Text,
    /// SHA-256 of its text.
    pub sha256: Sha256Digest,
}

/// A reference document the appraisal used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collateral {
    /// Its name, such as the id of a RIM.
    pub id: Text,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// When it was got from its source, so that its age can be judged.
    pub as_of: UnixTime,
}

/// When the work ran, on the word of `source`; nobody else vouches for these numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// Whose word it is: [`Source::ProviderAsserted`] or [`Source::GuestAsserted`].
    pub source: Source,
    /// Start, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// End, in milliseconds since the Unix epoch.
    pub finished_unix_ms: u64,
    /// Time on the device, in nanoseconds.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub device_ns: Option<u64>,
}

/// The path from a statement to the root that a shared report commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The root of the batch.
    pub root: Sha256Digest,
    /// The place of the statement, from 0.
    pub index: u64,
    /// The number of statements.
    pub size: u64,
    /// The sibling digests from leaf to root.
    pub path: Vec<Sha256Digest>,
}
