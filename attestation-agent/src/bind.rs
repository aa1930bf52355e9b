//! Binding: from a run to a signed bundle that answers one challenge (DESIGN section 4).
//!
//! In scope: statement → canonical text → nonce of the reports → bundle → agent signature. The
//! derivations themselves are in [`evidence::work`], which the verifier shares.
//!
//! Out of scope: running the job, and sending the bundle. A bundle proves that its outputs were
//! fixed before the reports were made, not that a device computed them.

use std::collections::BTreeMap;

use evidence::crypto::sha256;
use evidence::limits::MAX_DEVICES;
use evidence::work::{
    Base64Url, Blob, Bundle, BundleDevice, CanonicalStatement, Hex, KernelRef, OutputCommitment,
    Profile, Ran, RequestedCheck, Timing, TraceCommitment, UnsignedBundle, WorkStatement,
};

use crate::collect::{DeviceSet, bundle_device};
use crate::command::commitment_to;
use crate::device::DeviceError;
use crate::execute::Execution;
use crate::job::PreparedJob;
use crate::key::AgentKey;

/// Who answers which challenge, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// The verifier's challenge.
    pub challenge: Base64Url<32>,
    /// The key the bundle will be signed with.
    pub agent_key: Base64Url<32>,
    /// The executor's word for itself.
    pub executor: &'static str,
    /// Start of the run, milliseconds since 1970, on the agent's clock.
    pub started_at_ms: u64,
}

/// A statement and the text of it that everything else is derived from.
#[derive(Clone, Debug)]
pub struct Commitment {
    /// What the agent says.
    pub statement: WorkStatement,
    /// Its canonical form.
    pub canonical: CanonicalStatement,
}

/// Why a run could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A device did not attest.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A statement or bundle has no JSON form, such as a clock beyond 2^53 milliseconds.
    #[error("statement has no canonical form: {0}")]
    Json(#[from] serde_json::Error),
    /// More devices than a bundle holds.
    #[error("too many devices: expected at most {limit}, got {actual}")]
    TooManyDevices {
        /// The bound.
        limit: usize,
        /// Devices on this host.
        actual: usize,
    },
}

impl BindError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Device(error) => error.code(),
            Self::Json(_) => "statement_not_canonical",
            Self::TooManyDevices { .. } => "device_too_many",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Device(error) => error.remedy(),
            Self::Json(_) => {
                "Set the clock of this machine; the job itself was read without fault."
            }
            Self::TooManyDevices { .. } => {
                "Split the host into guests with fewer devices, each with its own agent."
            }
        }
    }
}

/// States what was run and what came out.
///
/// # Errors
/// [`BindError::Json`].
pub fn commit(
    job: &PreparedJob,
    run: &Execution,
    occasion: Occasion,
) -> Result<Commitment, BindError> {
    let kernel = job.job.kernel();
    let account = Account {
        job: job.digest,
        ran: Ran::Kernel(KernelRef {
            name: kernel.name().to_owned(),
            spec: Hex(*kernel.digest().as_bytes()),
            module: run.module,
        }),
        outputs: run.outputs.iter().map(|o| o.commitment()).collect(),
        trace: commitment_to(&states_of(run)),
        run_us: run.run_us,
        digest_us: run.digest_us,
        telemetry: run.telemetry.clone(),
    };
    account.commit(occasion)
}

/// What there is to state about a run, whatever ran.
pub(crate) struct Account {
    /// SHA-256 of the canonical job.
    pub(crate) job: Hex<32>,
    /// What ran.
    pub(crate) ran: Ran,
    /// What came out.
    pub(crate) outputs: Vec<OutputCommitment>,
    /// States on the way, if there were any.
    pub(crate) trace: Option<TraceCommitment>,
    /// Time of the run, microseconds.
    pub(crate) run_us: u64,
    /// Time to digest the outputs, microseconds.
    pub(crate) digest_us: u64,
    /// Counters of the host, by name.
    pub(crate) telemetry: BTreeMap<String, i64>,
}

impl Account {
    /// The statement for an occasion, and its canonical form.
    ///
    /// # Errors
    /// [`BindError::Json`].
    pub(crate) fn commit(self, occasion: Occasion) -> Result<Commitment, BindError> {
        let statement = WorkStatement {
            profile: Profile::V1,
            job: self.job,
            challenge: occasion.challenge,
            agent_key: occasion.agent_key,
            ran: self.ran,
            outputs: self.outputs,
            trace: self.trace,
            executor: occasion.executor.to_owned(),
            timing: Timing {
                started_at_ms: occasion.started_at_ms,
                run_us: self.run_us,
                digest_us: self.digest_us,
            },
            telemetry: self.telemetry,
        };
        Ok(Commitment {
            canonical: statement.canonical()?,
            statement,
        })
    }
}

/// Has every device sign the commitment.
///
/// # Errors
/// [`BindError::Device`] for the first that does not answer, [`BindError::TooManyDevices`].
pub(crate) fn attested(
    commitment: &Commitment,
    devices: &DeviceSet,
) -> Result<Vec<BundleDevice>, BindError> {
    is_within_a_bundle(devices)?;
    let evidence = devices.attest(&commitment.canonical.report_nonce())?;
    Ok(evidence.into_iter().map(bundle_device).collect())
}

/// Whether a bundle holds as many devices.
///
/// # Errors
/// [`BindError::TooManyDevices`].
pub(crate) fn is_within_a_bundle(devices: &DeviceSet) -> Result<(), BindError> {
    let (limit, actual) = (MAX_DEVICES, devices.count());
    if actual > limit {
        return Err(BindError::TooManyDevices { limit, actual });
    }
    Ok(())
}

fn states_of(run: &Execution) -> Vec<u8> {
    let digests = run.trace.iter();
    digests.flat_map(|digest| *digest.as_bytes()).collect()
}

/// Has every device sign the commitment, and puts everything into one bundle.
///
/// Outputs and inputs travel along only where a check the job asks for needs them.
///
/// # Errors
/// [`BindError::Device`] for the first device that does not answer, [`BindError::TooManyDevices`].
pub fn vouch(
    job: &PreparedJob,
    run: &Execution,
    commitment: Commitment,
    devices: &DeviceSet,
) -> Result<UnsignedBundle, BindError> {
    let attested = attested(&commitment, devices)?;
    Ok(UnsignedBundle {
        job: job.spec.clone(),
        statement: commitment.statement,
        devices: attested,
        inputs: disclosed_inputs(job),
        outputs: disclosed_outputs(job, run),
    })
}

/// Signs a bundle and writes its JSON.
///
/// # Errors
/// [`BindError::Json`].
pub fn seal(bundle: UnsignedBundle, key: &AgentKey) -> Result<(Bundle, SealedBundle), BindError> {
    let bundle = bundle.sign(|message| key.sign(message))?;
    let sealed = SealedBundle::new(serde_json::to_vec(&bundle)?);
    Ok((bundle, sealed))
}

/// A signed bundle as the bytes that travel. Every attempt to submit it sends exactly these.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedBundle {
    json: Vec<u8>,
    digest: Hex<32>,
}

impl SealedBundle {
    pub(crate) fn new(json: Vec<u8>) -> Self {
        let digest = Hex(sha256(&json));
        Self { json, digest }
    }

    /// The JSON.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// SHA-256 of the JSON: what the bundle is called in the outbox and in `Idempotency-Key`.
    #[must_use]
    pub fn digest(&self) -> Hex<32> {
        self.digest
    }
}

impl std::fmt::Debug for SealedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SealedBundle({}, {} bytes)",
            self.digest,
            self.json.len()
        )
    }
}

/// What recomputes reads the inputs; a seeded job has none to carry.
fn disclosed_inputs(job: &PreparedJob) -> BTreeMap<String, Blob> {
    let recomputes = |check: &RequestedCheck| match check {
        RequestedCheck::Freivalds | RequestedCheck::Audit => true,
        RequestedCheck::OutputDigest => false,
    };
    if !job.spec.checks.iter().any(recomputes) {
        return BTreeMap::new();
    }
    let inputs = job.inputs.iter();
    inputs
        .map(|(name, bytes)| (name.to_owned(), Blob(bytes.to_vec())))
        .collect()
}

fn disclosed_outputs(job: &PreparedJob, run: &Execution) -> BTreeMap<String, Blob> {
    if !discloses_outputs(job) {
        return BTreeMap::new();
    }
    let outputs = run.outputs.iter();
    outputs
        .filter_map(|o| Some((o.name.to_owned(), Blob(o.bytes.clone()?))))
        .collect()
}

/// Whether a check of the job needs the bytes of the outputs, so that they must leave the device.
pub(crate) fn discloses_outputs(job: &PreparedJob) -> bool {
    job.spec.checks.iter().any(|check| match check {
        RequestedCheck::OutputDigest | RequestedCheck::Freivalds | RequestedCheck::Audit => true,
    })
}
