//! The outcome of one check, and of many.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::limits::MAX_REASONS;
use crate::reason::Reason;

/// What is known after a check (DESIGN section 1). Unavailable is a finding, never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Checked and found right.
    Affirmed,
    /// Checked and found wrong.
    Refuted,
    /// Could not be checked: something the check needs is missing or itself not trusted.
    Unverifiable,
    /// Nobody asked for this check.
    NotRequested,
}

impl Status {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Affirmed => "affirmed",
            Self::Refuted => "refuted",
            Self::Unverifiable => "unverifiable",
            Self::NotRequested => "not_requested",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who or what stands behind a claim (DESIGN section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Signed by a device or TEE key that leads to the vendor's root.
    Hardware,
    /// The verifier computed it again, wholly or by sample.
    Recomputation,
    /// Independent providers agree.
    Replicas,
    /// Measured on the verifier's own clock.
    VerifierClock,
    /// Said by software inside a measured guest.
    GuestAsserted,
    /// Said by the provider's software; nothing vouches for it.
    ProviderAsserted,
}

impl Source {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Recomputation => "recomputation",
            Self::Replicas => "replicas",
            Self::VerifierClock => "verifier_clock",
            Self::GuestAsserted => "guest_asserted",
            Self::ProviderAsserted => "provider_asserted",
        }
    }
}

/// Which question was asked. The order is the order in which checks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CheckId {
    /// The report is well-formed.
    Parse,
    /// The report answers our nonce.
    Nonce,
    /// The device chain leads to a pinned root, at the time of appraisal.
    Chain,
    /// Certificates, report and claim name one chip and one device.
    Identity,
    /// The first certificate of the chain signed the report.
    ReportSignature,
    /// Firmware id of the report and of the leaf certificate.
    Fwid,
    /// The report states one known mode of operation.
    Mode,
    /// Certificates not revoked (OCSP).
    Revocation,
    /// The driver's reference manifest is authentic and fits.
    DriverRim,
    /// The VBIOS' (or switch BIOS') reference manifest is authentic and fits.
    VbiosRim,
    /// Measurements equal the reference values.
    Measurements,
    /// The job in the bundle is the one the statement commits to.
    Job,
    /// Job and statement fit the kernel they name.
    Kernel,
    /// The agent key in the statement signed the bundle.
    AgentSignature,
    /// No device appears twice.
    Devices,
    /// GPUs and switches name each other, and nobody else.
    Topology,
    /// The report nonces commit to the statement, and so to its output digests.
    OutputCommitment,
    /// The bytes handed over have the digests in the statement.
    OutputDigest,
    /// Freivalds' check of a matrix product.
    Freivalds,
    /// A sample of the output's points, recomputed.
    Audit,
}

impl CheckId {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Nonce => "nonce",
            Self::Chain => "chain",
            Self::Identity => "identity",
            Self::ReportSignature => "report_signature",
            Self::Fwid => "fwid",
            Self::Mode => "mode",
            Self::Revocation => "revocation",
            Self::DriverRim => "driver_rim",
            Self::VbiosRim => "vbios_rim",
            Self::Measurements => "measurements",
            Self::Job => "job",
            Self::Kernel => "kernel",
            Self::AgentSignature => "agent_signature",
            Self::Devices => "devices",
            Self::Topology => "topology",
            Self::OutputCommitment => "output_commitment",
            Self::OutputDigest => "output_digest",
            Self::Freivalds => "freivalds",
            Self::Audit => "audit",
        }
    }

    /// What a person can do when the check is not affirmed.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Parse => "collect the report again and send it unchanged",
            Self::Nonce => "collect a report for the nonce of this challenge or statement",
            Self::Chain => {
                "send the whole device certificate chain, leaf first, as the driver returns it"
            }
            Self::Identity => {
                "collect report and chain from one device, and state its architecture"
            }
            Self::ReportSignature => "send the report with the chain of the device that made it",
            Self::Fwid => "collect report and chain in one go, after any firmware update",
            Self::Mode => {
                "set one multi-GPU mode for the system, reset the GPUs and collect the report again"
            }
            Self::Revocation => "make the OCSP service reachable or allow cached answers by policy",
            Self::DriverRim => {
                "provide the driver RIM of this version, or install a driver that has one"
            }
            Self::VbiosRim => "provide the newest VBIOS RIM of this version",
            Self::Measurements => {
                "install the driver and firmware the manifests describe, with confidential computing on and developer mode off"
            }
            Self::Job => "send the job that was run, unchanged",
            Self::Kernel => "name a kernel this verifier knows, with its parameters and outputs",
            Self::AgentSignature => "sign the bundle with the agent key the statement names",
            Self::Devices => "send each device once, and at least one",
            Self::Topology => "send every GPU and every switch of the system, and none of another",
            Self::OutputCommitment => {
                "collect the reports for the nonce derived from the statement"
            }
            Self::OutputDigest => "send the very bytes the statement's digests are of",
            Self::Freivalds | Self::Audit => "run the kernel on the inputs of the job",
        }
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for CheckId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The question.
    pub id: CheckId,
    /// The answer.
    pub status: Status,
    /// What was found, not only the first; may be non-empty for an affirmed check that has something to say. Of a code
    /// that was found at all there is always one; beyond that they are at most [`MAX_REASONS`].
    pub reasons: Vec<Reason>,
    /// How many more were found.
    pub reasons_left_out: usize,
}

impl Check {
    /// Affirmed, with nothing more to say.
    #[must_use]
    pub fn affirmed(id: CheckId) -> Self {
        Self::with(id, Status::Affirmed, Vec::new())
    }

    /// Not asked for.
    #[must_use]
    pub fn not_requested(id: CheckId) -> Self {
        Self::with(id, Status::NotRequested, Vec::new())
    }

    /// The same, with more to say that changes nothing about its status.
    #[must_use]
    pub(crate) fn remarking(mut self, remarks: impl IntoIterator<Item = Reason>) -> Self {
        let left_out = self.reasons_left_out;
        self.reasons.extend(remarks);
        let mut check = Self::with(self.id, self.status, self.reasons);
        check.reasons_left_out = check.reasons_left_out.saturating_add(left_out);
        check
    }

    /// Not checkable, for one reason.
    #[must_use]
    pub fn unverifiable(id: CheckId, reason: Reason) -> Self {
        Self::with(id, Status::Unverifiable, vec![reason])
    }

    /// Refuted if there is any reason to, else affirmed.
    #[must_use]
    pub fn refuted_by(id: CheckId, reasons: Vec<Reason>) -> Self {
        let status = if reasons.is_empty() {
            Status::Affirmed
        } else {
            Status::Refuted
        };
        Self::with(id, status, reasons)
    }

    /// A check with the given status.
    #[must_use]
    pub fn with(id: CheckId, status: Status, mut reasons: Vec<Reason>) -> Self {
        let found = reasons.len();
        leave_out_repetitions(&mut reasons);
        Self {
            id,
            status,
            reasons_left_out: found.saturating_sub(reasons.len()),
            reasons,
        }
    }

    /// What a person can do when the check is not affirmed: about the first of its reasons that has a remedy of its own,
    /// else about the check.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        let mut of_reasons = self
            .reasons
            .iter()
            .filter_map(|reason| reason.code.remedy());
        of_reasons.next().unwrap_or_else(|| self.id.remedy())
    }

    /// Whether the check is affirmed.
    #[must_use]
    pub fn is_affirmed(&self) -> bool {
        self.status == Status::Affirmed
    }
}

/// Keeps the order, the first of every code, which is what policies go by, and of the others as many as there is room for.
fn leave_out_repetitions(reasons: &mut Vec<Reason>) {
    if reasons.len() <= MAX_REASONS {
        return;
    }
    let codes: BTreeSet<_> = reasons.iter().map(|reason| reason.code).collect();
    let mut room = MAX_REASONS.saturating_sub(codes.len());
    let mut told = BTreeSet::new();
    reasons.retain(|reason| {
        let is_first = told.insert(reason.code);
        let is_kept = is_first || room > 0;
        if is_kept && !is_first {
            room = room.saturating_sub(1);
        }
        is_kept
    });
    reasons.shrink_to_fit();
}

/// The sum of all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// Everything asked for is affirmed.
    Pass,
    /// Something is refuted.
    Fail,
    /// Nothing is refuted, something could not be checked.
    Incomplete,
}

impl Overall {
    /// Sums up statuses. No check at all is [`Overall::Incomplete`]: nothing was shown.
    #[must_use]
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let mut overall = Self::Incomplete;
        let mut unverifiable = false;
        for check in checks {
            match check.status {
                Status::Refuted => return Self::Fail,
                Status::Unverifiable => unverifiable = true,
                Status::Affirmed => overall = Self::Pass,
                Status::NotRequested => {}
            }
        }
        if unverifiable {
            Self::Incomplete
        } else {
            overall
        }
    }

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Incomplete => "incomplete",
        }
    }
}

impl fmt::Display for Overall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Code;

    fn check(status: Status) -> Check {
        Check::with(CheckId::Parse, status, Vec::new())
    }

    #[test]
    fn refuted_outweighs_unverifiable_outweighs_affirmed() {
        use Status::{Affirmed, NotRequested, Refuted, Unverifiable};
        let table: &[(&[Status], Overall)] = &[
            (&[], Overall::Incomplete),
            (&[NotRequested], Overall::Incomplete),
            (&[Affirmed, NotRequested], Overall::Pass),
            (&[Affirmed, Unverifiable], Overall::Incomplete),
            (&[Unverifiable, Refuted, Affirmed], Overall::Fail),
        ];
        for (statuses, overall) in table {
            let checks: Vec<_> = statuses.iter().copied().map(check).collect();
            assert_eq!(Overall::of(&checks), *overall, "{statuses:?}");
        }
    }

    #[test]
    fn a_remedy_is_about_the_reason_before_it_is_about_the_check() {
        let of = |code| Check::refuted_by(CheckId::DriverRim, vec![Reason::new(code, "manifest")]);
        let general = CheckId::DriverRim.remedy();
        assert_eq!(of(Code::RimTooLarge).remedy(), general);
        for code in [Code::CertificateExpired, Code::RimNotAvailable] {
            assert_ne!(of(code).remedy(), general);
            assert_eq!(Some(of(code).remedy()), code.remedy());
        }
    }

    #[test]
    fn of_many_reasons_some_are_told_and_the_rest_is_counted() {
        use Code::{
            MeasurementBlockMalformed as Block, MeasurementIndexInvalid as Index, TrailingBytes,
        };
        let reasons = |codes: &[Code]| -> Vec<_> {
            let numbered = codes.iter().enumerate();
            numbered
                .map(|(n, code)| Reason::new(*code, n.to_string()))
                .collect()
        };
        let few = reasons(&[Block; MAX_REASONS]);
        let check = Check::refuted_by(CheckId::Parse, few.clone());
        assert_eq!((&check.reasons, check.reasons_left_out), (&few, 0));

        let mut many = [Block, Index].repeat(300);
        many.push(TrailingBytes);
        let many = reasons(&many);
        let check = Check::refuted_by(CheckId::Parse, many.clone());
        assert_eq!(check.reasons.len(), MAX_REASONS);
        let last = MAX_REASONS - 1;
        assert_eq!(
            check.reasons[..last],
            many[..last],
            "in the order they were found in"
        );
        assert_eq!(
            check.reasons[last], many[600],
            "no code is hidden from a policy"
        );
        assert_eq!(check.reasons_left_out, 601 - MAX_REASONS);
        let check = check.remarking(reasons(&[TrailingBytes; 2]));
        assert_eq!(
            (check.reasons.len(), check.reasons_left_out),
            (MAX_REASONS, 603 - MAX_REASONS)
        );

        let each = reasons(&Code::ALL.iter().map(|(code, _)| *code).collect::<Vec<_>>());
        let check = Check::refuted_by(CheckId::Parse, each.clone());
        assert_eq!((check.reasons, check.reasons_left_out), (each, 0));
    }

    #[test]
    fn a_reason_refutes() {
        let reason = Reason::new(Code::NonceMismatch, "nonce");
        assert_eq!(
            Check::refuted_by(CheckId::Nonce, vec![reason]).status,
            Status::Refuted
        );
        assert!(Check::refuted_by(CheckId::Nonce, Vec::new()).is_affirmed());
    }
}
