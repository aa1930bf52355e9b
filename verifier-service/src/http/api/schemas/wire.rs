//! What agents and the verifier say to each other (`evidence::work::wire`).

use evidence::limits::{MAX_DEVICES, MAX_MEMBERS, MAX_REPLICAS, MAX_SLICES};
use evidence::work::wire::{MAX_CROSS, MAX_EXECUTORS, MAX_HELD, MAX_POLICIES};
use serde_json::{Value, json};

use super::super::schema::{
    MAX_SAFE, closed, count_32, flag, list, list_of, map, number, object, of, said, short, text,
    text_like, with, word,
};
use super::Named;

pub(super) fn all() -> Vec<Named> {
    vec![
        ("Empty", said(closed([]), "Nothing: the path says it all.")),
        ("Enrolment", enrolment()),
        ("Enrolled", enrolled()),
        ("Heartbeat", heartbeat()),
        ("Conditions", conditions()),
        ("HeartbeatAnswer", heartbeat_answer()),
        ("DeclaredDevice", declared_device()),
        ("NextRequest", next_request()),
        ("NextTask", next_task()),
        ("Offer", offer()),
        ("Open", open()),
        ("Question", question()),
        ("Lease", lease()),
        (
            "Release",
            closed([(
                "code",
                said(of("Word"), "Why, in one of the agent's codes."),
            )]),
        ),
        ("Commitment", closed([("commitment", of("Bytes32"))])),
        ("Opening", opening()),
        ("Answer", answer()),
    ]
}

fn enrolment() -> Value {
    closed([
        ("token", said(text(), "The enrolment token.")),
        (
            "agent_key",
            said(
                of("Bytes32"),
                "The Ed25519 key that the agent will sign with.",
            ),
        ),
        (
            "proof",
            said(
                of("Bytes64"),
                "By that key over \"pogw/1 enrolment\\n\" ‖ SHA-256(token) ‖ agent_key.",
            ),
        ),
        ("name?", of("Label")),
    ])
}

fn enrolled() -> Value {
    object([
        ("id", of("Id")),
        ("provider", of("Id")),
        ("heartbeat_every_s", count_32()),
        ("now", of("Time")),
    ])
}

fn heartbeat() -> Value {
    closed([
        ("devices", list_of(0, MAX_DEVICES, of("DeclaredDevice"))),
        (
            "executors",
            list_of(0, MAX_EXECUTORS, text_like("^[A-Za-z0-9._-]{1,64}$")),
        ),
        (
            "capacity",
            said(
                number(0, 1024),
                "How many assignments it takes at one time.",
            ),
        ),
        (
            "held?",
            said(
                list_of(0, MAX_HELD, of("Name")),
                "Assignments that it still holds something for.",
            ),
        ),
        ("conditions?", of("Conditions")),
    ])
}

fn conditions() -> Value {
    let policies = list_of(0, MAX_POLICIES, text_like("^[A-Za-z0-9._-]{1,64}$"));
    said(
        closed([
            ("least_price?", of("Amount")),
            ("most_stake?", of("Amount")),
            ("least_commit_within_s?", count_32()),
            ("least_open_within_s?", count_32()),
            ("longest_dispute_window_s?", count_32()),
            ("most_agreeing?", count_32()),
            (
                "policies?",
                said(
                    policies,
                    "Under which work is taken, where the terms name one.",
                ),
            ),
        ]),
        "What work is taken for, in minor units of whatever currency: an agent is offered nothing that does not meet its \
         conditions. One that states none is offered anything, and not shown what the terms ask of devices and policy.",
    )
}

fn declared_device() -> Value {
    closed([
        ("architecture", of("Architecture")),
        ("assurance", of("Assurance")),
        ("simulated", flag()),
        ("ueid_sha256?", of("Sha256")),
    ])
}

fn heartbeat_answer() -> Value {
    let ended = object([
        ("assignment", of("Name")),
        ("status", of("Word")),
        ("code?", of("Word")),
    ]);
    object([
        ("heartbeat_every_s", count_32()),
        ("now", of("Time")),
        ("ended?", list(ended)),
    ])
}

fn next_request() -> Value {
    let known = closed([
        ("assignment", of("Name")),
        ("task", word(&["offer", "open", "question"])),
        ("number", count_32()),
    ]);
    closed([(
        "known",
        said(
            list_of(0, MAX_HELD, known),
            "What the agent knows of and is at: it is not told of it again.",
        ),
    )])
}

fn next_task() -> Value {
    let one = |name: &str, schema| json!({ "type": "object", "properties": { name: of(schema) }, "required": [name] });
    let tasks = [
        one("offer", "Offer"),
        one("open", "Open"),
        one("question", "Question"),
    ];
    said(
        json!({ "oneOf": tasks }),
        "What there is to do: an object of one member.",
    )
}

fn offer() -> Value {
    let audit = object([("wrong_ppm", count_32()), ("log2_miss", number(-100, -1))]);
    let devices = object([
        ("count", count_32()),
        ("architectures?", list(of("Architecture"))),
        ("min_assurance", of("Assurance")),
        ("simulated", flag()),
    ]);
    let terms = object([
        ("price", of("Money")),
        ("commit_within_s", count_32()),
        ("stake", of("Amount")),
        ("audit?", audit),
        ("open_within_s", count_32()),
        ("dispute_window_s", count_32()),
        (
            "devices?",
            said(
                devices,
                "What the devices must be and their evidence show; for agents that state conditions.",
            ),
        ),
        ("min_agreeing?", count_32()),
        ("policy?", text()),
    ]);
    object([
        ("assignment", of("Name")),
        ("job", of("Sha256")),
        ("spec", of("JobSpec")),
        ("accept_until", of("Time")),
        ("terms", terms),
    ])
}

fn open() -> Value {
    let cross = object([("assignment", of("Name")), ("replica_key", of("Bytes32"))]);
    object([
        ("assignment", of("Name")),
        ("round", count_32()),
        ("randomness", of("Bytes32")),
        ("points", count_32()),
        ("whole", flag()),
        ("cross", list_of(0, MAX_CROSS, cross)),
        ("until", of("Time")),
    ])
}

fn question() -> Value {
    let witness = object([("witness", text())]);
    let outputs = object([("outputs", json!({ "type": "object" }))]);
    object([
        ("assignment", of("Name")),
        ("number", count_32()),
        ("ask", json!({ "oneOf": [witness, outputs] })),
        ("until", of("Time")),
    ])
}

fn lease() -> Value {
    object([
        ("challenge", of("Bytes32")),
        ("replica_key", of("Bytes32")),
        ("until", of("Time")),
        ("commit_until", of("Time")),
    ])
}

fn opening() -> Value {
    let least_one = || number(1, MAX_SAFE);
    let slice = closed([
        ("tensor", closed([("output", short(0, 200))])),
        ("start", number(0, MAX_SAFE)),
        ("len", least_one()),
        ("bytes", said(of("Base64"), "A Bao slice.")),
    ]);
    closed([
        ("profile", of("Profile")),
        ("salt", of("Bytes32")),
        ("keyed", of("Bytes32")),
        ("cross?", map(MAX_REPLICAS, short(0, 200), of("Bytes32"))),
        ("bundle", of("Bundle")),
        ("slices", list_of(0, MAX_SLICES, slice)),
    ])
}

fn answer() -> Value {
    let outputs = closed([
        ("outputs", map(MAX_MEMBERS, text(), of("Base64"))),
        ("trace", of("Base64")),
    ]);
    let reply =
        json!({ "oneOf": [closed([("witness", of("Base64"))]), closed([("outputs", outputs)])] });
    closed([
        ("number", count_32()),
        ("reply", with(reply, "type", json!("object"))),
    ])
}
