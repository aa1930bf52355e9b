//! The audit log.

use serde_json::json;

use super::super::schema::{count, list, object, of, said, text, with, word};
use super::Named;
use crate::audit::Action;

pub(super) fn all() -> Vec<Named> {
    let actions: Vec<_> = Action::ALL
        .iter()
        .map(|(action, _)| action.as_str())
        .collect();
    vec![
        ("AuditAction", word(&actions)),
        ("AuditEntry", entry()),
        (
            "AuditLog",
            object([
                ("entries", list(of("AuditEntry"))),
                ("next", of("Next")),
                ("head", head()),
            ]),
        ),
    ]
}

fn entry() -> serde_json::Value {
    let actor = object([
        ("kind", text()),
        ("id?", text()),
        ("issuer?", text()),
        ("party?", text()),
    ]);
    let named = object([("kind", text()), ("id?", text())]);
    object([
        ("number", count()),
        ("at", of("Time")),
        ("actor", actor),
        ("action", of("AuditAction")),
        ("object", named),
        ("party?", said(of("Id"), "Whom it concerns.")),
        (
            "request?",
            said(text(), "The request, as `X-Request-Id` names it."),
        ),
        (
            "trace?",
            said(text(), "The trace, as `traceparent` names it."),
        ),
        ("outcome", word(&["done", "refused"])),
        ("code?", said(text(), "Why it was refused.")),
        ("details", with(json!({}), "type", json!("object"))),
        (
            "previous",
            said(of("Sha256"), "The digest of the entry before."),
        ),
        ("digest", of("Sha256")),
    ])
}

fn head() -> serde_json::Value {
    object([
        (
            "number",
            said(count(), "Of the last entry; 0 where there is none."),
        ),
        ("digest", of("Sha256")),
    ])
}
