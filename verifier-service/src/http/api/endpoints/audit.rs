//! The audit log.

use serde_json::{Value, json};

use super::super::codes::OF_STORE;
use super::super::endpoint::{Access, Endpoint, Tag};
use super::super::examples;
use super::super::schema::{day_or_time, of, short, text_like};
use crate::http::audit::{self, MAX_NAME_BYTES};

pub(super) fn all() -> Vec<Endpoint> {
    vec![list().tagged(Tag::Service)]
}

fn list() -> Endpoint {
    Endpoint::get("/v1/audit", "readAuditLog", audit::list)
        .says(
            "Read who did what",
            "Latest first. The operator reads all; a party what concerns it, with `jobs:read`, a provider with \
             `agents:read`, and of others who acted only what kind they are. Each entry holds the digest of the one before.",
        )
        .by(Access::PartyOrOperator("jobs:read"))
        .paged(text_like("^[0-9]{1,18}$"))
        .asks("action", of("AuditAction"), "Entries of this action alone.", json!("policy.activate"))
        .asks("object", name(), "Entries about the object of this name.", json!("default/2"))
        .asks("actor", name(), "Entries of the actor of this name, or of this kind.", json!("operator"))
        .asks("since", day_or_time(), "Entries from then on: a day, or a time of RFC 3339.", examples::time())
        .gives(200, "AuditLog", "A page, and where the log ends.")
        .fails(OF_STORE)
}

fn name() -> Value {
    short(1, MAX_NAME_BYTES)
}
