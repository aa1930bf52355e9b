use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::crypto::sha256;
use crate::work::{Base64Url, Blob, Hex, is_enrolment_proof};

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn key(byte: u8) -> Value {
    json!(Base64Url([byte; 32]))
}

fn offer() -> Value {
    json!({"offer": {
        "assignment": "a-1",
        "job": Hex([1; 32]),
        "spec": {"profile": "pogw/1", "kernel": "gemm_i8", "params": {"m": 1}, "checks": []},
        "accept_until": "2026-11-27T10:00:30Z",
        "terms": {
            "price": {"amount": 1200, "currency": "EUR"}, "stake": 2400, "commit_within_s": 600,
            "audit": {"wrong_ppm": 50000, "log2_miss": -20},
            "open_within_s": 120, "dispute_window_s": 3600,
            "devices": {"count": 1, "architectures": ["HOPPER"], "min_assurance": "A2", "simulated": false},
            "min_agreeing": 2, "policy": "strict"}}})
}

/// As an agent of before there were conditions is shown it.
fn offer_without_demands() -> Value {
    let mut offer = offer();
    let terms = offer.pointer_mut("/offer/terms").unwrap();
    for member in ["devices", "min_agreeing", "policy"] {
        terms.as_object_mut().unwrap().remove(member).unwrap();
    }
    offer
}

fn lease() -> Value {
    json!({"challenge": key(2), "replica_key": key(3),
        "until": "2026-11-27T10:00:00Z", "commit_until": "2026-11-27T10:10:00Z"})
}

fn open() -> Value {
    json!({"open": {
        "assignment": "a-1", "round": 1, "randomness": key(4), "points": 271, "whole": false,
        "cross": [{"assignment": "a-2", "replica_key": key(5)}],
        "until": "2026-11-27T10:12:00Z"}})
}

fn question(ask: Value) -> Value {
    json!({"question": {
        "assignment": "a-1", "number": 3, "ask": ask, "until": "2026-11-27T10:14:00Z"}})
}

/// Reads, writes, and compares with what was read.
fn both_ways<T: DeserializeOwned + serde::Serialize>(form: &Value) -> T {
    let read: T = serde_json::from_str(&form.to_string()).unwrap();
    assert_eq!(&serde_json::to_value(&read).unwrap(), form);
    read
}

fn is_refused<T: DeserializeOwned>(form: &Value) -> bool {
    serde_json::from_str::<T>(&form.to_string()).is_err()
}

#[test]
fn what_is_to_be_done_has_one_form() {
    let offer: Next = both_ways(&offer());
    assert_eq!(offer.name().task, TaskKind::Offer);
    both_ways::<Next>(&offer_without_demands());
    let open: Next = both_ways(&open());
    let name = open.name();
    assert_eq!((name.task, name.number), (TaskKind::Open, 1));
    for ask in [json!({"witness": "{}"}), json!({"outputs": {}})] {
        let question: Next = both_ways(&question(ask));
        let name = question.name();
        assert_eq!((name.task, name.number), (TaskKind::Question, 3));
        assert_eq!(question.assignment(), &id("a-1"));
    }
}

/// Every object of a form, with a member that nobody knows.
fn with_a_stranger(form: &Value, pointer: &str) -> Value {
    let mut form = form.clone();
    form.pointer_mut(pointer).unwrap()["stranger"] = json!(1);
    form
}

#[test]
fn unknown_members_are_refused_everywhere() {
    let table = [
        (
            offer(),
            vec![
                "",
                "/offer",
                "/offer/spec",
                "/offer/terms",
                "/offer/terms/price",
                "/offer/terms/audit",
                "/offer/terms/devices",
            ],
        ),
        (open(), vec!["", "/open", "/open/cross/0"]),
        (
            question(json!({"outputs": {}})),
            vec!["", "/question", "/question/ask", "/question/ask/outputs"],
        ),
    ];
    for (form, pointers) in table {
        for pointer in pointers {
            assert!(
                is_refused::<Next>(&with_a_stranger(&form, pointer)),
                "{pointer}"
            );
        }
    }
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    let next = |pointer: &str, value: Value| {
        let mut form = if pointer.starts_with("/offer") {
            offer()
        } else {
            open()
        };
        *form.pointer_mut(pointer).unwrap() = value;
        is_refused::<Next>(&form)
    };
    let cross: Vec<_> = (0..8)
        .map(|_| json!({"assignment": "b", "replica_key": key(1)}))
        .collect();
    assert!(next("/open/cross", json!(cross)));
    assert!(!next("/open/cross", json!(cross[..7])));
    assert!(next("/open/points", json!(-1)));
    assert!(next("/open/until", json!("soon")));
    assert!(next("/open/until", json!(1)));
    assert!(next("/offer/assignment", json!("../x")));
    assert!(next("/offer/assignment", json!("")));
    assert!(next("/offer/terms/audit", json!(null)));
    assert!(next("/offer/terms/price/currency", json!("EURO")));
    assert!(next("/offer/terms/policy", json!("../etc")));
    assert!(next("/offer/terms/devices/min_assurance", json!("A4")));
    assert!(next("/offer/terms/devices", json!(null)));
    assert!(next("/offer/spec/params", json!({"m": 1.5})));
    let long = "x".repeat(MAX_QUESTION_BYTES + 1);
    assert!(is_refused::<Next>(&question(json!({"witness": long}))));
}

#[test]
fn signs_of_life_are_bounded() {
    let device = json!({"architecture": "HOPPER", "assurance": "A0", "simulated": true});
    let form = json!({"devices": [device], "executors": ["cpu-reference"], "capacity": 1, "held": ["a-1"]});
    let heartbeat: Heartbeat = both_ways(&form);
    assert_eq!(heartbeat.held, [id("a-1")]);
    let with = |name: &str, value: Value| {
        let mut form = form.clone();
        form[name] = value;
        is_refused::<Heartbeat>(&form)
    };
    assert!(with("held", json!(vec!["a"; MAX_HELD + 1])));
    assert!(with("executors", json!(vec!["a"; MAX_EXECUTORS + 1])));
    assert!(with("executors", json!(["CUDA"])));
    assert!(with("devices", json!(vec![device.clone(); 129])));
    assert!(with("capacity", json!(-1)));
    let named = |count: usize| json!({"policies": vec!["default"; count]});
    assert!(!with("conditions", named(MAX_POLICIES)));
    for wrong in [
        json!(null),
        json!({"least_price": -1}),
        json!({"stranger": 1}),
        named(MAX_POLICIES + 1),
    ] {
        assert!(with("conditions", wrong));
    }
    let answer: HeartbeatAnswer = both_ways(&json!({
        "heartbeat_every_s": 30, "now": "2026-11-27T10:00:00Z", "ended": [
        {"assignment": "a-1", "status": "refused", "code": "opening_withheld"},
        {"assignment": "a-2", "status": "paid"}]}));
    assert_eq!(answer.ended.len(), 2);
}

#[test]
fn conditions_have_one_form() {
    let none: Conditions = serde_json::from_value(json!({})).unwrap();
    assert_eq!(none, Conditions::default());
    both_ways::<Conditions>(&json!({
        "least_price": 1, "most_stake": 2, "least_commit_within_s": 3, "least_open_within_s": 4,
        "longest_dispute_window_s": 5, "most_agreeing": 2, "policies": ["default"]}));
}

#[test]
fn terms_meet_conditions_or_it_is_said_which_not() {
    let Ok(Next::Offer(offer)) = serde_json::from_value(offer()) else {
        panic!("an offer");
    };
    let unmet = |conditions: Value| {
        let conditions: Conditions = serde_json::from_value(conditions).unwrap();
        conditions.unmet(&offer.terms)
    };
    let table = [
        (json!({}), None),
        (
            json!({"least_price": 1200, "most_stake": 2400, "least_commit_within_s": 600, "least_open_within_s": 120,
                "longest_dispute_window_s": 3600, "policies": ["strict"]}),
            None,
        ),
        (json!({"least_price": 1201}), Some("price_too_low")),
        (json!({"most_stake": 2399}), Some("stake_too_high")),
        (
            json!({"least_commit_within_s": 601}),
            Some("commit_time_too_short"),
        ),
        (json!({"least_open_within_s": 121}), Some("time_too_short")),
        (
            json!({"longest_dispute_window_s": 3599}),
            Some("dispute_window_too_long"),
        ),
        (json!({"most_agreeing": 2}), None),
        (json!({"most_agreeing": 1}), Some("too_many_must_agree")),
        (json!({"policies": ["default"]}), Some("policy_not_taken")),
        (json!({"policies": []}), Some("policy_not_taken")),
    ];
    for (conditions, expected) in table {
        assert_eq!(unmet(conditions.clone()), expected, "{conditions}");
    }
}

#[test]
fn bodies_have_one_form() {
    both_ways::<Empty>(&json!({}));
    both_ways::<Lease>(&lease());
    both_ways::<Release>(&json!({"code": "shutting_down"}));
    both_ways::<NextRequest>(
        &json!({"known": [{"assignment": "a-1", "task": "open", "number": 0}]}),
    );
    both_ways::<Enrolled>(&json!({
        "id": "agent-1", "provider": "party-1", "heartbeat_every_s": 30, "now": "2026-11-27T10:00:00Z"}));
    both_ways::<HeartbeatAnswer>(&json!({"heartbeat_every_s": 30, "now": "2026-11-27T10:00:00Z"}));
    both_ways::<Heartbeat>(&json!({"devices": [], "executors": [], "capacity": 0}));
    both_ways::<Answer>(&json!({"number": 1, "reply": {"witness": Blob(vec![3])}}));
    both_ways::<Answer>(&json!({"number": 1, "reply": {"outputs": {
        "outputs": {"c": Blob(vec![1, 2])}, "trace": ""}}}));
    assert!(is_refused::<Empty>(&json!({"a": 1})));
    assert!(is_refused::<Release>(&json!({"code": "Not a word"})));
    let twice = r#"{"number":1,"reply":{"outputs":{"outputs":{"c":"","c":""},"trace":""}}}"#;
    assert!(serde_json::from_str::<Answer>(twice).is_err());
}

fn enrolment(seed: u8) -> Enrolment {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = Base64Url(pair.public_key().as_ref().try_into().unwrap());
    let token = EnrolmentToken::parse("one-time").unwrap();
    Enrolment::new(token, public, |message| {
        pair.sign(message).as_ref().try_into().unwrap()
    })
}

fn is_proven(enrolment: &Enrolment) -> bool {
    let Enrolment {
        token,
        agent_key,
        proof,
    } = enrolment;
    is_enrolment_proof(token.reveal(), agent_key, proof)
}

#[test]
fn an_enrolment_is_proven_by_the_key_it_names_for_the_token_it_has() {
    let good = enrolment(1);
    assert!(is_proven(&good));
    let mut other_token = good.clone();
    other_token.token = EnrolmentToken::parse("another").unwrap();
    assert!(!is_proven(&other_token));
    let mut other_key = good.clone();
    other_key.agent_key = enrolment(2).agent_key;
    assert!(!is_proven(&other_key));
    let mut flipped = good;
    flipped.proof.0[0] ^= 1;
    assert!(!is_proven(&flipped));
}

#[test]
fn the_message_of_an_enrolment_is_what_its_documentation_says() {
    let token = EnrolmentToken::parse("one-time").unwrap();
    let mut seen = Vec::new();
    let _ = Enrolment::new(token, Base64Url([9; 32]), |message| {
        seen = message.to_vec();
        [0; 64]
    });
    let expected = [
        b"pogw/1 enrolment\n".as_slice(),
        &sha256(b"one-time"),
        &[9; 32],
    ]
    .concat();
    assert_eq!(seen, expected);
}

#[test]
fn secrets_do_not_print() {
    let offer: Next = serde_json::from_value(offer()).unwrap();
    let open: Next = serde_json::from_value(open()).unwrap();
    let lease: Lease = serde_json::from_value(lease()).unwrap();
    let token = EnrolmentToken::parse("one-time").unwrap();
    let enrolment = Enrolment::new(token, Base64Url([9; 32]), |_| [0; 64]);
    let text = format!("{offer:?} {open:?} {lease:?} {enrolment:?}");
    for secret in [key(3), key(5), json!("one-time")] {
        let secret = secret.as_str().unwrap();
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("Secret(…)") && text.contains("EnrolmentToken(…)"));
}

#[test]
fn tokens_are_visible_and_bounded() {
    for wrong in ["", "a b", "a\n", "ä", &"x".repeat(257)] {
        assert!(EnrolmentToken::parse(wrong).is_err(), "{wrong}");
    }
    assert!(EnrolmentToken::parse(&"x".repeat(256)).is_ok());
}

#[test]
fn any_text_has_a_word() {
    for text in ["shutting_down", "", "Not A Word", "ä", &"x".repeat(65)] {
        let word = Word::lossy(text);
        assert!(Word::parse(word.as_str()).is_ok(), "{text}");
    }
    assert_eq!(Word::lossy("shutting_down").as_str(), "shutting_down");
}
