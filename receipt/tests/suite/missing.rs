//! A test per claim: missing, of the wrong type, and where a wrong value is still well-formed.

use serde_json::{Map, Value, json};

use crate::kit::{code, payload, token_of, validate};
use receipt::Rejected;

fn rejected(payload: &Map<String, Value>) -> Rejected {
    validate(&token_of(payload)).unwrap_err()
}

fn with(path: &str, value: Value) -> Map<String, Value> {
    let mut payload = Value::Object(payload());
    match payload.pointer_mut(path) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = path.rsplit_once('/').unwrap();
            let parent = payload
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap();
            parent.insert(name.to_owned(), value);
        }
    }
    payload.as_object().unwrap().clone()
}

#[test]
fn every_required_claim_is_missed() {
    let required = [
        "eat_profile",
        "iss",
        "sub",
        "aud",
        "iat",
        "nbf",
        "jti",
        "cnf",
        "eat_nonce",
        "ear_verifier_id",
        "ear_status",
        "submods",
        "pogw",
    ];
    for claim in required {
        let mut payload = payload();
        payload.remove(claim).unwrap();
        let claim = claim.to_owned();
        assert_eq!(rejected(&payload), Rejected::ClaimMissing { claim });
    }
}

#[test]
fn every_required_member_of_pogw_is_missed() {
    let required = [
        "job_digest",
        "outputs",
        "devices",
        "methods",
        "assurance",
        "policy",
        "collateral",
        "revocation",
        "evidence_digest",
        "as_of",
    ];
    for member in required {
        let mut payload = payload();
        payload
            .get_mut("pogw")
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(member)
            .unwrap();
        let claim = format!("pogw.{member}");
        assert_eq!(rejected(&payload), Rejected::ClaimMissing { claim });
    }
}

#[test]
fn every_optional_claim_may_be_absent() {
    let mut payload = payload();
    payload.remove("exp").unwrap();
    let pogw = payload.get_mut("pogw").unwrap().as_object_mut().unwrap();
    for member in [
        "kernel",
        "executor",
        "module_digest",
        "timings",
        "log_index",
    ] {
        pogw.remove(member).unwrap();
    }
    assert_eq!(code(&validate(&token_of(&payload))), "ok");
}

#[test]
fn null_is_not_a_way_to_be_absent() {
    for path in [
        "/exp",
        "/pogw/kernel",
        "/pogw/program",
        "/pogw/trace",
        "/pogw/executor",
        "/pogw/module_digest",
        "/pogw/timings",
        "/pogw/timings/device_ns",
        "/pogw/batch",
        "/pogw/log_index",
        "/pogw/methods/5/log2_error",
        "/submods/gpu0/eat_nonce",
    ] {
        assert_eq!(
            rejected(&with(path, Value::Null)).code(),
            "claim_malformed",
            "{path}"
        );
    }
}

#[test]
fn every_claim_of_the_wrong_type_is_malformed() {
    let sixty_five_digits = "0".repeat(65);
    let cases = [
        ("/iss", json!(1)),
        ("/iss", json!("")),
        ("/iss", json!("line\nfeed")),
        ("/iss", json!(["https://verifier.example"])),
        ("/sub", json!(null)),
        ("/aud", json!([])),
        ("/aud", json!([1])),
        ("/aud", json!({})),
        (
            "/aud",
            json!(["https://market.example", "https://market.example"]),
        ),
        ("/iat", json!("1795420800")),
        ("/iat", json!(-1)),
        ("/nbf", json!(true)),
        ("/exp", json!("never")),
        ("/jti", json!(7)),
        ("/cnf", json!("key")),
        ("/cnf", json!({})),
        ("/cnf/jkt", json!("AAAA")),
        ("/cnf/jwk", json!({})),
        ("/eat_nonce", json!("AAAA")),
        ("/eat_nonce", json!("AAAAAAAAAAAAAAA=")),
        ("/eat_nonce", json!(["AAAAAAAAAAAAAAA"])),
        ("/ear_verifier_id", json!({"developer": "x"})),
        ("/ear_status", json!(2)),
        ("/ear_status", json!("Affirming")),
        ("/submods", json!([])),
        ("/submods/gpu0/ear_status", json!("good")),
        (
            "/submods/gpu0/ear_trustworthiness_vector/hardware",
            json!(128),
        ),
        ("/submods/gpu0/ear_trustworthiness_vector/karma", json!(2)),
        ("/submods/gpu0/ear_appraisal_policy_ids", json!("default")),
        ("/submods/gpu0/measres", json!(true)),
        ("/submods/gpu0/secboot", json!("true")),
        ("/pogw", json!([])),
        ("/pogw/job_digest", json!(sixty_five_digits)),
        ("/pogw/job_digest", json!("AB".repeat(32))),
        ("/pogw/kernel", json!({"name": "x"})),
        ("/pogw/program", json!({"name": "x"})),
        (
            "/pogw/program",
            json!({"value": {"name": "x", "blake3": "00".repeat(32), "exit_code": 256}, "source": "provider_asserted"}),
        ),
        ("/pogw/trace", json!({"entries": 1})),
        (
            "/pogw/trace",
            json!({"entries": -1, "blake3": "00".repeat(32)}),
        ),
        ("/pogw/executor", json!("cuda")),
        ("/pogw/executor", json!({"value": "cuda"})),
        ("/pogw/executor/value", json!("")),
        ("/pogw/executor/source", json!("tee")),
        ("/pogw/executor/version", json!("12")),
        ("/pogw/module_digest", json!("0c".repeat(32))),
        ("/pogw/module_digest/value", json!("")),
        ("/pogw/outputs", json!({})),
        ("/pogw/outputs/0/len", json!(-1)),
        ("/pogw/outputs/0/sha256", json!("00")),
        ("/pogw/devices/0/simulated", json!("false")),
        ("/pogw/devices/0/kind", json!("tpu")),
        ("/pogw/methods/0/status", json!("passed")),
        ("/pogw/methods/0/source", json!("tee")),
        ("/pogw/methods/0/method", json!("Audit!")),
        ("/pogw/methods/5/log2_error", json!(1)),
        ("/pogw/methods/5/log2_error", json!(-5000)),
        ("/pogw/methods/5/agreeing", json!(1)),
        ("/pogw/methods/5/agreeing", json!(9)),
        ("/pogw/methods/5/wrong_ppm", json!(0)),
        ("/pogw/methods/5/wrong_ppm", json!(1_000_001)),
        ("/pogw/methods/5/chain", json!(true)),
        (
            "/pogw/methods/5/chain",
            json!({"steps": 1, "points": 9, "drawn": 300}),
        ),
        (
            "/pogw/methods/5/chain",
            json!({"steps": 2, "points": 0, "drawn": 300}),
        ),
        (
            "/pogw/methods/5/chain",
            json!({"steps": 2, "points": 9, "drawn": 0}),
        ),
        ("/pogw/methods/5/chain", json!({"steps": 2, "points": 9})),
        ("/pogw/assurance/level", json!("A4")),
        ("/pogw/assurance/results", json!(["timing"])),
        ("/pogw/assurance/score", json!(100)),
        ("/pogw/policy/sha256", json!("00")),
        ("/pogw/collateral/0/as_of", json!("yesterday")),
        ("/pogw/evidence_digest", json!(null)),
        ("/pogw/timings/started_unix_ms", json!(-1)),
        ("/pogw/as_of", json!(-5)),
        ("/pogw/batch", json!({"root": "00"})),
        ("/pogw/log_index", json!(-1)),
    ];
    for (path, value) in cases {
        let rejected = rejected(&with(path, value.clone()));
        assert_eq!(
            rejected.code(),
            "claim_malformed",
            "{path} = {value}: {rejected}"
        );
        let Rejected::ClaimMalformed { claim, .. } = rejected else {
            unreachable!()
        };
        let named = path[1..].split('/').collect::<Vec<_>>().join(".");
        assert!(named.starts_with(&claim), "{claim} for {path}");
    }
}

#[test]
fn fractions_are_refused_wherever_they_stand() {
    for path in [
        "/iat",
        "/exp",
        "/pogw/outputs/0/len",
        "/submods/gpu0/x-nvidia-share",
        "/unknown",
    ] {
        assert_eq!(
            rejected(&with(path, json!(1.5))).code(),
            "json_number_not_integer",
            "{path}"
        );
    }
}

#[test]
fn profiles_are_exact() {
    for other in [
        "tag:pogw.dev,2026:work-receipt#2",
        "tag:ietf.org,2026:rats/ear#04",
        "TAG:pogw.dev,2026:work-receipt#1",
    ] {
        let fields = Rejected::ProfileMismatch {
            expected: receipt::PROFILE,
            actual: other.to_owned(),
        };
        assert_eq!(rejected(&with("/eat_profile", json!(other))), fields);
    }
    assert_eq!(
        rejected(&with("/eat_profile", json!(1))).code(),
        "claim_malformed"
    );
}

#[test]
fn unknown_claims_are_ignored_beside_ours_and_refused_inside() {
    for path in [
        "/colour",
        "/submods/gpu0/colour",
        "/submods/gpu0/ear_attester_claims",
    ] {
        assert_eq!(
            code(&validate(&token_of(&with(path, json!({"a": 1}))))),
            "ok",
            "{path}"
        );
    }
    let claim = "pogw.colour".to_owned();
    assert_eq!(
        rejected(&with("/pogw/colour", json!(1))),
        Rejected::ClaimUnknown { claim }
    );
}

#[test]
fn a_lone_audience_may_stand_in_an_array() {
    let payload = with("/aud", json!(["https://market.example"]));
    let receipt = validate(&token_of(&payload)).unwrap();
    let written = serde_json::to_value(receipt.claims()).unwrap();
    assert_eq!(written["aud"], json!("https://market.example"));
}
