//! Reference manifests: reading, canonical form, signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::crypto;
use evidence::limits::{MAX_ALTERNATIVES, MAX_RIM_BYTES};
use evidence::rim::{GoldenMeasurement, Rim};
use evidence::{Code, Expires, Reason, UnixTime, Unverified};

use super::canonical_xml::Canonical;
use super::{explained, fixture};

/// Manifests: the digest is that of the canonical form, by a second opinion; the canonical form is read as the same
/// manifest; nothing is authentic under the root of the fixture but what the manifest of the fixture says.
pub fn rim(xml: &[u8]) {
    let rim = match Rim::parse(xml) {
        Ok(rim) => rim,
        Err(reasons) => return explained(&reasons),
    };
    assert!(xml.len() <= MAX_RIM_BYTES);
    let facts = facts(rim.peek());
    is_in_order(&facts.1);
    for secs in [i64::MIN, 0, i64::MAX] {
        let reasons = rim.peek().reasons_at(UnixTime::from_secs(secs));
        assert!(!reasons.is_empty());
        explained(&reasons);
    }
    let reasons = reasons_against(rim);
    if reasons.is_empty() {
        assert_eq!(facts, self::facts(fixture::manifest().get()), "a forgery");
    } else {
        explained(&reasons);
    }

    let text = std::str::from_utf8(xml).expect("ASCII");
    let canonical = Canonical::of(text);
    let digest = hex::encode(crypto::sha384(canonical.without_last.as_bytes()));
    assert_eq!(digest_found(text, &reasons), digest, "canonical form");
    let twice = Canonical::of(&canonical.whole);
    assert_eq!(twice.whole, canonical.whole, "the form of the form");
    // A reference, as canonical text may hold one, is refused.
    if !canonical.whole.contains('&') && canonical.whole.len() <= MAX_RIM_BYTES {
        let again = Rim::parse(canonical.whole.as_bytes()).expect("the same manifest");
        assert_eq!(self::facts(again.peek()), facts);
        assert_eq!(reasons_against(again), reasons);
    }
}

/// Why the manifest is not authentic under the root of the fixture.
fn reasons_against(rim: Unverified<Rim>) -> Vec<Reason> {
    let refuted = rim.authenticate(fixture::rim_anchors()).err();
    refuted.map(|refuted| refuted.reasons).unwrap_or_default()
}

type Facts = ([String; 5], Vec<GoldenMeasurement>);

/// All a manifest says.
fn facts(rim: &Rim) -> Facts {
    let texts = [
        rim.name(),
        rim.product(),
        rim.platform_model(),
        rim.version(),
        rim.firmware_manufacturer_id(),
    ];
    (texts.map(str::to_owned), rim.golden().cloned().collect())
}

fn is_in_order(golden: &[GoldenMeasurement]) {
    assert!(golden.is_sorted_by(|one, next| one.index < next.index));
    for measurement in golden {
        assert!((1..=MAX_ALTERNATIVES).contains(&measurement.alternatives.len()));
    }
}

/// The digest the reader found: told where it is not the one stated, else that one.
fn digest_found(text: &str, reasons: &[Reason]) -> String {
    let mismatch = reasons
        .iter()
        .find(|reason| reason.code == Code::RimDigestMismatch);
    if let Some(reason) = mismatch {
        return reason.actual.clone().expect("the digest found");
    }
    let (_, after) = text.split_once("DigestValue>").expect("the digest stated");
    let (digits, _) = after.split_once('<').expect("its end");
    let digits: String = digits.split([' ', '\n']).collect();
    hex::encode(STANDARD.decode(digits).expect("base64"))
}
