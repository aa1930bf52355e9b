//! Short texts with one alphabet each, secrets that do not print, and times.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::work::encoding::Base64Url;

/// Longest [`Id`] or [`Word`], in bytes.
const MAX_BYTES: usize = 64;

/// A text that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_BYTES} of {alphabet}")]
pub struct TextError {
    alphabet: &'static str,
}

fn check(text: &str, allowed: fn(u8) -> bool, alphabet: &'static str) -> Result<(), TextError> {
    let bounded = (1..=MAX_BYTES).contains(&text.len());
    match bounded && text.bytes().all(allowed) {
        true => Ok(()),
        false => Err(TextError { alphabet }),
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $alphabet:literal, $allowed:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads one.
            ///
            /// # Errors
            /// The text has another alphabet or length.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                check(text, $allowed, $alphabet).map(|()| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                check(&text, $allowed, $alphabet).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// The name of an agent, a party or an assignment, given by the verifier. It stands in paths.
    Id, "A-Z a-z 0-9 _ -", |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    /// A stable word of either side, such as a status, a code or the name of an executor.
    Word, "a-z 0-9 _ -", |b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    /// The name of a policy.
    PolicyName, "A-Z a-z 0-9 . _ -", |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
}

impl Word {
    /// The word for a text of ours that may be none: what does not belong into one becomes `_`, what is beyond is cut off.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let letter = |c: char| match c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' {
            true => c,
            false => '_',
        };
        let word: String = text.chars().take(MAX_BYTES).map(letter).collect();
        Self(if word.is_empty() {
            "_".to_owned()
        } else {
            word
        })
    }
}

/// Secret bytes, in JSON as unpadded base64url. They do not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret<const N: usize>(Base64Url<N>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes.
    #[must_use]
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(Base64Url(bytes))
    }

    /// The bytes, for whom they are meant.
    #[must_use]
    pub const fn reveal(&self) -> &[u8; N] {
        &self.0.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads a text of at most `MAX` bytes.
pub(super) fn short<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.len() <= MAX {
        true => Ok(text),
        false => Err(D::Error::custom(format_args!(
            "expected at most {MAX} bytes, got {}",
            text.len()
        ))),
    }
}

/// Times as RFC 3339 writes them.
pub(super) mod moment {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::UnixTime;

    pub(in crate::work::wire) fn serialize<S: Serializer>(
        time: &UnixTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.serialize(serializer)
    }

    pub(in crate::work::wire) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<UnixTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        UnixTime::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("expected an RFC 3339 time"))
    }
}
