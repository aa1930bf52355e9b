//! What a device handed out, judged by the rules that need no trust anchor.
//!
//! In scope: form, nonce, signatures from the report up to the last certificate, firmware id, chip family, and the ids
//! of the manifests the device asks for. The rules are those of the crate `evidence`, which the verifier uses too.
//!
//! Out of scope: whether the last certificate is NVIDIA's. This agent holds no anchor, so here every chain is refuted
//! for its root, and that one reason is left out.

use evidence::appraise::{Collateral, DeviceAppraisal, DeviceEvidence, DeviceReading};
use evidence::cert::{CertificateChain, ChainProfile, TrustAnchors};
use evidence::{Check, CheckId, Code, Examined, Reason, Status, UnixTime};

use super::handed::Handed;
use super::{Finding, FindingId};
use crate::device::NONCE_LENGTH;

/// What is looked at here.
const QUESTIONS: [FindingId; 7] = [
    FindingId::Report,
    FindingId::CertificateChain,
    FindingId::ReportForm,
    FindingId::ReportNonce,
    FindingId::ReportSignature,
    FindingId::FirmwareId,
    FindingId::DeviceIdentity,
];

/// Findings about one device, and the ids of the manifests it asks for.
pub(super) fn examine(
    device: &Handed,
    nonce: &[u8; NONCE_LENGTH],
    recorded: bool,
    now: UnixTime,
) -> (Vec<Finding>, Vec<String>) {
    let bytes = |part: &Result<Vec<u8>, _>| part.as_ref().cloned().unwrap_or_default();
    let (report, pem) = (bytes(&device.report), bytes(&device.chain));
    let no_anchors = TrustAnchors::default();
    let chain = CertificateChain::examine(&pem, ChainProfile::Device, &no_anchors);
    let reading = DeviceReading::new(DeviceEvidence {
        claimed: device.claimed,
        report: &report,
        chain: &chain,
    });
    let appraisal = reading.appraise(nonce, Collateral::default(), now);
    let judged = Judged {
        device,
        chain: &chain,
        reading: &reading,
        appraisal: &appraisal,
        recorded,
    };
    let findings = QUESTIONS.map(|id| judged.finding(id).of_device(device.index));
    let ids = reading.reference_ids();
    let ids = [ids.driver, ids.vbios].into_iter().flatten();
    (findings.into(), ids.collect())
}

/// Where there is no device to ask.
pub(super) fn of_no_device() -> Vec<Finding> {
    let open = |id| Finding::open(id, FindingId::Devices);
    QUESTIONS.into_iter().map(open).collect()
}

struct Judged<'a> {
    device: &'a Handed,
    chain: &'a Examined<CertificateChain>,
    reading: &'a DeviceReading<'a>,
    appraisal: &'a DeviceAppraisal,
    recorded: bool,
}

impl Judged<'_> {
    fn finding(&self, id: FindingId) -> Finding {
        let (report, chain) = (&self.device.report, &self.device.chain);
        match (id, report, chain) {
            (FindingId::Report, Ok(report), _) => {
                Finding::ok(id, format!("{} bytes", report.len()))
            }
            (FindingId::Report, Err(cause), _) | (FindingId::CertificateChain, _, Err(cause)) => {
                cause.finding(id)
            }
            (FindingId::CertificateChain, _, Ok(_)) => self.certificate_chain(),
            (FindingId::DeviceIdentity, _, Ok(_)) => {
                self.check(id, CheckId::Identity, &self.chip_family())
            }
            (FindingId::DeviceIdentity, _, Err(_)) => {
                Finding::open(id, FindingId::CertificateChain)
            }
            (_, Err(_), _) => Finding::open(id, FindingId::Report),
            (FindingId::ReportForm, ..) => self.check(id, CheckId::Parse, &self.versions()),
            (FindingId::ReportNonce, ..) if self.recorded => {
                Finding::not_applicable(id, "a recording cannot follow a fresh nonce")
            }
            (FindingId::ReportNonce, ..) => {
                self.check(id, CheckId::Nonce, "the nonce that was asked")
            }
            (_, _, Err(_)) => Finding::open(id, FindingId::CertificateChain),
            (FindingId::ReportSignature, ..) => self.check(id, CheckId::ReportSignature, "right"),
            (_, Ok(_), Ok(_)) => self.check(id, CheckId::Fwid, "the same"),
        }
    }

    fn certificate_chain(&self) -> Finding {
        let id = FindingId::CertificateChain;
        let reasons = self.appraisal.check(CheckId::Chain);
        let reasons = reasons.map(|check| check.reasons.as_slice());
        let mut other: Vec<_> = reasons.unwrap_or_default().iter().collect();
        other.retain(|reason| reason.code != Code::ChainRootUntrusted);
        if !other.is_empty() {
            return because(Finding::problem(id, listed(&other)), &other);
        }
        let count = self
            .chain
            .peek()
            .map_or(0, |chain| chain.certificates().len());
        let found = format!(
            "{count} certificates, each signed by the next; the last is not judged here: only a verifier knows the \
             roots"
        );
        Finding::ok(id, found)
    }

    fn check(&self, id: FindingId, check: CheckId, good: &str) -> Finding {
        let Some(Check {
            status, reasons, ..
        }) = self.appraisal.check(check)
        else {
            return Finding::unknown(id, "not judged");
        };
        let reasons: Vec<_> = reasons.iter().collect();
        let found = match reasons.as_slice() {
            [] => good.to_owned(),
            reasons => listed(reasons),
        };
        match status {
            Status::Affirmed => Finding::ok(id, found),
            Status::Refuted => because(Finding::problem(id, found), &reasons),
            Status::Unverifiable | Status::NotRequested => {
                because(Finding::unknown(id, found), &reasons)
            }
        }
    }

    fn chip_family(&self) -> String {
        let arch = self.appraisal.arch();
        arch.map_or_else(String::new, |arch| arch.to_string())
    }

    fn versions(&self) -> String {
        let told = |version: Option<String>| version.unwrap_or_else(|| "(none)".to_owned());
        let driver = told(self.reading.driver_version());
        let vbios = told(self.reading.vbios_version());
        format!("well-formed; driver {driver}, VBIOS {vbios}")
    }
}

fn listed(reasons: &[&Reason]) -> String {
    let texts: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn because(finding: Finding, reasons: &[&Reason]) -> Finding {
    reasons.iter().fold(finding, |finding, reason| {
        let code = reason.code.as_str();
        match finding.codes.iter().any(|told| told == code) {
            true => finding,
            false => finding.code(code),
        }
    })
}
