//! What the tests of this crate share: a well-formed bundle, and a judge whose verdicts are made to order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evidence::UnixTime;
use evidence::policy::{Denial, Policy};
use evidence::work::{Base64Url, Bundle, Hex};
use receipt::Level;
use serde_json::{Value, json};

use crate::appraiser::DeviceSubmission;
use crate::judge::{Award, Case, Judge, Unjudged};
use crate::problem::{Problem, ProblemCode};
use crate::store::policies::Issued;

/// The agent key in [`bundle_json`].
pub(crate) const AGENT_KEY: [u8; 32] = [5; 32];

/// SHA-256 of the job in [`bundle_json`], as the statement names it.
pub(crate) const JOB: [u8; 32] = [6; 32];

/// The JSON of a well-formed bundle; another label makes other bytes.
pub(crate) fn bundle_json(challenge: [u8; 32], label: &str) -> Value {
    json!({
        "profile": "pogw/1",
        "job": { "profile": "pogw/1", "kernel": "gemm_i8", "params": {}, "checks": [], "label": label },
        "statement": {
            "profile": "pogw/1",
            "job": Hex(JOB),
            "challenge": Base64Url(challenge),
            "agent_key": Base64Url(AGENT_KEY),
            "kernel": { "name": "gemm_i8", "spec": Hex([0; 32]) },
            "outputs": [],
            "executor": "fixture",
            "timing": { "started_at_ms": 0, "run_us": 0, "digest_us": 0 },
        },
        "devices": [],
        "signature": Base64Url([0; 64]),
    })
}

/// Grants every bundle but those whose job is labelled `refuse`, and panics over those labelled `panic`.
#[derive(Clone, Debug, Default)]
pub(crate) struct MadeToOrder {
    asked: Arc<AtomicUsize>,
}

impl MadeToOrder {
    /// How many bundles were judged.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Judge for MadeToOrder {
    fn judge(&self, case: &Case) -> Result<Award, Problem> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match case.bundle.job.label.as_deref() {
            Some("refuse") => Err(Problem::refuted(evidence::Code::NonceMismatch)),
            Some("panic") => panic!("made to order"),
            _ => Ok(Award {
                token: format!("{}.for.{}", case.id, case.audience.join("+")),
                issued_at: case.arrived_at,
                policy: "made to order".to_owned(),
                level: Level::A0,
            }),
        }
    }

    fn examine(
        &self,
        _nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        _as_of: UnixTime,
    ) -> Result<Value, Problem> {
        match devices {
            [] => Err(Problem::new(ProblemCode::PolicyFailed)),
            devices => Ok(json!({ "devices": devices.len() })),
        }
    }

    /// Shows the policy one affirmed device and the label of the job.
    fn reconsider(&self, issued: &Issued, policy: &Policy) -> Result<Vec<Denial>, Unjudged> {
        let bundle = Bundle::parse(&issued.bundle)
            .map_err(|error| Unjudged::NotABundle(error.to_string()))?;
        let input = json!({
            "as_of": issued.issued_at,
            "label": bundle.job.label,
            "checks": {},
            "devices": [{ "simulated": false, "checks": {} }],
        });
        policy.denials(&input).map_err(Unjudged::Policy)
    }
}
