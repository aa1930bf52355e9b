//! What the tests of this crate share: a well-formed bundle, and a judge whose verdicts the test chooses.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use evidence::appraise::EvidenceAppraisal;
use evidence::device::Architecture;
use evidence::policy::{Decision, Denial};
use evidence::work::{Base64Url, Bundle, Hex};
use evidence::{Check, CheckId, Reason, UnixTime};
use receipt::Level;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::appraiser::{DeviceSubmission, Inquiry, Pass, Settled, Wants};
use crate::collateral::Used;
use crate::judge::{Award, Case, Certificate, Judge, Judged, JudgedDevice, OpeningCase, Unjudged};
use crate::policies::built_in;
use crate::problem::{FailedCheck, Problem, ProblemCode};
use crate::store::archive::Grounds;
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

/// The label of jobs whose openings are upheld, with a genuine device that is named as the executor of the statement.
pub(crate) const GENUINE: &str = "genuine device";

/// The label of jobs whose openings are upheld, each with a device of its agent's own.
pub(crate) const OWN: &str = "own device";

/// Executors whose openings the judge takes long for, fails over, and panics over.
pub(crate) const SLOW: &str = "slow";
pub(crate) const FAILS: &str = "fails";
pub(crate) const PANICS: &str = "panics";

/// Grants every bundle but those whose job is labelled `refuse`, and panics over those labelled `panic`. The result of one
/// whose label begins with `audit` is checked for as long as the judge is [held up](Self::hold_up); that of `audit
/// refuted` is found wrong.
///
/// Upholds the openings of jobs labelled [`GENUINE`] or [`OWN`], where results are checked, and judges no others. It
/// takes long for those of the executor [`SLOW`], fails over those of [`FAILS`], and panics over those of [`PANICS`].
#[derive(Clone, Debug, Default)]
pub(crate) struct MadeToOrder {
    asked: Arc<AtomicUsize>,
    audits: Arc<AtomicUsize>,
    held_up: Arc<AtomicBool>,
}

impl MadeToOrder {
    /// How many bundles were judged, and openings in vain.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many audits began.
    pub(crate) fn audits(&self) -> usize {
        self.audits.load(Ordering::SeqCst)
    }

    /// Lets no audit end, or lets them.
    pub(crate) fn hold_up(&self, held_up: bool) {
        self.held_up.store(held_up, Ordering::SeqCst);
    }

    fn audit(&self) {
        self.audits.fetch_add(1, Ordering::SeqCst);
        while self.held_up.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What is said of a result that an audit found wrong.
fn audit_refuted() -> Problem {
    let reason = Reason::new(evidence::Code::AuditRefuted, "made to order");
    let check = Check::refuted_by(CheckId::Audit, vec![reason]);
    Problem::refuted(evidence::Code::AuditRefuted).checks([FailedCheck::new(&check, None)])
}

impl Judge for MadeToOrder {
    fn inquiry(&self) -> Inquiry {
        let default = built_in("default").expect("a policy that comes with the verifier");
        Inquiry::new(Arc::new(default.policy))
    }

    fn judge(&self, case: &Case, inquiry: &Inquiry) -> Result<Pass<Award>, Problem> {
        let label = case.bundle.job.label.as_deref();
        if label.is_some_and(|label| label.starts_with("audit")) {
            match inquiry.checks_result() {
                true => self.audit(),
                false => return Ok(Pass::ResultNext(Settled::default())),
            }
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        match label {
            Some("audit refuted") => Err(audit_refuted()),
            Some("audit panic") => panic!("made to order"),
            Some("refuse") => Err(Problem::refuted(evidence::Code::NonceMismatch)),
            Some("panic") => panic!("made to order"),
            _ => Ok(Pass::Done(Award {
                token: format!("{}.for.{}", case.id, case.audience.join("+")),
                issued_at: case.arrived_at,
                policy: "made to order".to_owned(),
                level: Level::A0,
                collateral: Used::default(),
            })),
        }
    }

    fn judge_opening(
        &self,
        case: &OpeningCase,
        inquiry: &Inquiry,
    ) -> Result<Pass<Judged>, Problem> {
        if !inquiry.checks_result() {
            return Ok(Pass::ResultNext(Settled::default()));
        }
        let bundle = &case.opening.bundle;
        match bundle.statement.executor.as_str() {
            SLOW => {
                self.audit();
                std::thread::sleep(Duration::from_millis(30));
            }
            FAILS => return Err(Problem::new(ProblemCode::PolicyFailed)),
            PANICS => panic!("made to order"),
            _ => {}
        }
        let ueid = match bundle.job.label.as_deref() {
            Some(GENUINE) => bundle.statement.executor.to_string(),
            Some(OWN) => hex::encode(bundle.statement.agent_key.0),
            _ => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                return Err(Problem::new(ProblemCode::Unverifiable));
            }
        };
        let device = JudgedDevice {
            ueid,
            architecture: Architecture::Hopper,
            simulated: false,
        };
        Ok(Pass::Done(Judged::Upheld {
            level: Level::A2,
            devices: vec![device],
            claims: String::new(),
            grounds: Grounds {
                bundle_sha256: case.bundle_sha256,
                collateral: Used::default(),
            },
        }))
    }

    fn judge_again(&self, case: &OpeningCase, _inquiry: &Inquiry) -> Result<Pass<Judged>, Problem> {
        match case.opening.bundle.job.label.as_deref() {
            Some(GENUINE) => Ok(Pass::Done(Judged::Stands)),
            _ => Err(Problem::new(ProblemCode::Unverifiable)),
        }
    }

    fn certify(&self, certificate: &Certificate) -> Result<Award, Problem> {
        Ok(Award {
            token: format!("{}.of.{}", certificate.id, certificate.agreeing),
            issued_at: UnixTime::from_secs(1_800_000_000),
            policy: "made to order".to_owned(),
            level: Level::A2,
            collateral: Used::default(),
        })
    }

    fn examine(
        &self,
        _nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
        inquiry: &Inquiry,
    ) -> Result<Pass<Decision<EvidenceAppraisal>>, Problem> {
        if devices.is_empty() {
            return Err(Problem::new(ProblemCode::PolicyFailed));
        }
        let nothing = EvidenceAppraisal::new(Vec::new(), as_of);
        let decision = inquiry.policy().decide(nothing);
        Ok(Pass::Done(decision.expect("a policy that evaluates")))
    }

    /// Shows the policy one affirmed device and the label of the job.
    fn reconsider(
        &self,
        issued: &Issued,
        inquiry: &Inquiry,
    ) -> Result<Pass<Vec<Denial>>, Unjudged> {
        let bundle = Bundle::parse(&issued.bundle)
            .map_err(|error| Unjudged::NotABundle(error.to_string()))?;
        let input = json!({
            "as_of": issued.issued_at,
            "label": bundle.job.label,
            "checks": {},
            "devices": [{ "simulated": false, "checks": {} }],
        });
        let denials = inquiry.policy().denials(&input);
        denials.map(Pass::Done).map_err(Unjudged::Policy)
    }

    fn obtain<'a>(
        &'a self,
        _wants: Wants,
        _inquiry: &'a mut Inquiry,
        _deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {})
    }
}
