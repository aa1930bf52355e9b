//! A host with a software device and a verifier that trusts it, in one process and one temporary folder.

use std::path::PathBuf;
use std::sync::Arc;

use attestation_agent::device::Selection;
use attestation_agent::device::simulated::{SimulatedDevice, Window};
use attestation_agent::{
    AgentKey, Commitment, CpuReference, DeviceSet, Execution, Executor, InputBytes, Occasion,
    PreparedJob, SystemClock, Work, bundle_device, commit, seal, vouch,
};
use evidence::UnixTime;
use evidence::appraise::WorkAppraisal;
use evidence::policy::Decision;
use evidence::work::{Base64Url, Bundle, BundleDevice, JobSpec, UnsignedBundle};
use tempfile::TempDir;
use time::OffsetDateTime;
use verifier_service::{AppraisalSettings, Appraiser, OcspSettings};

/// The time everything is judged at: inside the validity of the software device's certificates.
pub const AS_OF: UnixTime = UnixTime::from_secs(1_790_000_000);

/// The challenge that the scene's bundles answer.
pub const CHALLENGE: [u8; 32] = [0x5c; 32];

/// The hours around [`AS_OF`] for which there are answers about revocation.
fn answered() -> Window {
    let at = |secs: i64| OffsetDateTime::from_unix_timestamp(secs).expect("a time");
    let now = AS_OF.secs();
    Window {
        from: at(now - 3600),
        until: at(now + 23 * 3600),
    }
}

/// What a verifier would draw for each appraisal.
pub const RANDOMNESS: [u8; 32] = [0xa7; 32];

/// See the [module documentation](self).
pub struct Scene {
    folder: TempDir,
    devices: DeviceSet,
    key: AgentKey,
}

impl Scene {
    /// Makes a software device with collateral, and an agent key.
    ///
    /// # Panics
    /// The temporary folder cannot be used.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let device = folder.path().join("device");
        let collateral = folder.path().join("collateral");
        SimulatedDevice::open(&device)
            .and_then(|device| {
                device.write_collateral(&collateral)?;
                device.write_answers(&collateral.join("ocsp"), answered())
            })
            .expect("software device");
        let selection = Selection::Simulated { dir: device };
        Self {
            devices: DeviceSet::open(&selection).expect("software device"),
            key: AgentKey::from_seed(&[7; 32]).expect("any 32 bytes are a seed"),
            folder,
        }
    }

    /// Where the device's identity is kept.
    #[must_use]
    pub fn device_dir(&self) -> PathBuf {
        self.folder.path().join("device")
    }

    /// Where manifests and anchors are.
    #[must_use]
    pub fn collateral_dir(&self) -> PathBuf {
        self.folder.path().join("collateral")
    }

    /// Settings of a verifier that trusts the device.
    #[must_use]
    pub fn settings(&self) -> AppraisalSettings {
        AppraisalSettings {
            rim_dir: Some(self.collateral_dir()),
            ocsp: OcspSettings {
                dir: Some(self.collateral_dir().join("ocsp")),
                ..OcspSettings::default()
            },
            simulated_anchors: vec![self.collateral_dir().join("anchors.toml")],
            ..AppraisalSettings::default()
        }
    }

    /// A verifier that trusts the device, with nothing cached.
    ///
    /// # Panics
    /// The collateral cannot be used.
    #[must_use]
    pub fn appraiser(&self) -> Appraiser {
        Appraiser::open(&self.settings()).expect("appraiser")
    }

    /// Public half of the agent's key.
    #[must_use]
    pub fn agent_key(&self) -> Base64Url<32> {
        self.key.public()
    }

    /// Runs a job and binds it to a challenge; the agent's signature is not there yet.
    ///
    /// # Panics
    /// The job is not one.
    #[must_use]
    pub fn unsigned(&self, job: JobSpec, challenge: [u8; 32]) -> UnsignedBundle {
        let job = PreparedJob::new(job, InputBytes::new()).expect("job");
        let work = Work {
            job: job.job.clone(),
            inputs: Arc::clone(&job.inputs),
            keep_outputs: true,
            clock: Arc::new(SystemClock::new()),
        };
        let run = CpuReference.execute(&work).expect("run");
        let commitment = self.commit(&job, &run, challenge);
        vouch(&job, &run, commitment, &self.devices).expect("evidence")
    }

    fn commit(&self, job: &PreparedJob, run: &Execution, challenge: [u8; 32]) -> Commitment {
        let occasion = Occasion {
            challenge: Base64Url(challenge),
            agent_key: self.key.public(),
            executor: run.executor,
            started_at_ms: 1_790_000_000_000,
        };
        commit(job, run, occasion).expect("statement")
    }

    /// Evidence of the device for a nonce.
    ///
    /// # Panics
    /// The device does not answer.
    #[must_use]
    pub fn attest(&self, nonce: &[u8; 32]) -> Vec<BundleDevice> {
        let evidence = self.devices.attest(nonce).expect("evidence");
        evidence.into_iter().map(bundle_device).collect()
    }

    /// Signs a bundle as the agent.
    ///
    /// # Panics
    /// The statement has no canonical form.
    #[must_use]
    pub fn sign(&self, bundle: UnsignedBundle) -> (Bundle, Vec<u8>) {
        let (bundle, sealed) = seal(bundle, &self.key).expect("canonical statement");
        (bundle, sealed.json().to_vec())
    }

    /// A good bundle that answers [`CHALLENGE`], and its JSON.
    #[must_use]
    pub fn bundle(&self, job: JobSpec) -> (Bundle, Vec<u8>) {
        self.sign(self.unsigned(job, CHALLENGE))
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// An n × n × n int8 product whose operands come from a seed.
///
/// # Panics
/// `checks` are not JSON.
#[must_use]
pub fn gemm(n: u32, checks: &str) -> JobSpec {
    let seed = "5eed".repeat(16);
    let json = format!(
        r#"{{"profile":"pogw/1","kernel":"gemm_i8","checks":{checks},
            "params":{{"m":{n},"n":{n},"k":{n},"operands":{{"seed":"{seed}"}}}}}}"#
    );
    attestation_agent::parse_job(json.as_bytes()).expect("job")
}

/// Judges a bundle as the scene's verifier would on receiving it.
///
/// # Panics
/// The policy is at fault.
#[must_use]
pub fn judge(appraiser: &Appraiser, bundle: &Bundle) -> Decision<WorkAppraisal> {
    appraiser
        .appraise_bundle(bundle, &CHALLENGE, &RANDOMNESS, AS_OF)
        .expect("policy")
}
