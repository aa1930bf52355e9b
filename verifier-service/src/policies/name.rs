//! Names of policies: what stands in a path, a receipt and a log line.

use std::fmt;
use std::str::FromStr;

/// Longest name.
const MAX_CHARS: usize = 64;

/// The name of a policy: 1 to 64 letters, digits, dots, dashes and underscores of ASCII, the first no dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PolicyName(String);

/// The text is no name of a policy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAName;

impl PolicyName {
    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PolicyName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_name = (1..=MAX_CHARS).contains(&text.len())
            && text.bytes().all(plain)
            && !text.starts_with('.');
        match is_name {
            true => Ok(Self(text.to_owned())),
            false => Err(NotAName),
        }
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
