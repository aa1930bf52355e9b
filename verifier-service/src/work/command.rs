//! The checks of a command: whether its statement fits its job, and the digests of outputs handed over.
//!
//! Out of scope, and not possible: whether the outputs are right. Nobody but the author of a program knows what it should
//! write; the receipt says whose word the program, its exit status and its outputs rest on.

use std::collections::BTreeSet;

use evidence::appraise::WorkFinding;
use evidence::work::{Blob, Bundle, Command, RequestedCheck, WorkStatement};
use evidence::{Check, CheckId, Code, Reason, Source};

use super::{Finding, check_id, output_mismatch};

/// Everything wrong with how job, statement and the bytes handed over fit each other.
pub(super) fn inspect(command: &Command, bundle: &Bundle) -> Vec<Reason> {
    let reasons = [
        unavailable_check(&bundle.job.checks),
        program_mismatch(command, &bundle.statement),
        program_failed(&bundle.statement),
        unexpected_outputs(command, &bundle.statement),
        unexpected_bytes(command, bundle),
    ];
    reasons.into_iter().flatten().collect()
}

/// The checks that the job asks for. Each kind is named, so that none is affirmed for want of a rule.
pub(super) fn recompute(bundle: &Bundle) -> Vec<WorkFinding> {
    let requested: BTreeSet<_> = bundle.job.checks.iter().map(|c| check_id(*c)).collect();
    let findings = requested.into_iter().map(|id| WorkFinding {
        check: match id {
            CheckId::OutputDigest => output_digests(bundle),
            other => Check::unverifiable(other, not_available(other)),
        },
        source: Source::Recomputation,
        log2_error: None,
        wrong_ppm: None,
        chain: None,
    });
    findings.collect()
}

/// A command has no specification to recompute it by.
fn unavailable_check(checks: &[RequestedCheck]) -> Option<Reason> {
    let recomputes = |check: &&RequestedCheck| **check != RequestedCheck::OutputDigest;
    let check = checks.iter().find(recomputes)?;
    Some(not_available(check_id(*check)))
}

fn not_available(id: CheckId) -> Reason {
    let reason = Reason::new(Code::CheckNotAvailable, "check of a command");
    reason.expected(CheckId::OutputDigest).actual(id)
}

/// The statement is about the program of the job.
fn program_mismatch(command: &Command, statement: &WorkStatement) -> Option<Reason> {
    let reason = Reason::new(Code::ProgramMismatch, "what ran");
    let reason = reason.expected(format!("program {}", command.program()));
    match statement.program() {
        Some(program) if program.name == command.program() => None,
        Some(program) => Some(reason.actual(format!("program {}", program.name))),
        None => Some(reason.actual("a kernel")),
    }
}

/// A program that says it failed has done no work that a receipt could be for.
fn program_failed(statement: &WorkStatement) -> Option<Reason> {
    let exit_code = statement.program()?.exit_code;
    let reason = Reason::new(Code::ProgramFailed, "exit status of the program");
    (exit_code != 0).then(|| reason.expected(0).actual(exit_code))
}

fn unexpected_outputs(command: &Command, statement: &WorkStatement) -> Option<Reason> {
    let stated: Vec<_> = statement.outputs.iter().map(|o| &o.name).collect();
    let reason = Reason::new(Code::OutputsUnexpected, "outputs in the statement");
    (!stated.iter().copied().eq(command.outputs())).then(|| {
        let reason = reason.expected(format!("{:?}", command.outputs()));
        reason.actual(format!("{stated:?}"))
    })
}

/// No check reads the inputs of a command, so they have no place in the bundle.
fn unexpected_bytes(command: &Command, bundle: &Bundle) -> Option<Reason> {
    let named = |name: &&String| command.outputs().contains(name);
    let input = bundle.inputs.keys().next();
    let output = bundle.outputs.keys().find(|name| !named(name));
    let message = "bytes handed over that no check reads";
    let name = input.or(output)?;
    Some(Reason::new(Code::OutputsUnexpected, message).actual(name))
}

/// Every output was handed over and has its committed digest.
fn output_digests(bundle: &Bundle) -> Check {
    let id = CheckId::OutputDigest;
    let mut wrong = Vec::new();
    for commitment in &bundle.statement.outputs {
        let Some(Blob(bytes)) = bundle.outputs.get(&commitment.name) else {
            let message = format!("output {} is not in the bundle", commitment.name);
            return Finding::Missing(Reason::new(Code::OutputNotProvided, message)).into_check(id);
        };
        wrong.extend(output_mismatch(commitment, bytes));
    }
    Check::refuted_by(id, wrong)
}
