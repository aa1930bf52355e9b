//! The appraisal of one device, of several together, and of a piece of work: every check, with all reasons collected.
//!
//! In scope:
//!
//! * one device, from bytes and collateral to a list of [`Check`]s in the order of nvidia-evidence 12
//!   ([`DeviceReading::appraise`]), with the revocation of the certificates that it rests on ([`Revocation`]). The
//!   caller looks collateral up between reading and appraising, so that this crate needs no I/O:
//!   [`DeviceReading::reference_ids`] and [`DeviceReading::revocation_links`] say what the device asks for;
//! * several devices: none twice, and one system that is whole where switches link them ([`EvidenceAppraisal`]);
//! * a piece of work: what binds it to the devices, and its result ([`WorkAppraisal`]).
//!
//! Out of scope: fetching manifests and answers about revocation; checking a result, which a [`WorkChecker`] does;
//! policy.
//!
//! A check never hides another: a report with a bad signature is still compared, since a person who mends evidence
//! wants all reasons at once. Nothing is believed because of it: the sum is refuted.

mod device;
mod document;
mod evidence;
mod identity;
mod measurements;
mod mode;
mod reference;
mod revocation;
mod topology;
mod work;

use std::collections::BTreeSet;

pub use device::DeviceAppraisal;
pub use document::Document;
pub use evidence::EvidenceAppraisal;
pub use measurements::{DIFFERENCES, MeasurementSummary, Mismatch};
pub use reference::{Reference, ReferenceIds, ReferenceUsed, References};
pub use revocation::{ChainRevocation, Revocation};
pub use topology::Pdi;
pub use work::{BeforeResult, Chain, WorkAppraisal, WorkChecker, WorkFinding, binding};

use crate::cert::{Certificate, CertificateChain};
use crate::check::{Check, CheckId, Status};
use crate::device::{Architecture, DeviceKind};
use crate::forms::{self, StatedVersions};
use crate::ocsp::Link;
use crate::reason::{Code, Reason};
use crate::report::{self, Report, ReportReading};
use crate::time::UnixTime;
use crate::trust::{Examined, Unverified};

/// Number of measurement blocks of an LS10 switch, which tells it from a GPU when no certificate does
/// (nvidia-evidence 1.2).
const SWITCH_BLOCKS: u8 = 31;
/// Offset of the number of blocks in a report.
const BLOCK_COUNT_OFFSET: usize = 41;

/// Evidence of one device as it arrived, its chain already examined (so that a chain seen before costs nothing).
#[derive(Clone, Copy, Debug)]
pub struct DeviceEvidence<'a> {
    /// The architecture the sender claims, if the form of the evidence has a place for it.
    pub claimed: Option<Architecture>,
    /// The raw report.
    pub report: &'a [u8],
    /// The device certificate chain.
    pub chain: &'a Examined<CertificateChain>,
}

/// What a device's evidence is judged by, beside trust anchors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collateral<'a> {
    /// The manifests at hand.
    pub references: References<'a>,
    /// The answers at hand about revocation.
    pub revocation: Revocation<'a>,
}

/// A device's evidence, read but not judged.
#[derive(Debug)]
pub struct DeviceReading<'a> {
    evidence: DeviceEvidence<'a>,
    kind: DeviceKind,
    architecture: Option<Architecture>,
    reading: ReportReading,
    wanted: ReferenceIds,
    stated: Stated,
}

/// What a sender wrote beside the report. Nothing signed holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// The nonce the evidence is said to answer.
    pub nonce: Option<[u8; 32]>,
    /// The versions said to be in the report.
    pub versions: StatedVersions,
}

/// The checks of a device that no policy can waive: without them nothing else the evidence says was said by a device.
pub const CORE_DEVICE_CHECKS: &[CheckId] = &[
    CheckId::Parse,
    CheckId::Nonce,
    CheckId::Chain,
    CheckId::Identity,
    CheckId::ReportSignature,
];

/// Something a policy can decide on. Only appraisals of this crate are: nobody outside can bring findings of their own.
pub trait Appraised: sealed::Sealed {
    /// Every check, of the whole and of each device.
    fn all_checks(&self) -> Box<dyn Iterator<Item = &Check> + '_>;

    /// The checks of the whole that no policy can waive; those of each device are [`CORE_DEVICE_CHECKS`].
    fn core_checks(&self) -> &'static [CheckId];

    /// The devices.
    fn devices(&self) -> &[DeviceAppraisal];

    /// The document a Rego policy sees as `input`.
    fn policy_input(&self) -> Document<'_>;
}

mod sealed {
    /// Keeps [`Appraised`](super::Appraised) to the types of this crate.
    pub trait Sealed {}

    impl Sealed for super::EvidenceAppraisal {}
    impl Sealed for super::WorkAppraisal {}
}

impl<'a> DeviceReading<'a> {
    /// Reads the report as one of the kind of device that the certificates, the sender or its shape name.
    #[must_use]
    pub fn new(evidence: DeviceEvidence<'a>) -> Self {
        let certified = evidence
            .chain
            .peek()
            .and_then(CertificateChain::leaf)
            .and_then(|leaf| Architecture::of_common_name(leaf.common_name()));
        let architecture = certified.or(evidence.claimed);
        let kind = architecture.map_or_else(|| kind_by_shape(evidence.report), Architecture::kind);
        let reading = Report::read(evidence.report, kind);
        let report = reading.report.as_ref().map(Unverified::peek);
        let wanted = report.map(|report| reference::wanted(report, kind, architecture));
        Self {
            evidence,
            kind,
            architecture,
            wanted: wanted.unwrap_or_default(),
            reading,
            stated: Stated::default(),
        }
    }

    /// The same with what was stated beside the report: another nonce than the expected one refutes, as NVIDIA's own
    /// loader refuses it (row 33); other versions than the report's are remarked on (row 41).
    #[must_use]
    pub fn stating(self, stated: Stated) -> Self {
        Self { stated, ..self }
    }

    /// Ids of the manifests this device asks for, as far as its report could be read.
    #[must_use]
    pub fn reference_ids(&self) -> ReferenceIds {
        self.wanted.clone()
    }

    /// Every certificate whose revocation is in question: those of the device chain and of the manifests at hand, as
    /// far as they are authentic. What a refuted chain says of its issuers means nothing.
    #[must_use]
    pub fn revocation_links<'l>(&'l self, references: &References<'l>) -> Vec<Link<'l>> {
        let chains = revocation::chains(self, references);
        chains.into_iter().flat_map(|(_, links)| links).collect()
    }

    /// Driver version in the report.
    #[must_use]
    pub fn driver_version(&self) -> Option<String> {
        let version = self.report()?.opaque().driver_version();
        version.map(str::to_owned)
    }

    /// VBIOS or switch BIOS version in the report.
    #[must_use]
    pub fn vbios_version(&self) -> Option<String> {
        let opaque = self.report()?.opaque();
        match self.kind {
            DeviceKind::Gpu => opaque
                .gpu_vbios_version()
                .map(crate::device::gpu_vbios_version),
            DeviceKind::Switch => opaque.switch_bios_version().map(str::to_owned),
        }
    }

    /// Whether a device said this in answer to the nonce: the report carries it, its chain leads to a pinned root, and its
    /// leaf signed it. For callers who would rather not look for collateral on the word of anybody.
    #[must_use]
    pub fn answers(&self, expected_nonce: &[u8; 32]) -> bool {
        if !nonce(self.evidence.report, expected_nonce).is_affirmed() {
            return false;
        }
        match self.evidence.chain {
            Examined::Authentic(chain) => {
                report_signature(self.evidence.report, chain.get().leaf()).is_affirmed()
            }
            Examined::Refuted(_) | Examined::Unreadable(_) => false,
        }
    }

    /// Runs every check, cheapest and least revealing first.
    #[must_use]
    pub fn appraise(
        &self,
        expected_nonce: &[u8; 32],
        collateral: Collateral<'_>,
        as_of: UnixTime,
    ) -> DeviceAppraisal {
        let references = collateral.references;
        let revocation = revocation::judge(self, &collateral, as_of);
        let raw = self.evidence.report;
        let leaf = self.evidence.chain.peek().and_then(CertificateChain::leaf);
        let mut checks = vec![
            Check::refuted_by(CheckId::Parse, self.reading.reasons.clone()),
            self.nonce(expected_nonce),
            Check::refuted_by(CheckId::Chain, self.evidence.chain.reasons_at(as_of)),
            self.identity(),
            report_signature(raw, leaf),
            self.fwid(leaf),
            self.mode(),
            revocation::check(collateral.revocation, &revocation),
        ];
        let simulated = self.is_simulated();
        let judged = references.judge(self, simulated, as_of);
        let (measurements, summary) = measurements::compare(self.report(), self.kind, &judged);
        let oemid = judged.oemid().map(str::to_owned);
        let used = judged.used();
        checks.extend(judged.into_checks(self.kind));
        checks.push(measurements);
        DeviceAppraisal {
            kind: self.kind,
            arch: self.architecture,
            hwmodel: self.certificate(1).map(|c| c.common_name().to_owned()),
            ueid: leaf.map(|leaf| leaf.serial_decimal().to_owned()),
            driver_version: self.driver_version(),
            vbios_version: self.vbios_version(),
            simulated: simulated.unwrap_or_default(),
            checks,
            device_serial: self.certificate(1).map(|c| hex::encode(c.serial())),
            pdi: self.certificate(1).and_then(identity::certified_pdi),
            links: self.links(),
            oemid,
            feature_flag: self.report().and_then(|r| r.opaque().feature_flag()),
            nonce: *expected_nonce,
            uncovered: summary.uncovered.clone(),
            compared: summary,
            references: used,
            revocation,
            chain_expires: self
                .evidence
                .chain
                .peek()
                .and_then(CertificateChain::expires),
        }
    }

    fn report(&self) -> Option<&Report> {
        let report = self.reading.report.as_ref()?;
        Some(report.peek())
    }

    fn certificate(&self, position: usize) -> Option<&Certificate> {
        self.evidence.chain.peek()?.certificates().get(position)
    }

    /// Whether the chain leads to the root of a software device; `None` if it leads to no root at all.
    fn is_simulated(&self) -> Option<bool> {
        match self.evidence.chain {
            Examined::Authentic(chain) => Some(chain.is_simulated()),
            Examined::Refuted(_) | Examined::Unreadable(_) => None,
        }
    }

    fn links(&self) -> BTreeSet<Pdi> {
        let Some(report) = self.report() else {
            return BTreeSet::new();
        };
        match self.kind {
            DeviceKind::Gpu => report.opaque().linked_switches(),
            DeviceKind::Switch => report.opaque().linked_gpus(),
        }
    }

    fn identity(&self) -> Check {
        let certificates = [self.certificate(0), self.certificate(1)];
        let pdi = self.report().and_then(|r| r.opaque().switch_pdi());
        let pdi = pdi.filter(|_| self.kind == DeviceKind::Switch);
        let stated = &self.stated.versions;
        let (driver, vbios) = (self.driver_version(), self.vbios_version());
        identity::judge(certificates, self.evidence.claimed, pdi)
            .remarking(stated.mismatches(driver.as_deref(), vbios.as_deref()))
    }

    /// Rows 31 and 33: the nonce in the report is the expected one, and so is that stated beside it, if one is.
    fn nonce(&self, expected: &[u8; 32]) -> Check {
        let mut reasons = nonce(self.evidence.report, expected).reasons;
        let stated = self.stated.nonce.filter(|stated| stated != expected);
        reasons.extend(stated.map(|stated| forms::other_nonce_stated(&stated, expected)));
        Check::refuted_by(CheckId::Nonce, reasons)
    }

    fn mode(&self) -> Check {
        match self.report() {
            Some(report) => mode::judge(report.opaque()),
            None => report_unreadable(CheckId::Mode),
        }
    }

    fn fwid(&self, leaf: Option<&Certificate>) -> Check {
        let Some(report) = self.report() else {
            return report_unreadable(CheckId::Fwid);
        };
        identity::fwid(leaf, report.opaque())
    }
}

/// Row 31: the nonce in the request is the expected one, all 32 bytes.
fn nonce(raw: &[u8], expected: &[u8; 32]) -> Check {
    let actual = report::requester_nonce(raw);
    if actual == Some(expected) {
        return Check::affirmed(CheckId::Nonce);
    }
    let mismatch = Reason::new(Code::NonceMismatch, "nonce in the report")
        .expected(hex::encode(expected))
        .actual(hex::encode(actual.unwrap_or_default()));
    Check::refuted_by(CheckId::Nonce, vec![mismatch])
}

/// Rows 37 and 38: the leaf, a P-384 key, signed all but the last 96 bytes.
///
/// Says who signed; whether that key is a device's is the question of the `chain` check.
fn report_signature(raw: &[u8], leaf: Option<&Certificate>) -> Check {
    let id = CheckId::ReportSignature;
    let Some(leaf) = leaf else {
        let reason = Reason::new(Code::SigningKeyUnavailable, "no certificate could be read");
        return Check::unverifiable(id, reason);
    };
    let signed = leaf.p384_key().zip(report::signed_part(raw));
    let right =
        signed.is_some_and(|(key, (message, signature))| key.has_signed_raw(message, signature));
    if right {
        return Check::affirmed(id);
    }
    let reason = Reason::new(
        Code::ReportSignatureInvalid,
        "report is not signed by the first certificate of the chain",
    );
    Check::refuted_by(id, vec![reason.actual(leaf.common_name())])
}

fn kind_by_shape(raw: &[u8]) -> DeviceKind {
    match raw.get(BLOCK_COUNT_OFFSET) {
        Some(&SWITCH_BLOCKS) => DeviceKind::Switch,
        _ => DeviceKind::Gpu,
    }
}

fn report_unreadable(id: CheckId) -> Check {
    let reason = Reason::new(Code::ReportUnreadable, "the report could not be read");
    Check::with(id, Status::Unverifiable, vec![reason])
}
