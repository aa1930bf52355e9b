//! Policies, and simulations of them.

use serde_json::{Value, json};

use super::super::schema::{
    and, closed, count_32, flag, list, list_of, number, object, of, or_null, said, text, word,
};
use super::Named;
use crate::policies::simulation::MAX_RECEIPTS;

pub(super) fn all() -> Vec<Named> {
    vec![
        ("PolicyVersion", version()),
        ("CompiledPolicy", compiled()),
        (
            "ActivatedPolicy",
            and(compiled(), "activated_at", of("Time")),
        ),
        (
            "PolicyVersions",
            object([
                ("id", of("PolicyName")),
                ("versions", list(of("PolicyVersion"))),
            ]),
        ),
        ("Policies", policies()),
        ("Rego", said(text(), "The text of a policy in Rego.")),
        ("Simulation", simulation()),
        ("SimulationAnswer", simulation_answer()),
    ]
}

fn number_of_version() -> Value {
    number(1, u32::MAX.into())
}

fn version() -> Value {
    object([
        ("id", of("PolicyName")),
        ("version", number_of_version()),
        (
            "sha256",
            said(of("Sha256"), "Of the text: what receipts name."),
        ),
        ("added_at", of("Time")),
        ("active", said(flag(), "Whether it decides.")),
    ])
}

fn compiled() -> Value {
    let revocation = object([
        ("mode", word(&["required", "cached", "off"])),
        (
            "max_age_s?",
            said(
                json!({ "type": "integer", "minimum": 0 }),
                "Of `cached`: the oldest answer.",
            ),
        ),
        ("allow_hold", flag()),
    ]);
    let compiled = object([
        ("kind", word(&["pogw", "relying_party"])),
        ("revocation", revocation),
    ]);
    and(
        version(),
        "compiled",
        said(compiled, "What the text says of itself."),
    )
}

fn policies() -> Value {
    let active = object([
        ("id", text()),
        ("version", or_null(number_of_version())),
        ("sha256", of("Sha256")),
        ("activated_at", or_null(of("Time"))),
    ]);
    object([
        ("active", said(active, "What decides.")),
        (
            "pinned",
            said(flag(), "Whether the configuration alone says what decides."),
        ),
        (
            "policies",
            said(list(of("PolicyVersion")), "The newest version of each."),
        ),
    ])
}

fn simulation() -> Value {
    let most = i64::try_from(MAX_RECEIPTS).unwrap_or_default();
    let recent = json!({ "const": "recent" });
    let forms = [
        closed([(
            "input",
            said(json!({}), "An input document: docs/policies.md."),
        )]),
        closed([("receipts", list_of(0, MAX_RECEIPTS, of("Id")))]),
        closed([("receipts", recent), ("limit?", number(1, most))]),
    ];
    json!({ "type": "object", "oneOf": forms })
}

fn simulation_answer() -> Value {
    let error = object([("code", text()), ("detail", text())]);
    let receipt = object([
        ("receipt", of("Id")),
        ("as_of?", of("Time")),
        ("granted_then?", flag()),
        ("granted?", flag()),
        ("changed?", flag()),
        ("deny?", list(of("Denial"))),
        ("error?", said(error, "Why nothing was decided.")),
    ]);
    let of_input = object([
        ("policy", of("PolicyVersion")),
        ("granted", flag()),
        ("deny", list(of("Denial"))),
    ]);
    let of_receipts = object([
        ("policy", of("PolicyVersion")),
        (
            "changed",
            said(count_32(), "How many would have been refused."),
        ),
        ("receipts", list(receipt)),
    ]);
    json!({ "anyOf": [of_input, of_receipts] })
}
