//! Manifests that are read, and whether they are believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::fixture::{
    AFTER, BEFORE, GOOD, SIGNER, STRANGER, WITHIN, edit, p256_certificate, template,
};
use super::codes;
use crate::cert::{AnchorUse, TrustAnchors};
use crate::reason::{Code, Reason};
use crate::rim::Rim;
use crate::trust::Expires;

fn authentic(xml: &str) -> bool {
    let rim = Rim::parse(xml.as_bytes()).unwrap();
    rim.authenticate(&SIGNER.anchors()).is_ok()
}

fn not_authentic(defect: &str, xml: &str, anchors: &TrustAnchors) -> Vec<Reason> {
    match Rim::parse(xml.as_bytes()).unwrap().authenticate(anchors) {
        Ok(_) => panic!("{defect}: was authentic"),
        Err(refuted) => refuted.reasons,
    }
}

#[test]
fn a_signed_manifest_is_authentic_and_says_who_vouches() {
    let rim = Rim::parse(GOOD.as_bytes()).unwrap();
    let rim = rim.authenticate(&SIGNER.anchors()).unwrap();
    assert!(rim.is_simulated());
    assert!(rim.verify_at(WITHIN).is_ok());
}

/// What XML allows and the canonical form takes away changes neither meaning nor trust.
#[test]
fn spelling_that_canonicalisation_removes_is_authentic() {
    #[rustfmt::skip]
    let spellings = [
        (r#"role="softwareCreator tagCreator"/>"#, "role='softwareCreator tagCreator'></ns0:Entity >"),
        (r#"<ns0:Entity name="Nobody""#, "<ns0:Entity\n   name = \"Nobody\""),
        (r#"corpus="false" name="GX100""#, r#"name="GX100" corpus="false""#),
        ("</SoftwareIdentity>\n", "</SoftwareIdentity>"),
        ("</ds:SignedInfo><ds:SignatureValue>", "</ds:SignedInfo>\n<ds:SignatureValue>\n"),
        ("<ds:KeyInfo>", "<ds:KeyInfo  >"),
    ];
    for (from, to) in spellings {
        assert!(authentic(&edit(&GOOD, from, to)), "{to}");
    }
}

/// Attributes that nobody knows are ignored where they cannot restrict a golden value, for they are signed.
#[test]
fn unknown_signed_attributes_are_ignored() {
    for element in ["SoftwareIdentity", "ns0:Entity", "ns0:Meta", "ns0:Payload"] {
        let unknown = format!(r#"<{element} unknown="1" ns2:unknown="2" "#);
        let more = edit(&template(), &format!("<{element} "), &unknown);
        assert!(authentic(&SIGNER.sign(&more)), "{element}");
    }
}

#[test]
fn an_edited_manifest_has_another_digest() {
    #[rustfmt::skip]
    let edits = [
        ("version", r#"colloquialVersion="550.1""#, r#"colloquialVersion="550.2""#),
        ("hash", r#"ns2:Hash0="aa"#, r#"ns2:Hash0="ab"#),
        ("activation", r#"index="0" active="False""#, r#"index="0" active="True""#),
        ("white space", "    <ns0:Entity", "<ns0:Entity"),
        ("white space beside the signature", "</ds:Signature>", "</ds:Signature>\n"),
        ("unused declaration", r#" xmlns:SHA384="http://www.w3.org/2001/04/xmlenc#sha384""#, ""),
        ("prefix of a declaration", "xmlns:SHA384=", "xmlns:sha384="),
        ("prefix of a name", "<ns0:Entity", "<Entity"),
        ("unread value", r#"name="Measurement_1""#, r#"name="Measurement>1""#),
    ];
    for (defect, from, to) in edits {
        let text = edit(&GOOD, from, to);
        let reasons = not_authentic(defect, &text, &SIGNER.anchors());
        assert_eq!(codes(&reasons), [Code::RimDigestMismatch], "{defect}");
        assert_ne!(reasons[0].expected, reasons[0].actual);
    }
}

#[test]
fn an_edited_signature_is_invalid() {
    let value = GOOD.find("<ds:SignatureValue>").unwrap() + "<ds:SignatureValue>".len();
    let mut value_edited = GOOD.clone();
    let first = &GOOD[value..=value];
    value_edited.replace_range(value..=value, if first == "A" { "B" } else { "A" });
    // The namespaces in scope are signed with SignedInfo, even unused.
    let declared = r#"<ds:Signature xmlns:unused="http://example.org/" "#;
    let edits = [
        ("value", value_edited),
        (
            "white space",
            edit(&GOOD, "<ds:SignedInfo>", "<ds:SignedInfo>\n"),
        ),
        ("declaration", edit(&GOOD, "<ds:Signature ", declared)),
    ];
    for (defect, text) in edits {
        let reasons = not_authentic(defect, &text, &SIGNER.anchors());
        assert_eq!(codes(&reasons), [Code::RimSignatureInvalid], "{defect}");
    }
}

#[test]
fn reasons_of_digest_signature_and_chain_come_together() {
    let text = edit(&GOOD, "550.1", "550.2");
    let text = edit(&text, "<ds:SignedInfo>", "<ds:SignedInfo>\n");
    let reasons = not_authentic("all", &text, &STRANGER.anchors());
    let all = [
        Code::RimDigestMismatch,
        Code::RimSignatureInvalid,
        Code::ChainRootUntrusted,
    ];
    assert_eq!(codes(&reasons), all);
}

#[test]
fn the_root_is_a_pinned_rim_root() {
    let device = SIGNER.anchors_for(AnchorUse::Device);
    let cases = [
        ("no anchors", TrustAnchors::default()),
        ("device anchor", device),
        ("another root of that name", STRANGER.anchors()),
    ];
    for (defect, anchors) in cases {
        let reasons = not_authentic(defect, &GOOD, &anchors);
        assert_eq!(codes(&reasons), [Code::ChainRootUntrusted], "{defect}");
        assert!(reasons[0].message.starts_with("RIM chain: "), "{defect}");
    }
}

/// Defect, certificates in `KeyInfo`, reasons that must be among those given.
type Case<'a> = (&'a str, &'a [&'a Vec<u8>], &'a [Code]);

#[test]
fn the_key_is_the_leaf_of_a_chain_of_four() {
    let [leaf, l3, l2, root] = &SIGNER.chain;
    let [stranger, ..] = &STRANGER.chain;
    #[rustfmt::skip]
    let cases: [Case<'_>; 6] = [
        ("root missing", &[leaf, l3, l2], &[Code::ChainLength, Code::ChainRootUntrusted]),
        ("root twice", &[leaf, l3, l2, root, root], &[Code::ChainLength]),
        ("intermediates swapped", &[leaf, l2, l3, root], &[Code::ChainOrder, Code::CertificateSignatureInvalid]),
        ("another leaf", &[stranger, l3, l2, root], &[Code::RimSignatureInvalid, Code::CertificateSignatureInvalid]),
        ("certificate in front", &[stranger, leaf, l3, l2, root], &[Code::RimSignatureInvalid, Code::ChainLength]),
        ("leaf missing", &[l3, l2, root], &[Code::RimSignatureInvalid, Code::ChainLength]),
    ];
    for (defect, chain, expected) in cases {
        let certificates: Vec<_> = chain.iter().map(|der| STANDARD.encode(der)).collect();
        let text = SIGNER.sign_with(&template(), &certificates);
        let reasons = not_authentic(defect, &text, &SIGNER.anchors());
        let found = codes(&reasons);
        assert!(
            expected.iter().all(|code| found.contains(code)),
            "{defect}: {reasons:?}"
        );
        let of_chain = reasons
            .iter()
            .filter(|r| r.code != Code::RimSignatureInvalid);
        let says_so = |reason: &Reason| reason.message.starts_with("RIM c");
        assert!(of_chain.into_iter().all(says_so), "{defect}: {reasons:?}");
    }
}

#[test]
fn a_leaf_of_another_kind_of_key_signs_nothing() {
    let mut chain = SIGNER.chain.clone();
    chain[0] = p256_certificate();
    let certificates = chain.map(|der| STANDARD.encode(der));
    let text = SIGNER.sign_with(&template(), &certificates);
    let reasons = not_authentic("P-256", &text, &SIGNER.anchors());
    assert_eq!(reasons[0].code, Code::SigningKeyUnavailable);
    assert!(codes(&reasons).contains(&Code::CertificateAlgorithm));
    assert!(!codes(&reasons).contains(&Code::RimSignatureInvalid));
}

#[test]
fn validity_is_judged_apart() {
    let rim = Rim::parse(GOOD.as_bytes()).unwrap();
    let rim = rim.authenticate(&SIGNER.anchors()).unwrap();
    let at = |time| rim.get().reasons_at(time);
    assert_eq!(at(WITHIN), []);
    assert_eq!(codes(&at(BEFORE)), [Code::CertificateNotYetValid]);
    let expired = at(AFTER);
    assert_eq!(codes(&expired), [Code::CertificateExpired]);
    assert!(
        expired[0]
            .message
            .starts_with("RIM certificate 0 (test RIM L4)")
    );
    assert!(rim.verify_at(AFTER).is_err());
}
