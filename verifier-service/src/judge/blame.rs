//! What a refuted opening says of its agent: that it did what no honest agent does; that its evidence is not good
//! enough; or that its evidence is good enough for the service, and the terms ask for more.

use evidence::appraise::WorkAppraisal;
use evidence::policy::Refusal;
use evidence::{Check, CheckId, Code, Overall, Status};
use jobs::Blame;

use super::Judged;
use crate::problem::{Problem, ProblemCode, refusal, refusal_of};

/// The verdict on an opening that was refused. `suits_service` says of its evidence whether the policy in force would have
/// granted it, where the terms name another.
///
/// # Errors
/// Something needed to judge it is not at hand now: no verdict.
pub(super) fn refuted(
    refused: Refusal<WorkAppraisal>,
    suits_service: impl FnOnce(&WorkAppraisal) -> bool,
) -> Result<Judged, Problem> {
    let blame = match of(&refused.appraisal) {
        Blame::Unfit if suits_service(&refused.appraisal) => Blame::Unsuited,
        blame => blame,
    };
    let problem = refusal(refused);
    match problem.code() == ProblemCode::Unverifiable.as_str() {
        true => Err(problem),
        false => Ok(Judged::Refuted {
            code: problem.code(),
            blame,
        }),
    }
}

/// The verdict on a result that was checked again. Whatever of it could not be checked is no verdict: what was accepted
/// before stands.
///
/// # Errors
/// As above.
pub(super) fn again(checks: &[Check]) -> Result<Judged, Problem> {
    if Overall::of(checks) == Overall::Pass {
        return Ok(Judged::Stands);
    }
    let problem = refusal_of(checks);
    match checks.iter().any(is_wrong) {
        true => Ok(Judged::Refuted {
            code: problem.code(),
            blame: Blame::Wrong,
        }),
        false => Err(Problem::new(ProblemCode::Unverifiable)),
    }
}

fn of(appraisal: &WorkAppraisal) -> Blame {
    let of_devices = appraisal.devices().iter().flat_map(|d| d.checks());
    let of_result = appraisal.findings().iter().map(|finding| &finding.check);
    let mut checks = appraisal.checks().iter().chain(of_devices).chain(of_result);
    match checks.any(is_wrong) {
        true => Blame::Wrong,
        false => Blame::Unfit,
    }
}

/// Statements that contradict the job or themselves, evidence of another moment or made up, results that are not the work's,
/// bytes asked for and not handed over. Old firmware, a mode or a certificate that no longer counts is nobody's lie.
fn is_wrong(check: &Check) -> bool {
    let withheld = |code| matches!(code, Code::OutputNotProvided | Code::InputNotProvided);
    match check.status {
        Status::Refuted => matches!(
            check.id,
            CheckId::Parse
                | CheckId::Nonce
                | CheckId::Identity
                | CheckId::ReportSignature
                | CheckId::Job
                | CheckId::Kernel
                | CheckId::AgentSignature
                | CheckId::Devices
                | CheckId::OutputCommitment
                | CheckId::OutputDigest
                | CheckId::Freivalds
                | CheckId::Audit
        ),
        Status::Unverifiable => check.reasons.iter().any(|reason| withheld(reason.code)),
        Status::Affirmed | Status::NotRequested => false,
    }
}
