//! Jobs, statements and bundles, as `evidence::work` reads them.

use evidence::limits::{
    MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_DEVICES, MAX_MEMBERS, MAX_OUTPUTS, MAX_WALL_S,
};
use serde_json::{Value, json};

use super::super::schema::{
    MAX_SAFE, closed, count, list, list_of, map, number, object, of, said, short, text, with, word,
};
use super::Named;
use crate::http::receipts::STANDINGS;

pub(super) fn all() -> Vec<Named> {
    vec![
        ("Profile", json!({ "const": "pogw/1" })),
        ("JobSpec", job()),
        ("Command", command()),
        ("Strict", strict()),
        (
            "RequestedCheck",
            word(&["output_digest", "freivalds", "audit"]),
        ),
        ("Statement", statement()),
        (
            "OutputCommitment",
            closed([("name", text()), ("len", count()), ("blake3", of("Blake3"))]),
        ),
        ("Bundle", bundle()),
        ("BundleDevice", bundle_device()),
        ("ReceiptJson", receipt()),
    ]
}

/// One of two members, and what goes with it.
fn either(schema: Value, first: &[&str], second: &[&str]) -> Value {
    let alone = |these: &[&str], others: &[&str]| {
        let none: Vec<_> = others
            .iter()
            .map(|name| json!({ "required": [name] }))
            .collect();
        json!({ "required": these, "not": { "anyOf": none } })
    };
    with(
        schema,
        "oneOf",
        json!([alone(first, second), alone(second, first)]),
    )
}

fn job() -> Value {
    let job = closed([
        ("profile", of("Profile")),
        (
            "kernel?",
            said(
                text(),
                "A kernel of the catalogue, by name: kernels/README.md.",
            ),
        ),
        (
            "params?",
            said(of("Strict"), "What the kernel is to be run with."),
        ),
        ("command?", of("Command")),
        ("checks", list(of("RequestedCheck"))),
        (
            "label?",
            said(
                text(),
                "Anything that tells this job from another with the same work.",
            ),
        ),
    ]);
    said(
        either(job, &["kernel", "params"], &["command"]),
        "What is to be run: a kernel with its parameters, or a command.",
    )
}

fn command() -> Value {
    let argument = |least: usize| {
        let text = short(least, MAX_ARGUMENT_BYTES);
        with(text, "pattern", json!(r"^[^\u0000]*$"))
    };
    let argv = list_of(1, MAX_ARGUMENTS, argument(0));
    let argv = with(argv, "prefixItems", json!([argument(1)]));
    let input = closed([("blake3", of("Blake3")), ("len", count())]);
    let least_one = || number(1, MAX_SAFE);
    let limits = closed([
        (
            "wall_s",
            number(1, i64::try_from(MAX_WALL_S).unwrap_or(MAX_SAFE)),
        ),
        ("output_bytes", least_one()),
        ("processes", least_one()),
        ("memory_bytes", least_one()),
    ]);
    let command = closed([
        ("argv", argv),
        ("inputs", map(MAX_MEMBERS, of("FileName"), input)),
        (
            "outputs",
            with(
                list_of(1, MAX_OUTPUTS, of("FileName")),
                "uniqueItems",
                json!(true),
            ),
        ),
        ("limits", limits),
    ]);
    said(
        command,
        "A program of the tenant's own. No file has a name that is an input and an output.",
    )
}

/// What has one canonical form (RFC 8785): no fractions, no number beyond 2^53 - 1.
fn strict() -> Value {
    let of_any = json!({
        "anyOf": [
            { "type": ["null", "boolean", "string"] },
            number(-MAX_SAFE, MAX_SAFE),
            list(of("Strict")),
            { "type": "object", "additionalProperties": of("Strict") },
        ],
    });
    said(of_any, "JSON without fractions, no number beyond 2^53 - 1.")
}

fn statement() -> Value {
    let kernel = closed([
        ("name", text()),
        ("spec", of("Blake3")),
        ("module?", of("Sha256")),
    ]);
    let program = closed([
        ("name", text()),
        ("blake3", of("Blake3")),
        ("exit_code", number(0, 255)),
    ]);
    let trace = closed([("entries", count()), ("blake3", of("Blake3"))]);
    let timing = closed([
        ("started_at_ms", count()),
        ("run_us", count()),
        ("digest_us", count()),
    ]);
    let statement = closed([
        ("profile", of("Profile")),
        ("job", said(of("Sha256"), "SHA-256 of the canonical job.")),
        ("challenge", of("Bytes32")),
        ("agent_key", of("Bytes32")),
        ("kernel?", kernel),
        ("program?", program),
        ("outputs", list_of(0, MAX_OUTPUTS, of("OutputCommitment"))),
        ("trace?", trace),
        (
            "executor",
            said(text(), "Where it ran, in the agent's words."),
        ),
        (
            "timing",
            said(timing, "On the agent's clock; nobody proves it."),
        ),
        (
            "telemetry?",
            map(MAX_MEMBERS, text(), number(-MAX_SAFE, MAX_SAFE)),
        ),
    ]);
    said(
        either(statement, &["kernel"], &["program"]),
        "What an agent says it did.",
    )
}

fn bundle() -> Value {
    let files = || map(MAX_MEMBERS, text(), of("Base64"));
    let bundle = closed([
        ("profile", of("Profile")),
        ("job", of("JobSpec")),
        ("statement", of("Statement")),
        ("devices", list_of(0, MAX_DEVICES, of("BundleDevice"))),
        ("inputs?", files()),
        ("outputs?", files()),
        (
            "signature",
            said(of("Bytes64"), "By the agent key over the bundle message."),
        ),
    ]);
    said(
        bundle,
        "Evidence of work: the job, the statement, and what devices signed about it.",
    )
}

fn bundle_device() -> Value {
    closed([
        ("arch", of("Architecture")),
        ("report", of("Base64")),
        ("chain", of("Base64")),
    ])
}

fn receipt() -> Value {
    object([
        ("id", of("Id")),
        (
            "receipt",
            said(
                of("Token"),
                "The receipt: docs/receipt.md says what is in it.",
            ),
        ),
        ("issued_at", of("Time")),
        (
            "status",
            said(
                word(&STANDINGS),
                "`holds`: nothing takes it back. `provisional`: the job that it came of is not over, and may find the work \
                 wrong yet. `revoked`: it did. The token itself does not say it.",
            ),
        ),
        ("revoked_at?", of("Time")),
    ])
}
