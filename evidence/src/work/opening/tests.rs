//! One opening that is accepted, and for every rule one that is not.

use serde_json::{Value, json};

use super::*;
use crate::work::{Base64Url, Hex};

fn statement() -> Value {
    json!({
        "profile": "pogw/1",
        "job": Hex([1; 32]), "challenge": Base64Url([2; 32]), "agent_key": Base64Url([3; 32]),
        "kernel": { "name": "gemm_i8", "spec": Hex([4; 32]) },
        "outputs": [{ "name": "c", "len": 4096, "blake3": Hex([5; 32]) }],
        "executor": "cpu-reference",
        "timing": { "started_at_ms": 0, "run_us": 0, "digest_us": 0 },
    })
}

fn good() -> Value {
    json!({
        "profile": "pogw/1",
        "salt": Base64Url([6; 32]),
        "keyed": Base64Url([7; 32]),
        "cross": { "assignment-2": Base64Url([8; 32]) },
        "bundle": {
            "profile": "pogw/1",
            "job": { "profile": "pogw/1", "kernel": "gemm_i8", "params": {}, "checks": [] },
            "statement": statement(),
            "devices": [],
            "signature": Base64Url([9; 64]),
        },
        "slices": [slice(0, 4)],
    })
}

fn slice(start: u64, len: u64) -> Value {
    json!({ "tensor": { "output": "c" }, "start": start, "len": len, "bytes": "AAAA" })
}

fn read(opening: &Value) -> Result<Opening, OpeningError> {
    Opening::parse(opening.to_string().as_bytes())
}

fn with(pointer: &str, value: Value) -> Value {
    let mut opening = good();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = opening.pointer_mut(parent).unwrap();
    match name.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[name] = value,
    }
    opening
}

#[test]
fn what_is_read_is_written_the_same() {
    let opening = read(&good()).unwrap();
    assert_eq!(serde_json::to_value(&opening).unwrap(), good());
    assert_eq!(
        opening.slices[0].tensor,
        OpenedTensor::Output("c".to_owned())
    );
    let without_cross = read(&with("/cross", json!({}))).unwrap();
    assert!(without_cross.cross.is_empty());
}

#[test]
fn it_opens_the_commitment_that_was_made_and_no_other() {
    let opening = read(&good()).unwrap();
    let canonical = opening.bundle.statement.canonical().unwrap();
    let commitment = ResultCommitment::to(&canonical, &opening.secrets());
    assert!(opening.opens(&commitment, &canonical));
    for other in [
        with("/salt", json!(Base64Url([0; 32]))),
        with("/keyed", json!(Base64Url([0; 32]))),
        with("/bundle/statement/executor", json!("cuda")),
    ] {
        let opening = read(&other).unwrap();
        let canonical = opening.bundle.statement.canonical().unwrap();
        assert!(!opening.opens(&commitment, &canonical));
    }
}

#[test]
fn every_rule_has_its_refusal() {
    let malformed = "opening_malformed";
    let outside = "slice_outside_output";
    let many: Vec<_> = (0..=MAX_REPLICAS)
        .map(|i| (i.to_string(), json!(Base64Url([0; 32]))))
        .collect();
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let table = [
        (with("/profile", json!("pogw/2")), malformed),
        (with("/more", json!(1)), malformed),
        (with("/salt", json!(Base64Url([6; 31]))), malformed),
        (with("/salt", Value::Null), malformed),
        (with("/keyed", json!("")), malformed),
        (with("/cross", Value::Null), malformed),
        (
            with("/cross", many.into_iter().collect()),
            "opening_too_large",
        ),
        (
            with("/cross", json!({ &*long: Base64Url([0; 32]) })),
            malformed,
        ),
        (with("/bundle", json!({})), malformed),
        (with("/slices", json!([slice(0, 4)])), ""),
        (with("/slices", Value::Null), malformed),
        (
            with("/slices", json!(vec![slice(0, 4); MAX_SLICES + 1])),
            malformed,
        ),
        (with("/slices/0", slice(0, 0)), outside),
        (with("/slices/0", slice(u64::MAX, 1)), outside),
        (with("/slices/0", slice((1 << 53) - 1, 1)), outside),
        (with("/slices/0", slice((1 << 53) - 2, 1)), ""),
        (with("/slices/0/start", json!(-1)), malformed),
        (with("/slices/0/start", json!(1.0)), malformed),
        (with("/slices/0/bytes", json!("AAA")), malformed),
        (
            with("/slices/0/tensor", json!({ "output": long })),
            malformed,
        ),
        (with("/slices/0/tensor", json!({ "input": "a" })), malformed),
        (
            with("/slices/0/tensor", json!({ "output": "c", "more": 1 })),
            malformed,
        ),
        (with("/slices/0/tensor", json!("output")), malformed),
    ];
    for (opening, code) in table {
        let found = read(&opening).err();
        let text = opening.to_string();
        let text = &text[..text.len().min(300)];
        assert_eq!(found.map_or("", |error| error.code()), code, "{text}");
    }
    let twice = good()
        .to_string()
        .replacen("\"salt\"", "\"salt\":\"\",\"salt\"", 1);
    assert_eq!(
        Opening::parse(twice.as_bytes()).unwrap_err().code(),
        malformed
    );
}

#[test]
fn the_bundle_keeps_its_own_bounds() {
    let device = json!({ "arch": "HOPPER", "report": "", "chain": "" });
    let devices = json!(vec![device; crate::limits::MAX_DEVICES + 1]);
    let error = read(&with("/bundle/devices", devices)).unwrap_err();
    assert_eq!(error.code(), "bundle_too_large");
}

#[test]
fn slices_are_bounded_together() {
    let opening = read(&good()).unwrap();
    let one = OpenedSlice {
        bytes: Blob(vec![0; MAX_SLICE_BYTES / 2]),
        ..opening.slices[0].clone()
    };
    let of = |slices| {
        serde_json::to_vec(&Opening {
            slices,
            ..opening.clone()
        })
        .unwrap()
    };
    assert!(Opening::parse(&of(vec![one.clone(), one.clone()])).is_ok());
    let more = of(vec![one.clone(), one, opening.slices[0].clone()]);
    assert_eq!(
        Opening::parse(&more).unwrap_err().code(),
        "opening_too_large"
    );
}
