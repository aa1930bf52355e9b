//! 32 bytes as 64 lower-case hexadecimal digits: the one text form of digests and seeds.
//!
//! In scope: both directions, strict, and the same for serde (`#[serde(with = "hex32")]`).
//! Out of scope: what the bytes mean.
//!
//! Strict means one text per value. Upper case is refused although it would be readable: two
//! spellings of one digest would be two statements with different hashes.

use std::borrow::Cow;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Why a text is not 32 bytes in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// A character is not one of `0-9a-f`; `position` counts bytes from 0.
    #[error("hexadecimal text has a byte outside 0-9a-f at position {position}")]
    Character {
        /// Byte offset of the first such character.
        position: usize,
    },
    /// The text does not have 64 bytes.
    #[error("hexadecimal text has the wrong length: expected {expected}, got {actual}")]
    Length {
        /// Always 64.
        expected: usize,
        /// Bytes of the text.
        actual: usize,
    },
}

impl HexError {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Character { .. } => "hex_character",
            Self::Length { .. } => "hex_length_mismatch",
        }
    }
}

/// Reads 64 lower-case digits. Inverse of [`write()`].
pub(crate) fn parse(text: &str) -> Result<[u8; 32], HexError> {
    if text.len() != TEXT_LEN {
        return Err(HexError::Length {
            expected: TEXT_LEN,
            actual: text.len(),
        });
    }
    let mut bytes = [0; 32];
    for (index, pair) in text.as_bytes().chunks_exact(2).enumerate() {
        bytes[index] = digit(pair, 0, index)? << 4 | digit(pair, 1, index)?;
    }
    Ok(bytes)
}

fn digit(pair: &[u8], which: usize, index: usize) -> Result<u8, HexError> {
    match pair[which] {
        c @ b'0'..=b'9' => Ok(c - b'0'),
        c @ b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(HexError::Character {
            position: 2 * index + which,
        }),
    }
}

/// Writes 64 lower-case digits. Inverse of [`parse`].
pub(crate) fn write(bytes: &[u8; 32], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

/// Serializes as text, for `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&Text(bytes))
}

/// Deserializes from text, for `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    let text = Cow::<'de, str>::deserialize(from)?;
    parse(&text).map_err(D::Error::custom)
}

struct Text<'a>(&'a [u8; 32]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, out)
    }
}

/// Two digits per byte.
const TEXT_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parse_inverts_write(bytes: [u8; 32]) {
            prop_assert_eq!(parse(&Text(&bytes).to_string()), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn every_byte_outside_the_alphabet_is_refused() {
        for byte in (0..=0x7f_u8).filter(|b| !b"0123456789abcdef".contains(b)) {
            let mut text = vec![b'0'; 64];
            text[37] = byte;
            let text = String::from_utf8(text).unwrap();
            assert_eq!(parse(&text), Err(HexError::Character { position: 37 }));
        }
    }

    #[test]
    fn length_is_64_bytes() {
        for actual in [0, 1, 63, 65, 128] {
            let expected = Err(HexError::Length {
                expected: 64,
                actual,
            });
            assert_eq!(parse(&"0".repeat(actual)), expected);
        }
    }
}
