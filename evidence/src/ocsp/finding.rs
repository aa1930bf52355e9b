//! The judgement about one certificate, and about all of a chain (nvidia-evidence 5.3, rows 58 to 72).

use serde::Serialize;

use super::authenticity::about_the_subject;
use super::{CertificateStatus, Link, NonceVerdict, OcspResponse, RevocationReason};
use crate::cert::ChainProfile;
use crate::check::{Check, CheckId, Status};
use crate::reason::{Code, Reason};
use crate::time::UnixTime;
use crate::trust::Examined;
use crate::work::Hex;

/// An answer, and how it was come by.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What came back, examined for the same link.
    pub response: &'a Examined<OcspResponse>,
    /// The nonce of the question. `None` if none was sent, or if the answer was not made for this appraisal.
    pub nonce_sent: Option<&'a [u8; 32]>,
}

/// What the caller makes of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The time of appraisal.
    pub as_of: UnixTime,
    /// The caller's own bound on age, if it is narrower than the responder's.
    pub max_age_secs: Option<u64>,
    /// What becomes of a certificate on hold.
    pub hold: Hold,
}

/// Row 71: what becomes of a certificate on hold. Nothing tolerates one in a device chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Hold {
    /// It refutes.
    #[default]
    Refuted,
    /// In the chain of a manifest it is affirmed with a remark.
    ToleratedForRims,
}

/// What is known about a certificate's revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationStatus {
    /// Not revoked, by a current answer.
    Good,
    /// Revoked for the time being, by a current answer.
    OnHold,
    /// Revoked for good.
    Revoked,
    /// Unknown to the responder, by a current answer.
    Unknown,
    /// No answer was at hand that could be believed for the time of appraisal.
    NotChecked,
}

impl RevocationStatus {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::OnHold => "on_hold",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::NotChecked => "not_checked",
        }
    }
}

/// What is known about one certificate's revocation, and why. Only judging makes one. A member without a value is
/// `null` in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationFinding {
    position: usize,
    subject: String,
    serial: String,
    status: RevocationStatus,
    verdict: Status,
    revoked_at: Option<UnixTime>,
    revocation_reason: Option<RevocationReason>,
    this_update: Option<UnixTime>,
    next_update: Option<UnixTime>,
    response_sha256: Option<Hex<32>>,
    responder_no_check: Option<bool>,
    nonce_matches: Option<bool>,
    reasons: Vec<Reason>,
}

impl RevocationFinding {
    /// Judges one certificate.
    ///
    /// A revocation that had come into force by the time of appraisal stands however old the answer is, since nothing
    /// takes it back. Everything else counts for the window of the answer alone.
    #[must_use]
    pub fn of(link: &Link<'_>, answer: Option<Answer<'_>>, terms: &Terms) -> Self {
        let Some(answer) = answer else {
            let message = "no OCSP response at hand";
            return Self::not_checked(link, Reason::new(Code::OcspNotAvailable, message));
        };
        let mut reasons = objections(link, &answer, terms);
        let believed = believed(link, &answer);
        let nonce_matches = answer.nonce_sent.map(|sent| {
            believed.is_some_and(|response| response.nonce_verdict(sent) == NonceVerdict::Match)
        });
        let Some(response) = believed else {
            return Self {
                nonce_matches,
                ..Self::empty(link, reasons)
            };
        };
        let stated = response.status();
        let current = reasons.is_empty();
        let status = judged(stated, current, terms.as_of);
        reasons.extend(about_status(stated));
        let (revoked_at, revocation_reason) = match stated {
            CertificateStatus::Revoked { at, reason } => (Some(at), reason),
            CertificateStatus::OnHold { at } => (Some(at), Some(RevocationReason::CertificateHold)),
            CertificateStatus::Good | CertificateStatus::Unknown => (None, None),
        };
        Self {
            status,
            verdict: verdict(status, link.profile, terms.hold),
            revoked_at,
            revocation_reason,
            this_update: Some(response.this_update()),
            next_update: response.next_update(),
            response_sha256: Some(Hex(*response.sha256())),
            responder_no_check: response.responder_no_check(link.issuer),
            nonce_matches,
            ..Self::empty(link, reasons)
        }
    }

    /// No answer, for a reason the caller knows, as [`Code::OcspNotAvailable`] with what the network said.
    #[must_use]
    pub fn not_checked(link: &Link<'_>, reason: Reason) -> Self {
        Self::empty(link, vec![reason])
    }

    fn empty(link: &Link<'_>, reasons: Vec<Reason>) -> Self {
        let subject = link.subject.common_name();
        Self {
            position: link.position,
            subject: subject.to_owned(),
            serial: serial_hex(link.subject.serial()),
            status: RevocationStatus::NotChecked,
            verdict: Status::Unverifiable,
            revoked_at: None,
            revocation_reason: None,
            this_update: None,
            next_update: None,
            response_sha256: None,
            responder_no_check: None,
            nonce_matches: None,
            reasons: about(link, reasons),
        }
    }

    /// The check of several certificates: refuted if one is, else unverifiable if one is, else affirmed. Of none, it is
    /// unverifiable: nothing was shown.
    #[must_use]
    pub fn check<'a>(findings: impl IntoIterator<Item = &'a Self>) -> Check {
        let mut reasons = Vec::new();
        let mut verdicts = Vec::new();
        for finding in findings {
            reasons.extend(finding.reasons.iter().cloned());
            verdicts.push(finding.verdict);
        }
        let status = if verdicts.contains(&Status::Refuted) {
            Status::Refuted
        } else if !verdicts.is_empty() && verdicts.iter().all(|v| *v == Status::Affirmed) {
            Status::Affirmed
        } else {
            Status::Unverifiable
        };
        if verdicts.is_empty() {
            let message = "no certificate was asked about";
            reasons.push(Reason::new(Code::OcspNotAvailable, message));
        }
        Check::with(CheckId::Revocation, status, reasons)
    }

    /// Position of the certificate in its chain; the leaf is 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Common name of the certificate.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its serial number in hex. That of certificate 1 of a device chain holds the identity of the device.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The state of the certificate.
    #[must_use]
    pub fn status(&self) -> RevocationStatus {
        self.status
    }

    /// What that comes to under the caller's [`Terms`].
    #[must_use]
    pub fn verdict(&self) -> Status {
        self.verdict
    }

    /// Since when it is revoked or on hold.
    #[must_use]
    pub fn revoked_at(&self) -> Option<UnixTime> {
        self.revoked_at
    }

    /// Why it is revoked.
    #[must_use]
    pub fn revocation_reason(&self) -> Option<RevocationReason> {
        self.revocation_reason
    }

    /// The latest time at which the status is known to have been right.
    #[must_use]
    pub fn this_update(&self) -> Option<UnixTime> {
        self.this_update
    }

    /// When newer information was due, if the responder says.
    #[must_use]
    pub fn next_update(&self) -> Option<UnixTime> {
        self.next_update
    }

    /// SHA-256 of the answer that was believed to be one to the question.
    #[must_use]
    pub fn response_sha256(&self) -> Option<&Hex<32>> {
        self.response_sha256.as_ref()
    }

    /// Whether the delegated responder's certificate exempts itself from being asked about (row 73).
    #[must_use]
    pub fn responder_no_check(&self) -> Option<bool> {
        self.responder_no_check
    }

    /// Row 67: whether an authentic answer about this certificate repeats the nonce that was sent. `None` if none was sent,
    /// or if there is no answer to look at.
    #[must_use]
    pub fn nonce_matches(&self) -> Option<bool> {
        self.nonce_matches
    }

    /// Everything found; may be non-empty for an affirmed finding that has something to say. An authentic answer that
    /// says good and is out of date alone has no reason but that.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }
}

/// Everything that keeps the answer from being one to this question at this time.
fn objections(link: &Link<'_>, answer: &Answer<'_>, terms: &Terms) -> Vec<Reason> {
    let mut reasons = answer.response.reasons_at(terms.as_of);
    if let Examined::Authentic(response) = answer.response {
        reasons.extend(about_the_subject(response.get(), link));
    }
    let response = answer.response.peek();
    let max_age_secs = response.zip(terms.max_age_secs);
    reasons.extend(max_age_secs.and_then(|(response, max)| response.age_bound(max, terms.as_of)));
    let nonce_sent = response.zip(answer.nonce_sent);
    reasons.extend(nonce_sent.and_then(|(response, sent)| nonce_repeated(response, sent)));
    reasons
}

/// The answer, if it is authentic for this very link: one that was examined for another certificate is not.
pub(super) fn believed<'a>(link: &Link<'_>, answer: &Answer<'a>) -> Option<&'a OcspResponse> {
    match answer.response {
        Examined::Authentic(response) => {
            let about = response.get().id().names(link.subject, link.issuer);
            about.then(|| response.get())
        }
        _ => None,
    }
}

/// Row 67: a nonce that was sent comes back.
fn nonce_repeated(response: &OcspResponse, sent: &[u8; 32]) -> Option<Reason> {
    let reason = |code| Reason::new(code, "nonce of the OCSP response").expected(hex::encode(sent));
    match response.nonce_verdict(sent) {
        NonceVerdict::Match => None,
        NonceVerdict::Absent => Some(reason(Code::OcspNonceAbsent)),
        NonceVerdict::Mismatch => {
            let actual = hex::encode(response.nonce().unwrap_or_default());
            Some(reason(Code::OcspNonceMismatch).actual(actual))
        }
    }
}

/// Row 70.
fn judged(stated: CertificateStatus, current: bool, as_of: UnixTime) -> RevocationStatus {
    match stated {
        _ if stated.is_revoked_by(as_of) => RevocationStatus::Revoked,
        _ if !current => RevocationStatus::NotChecked,
        CertificateStatus::Good => RevocationStatus::Good,
        CertificateStatus::OnHold { .. } => RevocationStatus::OnHold,
        CertificateStatus::Revoked { .. } => RevocationStatus::Revoked,
        CertificateStatus::Unknown => RevocationStatus::Unknown,
    }
}

/// Rows 70 and 71.
fn verdict(status: RevocationStatus, profile: ChainProfile, hold: Hold) -> Status {
    let tolerated = profile == ChainProfile::Rim && hold == Hold::ToleratedForRims;
    match status {
        RevocationStatus::Good => Status::Affirmed,
        RevocationStatus::OnHold if tolerated => Status::Affirmed,
        RevocationStatus::OnHold | RevocationStatus::Revoked | RevocationStatus::Unknown => {
            Status::Refuted
        }
        RevocationStatus::NotChecked => Status::Unverifiable,
    }
}

/// Row 72: what the responder says, in words; said even where it is not current.
fn about_status(stated: CertificateStatus) -> Option<Reason> {
    let reason = |code, actual: String| Reason::new(code, "status").expected("good").actual(actual);
    match stated {
        CertificateStatus::Good => None,
        CertificateStatus::OnHold { at } => Some(reason(
            Code::CertificateOnHold,
            format!("on hold since {at}"),
        )),
        CertificateStatus::Revoked { at, reason: None } => {
            Some(reason(Code::CertificateRevoked, format!("revoked at {at}")))
        }
        CertificateStatus::Revoked {
            at,
            reason: Some(why),
        } => {
            let actual = format!("revoked at {at}: {why}");
            Some(reason(Code::CertificateRevoked, actual))
        }
        CertificateStatus::Unknown => {
            Some(reason(Code::CertificateStatusUnknown, "unknown".to_owned()))
        }
    }
}

/// Reasons with the certificate in front.
fn about(link: &Link<'_>, reasons: Vec<Reason>) -> Vec<Reason> {
    if reasons.is_empty() {
        return reasons;
    }
    let chain = match link.profile {
        ChainProfile::Device => "certificate",
        ChainProfile::Rim => "RIM certificate",
    };
    let about = format!("{chain} {} ({})", link.position, link.subject.label());
    reasons.into_iter().map(|r| r.about(&about)).collect()
}

/// Hex of a serial number without the zero byte that keeps it positive.
fn serial_hex(serial: &[u8]) -> String {
    match serial {
        [0, magnitude @ ..] if !magnitude.is_empty() => hex::encode(magnitude),
        serial => hex::encode(serial),
    }
}
