//! What the service says of itself.

use serde_json::json;

use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::schema::{of, text};
use crate::http::{facts, health, media_type, openapi, statistics, well_known};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        facts(),
        statistics(),
        key_set(),
        document(),
        alive(),
        ready(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Service)).into()
}

fn facts() -> Endpoint {
    Endpoint::get("/v1/service", "readService", facts::read)
        .says(
            "See whose receipts these are",
            "What whoever validates a receipt has to know beforehand.",
        )
        .gives(200, "Service", "Issuer, audiences, build, time.")
        .for_any_page()
}

fn statistics() -> Endpoint {
    let step = json!({ "type": "integer", "minimum": 60, "maximum": 3600, "multipleOf": 60, "default": 60 });
    Endpoint::get("/v1/statistics", "readStatistics", statistics::read)
        .says(
            "See how verdicts came out",
            "In the last day, and how long they took. The numbers are of one process.",
        )
        .by(Access::Operator)
        .asks("step_s", step, "Seconds of a step.", json!(3600))
        .gives(
            200,
            "Statistics",
            "Steps with a verdict, the earliest first.",
        )
}

/// An answer that is asked for again and again: with a tag, and 304 for who has it.
fn cached(endpoint: Endpoint) -> Endpoint {
    endpoint
        .heeds(
            "If-None-Match",
            text(),
            "Tags of what the client has (RFC 9110).",
        )
        .header(200, "ETag")
        .gives_nothing(304, "The client has it.")
        .header(304, "ETag")
}

fn key_set() -> Endpoint {
    let endpoint = Endpoint::get("/.well-known/jwks.json", "readKeySet", well_known::jwks)
        .says("Read the key set", "The keys that verify receipts, retired ones with `exp`, and the one that verifies tokens in NVIDIA's form.")
        .gives_as(200, media_type::JWK_SET, of("KeySet"), "The keys.")
        .for_any_page();
    cached(endpoint)
}

fn document() -> Endpoint {
    let endpoint = Endpoint::get("/openapi.json", "readDocument", openapi::read)
        .says(
            "Read this document",
            "OpenAPI 3.1, made of the table that the routes are made of.",
        )
        .gives(200, "Document", "The document.");
    cached(endpoint)
}

fn alive() -> Endpoint {
    Endpoint::get("/healthz", "isAlive", health::alive)
        .says(
            "Ask whether the process is up",
            "It says nothing of anything else.",
        )
        .gives(200, "Alive", "It is.")
}

fn ready() -> Endpoint {
    Endpoint::get("/readyz", "isReady", health::ready)
        .says(
            "Ask whether it can issue receipts",
            "The store takes writes, a key may sign, and what was activated last decides.",
        )
        .gives(200, "Ready", "It can.")
        .fails(&[PolicyFailed, NoSigningKey, StoreUnavailable])
}
