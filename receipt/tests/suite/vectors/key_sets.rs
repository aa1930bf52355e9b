//! The vectors in `receipt/vectors/key_sets`: texts that are key sets, or are refused when they are loaded.

use std::collections::BTreeSet;
use std::fs;

use receipt::{JwkError, Jwks, JwksError};
use serde_json::{Value, json};

use crate::kit::{TestKey, key_set};

struct KeySet {
    name: &'static str,
    expect: &'static str,
    comment: &'static str,
    text: String,
}

/// The good set with one change.
fn changed(
    name: &'static str,
    expect: &'static str,
    comment: &'static str,
    change: fn(&mut Value),
) -> KeySet {
    let mut set = serde_json::from_str(&key_set().to_json()).unwrap();
    change(&mut set);
    let text = super::sorted(set);
    KeySet {
        name,
        expect,
        comment,
        text,
    }
}

fn text(name: &'static str, expect: &'static str, comment: &'static str, text: String) -> KeySet {
    KeySet {
        name,
        expect,
        comment,
        text,
    }
}

fn without(set: &mut Value, name: &str) {
    set["keys"][0]
        .as_object_mut()
        .unwrap()
        .remove(name)
        .unwrap();
}

fn x_of_first(set: &Value) -> String {
    set["keys"][0]["x"].as_str().unwrap().to_owned()
}

#[rustfmt::skip]
fn key_sets() -> Vec<KeySet> {
    let good = key_set().to_json();
    vec![
        changed("good_key_of_others", "ok", "an RSA key, which is passed over", |s| s["keys"][0] = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" })),
        changed("good_key_with_certificate", "ok", "a key for other tokens, which is passed over", |s| s["keys"][0]["x5c"] = json!(["MIIB"])),
        changed("good_use_missing", "ok", "use is optional", |s| without(s, "use")),
        changed("good_member_unknown", "ok", "a member nobody knows", |s| s["keys"][0]["colour"] = json!("red")),
        text("set_not_json", "json_malformed", "ends early", good[..good.len() - 2].to_owned()),
        text("set_array", "json_not_object", "an array of keys", "[]".to_owned()),
        text("set_member_twice", "json_duplicate_member", "lists keys twice", good.replacen('{', "{\"keys\":[],", 1)),
        text("set_retirement_fraction", "json_number_not_integer", "a time with a fraction", good.replacen("1795334400", "1795334400.5", 1)),
        text("set_without_keys", "jwks_keys_malformed", "no keys at all", "{}".to_owned()),
        changed("set_key_not_object", "jwks_keys_malformed", "a key that is text", |s| s["keys"][0] = json!("key")),
        changed("set_too_many_keys", "jwks_too_many_keys", "257 keys", |s| s["keys"] = (0..257).map(|_| json!({})).collect()),
        changed("set_key_twice", "jwks_key_duplicate", "one key twice", |s| s["keys"][1] = s["keys"][0].clone()),
        changed("set_empty", "jwks_no_usable_key", "an empty list", |s| s["keys"] = json!([])),
        changed("set_for_others", "jwks_no_usable_key", "keys of another use alone", |s| {
            for key in s["keys"].as_array_mut().unwrap() {
                key["use"] = json!("enc");
            }
        }),
        changed("key_without_alg", "jwk_member_missing", "states no algorithm", |s| without(s, "alg")),
        changed("key_without_kid", "jwk_member_missing", "has no name", |s| without(s, "kid")),
        changed("key_without_y", "jwk_member_missing", "half a point", |s| without(s, "y")),
        changed("key_private", "jwk_private_key_published", "the private half is there", |s| s["keys"][0]["d"] = json!("AA")),
        changed("key_alg_other", "jwk_algorithm_mismatch", "P-384 for ES256", |s| s["keys"][0]["alg"] = json!("ES256")),
        changed("key_alg_eddsa", "jwk_algorithm_mismatch", "Ed25519 under the name of its family", |s| s["keys"][3]["alg"] = json!("EdDSA")),
        changed("key_x_short", "jwk_coordinate_malformed", "a coordinate without its first bytes",
            |s| s["keys"][0]["x"] = json!(x_of_first(s)[4..])),
        changed("key_x_padded", "jwk_coordinate_malformed", "a coordinate with padding",
            |s| s["keys"][0]["x"] = json!(format!("{}==", x_of_first(s)))),
        changed("key_point_off_curve", "jwk_point_invalid", "another first coordinate",
            |s| s["keys"][0]["x"] = json!(format!("AAAA{}", &x_of_first(s)[4..]))),
        changed("key_kid_other", "jwk_kid_mismatch", "the name of another key", |s| s["keys"][0]["kid"] = json!(TestKey::Es256.kid())),
        changed("key_kid_free", "jwk_kid_mismatch", "a name that is no thumbprint", |s| s["keys"][0]["kid"] = json!("2026-11")),
        changed("key_retirement_text", "jwk_retirement_malformed", "a date in words", |s| s["keys"][1]["exp"] = json!("2026-11-22")),
        changed("key_retirement_negative", "jwk_retirement_malformed", "a time before 1970", |s| s["keys"][1]["exp"] = json!(-1)),
    ]
}

fn render(set: &KeySet) -> String {
    format!(
        "expect: {}\ncomment: {}\n\n{}\n",
        set.expect, set.comment, set.text
    )
}

fn file_of(name: &str) -> std::path::PathBuf {
    super::folder().join("key_sets").join(format!("{name}.txt"))
}

pub(super) fn write() {
    for set in key_sets() {
        fs::write(file_of(set.name), render(&set)).unwrap();
    }
}

#[test]
fn key_sets_are_answered_as_they_expect_and_what_the_table_makes() {
    for set in key_sets() {
        let kept = fs::read_to_string(file_of(set.name)).unwrap();
        assert_eq!(kept, render(&set), "{}", set.name);
        let answer = Jwks::parse(&set.text);
        let code = answer.as_ref().map_or_else(JwksError::code, |_| "ok");
        assert_eq!(code, set.expect, "{}: {answer:?}", set.name);
    }
}

#[test]
fn no_key_set_is_stray() {
    let expected: BTreeSet<_> = key_sets()
        .iter()
        .map(|set| format!("{}.txt", set.name))
        .collect();
    let found = fs::read_dir(super::folder().join("key_sets")).unwrap();
    let found: BTreeSet<_> = found
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
}

/// Every reason to refuse a key set has a vector, but the one that would need 128 KiB.
#[test]
fn every_refusal_of_a_key_set_has_a_vector() {
    let expected: BTreeSet<_> = key_sets().iter().map(|set| set.expect).collect();
    for code in [JwksError::CODES, JwkError::CODES].concat() {
        assert!(
            expected.contains(code) || code == "jwks_too_large",
            "{code}"
        );
    }
}
