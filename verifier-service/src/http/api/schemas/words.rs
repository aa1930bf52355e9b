//! Texts with one spelling: names, digests, keys, times.

use evidence::limits::MAX_FILE_NAME_BYTES;
use serde_json::json;

use super::super::schema::{MAX_SAFE, closed, number, of, said, text_like, with, word};
use super::Named;

/// Standard base64 with padding, whose unused bits are zero.
const BASE64: &str =
    "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/// White space and control characters, which no label begins or ends with.
const BLANK: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

pub(super) fn all() -> Vec<Named> {
    let label = format!(r"^[^{BLANK}](?:[^\u0000-\u001f\u007f-\u009f]*[^{BLANK}])?$");
    let file = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$";
    vec![
        (
            "Id",
            said(
                text_like("^[0-9a-f]{32}$"),
                "A name of ours: 128 random bits, which nobody can guess.",
            ),
        ),
        (
            "Name",
            said(
                text_like("^[A-Za-z0-9_-]{1,64}$"),
                "A name of a job, an assignment, an agent or a party.",
            ),
        ),
        (
            "Word",
            said(text_like("^[a-z0-9_-]{1,64}$"), "A code or a state."),
        ),
        (
            "Sha256",
            said(
                text_like("^[0-9a-f]{64}$"),
                "A SHA-256 in lower-case hexadecimal.",
            ),
        ),
        (
            "Blake3",
            said(
                text_like("^[0-9a-f]{64}$"),
                "A BLAKE3 in lower-case hexadecimal, as `b3sum` prints it.",
            ),
        ),
        (
            "Bytes16",
            said(
                text_like("^[0-9a-f]{32}$"),
                "16 bytes in lower-case hexadecimal.",
            ),
        ),
        (
            "Bytes32",
            said(
                text_like("^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"),
                "32 bytes in base64url without padding: a key, a challenge, a digest.",
            ),
        ),
        (
            "Bytes64",
            said(
                text_like("^[A-Za-z0-9_-]{85}[AQgw]$"),
                "64 bytes in base64url without padding: an Ed25519 signature.",
            ),
        ),
        (
            "Nonce",
            said(
                text_like("^[0-9A-Fa-f]{64}$"),
                "32 bytes in hexadecimal of either case.",
            ),
        ),
        (
            "Base64",
            said(
                with(text_like(BASE64), "contentEncoding", json!("base64")),
                "Bytes in base64 with padding, on one line.",
            ),
        ),
        (
            "Time",
            said(
                json!({ "type": "string", "format": "date-time" }),
                "A time of RFC 3339, in UTC, in whole seconds.",
            ),
        ),
        (
            "Label",
            said(
                json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": label }),
                "A name that people give: one line, without white space at its ends.",
            ),
        ),
        (
            "FileName",
            said(
                json!({ "type": "string", "minLength": 1, "maxLength": MAX_FILE_NAME_BYTES, "pattern": file }),
                "A name of a file, without a path.",
            ),
        ),
        (
            "PolicyName",
            said(
                text_like("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"),
                "The name of a policy.",
            ),
        ),
        (
            "Currency",
            said(text_like("^[A-Z]{3}$"), "Three letters of ISO 4217."),
        ),
        (
            "Amount",
            said(number(0, MAX_SAFE), "Minor units, such as cents."),
        ),
        (
            "Money",
            closed([("amount", of("Amount")), ("currency", of("Currency"))]),
        ),
        (
            "Cursor",
            said(
                text_like("^[0-9]{1,18}-[0-9a-f]{32}$"),
                "A place in a list, as `next` gave it.",
            ),
        ),
        (
            "Next",
            said(
                json!({ "type": ["string", "null"] }),
                "The cursor of the next page; `null` on the last.",
            ),
        ),
        ("Architecture", word(&["HOPPER", "BLACKWELL", "LS10"])),
        (
            "Assurance",
            said(
                word(&["A0", "A1", "A2", "A3"]),
                "How much the evidence shows: see docs/receipt.md.",
            ),
        ),
        (
            "Token",
            said(
                text_like(r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$"),
                "A signed JWT in compact form.",
            ),
        ),
    ]
}
