//! The good ones, and what looks odd and is allowed.

use evidence::limits::{MAX_CHAIN_BYTES, MAX_REPORT_BYTES};

use crate::kit::*;

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

/// Things that look odd and are allowed, so that a stricter rule does not creep in unseen.
#[rustfmt::skip]
pub(crate) fn tolerated() -> Vec<Case> {
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
