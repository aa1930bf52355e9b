//! Reports: form, nonce, signature, mode.

use std::sync::Arc;

use evidence::appraise::{Collateral, DeviceEvidence, DeviceReading};
use evidence::limits::{MAX_CHAIN_BYTES, MAX_OPAQUE_FIELDS, MAX_REPORT_BYTES, MAX_RIM_BYTES};

use crate::kit::*;

#[rustfmt::skip]
pub(crate) fn sizes() -> Vec<Case> {
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
pub(crate) fn report_messages() -> Vec<Case> {
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
pub(crate) fn measurement_record() -> Vec<Case> {
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
pub(crate) fn opaque_data() -> Vec<Case> {
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
pub(crate) fn nonce() -> Vec<Case> {
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
        case(&[33], "another nonce stated beside the report", |it| it.stated.nonce = Some([9; 32]))
            .refutes(Nonce, &[NonceMismatch]),
        case(&[31, 33], "the nonce that the report has, stated too, and not the expected one", |it| {
            it.report.nonce = [9; 32];
            it.stated.nonce = Some([9; 32]);
        })
        .refutes(Nonce, &[NonceMismatch, NonceMismatch]),
        case(&[41], "another driver version stated beside the report", |it| {
            it.stated.versions.driver = Some("1.2.3".to_owned());
        })
        .remarks(Identity, &[StatedVersionMismatch]),
        case(&[41], "another VBIOS version stated beside the report", |it| {
            it.stated.versions.vbios = Some("96.00.00.00.00".to_owned());
        })
        .remarks(Identity, &[StatedVersionMismatch]),
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
pub(crate) fn report_signature() -> Vec<Case> {
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

#[rustfmt::skip]
pub(crate) fn modes() -> Vec<Case> {
    let flag = |it: &mut Forged, flag: u16| field(it, 36, &flag.to_le_bytes());
    vec![
        case(&[110], "mode that nobody knows", |it| flag(it, 3)).refutes(CheckId::Mode, &[FeatureFlagUnknown]),
        case(&[110], "mode in the second byte", |it| flag(it, 0x0100)).refutes(CheckId::Mode, &[FeatureFlagUnknown]),
        case(&[110], "state of protected PCIe neither on nor off", |it| field(it, 21, &[0]))
            .refutes(CheckId::Mode, &[FeatureFlagUnknown]),
        case(&[111], "protected PCIe by the flag alone", |it| flag(it, 2)).refutes(CheckId::Mode, &[FeatureFlagMismatch]),
        case(&[111], "protected PCIe by its state alone", |it| field(it, 21, &[0xaa]))
            .refutes(CheckId::Mode, &[FeatureFlagMismatch]),
    ]
}

#[rustfmt::skip]
#[test]
fn modes_unknown_or_in_two_voices_are_refused() {
    check_all(modes());
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
        let collateral = Collateral::default();
        let found = DeviceReading::new(evidence).appraise(&it.nonce, collateral, it.as_of);
        assert!(!found.affirms(ReportSignature), "byte {at}");
        assert_eq!(found.overall(), Overall::Fail, "byte {at}");
    }
}
