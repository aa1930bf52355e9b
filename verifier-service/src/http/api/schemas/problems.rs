//! What went wrong (RFC 9457).

use serde_json::{Value, json};

use super::super::schema::{
    count_32, list, number, object, of, or_null, said, text, text_like, word,
};
use super::Named;
use crate::problem::ProblemCode;

pub(super) fn all() -> Vec<Named> {
    vec![
        ("Problem", problem()),
        ("ProblemOfNvidia", problem_of_nvidia()),
        (
            "ProblemCode",
            codes(
                "The words of the service for what went wrong.",
                of_service(),
            ),
        ),
        (
            "EvidenceCode",
            codes(
                "The words for what is wrong with evidence, with work, or with a policy.",
                of_evidence(),
            ),
        ),
        ("FailedCheck", failed_check()),
        ("Reason", reason()),
        ("Denial", object([("code", text()), ("message", text())])),
        (
            "CheckStatus",
            word(&["affirmed", "refuted", "unverifiable", "not_requested"]),
        ),
    ]
}

fn problem() -> Value {
    let problem = object([
        ("type", text_like("^urn:pogw:problem:[a-z0-9_]+$")),
        ("title", said(text(), "What the code means.")),
        ("status", number(400, 599)),
        (
            "detail?",
            said(
                text(),
                "About this occurrence. It repeats nothing of the body that was sent.",
            ),
        ),
        (
            "code",
            said(
                text_like("^[a-z0-9_]+$"),
                "The stable word. Words are never renamed and never reused.",
            ),
        ),
        (
            "checks?",
            said(
                list(of("FailedCheck")),
                "After an appraisal: each check that is refuted or could not be made.",
            ),
        ),
        ("deny?", said(list(of("Denial")), "What the policy says.")),
        ("trace_id?", trace_id()),
    ]);
    said(problem, "Problem details of RFC 9457.")
}

fn trace_id() -> Value {
    said(
        text_like("^[0-9a-f]{32}$"),
        "The trace of the request, as `X-Trace-Id` has it.",
    )
}

fn problem_of_nvidia() -> Value {
    let problem = object([
        ("type", text_like("^urn:pogw:problem:[a-z0-9_]+$")),
        ("title", text()),
        ("status", number(400, 599)),
        ("detail?", text()),
        ("code", said(count_32(), "NVIDIA's number.")),
        (
            "httpStatus",
            said(text_like("^[A-Z_]+$"), "The name of the status."),
        ),
        (
            "message",
            said(
                text_like("^[A-Z0-9_]*$"),
                "NVIDIA's word, or ours in capitals.",
            ),
        ),
        ("description", text()),
        ("checks?", list(of("FailedCheck"))),
        ("deny?", list(of("Denial"))),
        ("trace_id?", trace_id()),
    ]);
    said(
        problem,
        "Problem details with the four members that NVIDIA's clients read; `type` ends in our own word.",
    )
}

fn failed_check() -> Value {
    object([
        ("id", text()),
        (
            "device?",
            said(count_32(), "The place of the device in the bundle."),
        ),
        ("status", of("CheckStatus")),
        ("reasons", list(of("Reason"))),
        (
            "reasons_left_out?",
            said(
                count_32(),
                "How many more were found, of codes that are among the reasons; absent where none.",
            ),
        ),
        ("remedy", said(text(), "What can be done about it.")),
    ])
}

fn reason() -> Value {
    let value = || or_null(text());
    object([
        ("code", text()),
        ("message", text()),
        ("expected", value()),
        ("actual", value()),
    ])
}

fn codes(text: &str, codes: Vec<Value>) -> Value {
    json!({ "description": text, "type": "string", "oneOf": codes })
}

fn of_service() -> Vec<Value> {
    let named = |(code, meaning): &(ProblemCode, &str)| constant(code.as_str(), meaning);
    ProblemCode::ALL.iter().map(named).collect()
}

fn of_evidence() -> Vec<Value> {
    let named = |(code, meaning): &(evidence::Code, &str)| constant(code.as_str(), meaning);
    evidence::Code::ALL.iter().map(named).collect()
}

fn constant(code: &str, meaning: &str) -> Value {
    json!({ "const": code, "description": meaning.trim() })
}
