//! Cases that are each wrong in one way, grouped by the module whose rules they break.

mod authenticity;
mod form;
mod id;
mod manifest;
mod mutation;
mod signature;

use super::fixture::{GOOD, SIGNER, edit};
use super::*;

fn codes(reasons: &[Reason]) -> Vec<Code> {
    reasons.iter().map(|reason| reason.code).collect()
}

/// The reasons for which `xml` is not read.
fn refused(defect: &str, xml: &str) -> Vec<Reason> {
    match Rim::parse(xml.as_bytes()) {
        Ok(_) => panic!("{defect}: was read"),
        Err(reasons) => reasons,
    }
}

/// Each case is the good manifest with every occurrence of a text replaced, and is refused for `code` alone.
fn all_refused_for(code: Code, cases: &[(&str, &str, &str)]) {
    for (defect, from, to) in cases {
        let text = GOOD.replace(from, to);
        assert_ne!(text, *GOOD, "{defect}");
        let reasons = refused(defect, &text);
        assert_eq!(codes(&reasons), [code], "{defect}: {reasons:?}");
    }
}

#[test]
fn a_good_manifest_says_what_it_says() {
    let rim = Rim::parse(GOOD.as_bytes()).unwrap();
    let rim = rim.peek();
    assert_eq!(rim.role(), RimRole::Driver);
    assert_eq!(rim.name(), "GX100");
    assert_eq!(rim.product(), "GX100");
    assert_eq!(rim.platform_model(), "GX100-P");
    assert_eq!(rim.version(), "550.1");
    assert_eq!(rim.firmware_manufacturer_id(), "4711");
    assert_eq!(rim.sha256(), &crypto::sha256(GOOD.as_bytes()));
    assert_eq!(rim.chain().certificates().len(), 4);
    let golden: Vec<_> = rim.golden().cloned().collect();
    let measurement = |index, values: &[u8]| GoldenMeasurement {
        index,
        size: 48,
        alternatives: values.iter().map(|byte| [*byte; 48]).collect(),
    };
    let wanted = [measurement(1, &[0xaa]), measurement(9, &[0xbb, 0xcc])];
    assert_eq!(golden, wanted);
}

#[test]
fn the_role_is_told_by_the_shape_of_the_version() {
    let vbios = ["96.00.9F.00.01", "97.00.d9.00.35", "96.10.55.00.01"];
    for version in vbios {
        assert_eq!(RimRole::of_version(version), RimRole::Vbios, "{version}");
    }
    let four_groups = ["550.90.07", "560.00", "96.00.9F.00", ""];
    let six_groups = ["96.00.9F.00.01.00", "96.00.9F.00.01.x"];
    let other_groups = ["96.00.9F.00.0G", "96.00.9F.00.001", "96.00.9F.00.+1"];
    let driver = four_groups.iter().chain(&six_groups).chain(&other_groups);
    for version in driver {
        assert_eq!(RimRole::of_version(version), RimRole::Driver, "{version}");
    }
}

/// Everything wrong is said, not the first of it.
#[test]
fn reasons_are_collected() {
    let text = edit(&GOOD, r#"index="1""#, r#"index="x""#);
    let text = edit(&text, r#"index="9""#, r#"index="y""#);
    let text = edit(&text, r#"product="GX100""#, "");
    let text = edit(&text, r#"corpus="false""#, r#"corpus="""#);
    let text = edit(&text, "<ds:KeyInfo>", r#"<ds:KeyInfo Id="a">"#);
    let text = edit(&text, "<ds:SignatureValue>", "<ds:SignatureValue>AAAA");
    let reasons = refused("six defects", &text);
    let malformed = [Code::RimMalformed; 4];
    let signature = [Code::RimSignatureMethod; 2];
    assert_eq!(codes(&reasons), [&malformed[..], &signature].concat());
    assert!(reasons[2].message.starts_with("resource 1: "));
}

#[test]
fn examine_is_parse_and_authenticate() {
    let anchors = SIGNER.anchors();
    let examine = |xml: &str| Rim::examine(xml.as_bytes(), &anchors);
    assert!(matches!(examine(&GOOD), Examined::Authentic(_)));
    assert!(matches!(examine(""), Examined::Unreadable(_)));
    let edited = edit(&GOOD, "550.1", "550.2");
    assert!(matches!(examine(&edited), Examined::Refuted(_)));
}
