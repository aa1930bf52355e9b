//! What is said about JSON that could not be read: where, and what was expected, never what was found.
//!
//! Bodies hold evidence, and their errors end up in the logs of clients. The messages of serde repeat names and values,
//! which are left out here.

use serde_json::Error;
use serde_json::error::Category;

use crate::problem::{Problem, ProblemCode};

/// The answer to a body that is not JSON, or JSON that is not what it should be, in which case it is `otherwise`.
pub(crate) fn problem(otherwise: ProblemCode, error: &Error) -> Problem {
    let code = match error.classify() {
        Category::Data => otherwise,
        Category::Io | Category::Syntax | Category::Eof => ProblemCode::JsonMalformed,
    };
    let place = format!("line {}, column {}", error.line(), error.column());
    let detail = match rule(error) {
        Some(rule) => format!("{place}: {rule}"),
        None => place,
    };
    Problem::new(code).detail(detail)
}

/// The rule broken, in words that stay: names and numbers of ours, nothing of the sender's.
///
/// Messages are told apart by how they begin, which nobody sends; what a sender wrote follows and may imitate the rest.
fn rule(error: &Error) -> Option<String> {
    if error.classify() != Category::Data {
        return None;
    }
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    let fixed = |(start, rule): &(&str, &str)| message.starts_with(start).then(|| (*rule).into());
    WITH_TEXT_OF_THE_SENDER
        .iter()
        .find_map(fixed)
        .or_else(|| {
            OF_OURS
                .iter()
                .any(|start| message.starts_with(start))
                .then(|| message.into())
        })
        .or_else(|| UNEXPECTED.iter().find_map(|kind| unexpected(message, kind)))
}

/// How messages of [`evidence`] and serde begin that repeat what was sent, and what is said instead.
const WITH_TEXT_OF_THE_SENDER: [(&str, &str); 5] = [
    ("member `", "a member occurs twice"),
    ("duplicate field `", "a member occurs twice"),
    ("integer ", "integer beyond 2^53 - 1"),
    ("number ", "number is not an integer"),
    ("expected base64: ", "expected base64"),
];

/// How messages begin that hold nothing but names and limits of ours.
const OF_OURS: [&str; 4] = [
    "missing field `",
    "expected ",
    "more than ",
    "nested deeper than ",
];

/// How messages begin that end in what was expected, and what is said before that.
const UNEXPECTED: [(&str, &str); 5] = [
    ("unknown field `", "a member nobody knows"),
    ("unknown variant `", "invalid value"),
    ("invalid type: ", "invalid type"),
    ("invalid value: ", "invalid value"),
    ("invalid length ", "invalid length"),
];

/// "invalid type: string \"…\", expected u64": what follows the last "expected" was not sent by anybody.
fn unexpected(message: &str, (start, rule): &(&str, &str)) -> Option<String> {
    let found = message.strip_prefix(start)?;
    let expected = found.rsplit_once(", expected ");
    Some(expected.map_or_else(
        || (*rule).to_owned(),
        |(_, expected)| format!("{rule}, expected {expected}"),
    ))
}

#[cfg(test)]
mod tests {
    use evidence::work::{Base64Url, Hex, StrictValue};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[serde(rename = "job")]
        _job: Hex<1>,
        #[serde(rename = "key")]
        _key: Option<Base64Url<1>>,
        #[serde(rename = "any")]
        _any: Option<StrictValue>,
    }

    fn details(text: &str) -> (&'static str, String) {
        let error = serde_json::from_str::<Shape>(text).unwrap_err();
        let problem = problem(ProblemCode::RequestMalformed, &error);
        (problem.code(), format!("{problem:?}"))
    }

    #[test]
    fn every_rule_of_strict_json_has_words_that_stay() {
        let many = format!("[{}0]", "0,".repeat(4096));
        let deep = "[".repeat(17);
        let table = [
            (r#"{"secret":1,"secret":2}"#, "a member occurs twice\""),
            (
                r#"{", expected secret":1,", expected secret":2}"#,
                "a member occurs twice\"",
            ),
            (many.as_str(), "more than 4096 values\""),
            (deep.as_str(), "nested deeper than 16\""),
            ("9007199254740992", "integer beyond 2^53 - 1\""),
            ("18446744073709551615", "integer beyond 2^53 - 1\""),
            ("90071992.5", "number is not an integer\""),
        ];
        for (value, says) in table {
            let (code, shown) = details(&format!("{{\"job\":\"00\",\"any\":{value}}}"));
            assert_eq!(code, "request_malformed", "{value}");
            let repeats = shown.contains("secret") || shown.contains("90071992");
            assert!(shown.contains(says) && !repeats, "{value}: {shown}");
        }
    }

    #[test]
    fn the_place_is_named_and_the_text_is_not_repeated() {
        let table = [
            (
                r#"{"job":"secret"}"#,
                "request_malformed",
                "expected 2 lower-case hexadecimal digits",
            ),
            (
                r#"{"job":{"secret":1}}"#,
                "request_malformed",
                "expected a string",
            ),
            (
                r#"{"job":"00","secret":1}"#,
                "request_malformed",
                ": a member nobody knows, expected one of `job`, `key`, `any`",
            ),
            (
                r#"{"job":"00","job, expected secret":1}"#,
                "request_malformed",
                ": a member nobody knows, expected one of `job`, `key`, `any`",
            ),
            (
                r#"{"key":null}"#,
                "request_malformed",
                "missing field `job`",
            ),
            (
                r#"{"job":"00","job":"secret"}"#,
                "request_malformed",
                "line 1, column 17: a member occurs twice\"",
            ),
            (r#"{"job":secret}"#, "json_malformed", "line 1, column 8"),
            (r#"{"job":"secret"#, "json_malformed", "line 1, column 14"),
            ("", "json_malformed", "line 1, column 0"),
        ];
        for (text, code, says) in table {
            let (actual, shown) = details(text);
            assert_eq!(actual, code, "{text}");
            assert!(
                shown.contains(says) && !shown.contains("secret"),
                "{text}: {shown}"
            );
        }
    }
}
