use serde_json::{Value, json};

use super::*;

fn full() -> Value {
    json!({
        "replicas": {"count": 2, "adaptive": true},
        "audit": {"wrong_ppm": 50000, "log2_miss": -20},
        "devices": {"count": 1, "architectures": ["HOPPER"], "min_assurance": "A2", "simulated": true},
        "policy": "default",
        "price": {"amount": 1200, "currency": "EUR"},
        "stake": 2400,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut terms = full();
    *terms
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("{pointer}")) = value;
    terms
}

fn agreeing(count: u32, adaptive: bool, least: Value) -> Value {
    with(
        "/replicas",
        json!({"count": count, "adaptive": adaptive, "min_agreeing": least}),
    )
}

fn without(member: &str) -> Value {
    let mut terms = full();
    terms
        .as_object_mut()
        .unwrap()
        .remove(member)
        .unwrap_or_else(|| panic!("{member}"));
    terms
}

#[test]
fn every_rule_has_its_code() {
    let table = [
        ("terms_malformed", json!([])),
        ("terms_malformed", without("price")),
        ("terms_malformed", with("/policy", Value::Null)),
        ("terms_malformed", with("/stake", json!(1.5))),
        (
            "terms_malformed",
            with(
                "/audit",
                json!({"wrong_ppm": 1, "log2_miss": -1, "extra": 1}),
            ),
        ),
        (
            "terms_malformed",
            with("/devices/min_assurance", json!("A4")),
        ),
        (
            "terms_malformed",
            with("/devices/architectures", json!(["VOLTA"])),
        ),
        ("terms_replica_count", with("/replicas/count", json!(0))),
        ("terms_replica_count", with("/replicas/count", json!(9))),
        ("terms_malformed", agreeing(2, false, Value::Null)),
        ("terms_min_agreeing", agreeing(2, false, json!(0))),
        ("terms_min_agreeing", agreeing(2, false, json!(3))),
        ("terms_min_agreeing", agreeing(2, true, json!(2))),
        ("terms_audit_fraction", with("/audit/wrong_ppm", json!(0))),
        (
            "terms_audit_fraction",
            with("/audit/wrong_ppm", json!(1_000_001)),
        ),
        ("terms_audit_miss", with("/audit/log2_miss", json!(0))),
        ("terms_audit_miss", with("/audit/log2_miss", json!(-101))),
        ("terms_device_count", with("/devices/count", json!(0))),
        ("terms_device_count", with("/devices/count", json!(129))),
        (
            "terms_architectures",
            with("/devices/architectures", json!([])),
        ),
        (
            "terms_architectures",
            with("/devices/architectures", json!(["LS10"])),
        ),
        (
            "terms_architectures",
            with(
                "/devices/architectures",
                json!(["HOPPER", "BLACKWELL", "HOPPER"]),
            ),
        ),
        ("terms_policy_name", with("/policy", json!(""))),
        ("terms_policy_name", with("/policy", json!("../etc"))),
        ("terms_time", with("/commit_within_s", json!(0))),
        ("terms_time", with("/open_within_s", json!(9))),
        (
            "terms_time",
            with("/dispute_window_s", json!(30 * 86400 + 1)),
        ),
        ("terms_deadline", with("/deadline_s", json!(629))),
        ("terms_price", with("/price/amount", json!(-1))),
        ("terms_price", with("/price/currency", json!("eur"))),
        ("terms_stake", with("/stake", json!(-1))),
        (
            "terms_stake",
            with("/stake", json!(9_007_199_254_740_992_i64)),
        ),
        (
            "terms_escrow",
            with("/price/amount", json!(9_007_199_254_740_991_i64)),
        ),
        (
            "terms_escrow",
            with("/stake", json!(4_503_599_627_370_496_i64)),
        ),
    ];
    for (code, terms) in table {
        let error = Terms::parse(&terms).expect_err(code);
        assert_eq!(error.code(), code, "{terms}: {error}");
    }
}

#[test]
fn the_bounds_themselves_are_allowed() {
    let table = [
        with("/replicas/count", json!(8)),
        agreeing(2, false, json!(2)),
        agreeing(2, true, json!(1)),
        with("/audit/wrong_ppm", json!(1_000_000)),
        with("/audit/log2_miss", json!(-100)),
        with("/devices/count", json!(128)),
        with("/deadline_s", json!(630)),
        with("/price/amount", json!(0)),
        with("/stake", json!(0)),
        without("audit"),
        without("devices"),
        without("policy"),
        with("/devices", json!({})),
    ];
    for terms in table {
        assert!(Terms::parse(&terms).is_ok(), "{terms}");
    }
}

#[test]
fn the_digest_is_that_of_the_text_sent() {
    for terms in [
        full(),
        without("policy"),
        with("/devices", json!({"simulated": false})),
    ] {
        let sent = sha256(&canonical_json(&terms).unwrap());
        assert_eq!(
            Terms::parse(&terms).unwrap().digest().unwrap(),
            Hex(sent),
            "{terms}"
        );
    }
}

#[test]
fn switches_compute_nothing() {
    let device = |architecture| DeviceTraits {
        architecture,
        simulated: false,
    };
    let any = DeviceTerms::default();
    assert!(any.fit(&[device(Architecture::Blackwell), device(Architecture::Ls10)]));
    assert!(!any.fit(&[device(Architecture::Ls10)]));
    assert!(!any.fit(&[]));
}
