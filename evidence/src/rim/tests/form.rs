//! Documents that are not the restricted XML, whatever they would mean (`xml`).

use super::super::fixture::{GOOD, edit};
use super::{all_refused_for, codes, refused};
use crate::limits::{MAX_RIM_BYTES, MAX_RIM_NODES};
use crate::reason::Code;
use crate::rim::Rim;

#[test]
fn other_xml_is_refused() {
    #[rustfmt::skip]
    let cases = [
        ("XML declaration", "<SoftwareIdentity", r#"<?xml version="1.0"?><SoftwareIdentity"#),
        ("doctype", "<SoftwareIdentity", "<!DOCTYPE SoftwareIdentity><SoftwareIdentity"),
        ("entity declaration", "<SoftwareIdentity", r#"<!DOCTYPE a [<!ENTITY b "c">]><SoftwareIdentity"#),
        ("comment", "<ns0:Entity ", "<!-- --><ns0:Entity "),
        ("comment before the root", "<SoftwareIdentity", "<!-- --><SoftwareIdentity"),
        ("comment in a value that is signed", "550.1", "550.1<!-- -->"),
        ("processing instruction", "<ns0:Entity ", "<?a b?><ns0:Entity "),
        ("CDATA", "<ds:X509Data>", "<ds:X509Data><![CDATA[ ]]>"),
        ("character reference in text", "<ds:X509Data>", "<ds:X509Data>&#10;"),
        ("character reference in a value", r#""Nobody" role"#, r#""Nobod&#121;" role"#),
        ("entity reference", r#""Nobody" role"#, r#""Nobody&amp;" role"#),
        ("CR", "<ns0:Entity ", "\r<ns0:Entity "),
        ("TAB", "<ns0:Entity ", "\t<ns0:Entity "),
        ("TAB in a tag", "<ns0:Entity ", "<ns0:Entity\t"),
        ("NUL", "<ns0:Entity ", "\0<ns0:Entity "),
        ("DEL", r#""Nobody" role"#, "\"Nob\x7fdy\" role"),
        ("byte order mark", "<SoftwareIdentity", "\u{feff}<SoftwareIdentity"),
        ("not ASCII", r#""Nobody" role"#, "\"Nob\u{f6}dy\" role"),
        ("line feed in a value", r#""Nobody" role"#, "\"Nobody\n\" role"),
        ("xml:id", "<ns0:Entity ", r#"<ns0:Entity xml:id="a" "#),
        ("xml:lang", "<ns0:Entity ", r#"<ns0:Entity xml:lang="en" "#),
        ("xml:base on the root", "<SoftwareIdentity ", r#"<SoftwareIdentity xml:base="a" "#),
        ("xml:space in the signature", "<ds:KeyInfo>", r#"<ds:KeyInfo xml:space="preserve">"#),
        ("xml declared", "<ns0:Entity ", r#"<ns0:Entity xmlns:xml="http://www.w3.org/XML/1998/namespace" "#),
        ("prefix redeclared", "<ns0:Entity ", r#"<ns0:Entity xmlns:ns0="http://example.org/" "#),
        ("prefix declared again alike", "<ns0:Entity ", r#"<ns0:Entity xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384" "#),
        ("prefix declared in two branches", "<ns0:Entity ", r#"<ns0:Entity xmlns:ns1="http://example.org/" "#),
        ("prefix redeclared in the signature", "<ds:KeyInfo>", r#"<ds:KeyInfo xmlns:ds="http://example.org/">"#),
        ("default redeclared", "<ns0:Entity ", r#"<ns0:Entity xmlns="http://example.org/" "#),
        ("default undeclared", "<ns0:Entity ", r#"<ns0:Entity xmlns="" "#),
        ("default declared twice", "<SoftwareIdentity ", r#"<SoftwareIdentity xmlns="http://example.org/" "#),
        ("prefix undeclared", "<ns0:Entity ", r#"<ns0:Entity xmlns:a="" "#),
        ("attribute called xmlns", "<SoftwareIdentity xmlns=", "<SoftwareIdentity ns0:xmlns="),
        ("value that mentions xmlns", r#""Nobody" role"#, r#""xmlns" role"#),
        ("unknown prefix", "<ns0:Entity ", r#"<ns0:Entity a:b="" "#),
        ("attribute twice", "<ns0:Entity ", r#"<ns0:Entity role="a" "#),
        ("attribute twice by two prefixes", "ns2:Hash1=", "SHA384:Hash0="),
        ("end missing", "</SoftwareIdentity>", ""),
        ("text before the root", "<SoftwareIdentity", "a<SoftwareIdentity"),
        ("text after the root", "</SoftwareIdentity>", "</SoftwareIdentity>a"),
        ("two roots", "</SoftwareIdentity>", "</SoftwareIdentity><a/>"),
        ("end tag of another prefix", "</ns0:Payload>", "</Payload>"),
    ];
    all_refused_for(Code::RimMalformed, &cases);
    assert_eq!(codes(&refused("nothing", "")), [Code::RimMalformed]);
}

#[test]
fn size_and_node_count_are_bounded() {
    let largest = refused("largest", &"<".repeat(MAX_RIM_BYTES));
    assert_eq!(codes(&largest), [Code::RimMalformed]);
    let too_large = refused("one byte more", &"<".repeat(MAX_RIM_BYTES + 1));
    assert_eq!(codes(&too_large), [Code::RimTooLarge]);
    let nodes = usize::try_from(MAX_RIM_NODES).unwrap();
    let more = format!("{}</ns0:Payload>", "<a/>".repeat(nodes));
    let wide = edit(&GOOD, "</ns0:Payload>", &more);
    let reasons = refused("nodes", &wide);
    assert!(reasons[0].to_string().contains("nodes limit"));
}

#[test]
fn tags_are_bounded() {
    let start = "<ns0:Entity";
    let tag = GOOD.find(start).unwrap();
    let length = GOOD[tag + 1..].find('<').unwrap();
    let padded = |size: usize| {
        edit(
            &GOOD,
            start,
            &(start.to_owned() + &" ".repeat(size - length)),
        )
    };
    assert!(Rim::parse(padded(4096).as_bytes()).is_ok());
    let reasons = refused("one byte more", &padded(4097));
    assert!(reasons[0].message.starts_with("bytes of a tag"));
}

#[test]
fn attributes_and_namespaces_are_bounded() {
    let with =
        |attributes: String| edit(&GOOD, "<ns0:Entity ", &format!("<ns0:Entity {attributes}"));
    let attributes = |count: usize| with((0..count).map(|n| format!("a{n}=\"\" ")).collect());
    let prefixes = |count: usize| with((0..count).map(|n| format!("xmlns:a{n}=\"b\" ")).collect());
    // The good entity has two attributes and the good document six declarations.
    for good in [attributes(30), prefixes(10)] {
        assert!(Rim::parse(good.as_bytes()).is_ok());
    }
    for (defect, text) in [("attributes", attributes(31)), ("prefixes", prefixes(11))] {
        let reasons = refused(defect, &text);
        assert_eq!(codes(&reasons), [Code::RimMalformed]);
        assert!(
            reasons[0].message.starts_with(defect) || reasons[0].message.starts_with("namespace")
        );
    }
}

/// Each would cost a parser seconds, memory or its stack if it were let in; each is refused, and shortly.
#[test]
fn hostile_shapes_are_refused() {
    let fill = |text: &str| text.repeat((MAX_RIM_BYTES - GOOD.len() - 64) / text.len());
    let before_entity =
        |inserted: String| edit(&GOOD, "<ns0:Entity ", &format!("{inserted}<ns0:Entity "));
    let in_entity =
        |inserted: String| edit(&GOOD, "<ns0:Entity ", &format!("<ns0:Entity {inserted} "));
    let attributes = (0..60_000).map(|n| format!("a{n}=\"\" ")).collect();
    let prefixes = (0..40_000).map(|n| format!("xmlns:a{n}=\"b\" ")).collect();
    let namespace = "a".repeat(400_000);
    let certificates = "<ds:X509Certificate>AAAA</ds:X509Certificate>".repeat(4000);
    let resources = "<ns0:Resource/>".repeat(8000);
    #[rustfmt::skip]
    let cases = [
        ("deep", before_entity(fill("<a>"))),
        ("deep and closed", before_entity("<a>".repeat(4000) + &"</a>".repeat(4000))),
        ("wide", before_entity(fill("<a/>"))),
        ("attributes", in_entity(attributes)),
        ("prefixes", in_entity(prefixes)),
        ("nested prefixes", before_entity(fill("<a xmlns:b=\"c\">"))),
        ("name", before_entity(format!("<{}/>", fill("a")))),
        ("long names alike", before_entity(format!("<b xmlns:p=\"{namespace}1\" xmlns:q=\"{namespace}2\"/>{}</b>", "<c p:a=\"\" q:a=\"\"/>".repeat(8000)))),
        ("namespace", before_entity(format!("<b:a xmlns:b=\"{}\"/>", fill("a")))),
        ("open tags", fill("<")),
        ("quotes", in_entity(fill("\""))),
        ("text", before_entity(fill("a"))),
        ("certificates", edit(&GOOD, "<ds:X509Data>", &format!("<ds:X509Data>{certificates}"))),
        ("resources", edit(&GOOD, "</ns0:Payload>", &format!("{resources}</ns0:Payload>"))),
    ];
    for (defect, text) in cases {
        assert!(text.len() <= MAX_RIM_BYTES, "{defect}");
        let reasons = refused(defect, &text);
        assert!(reasons.len() <= 16, "{defect}: {} reasons", reasons.len());
    }
}
