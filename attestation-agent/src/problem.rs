//! What a verifier says when it does not issue a receipt (RFC 9457, with `code` and `checks`).
//!
//! In scope: reading the answer of a service that may be newer than this agent, or that may not be
//! a verifier at all, and showing all of it to a person.
//!
//! Out of scope: deciding what the answer means for the bundle (the outbox does).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Media type of a problem (RFC 9457 section 3).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A problem. Unknown members are ignored, absent ones are empty: this text is for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// HTTP status of the answer.
    pub status: u16,
    /// URI of the kind of problem.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The stable word for the problem.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// One line that is the same for every such problem.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What is the matter this time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Every check the verifier ran or could not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<ProblemCheck>,
    /// Whether a verifier said this, rather than whatever stands at its address.
    #[serde(skip)]
    pub from_verifier: bool,
}

/// One check and how it came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemCheck {
    /// Name of the check.
    pub id: String,
    /// The device it concerns; absent where it concerns the bundle.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub device: Value,
    /// `affirmed`, `refuted`, `unverifiable` or `not_requested`.
    pub status: String,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ProblemReason>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// One reason of a check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemReason {
    /// The stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// What would have been right.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub expected: Value,
    /// What was found.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub actual: Value,
}

impl Problem {
    /// Reads an answer that is no receipt. Whatever the body is, something readable comes out.
    pub(crate) fn read(status: u16, media_type: &str, body: &[u8]) -> Self {
        let stated = media_type.split(';').next().unwrap_or_default().trim();
        if stated.eq_ignore_ascii_case(MEDIA_TYPE)
            && let Ok(problem) = serde_json::from_slice::<Self>(body)
        {
            return Self {
                status,
                from_verifier: true,
                ..problem
            };
        }
        let excerpt: String = String::from_utf8_lossy(body)
            .chars()
            .take(EXCERPT_CHARS)
            .collect();
        Self {
            status,
            title: "the answer is not that of a verifier".to_owned(),
            detail: excerpt,
            ..Self::default()
        }
    }
}

impl Problem {
    /// Whether the same bundle will meet the same refusal for ever: the verifier itself says that it
    /// is malformed, spent, expired, too large, of an unknown kind, or refuted (DESIGN section 7).
    ///
    /// A missing credential (401, 403) or a wrong address (404) is the operator's to mend, and the
    /// bundle waits for it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.from_verifier && matches!(self.status, 400 | 409 | 410 | 413 | 415 | 422)
    }

    /// Whether the verifier itself says that it cannot verify now.
    #[must_use]
    pub fn could_not_verify(&self) -> bool {
        self.from_verifier && self.status == 503
    }
}

impl fmt::Display for Problem {
    /// The first line: status, code, title and detail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        let parts = [(" ", &self.code), (": ", &self.title), (": ", &self.detail)];
        for (separator, text) in parts {
            if !text.is_empty() {
                write!(f, "{separator}{}", Printable(text))?;
            }
        }
        Ok(())
    }
}

/// The whole problem on several lines, every check with its reasons and remedy.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a>(pub &'a Problem);

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.0.checks.iter().try_for_each(|check| {
            write!(
                f,
                "\n  {:<13} {}",
                Printable(&check.status),
                Printable(&check.id)
            )?;
            if !check.device.is_null() {
                write!(f, " (device {})", Text(&check.device))?;
            }
            check
                .reasons
                .iter()
                .try_for_each(|reason| write!(f, "\n      {reason}"))?;
            match &check.remedy {
                Some(remedy) => write!(f, "\n      remedy: {}", Printable(remedy)),
                None => Ok(()),
            }
        })
    }
}

impl fmt::Display for ProblemReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Printable(&self.code), Printable(&self.message))?;
        for (word, value) in [("expected", &self.expected), ("got", &self.actual)] {
            if !value.is_null() {
                write!(f, ", {word} {}", Text(value))?;
            }
        }
        Ok(())
    }
}

/// A JSON value as a person writes it: text without quotes, the rest as JSON.
struct Text<'a>(&'a Value);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => Printable(text).fmt(f),
            other => Printable(&other.to_string()).fmt(f),
        }
    }
}

/// Text of a stranger on a terminal or in a log: no control characters.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        f.pad(&self.0.chars().map(printable).collect::<String>())
    }
}

/// Characters of a foreign answer worth showing.
const EXCERPT_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    const REFUTED: &str = r#"{
        "type": "https://pogw.dev/problems/evidence_refuted", "title": "Evidence refuted",
        "status": 422, "code": "evidence_refuted", "instance": "/v1/receipts/7",
        "checks": [
            {"id": "job", "status": "affirmed", "reasons": []},
            {"id": "nonce", "device": 0, "status": "refuted",
             "reasons": [{"code": "nonce_mismatch", "message": "nonce in the report",
                          "expected": "3f", "actual": "91"}],
             "remedy": "Attest again."}
        ]}"#;

    #[test]
    fn everything_the_verifier_said_is_shown() {
        let problem = Problem::read(
            422,
            "application/problem+json; charset=utf-8",
            REFUTED.as_bytes(),
        );
        assert!(problem.from_verifier);
        assert_eq!(
            Explained(&problem).to_string(),
            "HTTP 422 evidence_refuted: Evidence refuted\
             \n  affirmed      job\
             \n  refuted       nonce (device 0)\
             \n      nonce_mismatch: nonce in the report, expected 3f, got 91\
             \n      remedy: Attest again."
        );
    }

    #[test]
    fn an_answer_of_something_else_is_excerpted() {
        let page = format!("<html>\u{1b}[2J{}", "x".repeat(1000));
        for (media_type, body) in [
            ("text/html", page.as_str()),
            ("application/problem+json", page.as_str()),
            ("", REFUTED),
        ] {
            let problem = Problem::read(404, media_type, body.as_bytes());
            assert!(!problem.from_verifier);
            assert_eq!(problem.status, 404);
            let text = Explained(&problem).to_string();
            assert!(text.len() < 500 && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn members_of_later_versions_do_no_harm() {
        let body =
            r#"{"code":"x","checks":[{"id":"a","device":{"slot":1},"reasons":[{}],"more":1}]}"#;
        let problem = Problem::read(400, MEDIA_TYPE, body.as_bytes());
        assert!(problem.from_verifier);
        assert!(
            Explained(&problem)
                .to_string()
                .contains("device {\"slot\":1}")
        );
    }
}
