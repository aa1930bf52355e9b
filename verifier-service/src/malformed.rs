//! What is said about JSON that could not be read: where, and what was expected, never what was found.
//!
//! Bodies hold evidence and their errors end up in the logs of clients; serde's own messages repeat names and values.

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

/// The part of serde's message that states the rule broken: names of ours, nothing of the sender's.
fn rule(error: &Error) -> Option<String> {
    if error.classify() != Category::Data {
        return None;
    }
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    if message.starts_with("missing field `") || message.starts_with("expected ") {
        return Some(message.to_owned());
    }
    // "invalid type: string \"…\", expected u64": what follows the last "expected" was not sent by anybody.
    let (_, expected) = message.rsplit_once(", expected ")?;
    Some(format!("expected {expected}"))
}

#[cfg(test)]
mod tests {
    use evidence::work::{Base64Url, Hex};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[serde(rename = "job")]
        _job: Hex<1>,
        #[serde(rename = "key")]
        _key: Option<Base64Url<1>>,
    }

    fn details(text: &str) -> (&'static str, String) {
        let error = serde_json::from_str::<Shape>(text).unwrap_err();
        let problem = problem(ProblemCode::RequestMalformed, &error);
        (problem.code(), format!("{problem:?}"))
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
                "expected `job` or `key`",
            ),
            (
                r#"{"job":"00","job, expected secret":1}"#,
                "request_malformed",
                "expected `job` or `key`",
            ),
            (
                r#"{"key":null}"#,
                "request_malformed",
                "missing field `job`",
            ),
            (
                r#"{"job":"00","job":"secret"}"#,
                "request_malformed",
                "line 1, column",
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
