//! Manifests whose signature element is not the one kind (`signature`).

use super::super::fixture::{GOOD, SIGNER, edit, template};
use super::{all_refused_for, codes, refused};
use crate::reason::{Code, Reason};
use crate::rim::Rim;

#[test]
fn methods_and_reference_are_fixed() {
    let c14n11 = "http://www.w3.org/2006/12/xml-c14n11";
    let method = format!(r#"CanonicalizationMethod Algorithm="{c14n11}""#);
    let c14n10 = method.replace("2006/12/xml-c14n11", "TR/2001/REC-xml-c14n-20010315");
    let with_comments = method.replace("c14n11", "c14n11#WithComments");
    let enveloped =
        r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#;
    let canonical = format!(r#"<ds:Transform Algorithm="{c14n11}"/>"#);
    let exclusive = canonical.replace("2006/12/xml-c14n11", "2001/10/xml-exc-c14n#");
    let in_order = format!("{enveloped}{canonical}");
    let swapped = format!("{canonical}{enveloped}");
    let third = format!("{canonical}</ds:Transforms>");
    #[rustfmt::skip]
    let cases = [
        ("canonicalization 1.0", method.as_str(), c14n10.as_str()),
        ("canonicalization with comments", &method, &with_comments),
        ("signature algorithm HMAC", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        ("signature algorithm ECDSA with SHA-1", "#ecdsa-sha384", "#ecdsa-sha1"),
        ("digest algorithm SHA-1", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2000/09/xmldsig#sha1"),
        ("algorithm of another namespace", "<ds:DigestMethod Algorithm", "<ds:DigestMethod ns2:Algorithm"),
        ("algorithm twice", "<ds:DigestMethod ", r#"<ds:DigestMethod ns2:Algorithm="a" "#),
        ("algorithm with parameters", r#"#ecdsa-sha384"/>"#, r#"#ecdsa-sha384"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>"#),
        ("reference to an element", r#"URI="""#, r##"URI="#a""##),
        ("reference to elsewhere", r#"URI="""#, r#"URI="http://example.org/""#),
        ("reference without URI", r#" URI="""#, ""),
        ("reference with id", r#"URI="""#, r#"URI="" Id="a""#),
        ("reference with type", r#"URI="""#, r#"URI="" Type="a""#),
        ("two references", "</ds:Reference>", r#"</ds:Reference><ds:Reference URI=""/>"#),
        ("no enveloped transform", enveloped, ""),
        ("no canonical transform", &canonical, ""),
        ("exclusive canonical transform", &canonical, &exclusive),
        ("third transform", "</ds:Transforms>", &third),
        ("transforms swapped", &in_order, &swapped),
        ("XPath transform", "http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        ("transform with parameters", r#"#enveloped-signature"/>"#, r#"#enveloped-signature"><ds:XPath>a</ds:XPath></ds:Transform>"#),
        ("transforms with id", "<ds:Transforms>", r#"<ds:Transforms Id="a">"#),
        ("signed info with id", "<ds:SignedInfo>", r#"<ds:SignedInfo Id="a">"#),
        ("digest not base64", "<ds:DigestValue>", "<ds:DigestValue>*"),
        ("digest long", "<ds:DigestValue>", "<ds:DigestValue>AAAA"),
        ("digest with a child", "<ds:DigestValue>", "<ds:DigestValue><ds:a/>"),
        ("digest with id", "<ds:DigestValue>", r#"<ds:DigestValue Id="a">"#),
    ];
    all_refused_for(Code::RimSignatureMethod, &cases);
}

#[test]
fn the_element_holds_three_parts() {
    let end = "</ds:Signature>";
    #[rustfmt::skip]
    let cases = [
        ("signature with id", "<ds:Signature ", r#"<ds:Signature Id="a" "#),
        ("object", end, "<ds:Object/></ds:Signature>"),
        ("text", end, "text</ds:Signature>"),
        ("key info of another name", "ds:KeyInfo>", "ds:KeyInfos>"),
        ("key info of another namespace", "ds:KeyInfo>", "ns0:KeyInfo>"),
        ("value long", "<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
        ("value not base64", "<ds:SignatureValue>", "<ds:SignatureValue>-"),
        ("value with id", "<ds:SignatureValue>", r#"<ds:SignatureValue Id="a">"#),
        ("key info with id", "<ds:KeyInfo>", r#"<ds:KeyInfo Id="a">"#),
        ("key value", "<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyValue/>"),
        ("key name", "</ds:KeyInfo>", "<ds:KeyName>a</ds:KeyName></ds:KeyInfo>"),
        ("retrieval method", "</ds:KeyInfo>", r#"<ds:RetrievalMethod URI=""/></ds:KeyInfo>"#),
        ("two lots of certificates", "</ds:X509Data>", "</ds:X509Data><ds:X509Data/>"),
        ("lot with id", "<ds:X509Data>", r#"<ds:X509Data Id="a">"#),
        ("issuer and serial", "<ds:X509Data>", "<ds:X509Data><ds:X509IssuerSerial/>"),
        ("revocation list", "</ds:X509Data>", "<ds:X509CRL>AAAA</ds:X509CRL></ds:X509Data>"),
        ("text among the certificates", "<ds:X509Data>", "<ds:X509Data>AAAA"),
        ("certificate with id", "<ds:X509Data><ds:X509Certificate>", r#"<ds:X509Data><ds:X509Certificate Id="a">"#),
        ("certificate of another namespace", "<ds:X509Data>", "<ds:X509Data><ns0:X509Certificate>AAAA</ns0:X509Certificate>"),
        ("certificate without text", "<ds:X509Data>", "<ds:X509Data><ds:X509Certificate/>"),
        ("certificate with a child", "<ds:X509Data><ds:X509Certificate>", "<ds:X509Data><ds:X509Certificate><ds:a/>"),
    ];
    all_refused_for(Code::RimSignatureMethod, &cases);
}

/// What is taken for a child of the manifest breaks the sequence of its children as well.
#[test]
fn one_signature_is_the_last_child() {
    let payload = GOOD.find("<ns0:Payload").unwrap();
    let start = GOOD.find("<ds:Signature ").unwrap();
    let end = GOOD.find("</SoftwareIdentity>").unwrap();
    let (head, manifest) = (&GOOD[..payload], &GOOD[payload..start]);
    let (signature, tail) = (&GOOD[start..end], &GOOD[end..]);
    let twin = signature.replace("ds:", "twin:").replace(":ds=", ":twin=");
    let absent = [head, manifest, tail].concat();
    let reasons = refused("absent", &absent);
    assert_eq!(codes(&reasons), [Code::RimSignatureMethod]);
    #[rustfmt::skip]
    let misplaced = [
        ("too early", [head, signature, manifest, tail].concat()),
        ("twice", [head, manifest, signature, &twin, tail].concat()),
        ("not alone", [head, manifest, signature, "<ns0:Link/>", tail].concat()),
        ("of another namespace", GOOD.replace(r#"2000/09/xmldsig#"><"#, r#"2000/09/other#"><"#)),
    ];
    for (defect, text) in misplaced {
        let found = codes(&refused(defect, &text));
        assert_eq!(
            found,
            [Code::RimMalformed, Code::RimSignatureMethod],
            "{defect}"
        );
    }
}

/// The classic wrapping: the signed manifest is kept whole, but as a part of a forged one. Prefixes are declared once,
/// as the outer manifest does, so that it is the structure that tells.
#[test]
fn a_wrapped_manifest_is_refused() {
    let forged = SIGNER.sign(&template().replace("550.1", "666.6"));
    let forged = forged
        .replace("xmlns:ns1", "xmlns:own")
        .replace("ns1:", "own:");
    let forged = forged.replace("xmlns:SHA384", "xmlns:sha");
    let forged = forged
        .replace("xmlns:ds", "xmlns:sig")
        .replace("ds:", "sig:");
    assert!(Rim::parse(forged.as_bytes()).is_ok());
    let declared = GOOD.find(" corpus").unwrap();
    let wrapped = format!("<SoftwareIdentity{}", GOOD[declared..].trim_end());
    #[rustfmt::skip]
    let places = [
        ("in an object", "</sig:KeyInfo>", Code::RimSignatureMethod),
        ("in key info", "<sig:KeyInfo>", Code::RimSignatureMethod),
        ("in signed info", "<sig:SignedInfo>", Code::RimSignatureMethod),
        ("in the payload", r#"<ns0:Payload xmlns:sha="http://www.w3.org/2001/04/xmlenc#sha384">"#, Code::RimMalformed),
        ("before the signature", "</ns0:Payload>", Code::RimMalformed),
    ];
    for (defect, after, code) in places {
        let text = edit(&forged, after, &format!("{after}{wrapped}"));
        let reasons = refused(defect, &text);
        assert_eq!(codes(&reasons), [code], "{defect}: {reasons:?}");
        assert!(reasons[0].message.starts_with("children of "), "{defect}");
    }
}

#[test]
fn certificates_must_be_certificates() {
    let refused_with = |certificates: &[&str]| -> Vec<Reason> {
        let certificates: Vec<_> = certificates.iter().map(|text| (*text).to_owned()).collect();
        let text = SIGNER.sign_with(&template(), &certificates);
        refused("certificates", &text)
    };
    let not_base64 = refused_with(&["AAAA", "A*AA", "AAA", "AAB="]);
    assert_eq!(codes(&not_base64), [Code::CertificateMalformed; 3]);
    assert_eq!(not_base64[0].message, "RIM certificate 1: text");
    let not_der = refused_with(&["AAAA", "AAAA"]);
    assert_eq!(codes(&not_der), [Code::CertificateMalformed; 2]);
    assert!(not_der[1].message.starts_with("RIM certificate 1: "));
    assert_eq!(codes(&refused_with(&[])), [Code::ChainLength]);
    // One reason for too many, not one for each.
    for endless in [refused_with(&["AAAA"; 9]), refused_with(&["-"; 3000])] {
        assert_eq!(codes(&endless), [Code::ChainLength]);
        assert_eq!(endless[0].message, "RIM chain: certificates in chain");
    }
}
