//! From a refused appraisal to a problem: which status, which word, which checks.

use evidence::appraise::{EvidenceAppraisal, WorkAppraisal};
use evidence::policy::{Decision, Denial, Refusal};
use evidence::{Check, CheckId, Code, Overall, Reason, Status};
use serde::Serialize;

use super::{Problem, ProblemCode};
use crate::statistics::GRANTED;

/// Seconds after which collateral may have arrived.
const COLLATERAL_RETRY_S: u32 = 60;

/// A check that is refuted or could not be made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FailedCheck {
    id: &'static str,
    /// Position of the device in the bundle; absent for a check of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<usize>,
    status: Status,
    reasons: Vec<Finding>,
    /// How many more were found.
    #[serde(skip_serializing_if = "is_none_left_out")]
    reasons_left_out: usize,
    remedy: &'static str,
}

fn is_none_left_out(count: &usize) -> bool {
    *count == 0
}

/// One reason, with the members of an [`evidence::Reason`]: `null` where there is no value.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    code: &'static str,
    message: String,
    expected: Option<String>,
    actual: Option<String>,
}

impl FailedCheck {
    /// A check of the service's own: whether the bundle answers a challenge as it was issued.
    pub(crate) fn of_challenge(reason: Finding, remedy: &'static str) -> Self {
        Self {
            id: "challenge",
            device: None,
            status: Status::Refuted,
            reasons: vec![reason],
            reasons_left_out: 0,
            remedy,
        }
    }

    pub(super) fn has_reason(&self, code: Code) -> bool {
        self.reasons
            .iter()
            .any(|reason| reason.code == code.as_str())
    }

    /// What a check of the evidence found.
    pub(crate) fn new(check: &Check, device: Option<usize>) -> Self {
        Self {
            id: check.id.as_str(),
            device,
            status: check.status,
            reasons: check.reasons.iter().map(Finding::from).collect(),
            reasons_left_out: check.reasons_left_out,
            remedy: check.remedy(),
        }
    }
}

impl Finding {
    /// A reason of the service's own.
    pub(crate) fn new(code: ProblemCode, message: &str, expected: String, actual: String) -> Self {
        Self {
            code: code.as_str(),
            message: message.to_owned(),
            expected: Some(expected),
            actual: Some(actual),
        }
    }
}

impl From<&Reason> for Finding {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            message: reason.message.clone(),
            expected: reason.expected.clone(),
            actual: reason.actual.clone(),
        }
    }
}

/// The answer to evidence that was refused.
///
/// | Found | Answer |
/// |---|---|
/// | something refuted | 422, the code of the first reason in the order of the checks |
/// | nothing refuted, collateral missing | 503 `unverifiable`: the same bytes may pass later |
/// | nothing refuted, the bundle itself lacks something | 422, the code of that reason: the same bytes never pass |
/// | everything affirmed | 422 `policy_denied` |
pub(crate) fn refusal(refusal: Refusal<WorkAppraisal>) -> Problem {
    refused(&located(&refusal.appraisal), refusal.deny)
}

/// The same for the checks of a bundle and its result alone, of which not all are affirmed.
pub(crate) fn refusal_of(checks: &[Check]) -> Problem {
    let checks: Vec<_> = checks.iter().map(|check| (check, None)).collect();
    refused(&checks, Vec::new())
}

/// What came of devices that were judged alone: granted, or the code of the first reason.
pub(crate) fn word_of_devices(decision: &Decision<EvidenceAppraisal>) -> &'static str {
    let appraisal = match decision {
        Decision::Granted(_) => return GRANTED,
        Decision::Refused(refused) => &refused.appraisal,
    };
    let of_whole = appraisal.checks().iter();
    let of_devices = appraisal
        .devices()
        .iter()
        .flat_map(|device| device.checks());
    let checks: Vec<_> = of_whole
        .chain(of_devices)
        .map(|check| (check, None))
        .collect();
    refused(&checks, Vec::new()).code()
}

/// A check, and the position of the device it is about.
pub(super) type Located<'a> = (&'a Check, Option<usize>);

/// See [`refusal`]. `checks` are all there are.
pub(super) fn refused(checks: &[Located<'_>], deny: Vec<Denial>) -> Problem {
    let problem = match Overall::of(checks.iter().map(|(check, _)| *check)) {
        Overall::Fail => named_after(checks, Status::Refuted),
        Overall::Incomplete if lacks_collateral(checks) => {
            Problem::new(ProblemCode::Unverifiable).retry_after_s(COLLATERAL_RETRY_S)
        }
        Overall::Incomplete => named_after(checks, Status::Unverifiable),
        Overall::Pass => Problem::new(ProblemCode::PolicyDenied),
    };
    let failed = checks
        .iter()
        .filter(|(check, _)| matches!(check.status, Status::Refuted | Status::Unverifiable));
    problem
        .checks(failed.map(|(check, device)| FailedCheck::new(check, *device)))
        .deny(deny)
}

/// Named after the first reason of a check with this status, in the order in which checks run. What was not at hand
/// beside what refutes is not what it is named after.
fn named_after(checks: &[Located<'_>], status: Status) -> Problem {
    let with_reason = of_status(checks, status).filter_map(|check| {
        let mut of_evidence = check.reasons.iter();
        let of_evidence = of_evidence.find(|reason| !is_of_collateral(check.id, reason.code));
        of_evidence.or(check.reasons.first()).zip(Some(check.id))
    });
    match with_reason.min_by_key(|(_, id)| *id) {
        Some((reason, _)) => Problem::refuted(reason.code),
        None => Problem::new(ProblemCode::PolicyDenied),
    }
}

/// Whether a check could not be made for want of something the verifier, not the sender, has to provide.
fn lacks_collateral(checks: &[Located<'_>]) -> bool {
    let mut unverifiable = of_status(checks, Status::Unverifiable);
    unverifiable.any(|check| {
        let mut reasons = check.reasons.iter();
        reasons.any(|reason| is_of_collateral(check.id, reason.code))
    })
}

/// Whether a service of collateral said nothing, or nothing of use. Of revocation everything is of that kind but what an
/// answer says about its certificate: the verifier asked for it, so that whatever is wrong with it, in words of its own or
/// of certificates, is nothing about the evidence.
const fn is_of_collateral(check: CheckId, code: Code) -> bool {
    match check {
        CheckId::Revocation => !matches!(
            code,
            Code::CertificateRevoked | Code::CertificateOnHold | Code::CertificateStatusUnknown
        ),
        _ => matches!(
            code,
            Code::RimNotAvailable
                | Code::RimServiceMalformed
                | Code::RimServiceIdMismatch
                | Code::RimServiceDigestMismatch
        ),
    }
}

fn of_status<'a>(checks: &[Located<'a>], status: Status) -> impl Iterator<Item = &'a Check> {
    let checks = checks.iter().map(|(check, _)| *check);
    checks.filter(move |check| check.status == status)
}

fn located(appraisal: &WorkAppraisal) -> Vec<Located<'_>> {
    let of_whole = appraisal.checks().iter().map(|check| (check, None));
    let of_devices = appraisal.devices().iter().enumerate();
    let of_devices =
        of_devices.flat_map(|(at, device)| device.checks().iter().map(move |c| (c, Some(at))));
    let of_result = appraisal
        .findings()
        .iter()
        .map(|finding| (&finding.check, None));
    of_whole.chain(of_devices).chain(of_result).collect()
}
