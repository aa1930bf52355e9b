//! Evidence that is wrong in exactly one way each time, and everything that comes of it.
//!
//! A case names the rows of nvidia-evidence 10 it stands for, says in a sentence what is wrong, makes that wrong and
//! nothing else, and lists every check that then differs from the good evidence, with its status and all its codes.
//! **Every check that is not listed must be as on good evidence**: affirmed, without a word. So a report that is
//! changed before it is signed keeps its signature affirmed, and a defect of one manifest never touches the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use attestation_agent::device::simulated::pki::{DIGITAL_SIGNATURE, KEY_CERT_SIGN, NOT_AFTER};
use attestation_agent::device::simulated::rim::{C14N11, ENVELOPED};
use attestation_agent::device::simulated::{
    Attributes, BasicConstraints, CertificateSpec, Extension, Key, Name, Reference, ReportSpec,
    RimSpec, Tlv, firmware,
};
use evidence::CheckId::{
    Chain, DriverRim, Fwid, Identity, Measurements, Nonce, Parse, ReportSignature, VbiosRim,
};
use evidence::Code::*;
use evidence::Status::{Affirmed, Refuted, Unverifiable};
use evidence::appraise::{
    CORE_DEVICE_CHECKS, DeviceAppraisal, DeviceEvidence, DeviceReading, EvidenceAppraisal,
};
use evidence::cert::AnchorUse;
use evidence::crypto;
use evidence::device::Architecture;
use evidence::limits::{MAX_CHAIN_BYTES, MAX_OPAQUE_FIELDS, MAX_REPORT_BYTES, MAX_RIM_BYTES};
use evidence::policy::{Decision, Policy};
use evidence::rim::RimRole;
use evidence::{CheckId, Code, Overall, Status, UnixTime};
use p384::ecdsa::SigningKey;
use p384::ecdsa::signature::hazmat::PrehashSigner;
use p384::pkcs8::DecodePrivateKey;
use tests::forge::{
    self, CertificateParts, Forged, Manifest, appraise, der, p256_key, stranger_key,
};
use time::OffsetDateTime;

/// Rows of nvidia-evidence 10 marked M, of the parts this file is about: input and report, device certificates, RIMs,
/// comparison.
const MUST: &[std::ops::RangeInclusive<u8>] = &[
    1..=4,
    6..=16,
    18..=34,
    37..=40,
    42..=56,
    75..=90,
    92..=99,
    102..=104,
    106..=107,
];

/// Rows held by a test of its own in this file.
const IN_TESTS_OF_THEIR_OWN: &[(u8, &str)] = &[
    (50, "the_time_of_appraisal_is_an_argument"),
    (55, "no_device_counts_twice"),
    (77, "no_id_leaves_its_folder"),
];

/// Rows no case stands for, and why.
const NOT_COVERED: &[(u8, &str)] = &[
    (
        32,
        "held by the type: the expected nonce is an array of 32 bytes",
    ),
    (
        33,
        "the JSON forms of nvidia-evidence 11 are read outside the evidence crate",
    ),
    (
        34,
        "issuing and spending challenges needs state: the verifier service's",
    ),
    (
        75,
        "the answer of the RIM service is read by the verifier service",
    ),
    (
        76,
        "the answer of the RIM service is read by the verifier service",
    ),
];

/// One defect, and everything that comes of it.
struct Case {
    rows: &'static [u8],
    wrong: String,
    forged: Forged,
    differs: BTreeMap<CheckId, Finding>,
}

/// Status and codes of one check.
type Finding = (Status, BTreeSet<Code>);

/// A GPU with one defect.
fn case(rows: &'static [u8], wrong: impl Into<String>, change: impl FnOnce(&mut Forged)) -> Case {
    Case {
        rows,
        wrong: wrong.into(),
        forged: Forged::gpu().with(change),
        differs: BTreeMap::new(),
    }
}

/// A switch with one defect.
fn switch(rows: &'static [u8], wrong: impl Into<String>, change: impl FnOnce(&mut Forged)) -> Case {
    Case {
        forged: Forged::switch().with(change),
        ..case(rows, wrong, |_| ())
    }
}

impl Case {
    fn differs(mut self, id: CheckId, status: Status, codes: &[Code]) -> Self {
        let finding = (status, codes.iter().copied().collect());
        assert!(self.differs.insert(id, finding).is_none(), "{id} twice");
        self
    }

    fn refutes(self, id: CheckId, codes: &[Code]) -> Self {
        self.differs(id, Refuted, codes)
    }

    fn cannot_tell(self, id: CheckId, codes: &[Code]) -> Self {
        self.differs(id, Unverifiable, codes)
    }

    /// Still right, but something is said about it.
    fn remarks(self, id: CheckId, codes: &[Code]) -> Self {
        self.differs(id, Affirmed, codes)
    }

    /// What follows of a report whose parts cannot be told apart.
    fn report_unreadable(self) -> Self {
        let interpreted = [Fwid, CheckId::Mode, DriverRim, VbiosRim, Measurements];
        let unreadable = |case: Self, id| case.cannot_tell(id, &[ReportUnreadable]);
        interpreted.into_iter().fold(self, unreadable)
    }

    /// What follows of a chain none of whose certificates can be read.
    fn no_certificate(self) -> Self {
        let signed = [Identity, ReportSignature, Fwid];
        let keyless = |case: Self, id| case.cannot_tell(id, &[SigningKeyUnavailable]);
        signed.into_iter().fold(self, keyless)
    }

    /// What follows of a manifest that is there and not believed.
    fn reference_lost(self) -> Self {
        self.cannot_tell(Measurements, &[ReferenceNotVerified])
    }

    /// Everything that is not as the case says.
    fn faults(&self) -> String {
        let good = match self.forged.report.blocks.len() {
            31 => Forged::switch(),
            _ => Forged::gpu(),
        };
        let (found, good) = (appraise(&self.forged), appraise(&good));
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

    fn expected(&self, good: &DeviceAppraisal) -> BTreeMap<CheckId, Finding> {
        let mut expected = findings(good);
        expected.extend(self.differs.iter().map(|(id, it)| (*id, it.clone())));
        expected
    }

    fn name(&self) -> String {
        format!("rows {:?}: {}", self.rows, self.wrong)
    }
}

fn findings(appraisal: &DeviceAppraisal) -> BTreeMap<CheckId, Finding> {
    let checks = appraisal.checks().iter().map(|check| {
        let codes = check.reasons.iter().map(|reason| reason.code).collect();
        (check.id, (check.status, codes))
    });
    checks.collect()
}

/// The sum that a person would draw, without the code under test.
fn overall<'a>(findings: impl Iterator<Item = &'a Finding>) -> Overall {
    let statuses: Vec<_> = findings.map(|(status, _)| *status).collect();
    if statuses.contains(&Refuted) {
        Overall::Fail
    } else if statuses.contains(&Unverifiable) {
        Overall::Incomplete
    } else {
        Overall::Pass
    }
}

fn check_all(cases: Vec<Case>) {
    assert!(!cases.is_empty());
    let faults = cases.iter().filter_map(|case| {
        let faults = case.faults();
        (!faults.is_empty()).then(|| format!("{}{faults}", case.name()))
    });
    let faults: Vec<_> = faults.collect();
    let (wrong, of) = (faults.len(), cases.len());
    assert!(faults.is_empty(), "{wrong} of {of}\n{}", faults.join("\n"));
}

fn all_cases() -> Vec<Case> {
    let groups = [
        sizes(),
        report_messages(),
        measurement_record(),
        opaque_data(),
        nonce(),
        report_signature(),
        chain_text(),
        chain_roots(),
        chain_links(),
        chain_rights(),
        chain_algorithms(),
        chain_times(),
        firmware_ids(),
        identities(),
        of_both_roles(rim_form),
        of_both_roles(rim_resources),
        of_both_roles(rim_signature),
        of_both_roles(rim_chain),
        of_both_roles(rim_fit),
        rim_pairs(),
        comparison(),
        video_decoder(),
        switches(),
        tolerated(),
    ];
    groups.into_iter().flatten().collect()
}

//------------ The good ones -------------------------------------------------

#[test]
fn the_good_ones_are_good() {
    use Status::NotRequested;
    let gpu = [(CheckId::Revocation, NotRequested, None)];
    // A switch has no driver, and its report neither firmware id nor mode.
    let switch = [
        (CheckId::Revocation, NotRequested, None),
        (CheckId::Mode, NotRequested, None),
        (DriverRim, NotRequested, None),
        (Fwid, Affirmed, Some(FwidAbsentInReport)),
    ];
    for (good, special) in [(Forged::gpu(), &gpu[..]), (Forged::switch(), &switch)] {
        let appraisal = appraise(&good);
        assert_eq!(appraisal.overall(), Overall::Pass, "{appraisal:#?}");
        assert_eq!(appraisal.checks().len(), 11);
        assert!(appraisal.simulated());
        for (id, found) in findings(&appraisal) {
            let special = special.iter().find(|(special, ..)| *special == id);
            let (_, status, code) = special.copied().unwrap_or((id, Affirmed, None));
            assert_eq!(found, (status, BTreeSet::from_iter(code)), "{id}");
        }
    }
    let compared = appraise(&Forged::gpu()).compared().clone();
    assert_eq!((compared.compared, compared.skipped_nvdec0), (32, 1));
    assert_eq!(appraise(&Forged::switch()).compared().compared, 31);
}

#[rustfmt::skip]
#[test]
fn modes_unknown_or_in_two_voices_are_refused() {
    let flag = |it: &mut Forged, flag: u16| field(it, 36, &flag.to_le_bytes());
    check_all(vec![
        case(&[110], "mode that nobody knows", |it| flag(it, 3)).refutes(CheckId::Mode, &[FeatureFlagUnknown]),
        case(&[110], "mode in the second byte", |it| flag(it, 0x0100)).refutes(CheckId::Mode, &[FeatureFlagUnknown]),
        case(&[110], "state of protected PCIe neither on nor off", |it| field(it, 21, &[0]))
            .refutes(CheckId::Mode, &[FeatureFlagUnknown]),
        case(&[111], "protected PCIe by the flag alone", |it| flag(it, 2)).refutes(CheckId::Mode, &[FeatureFlagMismatch]),
        case(&[111], "protected PCIe by its state alone", |it| field(it, 21, &[0xaa]))
            .refutes(CheckId::Mode, &[FeatureFlagMismatch]),
    ]);
    // Several passed through; protected PCIe in both fields; fields of older firmware and of Blackwell.
    for change in [
        (|it: &mut Forged| field(it, 36, &[1, 0])) as fn(&mut Forged),
        |it| { field(it, 36, &[2, 0]); field(it, 21, &[0xaa]); },
        |it| without_field(it, 21),
    ] {
        let it = Forged::gpu().with(change);
        assert!(appraise(&it).affirms(CheckId::Mode), "{:#?}", appraise(&it));
    }
}

/// Things that look odd and are allowed, so that a stricter rule does not creep in unseen.
#[rustfmt::skip]
fn tolerated() -> Vec<Case> {
    let mut cases = vec![
        case(&[1], "report of exactly the largest size", |it| {
            let room = MAX_REPORT_BYTES - it.report_bytes().len();
            let field = it.report.field_mut(4).expect("GPU_INFO");
            field.value.resize(field.value.len() + room, 0);
        }),
        case(&[1], "chain text of exactly the largest size", |it| {
            it.chain_in_transit(|pem| pem.resize(MAX_CHAIN_BYTES, b'\n'));
        }),
        case(&[18], "raw bit stream at an index nobody compares", |it| {
            it.report.block_mut(63).expect("a block").value_type = 0x81;
        }),
        case(&[9, 11], "blocks in descending order", |it| it.report.blocks.reverse()),
        case(&[23], "placeholder field 255", |it| it.report.opaque.push(Tlv::new(255, [1, 2]))),
        case(&[25, 28], "version of the opaque data in one byte", |it| field(it, 34, &[1])),
        case(&[25, 28], "version of the opaque data in eight bytes", |it| {
            field(it, 34, &[1, 0, 0, 0, 0, 0, 0, 0]);
        }),
        case(&[36], "responder nonce of zeros, which nobody compares", |it| {
            it.report.responder_nonce = [0; 32];
        }),
        case(&[37], "s in the upper half, as NVIDIA does not normalise it", |it| {
            it.report_in_transit(|report| {
                let at = report.len() - 48;
                let s = forge::p384_order_minus(&report[at..]);
                report[at..].copy_from_slice(&s);
            });
        }),
        case(&[39], "architecture not claimed", |it| it.claimed = None),
        case(&[42], "chain with CR LF and words around the certificates", |it| {
            it.chain_in_transit(|pem| {
                let text = String::from_utf8(pem.clone()).expect("text");
                *pem = format!("device chain\n{text}\nend\n").replace('\n', "\r\n").into_bytes();
            });
        }),
        case(&[46], "key usage and constraints not marked critical", |it| {
            (0..4).for_each(|n| it.chain.certificate(n).critical = false);
        }),
        case(&[46, 56], "leaf that says in so many words that it is no CA", |it| {
            it.chain.certificate(0).basic_constraints = constraints(false, None);
        }),
        case(&[46], "unknown extension that is not critical", |it| {
            it.chain.certificate(2).extensions.push(unknown_extension(false));
        }),
        case(&[52], "no firmware id in a report without opaque version", |it| {
            it.report.opaque.retain(|field| ![20, 34].contains(&field.id));
        })
        .remarks(Fwid, &[FwidAbsentInReport]),
        case(&[51, 53], "firmware id in the form of Blackwell", |it| {
            let fwid = firmware::firmware_id();
            *fwid_extension(it) = tcb_info(&[sha384_fwid(&fwid), sha384_fwid(&[0; 48])]);
        }),
        case(&[48, 49], "first and last second of the leaf's validity", |it| {
            it.chain.certificate(0).not_before = at(forge::AS_OF);
            it.chain.certificate(0).not_after = at(forge::AS_OF);
        }),
        case(&[89], "VBIOS version in lower case", |it| {
            let version = firmware::vbios_version_text().to_lowercase();
            it.vbios().spec.meta.set("colloquialVersion", &version);
        }),
        case(&[92], "manifests handed over without an id", |it| {
            it.driver().id = None;
            it.vbios().id = None;
        })
        .differs(VbiosRim, Affirmed, &[RimIdUnbound]),
        case(&[102], "first of several alternatives", |it| {
            it.report.block_mut(12).expect("a block").value = firmware::references(12)[0].to_vec();
        }),
        case(&[102], "value at an index no manifest covers", |it| {
            it.report.block_mut(63).expect("a block").value = vec![9; 48];
        }),
        case(&[104], "block missing that no manifest covers", |it| {
            it.report.blocks.retain(|block| block.index != 64);
        }),
    ];
    for position in 1..4 {
        let below = u8::try_from(position - 1).expect("small");
        let wrong = format!("path length of certificate {position} just long enough");
        cases.push(case(&[46], wrong, |it| {
            it.chain.certificate(position).basic_constraints = constraints(true, Some(below));
        }));
    }
    cases
}

#[test]
fn what_is_odd_but_allowed_changes_nothing() {
    check_all(tolerated());
}

//------------ Report --------------------------------------------------------

#[rustfmt::skip]
fn sizes() -> Vec<Case> {
    vec![
        case(&[1], "report one byte larger than any report", |it| {
            let room = MAX_REPORT_BYTES + 1 - it.report_bytes().len();
            let field = it.report.field_mut(4).expect("GPU_INFO");
            field.value.resize(field.value.len() + room, 0);
        })
        .refutes(Parse, &[ReportTooLarge])
        .report_unreadable(),
        case(&[1], "chain text one byte larger than any chain", |it| {
            it.chain_in_transit(|pem| pem.resize(MAX_CHAIN_BYTES + 1, b'\n'));
        })
        .refutes(Chain, &[ChainTooLarge])
        .no_certificate(),
        case(&[1], "manifest one byte larger than any manifest", |it| {
            it.vbios().in_transit(|xml| xml.resize(MAX_RIM_BYTES + 1, b'\n'));
        })
        .refutes(VbiosRim, &[RimTooLarge])
        .reference_lost(),
        case(&[1, 78], "manifest of exactly the largest size, of blanks", |it| {
            it.driver().in_transit(|xml| xml.resize(MAX_RIM_BYTES, b'\n'));
        })
        .refutes(DriverRim, &[RimMalformed])
        .reference_lost(),
        case(&[1], "more opaque fields than there are ids", |it| {
            let unknown = (0..MAX_OPAQUE_FIELDS).map(|n| Tlv::new(300 + id(n), [0]));
            it.report.opaque.extend(unknown);
        })
        .refutes(Parse, &[OpaqueFieldUnknown, OpaqueMalformed]),
    ]
}

#[rustfmt::skip]
fn report_messages() -> Vec<Case> {
    let truncated = |length: usize| {
        case(&[2], format!("report cut after {length} bytes"), |it| {
            it.report_in_transit(move |report| report.truncate(length));
        })
        .refutes(Parse, &[ReportTooShort])
        .refutes(ReportSignature, &[ReportSignatureInvalid])
        .report_unreadable()
    };
    vec![
        truncated(0).refutes(Nonce, &[NonceMismatch]),
        truncated(35).refutes(Nonce, &[NonceMismatch]),
        truncated(36),
        truncated(44),
        truncated(600),
        truncated(3596),
        truncated(3598),
        truncated(3700),
        case(&[2, 30], "last byte of the report missing", |it| {
            it.report_in_transit(|report| report.truncate(report.len() - 1));
        })
        .refutes(Parse, &[ReportTooShort])
        .refutes(ReportSignature, &[ReportSignatureInvalid])
        .report_unreadable(),
        case(&[3], "request of SPDM 1.2", |it| it.report.request_version = 0x12)
            .refutes(Parse, &[SpdmVersionUnsupported]),
        case(&[6, 8], "response of SPDM 1.0", |it| it.report.response_version = 0x10)
            .refutes(Parse, &[SpdmVersionUnsupported]),
        case(&[3, 6, 8], "request and response agree on SPDM 1.2", |it| {
            it.report.request_version = 0x12;
            it.report.response_version = 0x12;
        })
        .refutes(Parse, &[SpdmVersionUnsupported]),
        case(&[4], "request that asks for digests", |it| it.report.request_code = 0x81)
            .refutes(Parse, &[SpdmMessageUnexpected]),
        case(&[5], "request that asks for no signature", |it| it.report.request_param1 = 0)
            .refutes(Parse, &[SpdmMessageUnexpected]),
        case(&[5], "request for one measurement", |it| it.report.request_param2 = 1)
            .refutes(Parse, &[SpdmMessageUnexpected]),
        case(&[5], "request to another slot", |it| it.report.slot = 1).refutes(Parse, &[SpdmMessageUnexpected]),
        case(&[7], "response that is an error", |it| it.report.response_code = 0x7f)
            .refutes(Parse, &[SpdmMessageUnexpected]),
        case(&[30], "one byte after the signature", |it| it.report.trailing = vec![0])
            .refutes(Parse, &[TrailingBytes])
            .refutes(ReportSignature, &[ReportSignatureInvalid]),
    ]
}

#[rustfmt::skip]
fn measurement_record() -> Vec<Case> {
    vec![
        case(&[9], "number of blocks zero", |it| it.report.block_count = Some(0))
            .refutes(Parse, &[MeasurementRecordMalformed])
            .refutes(Measurements, &[MeasurementMissing]),
        case(&[9], "no measurement at all", |it| it.report.blocks.clear())
            .refutes(Parse, &[MeasurementRecordMalformed])
            .refutes(Measurements, &[MeasurementMissing]),
        case(&[10], "record longer than the report", |it| {
            it.report.record_length = Some(0x00ff_ffff);
        })
        .refutes(Parse, &[ReportTooShort])
        .report_unreadable(),
        case(&[11], "one block fewer stated than written", |it| {
            it.report.block_count = Some(63);
        })
        .refutes(Parse, &[MeasurementRecordMalformed]),
        case(&[11], "one block more stated than written", |it| {
            it.report.block_count = Some(65);
        })
        .refutes(Parse, &[MeasurementRecordMalformed]),
        case(&[11], "a byte after the last block", |it| it.report.record_trailing = vec![0])
            .refutes(Parse, &[MeasurementRecordMalformed]),
        case(&[12], "block that is not of DMTF", |it| block(it, 63).specification = 2)
            .refutes(Parse, &[MeasurementBlockMalformed]),
        case(&[13], "last block longer than the record", |it| {
            block(it, 63).measurement_size = Some(52);
        })
        .refutes(Parse, &[MeasurementRecordMalformed]),
        case(&[13], "last block far longer than the report", |it| {
            block(it, 63).measurement_size = Some(0xffff);
        })
        .refutes(Parse, &[MeasurementRecordMalformed]),
        case(&[14], "a byte of slack inside a block", |it| {
            block(it, 63).value = vec![0; 49];
            block(it, 63).value_size = Some(48);
        })
        .refutes(Parse, &[MeasurementBlockMalformed]),
        case(&[14], "value size that reaches into the next block", |it| {
            block(it, 0).value_size = Some(49);
        })
        .refutes(Parse, &[MeasurementBlockMalformed]),
        case(&[14], "value size zero over a digest", |it| block(it, 0).value_size = Some(0))
            .refutes(Parse, &[MeasurementBlockMalformed]),
        case(&[13, 14], "last block too small for type and size of its value", |it| {
            let last = it.report.blocks.pop().expect("a block");
            it.report.block_count = Some(64);
            it.report.record_trailing = vec![last.index, 1, 2, 0, 1, 48];
        })
        .refutes(Parse, &[MeasurementBlockMalformed]),
        case(&[15], "block with index 0", |it| block(it, 63).index = 0).refutes(Parse, &[MeasurementIndexInvalid]),
        case(&[16], "index twice, the same value", |it| {
            let first = block(it, 0).clone();
            *block(it, 63) = first;
        })
        .refutes(Parse, &[MeasurementIndexInvalid]),
        case(&[16], "index twice, another value", |it| block(it, 63).index = 1)
            .refutes(Parse, &[MeasurementIndexInvalid]),
    ]
}

#[rustfmt::skip]
fn opaque_data() -> Vec<Case> {
    let mut cases = vec![
        case(&[19], "opaque data longer than the report", |it| {
            it.report.opaque_length = Some(0xffff);
        })
        .refutes(Parse, &[ReportTooShort])
        .report_unreadable(),
        case(&[20], "opaque data empty", |it| it.report.opaque.clear())
            .refutes(Parse, &[OpaqueMalformed, OpaqueFieldMissing])
            .remarks(Fwid, &[FwidAbsentInReport])
            .differs(CheckId::Mode, Status::NotRequested, &[])
            .cannot_tell(DriverRim, &[ReportUnreadable])
            .cannot_tell(VbiosRim, &[ReportUnreadable])
            .reference_lost(),
        case(&[22], "last field longer than the opaque data", |it| {
            it.report.field_mut(36).expect("FEATURE_FLAG").length = Some(3);
        })
        .refutes(Parse, &[OpaqueMalformed]),
        case(&[22], "last field far longer than the report", |it| {
            it.report.field_mut(36).expect("FEATURE_FLAG").length = Some(0xffff);
        })
        .refutes(Parse, &[OpaqueMalformed]),
        case(&[23], "field id nobody knows", |it| it.report.opaque.push(Tlv::new(99, [0])))
            .refutes(Parse, &[OpaqueFieldUnknown]),
        case(&[23], "field id zero", |it| it.report.opaque.push(Tlv::new(0, [0])))
            .refutes(Parse, &[OpaqueFieldUnknown]),
        case(&[23], "field of a switch in the report of a GPU", |it| {
            it.report.opaque.push(Tlv::new(26, [0; 128]));
        })
        .refutes(Parse, &[OpaqueFieldUnknown]),
        case(&[24], "field twice, the same value", |it| {
            let version = it.report.field_mut(3).expect("DRIVER_VERSION").clone();
            it.report.opaque.push(version);
        })
        .refutes(Parse, &[OpaqueFieldDuplicate]),
        case(&[24], "field twice, another value", |it| {
            it.report.opaque.push(Tlv::text(3, "1.2.3", 8));
        })
        .refutes(Parse, &[OpaqueFieldDuplicate]),
        case(&[25], "opaque data of version 2", |it| field(it, 34, &[2, 0]))
            .refutes(Parse, &[OpaqueVersionUnsupported]),
        case(&[25], "opaque data of version 2^32 + 1", |it| field(it, 34, &[1, 0, 0, 0, 1]))
            .refutes(Parse, &[OpaqueVersionUnsupported]),
        case(&[26], "driver version missing", |it| without_field(it, 3))
            .refutes(Parse, &[OpaqueFieldMissing])
            .cannot_tell(DriverRim, &[ReportUnreadable])
            .reference_lost(),
        case(&[26], "driver version of NULs alone", |it| field(it, 3, &[0; 4]))
            .refutes(Parse, &[OpaqueFieldMissing])
            .refutes(DriverRim, &[RimVersionMismatch, RimIdMismatch])
            .reference_lost(),
        case(&[26], "VBIOS version missing", |it| without_field(it, 6))
            .refutes(Parse, &[OpaqueFieldMissing])
            .cannot_tell(VbiosRim, &[ReportUnreadable])
            .reference_lost(),
        case(&[27], "counters not a multiple of four bytes", |it| field(it, 12, &[0; 255]))
            .refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[27], "switch identities not a multiple of eight bytes", |it| {
            field(it, 22, &[0; 143]);
        })
        .refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[28], "firmware id of 47 bytes", |it| field(it, 20, &firmware::firmware_id()[..47]))
            .refutes(Parse, &[OpaqueFieldInvalid])
            .refutes(Fwid, &[FwidAbsentInReport]),
        case(&[28], "protected PCIe status of two bytes", |it| field(it, 21, &[0x55, 0]))
            .refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[28], "version of the opaque data of nine bytes", |it| field(it, 34, &[0; 9]))
            .refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[28], "version of the opaque data of no bytes", |it| field(it, 34, &[]))
            .refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[28], "feature flag of nine bytes", |it| field(it, 36, &[0; 9])).refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[28], "VBIOS version of nine bytes", |it| field(it, 6, &[0x4d; 9]))
            .refutes(Parse, &[OpaqueFieldInvalid, OpaqueFieldMissing])
            .cannot_tell(VbiosRim, &[ReportUnreadable])
            .reference_lost(),
        case(&[28], "video decoder status of two bytes", |it| field(it, 11, &[0x55, 0x55]))
            .refutes(Parse, &[OpaqueFieldInvalid, OpaqueFieldMissing]),
        case(&[29], "text with a NUL inside", |it| field(it, 16, b"0\x000\0")).refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[29], "text with a line feed", |it| field(it, 16, b"0\n\0")).refutes(Parse, &[OpaqueFieldInvalid]),
        case(&[29], "text that is not ASCII", |it| field(it, 16, "é\0".as_bytes()))
            .refutes(Parse, &[OpaqueFieldInvalid]),
    ];
    for (id, name) in [(11, "video decoder status"), (15, "chip SKU"), (17, "project"), (18, "project SKU")] {
        let missing = case(&[26], format!("{name} missing"), |it| without_field(it, id));
        cases.push(missing.refutes(Parse, &[OpaqueFieldMissing]));
    }
    for dangling in 1..4 {
        let wrong = format!("{dangling} bytes after the last field, too few for another");
        let stray = vec![0; dangling];
        let dangling = case(&[21], wrong, |it| it.report.opaque_trailing = stray);
        cases.push(dangling.refutes(Parse, &[OpaqueMalformed]));
    }
    cases
}

#[test]
fn reports_of_another_form_are_refused() {
    check_all(sizes());
    check_all(report_messages());
    check_all(measurement_record());
    check_all(opaque_data());
}

#[rustfmt::skip]
fn nonce() -> Vec<Case> {
    let mut cases = vec![
        case(&[31], "nonce of zeros", |it| it.report.nonce = [0; 32]).refutes(Nonce, &[NonceMismatch]),
        case(&[31], "expected nonce where the device puts its own", |it| {
            it.report.nonce = [9; 32];
            it.report.responder_nonce = forge::NONCE;
        })
        .refutes(Nonce, &[NonceMismatch]),
        case(&[31], "bytes of the nonce in reverse", |it| it.report.nonce.reverse()).refutes(Nonce, &[NonceMismatch]),
        case(&[31, 37], "nonce put in after signing", |it| {
            it.report.nonce = [9; 32];
            it.report_in_transit(|report| report[4..36].copy_from_slice(&forge::NONCE));
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
    ];
    for byte in [0, 15, 16, 31] {
        for bit in [0, 7] {
            let wrong = format!("bit {bit} of byte {byte} of the nonce");
            let other = case(&[31], wrong, |it| it.report.nonce[byte] ^= 1 << bit);
            cases.push(other.refutes(Nonce, &[NonceMismatch]));
        }
    }
    cases
}

#[test]
fn reports_for_another_nonce_are_refused() {
    check_all(nonce());
}

#[rustfmt::skip]
fn report_signature() -> Vec<Case> {
    let written = |wrong: &str, signature: fn(&[u8]) -> Vec<u8>| {
        case(&[37], wrong, |it| {
            it.report_in_transit(move |report| {
                let at = report.len() - 96;
                let signature = signature(&report[at..]);
                report.splice(at.., signature);
            });
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid])
    };
    let of_another_length = |wrong: &str, signature| written(wrong, signature).refutes(Parse, &[TrailingBytes]);
    vec![
        written("r zero", |it| [&[0; 48], &it[48..]].concat()),
        written("s zero", |it| [&it[..48], &[0; 48]].concat()),
        written("signature of zeros", |_| vec![0; 96]),
        written("r the order of the group", |it| [&forge::P384_ORDER[..], &it[48..]].concat()),
        written("s the order of the group", |it| [&it[..48], &forge::P384_ORDER[..]].concat()),
        written("r and s swapped", |it| [&it[48..], &it[..48]].concat()),
        written("r and s little endian", |it| {
            let reversed = |half: &[u8]| half.iter().rev().copied().collect::<Vec<_>>();
            [reversed(&it[..48]), reversed(&it[48..])].concat()
        }),
        written("last bit flipped", |it| [&it[..95], &[it[95] ^ 1]].concat()),
        of_another_length("signature in DER", |it| {
            der(0x30, &[forge::der_integer(&it[..48]), forge::der_integer(&it[48..])].concat())
        }),
        of_another_length("signature with a leading zero", |it| [&[0], it].concat()),
        case(&[37], "signed by a key that is in no chain", |it| {
            it.report_signer = Some(stranger_key());
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[37], "signed by the key of the second certificate", |it| {
            it.report_signer = Some(Arc::clone(&it.chain.certificate(1).key));
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[37], "signed with SHA-256", |it| {
            let key = Arc::clone(it.chain.leaf_key());
            it.report_in_transit(move |report| {
                let at = report.len() - 96;
                let signature = signed_over_sha256(&key, &report[..at]).to_bytes();
                report.splice(at.., signature);
            });
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[37], "response signed without its request", |it| {
            let key = Arc::clone(it.chain.leaf_key());
            it.report_in_transit(move |report| {
                let at = report.len() - 96;
                let signature = key.sign_fixed(&report[37..at]).expect("a signature");
                report.splice(at.., signature);
            });
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[37], "device's own nonce changed after signing", |it| {
            it.report_in_transit(|report| report[3565] ^= 1);
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[37, 102], "measurement made good after signing", |it| {
            let good = block(it, 0).value[0];
            block(it, 0).value[0] ^= 1;
            it.report_in_transit(move |report| report[52] = good);
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[38, 47], "leaf with a key on P-256, report signed by the former key", |it| {
            it.report_signer = Some(Arc::clone(it.chain.leaf_key()));
            it.chain.certificate(0).key = p256_key();
        })
        .refutes(Chain, &[CertificateAlgorithm])
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        case(&[38, 47], "leaf with a key on P-256 that signed the report", |it| {
            it.chain.certificate(0).key = p256_key();
        })
        .refutes(Parse, &[ReportTooShort])
        .refutes(Chain, &[CertificateAlgorithm])
        .refutes(ReportSignature, &[ReportSignatureInvalid])
        .report_unreadable(),
    ]
}

#[test]
fn reports_signed_otherwise_are_refused() {
    check_all(report_signature());
}

//------------ Device certificates -------------------------------------------

#[rustfmt::skip]
fn chain_text() -> Vec<Case> {
    let unreadable = |rows, wrong: &str, code, change: fn(&mut Forged)| {
        case(rows, wrong, change).refutes(Chain, &[code]).no_certificate()
    };
    vec![
        unreadable(&[42], "no certificate at all", ChainLength, |it| {
            it.chain.handed_over(Vec::clear);
        }),
        unreadable(&[42], "more certificates than are looked at", ChainLength, |it| {
            it.chain.handed_over(|ders| ders.resize(9, ders[4].clone()));
        }),
        unreadable(&[42], "private key among the certificates", PemMalformed, |it| {
            it.chain_in_transit(|pem| {
                pem.extend(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
            });
        }),
        unreadable(&[42], "certificate that is not base64", PemMalformed, |it| {
            it.chain_in_transit(|pem| pem[40] = b'*');
        }),
        unreadable(&[42], "certificate that is not DER", CertificateMalformed, |it| {
            it.chain.handed_over(|ders| ders[2][0] = 0x31);
        }),
        unreadable(&[42], "byte after a certificate", CertificateMalformed, |it| {
            it.chain.handed_over(|ders| ders[1].push(0));
        }),
        unreadable(&[46], "basic constraints twice", CertificateMalformed, |it| {
            let oid = vec![2, 5, 29, 19];
            let value = vec![0x30, 3, 1, 1, 0xff];
            let again = Extension { oid, critical: true, value };
            it.chain.certificate(2).extensions.push(again);
        }),
        unreadable(&[47], "signature algorithm named in one of two places", CertificateMalformed, |it| {
            it.chain.handed_over(|ders| {
                let mut parts = CertificateParts::of(&ders[2]);
                name_sha256(&mut parts.algorithm);
                ders[2] = parts.der();
            });
        }),
        case(&[42], "chain of four, each signed by the next", |it| {
            it.chain.certificates().remove(2);
        })
        .refutes(Chain, &[ChainLength]),
        case(&[42], "chain of six, each signed by the next", |it| {
            it.chain.certificates().insert(2, authority());
        })
        .refutes(Chain, &[ChainLength]),
        case(&[42], "root twice", |it| {
            it.chain.handed_over(|ders| ders.push(ders[4].clone()));
        })
        .refutes(Chain, &[ChainLength]),
        case(&[42, 43, 44], "root left out, as TLS would", |it| {
            it.chain.handed_over(|ders| ders.truncate(4));
        })
        .refutes(Chain, &[ChainLength, ChainRootUntrusted]),
        case(&[42, 45], "certificate missing in the middle", |it| {
            it.chain.handed_over(|ders| drop(ders.remove(2)));
        })
        .refutes(Chain, &[ChainLength, ChainOrder, CertificateSignatureInvalid]),
    ]
}

#[rustfmt::skip]
fn chain_roots() -> Vec<Case> {
    let untrusted =
        |rows, wrong: &str, change: fn(&mut Forged)| case(rows, wrong, change).refutes(Chain, &[ChainRootUntrusted]);
    vec![
        untrusted(&[43, 44], "another root of the same name, and all below it", |it| {
            it.chain = forge::Chain::of_a_stranger();
        }),
        untrusted(&[44], "root of the pinned key and name, signed once more", |it| {
            it.chain.certificate(4);
        }),
        untrusted(&[43], "no device root pinned", |it| drop(it.anchors.remove(0))),
        untrusted(&[43], "device root pinned for manifests alone", |it| {
            it.anchors[0].usage = AnchorUse::Rim;
        }),
        untrusted(&[43], "fact about the root with another digest", |it| {
            it.anchors[0].sha256[31] ^= 1;
        }),
        untrusted(&[43], "fact about the root with another key", |it| {
            it.anchors[0].spki = stranger_key().spki_der();
        }),
        untrusted(&[43], "chain under the root of manifests", |it| {
            let other = it.driver().chain.clone();
            it.chain.put_under_root_of(&other);
        }),
    ]
}

#[rustfmt::skip]
fn chain_links() -> Vec<Case> {
    let mut cases = vec![
        case(&[45], "third and fourth certificate swapped", |it| {
            it.chain.handed_over(|ders| ders.swap(2, 3));
        })
        .refutes(Chain, &[ChainOrder, CertificateSignatureInvalid]),
        case(&[45], "report and leaf of another device of the same names", |it| {
            let other = forge::Chain::of_a_stranger();
            it.report_signer = Some(Arc::clone(other.leaf_key()));
            it.chain.handed_over(move |ders| ders[0] = other.ders()[0].clone());
        })
        .refutes(Chain, &[CertificateSignatureInvalid]),
    ];
    for n in 0..4 {
        cases.push(
            case(&[45], format!("signature of certificate {n} damaged"), |it| {
                it.chain.certificate(n).corrupt_signature = true;
            })
            .refutes(Chain, &[CertificateSignatureInvalid]),
        );
        cases.push(
            case(&[45], format!("certificate {n} signed by a stranger"), |it| {
                it.chain.certificate(n).signer = Some(stranger_key());
            })
            .refutes(Chain, &[CertificateSignatureInvalid]),
        );
        cases.push(
            case(&[45], format!("certificate {n} issued in another name"), |it| {
                it.chain.certificate(n).issuer = Some(Name::simulated("somebody else"));
            })
            .refutes(Chain, &[ChainOrder]),
        );
    }
    cases
}

#[rustfmt::skip]
fn chain_rights() -> Vec<Case> {
    let rights = |n: usize, wrong: &str, code, change: &dyn Fn(&mut CertificateSpec)| {
        let rows: &[u8] = if n == 0 { &[46, 56] } else { &[46] };
        case(rows, format!("certificate {n} {wrong}"), |it| {
            change(it.chain.certificate(n));
            if n == 4 {
                it.trust_device_root();
            }
        })
        .refutes(Chain, &[code])
    };
    let mut cases = vec![
        rights(0, "is a CA", CertificateBasicConstraints, &|it| it.basic_constraints = constraints(true, None)),
        rights(0, "may not sign data", CertificateKeyUsage, &|it| it.key_usage = Some(KEY_CERT_SIGN)),
        rights(0, "has no key usage", CertificateKeyUsage, &|it| it.key_usage = None),
    ];
    for n in 1..5 {
        cases.extend([
            rights(n, "is no CA", CertificateBasicConstraints, &|it| it.basic_constraints = constraints(false, None)),
            rights(n, "has no basic constraints", CertificateBasicConstraints, &|it| it.basic_constraints = None),
            rights(n, "may not sign certificates", CertificateKeyUsage, &|it| it.key_usage = Some(DIGITAL_SIGNATURE)),
            rights(n, "has no key usage", CertificateKeyUsage, &|it| it.key_usage = None),
        ]);
    }
    for n in 2..5 {
        let below = u8::try_from(n - 1).expect("small");
        cases.push(rights(n, "allows one CA too few below", CertificatePathLength, &|it| {
            it.basic_constraints = constraints(true, Some(below - 1));
        }));
    }
    for n in 0..5 {
        cases.push(rights(n, "has an unknown critical extension", CertificateExtensionCritical, &|it| {
            it.extensions.push(unknown_extension(true));
        }));
    }
    cases
}

#[rustfmt::skip]
fn chain_algorithms() -> Vec<Case> {
    let mut cases = vec![
        case(&[47], "key of certificate 2 on P-256", |it| {
            it.chain.certificate(2).key = p256_key();
        })
        .refutes(Chain, &[CertificateAlgorithm, CertificateSignatureInvalid]),
    ];
    for n in 0..4 {
        let issuer = |it: &mut Forged| Arc::clone(&it.chain.certificates()[n + 1].key);
        let wrong = format!("certificate {n} names SHA-256 and is signed with SHA-384");
        cases.push(
            case(&[47], wrong, |it| {
                let issuer = issuer(it);
                it.chain.handed_over(move |ders| {
                    let mut parts = named_sha256(&ders[n]);
                    parts.sign(&issuer);
                    ders[n] = parts.der();
                });
            })
            .refutes(Chain, &[CertificateAlgorithm]),
        );
        let wrong = format!("certificate {n} signed with SHA-256, as it says");
        cases.push(
            case(&[47], wrong, |it| {
                let issuer = issuer(it);
                it.chain.handed_over(move |ders| {
                    let mut parts = named_sha256(&ders[n]);
                    let signature = signed_over_sha256(&issuer, &parts.tbs);
                    parts.signature = signature.to_der().as_bytes().to_vec();
                    ders[n] = parts.der();
                });
            })
            .refutes(Chain, &[CertificateAlgorithm, CertificateSignatureInvalid]),
        );
    }
    for n in 0..4 {
        let wrong = format!("key of certificate {n} spelled as a hybrid point");
        let hybrid = case(&[47], wrong, |it| {
            let issuer = Arc::clone(&it.chain.certificates()[n + 1].key);
            let point = it.chain.certificates()[n].key.public_point().to_vec();
            it.chain.handed_over(move |ders| {
                let mut parts = CertificateParts::of(&ders[n]);
                let mut windows = parts.tbs.windows(point.len());
                let at = windows.position(|window| window == point).expect("the key");
                parts.tbs[at] = 6 + (point[96] & 1);
                parts.sign(&issuer);
                ders[n] = parts.der();
            });
        });
        cases.push(match n {
            0 => hybrid.refutes(Chain, &[CertificateAlgorithm]).refutes(ReportSignature, &[ReportSignatureInvalid]),
            _ => hybrid.refutes(Chain, &[CertificateAlgorithm, CertificateSignatureInvalid]),
        });
    }
    cases
}

#[rustfmt::skip]
fn chain_times() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in 0..5 {
        let trust = |it: &mut Forged| {
            if n == 4 {
                it.trust_device_root();
            }
        };
        cases.push(
            case(&[48], format!("certificate {n} expired a second ago"), |it| {
                it.chain.certificate(n).not_after = at(second(-1));
                trust(it);
            })
            .refutes(Chain, &[CertificateExpired]),
        );
        cases.push(
            case(&[49], format!("certificate {n} valid in a second"), |it| {
                it.chain.certificate(n).not_before = at(second(1));
                trust(it);
            })
            .refutes(Chain, &[CertificateNotYetValid]),
        );
    }
    cases
}

#[test]
fn other_device_chains_are_refused() {
    check_all(chain_text());
    check_all(chain_roots());
    check_all(chain_links());
    check_all(chain_rights());
    check_all(chain_algorithms());
    check_all(chain_times());
}

#[rustfmt::skip]
fn firmware_ids() -> Vec<Case> {
    let fwid = firmware::firmware_id();
    let extension = |rows, wrong: &str, value: Extension| case(rows, wrong, |it| *fwid_extension(it) = value);
    let malformed = |wrong: &str, value| extension(&[53], wrong, value).refutes(Fwid, &[FwidMalformed]);
    let compound = |value: Vec<u8>| Extension { value, ..Extension::fwid(&[], &[]) };
    let good = Extension::fwid(&[], &fwid).value;
    let trailing = [&good[..], &[0]].concat();
    let mut sha256 = good.clone();
    let at = sha256.len() - 51;
    assert_eq!(sha256[at], 2, "last arc of id-sha384");
    sha256[at] = 1;
    vec![
        case(&[51], "firmware id of other firmware in the report", |it| {
            field(it, 20, &[9; 48]);
        })
        .refutes(Fwid, &[FwidMismatch]),
        case(&[51], "last bit of the firmware id in the report", |it| {
            it.report.field_mut(20).expect("FWID").value[47] ^= 1;
        })
        .refutes(Fwid, &[FwidMismatch]),
        extension(&[51], "firmware id of other firmware in the leaf", Extension::fwid(&[], &[9; 48]))
            .refutes(Fwid, &[FwidMismatch]),
        extension(
            &[51],
            "second of two firmware ids in the leaf",
            tcb_info(&[sha384_fwid(&[0; 48]), sha384_fwid(&fwid)]),
        )
        .refutes(Fwid, &[FwidMismatch]),
        case(&[51], "no firmware id in the leaf", |it| {
            it.chain.certificate(0).extensions.remove(1);
        })
        .refutes(Fwid, &[FwidAbsentInCertificate]),
        case(&[52], "no firmware id in a report of opaque version 1", |it| without_field(it, 20))
            .refutes(Fwid, &[FwidAbsentInReport]),
        case(&[52], "no firmware id in a report of opaque version 0", |it| {
            without_field(it, 20);
            field(it, 34, &[0, 0]);
        })
        .refutes(Fwid, &[FwidAbsentInReport]),
        malformed("firmware id of 47 bytes", Extension::fwid(&[], &fwid[..47])),
        malformed("firmware id of 49 bytes", Extension::fwid(&[], &[&fwid[..], &[0]].concat())),
        malformed("firmware id of another hash", compound(sha256)),
        malformed("byte after the firmware id", compound(trailing)),
        malformed("firmware id without structure", compound(fwid.to_vec())),
        malformed("firmware id that is empty", compound(Vec::new())),
        malformed("firmware ids of Blackwell that are none", tcb_info(&[])),
        malformed("firmware id of Blackwell of another hash", tcb_info(&[der(0x30, &der(0x04, &fwid))])),
        case(&[53], "firmware id twice", |it| {
            let again = fwid_extension(it).clone();
            it.chain.certificate(0).extensions.push(again);
        })
        .refutes(Fwid, &[FwidMalformed]),
        case(&[53], "firmware id in both forms", |it| {
            let other = tcb_info(&[sha384_fwid(&fwid)]);
            it.chain.certificate(0).extensions.push(other);
        })
        .refutes(Fwid, &[FwidMalformed]),
    ]
}

#[rustfmt::skip]
fn identities() -> Vec<Case> {
    let rename = |it: &mut Forged, n: usize, name: &str| {
        it.chain.certificate(n).subject.common_name = Some(name.to_owned());
    };
    vec![
        case(&[39, 40], "sender claims another architecture", |it| {
            it.claimed = Some(Architecture::Blackwell);
        })
        .refutes(Identity, &[ArchitectureMismatch]),
        case(&[39, 40], "sender claims a switch", |it| it.claimed = Some(Architecture::Ls10))
            .refutes(Identity, &[ArchitectureMismatch]),
        case(&[40], "second certificate of another chip", |it| {
            rename(it, 1, "GB100 A01 GSP BROM SIMULATED");
        })
        .refutes(Identity, &[ArchitectureMismatch]),
        case(&[40], "second certificate of no chip", |it| rename(it, 1, "GSP BROM SIMULATED"))
            .refutes(Identity, &[ArchitectureMismatch]),
        case(&[40], "certificates of a chip nobody knows", |it| {
            rename(it, 0, "GX100 A01 GSP FMC LF SIMULATED");
            rename(it, 1, "GX100 A01 GSP BROM SIMULATED");
        })
        .refutes(Identity, &[ArchitectureUnknown]),
        case(&[40, 90], "certificates of a Blackwell over the manifests of a Hopper", |it| {
            it.claimed = Some(Architecture::Blackwell);
            rename(it, 0, "GB100 A01 GSP FMC LF SIMULATED");
            rename(it, 1, "GB100 A01 GSP BROM SIMULATED");
        })
        .refutes(DriverRim, &[RimIdMismatch, RimProductMismatch])
        .refutes(VbiosRim, &[RimProductMismatch])
        .reference_lost(),
    ]
}

#[test]
fn other_devices_are_refused() {
    check_all(firmware_ids());
    check_all(identities());
}

//------------ Manifests -----------------------------------------------------

/// The same defect in either manifest.
fn of_both_roles(cases: fn(RimRole) -> Vec<Case>) -> Vec<Case> {
    [RimRole::Driver, RimRole::Vbios]
        .into_iter()
        .flat_map(cases)
        .collect()
}

/// One manifest with one defect, for which it is refuted; the other stays affirmed.
fn rim(
    role: RimRole,
    rows: &'static [u8],
    wrong: &str,
    codes: &[Code],
    change: impl FnOnce(&mut Manifest),
) -> Case {
    case(rows, format!("{role} manifest: {wrong}"), |it| {
        change(it.manifest(role));
    })
    .refutes(check_of(role), codes)
    .reference_lost()
}

const fn check_of(role: RimRole) -> CheckId {
    match role {
        RimRole::Driver => DriverRim,
        RimRole::Vbios => VbiosRim,
    }
}

/// An index with one reference value that the manifest covers, and one with several.
const fn indexes(role: RimRole) -> [u8; 2] {
    match role {
        RimRole::Driver => [7, 23],
        RimRole::Vbios => [0, 12],
    }
}

#[rustfmt::skip]
fn rim_form(role: RimRole) -> Vec<Case> {
    let before_root = |rows, wrong: &str, prolog: &str| {
        rim(role, rows, wrong, &[RimMalformed], |it| it.spec.prolog = prolog.to_owned())
    };
    let inside = |rows, wrong: &str, text: &str| {
        rim(role, rows, wrong, &[RimMalformed], |it| {
            it.spec.extra_before_signature = text.to_owned();
        })
    };
    let meta = |wrong: &str, name: &str, value: Option<&str>| {
        rim(role, &[78], wrong, &[RimMalformed], |it| match value {
            Some(value) => it.spec.meta.set(name, value),
            None => it.spec.meta.remove(name),
        })
    };
    vec![
        before_root(&[79], "DOCTYPE", "<!DOCTYPE SoftwareIdentity>"),
        before_root(&[79], "entity", "<!DOCTYPE a [<!ENTITY b \"c\">]>"),
        before_root(&[79], "external entity", "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">"),
        before_root(&[79], "XML declaration", "<?xml version=\"1.0\"?>"),
        before_root(&[79], "processing instruction", "<?a b?>"),
        before_root(&[79], "comment before the root", "<!-- a -->"),
        inside(&[79], "comment that is signed", "<!-- a -->"),
        inside(&[79], "processing instruction that is signed", "<?a b?>"),
        inside(&[79], "CDATA that is signed", "<![CDATA[ ]]>"),
        inside(&[79], "reference that is signed", "&#32;"),
        inside(&[79], "CR that is signed", "\r"),
        inside(&[79], "TAB that is signed", "\t"),
        inside(&[79], "character that is not ASCII", "\u{a0}"),
        inside(&[78], "element nobody knows", "<ns0:Link></ns0:Link>"),
        inside(&[78], "text beside the elements", "text"),
        inside(&[78, 85], "second payload", "<ns0:Payload></ns0:Payload>"),
        rim(role, &[78, 79], "value with an entity", &[RimMalformed], |it| {
            it.spec.entity.set("name", "a & b");
        }),
        rim(role, &[78], "document that ends early", &[RimMalformed], |it| {
            it.in_transit(|xml| xml.truncate(xml.len() - 1));
        }),
        rim(role, &[78], "document that is empty", &[RimMalformed], |it| {
            it.in_transit(Vec::clear);
        }),
        rim(role, &[78], "document that is something else", &[RimMalformed, RimSignatureMethod], |it| {
            it.in_transit(|xml| *xml = b"<a></a>".to_vec());
        }),
        rim(role, &[78], "supplement to another tag", &[RimMalformed], |it| {
            it.spec.identity.set("supplemental", "true");
        }),
        rim(role, &[78], "no resource at all", &[RimMalformed], |it| it.spec.resources.clear()),
        meta("no version", "colloquialVersion", None),
        meta("empty version", "colloquialVersion", Some("")),
        meta("no product", "product", None),
        meta("no platform model", "ns1:PlatformModel", None),
        meta("no manufacturer id", "ns1:FirmwareManufacturerId", None),
        meta("payload elsewhere", "PayloadType", Some("indirect")),
    ]
}

#[rustfmt::skip]
fn rim_resources(role: RimRole) -> Vec<Case> {
    let [single, several] = indexes(role);
    let resource = |rows, wrong: &str, change: fn(&mut Attributes)| {
        rim(role, rows, wrong, &[RimMalformed], |it| change(it.resource(single)))
    };
    let of_several = |rows, wrong: &str, change: fn(&mut Attributes)| {
        rim(role, rows, wrong, &[RimMalformed], |it| change(it.resource(several)))
    };
    vec![
        resource(&[78], "resource of another type", |it| it.set("type", "Setting")),
        resource(&[78], "resource neither active nor not", |it| it.set("active", "true")),
        resource(&[78], "resource without name", |it| it.remove("name")),
        resource(&[78], "index beyond a byte", |it| it.set("index", "256")),
        resource(&[78], "index with a sign", |it| it.set("index", "+1")),
        resource(&[78], "unknown attribute that might restrict", |it| it.set("mask", "0")),
        resource(&[78, 96], "no alternative", |it| it.set("alternatives", "0")),
        resource(&[97, 103], "size of 32 bytes", |it| it.set("size", "32")),
        resource(&[97], "hash in upper case", |it| {
            let upper = it.get("ns2:Hash0").expect("a hash").to_uppercase();
            it.set("ns2:Hash0", &upper);
        }),
        resource(&[97], "hash one digit short", |it| {
            let short = it.get("ns2:Hash0").expect("a hash")[1..].to_owned();
            it.set("ns2:Hash0", &short);
        }),
        resource(&[97], "hash one byte long", |it| {
            let long = format!("{}00", it.get("ns2:Hash0").expect("a hash"));
            it.set("ns2:Hash0", &long);
        }),
        resource(&[97], "hash with a digit that is none", |it| {
            let other = format!("g{}", &it.get("ns2:Hash0").expect("a hash")[1..]);
            it.set("ns2:Hash0", &other);
        }),
        resource(&[96], "hash missing", |it| it.remove("ns2:Hash0")),
        resource(&[96], "hash surplus", |it| it.set("ns2:Hash1", &"00".repeat(48))),
        of_several(&[96], "last hash missing", |it| {
            let last = it.get("alternatives").expect("a count").parse::<u8>().expect("a number") - 1;
            it.remove(&format!("ns2:Hash{last}"));
        }),
        of_several(&[96], "gap in the numbers of the hashes", |it| {
            let hash = it.get("ns2:Hash1").expect("a hash").clone();
            it.remove("ns2:Hash1");
            it.set("ns2:Hash9", &hash);
        }),
        rim(role, &[95], "index twice, both active", &[RimMalformed], |it| {
            let again = it.resource(single).clone();
            it.spec.resources.push(again);
        }),
        rim(role, &[95], "index twice, once inactive", &[RimMalformed], |it| {
            let mut again = it.resource(single).clone();
            again.set("active", "False");
            it.spec.resources.push(again);
        }),
    ]
}

#[rustfmt::skip]
fn rim_signature(role: RimRole) -> Vec<Case> {
    let [single, several] = indexes(role);
    let method = |rows, wrong: &str, change: fn(&mut Manifest)| rim(role, rows, wrong, &[RimSignatureMethod], change);
    let reference = |rows, wrong: &str, change: fn(&mut Reference)| {
        rim(role, rows, wrong, &[RimSignatureMethod], |it| {
            change(&mut it.signature().references[0]);
        })
    };
    let second = "<sig:Signature xmlns:sig=\"http://www.w3.org/2000/09/xmldsig#\"></sig:Signature>";
    vec![
        rim(role, &[80], "other digest signed", &[RimDigestMismatch], |it| {
            it.signature().references[0].digest = Some(vec![9; 48]);
        }),
        rim(role, &[80], "reference value changed after signing", &[RimDigestMismatch], |it| {
            let hash = it.resource(several).get("ns2:Hash0").expect("a hash").clone();
            it.replaced(&hash, &"ab".repeat(48));
        }),
        rim(role, &[80], "white space changed after signing", &[RimDigestMismatch], |it| {
            it.replaced("</ds:Signature>", "</ds:Signature>\n");
        }),
        rim(role, &[80], "signature value damaged", &[RimSignatureInvalid], |it| {
            it.signature().corrupt_value = true;
        }),
        rim(role, &[80], "signature value of zeros", &[RimSignatureInvalid], |it| {
            it.signature().value = Some(vec![0; 96]);
        }),
        rim(role, &[80], "signed info changed after signing", &[RimSignatureInvalid], |it| {
            it.replaced("<ds:SignedInfo>", "<ds:SignedInfo>\n");
        }),
        rim(role, &[82], "signed by a key that is in no chain", &[RimSignatureInvalid], |it| {
            it.signer = Some(stranger_key());
        }),
        rim(role, &[82], "signed by the key of the second certificate", &[RimSignatureInvalid], |it| {
            it.signer = Some(Arc::clone(&it.chain.certificate(1).key));
        }),
        method(&[80], "signature value of 95 bytes", |it| {
            it.signature().value = Some(vec![1; 95]);
        }),
        method(&[81], "canonical XML 1.0", |it| {
            it.signature().canonicalization = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315".to_owned();
        }),
        method(&[81], "canonical XML with comments", |it| {
            it.signature().canonicalization = format!("{C14N11}#WithComments");
        }),
        method(&[81], "ECDSA with SHA-256", |it| {
            it.signature().method = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256".to_owned();
        }),
        method(&[81], "HMAC", |it| {
            it.signature().method = "http://www.w3.org/2000/09/xmldsig#hmac-sha1".to_owned();
        }),
        reference(&[81], "digest by SHA-256", |it| {
            it.digest_method = "http://www.w3.org/2001/04/xmlenc#sha256".to_owned();
        }),
        reference(&[81], "digest of 32 bytes", |it| it.digest = Some(vec![1; 32])),
        reference(&[81], "no transforms", |it| it.transforms.clear()),
        reference(&[81], "transforms swapped", |it| it.transforms.reverse()),
        reference(&[81], "enveloped transform alone", |it| it.transforms = vec![ENVELOPED.to_owned()]),
        reference(&[81], "third transform", |it| it.transforms.push(C14N11.to_owned())),
        reference(&[81], "transform by a style sheet", |it| {
            it.transforms[0] = "http://www.w3.org/TR/1999/REC-xslt-19991116".to_owned();
        }),
        reference(&[83], "reference to a part", |it| it.uri = Some("#x".to_owned())),
        reference(&[83], "reference to elsewhere", |it| it.uri = Some("http://a/".to_owned())),
        reference(&[83], "reference without URI", |it| it.uri = None),
        method(&[83], "two references", |it| {
            it.signature().references.push(Reference::default());
        }),
        method(&[83], "no reference", |it| it.signature().references.clear()),
        method(&[82], "bare key", |it| {
            it.signature().extra_in_key_info = "<ds:KeyValue></ds:KeyValue>".to_owned();
        }),
        method(&[82], "name of a key", |it| {
            it.signature().extra_in_key_info = "<ds:KeyName>a</ds:KeyName>".to_owned();
        }),
        method(&[82], "name of a certificate", |it| {
            it.signature().extra_in_x509_data = "<ds:X509IssuerSerial></ds:X509IssuerSerial>".to_owned();
        }),
        method(&[82], "second lot of certificates", |it| {
            it.signature().extra_in_key_info = "<ds:X509Data></ds:X509Data>".to_owned();
        }),
        method(&[84], "object in the signature", |it| {
            it.signature().extra = "<ds:Object></ds:Object>".to_owned();
        }),
        method(&[84], "element in the signed info", |it| {
            it.signature().extra_in_signed_info = "<ds:Object></ds:Object>".to_owned();
        }),
        method(&[80, 84], "no signature", |it| it.spec.signature = None),
        rim(role, &[84], "two signatures", &[RimMalformed, RimSignatureMethod], |it| {
            it.spec.extra_before_signature = second.to_owned();
        }),
        rim(role, &[84], "something after the signature", &[RimMalformed, RimSignatureMethod], |it| {
            it.spec.after_signature = "<ns0:Link></ns0:Link>".to_owned();
        }),
        rim(role, &[84, 85], "good manifest wrapped in a forged one", &[RimSignatureMethod], |it| {
            it.in_transit(move |xml| *xml = wrapped(xml, single));
        }),
        rim(role, &[85], "forged payload before the signed one", &[RimMalformed], |it| {
            it.replaced("<ns0:Payload xmlns:SHA384", "<ns0:Payload></ns0:Payload>\n<ns0:Payload xmlns:SHA384");
        }),
    ]
}

/// A manifest with another value at `index`, whose signature element carries the good one along.
fn wrapped(good: &[u8], index: u8) -> Vec<u8> {
    let good = std::str::from_utf8(good).expect("text");
    let value = hex::encode(firmware::measurement(index));
    let outer = good.replace(&value, &"ab".repeat(48));
    assert_ne!(outer, good);
    // A prefix is declared once per document: the outer one takes others, and the inner one does without its own.
    let mut outer = outer
        .replace("xmlns:ns1=", "xmlns:own=")
        .replace(" ns1:", " own:");
    outer = outer.replace("xmlns:SHA384=", "xmlns:sha=");
    outer = outer
        .replace("xmlns:ds=", "xmlns:sig=")
        .replace("<ds:", "<sig:")
        .replace("</ds:", "</sig:");
    let declared = good.find(" corpus").expect("the first attribute");
    let inner = format!("<SoftwareIdentity{}", &good[declared..]);
    let end = "</sig:KeyInfo>";
    let object = format!("{end}<sig:Object>{inner}</sig:Object>");
    outer.replace(end, &object).into_bytes()
}

#[rustfmt::skip]
fn rim_chain(role: RimRole) -> Vec<Case> {
    let chain = |rows, wrong: &str, codes: &[Code], change: fn(&mut forge::Chain)| {
        rim(role, rows, wrong, codes, |it| change(&mut it.chain))
    };
    let rights = |n: usize, wrong: &str, code, change: fn(&mut CertificateSpec)| {
        let wrong = format!("certificate {n} {wrong}");
        rim(role, &[86], &wrong, &[code], |it| change(it.chain.certificate(n)))
    };
    let mut cases = vec![
        chain(&[86], "another root of the same name, and all below it", &[ChainRootUntrusted], |it| {
            *it = forge::Chain::of_a_rim_stranger();
        }),
        chain(&[86], "root of the pinned key and name, signed once more", &[ChainRootUntrusted], |it| {
            it.certificate(3);
        }),
        case(&[86], format!("{role} manifest: chain under the root of devices"), |it| {
            let other = it.chain.clone();
            it.manifest(role).chain.put_under_root_of(&other);
        })
        .refutes(check_of(role), &[ChainRootUntrusted])
        .reference_lost(),
        chain(&[86], "signature of the third certificate damaged", &[CertificateSignatureInvalid], |it| {
            it.certificate(2).corrupt_signature = true;
        }),
        chain(&[86], "leaf issued in another name", &[ChainOrder], |it| {
            it.certificate(0).issuer = Some(Name::simulated("somebody else"));
        }),
        chain(&[87], "chain of three, each signed by the next", &[ChainLength], |it| {
            it.certificates().remove(2);
        }),
        chain(&[87], "chain of five, each signed by the next", &[ChainLength], |it| {
            it.certificates().insert(3, authority());
        }),
        chain(&[82, 87], "root twice", &[ChainLength], |it| {
            it.handed_over(|ders| ders.push(ders[3].clone()));
        }),
        chain(&[87], "root left out", &[ChainLength, ChainRootUntrusted], |it| {
            it.handed_over(|ders| ders.truncate(3));
        }),
        chain(&[87], "no certificate", &[ChainLength], |it| it.handed_over(Vec::clear)),
        chain(&[86], "certificate that is not DER", &[CertificateMalformed], |it| {
            it.handed_over(|ders| ders[1] = vec![0; 9]);
        }),
        chain(
            &[86, 87],
            "second and third certificate swapped",
            &[ChainOrder, CertificateSignatureInvalid, CertificatePathLength],
            |it| {
                it.handed_over(|ders| ders.swap(1, 2));
            },
        ),
        chain(
            &[82],
            "certificate of a stranger in front",
            &[
                RimSignatureInvalid,
                ChainLength,
                ChainOrder,
                CertificateSignatureInvalid,
                CertificateBasicConstraints,
                CertificateKeyUsage,
                CertificatePathLength,
            ],
            |it| {
                let other = forge::Chain::of_a_rim_stranger().ders()[0].clone();
                it.handed_over(move |ders| ders.insert(0, other.clone()));
            },
        ),
        chain(
            &[82],
            "leaf of a stranger of the same names",
            &[RimSignatureInvalid, CertificateSignatureInvalid],
            |it| {
                let other = forge::Chain::of_a_rim_stranger().ders()[0].clone();
                it.handed_over(move |ders| ders[0] = other.clone());
            },
        ),
        rim(role, &[81, 86], "leaf with a key on P-256", &[SigningKeyUnavailable, CertificateAlgorithm], |it| {
            it.signer = Some(Arc::clone(it.chain.leaf_key()));
            it.chain.certificate(0).key = p256_key();
        }),
        rights(0, "is a CA", CertificateBasicConstraints, |it| {
            it.basic_constraints = constraints(true, None);
        }),
        rights(0, "may not sign data", CertificateKeyUsage, |it| it.key_usage = Some(KEY_CERT_SIGN)),
        rights(1, "is no CA", CertificateBasicConstraints, |it| {
            it.basic_constraints = constraints(false, None);
        }),
        rights(2, "may not sign certificates", CertificateKeyUsage, |it| {
            it.key_usage = Some(DIGITAL_SIGNATURE);
        }),
        rights(2, "allows no CA below", CertificatePathLength, |it| {
            it.basic_constraints = constraints(true, Some(0));
        }),
        rights(1, "has an unknown critical extension", CertificateExtensionCritical, |it| {
            it.extensions.push(unknown_extension(true));
        }),
    ];
    for n in 0..4 {
        let at_position = |rows, wrong: &str, code, change: fn(&mut CertificateSpec)| {
            case(rows, format!("{role} manifest: certificate {n} {wrong}"), |it| {
                let chain = &mut it.manifest(role).chain;
                change(chain.certificate(n));
                if n == 3 {
                    let anchor = chain.pin(AnchorUse::Rim);
                    it.anchors.push(anchor);
                }
            })
            .refutes(check_of(role), &[code])
            .reference_lost()
        };
        cases.push(at_position(&[88], "expired a second ago", CertificateExpired, |it| {
            it.not_after = at(second(-1));
        }));
        cases.push(at_position(&[88], "valid in a second", CertificateNotYetValid, |it| {
            it.not_before = at(second(1));
        }));
    }
    cases
}

#[rustfmt::skip]
fn rim_fit(role: RimRole) -> Vec<Case> {
    let meta = |rows, wrong: &str, code, name: &str, value: &str| {
        rim(role, rows, wrong, &[code], |it| it.spec.meta.set(name, value))
    };
    vec![
        meta(&[89], "of another version", RimVersionMismatch, "colloquialVersion", "999.02.SIM"),
        rim(role, &[89], "of a longer version", &[RimVersionMismatch], |it| {
            let longer = format!("{}.1", it.spec.meta.get("colloquialVersion").expect("a version"));
            it.spec.meta.set("colloquialVersion", &longer);
        }),
        meta(&[90], "of another product", RimProductMismatch, "product", "GB100"),
        meta(&[90], "of another platform", RimProductMismatch, "ns1:PlatformModel", "GB100"),
        rim(role, &[92], "filed under another id", &[RimIdMismatch], |it| {
            it.id.as_mut().expect("an id").push('0');
        }),
        rim(role, &[92], "filed under the id in lower case", &[RimIdMismatch], |it| {
            it.id.as_mut().expect("an id").make_ascii_lowercase();
        }),
        case(&[94], format!("{role} manifest missing"), |it| match role {
            RimRole::Driver => it.driver = None,
            RimRole::Vbios => it.vbios = None,
        })
        .cannot_tell(check_of(role), &[RimNotAvailable])
        .cannot_tell(Measurements, &[RimNotAvailable]),
        case(&[86], format!("{role} manifest under a vendor's root, for a software device"), |it| {
            let mut chain = forge::Chain::of_a_rim_stranger();
            let mut anchor = chain.pin(AnchorUse::Rim);
            anchor.simulated = false;
            it.anchors.push(anchor);
            it.manifest(role).chain = chain;
        })
        .refutes(check_of(role), &[RimAnchorMismatch])
        .reference_lost(),
    ]
}

#[test]
fn manifests_of_another_form_are_refused() {
    check_all(of_both_roles(rim_form));
    check_all(of_both_roles(rim_resources));
    check_all(of_both_roles(rim_signature));
}

#[test]
fn manifests_of_other_signers_are_refused() {
    check_all(of_both_roles(rim_chain));
}

#[test]
fn manifests_of_other_devices_are_refused() {
    check_all(of_both_roles(rim_fit));
    check_all(rim_pairs());
}

/// What is wrong with the two manifests together.
#[rustfmt::skip]
fn rim_pairs() -> Vec<Case> {
    let inactive = |spec: &mut RimSpec| {
        for resource in &mut spec.resources {
            resource.set("active", "False");
        }
    };
    let swap = |it: &mut Forged| std::mem::swap(&mut it.driver, &mut it.vbios);
    vec![
        case(&[94], "no manifest at all", |it| {
            it.driver = None;
            it.vbios = None;
        })
        .cannot_tell(DriverRim, &[RimNotAvailable])
        .cannot_tell(VbiosRim, &[RimNotAvailable])
        .cannot_tell(Measurements, &[RimNotAvailable]),
        case(&[93], "roles swapped", |it| {
            swap(it);
            it.driver().id = None;
            it.vbios().id = None;
        })
        .refutes(DriverRim, &[RimVersionMismatch])
        .refutes(VbiosRim, &[RimVersionMismatch])
        .reference_lost(),
        case(&[92, 93], "roles swapped, each filed under its own id", swap)
            .refutes(DriverRim, &[RimVersionMismatch, RimIdMismatch])
            .refutes(VbiosRim, &[RimVersionMismatch, RimIdMismatch])
            .reference_lost(),
        case(&[93], "driver manifest in both roles", |it| {
            let id = it.vbios().id.clone();
            it.vbios = it.driver.clone();
            it.vbios().id = id;
        })
        .refutes(VbiosRim, &[RimVersionMismatch])
        .cannot_tell(Measurements, &[ReferenceConflict, ReferenceNotVerified]),
        case(&[93], "VBIOS manifest in both roles", |it| {
            let id = it.driver().id.clone();
            it.driver = it.vbios.clone();
            it.driver().id = id;
        })
        .refutes(DriverRim, &[RimVersionMismatch])
        .cannot_tell(Measurements, &[ReferenceConflict, ReferenceNotVerified]),
        case(&[98], "index active in both manifests, the same value", |it| {
            let index = firmware::VBIOS_INDEXES[0];
            *it.driver().resource(index) = Attributes::resource(index, true, &firmware::references(index));
        })
        .refutes(Measurements, &[ReferenceConflict]),
        case(&[98, 102], "index active in both manifests, another value", |it| {
            *it.driver().resource(0) = Attributes::resource(0, true, &[[9; 48]]);
        })
        .refutes(Measurements, &[ReferenceConflict, MeasurementMismatch]),
        case(&[99], "nothing active in either manifest", |it| {
            inactive(&mut it.driver().spec);
            inactive(&mut it.vbios().spec);
        })
        .refutes(Measurements, &[ReferenceEmpty]),
        case(&[86], "manifests of a software device for a vendor's device", |it| {
            it.anchors[0].simulated = false;
        })
        .refutes(DriverRim, &[RimAnchorMismatch])
        .refutes(VbiosRim, &[RimAnchorMismatch])
        .reference_lost(),
        case(&[86], "manifests of a vendor for a software device", |it| {
            it.anchors[1].simulated = false;
        })
        .refutes(DriverRim, &[RimAnchorMismatch])
        .refutes(VbiosRim, &[RimAnchorMismatch])
        .reference_lost(),
    ]
}

//------------ Comparison ----------------------------------------------------

#[rustfmt::skip]
fn comparison() -> Vec<Case> {
    let [driver, ..] = indexes(RimRole::Driver);
    let [vbios, several] = indexes(RimRole::Vbios);
    let mut cases = Vec::new();
    for (role, index) in [("driver", driver), ("VBIOS", vbios), ("VBIOS", several)] {
        let differs = |rows, wrong: &str, change: &dyn Fn(&mut Forged)| {
            case(rows, format!("{role} measurement {index} {wrong}"), change)
                .refutes(Measurements, &[MeasurementMismatch])
        };
        cases.extend([
            differs(&[102], "differs in the last bit", &|it| block(it, index).value[47] ^= 1),
            differs(&[102], "of zeros", &|it| block(it, index).value = vec![0; 48]),
            differs(&[102], "is that of another index", &|it| {
                block(it, index).value = firmware::measurement(8).to_vec();
            }),
            differs(&[103], "cut by a byte", &|it| block(it, index).value.truncate(47)),
            differs(&[103], "longer by a byte", &|it| block(it, index).value.push(0)),
            differs(&[103], "empty", &|it| block(it, index).value.clear()),
            differs(&[18], "is right but a raw bit stream", &|it| block(it, index).value_type = 0x81),
            case(&[104], format!("{role} measurement {index} missing"), |it| {
                it.report.blocks.retain(|block| block.index != index + 1);
            })
            .refutes(Measurements, &[MeasurementMissing]),
        ]);
    }
    let failed = |it: &mut Forged| it.driver().signature().corrupt_value = true;
    cases.extend([
        case(&[80, 102], "measurement differs from a manifest that is not believed", |it| {
            failed(it);
            block(it, driver).value[0] ^= 1;
        })
        .refutes(DriverRim, &[RimSignatureInvalid])
        .cannot_tell(Measurements, &[UnverifiedReferenceMismatch, ReferenceNotVerified]),
        case(&[80, 102], "measurement differs from the manifest that is believed, the other is not", |it| {
            failed(it);
            block(it, vbios).value[0] ^= 1;
        })
        .refutes(DriverRim, &[RimSignatureInvalid])
        .refutes(Measurements, &[MeasurementMismatch, ReferenceNotVerified]),
        case(&[94, 102], "measurement differs from the one manifest at hand", |it| {
            it.driver = None;
            block(it, vbios).value[0] ^= 1;
        })
        .cannot_tell(DriverRim, &[RimNotAvailable])
        .refutes(Measurements, &[MeasurementMismatch, RimNotAvailable]),
    ]);
    cases
}

#[rustfmt::skip]
fn video_decoder() -> Vec<Case> {
    let with_status = |it: &mut Forged, status: u8| field(it, 11, &[status]);
    vec![
        case(&[106], "measurement 35 differs while the decoder is off", |it| {
            block(it, 35).value[0] ^= 1;
        }),
        case(&[104, 106], "measurement 35 missing while the decoder is off", |it| {
            it.report.blocks.retain(|block| block.index != 36);
        }),
        case(&[106], "decoder on, measurement 35 right", |it| with_status(it, 0xaa)),
        case(&[106], "measurement 35 differs while the decoder is on", |it| {
            with_status(it, 0xaa);
            block(it, 35).value[0] ^= 1;
        })
        .refutes(Measurements, &[MeasurementMismatch]),
        case(&[104, 106], "measurement 35 missing while the decoder is on", |it| {
            with_status(it, 0xaa);
            it.report.blocks.retain(|block| block.index != 36);
        })
        .refutes(Measurements, &[MeasurementMissing]),
        case(&[106], "measurement 36 differs while the decoder is off", |it| {
            block(it, 36).value[0] ^= 1;
        })
        .refutes(Measurements, &[MeasurementMismatch]),
        case(&[107], "decoder status zero", |it| with_status(it, 0)).refutes(Measurements, &[Nvdec0StatusInvalid]),
        case(&[107], "decoder status neither on nor off", |it| with_status(it, 0x54))
            .refutes(Measurements, &[Nvdec0StatusInvalid]),
        case(&[106, 107], "measurement 35 differs under an unknown decoder status", |it| {
            with_status(it, 0x54);
            block(it, 35).value[0] ^= 1;
        })
        .refutes(Measurements, &[Nvdec0StatusInvalid, MeasurementMismatch]),
    ]
}

#[test]
fn other_measurements_are_refused() {
    check_all(comparison());
    check_all(video_decoder());
}

#[test]
fn the_summary_names_what_differs() {
    let two = Forged::gpu().with(|it| {
        block(it, 30).value[0] ^= 1;
        block(it, 0).value[0] ^= 1;
    });
    let compared = appraise(&two).compared().clone();
    assert_eq!(compared.mismatched, [0, 30]);
    assert_eq!((compared.compared, compared.skipped_nvdec0), (32, 1));
    let enabled = Forged::gpu().with(|it| field(it, 11, &[0xaa]));
    let compared = appraise(&enabled).compared().clone();
    assert_eq!((compared.compared, compared.skipped_nvdec0), (33, 0));
}

//------------ Switches ------------------------------------------------------

#[rustfmt::skip]
fn switches() -> Vec<Case> {
    vec![
        switch(&[54], "switch reports another identity than its certificate's", |it| {
            field(it, 22, b"SIMOTHER");
        })
        .refutes(Identity, &[PdiMismatch]),
        switch(&[54], "certificate of a switch with another identity", |it| {
            it.chain.certificate(1).serial[8] ^= 1;
        })
        .refutes(Identity, &[PdiMismatch]),
        switch(&[54], "certificate of a switch with bytes of its identity reversed", |it| {
            it.chain.certificate(1).serial[1..].reverse();
        })
        .refutes(Identity, &[PdiMismatch]),
        switch(&[54], "serial number whose form nobody knows", |it| {
            it.chain.certificate(1).serial[0] = 0x42;
            it.chain.certificate(1).serial[8] ^= 1;
        }),
        switch(&[26], "switch without identity", |it| without_field(it, 22)).refutes(Parse, &[OpaqueFieldMissing]),
        switch(&[26], "switch without BIOS version", |it| without_field(it, 6))
            .refutes(Parse, &[OpaqueFieldMissing])
            .cannot_tell(VbiosRim, &[ReportUnreadable])
            .reference_lost(),
        switch(&[27], "GPU identities not a multiple of eight bytes", |it| {
            field(it, 26, &[0; 127]);
        })
        .refutes(Parse, &[OpaqueFieldInvalid]),
        switch(&[28], "switch identity of seven bytes", |it| field(it, 22, &[1; 7]))
            .refutes(Parse, &[OpaqueFieldInvalid, OpaqueFieldMissing]),
        switch(&[23], "field of a GPU in the report of a switch", |it| {
            it.report.opaque.push(Tlv::new(36, [0, 0]));
        })
        .refutes(Parse, &[OpaqueFieldUnknown]),
        switch(&[39, 40], "sender claims a GPU", |it| it.claimed = Some(Architecture::Hopper))
            .refutes(Identity, &[ArchitectureMismatch]),
        switch(&[31], "switch answers another nonce", |it| it.report.nonce[0] ^= 1).refutes(Nonce, &[NonceMismatch]),
        switch(&[37], "report of a switch signed by a stranger", |it| {
            it.report_signer = Some(stranger_key());
        })
        .refutes(ReportSignature, &[ReportSignatureInvalid]),
        switch(&[51], "firmware id in the report of a switch that is not the leaf's", |it| {
            it.report.opaque.push(Tlv::new(20, [9; 48]));
        })
        .refutes(Fwid, &[FwidMismatch]),
        switch(&[90], "BIOS manifest of a GPU's product", |it| {
            it.vbios().spec.meta.set("product", "GH100");
        })
        .refutes(VbiosRim, &[RimProductMismatch])
        .reference_lost(),
        switch(&[89], "BIOS manifest of another version", |it| {
            it.vbios().spec.meta.set("colloquialVersion", "F0.53.49.4D.03");
        })
        .refutes(VbiosRim, &[RimVersionMismatch])
        .reference_lost(),
        switch(&[94], "BIOS manifest missing", |it| it.vbios = None)
            .cannot_tell(VbiosRim, &[RimNotAvailable])
            .cannot_tell(Measurements, &[RimNotAvailable]),
        switch(&[102], "measurement of a switch differs", |it| block(it, 30).value[0] ^= 1)
            .refutes(Measurements, &[MeasurementMismatch]),
        switch(&[93], "driver manifest for a switch, which has no driver", |it| {
            it.driver = Forged::gpu().driver;
        }),
    ]
}

#[test]
fn other_switches_are_refused() {
    check_all(switches());
}

//------------ All together --------------------------------------------------

#[test]
fn every_row_is_stood_for() {
    let cases = all_cases();
    let mut stood_for: BTreeSet<u8> = cases.iter().flat_map(|case| case.rows).copied().collect();
    stood_for.extend(IN_TESTS_OF_THEIR_OWN.iter().map(|(row, _)| *row));
    let excused: BTreeSet<u8> = NOT_COVERED.iter().map(|(row, _)| *row).collect();
    let missing: Vec<u8> = MUST
        .iter()
        .cloned()
        .flatten()
        .filter(|row| !stood_for.contains(row) && !excused.contains(row))
        .collect();
    assert_eq!(missing, [0; 0], "rows without a case or an excuse");
    let both: Vec<_> = stood_for.intersection(&excused).collect();
    assert!(both.is_empty(), "excused and yet covered: {both:?}");
    let names: BTreeSet<_> = cases.iter().map(Case::name).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
}

/// Row 50: the same bytes are right at one time and wrong at two others; nothing but the argument says which.
#[test]
fn the_time_of_appraisal_is_an_argument() {
    let mut it = Forged::gpu().with(|it| {
        it.chain.certificate(0).not_before = at(second(-10));
        it.chain.certificate(0).not_after = at(second(10));
        it.driver().chain.certificate(0).not_after = at(second(5));
    });
    for (seconds, chain, driver) in [
        (-11, Refuted, Affirmed),
        (0, Affirmed, Affirmed),
        (6, Affirmed, Refuted),
        (11, Refuted, Refuted),
    ] {
        it.as_of = second(seconds);
        let found = appraise(&it);
        let status = |id| found.check(id).expect("a check").status;
        assert_eq!(
            (status(Chain), status(DriverRim)),
            (chain, driver),
            "{seconds}"
        );
    }
}

/// Row 55: a device is known by its leaf and by the certificate above it.
#[test]
fn no_device_counts_twice() {
    let good = Forged::gpu();
    let refreshed = Forged::gpu().with(|it| {
        let leaf = it.chain.certificate(0);
        leaf.key = stranger_key();
        leaf.serial[1] ^= 1;
    });
    let other = Forged::gpu().with(|it| {
        it.chain.certificate(0).serial[1] ^= 1;
        it.chain.certificate(1).serial[1] ^= 1;
    });
    let table: [(&str, &[&Forged], Option<Code>); 6] = [
        ("no device", &[], Some(DeviceMissing)),
        ("one device", &[&good], None),
        ("one device twice", &[&good, &good], Some(DeviceRepeated)),
        (
            "one device before and after an update",
            &[&good, &refreshed],
            Some(DeviceRepeated),
        ),
        (
            "one device first and last",
            &[&good, &other, &good],
            Some(DeviceRepeated),
        ),
        ("two devices", &[&good, &other], None),
    ];
    for (wrong, devices, code) in table {
        let devices = devices.iter().map(|it| appraise(it)).collect();
        let appraisal = EvidenceAppraisal::new(devices, forge::AS_OF);
        let check = &appraisal.checks()[0];
        let codes: Vec<_> = check.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(check.id, CheckId::Devices);
        assert_eq!(codes, Vec::from_iter(code), "{wrong}");
        assert_eq!(check.is_affirmed(), code.is_none(), "{wrong}");
        let overall = if code.is_none() {
            Overall::Pass
        } else {
            Overall::Fail
        };
        assert_eq!(appraisal.overall(), overall, "{wrong}");
    }
}

/// Row 77: the report is signed by whoever holds the key, so its text may be anything.
#[test]
fn no_id_leaves_its_folder() {
    let ids = |change: &dyn Fn(&mut ReportSpec)| {
        let it = Forged::gpu().with(|it| change(&mut it.report));
        let (chain, report) = (it.examined_chain(), it.report_bytes());
        let evidence = DeviceEvidence {
            claimed: None,
            report: &report,
            chain: &chain,
        };
        let ids = DeviceReading::new(evidence).reference_ids();
        (ids.driver, ids.vbios)
    };
    let good = (firmware::driver_rim_id(), firmware::vbios_rim_id());
    assert_eq!(ids(&|_| ()), (Some(good.0.clone()), Some(good.1.clone())));
    for version in ["../999", "a/b", "a\\b", "a b", "a?b", "a%2fb"] {
        let (driver, vbios) =
            ids(&|it| *it.field_mut(3).expect("a field") = Tlv::text(3, version, 8));
        assert_eq!((driver, vbios), (None, Some(good.1.clone())), "{version}");
    }
    for field in [15, 17, 18] {
        let (driver, vbios) =
            ids(&|it| *it.field_mut(field).expect("a field") = Tlv::text(field, "../", 5));
        assert_eq!((driver, vbios), (Some(good.0.clone()), None), "{field}");
    }
}

/// A missing manifest is never a pass, and never a reason to refuse what is genuine.
#[test]
fn what_is_missing_is_incomplete() {
    for case in of_both_roles(rim_fit).iter().chain(&rim_pairs()) {
        let missing = case.forged.driver.is_none() || case.forged.vbios.is_none();
        if missing {
            let found = appraise(&case.forged).overall();
            assert_eq!(found, Overall::Incomplete, "{}", case.name());
        }
    }
}

/// A policy that denies nothing still cannot grant what has no core: and it grants whatever else it is told to.
#[test]
fn no_policy_waives_the_core() {
    let policy =
        "package pogw\nimport rego.v1\ndeny contains denial if {\n  false\n  denial := {}\n}\n";
    let policy = Policy::compile("denies-nothing", policy).expect("a policy");
    let mut granted = 0;
    for case in all_cases() {
        let device = appraise(&case.forged);
        let core = CORE_DEVICE_CHECKS.iter().filter(|id| !device.affirms(**id));
        let core: Vec<String> = core.map(ToString::to_string).collect();
        let appraisal = EvidenceAppraisal::new(vec![device], forge::AS_OF);
        match policy.decide(appraisal).expect("a decision") {
            Decision::Granted(_) => {
                granted += 1;
                assert_eq!(core, [""; 0], "{} was granted", case.name());
            }
            Decision::Refused(refusal) => {
                let floor = CoreCheckNotAffirmed.as_str();
                assert!(refusal.deny.iter().all(|denial| denial.code == floor));
                let named = |id: &String| {
                    let subject = format!("device 0: {id} is ");
                    refusal
                        .deny
                        .iter()
                        .any(|denial| denial.message.starts_with(&subject))
                };
                assert!(
                    core.iter().all(named),
                    "{}: {:?}",
                    case.name(),
                    refusal.deny
                );
                assert_eq!(refusal.deny.len(), core.len(), "{}", case.name());
                assert!(!core.is_empty());
            }
        }
    }
    assert!(granted > 0);
    let without_rims = Forged::gpu().with(|it| {
        it.driver = None;
        it.vbios = None;
    });
    let device = appraise(&without_rims);
    assert_eq!(device.overall(), Overall::Incomplete);
    let decision = policy.decide(EvidenceAppraisal::new(vec![device], forge::AS_OF));
    assert!(matches!(decision, Ok(Decision::Granted(_))));
    let nothing = EvidenceAppraisal::new(Vec::new(), forge::AS_OF);
    assert!(matches!(policy.decide(nothing), Ok(Decision::Refused(_))));
}

/// The signature covers everything before it, and nothing in it is free.
#[test]
fn no_flipped_bit_of_a_report_passes() {
    let it = Forged::gpu();
    let chain = it.examined_chain();
    let good = it.report_bytes();
    for at in 0..good.len() {
        let mut report = good.clone();
        report[at] ^= 1 << (at % 8);
        let evidence = DeviceEvidence {
            claimed: None,
            report: &report,
            chain: &chain,
        };
        let collateral = evidence::appraise::Collateral::default();
        let found = DeviceReading::new(evidence).appraise(&it.nonce, collateral, it.as_of);
        assert!(!found.affirms(ReportSignature), "byte {at}");
        assert_eq!(found.overall(), Overall::Fail, "byte {at}");
    }
}

//------------ Hands ---------------------------------------------------------

/// The block of a golden index.
fn block(it: &mut Forged, golden_index: u8) -> &mut attestation_agent::device::simulated::Block {
    it.report.block_mut(golden_index).expect("a block")
}

/// Gives an opaque field another value.
fn field(it: &mut Forged, id: u16, value: &[u8]) {
    it.report.field_mut(id).expect("a field").value = value.to_vec();
}

fn without_field(it: &mut Forged, id: u16) {
    let before = it.report.opaque.len();
    it.report.opaque.retain(|field| field.id != id);
    assert_eq!(it.report.opaque.len(), before - 1, "field {id}");
}

fn id(number: usize) -> u16 {
    u16::try_from(number).expect("a small number")
}

/// Some seconds from the time of appraisal.
fn second(offset: i64) -> UnixTime {
    UnixTime::from_secs(forge::AS_OF.secs() + offset)
}

/// A time as certificates are made with.
fn at(time: UnixTime) -> OffsetDateTime {
    let time = OffsetDateTime::from_unix_timestamp(time.secs()).expect("a time");
    assert!(time < NOT_AFTER);
    time
}

/// A certificate authority that can stand anywhere in a chain.
fn authority() -> CertificateSpec {
    CertificateSpec::authority("PoGW SIMULATED CA too many").expect("a key")
}

fn constraints(ca: bool, path_length: Option<u8>) -> Option<BasicConstraints> {
    Some(BasicConstraints { ca, path_length })
}

fn unknown_extension(critical: bool) -> Extension {
    Extension {
        oid: vec![1, 3, 6, 1, 4, 1, 0, 1],
        critical,
        value: vec![5, 0],
    }
}

/// The extension of the leaf that holds the firmware id.
fn fwid_extension(it: &mut Forged) -> &mut Extension {
    &mut it.chain.certificate(0).extensions[1]
}

/// One firmware id: `SEQUENCE { id-sha384, OCTET STRING }`.
fn sha384_fwid(fwid: &[u8]) -> Vec<u8> {
    let sha384 = [0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
    der(0x30, &[&sha384[..], &der(0x04, fwid)].concat())
}

/// The extension of Blackwell devices (TCG DICE TcbInfo) with these firmware ids.
fn tcb_info(fwids: &[Vec<u8>]) -> Extension {
    let fields = [der(0x80, b"NVIDIA"), der(0xa6, &fwids.concat())];
    Extension {
        oid: vec![2, 23, 133, 5, 4, 1, 1],
        critical: false,
        value: der(0x30, &fields.concat()),
    }
}

/// A certificate that names ecdsa-with-SHA256 in both places, still to be signed.
fn named_sha256(certificate: &[u8]) -> CertificateParts {
    let mut parts = CertificateParts::of(certificate);
    name_sha256(&mut parts.tbs);
    name_sha256(&mut parts.algorithm);
    parts
}

/// Turns ecdsa-with-SHA384 (1.2.840.10045.4.3.3) into ecdsa-with-SHA256 (…4.3.2).
fn name_sha256(der: &mut [u8]) {
    let sha384 = [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    let at = der
        .windows(10)
        .position(|window| window == sha384)
        .expect("the algorithm");
    der[at + 9] = 2;
}

/// A signature by a P-384 key over the SHA-256 of a message, as no genuine device makes.
fn signed_over_sha256(key: &Key, message: &[u8]) -> p384::ecdsa::Signature {
    let key = p384::SecretKey::from_pkcs8_der(key.to_pkcs8()).expect("a key");
    let key = SigningKey::from(key);
    key.sign_prehash(&crypto::sha256(message))
        .expect("a signature")
}
