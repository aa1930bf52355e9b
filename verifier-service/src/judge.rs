//! The seam between the service and what it knows about evidence: one trait, so that the service can be tested with
//! verdicts made to order.
//!
//! Everything behind it is computation and small file reads, called through [`Workers`](crate::workers::Workers).

use std::sync::Arc;

use evidence::UnixTime;
use evidence::policy::{Decision, Denial, Policy, PolicyError};
use evidence::work::Bundle;
use receipt::{Level, LocalSigner};

use crate::appraiser::{Appraiser, DeviceSubmission};
use crate::clock::Clock;
use crate::id::Id;
use crate::issue::{self, ReceiptContext};
use crate::problem::{Problem, ProblemCode, refusal};
use crate::random;
use crate::report::AppraisalReport;
use crate::store::policies::Issued;

/// A bundle to be judged, with what the receipt shall say about it if it is good.
#[derive(Debug)]
pub(crate) struct Case {
    /// The bundle.
    pub(crate) bundle: Bundle,
    /// SHA-256 of its bytes.
    pub(crate) bundle_sha256: [u8; 32],
    /// The challenge it answers.
    pub(crate) challenge: [u8; 32],
    /// When it arrived; everything is judged as of then.
    pub(crate) arrived_at: UnixTime,
    /// The name the receipt gets.
    pub(crate) id: Id,
    /// Whom the receipt is for.
    pub(crate) audience: Vec<String>,
}

/// A receipt, signed and not yet issued.
pub(crate) struct Award {
    /// The JWT.
    pub(crate) token: String,
    /// Its `iat`.
    pub(crate) issued_at: UnixTime,
    /// The name of the policy that granted it, for the log.
    pub(crate) policy: String,
    /// The assurance level, for the log.
    pub(crate) level: Level,
}

/// Why a policy could not be asked about a stored bundle.
#[derive(Debug)]
pub(crate) enum Unjudged {
    /// This version of the program does not read the bundle any more.
    NotABundle(String),
    /// The policy is at fault.
    Policy(PolicyError),
}

/// Knows good evidence from bad.
pub(crate) trait Judge: Send + Sync {
    /// Appraises, decides, signs.
    ///
    /// # Errors
    /// The answer to evidence that is not good, or to a failure.
    fn judge(&self, case: &Case) -> Result<Award, Problem>;

    /// Appraises devices alone and answers with the findings, whatever they are.
    ///
    /// # Errors
    /// The answer to a failure.
    fn examine(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
    ) -> Result<serde_json::Value, Problem>;

    /// What a policy and the floor say against a bundle that got a receipt, as of then. Issues nothing.
    ///
    /// # Errors
    /// See [`Unjudged`].
    fn reconsider(&self, issued: &Issued, policy: &Policy) -> Result<Vec<Denial>, Unjudged>;
}

/// The judge of a running service.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Appraises and decides.
    pub(crate) appraiser: Arc<Appraiser>,
    /// Signs.
    pub(crate) signer: Arc<LocalSigner>,
    /// Says when.
    pub(crate) clock: Arc<dyn Clock>,
    /// `iss` of the receipts.
    pub(crate) issuer: String,
    /// How long they count.
    pub(crate) lifetime_s: Option<u32>,
}

impl Judge for Bench {
    fn judge(&self, case: &Case) -> Result<Award, Problem> {
        // Drawn now, after the bundle arrived: what it commits to cannot depend on it.
        let randomness = random::bytes();
        let decision = self
            .appraiser
            .appraise_bundle(&case.bundle, &case.challenge, &randomness, case.arrived_at)
            .map_err(policy_failed)?;
        let granted = match decision {
            Decision::Granted(granted) => granted,
            Decision::Refused(refused) => return Err(refusal(refused)),
        };
        let issued_at = self.clock.now();
        let context = ReceiptContext {
            issuer: &self.issuer,
            audience: &case.audience,
            jti: &case.id.to_string(),
            now: issued_at,
            lifetime_s: self.lifetime_s.map(u64::from),
            bundle_sha256: case.bundle_sha256,
        };
        let (signed, level) = issue::issue(&granted, &context, self.signer.as_ref())
            .map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
        Ok(Award {
            token: signed.into_string(),
            issued_at,
            policy: granted.policy().id.clone(),
            level,
        })
    }

    fn examine(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
    ) -> Result<serde_json::Value, Problem> {
        let decision = self
            .appraiser
            .appraise_devices(nonce, devices, as_of)
            .map_err(policy_failed)?;
        serde_json::to_value(AppraisalReport::from(&decision))
            .map_err(|error| Problem::caused(ProblemCode::Internal, error))
    }

    fn reconsider(&self, issued: &Issued, policy: &Policy) -> Result<Vec<Denial>, Unjudged> {
        let bundle = Bundle::parse(&issued.bundle)
            .map_err(|error| Unjudged::NotABundle(error.to_string()))?;
        let (challenge, randomness) = (&issued.challenge, random::bytes());
        self.appraiser
            .reconsider_bundle(policy, &bundle, challenge, &randomness, issued.issued_at)
            .map_err(Unjudged::Policy)
    }
}

fn policy_failed(error: PolicyError) -> Problem {
    Problem::caused(ProblemCode::PolicyFailed, error)
}
