//! Key sets: what is read, what is passed over, what is refused.

use receipt::{JwkError, Jwks, JwksError, PublishedKey, limits};
use serde_json::{Value, json};

use crate::kit::{RETIRED_AT, TestKey, key_set, time};
use receipt::Signer;

fn set() -> Value {
    serde_json::from_str(&key_set().to_json()).unwrap()
}

fn with(path: &str, value: Value) -> Result<Jwks, JwksError> {
    let mut set = set();
    match set.pointer_mut(path) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = path.rsplit_once('/').unwrap();
            let parent = set.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            parent.insert(name.to_owned(), value);
        }
    }
    Jwks::parse(&set.to_string())
}

fn without(name: &str) -> Result<Jwks, JwksError> {
    let mut set = set();
    set["keys"][0]
        .as_object_mut()
        .unwrap()
        .remove(name)
        .unwrap();
    Jwks::parse(&set.to_string())
}

fn code(answer: &Result<Jwks, JwksError>) -> &'static str {
    answer.as_ref().map_or_else(JwksError::code, |_| "ok")
}

#[test]
fn what_is_published_is_what_is_read() {
    let published = key_set();
    let read = Jwks::parse(&published.to_json()).unwrap();
    assert_eq!(read, published);
    assert_eq!(read.keys().len(), 4);
    assert!(read.skipped().is_empty());
    let retired = read.find(&TestKey::Retired.kid()).unwrap();
    assert_eq!(retired.retired_at, Some(time(RETIRED_AT)));
    assert_eq!(read.find(&TestKey::Es384.kid()).unwrap().retired_at, None);
    assert_eq!(read.find(&TestKey::Stranger.kid()), None);
}

#[test]
fn private_halves_are_not_published() {
    let text = key_set().to_json();
    assert!(!text.contains("\"d\""));
    assert_eq!(
        code(&with("/keys/0/d", json!("AA"))),
        "jwk_private_key_published"
    );
}

#[test]
fn members_are_all_needed() {
    for name in ["alg", "kid", "x", "y"] {
        assert_eq!(
            without(name),
            Err(JwksError::Key {
                index: 0,
                error: JwkError::MemberMissing { name },
            })
        );
    }
    assert_eq!(code(&without("use")), "ok");
}

#[test]
fn keys_with_a_certificate_are_for_other_tokens() {
    let set = with("/keys/0/x5c", json!(["MIIB"])).unwrap();
    assert_eq!(set.keys().len(), key_set().keys().len() - 1);
    assert_eq!(set.skipped().len(), 1);
    assert_eq!(set.skipped()[0].index, 0);
}

#[test]
fn the_algorithm_is_that_of_the_curve() {
    for other in ["ES256", "ES512", "HS256", "none", "RS256", "es384", ""] {
        assert_eq!(
            code(&with("/keys/0/alg", json!(other))),
            "jwk_algorithm_mismatch",
            "{other}"
        );
    }
    assert_eq!(
        code(&with("/keys/3/alg", json!("EdDSA"))),
        "jwk_algorithm_mismatch"
    );
}

#[test]
fn the_name_is_the_thumbprint() {
    let another = TestKey::Es256.kid();
    for other in [json!("key-1"), json!(another), json!("")] {
        assert_eq!(code(&with("/keys/0/kid", other)), "jwk_kid_mismatch");
    }
}

#[test]
fn coordinates_have_the_length_of_the_field_and_lie_on_the_curve() {
    let x = set()["keys"][0]["x"].as_str().unwrap().to_owned();
    for bad in [
        String::new(),
        x[4..].to_owned(),
        format!("AAAA{x}"),
        format!("{x}=="),
        x.replacen(&x[..1], "+", 1),
    ] {
        assert_eq!(
            code(&with("/keys/0/x", json!(bad))),
            "jwk_coordinate_malformed",
            "{bad}"
        );
    }
    assert_eq!(
        code(&with("/keys/0/x", json!(format!("AAAA{}", &x[4..])))),
        "jwk_point_invalid"
    );
    assert_eq!(
        code(&with("/keys/0/x", json!("_".repeat(64)))),
        "jwk_point_invalid"
    );
}

#[test]
fn another_key_under_the_same_name_is_refused() {
    let y = set()["keys"][1]["y"].clone();
    assert_eq!(code(&with("/keys/0/y", y)), "jwk_point_invalid");
    let swapped = set()["keys"][1].clone();
    assert_eq!(code(&with("/keys/0", swapped)), "jwks_key_duplicate");
}

#[test]
fn keys_of_others_are_passed_over_with_a_reason() {
    for (path, value) in [
        ("/keys/0/kty", json!("RSA")),
        ("/keys/0/kty", json!("oct")),
        ("/keys/0/kty", json!(null)),
        ("/keys/0/crv", json!("P-521")),
        ("/keys/0/crv", json!("secp256k1")),
        ("/keys/0/use", json!("enc")),
        ("/keys/0/use", json!(null)),
    ] {
        let read = with(path, value).unwrap();
        assert_eq!(read.keys().len(), 3, "{path}");
        assert_eq!(read.skipped().len(), 1);
        assert_eq!(read.skipped()[0].index, 0);
        assert_eq!(read.find(&TestKey::Es384.kid()), None);
    }
    assert_eq!(code(&with("/keys/0/x5c", json!(["ignored"]))), "ok");
    assert_eq!(code(&with("/revision", json!(3))), "ok");
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    assert_eq!(code(&Jwks::new(vec![])), "jwks_no_usable_key");
    assert_eq!(code(&Jwks::parse(r#"{"keys":[]}"#)), "jwks_no_usable_key");
    assert_eq!(
        code(&Jwks::parse(r#"{"keys":[{"kty":"RSA"}]}"#)),
        "jwks_no_usable_key"
    );
}

#[test]
fn keys_occur_once() {
    let key = PublishedKey::from(TestKey::Es384.signer().public_jwk().clone());
    let mut retired = key.clone();
    retired.retired_at = Some(time(1));
    assert_eq!(code(&Jwks::new(vec![key, retired])), "jwks_key_duplicate");
}

#[test]
fn retirement_is_a_time() {
    for bad in [json!("soon"), json!(-1), json!(null)] {
        assert_eq!(code(&with("/keys/0/exp", bad)), "jwk_retirement_malformed");
    }
}

#[test]
fn sizes_are_limited() {
    let huge = format!("{{\"keys\":[]{}}}", " ".repeat(limits::MAX_JWKS_BYTES));
    assert_eq!(code(&Jwks::parse(&huge)), "jwks_too_large");
    let many = vec!["{}"; limits::MAX_KEYS + 1].join(",");
    assert_eq!(
        code(&Jwks::parse(&format!("{{\"keys\":[{many}]}}"))),
        "jwks_too_many_keys"
    );
    let full = PublishedKey::from(TestKey::Es384.signer().public_jwk().clone());
    assert_eq!(
        code(&Jwks::new(vec![full; limits::MAX_KEYS + 1])),
        "jwks_too_many_keys"
    );
}

#[test]
fn the_text_is_strict_json() {
    for (text, expected) in [
        ("", "json_malformed"),
        ("[]", "json_not_object"),
        ("{}", "jwks_keys_malformed"),
        (r#"{"keys":{}}"#, "jwks_keys_malformed"),
        (r#"{"keys":[1]}"#, "jwks_keys_malformed"),
        (r#"{"keys":[],"keys":[]}"#, "json_duplicate_member"),
        (
            r#"{"keys":[{"kid":"a","kid":"b"}]}"#,
            "json_duplicate_member",
        ),
    ] {
        assert_eq!(code(&Jwks::parse(text)), expected, "{text}");
    }
}
