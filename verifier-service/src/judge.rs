//! One trait between the service and the appraisal of evidence, so that the service can be tested with verdicts that a
//! test chooses.
//!
//! Everything behind it but [`Judge::obtain`] is computation and small file reads, called through [`Workers`].

mod blame;
mod opening;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use evidence::appraise::{EvidenceAppraisal, WorkAppraisal, WorkChecker, binding};
use evidence::policy::{Decision, Denial, Granted, PolicyError};
use evidence::work::Bundle;
use evidence::{Check, UnixTime};
use jobs::PartyId;
use receipt::{Claims, Level, Signer};
use tokio::time::Instant;
use tracing::Instrument;

pub(crate) use opening::{Judged, JudgedDevice, OpeningCase};

use crate::appraiser::{
    Appraiser, Checking, DeviceSubmission, Inquiry, MAX_PASSES, Pass, Settled, Wants,
};
use crate::clock::Clock;
use crate::collateral::Used;
use crate::config::Config;
use crate::id::Id;
use crate::issue::{self, ReceiptContext, Stamp};
use crate::keys::Keys;
use crate::policies;
use crate::problem::{Problem, ProblemCode, refusal};
use crate::random;
use crate::result_checks::{Busy, ResultChecks};
use crate::statistics::Statistics;
use crate::store::archive::Grounds;
use crate::store::policies::Issued;
use crate::turnstile::Party;
use crate::workers::Workers;

/// Seconds after which a key may sign, if nothing better is known.
const SIGNER_RETRY_S: u32 = 5;

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
    /// What the bundle was judged by, where that was now.
    pub(crate) collateral: Used,
}

/// A receipt of a replica, about to be signed.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// The claims, as [`Judged::Upheld`] has them.
    pub(crate) claims: String,
    /// The name the receipt gets.
    pub(crate) id: Id,
    /// How many executions agree, this one counted.
    pub(crate) agreeing: usize,
}

/// Why a policy could not be asked about a stored bundle.
#[derive(Debug)]
pub(crate) enum Unjudged {
    /// This version of the program does not read the bundle any more.
    NotABundle(String),
    /// The policy is at fault.
    Policy(PolicyError),
    /// As many results wait to be checked as may.
    Busy,
}

impl From<Busy> for Unjudged {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

/// Knows good evidence from bad.
pub(crate) trait Judge: Send + Sync {
    /// Begins an appraisal under the policy in force.
    fn inquiry(&self) -> Inquiry;

    /// Appraises, decides, signs.
    ///
    /// # Errors
    /// The answer to evidence that is not good, or to a failure.
    fn judge(&self, case: &Case, inquiry: &Inquiry) -> Result<Pass<Award>, Problem>;

    /// Appraises an opening as a bundle is appraised, with the checks of its job's terms.
    ///
    /// # Errors
    /// What is needed is not at hand now ([`ProblemCode::Unverifiable`]), or a failure.
    fn judge_opening(&self, case: &OpeningCase, inquiry: &Inquiry)
    -> Result<Pass<Judged>, Problem>;

    /// Judges an opening of a later round: what binds it to job, challenge and agent, and the checks of its result. Its
    /// devices were appraised in the first round, and neither policy nor collateral is asked again.
    ///
    /// # Errors
    /// As [`judge_opening`](Self::judge_opening).
    fn judge_again(&self, case: &OpeningCase, inquiry: &Inquiry) -> Result<Pass<Judged>, Problem>;

    /// Signs the receipt of a replica.
    ///
    /// # Errors
    /// A failure.
    fn certify(&self, certificate: &Certificate) -> Result<Award, Problem>;

    /// Appraises devices alone and hands back the decision, whatever it is.
    ///
    /// # Errors
    /// The answer to a failure.
    fn examine(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
        inquiry: &Inquiry,
    ) -> Result<Pass<Decision<EvidenceAppraisal>>, Problem>;

    /// What the inquiry's policy and the floor say against a bundle that got a receipt, as of then. Issues nothing.
    ///
    /// # Errors
    /// See [`Unjudged`].
    fn reconsider(&self, issued: &Issued, inquiry: &Inquiry)
    -> Result<Pass<Vec<Denial>>, Unjudged>;

    /// Has what a pass wanted fetched, by the deadline at the latest.
    fn obtain<'a>(
        &'a self,
        wants: Wants,
        inquiry: &'a mut Inquiry,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Drives appraisals through their passes: each pass on a worker, what it wanted fetched in between.
#[derive(Clone)]
pub(crate) struct Proceedings {
    /// Who judges.
    pub(crate) judge: Arc<dyn Judge>,
    /// Where.
    pub(crate) workers: Workers,
    /// Where results are checked that take long.
    pub(crate) result_checks: ResultChecks,
    /// How long one appraisal may wait for collateral in all.
    pub(crate) patience: Duration,
    /// What came of them.
    pub(crate) statistics: Statistics,
    /// On whose behalf: where many wait, parties are served in turns.
    pub(crate) party: Party,
}

impl Proceedings {
    /// With as many places and as much patience as are configured.
    pub(crate) fn new(judge: Arc<dyn Judge>, config: &Config) -> Self {
        Self {
            judge,
            workers: Workers::new(config.appraisal_threads()),
            result_checks: ResultChecks::new(config.result_check_threads()),
            // Half of it is left for the computation and for the answer.
            patience: config.request_timeout() / 2,
            statistics: Statistics::default(),
            party: None,
        }
    }

    /// The same for the openings of jobs, with as many places of their own: bundles that anybody hands in cannot keep jobs
    /// from being judged. The processors are shared out by the system.
    pub(crate) fn of_jobs(&self, config: &Config) -> Self {
        Self {
            workers: Workers::new(config.appraisal_threads()),
            result_checks: self.result_checks.of_jobs(config.result_check_threads()),
            ..self.clone()
        }
    }

    /// The same on behalf of a party.
    pub(crate) fn on_behalf_of(&self, party: &PartyId) -> Self {
        Self {
            party: Some(party.clone()),
            ..self.clone()
        }
    }

    /// An appraisal under a policy of one's own.
    pub(crate) fn inquiry_under(&self, policy: Option<Arc<evidence::policy::Policy>>) -> Inquiry {
        policy.map_or_else(|| self.judge.inquiry(), Inquiry::new)
    }

    /// An appraisal under the policy in force.
    pub(crate) fn inquiry(&self) -> Inquiry {
        self.judge.inquiry()
    }

    /// Passes until it is done. When the passes or the time run out, it is judged by what is at hand.
    pub(crate) async fn conduct<T, E, F>(&self, inquiry: Inquiry, pass: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Busy> + Send + 'static,
        F: Fn(&dyn Judge, &Inquiry) -> Result<Pass<T>, E> + Send + Sync + 'static,
    {
        let step = telemetry::span!("appraise");
        self.pass_until_done(inquiry, pass).instrument(step).await
    }

    async fn pass_until_done<T, E, F>(&self, mut inquiry: Inquiry, pass: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Busy> + Send + 'static,
        F: Fn(&dyn Judge, &Inquiry) -> Result<Pass<T>, E> + Send + Sync + 'static,
    {
        let deadline = Instant::now() + self.patience;
        let pass = Arc::new(pass);
        let mut passes = 1;
        loop {
            if passes >= MAX_PASSES || Instant::now() >= deadline {
                inquiry.close();
            }
            let checks_result = inquiry.checks_result();
            let step = telemetry::span!("pass", number = passes, checks_result);
            let made = self.make(Arc::clone(&pass), inquiry).instrument(step);
            let (came, handed_back) = made.await?;
            inquiry = handed_back;
            match came? {
                Pass::Done(made) => return Ok(made),
                Pass::Wants(wants) => {
                    let step = telemetry::span!("collateral");
                    let obtained = self.judge.obtain(wants, &mut inquiry, deadline);
                    obtained.instrument(step).await;
                    passes += 1;
                }
                Pass::ResultNext(settled) => inquiry.let_check_result(settled),
            }
        }
    }

    /// One pass, in a place of its kind.
    async fn make<T, E, F>(
        &self,
        pass: Arc<F>,
        inquiry: Inquiry,
    ) -> Result<(Result<Pass<T>, E>, Inquiry), Busy>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&dyn Judge, &Inquiry) -> Result<Pass<T>, E> + Send + Sync + 'static,
    {
        let judge = Arc::clone(&self.judge);
        let checks_result = inquiry.checks_result();
        let compute = move || (pass(judge.as_ref(), &inquiry), inquiry);
        match checks_result {
            true => self.result_checks.run(self.party.clone(), compute).await,
            false => Ok(self.workers.run_for(self.party.clone(), compute).await),
        }
    }
}

/// The judge of a running service.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Appraises and decides.
    pub(crate) appraiser: Arc<Appraiser>,
    /// Sign.
    pub(crate) keys: Keys,
    /// Says when.
    pub(crate) clock: Arc<dyn Clock>,
    /// `iss` of the receipts.
    pub(crate) issuer: String,
    /// How long they count.
    pub(crate) lifetime_s: Option<u32>,
}

impl Judge for Bench {
    fn inquiry(&self) -> Inquiry {
        self.appraiser.inquiry()
    }

    fn judge(&self, case: &Case, inquiry: &Inquiry) -> Result<Pass<Award>, Problem> {
        // Drawn now, after the bundle arrived: what it commits to cannot depend on it.
        let randomness = random::bytes();
        let pass = self.appraiser.pass_over_bundle(
            &case.bundle,
            &case.challenge,
            &randomness,
            case.arrived_at,
            inquiry,
        );
        pass.try_map(|made| {
            let decision = policies::decide(inquiry.policy(), made.appraisal);
            self.award(case, decision.map_err(policy_failed)?, made.used)
        })
    }

    fn judge_opening(
        &self,
        case: &OpeningCase,
        inquiry: &Inquiry,
    ) -> Result<Pass<Judged>, Problem> {
        let (checker, bundle) = (case.checker(), &case.opening.bundle);
        let checking = Checking {
            checker: &checker,
            takes_long: case.takes_long(),
        };
        let appraiser = &self.appraiser;
        let (challenge, as_of) = (&case.challenge, case.as_of);
        let pass = appraiser.pass_over_work(bundle, challenge, &checking, as_of, inquiry);
        pass.try_map(|made| {
            let decision = policies::decide(inquiry.policy(), made.appraisal);
            match decision.map_err(policy_failed)? {
                Decision::Granted(granted) => self.uphold(case, &granted, made.used),
                Decision::Refused(refused) => {
                    blame::refuted(refused, |appraisal| self.suits_service(appraisal, inquiry))
                }
            }
        })
    }

    fn judge_again(&self, case: &OpeningCase, inquiry: &Inquiry) -> Result<Pass<Judged>, Problem> {
        let (checker, bundle) = (case.checker(), &case.opening.bundle);
        let mut checks = binding(bundle, &case.challenge, &checker);
        if checks.iter().all(Check::is_affirmed) {
            if case.takes_long() && !inquiry.checks_result() {
                return Ok(Pass::ResultNext(Settled::default()));
            }
            let findings = checker.recompute(bundle).into_iter();
            checks.extend(findings.map(|finding| finding.check));
        }
        blame::again(&checks).map(Pass::Done)
    }

    fn certify(&self, certificate: &Certificate) -> Result<Award, Problem> {
        let internal = |error| Problem::caused(ProblemCode::Internal, error);
        let draft = Claims::parse(certificate.claims.as_bytes());
        let draft = draft.map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
        let policy = draft.pogw.policy.id.to_string();
        let issued_at = self.clock.now();
        let stamp = Stamp {
            jti: &certificate.id.to_string(),
            now: issued_at,
            lifetime_s: self.lifetime_s.map(u64::from),
        };
        let signer = self.signer_at(issued_at)?;
        let signed = issue::issue_agreed(draft, &stamp, certificate.agreeing, signer.as_ref());
        let (signed, level) = signed.map_err(internal)?;
        Ok(Award {
            token: signed.into_string(),
            issued_at,
            policy,
            level,
            // It was kept when the opening was judged.
            collateral: Used::default(),
        })
    }

    fn examine(
        &self,
        nonce: &[u8; 32],
        devices: &[DeviceSubmission],
        as_of: UnixTime,
        inquiry: &Inquiry,
    ) -> Result<Pass<Decision<EvidenceAppraisal>>, Problem> {
        let pass = self
            .appraiser
            .pass_over_devices(nonce, devices, as_of, inquiry);
        pass.try_map(|appraisal| {
            policies::decide(inquiry.policy(), appraisal).map_err(policy_failed)
        })
    }

    fn reconsider(
        &self,
        issued: &Issued,
        inquiry: &Inquiry,
    ) -> Result<Pass<Vec<Denial>>, Unjudged> {
        let bundle = Bundle::parse(&issued.bundle)
            .map_err(|error| Unjudged::NotABundle(error.to_string()))?;
        let (challenge, randomness) = (&issued.challenge, random::bytes());
        let (as_of, appraiser) = (issued.issued_at, &self.appraiser);
        let pass = appraiser.pass_over_bundle(&bundle, challenge, &randomness, as_of, inquiry);
        pass.try_map(|made| {
            policies::objections(inquiry.policy(), &made.appraisal).map_err(Unjudged::Policy)
        })
    }

    fn obtain<'a>(
        &'a self,
        wants: Wants,
        inquiry: &'a mut Inquiry,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(inquiry.obtain(self.appraiser.collateral(), wants, deadline))
    }
}

impl Bench {
    /// Whether the policy in force has nothing against evidence that another one, which the terms name, refused. Where that
    /// cannot be said, it has not: the doubt is not the agent's.
    fn suits_service(&self, appraisal: &WorkAppraisal, inquiry: &Inquiry) -> bool {
        let in_force = self.inquiry();
        let (asked, usual) = (inquiry.policy(), in_force.policy());
        asked.identity() != usual.identity()
            && policies::objections(usual, appraisal).map_or(true, |against| against.is_empty())
    }

    fn uphold(
        &self,
        case: &OpeningCase,
        granted: &Granted<WorkAppraisal>,
        used: Used,
    ) -> Result<Judged, Problem> {
        let context = ReceiptContext {
            issuer: &self.issuer,
            audience: &case.audience,
            // Both are stamped when the job is accepted.
            jti: "draft",
            lifetime_s: None,
            now: case.as_of,
            bundle_sha256: case.bundle_sha256,
        };
        let internal = |error| Problem::caused(ProblemCode::Internal, error);
        let draft = issue::draft(granted, &context).map_err(internal)?;
        let claims = serde_json::to_string(&draft);
        Ok(Judged::Upheld {
            level: draft.pogw.assurance.level,
            devices: judged_devices(granted.appraisal()),
            claims: claims.map_err(|error| Problem::caused(ProblemCode::Internal, error))?,
            grounds: Grounds {
                bundle_sha256: case.bundle_sha256,
                collateral: used,
            },
        })
    }

    /// Who signs, by the time that the receipt will bear.
    fn signer_at(&self, now: UnixTime) -> Result<Arc<dyn Signer>, Problem> {
        self.keys.signer_at(now).map_err(|none| {
            let wait = none
                .from
                .map_or(0, |from| from.secs().saturating_sub(now.secs()));
            let wait = u32::try_from(wait).unwrap_or(0).max(SIGNER_RETRY_S);
            Problem::caused(ProblemCode::NoSigningKey, none).retry_after_s(wait)
        })
    }

    /// Signs a receipt for what was granted.
    fn award(
        &self,
        case: &Case,
        decision: Decision<WorkAppraisal>,
        used: Used,
    ) -> Result<Award, Problem> {
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
        let signer = self.signer_at(issued_at)?;
        let (signed, level) = issue::issue(&granted, &context, signer.as_ref())
            .map_err(|error| Problem::caused(ProblemCode::Internal, error))?;
        Ok(Award {
            token: signed.into_string(),
            issued_at,
            policy: granted.policy().id.clone(),
            level,
            collateral: used,
        })
    }
}

/// Those that say who they are.
fn judged_devices(appraisal: &WorkAppraisal) -> Vec<JudgedDevice> {
    let devices = appraisal.devices().iter().filter_map(|device| {
        Some(JudgedDevice {
            ueid: device.ueid()?.to_owned(),
            architecture: device.arch()?,
            simulated: device.simulated(),
        })
    });
    devices.collect()
}

fn policy_failed(error: PolicyError) -> Problem {
    Problem::caused(ProblemCode::PolicyFailed, error)
}
