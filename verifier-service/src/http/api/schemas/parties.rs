//! Parties, their credentials, their agents.

use serde_json::{Value, json};

use super::super::schema::{
    and, closed, flag, list, number, object, of, said, text, text_like, with, word,
};
use super::Named;
use crate::http::{agents, parties};
use crate::parties::Scope;

pub(super) fn all() -> Vec<Named> {
    let scopes = Scope::ALL.map(Scope::as_str);
    vec![
        ("PartyKind", word(&["tenant", "provider", "marketplace"])),
        ("Scope", word(&scopes)),
        (
            "NewParty",
            closed([
                ("kind", of("PartyKind")),
                ("name", of("Label")),
                ("oidc_name?", oidc_name()),
            ]),
        ),
        ("Party", party()),
        (
            "OwnParty",
            and(
                party(),
                "scopes",
                said(list(of("Scope")), "What the credential allows."),
            ),
        ),
        (
            "Parties",
            object([("parties", list(of("Party"))), ("next", of("Next"))]),
        ),
        ("NewApiKey", new_key()),
        ("ApiKey", key()),
        (
            "FreshApiKey",
            and(
                key(),
                "key",
                said(text(), "The text of the key. Shown this once."),
            ),
        ),
        ("ApiKeys", object([("keys", list(of("ApiKey")))])),
        ("NewEnrolmentToken", new_token()),
        ("EnrolmentToken", token()),
        ("Agent", agent()),
        (
            "Agents",
            object([("agents", list(of("Agent"))), ("next", of("Next"))]),
        ),
        ("ShownDevices", devices()),
    ]
}

fn oidc_name() -> Value {
    said(of("Label"), "What the configured issuer's tokens call it.")
}

fn party() -> Value {
    object([
        ("id", of("Id")),
        ("kind", of("PartyKind")),
        ("name", of("Label")),
        ("oidc_name?", oidc_name()),
        ("created_at", of("Time")),
        (
            "barred_at?",
            said(of("Time"), "Since when its agents are offered no work."),
        ),
    ])
}

fn new_key() -> Value {
    let scopes = with(list(of("Scope")), "minItems", json!(1));
    closed([
        (
            "scopes",
            said(scopes, "Those that a party of this kind can have."),
        ),
        ("label?", of("Label")),
        ("expires_in_s?", number(1, parties::MAX_KEY_LIFE_S.into())),
    ])
}

fn key() -> Value {
    object([
        ("id", of("Id")),
        (
            "prefix",
            said(
                text_like("^[a-z2-7]{8}$"),
                "The eight characters by which it is found.",
            ),
        ),
        ("scopes", list(of("Scope"))),
        ("label?", of("Label")),
        ("created_at", of("Time")),
        ("expires_at?", of("Time")),
        ("revoked_at?", of("Time")),
        ("last_used_at?", said(of("Time"), "To the hour.")),
    ])
}

fn new_token() -> Value {
    closed([
        ("label?", of("Label")),
        (
            "expires_in_s?",
            said(
                number(1, agents::MAX_TOKEN_LIFE_S.into()),
                "Without it, an hour.",
            ),
        ),
    ])
}

fn token() -> Value {
    let label = json!({ "anyOf": [of("Label"), { "type": "null" }] });
    object([
        ("id", of("Id")),
        ("token", said(text(), "Shown this once.")),
        ("label", label),
        ("expires_at", of("Time")),
    ])
}

fn agent() -> Value {
    object([
        ("id", of("Id")),
        ("agent_key", of("Bytes32")),
        ("name?", of("Label")),
        ("enrolled_at", of("Time")),
        ("seen_at?", of("Time")),
        ("present", said(flag(), "Whether it was heard of lately.")),
        ("declared?", said(declared(), "What it says of itself.")),
    ])
}

fn declared() -> Value {
    object([
        ("devices", list(of("DeclaredDevice"))),
        ("executors", list(text())),
        ("capacity", number(0, 1024)),
        ("conditions?", of("Conditions")),
    ])
}

fn devices() -> Value {
    let device = object([
        ("id", text()),
        ("kind", word(&["gpu", "switch"])),
        ("architecture", text()),
        ("simulated", flag()),
        ("status", said(text(), "The tier of its appraisal (EAR).")),
        ("model?", text()),
        ("driver?", text()),
        ("firmware?", text()),
        ("measurements?", word(&["as_referenced", "different"])),
    ]);
    object([("appraised_at?", of("Time")), ("devices", list(device))])
}
