//! The checks of a result: `evidence` asks through [`WorkChecker`], `kernels` answers.
//!
//! The randomness of a check is drawn by the verifier after the output was committed; it never comes from the bundle.

mod command;
mod opening;

use std::num::NonZeroUsize;

use evidence::appraise::{Chain, WorkChecker, WorkFinding};
use evidence::work::{
    Blob, Bundle, Hex, JobSpec, KernelTask, OutputCommitment, RequestedCheck, Task, WorkStatement,
};
use evidence::{Check, CheckId, Code, Reason, Source};
use kernels::audit::{self, AuditError, Strength};
use kernels::freivalds::{self, Accepted, Verdict};
use kernels::{Blake3Digest, CheckedInputs, InputError, Inputs, Job, Kernel, Module, Randomness};

pub use opening::OpeningChecker;

/// Checks results with the shipped kernels.
#[derive(Clone, Copy, Debug)]
pub struct KernelChecker {
    randomness: [u8; 32],
    threads: NonZeroUsize,
}

impl KernelChecker {
    /// `randomness` must be drawn for this one appraisal, after the bundle arrived.
    #[must_use]
    pub fn new(randomness: [u8; 32], threads: NonZeroUsize) -> Self {
        Self {
            randomness,
            threads,
        }
    }
}

/// Whether the checks of the result that a job asks for take long: more than digesting its bytes.
#[must_use]
pub fn takes_long(job: &JobSpec) -> bool {
    let takes_long = |check: &RequestedCheck| match check {
        RequestedCheck::OutputDigest => false,
        RequestedCheck::Freivalds | RequestedCheck::Audit => true,
    };
    job.checks.iter().any(takes_long)
}

impl WorkChecker for KernelChecker {
    fn inspect(&self, bundle: &Bundle) -> Vec<Reason> {
        match &bundle.job.task {
            Task::Kernel(task) => inspect_kernel(task, bundle),
            Task::Command(command) => command::inspect(command, bundle),
        }
    }

    fn requested(&self, job: &JobSpec) -> Vec<CheckId> {
        let mut ids: Vec<_> = job.checks.iter().copied().map(check_id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn recompute(&self, bundle: &Bundle) -> Vec<WorkFinding> {
        if bundle.job.command().is_some() {
            return command::recompute(bundle);
        }
        // Every check of a result stands on the committed bytes, which are digested once.
        let committed = committed_outputs(bundle);
        let mut requested = bundle.job.checks.clone();
        requested.sort_unstable_by_key(|requested| check_id(*requested));
        requested.dedup();
        let findings = requested.into_iter().map(|requested| {
            let check = match &committed {
                Ok(outputs) => self.run(requested, bundle, outputs),
                Err(finding) => finding.clone().into_check(check_id(requested)),
            };
            let (log2_error, wrong_ppm) = strength(requested, &check);
            WorkFinding {
                log2_error,
                wrong_ppm,
                chain: wrong_ppm.and_then(|_| chain(bundle, AUDIT.points)),
                check,
                source: Source::Recomputation,
            }
        });
        findings.collect()
    }
}

impl KernelChecker {
    /// One check on output bytes that are known to be the committed ones. Each kind is named, so that none is affirmed
    /// for want of a rule.
    fn run(&self, requested: RequestedCheck, bundle: &Bundle, outputs: &[&[u8]]) -> Check {
        match requested {
            RequestedCheck::OutputDigest => Check::affirmed(CheckId::OutputDigest),
            RequestedCheck::Freivalds => self.freivalds(bundle, outputs),
            RequestedCheck::Audit => self.audit(bundle, outputs),
        }
    }

    /// Points drawn now, of the committed outputs, recomputed (methods 2.3, T1).
    fn audit(&self, bundle: &Bundle, outputs: &[&[u8]]) -> Check {
        let id = CheckId::Audit;
        let (job, inputs) = match accepted(bundle) {
            Ok(accepted) => accepted,
            Err(finding) => return finding.into_check(id),
        };
        let randomness = Randomness::drawn_after_commitment(self.randomness);
        let points = audit::draw(&randomness, &job, AUDIT.points);
        match audit::check(&job, &inputs, outputs, &points, self.threads) {
            Ok(audit::Verdict::Accepted) => Check::affirmed(id),
            Ok(audit::Verdict::Refused(mismatch)) => {
                Check::refuted_by(id, vec![opening::wrong(&mismatch)])
            }
            Err(AuditError::Slice(missing)) => {
                let reason = Reason::new(Code::OutputNotProvided, missing.to_string());
                Check::unverifiable(id, reason)
            }
            Err(error) => {
                let reason = Reason::new(Code::OutputDigestMismatch, error.to_string());
                Check::refuted_by(id, vec![reason])
            }
        }
    }

    /// Freivalds' check on the committed output bytes and the inputs of the job (methods 1.1).
    fn freivalds(&self, bundle: &Bundle, outputs: &[&[u8]]) -> Check {
        let id = CheckId::Freivalds;
        let (job, inputs) = match accepted(bundle) {
            Ok(accepted) => accepted,
            Err(finding) => return finding.into_check(id),
        };
        let Some(product) = job.product() else {
            let reason = Reason::new(Code::CheckNotAvailable, "not an exact integer product");
            return Check::refuted_by(id, vec![reason.actual(job.kernel())]);
        };
        let operands = product.operands_from(&inputs);
        let randomness = Randomness::drawn_after_commitment(self.randomness);
        let output = outputs.first().copied().unwrap_or_default();
        match freivalds::check(&operands, output, &randomness, self.threads) {
            Ok(Verdict::Accepted(_)) => Check::affirmed(id),
            Ok(Verdict::Refused(mismatch)) => {
                let reason = Reason::new(
                    Code::FreivaldsRefuted,
                    format!(
                        "row {} of the output is not that of the product",
                        mismatch.row
                    ),
                );
                let reason = reason.expected(mismatch.expected).actual(mismatch.actual);
                Check::refuted_by(id, vec![reason])
            }
            Err(length) => {
                let reason = Reason::new(Code::OutputDigestMismatch, "length of the output");
                let reason = reason.expected(length.expected).actual(length.actual);
                Check::refuted_by(id, vec![reason])
            }
        }
    }
}

fn inspect_kernel(task: &KernelTask, bundle: &Bundle) -> Vec<Reason> {
    let statement = &bundle.statement;
    let Ok(kernel) = task.name.parse::<Kernel>() else {
        return vec![Reason::new(Code::KernelUnknown, "kernel of the job").actual(&task.name)];
    };
    let mut reasons: Vec<Reason> = kernel_mismatch(kernel, statement).into_iter().collect();
    match Job::parse(&task.name, task.params.as_value()) {
        Ok(parsed) => {
            reasons.extend(unavailable_check(&parsed, &bundle.job));
            reasons.extend(costly_check(&parsed, &bundle.job));
            reasons.extend(unexpected_trace(&parsed, statement));
            reasons.extend(unexpected_outputs(&parsed, statement));
            reasons.extend(unexpected_bytes(&parsed, bundle));
        }
        Err(error) => reasons.push(Reason::new(Code::JobParametersInvalid, error.to_string())),
    }
    reasons
}

/// A trace has as many entries as the kernel marks states on its way; none where it marks any would leave nothing to
/// settle a dispute by. What the entries say, nobody has checked.
fn unexpected_trace(job: &Job, statement: &WorkStatement) -> Option<Reason> {
    let marks = job.marks();
    let entries = statement.trace.map_or(0, |trace| trace.entries);
    let reason = || Reason::new(Code::TraceUnexpected, "states on the way of the kernel");
    (entries != marks).then(|| reason().expected(marks).actual(entries))
}

/// What every audit is: points of each output, and the share they speak of.
const AUDIT: Strength = Strength::DEFAULT;

/// How strong an affirmed check is, where there is a number: the logarithm of its error, and the wrong share it speaks
/// of where that is not any.
fn strength(requested: RequestedCheck, check: &Check) -> (Option<i32>, Option<u32>) {
    match requested {
        _ if !check.is_affirmed() => (None, None),
        RequestedCheck::Freivalds => (Some(Accepted::LOG2_ERROR), None),
        RequestedCheck::Audit => (Some(AUDIT.log2_miss()), Some(AUDIT.fraction_ppm)),
        RequestedCheck::OutputDigest => (None, None),
    }
}

/// How the points of a job build on each other, of which an audit drew some.
fn chain(bundle: &Bundle, drawn: u32) -> Option<Chain> {
    let task = bundle.job.kernel()?;
    let job = Job::parse(&task.name, task.params.as_value()).ok()?;
    let audit::Chain { steps, points } = audit::chain(&job)?;
    Some(Chain {
        steps,
        points,
        drawn,
    })
}

/// The first 32 bytes of a point, which may be a whole checkpoint.
fn excerpt(bytes: &[u8]) -> String {
    let (shown, dots) = match bytes.get(..32) {
        Some(shown) if bytes.len() > 32 => (shown, "…"),
        _ => (bytes, ""),
    };
    let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    digits + dots
}

/// A finding on the way to a check.
#[derive(Clone)]
enum Finding {
    /// Something needed was not handed over.
    Missing(Reason),
    /// Something handed over is wrong.
    Wrong(Reason),
}

impl Finding {
    fn into_check(self, id: CheckId) -> Check {
        match self {
            Self::Missing(reason) => Check::unverifiable(id, reason),
            Self::Wrong(reason) => Check::refuted_by(id, vec![reason]),
        }
    }
}

const fn check_id(requested: RequestedCheck) -> CheckId {
    match requested {
        RequestedCheck::OutputDigest => CheckId::OutputDigest,
        RequestedCheck::Freivalds => CheckId::Freivalds,
        RequestedCheck::Audit => CheckId::Audit,
    }
}

/// An audit is made only where its points are cheap enough.
fn costly_check(parsed: &Job, job: &JobSpec) -> Option<Reason> {
    if !job.checks.contains(&RequestedCheck::Audit) {
        return None;
    }
    let (cost, most) = (audit::cost(parsed, AUDIT.points), audit::MOST_OPERATIONS);
    let reason = Reason::new(Code::CheckTooCostly, "operations of the audit");
    let reason = reason.expected(format!("at most {most}"));
    (cost > most).then(|| reason.actual(cost))
}

/// Freivalds' check is of exact integer products alone.
fn unavailable_check(parsed: &Job, job: &JobSpec) -> Option<Reason> {
    let wanted = job.checks.contains(&RequestedCheck::Freivalds);
    let message = "freivalds, which is of exact products";
    let reason = || Reason::new(Code::CheckNotAvailable, message);
    (wanted && parsed.product().is_none()).then(|| reason().actual(parsed.kernel()))
}

/// The statement names the kernel's specification, and as its module one that is shipped for it, or none where no module
/// was loaded. That this module ran is the host's word.
fn kernel_mismatch(kernel: Kernel, statement: &WorkStatement) -> Option<Reason> {
    let (name, spec) = (kernel.name(), Hex(*kernel.digest().as_bytes()));
    let reason = || Reason::new(Code::KernelMismatch, "kernel in the statement");
    let Some(stated) = statement.kernel() else {
        let reason = Reason::new(Code::ProgramMismatch, "what ran");
        return Some(
            reason
                .expected(format!("kernel {name}"))
                .actual("a program"),
        );
    };
    if stated.name != name || stated.spec != spec {
        let reason = reason().expected(format!("{name} {spec}"));
        return Some(reason.actual(format!("{} {}", stated.name, stated.spec)));
    }
    let module = stated.module?;
    let shipped = Module::digests_of(kernel);
    if shipped.contains(&module.0) {
        return None;
    }
    let names: Vec<_> = shipped
        .into_iter()
        .map(|sum| Hex(sum).to_string())
        .collect();
    let reason = reason().expected(format!("module {}, or none", names.join(" or ")));
    Some(reason.actual(module))
}

/// Bytes that no check reads are bound by no digest, and have no place in what a receipt refers to.
fn unexpected_bytes(job: &Job, bundle: &Bundle) -> Option<Reason> {
    let inputs = job.inputs();
    let named = |name: &String| inputs.iter().any(|input| input.name == name.as_str());
    let committed = |name: &String| bundle.statement.outputs.iter().any(|o| o.name == *name);
    let input = bundle.inputs.keys().find(|name| !named(name));
    let output = bundle.outputs.keys().find(|name| !committed(name));
    let message = "bytes handed over that the job does not name";
    let reason = || Reason::new(Code::OutputsUnexpected, message);
    input.or(output).map(|name| reason().actual(name))
}

fn unexpected_outputs(job: &Job, statement: &WorkStatement) -> Option<Reason> {
    let specs = job.outputs();
    let wanted: Vec<_> = specs.iter().map(|spec| (spec.name, spec.len)).collect();
    let stated: Vec<_> = statement
        .outputs
        .iter()
        .map(|o| (o.name.as_str(), o.len))
        .collect();
    let message = "outputs in the statement (name, bytes)";
    let reason = || Reason::new(Code::OutputsUnexpected, message);
    (stated != wanted).then(|| {
        let reason = reason().expected(format!("{wanted:?}"));
        reason.actual(format!("{stated:?}"))
    })
}

/// The bytes of every output, in order, if they are those the statement commits to.
fn committed_outputs(bundle: &Bundle) -> Result<Vec<&[u8]>, Finding> {
    let outputs = bundle.statement.outputs.iter();
    outputs.map(|of| committed_output(bundle, of)).collect()
}

fn committed_output<'a>(
    bundle: &'a Bundle,
    commitment: &OutputCommitment,
) -> Result<&'a [u8], Finding> {
    let Some(Blob(bytes)) = bundle.outputs.get(&commitment.name) else {
        let message = format!("output {} is not in the bundle", commitment.name);
        return Err(Finding::Missing(Reason::new(
            Code::OutputNotProvided,
            message,
        )));
    };
    match output_mismatch(commitment, bytes) {
        Some(reason) => Err(Finding::Wrong(reason)),
        None => Ok(bytes),
    }
}

fn output_mismatch(commitment: &OutputCommitment, bytes: &[u8]) -> Option<Reason> {
    let digest = Hex(*Blake3Digest::of(bytes).as_bytes());
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let message = format!("bytes of output {} (length, BLAKE3)", commitment.name);
    let reason = Reason::new(Code::OutputDigestMismatch, message);
    (digest != commitment.blake3 || len != commitment.len).then(|| {
        let reason = reason.expected(format!("{} {}", commitment.len, commitment.blake3));
        reason.actual(format!("{len} {digest}"))
    })
}

/// The job with its inputs: none where they follow from a seed, else the bytes handed over.
fn accepted(bundle: &Bundle) -> Result<(Job, CheckedInputs<'_>), Finding> {
    let Some(task) = bundle.job.kernel() else {
        let reason = Reason::new(Code::CheckNotAvailable, "a command cannot be recomputed");
        return Err(Finding::Wrong(reason));
    };
    let job = Job::parse(&task.name, task.params.as_value())
        .map_err(|e| Finding::Wrong(Reason::new(Code::JobParametersInvalid, e.to_string())))?;
    let mut inputs = Inputs::none();
    for (name, Blob(bytes)) in &bundle.inputs {
        inputs = inputs.with(name, bytes);
    }
    let inputs = job.accept(&inputs).map_err(|error| match error {
        InputError::Missing { name } => {
            let message = format!("input {name} is not in the bundle");
            Finding::Missing(Reason::new(Code::InputNotProvided, message))
        }
        other => Finding::Wrong(Reason::new(Code::InputDigestMismatch, other.to_string())),
    })?;
    Ok((job, inputs))
}
