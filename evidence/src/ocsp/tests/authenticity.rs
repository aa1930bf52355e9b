//! Answers that are read, and whether they are believed.

use rcgen::{CustomExtension, KeyUsagePurpose};

use super::super::fixture::{
    ECDSA_SHA256, ECDSA_SHA384, Id, NULL, Recipe, STRANGER, Signer, answer, answer_by, by,
    explicit, for_client_authentication, kept, key, no_check, octets, p256_key, recipe,
    responder_by, sequence,
};
use super::{ASKED, PKI, RESPONDER, authentic, codes};
use crate::crypto;
use crate::ocsp::certificate_id::sha1;
use crate::ocsp::{CertificateId, IdHash, Link, OcspResponse};
use crate::reason::{Code, Reason};

fn not_authentic(defect: &str, der: &[u8], link: &Link<'_>) -> Vec<Reason> {
    match OcspResponse::parse(der).unwrap().authenticate(link) {
        Ok(_) => panic!("{defect}: was authentic"),
        Err(refuted) => refuted.reasons,
    }
}

fn refuted_for(defect: &str, der: &[u8], expected: &[Code]) -> Vec<Reason> {
    let reasons = not_authentic(defect, der, &PKI.link(ASKED));
    assert_eq!(codes(&reasons), expected, "{defect}: {reasons:?}");
    reasons
}

/// Row 62.
#[test]
fn an_answer_is_about_the_certificate_asked_about() {
    type Edit = fn(&mut Id);
    #[rustfmt::skip]
    let cases: [(&str, Edit, usize); 7] = [
        ("name hash", |id| id.name_hash[0] ^= 1, 1),
        ("key hash", |id| id.key_hash[47] ^= 1, 1),
        ("serial", |id| id.serial[0] ^= 1, 1),
        ("serial, shorter", |id| id.serial.truncate(8), 1),
        ("serial, longer", |id| id.serial.push(0), 1),
        ("hashes exchanged", |id| std::mem::swap(&mut id.name_hash, &mut id.key_hash), 2),
        ("another certificate", |id| *id = Id::of(&PKI.link(ASKED + 1), IdHash::Sha384), 3),
    ];
    for (defect, edit, count) in cases {
        let der = answer(|recipe| edit(&mut recipe.single.id));
        let reasons = not_authentic(defect, &der, &PKI.link(ASKED));
        let expected = vec![Code::OcspCertificateMismatch; count];
        assert_eq!(codes(&reasons), expected, "{defect}: {reasons:?}");
        assert_ne!(reasons[0].expected, reasons[0].actual, "{defect}");
    }
}

/// nvidia-evidence 13: over the issuer's name, and over its key without the byte that counts unused bits.
#[test]
fn an_id_is_of_the_issuers_name_and_key() {
    let link = PKI.link(ASKED);
    let name = link.issuer().subject_der();
    let point = link.issuer().p384_point().unwrap();
    let id = link.id();
    assert_eq!(id.issuer_name_hash(), crypto::sha384(name));
    assert_eq!(id.issuer_key_hash(), crypto::sha384(point));
    assert_eq!(id.serial(), link.subject().serial());
    let by = |hash| CertificateId::by(hash, link.subject(), link.issuer());
    let sha256 = by(IdHash::Sha256);
    assert_eq!(sha256.issuer_name_hash(), crypto::sha256(name));
    assert_eq!(sha256.issuer_key_hash(), crypto::sha256(point));
    assert_eq!(by(IdHash::Sha1).issuer_key_hash(), sha1(point));
    let of_abc = "a9993e364706816aba3e25717850c26c9cd0d89d";
    assert_eq!(hex::encode(sha1(b"abc")), of_abc);
}

#[test]
fn an_id_is_told_by_every_hash_of_its_own_issuer_and_of_no_other() {
    let (link, other) = (PKI.link(ASKED), PKI.link(ASKED + 1));
    let by = |hash| CertificateId::by(hash, link.subject(), link.issuer());
    let all = [IdHash::Sha1, IdHash::Sha256, IdHash::Sha384].map(by);
    for id in &all {
        assert_eq!(id.by_every_hash(link.issuer()), all);
        assert_eq!(id.by_every_hash(other.issuer()), []);
    }
}

#[test]
fn every_supported_hash_names_the_certificate() {
    let link = PKI.link(ASKED);
    for hash in [IdHash::Sha1, IdHash::Sha256, IdHash::Sha384] {
        let der = answer(|recipe| recipe.single.id = Id::of(&link, hash));
        let response = authentic(&der);
        let id = response.get().id();
        assert_eq!(id.id_hash(), hash);
        assert!(id.names(link.subject(), link.issuer()));
        assert!(!id.names(link.issuer(), link.subject()));
        let other = PKI.link(ASKED + 1);
        assert!(!id.names(other.subject(), other.issuer()));
        assert!(!id.names(link.subject(), other.issuer()));
        assert!(!id.names(other.subject(), link.issuer()));
        assert_eq!(
            *id,
            CertificateId::by(hash, link.subject(), link.issuer()),
            "{hash:?}"
        );
    }
}

/// Row 63.
#[test]
fn the_answer_is_signed_by_its_responder() {
    let recipe = recipe();
    let tbs = recipe.tbs();
    let signature = RESPONDER.sign(&tbs);
    // The last digit of the next update, in front of its Z.
    let mut edited = tbs.clone();
    let digit = edited.len() - 2;
    edited[digit] ^= 1;
    let other_key = PKI.responder(ASKED, |_| ()).sign(&tbs);
    let mut flipped = signature.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [&signature[..], &[0]].concat();
    let cases = [
        ("text edited", recipe.around(&edited, &signature)),
        ("another key", recipe.around(&tbs, &other_key)),
        ("signature flipped", recipe.around(&tbs, &flipped)),
        ("signature longer", recipe.around(&tbs, &longer)),
        ("signature empty", recipe.around(&tbs, &[])),
    ];
    for (defect, der) in cases {
        refuted_for(defect, &der, &[Code::OcspSignatureInvalid]);
    }
}

#[test]
fn the_algorithm_is_fixed() {
    let cases = [
        ("ecdsa-with-SHA256", sequence(&[ECDSA_SHA256])),
        ("with parameters", sequence(&[ECDSA_SHA384, NULL])),
    ];
    for (defect, algorithm) in cases {
        let der = answer(|recipe| recipe.algorithm = algorithm);
        refuted_for(defect, &der, &[Code::OcspSignatureMethod]);
    }
}

/// A change to a responder's certificate, and what it leads to.
type ResponderCase = (&'static str, fn(&mut rcgen::CertificateParams), Code);

/// Rows 47 and 65 and RFC 5280 4.2 for responders.
#[test]
fn a_delegated_responder_may_do_what_it_does() {
    #[rustfmt::skip]
    let cases: [ResponderCase; 6] = [
        ("no extended key usage", |p| p.custom_extensions.clear(), Code::OcspResponderUsage),
        ("another extended key usage", |p| p.custom_extensions = vec![for_client_authentication()], Code::OcspResponderUsage),
        ("no key usage", |p| p.key_usages.clear(), Code::OcspResponderUsage),
        ("another key usage", |p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign], Code::OcspResponderUsage),
        ("extended key usage twice", |p| p.custom_extensions.push(for_client_authentication()), Code::OcspResponderUsage),
        ("unknown critical extension", |p| p.custom_extensions.push(critical()), Code::CertificateExtensionCritical),
    ];
    for (defect, edit, code) in cases {
        let responder = kept(PKI.responder(ASKED, edit));
        let reasons = refuted_for(defect, &answer_by(responder), &[code]);
        let about = "OCSP responder (test responder): ";
        assert!(reasons[0].message.starts_with(about), "{defect}");
    }
}

fn critical() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 999, 1], NULL.to_vec());
    extension.set_criticality(true);
    extension
}

/// Row 64: it is this certificate's issuer that delegates, and no other CA.
#[test]
fn a_responder_is_delegated_by_the_issuer() {
    let self_signed = {
        let key = key();
        let mut params = super::super::fixture::named("test responder");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let own = params.self_signed(&key).unwrap();
        own.der().to_vec()
    };
    let untrusted = Code::OcspResponderUntrusted;
    let cases: [(&str, Signer); 5] = [
        ("issuer's issuer", PKI.responder(ASKED + 1, |_| ())),
        ("the certificate itself", PKI.responder(ASKED - 1, |_| ())),
        ("the root", PKI.responder(3, |_| ())),
        (
            "issuer's key, another name",
            PKI.responder_in_another_name(ASKED),
        ),
        (
            "issuer of that name elsewhere",
            STRANGER.responder(ASKED, |_| ()),
        ),
    ];
    for (defect, responder) in cases {
        let reasons = refuted_for(defect, &answer_by(kept(responder)), &[untrusted]);
        assert_eq!(reasons[0].expected.as_deref(), Some("test L3"), "{defect}");
    }
    let der = answer(|recipe| {
        let id = Signer::id_by_name(&RESPONDER);
        recipe.responder_id = id;
        recipe.certificates = vec![self_signed];
    });
    let all = [
        untrusted,
        Code::OcspResponderUsage,
        Code::OcspSignatureInvalid,
    ];
    refuted_for("itself", &der, &all);
}

#[test]
fn the_key_is_p384() {
    let responder = kept(PKI.responder_with_key(ASKED, &p256_key(), |_| ()));
    let all = [Code::CertificateAlgorithm, Code::SigningKeyUnavailable];
    refuted_for("P-256", &answer_by(responder), &all);
    let by_p256 = kept(responder_by("test L3", p256_key()));
    let all = [Code::OcspResponderUntrusted, Code::CertificateAlgorithm];
    refuted_for("issued by P-256", &answer_by(by_p256), &all);
}

#[test]
fn the_responder_id_names_who_signed() {
    type Edit = fn(&mut Recipe);
    let nobody = [Code::OcspResponderUntrusted];
    #[rustfmt::skip]
    let cases: [(&str, Edit); 4] = [
        ("another key", |r| r.responder_id = explicit(2, &octets(&[7; 20]))),
        ("another name", |r| r.responder_id = explicit(1, &sequence(&[]))),
        ("short key", |r| r.responder_id = explicit(2, &octets(&[]))),
        ("certificate missing", |r| r.certificates.clear()),
    ];
    for (defect, edit) in cases {
        let reasons = refuted_for(defect, &answer(edit), &nobody);
        assert!(reasons[0].message.contains("names neither"), "{defect}");
    }
}

/// RFC 6960 4.2.2.2: the issuer may answer itself, with or without its certificate beside the answer.
#[test]
fn the_issuer_may_answer_itself() {
    let issuer = kept(PKI.issuer(ASKED + 1));
    for beside in [true, false] {
        let der = answer(|recipe| {
            by(recipe, issuer);
            if !beside {
                recipe.certificates.clear();
            }
        });
        let response = authentic(&der);
        assert_eq!(response.get().responder().is_some(), beside);
    }
    let by_name = answer(|recipe| {
        by(recipe, issuer);
        recipe.responder_id = issuer.id_by_name();
        recipe.certificates.clear();
    });
    authentic(&by_name);
    let forged = answer(|recipe| {
        recipe.responder_id = issuer.id_by_key();
        recipe.certificates.clear();
    });
    refuted_for("another signed", &forged, &[Code::OcspSignatureInvalid]);
}

#[test]
fn an_issuer_that_may_not_sign_data_answers_nothing() {
    let issuer = kept(PKI.issuer(ASKED + 2));
    let link = PKI.link(ASKED + 1);
    let der = answer(|recipe| {
        by(recipe, issuer);
        recipe.single.id = Id::of(&link, IdHash::Sha384);
    });
    let reasons = not_authentic("keyCertSign alone", &der, &link);
    assert_eq!(codes(&reasons), [Code::OcspResponderUsage]);
}

/// The issuer's own name and key in another certificate is another certificate.
#[test]
fn a_copy_of_the_issuer_is_not_the_issuer() {
    let issuer = STRANGER.issuer(ASKED + 1);
    let der = answer(|recipe| {
        recipe.responder_id = issuer.id_by_name();
        recipe.certificates = vec![issuer.certificate.clone()];
    });
    let all = [
        Code::OcspResponderUntrusted,
        Code::OcspResponderUsage,
        Code::OcspSignatureInvalid,
    ];
    refuted_for("stranger of that name", &der, &all);
}

/// Row 73.
#[test]
fn whether_the_responder_exempts_itself_is_read() {
    let issuer = PKI.link(ASKED).issuer();
    let exempt = kept(PKI.responder(ASKED, |p| p.custom_extensions.push(no_check())));
    let no_check = |der: &[u8]| authentic(der).get().responder_no_check(issuer);
    assert_eq!(no_check(&answer_by(exempt)), Some(true));
    assert_eq!(no_check(&recipe().der()), Some(false));
    let itself = answer_by(kept(PKI.issuer(ASKED + 1)));
    assert_eq!(no_check(&itself), None);
}

#[test]
fn reasons_of_subject_responder_and_signature_come_together() {
    let responder = kept(STRANGER.responder(ASKED, |params| {
        params.key_usages.clear();
        params.custom_extensions = vec![critical()];
    }));
    let mut recipe = recipe();
    by(&mut recipe, responder);
    recipe.single.id.serial = vec![1];
    let der = recipe.around(&recipe.tbs(), &[]);
    let all = [
        Code::OcspCertificateMismatch,
        Code::OcspResponderUntrusted,
        Code::OcspResponderUsage,
        Code::OcspResponderUsage,
        Code::OcspSignatureInvalid,
        Code::CertificateExtensionCritical,
    ];
    refuted_for("six defects", &der, &all);
}
