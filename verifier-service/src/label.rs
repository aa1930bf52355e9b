//! Names that people give to things.

use serde::{Deserialize, Deserializer};

/// Most characters.
const MAX_CHARS: usize = 128;

/// 1 to 128 characters on one line, without white space at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) String);

impl Label {
    fn read(text: String) -> Option<Self> {
        let is_short = (1..=MAX_CHARS).contains(&text.chars().count());
        let is_plain = !text.chars().any(char::is_control) && text.trim() == text;
        (is_short && is_plain).then_some(Self(text))
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let label = Self::read(String::deserialize(deserializer)?);
        label.ok_or_else(|| {
            serde::de::Error::custom("expected 1 to 128 characters on one line, trimmed")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_short_line() {
        let table = [
            ("a", true),
            ("Überlandwerk 7, Halle 3", true),
            (&"ü".repeat(128), true),
            (&"ü".repeat(129), false),
            ("", false),
            (" a", false),
            ("a\nb", false),
            ("a\u{7f}", false),
        ];
        for (text, good) in table {
            assert_eq!(Label::read(text.into()).is_some(), good, "{text}");
        }
    }
}
