//! What every parser of this project holds, whatever the bytes: one function for each, which panics where it does not.
//!
//! In scope: form alone. A parser answers, within its limits; what it accepts is written again and read as the same;
//! what it refuses has a reason that can be shown to a person; nothing is authentic but what the keys of a fixture
//! signed, whose private halves were forgotten.
//! Out of scope: where bytes come from (the [seeds](../seeds) and the engine), whether good evidence passes (the other
//! tests).
//!
//! This module stands alone: it is compiled into the crate `tests` and, by path, into the fuzz targets of
//! `tests/fuzz`, which are built without the rest of the test kit.

mod canonical_xml;
mod certificate;
mod chain;
mod der;
pub mod fixture;
mod forms;
mod ocsp;
mod report;
mod rim;
mod token;
mod work;

pub use certificate::certificate;
pub use chain::chain;
pub use forms::forms;
pub use ocsp::{ocsp_request, ocsp_response};
pub use report::{opaque, report};
pub use rim::rim;
pub use token::{claims, good_tokens, jwks, token, token_of};
pub use work::{bundle, opening, request, strict_json};

use evidence::Reason;
use evidence::limits::{MAX_DEVICES, MAX_MESSAGE_CHARS, MAX_VALUE_CHARS};

/// A parser and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the fuzz target.
    pub name: &'static str,
    /// Panics where the parser does not hold what it promises.
    pub property: fn(&[u8]),
    /// Longest input worth making, in bytes: past the parser's own limit where that is near, else room for several of
    /// the largest real inputs.
    pub max_len: usize,
    /// The words its format is made of: a file of `tests/fuzz/dictionaries`.
    pub dictionary: &'static str,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("report", report, 17 << 10, "report"),
    target("opaque", opaque, 4 << 10, "report"),
    target("chain", chain, 33 << 10, "pem"),
    target("certificate", certificate, 4 << 10, "der"),
    target("rim", rim, 64 << 10, "xml"),
    target("ocsp_request", ocsp_request, 1 << 10, "der"),
    target("ocsp_response", ocsp_response, 17 << 10, "der"),
    target("forms", forms, 128 << 10, "json"),
    target("bundle", bundle, 64 << 10, "json"),
    target("opening", opening, 64 << 10, "json"),
    target("request", request, 1 << 10, "http"),
    target("strict_json", strict_json, 16 << 10, "json"),
    target("token", token, 16 << 10, "json"),
    target("claims", claims, 16 << 10, "json"),
    target("jwks", jwks, 16 << 10, "json"),
];

const fn target(
    name: &'static str,
    property: fn(&[u8]),
    max_len: usize,
    dictionary: &'static str,
) -> Target {
    Target {
        name,
        property,
        max_len,
        dictionary,
    }
}

/// Most reasons one input may give: an answer that repeats them must not dwarf the question. Eight for every device
/// there may be.
const MAX_REASONS: usize = 8 * MAX_DEVICES;

/// A refusal says why, briefly, and in characters that cannot forge a line of a log.
fn explained(reasons: &[Reason]) {
    assert!(!reasons.is_empty(), "refused without a reason");
    assert!(reasons.len() <= MAX_REASONS, "{} reasons", reasons.len());
    for reason in reasons {
        legible(&reason.message, MAX_MESSAGE_CHARS + "RIM …".chars().count());
        assert!(!reason.message.is_empty(), "{}: no message", reason.code);
        for value in [&reason.expected, &reason.actual].into_iter().flatten() {
            legible(value, MAX_VALUE_CHARS + 1);
        }
    }
}

/// Short, and free of control characters.
fn legible(text: &str, max_chars: usize) {
    let chars = text.chars().count();
    assert!(chars <= max_chars, "{chars} characters: {text:?}");
    assert!(!text.contains(char::is_control), "{text:?}");
}
