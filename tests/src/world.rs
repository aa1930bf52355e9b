//! One verifier over HTTP, one scene, one client: what an end-to-end test starts with.

use evidence::UnixTime;
use evidence::work::JobSpec;
use receipt::{Expectations, Jwks, Receipt, Rejected, Validator};

use crate::scene::{AS_OF, Scene};
use crate::served::{AUDIENCE, Challenge, ISSUER, Requests, Served, config};

/// A verifier that trusts a software device, and that device.
pub struct World {
    /// The device, its collateral and its agent.
    pub scene: Scene,
    /// The verifier.
    pub served: Served,
    /// A client of it.
    pub client: Requests,
    _state: tempfile::TempDir,
}

impl World {
    /// Starts it.
    pub async fn new() -> Self {
        let scene = Scene::new();
        let state = tempfile::tempdir().unwrap();
        let served = Served::start(config(state.path(), scene.settings()), AS_OF).await;
        Self {
            client: served.client(),
            scene,
            served,
            _state: state,
        }
    }

    /// A bundle for a challenge of this verifier.
    pub async fn answered(&self, job: JobSpec) -> (Challenge, Vec<u8>) {
        let challenge = self.client.challenge(&self.scene, &job).await;
        let bundle = self.bundle_for(job, &challenge);
        (challenge, bundle)
    }

    /// A bundle with the right output for a challenge.
    #[must_use]
    pub fn bundle_for(&self, job: JobSpec, challenge: &Challenge) -> Vec<u8> {
        self.scene.sign(self.scene.unsigned(job, challenge.value)).1
    }

    /// A bundle of which this output was changed before it was committed and attested.
    ///
    /// # Panics
    /// The bundle does not carry it.
    pub fn bundle_with_output(
        &self,
        job: JobSpec,
        challenge: &Challenge,
        name: &str,
        change: impl FnOnce(&mut [u8]),
    ) -> Vec<u8> {
        let mut unsigned = self.scene.unsigned(job, challenge.value);
        let commitments = &mut unsigned.statement.outputs;
        let commitment = commitments.iter_mut().find(|output| output.name == name);
        let output = unsigned.outputs.get_mut(name);
        let (commitment, output) = commitment.zip(output).expect("an output handed over");
        change(&mut output.0);
        commitment.blake3.0 = *kernels::Blake3Digest::of(&output.0).as_bytes();
        let canonical = unsigned.statement.canonical().expect("canonical");
        unsigned.devices = self.scene.attest(&canonical.report_nonce());
        self.scene.sign(unsigned).1
    }

    /// What a stranger makes of a token with this verifier's keys.
    ///
    /// # Errors
    /// Why it is no receipt.
    pub async fn validate(&self, token: &str) -> Result<Receipt, Rejected> {
        let jwks = self
            .client
            .get("/.well-known/jwks.json")
            .await
            .text()
            .await
            .unwrap();
        validate(&jwks, token, AS_OF)
    }
}

/// As [`World::validate`], with keys fetched earlier and at another time.
///
/// # Errors
/// Why it is no receipt.
pub fn validate(jwks: &str, token: &str, now: UnixTime) -> Result<Receipt, Rejected> {
    let expected = Expectations::new(ISSUER, AUDIENCE)
        .unwrap()
        .danger_accept_a0();
    let now = receipt::UnixTime::from_secs(u64::try_from(now.secs()).unwrap());
    Validator::new(Jwks::parse(jwks).unwrap(), expected).validate(token, now)
}
