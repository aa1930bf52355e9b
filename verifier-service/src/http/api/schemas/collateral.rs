//! Manifests, revocation, keys, and what the service says of itself.

use serde_json::{Value, json};

use super::super::schema::{
    closed, count, count_32, flag, list, number, object, of, or_null, said, text, with, word,
};
use super::Named;

pub(super) fn all() -> Vec<Named> {
    vec![
        ("Challenge", challenge()),
        ("NewChallenge", new_challenge()),
        ("Service", service()),
        ("Statistics", statistics()),
        ("Coverage", coverage()),
        ("Rim", rim()),
        (
            "RimIds",
            object([("ids", list(text())), ("request_id", of("Bytes16"))]),
        ),
        (
            "Der",
            said(
                json!({ "type": "string", "format": "binary" }),
                "DER (RFC 6960).",
            ),
        ),
        (
            "Tar",
            said(
                json!({ "type": "string", "format": "binary" }),
                "A tar file (POSIX ustar).",
            ),
        ),
        ("KeySet", key_set()),
        (
            "Document",
            said(
                with(
                    object([("openapi", text())]),
                    "additionalProperties",
                    json!(true),
                ),
                "OpenAPI 3.1.",
            ),
        ),
        ("Alive", object([("status", json!({ "const": "ok" }))])),
        ("Ready", object([("status", json!({ "const": "ready" }))])),
    ]
}

fn new_challenge() -> Value {
    closed([
        (
            "job",
            said(
                of("Sha256"),
                "SHA-256 of the canonical job that is to be run.",
            ),
        ),
        (
            "agent_key",
            said(of("Bytes32"), "The Ed25519 key of the agent that runs it."),
        ),
        (
            "audience?",
            said(
                text(),
                "Whom the receipt shall be for; without it, all audiences of the verifier.",
            ),
        ),
    ])
}

fn challenge() -> Value {
    object([
        ("id", of("Id")),
        ("challenge", of("Bytes32")),
        ("expires_at", of("Time")),
        ("accept", said(list(text()), "Media types of the answer.")),
        (
            "status?",
            said(
                word(&["open", "spent", "refuted", "expired"]),
                "What became of it, where that is asked.",
            ),
        ),
    ])
}

fn service() -> Value {
    object([
        ("issuer", text()),
        ("audience", list(text())),
        ("build", text()),
        ("takes_simulated_devices", flag()),
        ("now", of("Time")),
    ])
}

fn statistics() -> Value {
    let verdict = object([
        ("of", word(&["bundle", "opening", "devices"])),
        (
            "verdict",
            said(text(), "`granted`, or the code of the first reason."),
        ),
        ("count", count_32()),
    ]);
    let step = object([
        ("at", of("Time")),
        ("verdicts", list(verdict)),
        ("latency", list(count_32())),
    ]);
    let statistics = object([
        ("as_of", of("Time")),
        ("step_s", number(60, 3600)),
        ("latency_bounds_us", list(count())),
        ("steps", list(step)),
    ]);
    said(
        statistics,
        "`latency` counts how many took at most each bound and more than the one before; the last, longer than all.",
    )
}

fn coverage() -> Value {
    let manifest = object([
        ("role", word(&["driver_rim", "vbios_rim"])),
        ("id", or_null(text())),
        (
            "status",
            word(&[
                "available",
                "expired",
                "not_yet_valid",
                "refused",
                "missing",
                "unreachable",
            ]),
        ),
        ("valid_until", or_null(of("Time"))),
        ("reasons", list(of("Reason"))),
        ("source", or_null(text())),
        ("sha256", or_null(of("Sha256"))),
        ("simulated", or_null(flag())),
    ]);
    object([
        ("as_of", of("Time")),
        ("covered", flag()),
        ("manifests", list(manifest)),
    ])
}

fn rim() -> Value {
    object([
        ("id", text()),
        ("rim", of("Base64")),
        ("sha256", of("Sha256")),
        ("last_updated?", of("Time")),
        ("rim_format", json!({ "const": "TCG" })),
        ("request_id", of("Bytes16")),
    ])
}

fn key_set() -> Value {
    let key = with(
        object([
            ("kty", text()),
            ("kid", text()),
            ("alg?", text()),
            ("use?", json!({ "const": "sig" })),
        ]),
        "additionalProperties",
        json!(true),
    );
    said(
        object([("keys", list(key))]),
        "A key set of RFC 7517. Retired keys have `exp`.",
    )
}
