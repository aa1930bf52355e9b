//! The appraisal of a piece of work: devices, what binds them to the statement, and the result itself.

use std::num::NonZeroUsize;

use super::evidence::{all_affirmed, checks_by_id, devices_input, distinct_devices};
use super::{
    Appraised, CORE_DEVICE_CHECKS, Collateral, DeviceAppraisal, DeviceReading, Document, topology,
};
use crate::check::{Check, CheckId, Overall, Source, Status};
use crate::parallel;
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::work::{
    Base64Url, Bundle, CanonicalStatement, Command, JobSpec, ProgramRef, TraceCommitment,
    WorkStatement,
};

/// What a verifier knows about kernels. This crate knows none.
pub trait WorkChecker {
    /// Everything wrong with how job, statement and the bytes handed over fit the kernel they name: cheap, run on any
    /// bundle.
    fn inspect(&self, bundle: &Bundle) -> Vec<Reason>;

    /// The checks of the result that the job asks for: costly, run where every check that no policy can waive is
    /// affirmed.
    fn recompute(&self, bundle: &Bundle) -> Vec<WorkFinding>;

    /// The ids of the checks that [`recompute`](Self::recompute) would run.
    fn requested(&self, job: &JobSpec) -> Vec<CheckId>;
}

/// One check of the result, and how strong it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkFinding {
    /// The check.
    pub check: Check,
    /// Who stands behind it.
    pub source: Source,
    /// Logarithm to base 2 of the probability that a wrong result passes, where there is such a number.
    pub log2_error: Option<i32>,
    /// The smallest wrong share of the output's points that `log2_error` speaks of, in parts per million; `None` where it
    /// speaks of any wrong result.
    pub wrong_ppm: Option<u32>,
    /// How the points build on each other, for a sample of points of which some are computed from other claimed ones.
    pub chain: Option<Chain>,
}

/// How points of outputs build on each other, and how many of them were drawn: what a share of wrong points does not say.
///
/// A point is right if it follows from what it is computed from. Where that is another claimed point, one made-up point
/// makes all that follow it wrong, and none of these is found wrong: of `points`, `drawn` find the made-up one with
/// probability 1 − (1 − 1/`points`)^`drawn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// How many points in a row follow from one another, at most; 2 or more.
    pub steps: u64,
    /// Points of the output that has the most.
    pub points: u64,
    /// Points drawn of each output.
    pub drawn: u32,
}

/// A piece of work judged up to its result. No policy sees it: whether the result is right is open.
///
/// The checks of a result can take seconds where all others take milliseconds. Who makes them elsewhere asks
/// [`is_beyond_doubt`](Self::is_beyond_doubt) in between.
pub struct BeforeResult<'a> {
    bundle: &'a Bundle,
    checker: &'a dyn WorkChecker,
    appraisal: WorkAppraisal,
}

impl<'a> BeforeResult<'a> {
    /// Judges everything about a bundle but its result.
    ///
    /// `devices` are readings of `bundle.devices`, in order; they are judged on at most `threads` threads. `challenge` is
    /// the one the verifier issued.
    #[must_use]
    pub fn new(
        bundle: &'a Bundle,
        devices: &[(DeviceReading<'_>, Collateral<'_>)],
        challenge: &[u8; 32],
        checker: &'a dyn WorkChecker,
        threads: NonZeroUsize,
        as_of: UnixTime,
    ) -> Self {
        let (devices, checks) = match bundle.statement.canonical() {
            Ok(canonical) => {
                let nonce = canonical.report_nonce();
                let devices = parallel::map(threads, devices, |(reading, collateral)| {
                    reading.appraise(&nonce, *collateral, as_of)
                });
                let checks = of_whole(bundle, &canonical, &devices, challenge, checker);
                (devices, checks)
            }
            Err(error) => (Vec::new(), vec![no_canonical_form(&error)]),
        };
        let appraisal = WorkAppraisal {
            devices,
            checks,
            findings: Vec::new(),
            job: bundle.job.clone(),
            statement: bundle.statement.clone(),
            as_of,
        };
        Self {
            bundle,
            checker,
            appraisal,
        }
    }

    /// Whether every check that no policy can waive is affirmed. Only then can a receipt come of it, whatever else a policy
    /// tolerates, and only then is a costly check worth its cost.
    #[must_use]
    pub fn is_beyond_doubt(&self) -> bool {
        let Self { appraisal, .. } = self;
        let affirmed = |id: &CheckId| {
            let mut checks = appraisal.checks.iter();
            checks.any(|check| check.id == *id && check.is_affirmed())
        };
        let mut devices = appraisal.devices.iter();
        appraisal.core_checks().iter().all(affirmed)
            && devices.all(|device| all_affirmed(device, CORE_DEVICE_CHECKS))
    }

    /// Makes the checks of the result that the job asks for, if the rest is beyond doubt.
    #[must_use]
    pub fn conclude(self) -> WorkAppraisal {
        let findings = match self.is_beyond_doubt() {
            true => self.checker.recompute(self.bundle),
            false => not_run(self.checker.requested(&self.bundle.job)),
        };
        WorkAppraisal {
            findings,
            ..self.appraisal
        }
    }
}

/// A piece of work, judged.
#[derive(Clone, Debug)]
pub struct WorkAppraisal {
    /// Each device.
    pub(crate) devices: Vec<DeviceAppraisal>,
    /// The checks of the bundle as a whole, in the order they run.
    pub(crate) checks: Vec<Check>,
    /// The checks of the result.
    pub(crate) findings: Vec<WorkFinding>,
    /// The job.
    pub(crate) job: JobSpec,
    /// The statement.
    pub(crate) statement: WorkStatement,
    /// The time everything was judged at.
    pub(crate) as_of: UnixTime,
}

impl WorkAppraisal {
    /// Each device.
    #[must_use]
    pub fn devices(&self) -> &[DeviceAppraisal] {
        &self.devices
    }

    /// The checks of the bundle as a whole, in the order they run.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The checks of the result.
    #[must_use]
    pub fn findings(&self) -> &[WorkFinding] {
        &self.findings
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &JobSpec {
        &self.job
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &WorkStatement {
        &self.statement
    }

    /// The time everything was judged at.
    #[must_use]
    pub fn as_of(&self) -> UnixTime {
        self.as_of
    }

    /// Judges a bundle whose devices have been read and whose collateral has been looked up: [`BeforeResult::new`], and
    /// the checks of the result at once.
    #[must_use]
    pub fn new(
        bundle: &Bundle,
        devices: &[(DeviceReading<'_>, Collateral<'_>)],
        challenge: &[u8; 32],
        checker: &dyn WorkChecker,
        threads: NonZeroUsize,
        as_of: UnixTime,
    ) -> Self {
        BeforeResult::new(bundle, devices, challenge, checker, threads, as_of).conclude()
    }

    /// The sum of all checks.
    #[must_use]
    pub fn overall(&self) -> Overall {
        Overall::of(self.all_checks())
    }

    /// Whether any device is a software device.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.devices.iter().any(|device| device.simulated)
    }
}

impl Appraised for WorkAppraisal {
    fn all_checks(&self) -> Box<dyn Iterator<Item = &Check> + '_> {
        let of_devices = self.devices.iter().flat_map(|device| &device.checks);
        let of_work = self.findings.iter().map(|finding| &finding.check);
        Box::new(self.checks.iter().chain(of_devices).chain(of_work))
    }

    fn core_checks(&self) -> &'static [CheckId] {
        &[
            CheckId::Job,
            CheckId::Kernel,
            CheckId::AgentSignature,
            CheckId::Devices,
            CheckId::OutputCommitment,
        ]
    }

    fn devices(&self) -> &[DeviceAppraisal] {
        &self.devices
    }

    fn policy_input(&self) -> Document<'_> {
        let of_work = self.findings.iter().map(|finding| &finding.check);
        Document::Object(vec![
            ("purpose", "work".into()),
            ("as_of", self.as_of.to_string().into()),
            ("overall", self.overall().as_str().into()),
            ("checks", checks_by_id(self.checks.iter().chain(of_work))),
            ("devices", devices_input(&self.devices)),
            (
                "findings",
                Document::list(self.findings.iter().map(finding_input)),
            ),
            ("job", job_input(&self.job)),
            (
                "program",
                self.statement.program().map(program_input).into(),
            ),
            ("trace", self.statement.trace.map(trace_input).into()),
            ("executor", self.statement.executor.as_str().into()),
        ])
    }
}

fn finding_input(finding: &WorkFinding) -> Document<'_> {
    Document::Object(vec![
        ("check", finding.check.id.as_str().into()),
        ("status", finding.check.status.as_str().into()),
        ("source", finding.source.as_str().into()),
        ("log2_error", finding.log2_error.into()),
        ("wrong_ppm", finding.wrong_ppm.map(u64::from).into()),
        ("chain", finding.chain.map(chain_input).into()),
    ])
}

fn chain_input(chain: Chain) -> Document<'static> {
    Document::Object(vec![
        ("steps", chain.steps.into()),
        ("points", chain.points.into()),
        ("drawn", u64::from(chain.drawn).into()),
    ])
}

fn job_input(job: &JobSpec) -> Document<'_> {
    let checks = job.checks.iter().map(|check| check.as_str().into());
    Document::Object(vec![
        (
            "kernel",
            job.kernel().map(|kernel| kernel.name.as_str()).into(),
        ),
        ("command", job.command().map(command_input).into()),
        ("checks", Document::list(checks)),
    ])
}

fn command_input(command: &Command) -> Document<'_> {
    Document::list(command.argv().iter().map(|word| word.as_str().into()))
}

fn program_input(program: &ProgramRef) -> Document<'_> {
    Document::Object(vec![
        ("name", program.name.as_str().into()),
        ("blake3", program.blake3.to_string().into()),
        ("exit_code", u64::from(program.exit_code).into()),
    ])
}

fn trace_input(trace: TraceCommitment) -> Document<'static> {
    Document::Object(vec![
        ("entries", trace.entries.into()),
        ("blake3", trace.blake3.to_string().into()),
    ])
}

/// The checks that bind a bundle to its job, to a challenge and to the agent that signed it, in the order they run: those of
/// a [`WorkAppraisal`] that say nothing of devices. For whoever checks a result again whose devices were appraised before.
#[must_use]
pub fn binding(bundle: &Bundle, challenge: &[u8; 32], checker: &dyn WorkChecker) -> Vec<Check> {
    match bundle.statement.canonical() {
        Ok(canonical) => bound(bundle, &canonical, challenge, checker).into(),
        Err(error) => vec![no_canonical_form(&error)],
    }
}

fn bound(
    bundle: &Bundle,
    canonical: &CanonicalStatement,
    challenge: &[u8; 32],
    checker: &dyn WorkChecker,
) -> [Check; 3] {
    [
        job(bundle, challenge),
        Check::refuted_by(CheckId::Kernel, checker.inspect(bundle)),
        agent_signature(bundle, canonical),
    ]
}

/// The checks of the bundle as a whole, in the order they run.
fn of_whole(
    bundle: &Bundle,
    canonical: &CanonicalStatement,
    devices: &[DeviceAppraisal],
    challenge: &[u8; 32],
    checker: &dyn WorkChecker,
) -> Vec<Check> {
    let of_devices = [
        distinct_devices(devices),
        topology::judge(devices),
        output_commitment(devices),
    ];
    let bound = bound(bundle, canonical, challenge, checker);
    bound.into_iter().chain(of_devices).collect()
}

fn no_canonical_form(error: &serde_json::Error) -> Check {
    let message = format!("statement has no canonical form: {error}");
    let reason = Reason::new(Code::JobParametersInvalid, message);
    Check::refuted_by(CheckId::Job, vec![reason])
}

/// The statement is about this job and answers this challenge.
fn job(bundle: &Bundle, challenge: &[u8; 32]) -> Check {
    let mut reasons = Vec::new();
    let stated = bundle.statement.job;
    match bundle.job.digest() {
        Ok(digest) if digest == stated => {}
        Ok(digest) => {
            let reason = Reason::new(Code::JobDigestMismatch, "job digest in the statement");
            reasons.push(reason.expected(digest).actual(stated));
        }
        Err(error) => {
            let message = format!("job has no canonical form: {error}");
            reasons.push(Reason::new(Code::JobParametersInvalid, message));
        }
    }
    if bundle.statement.challenge.0 != *challenge {
        let reason = Reason::new(Code::ChallengeMismatch, "challenge in the statement");
        let reason = reason.expected(Base64Url(*challenge));
        reasons.push(reason.actual(bundle.statement.challenge));
    }
    Check::refuted_by(CheckId::Job, reasons)
}

fn agent_signature(bundle: &Bundle, canonical: &CanonicalStatement) -> Check {
    let id = CheckId::AgentSignature;
    if bundle.is_signed_by_its_agent(canonical) {
        return Check::affirmed(id);
    }
    let reason = Reason::new(
        Code::AgentSignatureInvalid,
        "statement, reports and chains are not signed by the agent key",
    );
    Check::refuted_by(id, vec![reason.expected(bundle.statement.agent_key)])
}

/// Every device signed a report whose nonce commits to the statement, and so to the output digests in it.
///
/// Says that whoever drove the devices had fixed the output by then, not that the devices computed it.
fn output_commitment(devices: &[DeviceAppraisal]) -> Check {
    let id = CheckId::OutputCommitment;
    let committed = |device: &DeviceAppraisal| all_affirmed(device, CORE_DEVICE_CHECKS);
    let mut open = devices
        .iter()
        .enumerate()
        .filter(|(_, device)| !committed(device));
    let Some((position, device)) = open.next() else {
        return match devices.is_empty() {
            true => {
                let reason = Reason::new(Code::DeviceMissing, "no device commits to the output");
                Check::unverifiable(id, reason)
            }
            false => Check::affirmed(id),
        };
    };
    let wrong_nonce =
        device.check(CheckId::Nonce).map(|check| check.status) == Some(Status::Refuted);
    let (status, code) = if wrong_nonce {
        (Status::Refuted, Code::NonceMismatch)
    } else {
        (Status::Unverifiable, Code::EvidenceRefuted)
    };
    let message = format!("device {position} does not vouch for the statement");
    Check::with(id, status, vec![Reason::new(code, message)])
}

fn not_run(requested: Vec<CheckId>) -> Vec<WorkFinding> {
    let skipped = requested.into_iter().map(|id| WorkFinding {
        check: Check::unverifiable(
            id,
            Reason::new(Code::EvidenceRefuted, "not run, as the evidence is refuted"),
        ),
        source: Source::Recomputation,
        log2_error: None,
        wrong_ppm: None,
        chain: None,
    });
    skipped.collect()
}
