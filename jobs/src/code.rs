//! Codes: one stable word per reason.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest code, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// Why an assignment or a job ended as it did: a snake_case word, never renamed, never reused.
///
/// The rules' own words are in [`Code::ALL`]. A verdict may bring others, such as `nonce_mismatch`: the reasons of an
/// appraisal, which have a table of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(Cow<'static, str>);

/// A text that is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("code: expected 1 to {MAX_CODE_BYTES} of a-z 0-9 _, a letter first")]
pub struct CodeError;

macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $text:literal;)*) => {
        impl Code {
            $($(#[doc = $meaning])+ pub const $name: Self = Self(Cow::Borrowed($text));)*

            /// The rules' own codes, each with its meaning.
            pub const ALL: &'static [(&'static str, &'static str)] =
                &[$(($text, concat!($($meaning),+))),*];
        }
    };
}

codes! {
    /// The evidence shows less assurance than the terms ask for. Not slashed.
    ASSURANCE_TOO_LOW = "assurance_too_low";
    /// The devices are fewer than the terms ask for, of another architecture, or simulated where they may not be. Not slashed.
    DEVICES_UNFIT = "devices_unfit";
    /// The evidence is of a device that was known as another provider's. Nothing is paid, and nothing lost.
    DEVICE_OF_ANOTHER = "device_of_another";
    /// Another replica of the job ran on this device, which was not known as this provider's before the job. Slashed.
    DEVICE_SHARED = "device_shared";
    /// What was handed in for an answer to the referee was larger than any right answer, and no other came in time. Slashed.
    DISPUTE_ANSWER_TOO_LARGE = "dispute_answer_too_large";
    /// The referee found this side of a dispute wrong. Slashed.
    DISPUTE_LOST = "dispute_lost";
    /// A question of the referee was not answered in time. Slashed.
    DISPUTE_UNANSWERED = "dispute_unanswered";
    /// The tenant cancelled the job before any commitment was in.
    JOB_CANCELLED = "job_cancelled";
    /// A keyed digest is not that of the output: the output was not held when it should have been. Slashed.
    KEYED_DIGEST_MISMATCH = "keyed_digest_mismatch";
    /// No replica committed to a result before the job's deadline.
    NO_COMMITMENT = "no_commitment";
    /// Every replica that committed was refused.
    NO_RESULT = "no_result";
    /// What was committed was not opened in time. Slashed.
    OPENING_WITHHELD = "opening_withheld";
    /// The results of the replicas differ, and nobody can recompute which is right. Nobody is paid, nobody slashed.
    REPLICAS_DISAGREE = "replicas_disagree";
    /// Fewer replicas agree than the terms ask for. Nobody is paid, and nobody slashed for it.
    TOO_FEW_AGREE = "too_few_agree";
    /// The verifier could not judge in time, for want of collateral or of itself. Nobody is slashed.
    UNVERIFIABLE = "unverifiable";
}

impl Code {
    /// Reads a code.
    ///
    /// # Errors
    /// The text is not in snake_case, or too long.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        Self::try_from(text.to_owned())
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Code {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let bounded = (1..=MAX_CODE_BYTES).contains(&text.len());
        let letter = text.starts_with(|c: char| c.is_ascii_lowercase());
        match bounded && letter && text.bytes().all(allowed) {
            true => Ok(Self(Cow::Owned(text))),
            false => Err(CodeError),
        }
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.0.into_owned()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case() {
        for (code, _) in Code::ALL {
            assert!(Code::parse(code).is_ok(), "{code}");
        }
        for wrong in ["", "_a", "1a", "aB", "a-b", &"a".repeat(65)] {
            assert_eq!(Code::parse(wrong), Err(CodeError), "{wrong}");
        }
    }
}
