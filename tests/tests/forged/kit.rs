//! What a case is, how it is held to what it says, and hands to make things wrong with.

use std::fmt::Write as _;

use attestation_agent::device::simulated::pki::NOT_AFTER;
use p384::ecdsa::SigningKey;
use p384::ecdsa::signature::hazmat::PrehashSigner;
use p384::pkcs8::DecodePrivateKey;
use time::OffsetDateTime;

pub(crate) use std::collections::{BTreeMap, BTreeSet};

pub(crate) use attestation_agent::device::simulated::{
    BasicConstraints, CertificateSpec, Extension, Key, Tlv, firmware,
};
pub(crate) use evidence::CheckId::{
    Chain, DriverRim, Fwid, Identity, Measurements, Nonce, Parse, ReportSignature, VbiosRim,
};
pub(crate) use evidence::Code::*;
pub(crate) use evidence::Status::{Affirmed, Refuted, Unverifiable};
pub(crate) use evidence::appraise::DeviceAppraisal;
pub(crate) use evidence::device::Architecture;
pub(crate) use evidence::ocsp::{Hold, RevocationStatus};
pub(crate) use evidence::{CheckId, Code, Overall, Status, UnixTime, crypto};
pub(crate) use tests::forge::{
    self, CertificateParts, Forged, appraise, der, p256_key, stranger_key,
};

/// One defect, and everything that comes of it.
pub(crate) struct Case {
    pub(crate) rows: &'static [u8],
    pub(crate) wrong: String,
    pub(crate) forged: Forged,
    pub(crate) differs: BTreeMap<CheckId, Finding>,
    /// What is known about certificates, where revocation is asked about: by chain and position.
    pub(crate) certificates: BTreeMap<(CheckId, usize), Revocation>,
    /// Chains nobody can be asked about.
    pub(crate) unasked: BTreeSet<CheckId>,
}

/// Status and codes of one check.
pub(crate) type Finding = (Status, BTreeSet<Code>);

/// Status of one certificate and the codes about it.
pub(crate) type Revocation = (RevocationStatus, BTreeSet<Code>);

/// A GPU with one defect.
pub(crate) fn case(
    rows: &'static [u8],
    wrong: impl Into<String>,
    change: impl FnOnce(&mut Forged),
) -> Case {
    Case {
        rows,
        wrong: wrong.into(),
        forged: Forged::gpu().with(change),
        differs: BTreeMap::new(),
        certificates: BTreeMap::new(),
        unasked: BTreeSet::new(),
    }
}

/// A switch with one defect.
pub(crate) fn switch(
    rows: &'static [u8],
    wrong: impl Into<String>,
    change: impl FnOnce(&mut Forged),
) -> Case {
    Case {
        forged: Forged::switch().with(change),
        ..case(rows, wrong, |_| ())
    }
}

impl Case {
    pub(crate) fn differs(mut self, id: CheckId, status: Status, codes: &[Code]) -> Self {
        let finding = (status, codes.iter().copied().collect());
        assert!(self.differs.insert(id, finding).is_none(), "{id} twice");
        self
    }

    pub(crate) fn refutes(self, id: CheckId, codes: &[Code]) -> Self {
        self.differs(id, Refuted, codes)
    }

    pub(crate) fn cannot_tell(self, id: CheckId, codes: &[Code]) -> Self {
        self.differs(id, Unverifiable, codes)
    }

    /// Still right, but something is said about it.
    pub(crate) fn remarks(self, id: CheckId, codes: &[Code]) -> Self {
        self.differs(id, Affirmed, codes)
    }

    /// What follows of a report whose parts cannot be told apart.
    pub(crate) fn report_unreadable(self) -> Self {
        let interpreted = [Fwid, CheckId::Mode, DriverRim, VbiosRim, Measurements];
        let unreadable = |case: Self, id| case.cannot_tell(id, &[ReportUnreadable]);
        interpreted.into_iter().fold(self, unreadable)
    }

    /// What follows of a chain none of whose certificates can be read.
    pub(crate) fn no_certificate(self) -> Self {
        let signed = [Identity, ReportSignature, Fwid];
        let keyless = |case: Self, id| case.cannot_tell(id, &[SigningKeyUnavailable]);
        signed.into_iter().fold(self, keyless)
    }

    /// What follows of a manifest that is there and not believed.
    pub(crate) fn reference_lost(self) -> Self {
        self.cannot_tell(Measurements, &[ReferenceNotVerified])
    }

    /// What is then known about certificates.
    pub(crate) fn knows(
        mut self,
        of: &[(CheckId, usize)],
        status: RevocationStatus,
        codes: &[Code],
    ) -> Self {
        let known = (status, codes.iter().copied().collect::<BTreeSet<_>>());
        self.certificates
            .extend(of.iter().map(|it| (*it, known.clone())));
        self
    }

    /// Nobody can be asked about the certificates of a chain that is not authentic or not there.
    pub(crate) fn cannot_ask(mut self, chain: CheckId) -> Self {
        self.unasked.insert(chain);
        self
    }

    fn good(&self) -> Forged {
        let good = match self.forged.report.blocks.len() {
            31 => Forged::switch(),
            _ => Forged::gpu(),
        };
        match self.forged.asked {
            Some(_) => good.with(Forged::ask),
            None => good,
        }
    }

    /// Everything that is not as the case says.
    pub(crate) fn faults(&self) -> String {
        let (found, good) = (appraise(&self.forged), appraise(&self.good()));
        let expected = self.expected(&good);
        let mut faults = String::new();
        for (id, finding) in findings(&found) {
            let expected = &expected[&id];
            if finding != *expected {
                let reasons = &found.check(id).expect("a check").reasons;
                let _ = write!(
                    faults,
                    "\n  {id}: expected {expected:?}, got {finding:?} {reasons:#?}"
                );
            }
        }
        let (known, expected_known) = (certificates(&found), self.expected_certificates(&good));
        if known != expected_known {
            let _ = write!(
                faults,
                "\n  certificates: expected {expected_known:?}, got {known:?}"
            );
        }
        let overall = overall(expected.values());
        if found.overall() != overall {
            let _ = write!(
                faults,
                "\n  overall: expected {overall}, got {}",
                found.overall()
            );
        }
        faults
    }

    pub(crate) fn expected(&self, good: &DeviceAppraisal) -> BTreeMap<CheckId, Finding> {
        let mut expected = findings(good);
        expected.extend(self.differs.iter().map(|(id, it)| (*id, it.clone())));
        expected
    }

    fn expected_certificates(&self, good: &DeviceAppraisal) -> BTreeMap<(CheckId, usize), Known> {
        let mut expected = certificates(good);
        expected.retain(|(chain, _), _| !self.unasked.contains(chain));
        let hold = self.forged.asked.as_ref().map(|asked| asked.hold);
        for ((chain, position), (status, codes)) in &self.certificates {
            let tolerated = hold == Some(Hold::ToleratedForRims) && *chain != Chain;
            let verdict = match status {
                RevocationStatus::Good => Affirmed,
                RevocationStatus::OnHold if tolerated => Affirmed,
                RevocationStatus::NotChecked => Unverifiable,
                _ => Refuted,
            };
            let known = (*status, verdict, codes.clone());
            expected.insert((*chain, *position), known);
        }
        expected
    }

    pub(crate) fn name(&self) -> String {
        format!("rows {:?}: {}", self.rows, self.wrong)
    }
}

pub(crate) fn findings(appraisal: &DeviceAppraisal) -> BTreeMap<CheckId, Finding> {
    let checks = appraisal.checks().iter().map(|check| {
        let codes = check.reasons.iter().map(|reason| reason.code).collect();
        (check.id, (check.status, codes))
    });
    checks.collect()
}

/// Status of a certificate, what it comes to, and the codes about it.
type Known = (RevocationStatus, Status, BTreeSet<Code>);

/// What an appraisal knows about each certificate asked about.
pub(crate) fn certificates(appraisal: &DeviceAppraisal) -> BTreeMap<(CheckId, usize), Known> {
    let chains = appraisal.revocation().iter();
    let known = chains.flat_map(|chain| {
        chain.certificates.iter().map(|it| {
            let codes = it.reasons().iter().map(|reason| reason.code).collect();
            (
                (chain.chain, it.position()),
                (it.status(), it.verdict(), codes),
            )
        })
    });
    known.collect()
}

/// The sum that a person would draw, without the code under test.
pub(crate) fn overall<'a>(findings: impl Iterator<Item = &'a Finding>) -> Overall {
    let statuses: Vec<_> = findings.map(|(status, _)| *status).collect();
    if statuses.contains(&Refuted) {
        Overall::Fail
    } else if statuses.contains(&Unverifiable) {
        Overall::Incomplete
    } else {
        Overall::Pass
    }
}

pub(crate) fn check_all(cases: Vec<Case>) {
    assert!(!cases.is_empty());
    let faults = cases.iter().filter_map(|case| {
        let faults = case.faults();
        (!faults.is_empty()).then(|| format!("{}{faults}", case.name()))
    });
    let faults: Vec<_> = faults.collect();
    let (wrong, of) = (faults.len(), cases.len());
    assert!(faults.is_empty(), "{wrong} of {of}\n{}", faults.join("\n"));
}

/// The block of a golden index.
pub(crate) fn block(
    it: &mut Forged,
    golden_index: u8,
) -> &mut attestation_agent::device::simulated::Block {
    it.report.block_mut(golden_index).expect("a block")
}

/// Gives an opaque field another value.
pub(crate) fn field(it: &mut Forged, id: u16, value: &[u8]) {
    it.report.field_mut(id).expect("a field").value = value.to_vec();
}

pub(crate) fn without_field(it: &mut Forged, id: u16) {
    let before = it.report.opaque.len();
    it.report.opaque.retain(|field| field.id != id);
    assert_eq!(it.report.opaque.len(), before - 1, "field {id}");
}

pub(crate) fn id(number: usize) -> u16 {
    u16::try_from(number).expect("a small number")
}

/// Some seconds from the time of appraisal.
pub(crate) fn second(offset: i64) -> UnixTime {
    UnixTime::from_secs(forge::AS_OF.secs() + offset)
}

/// A time as certificates are made with.
pub(crate) fn at(time: UnixTime) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp(time.secs()).expect("a time");
    assert!(time < NOT_AFTER);
    time
}

/// A certificate authority that can stand anywhere in a chain.
pub(crate) fn authority() -> CertificateSpec {
    CertificateSpec::authority("PoGW SIMULATED CA too many").expect("a key")
}

pub(crate) fn constraints(ca: bool, path_length: Option<u8>) -> Option<BasicConstraints> {
    Some(BasicConstraints { ca, path_length })
}

pub(crate) fn unknown_extension(critical: bool) -> Extension {
    Extension {
        oid: vec![1, 3, 6, 1, 4, 1, 0, 1],
        critical,
        value: vec![5, 0],
    }
}

/// The extension of the leaf that holds the firmware id.
pub(crate) fn fwid_extension(it: &mut Forged) -> &mut Extension {
    &mut it.chain.certificate(0).extensions[1]
}

/// One firmware id: `SEQUENCE { id-sha384, OCTET STRING }`.
pub(crate) fn sha384_fwid(fwid: &[u8]) -> Vec<u8> {
    let sha384 = [0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
    der(0x30, &[&sha384[..], &der(0x04, fwid)].concat())
}

/// The extension of Blackwell devices (TCG DICE TcbInfo) with these firmware ids.
pub(crate) fn tcb_info(fwids: &[Vec<u8>]) -> Extension {
    let fields = [der(0x80, b"NVIDIA"), der(0xa6, &fwids.concat())];
    Extension {
        oid: vec![2, 23, 133, 5, 4, 1, 1],
        critical: false,
        value: der(0x30, &fields.concat()),
    }
}

/// A certificate that names ecdsa-with-SHA256 in both places, still to be signed.
pub(crate) fn named_sha256(certificate: &[u8]) -> CertificateParts {
    let mut parts = CertificateParts::of(certificate);
    name_sha256(&mut parts.tbs);
    name_sha256(&mut parts.algorithm);
    parts
}

/// Turns ecdsa-with-SHA384 (1.2.840.10045.4.3.3) into ecdsa-with-SHA256 (…4.3.2).
pub(crate) fn name_sha256(der: &mut [u8]) {
    let sha384 = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    let at = der
        .windows(10)
        .position(|window| window == sha384)
        .expect("the algorithm");
    der[at + 9] = 2;
}

/// A signature by a P-384 key over the SHA-256 of a message, as no genuine device makes.
pub(crate) fn signed_over_sha256(key: &Key, message: &[u8]) -> p384::ecdsa::Signature {
    let key = p384::SecretKey::from_pkcs8_der(key.to_pkcs8()).expect("a key");
    let key = SigningKey::from(key);
    key.sign_prehash(&crypto::sha256(message))
        .expect("a signature")
}
