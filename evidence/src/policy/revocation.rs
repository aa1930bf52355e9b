//! What a policy wants to be known about revocation, stated by the policy itself (row 58).
//!
//! ```rego
//! revocation := {"mode": "cached", "max_age_s": 86400, "allow_hold": false}
//! ```
//!
//! The rule is optional and a constant: it is evaluated once, when the policy is compiled, and sees no input. The
//! appraiser reads it before it asks anything; the decision then sees the outcome as checks.

use serde::Serialize;
use serde_json::{Map, Value};

use super::PolicyError;
use super::rules::{self, Rules};

/// How old an answer may be for a policy that does not say: a day, the life of NVIDIA's answers (nvidia-evidence 5.2).
pub const DEFAULT_MAX_AGE_S: u64 = 86_400;
/// Oldest answer a policy can allow: a year. The answer's own `nextUpdate` ends it long before.
pub const MAX_MAX_AGE_S: u64 = 366 * 86_400;

const RULE: &str = "data.pogw.revocation";
const NAME: &str = "revocation";
const MEMBERS: &str = "one of mode, max_age_s, allow_hold";

/// What a policy wants to be known about revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RevocationTerms {
    /// Who is asked, and when.
    #[serde(flatten)]
    pub mode: RevocationMode,
    /// Whether a signer of manifests that is on hold is tolerated (row 71). One in a device chain never is.
    pub allow_hold: bool,
}

/// Who is asked about a certificate, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum RevocationMode {
    /// The responder is asked about every certificate for this very appraisal.
    Required,
    /// An answer at hand will do.
    Cached {
        /// Oldest answer, in seconds.
        max_age_s: u64,
    },
    /// Nobody is asked, and no appraisal says that a certificate is good.
    Off,
}

impl Default for RevocationTerms {
    /// The terms of a policy that states none.
    fn default() -> Self {
        Self {
            mode: RevocationMode::Cached {
                max_age_s: DEFAULT_MAX_AGE_S,
            },
            allow_hold: false,
        }
    }
}

/// The terms in a text; the default ones where it states none. A rule that is there and has no value is an error: it
/// was meant to say something.
pub(super) fn stated_by(rules: &Rules) -> Result<RevocationTerms, PolicyError> {
    if !rules.states(NAME)? {
        return Ok(RevocationTerms::default());
    }
    match rules.constant(RULE)? {
        regorus::Value::Undefined => Err(malformed("a value without input", "none")),
        stated => {
            let stated = serde_json::to_value(&stated)
                .map_err(|error| malformed("JSON", error.to_string()))?;
            terms(&stated)
        }
    }
}

fn terms(stated: &Value) -> Result<RevocationTerms, PolicyError> {
    let Value::Object(members) = stated else {
        return Err(malformed("an object", stated.to_string()));
    };
    let known = |name: &str| matches!(name, "mode" | "max_age_s" | "allow_hold");
    if let Some(name) = members.keys().find(|name| !known(name)) {
        return Err(malformed(MEMBERS, name));
    }
    let terms = RevocationTerms {
        mode: mode(members)?,
        allow_hold: allow_hold(members)?,
    };
    match terms {
        RevocationTerms {
            mode: RevocationMode::Off,
            allow_hold: true,
        } => Err(malformed(
            "no allow_hold with mode \"off\", which learns of none",
            "true",
        )),
        terms => Ok(terms),
    }
}

fn mode(members: &Map<String, Value>) -> Result<RevocationMode, PolicyError> {
    let expected = "mode \"required\", \"cached\" or \"off\"";
    let max_age = members.get("max_age_s");
    let mode = match members.get("mode") {
        Some(Value::String(word)) => word.as_str(),
        other => return Err(malformed(expected, found(other))),
    };
    let mode = match mode {
        "cached" => return cached(max_age),
        "required" => RevocationMode::Required,
        "off" => RevocationMode::Off,
        word => return Err(malformed(expected, word)),
    };
    match max_age {
        None => Ok(mode),
        stated => Err(malformed(
            "max_age_s with mode \"cached\" alone",
            found(stated),
        )),
    }
}

fn cached(max_age: Option<&Value>) -> Result<RevocationMode, PolicyError> {
    let seconds = max_age.and_then(Value::as_u64);
    match seconds.filter(|seconds| (1..=MAX_MAX_AGE_S).contains(seconds)) {
        Some(max_age_s) => Ok(RevocationMode::Cached { max_age_s }),
        None => Err(malformed(
            format!("max_age_s of 1 to {MAX_MAX_AGE_S} seconds with mode \"cached\""),
            found(max_age),
        )),
    }
}

fn allow_hold(members: &Map<String, Value>) -> Result<bool, PolicyError> {
    match members.get("allow_hold") {
        None => Ok(false),
        Some(Value::Bool(allow)) => Ok(*allow),
        other => Err(malformed("allow_hold true or false", found(other))),
    }
}

fn found(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), Value::to_string)
}

fn malformed(expected: impl Into<String>, actual: impl AsRef<str>) -> PolicyError {
    PolicyError::Revocation {
        expected: expected.into(),
        actual: rules::shortened(actual.as_ref()),
    }
}
