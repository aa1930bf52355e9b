//! Answers that are not read.

use super::super::fixture::{
    CRL_REFERENCE, ECDSA_SHA384, GOOD, NONCE, NULL, Recipe, SHA384, SHA512, answer, explicit,
    extension, key, named, nonce, octets, recipe, revoked, sequence, time, tlv,
};
use super::{PKI, RESPONDER, authentic, codes, refused};
use crate::limits::{MAX_OCSP_BYTES, MAX_OCSP_CERTIFICATES, MAX_OCSP_EXTENSIONS};
use crate::ocsp::{CertificateStatus, OcspResponse};
use crate::reason::Code;

type Edit = fn(&mut Recipe);

/// Each case is the good answer changed in one way, and is refused for `code` alone.
fn all_refused_for(code: Code, cases: &[(&str, Edit)]) {
    for (defect, edit) in cases {
        let reasons = refused(defect, &answer(edit));
        assert_eq!(codes(&reasons), [code], "{defect}: {reasons:?}");
        assert!(
            reasons[0].message.starts_with("OCSP response: "),
            "{defect}: {reasons:?}"
        );
    }
}

fn extensions(list: &[&[u8]]) -> Vec<u8> {
    explicit(1, &sequence(list))
}

/// Row 61.
#[test]
fn the_responder_must_have_answered() {
    #[rustfmt::skip]
    let words = [
        (1, "malformedRequest"), (2, "internalError"), (3, "tryLater"), (5, "sigRequired"), (6, "unauthorized"),
    ];
    for (status, word) in words {
        let bare = sequence(&[&tlv(0x0a, &[&[status]])]);
        let with_answer = answer(|recipe| recipe.response_status = status);
        for der in [bare, with_answer] {
            let reasons = refused(word, &der);
            assert_eq!(codes(&reasons), [Code::OcspResponseUnsuccessful], "{word}");
            assert_eq!(reasons[0].actual.as_deref(), Some(word));
        }
    }
    for status in [4, 7, 0x7f, 0x80] {
        let reasons = refused("status", &answer(|recipe| recipe.response_status = status));
        assert_eq!(codes(&reasons), [Code::OcspMalformed], "{status}");
    }
}

#[test]
fn the_envelope_is_that_of_a_basic_response() {
    #[rustfmt::skip]
    let cases: [(&str, Edit); 12] = [
        ("another response type", |r| r.response_type = NONCE.to_vec()),
        ("version 1 spelled as 2", |r| r.version = explicit(0, &[2, 1, 1])),
        ("no responder", |r| r.responder_id = Vec::new()),
        ("responder of another choice", |r| r.responder_id = explicit(3, &octets(&[0; 20]))),
        ("two responders", |r| r.responder_id = r.responder_id.repeat(2)),
        ("no production time", |r| r.produced_at = Vec::new()),
        ("production time with a fraction", |r| r.produced_at = time("20250701120000.5Z")),
        ("production time with an offset", |r| r.produced_at = time("20250701120000+0100")),
        ("no single response", |r| r.singles = 0),
        ("two single responses", |r| r.singles = 2),
        ("unused bits in the signature", |r| r.unused_bits = 1),
        ("no algorithm", |r| r.algorithm = Vec::new()),
    ];
    all_refused_for(Code::OcspMalformed, &cases);
}

#[test]
fn a_single_response_has_one_form() {
    #[rustfmt::skip]
    let cases: [(&str, Edit); 22] = [
        ("no status", |r| r.single.status = Vec::new()),
        ("two statuses", |r| r.single.status = GOOD.repeat(2)),
        ("status of another choice", |r| r.single.status = vec![0x83, 0]),
        ("good with content", |r| r.single.status = vec![0x80, 1, 0]),
        ("good as revoked without a time", |r| r.single.status = vec![0xa1, 0]),
        ("unused reason 7", |r| r.single.status = revoked("20250101000000Z", Some(7))),
        ("reason beyond the last", |r| r.single.status = revoked("20250101000000Z", Some(11))),
        ("no this update", |r| r.single.this_update = Vec::new()),
        ("this update of another type", |r| r.single.this_update = tlv(0x17, &[b"250701120000Z"])),
        ("next update without its tag", |r| r.single.next_update = time("20250702120000Z")),
        ("two next updates", |r| r.single.next_update = r.single.next_update.repeat(2)),
        ("impossible day", |r| r.single.this_update = time("20250230120000Z")),
        ("hash nobody uses", |r| r.single.id.algorithm = sequence(&[SHA512, NULL])),
        ("hash with parameters", |r| r.single.id.algorithm = sequence(&[SHA384, &[2, 1, 0]])),
        ("name hash short", |r| r.single.id.name_hash.truncate(47)),
        ("name hash long", |r| r.single.id.name_hash.push(0)),
        ("key hash short", |r| r.single.id.key_hash.truncate(47)),
        ("key hash empty", |r| r.single.id.key_hash.clear()),
        ("serial empty", |r| r.single.id.serial.clear()),
        ("serial with a zero too many", |r| r.single.id.serial = vec![0, 1]),
        ("serial negative, spelled long", |r| r.single.id.serial = vec![0xff, 0xff]),
        ("extension twice", |r| r.single.extensions = extensions(&[&extension(CRL_REFERENCE, false, NULL), &extension(CRL_REFERENCE, false, NULL)])),
    ];
    all_refused_for(Code::OcspMalformed, &cases);
}

#[test]
fn a_nonce_has_one_form() {
    #[rustfmt::skip]
    let cases: [(&str, Edit); 6] = [
        ("empty", |r| r.extensions = extensions(&[&nonce(&[])])),
        ("too long", |r| r.extensions = extensions(&[&nonce(&[1; 129])])),
        ("not wrapped", |r| r.extensions = extensions(&[&extension(NONCE, false, &[7; 32])])),
        ("of another type", |r| r.extensions = extensions(&[&extension(NONCE, false, NULL)])),
        ("followed by bytes", |r| r.extensions = extensions(&[&extension(NONCE, false, &[4, 1, 7, 0])])),
        ("twice", |r| r.extensions = extensions(&[&nonce(&[1]), &nonce(&[1])])),
    ];
    all_refused_for(Code::OcspMalformed, &cases);
}

#[test]
fn critical_extensions_are_refused() {
    #[rustfmt::skip]
    let cases: [(&str, Edit); 3] = [
        ("of the answer", |r| r.extensions = extensions(&[&extension(CRL_REFERENCE, true, NULL)])),
        ("of the single response", |r| r.single.extensions = extensions(&[&extension(CRL_REFERENCE, true, NULL)])),
        ("a nonce where none belongs", |r| r.single.extensions = extensions(&[&extension(NONCE, true, &[4, 1, 7])])),
    ];
    all_refused_for(Code::OcspExtensionCritical, &cases);
}

/// One reason for too many, not one for each.
#[test]
fn extensions_are_bounded() {
    let critical = |count: u8| {
        let oid = |number| [&CRL_REFERENCE[..10], &[number]].concat();
        let all: Vec<_> = (0..count)
            .map(|number| extension(&oid(number), true, NULL))
            .collect();
        extensions(&all.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    let most = u8::try_from(MAX_OCSP_EXTENSIONS).unwrap();
    for edit in [
        (|recipe, extensions| recipe.extensions = extensions) as fn(&mut Recipe, Vec<u8>),
        |recipe, extensions| recipe.single.extensions = extensions,
    ] {
        let reasons = refused("most", &answer(|recipe| edit(recipe, critical(most))));
        assert!(reasons.len() >= MAX_OCSP_EXTENSIONS - 1);
        let reasons = refused("more", &answer(|recipe| edit(recipe, critical(most + 1))));
        assert_eq!(codes(&reasons), [Code::OcspMalformed]);
        assert_eq!(reasons[0].message, "OCSP response: number of extensions");
        assert_eq!(reasons[0].actual.as_deref(), Some("17"));
    }
}

/// What RFC 6960 allows and NVIDIA does not use changes nothing.
#[test]
fn other_spellings_are_read() {
    #[rustfmt::skip]
    let cases: [(&str, Edit); 7] = [
        ("version stated", |r| r.version = explicit(0, &[2, 1, 0])),
        ("hash without parameters", |r| r.single.id.algorithm = sequence(&[SHA384])),
        ("unknown extension of the answer", |r| r.extensions = extensions(&[&extension(CRL_REFERENCE, false, NULL)])),
        ("unknown extension of the single response", |r| r.single.extensions = extensions(&[&extension(CRL_REFERENCE, false, NULL)])),
        ("critical nonce", |r| r.extensions = extensions(&[&extension(NONCE, true, &[4, 1, 7])])),
        ("longest nonce", |r| r.extensions = extensions(&[&nonce(&[1; 128])])),
        ("responder by name", |r| r.responder_id = r.signer.id_by_name()),
    ];
    for (spelling, edit) in cases {
        let response = authentic(&answer(edit));
        let status = response.get().status();
        assert_eq!(status, CertificateStatus::Good, "{spelling}");
    }
}

#[test]
fn the_bytes_are_der_and_nothing_follows() {
    let good = recipe().der();
    let trailing = [&good[..], &[0]].concat();
    let short = &good[..good.len() - 1];
    // The outer length in the long form of three bytes instead of two.
    let long_length = [&[0x30, 0x83, 0], &good[2..]].concat();
    let indefinite = [&[0x30, 0x80], &good[4..], &[0, 0]].concat();
    assert_eq!(good[..2], [0x30, 0x82]);
    let no_answer = sequence(&[&[0x0a, 1, 0]]);
    let cases: [(&str, &[u8]); 8] = [
        ("empty", b""),
        ("text", b"<html>"),
        ("an empty sequence", &[0x30, 0]),
        ("a successful response without an answer", &no_answer),
        ("trailing byte", &trailing),
        ("last byte missing", short),
        ("length too long", &long_length),
        ("indefinite length", &indefinite),
    ];
    for (defect, der) in cases {
        let reasons = refused(defect, der);
        assert_eq!(codes(&reasons), [Code::OcspMalformed], "{defect}");
    }
}

#[test]
fn sizes_are_bounded() {
    let reasons = refused("endless", &vec![0x30; MAX_OCSP_BYTES + 1]);
    assert_eq!(codes(&reasons), [Code::OcspTooLarge]);
    let reasons = refused("long", &vec![0x30; MAX_OCSP_BYTES]);
    assert_eq!(codes(&reasons), [Code::OcspMalformed]);
    let other = PKI.issuer(3).certificate;
    let with = |count: usize| {
        answer(|recipe| {
            let others = vec![other.clone(); count - 1];
            recipe.certificates.extend(others);
        })
    };
    authentic(&with(MAX_OCSP_CERTIFICATES));
    let reasons = refused("certificates", &with(MAX_OCSP_CERTIFICATES + 1));
    assert_eq!(codes(&reasons), [Code::OcspMalformed]);
}

#[test]
fn certificates_beside_the_answer_are_certificates() {
    let own = RESPONDER.certificate.clone();
    let der = answer(|r| r.certificates = vec![sequence(&[]), own.clone(), vec![2, 1, 0]]);
    let reasons = refused("not certificates", &der);
    assert_eq!(codes(&reasons), [Code::CertificateMalformed; 2]);
    assert!(
        reasons[1]
            .message
            .starts_with("OCSP response: certificate 2: ")
    );
    let twice = answer(|r| r.certificates = vec![own.clone(), own.clone()]);
    let reasons = refused("twice", &twice);
    assert_eq!(codes(&reasons), [Code::OcspMalformed]);
}

/// Certificates that the responder id does not name are not looked at, wherever they stand.
#[test]
fn other_certificates_are_passed_over() {
    let unrelated = named("unrelated").self_signed(&key()).unwrap();
    let der = answer(|recipe| {
        let own = recipe.certificates.clone();
        recipe.certificates = vec![unrelated.der().to_vec(), PKI.issuer(2).certificate];
        recipe.certificates.extend(own);
    });
    let response = authentic(&der);
    assert_eq!(
        response.get().responder().unwrap().der(),
        RESPONDER.certificate
    );
}

/// Everything wrong is said, not the first of it.
#[test]
fn reasons_are_collected() {
    let der = answer(|recipe| {
        recipe.version = explicit(0, &[2, 1, 1]);
        recipe.single.extensions = extensions(&[&extension(CRL_REFERENCE, true, NULL)]);
        recipe.single.id.name_hash.clear();
        recipe.single.id.key_hash.clear();
        recipe.extensions = extensions(&[&extension(CRL_REFERENCE, true, NULL), &nonce(&[])]);
        recipe.unused_bits = 1;
        recipe.certificates.push(sequence(&[]));
    });
    let wanted = [
        Code::OcspMalformed,
        Code::OcspExtensionCritical,
        Code::OcspMalformed,
        Code::OcspMalformed,
        Code::OcspExtensionCritical,
        Code::OcspMalformed,
        Code::OcspMalformed,
        Code::CertificateMalformed,
    ];
    assert_eq!(codes(&refused("eight defects", &der)), wanted);
}

/// Form says nothing about who signed.
#[test]
fn an_answer_is_read_whoever_signed_it() {
    let der = answer(|recipe| recipe.algorithm = sequence(&[ECDSA_SHA384, NULL]));
    assert!(OcspResponse::parse(&der).is_ok());
    let recipe = recipe();
    assert!(OcspResponse::parse(&recipe.around(&recipe.tbs(), &[])).is_ok());
}
