//! The small types of claims: text, digests, nonces, times.
//!
//! Each refuses, when made and when read, what the profile does not allow. None of them says that a value is true.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{
    MAX_EXCERPT_CHARS, MAX_NONCE_BYTES, MAX_REASON_CHARS, MAX_TEXT_BYTES, MIN_NONCE_BYTES,
};

/// A value that does not obey the rule of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {expected}, got {actual}")]
#[non_exhaustive]
pub struct InvalidValue {
    /// What kind of value it was meant to be.
    pub what: &'static str,
    /// The rule.
    pub expected: String,
    /// The beginning of what was given instead.
    pub actual: String,
}

impl InvalidValue {
    pub(crate) fn new(what: &'static str, expected: impl Into<String>, actual: &str) -> Self {
        Self {
            what,
            expected: expected.into(),
            actual: excerpt(actual),
        }
    }

    /// The stable snake_case word for this reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "value_invalid"
    }
}

/// The beginning of foreign text, made safe to print.
pub(crate) fn excerpt(text: &str) -> String {
    beginning(text, MAX_EXCERPT_CHARS)
}

/// What a parser says about foreign text, which it may repeat. Where in the text is left out: it may be a part of what
/// the reader has.
pub(crate) fn parser_says(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    beginning(said.strip_suffix(&place).unwrap_or(&said), MAX_REASON_CHARS)
}

fn beginning(text: &str, chars: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(chars)
        .map(|c| if is_printable(c) { c } else { '\u{fffd}' })
        .collect();
    if text.chars().nth(chars).is_some() {
        shown.push('…');
    }
    shown
}

/// For optional members of our own objects: absent or of their type; `null` is not a way to be absent.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Neither a control character nor one that reorders the text around it: claims end up on terminals and consoles.
fn is_printable(c: char) -> bool {
    let reorders =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !reorders
}

/// Whether every character is printable. Most text is ASCII, whose bytes tell.
fn is_printable_text(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_printable)
}

/// Text of 1 to [`MAX_TEXT_BYTES`] bytes without control or reordering characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Text(String);

impl Text {
    /// Text of a claim.
    ///
    /// # Errors
    /// [`InvalidValue`] if it is empty, too long or not printable.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidValue> {
        let text = text.into();
        let in_bounds = (1..=MAX_TEXT_BYTES).contains(&text.len());
        if in_bounds && is_printable_text(&text) {
            Ok(Self(text))
        } else {
            Err(InvalidValue::new(
                "text",
                format!("1 to {MAX_TEXT_BYTES} bytes of printable text"),
                &text,
            ))
        }
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Text {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::new(text)
    }
}

impl TryFrom<String> for Text {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::new(text)
    }
}

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored (`NumericDate` of RFC 7519 section 2, integers only).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixTime(u64);

impl UnixTime {
    /// A time from seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0
    }

    pub(crate) const fn plus(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Bytes a challenger chose: 8 to 64 of them (RFC 9711 section 4.1), base64url without padding on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// A nonce from its bytes.
    ///
    /// # Errors
    /// [`InvalidValue`] if there are fewer than 8 or more than 64 bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, InvalidValue> {
        let bytes = bytes.into();
        if (MIN_NONCE_BYTES..=MAX_NONCE_BYTES).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            let actual = format!("{} bytes", bytes.len());
            Err(InvalidValue::new("nonce", Self::rule(), &actual))
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn rule() -> String {
        format!("base64url of {MIN_NONCE_BYTES} to {MAX_NONCE_BYTES} bytes")
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64url(&self.0))
    }
}

impl FromStr for Nonce {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let bytes =
            from_base64url(text).ok_or_else(|| InvalidValue::new("nonce", Self::rule(), text))?;
        Self::from_bytes(bytes)
    }
}

/// RFC 7638 thumbprint of a public key with SHA-256: the `kid` of our keys, and the `jkt` of an agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// A thumbprint from the digest.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64url(&self.0))
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        from_base64url(text)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| InvalidValue::new("thumbprint", "base64url of 32 bytes", text))
    }
}

macro_rules! digests {
    ($($(#[doc = $doc:literal])+ $name:ident, $what:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// A digest from its bytes.
            #[must_use]
            pub const fn from_bytes(digest: [u8; 32]) -> Self {
                Self(digest)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(to_hex(&self.0, &mut [0; 64]))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(to_hex(&self.0, &mut [0; 64]))
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                from_hex(text)
                    .map(Self)
                    .ok_or_else(|| InvalidValue::new($what, "64 lower-case hexadecimal digits", text))
            }
        }
    )+};
}

digests! {
    /// A SHA-256 digest, 64 lower-case hexadecimal digits on the wire.
    Sha256Digest, "SHA-256 digest";
    /// A BLAKE3 digest, 64 lower-case hexadecimal digits on the wire: what `b3sum` prints for the same bytes.
    Blake3Digest, "BLAKE3 digest";
}

macro_rules! written_as_base64url {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&to_base64url(&self.0))
            }
        }
    )+};
}

written_as_base64url!(Nonce, Thumbprint);

macro_rules! read_from_string {
    ($($name:ident),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

read_from_string!(Nonce, Thumbprint, Sha256Digest, Blake3Digest);

/// Declares an enum that is a closed set of words on the wire.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal:
     $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::value::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::value::InvalidValue::new($what, [$($word),+].join(" | "), text)),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use words;

pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn push_base64url(text: &mut String, bytes: &[u8]) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Strict: no padding, no other alphabet, no white space, no spare bits in the last character.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Writes the digits and returns them as text.
fn to_hex<'d>(bytes: &[u8; 32], digits: &'d mut [u8; 64]) -> &'d str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
    }
    str::from_utf8(digits).unwrap_or_default()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_and_printable() {
        assert!(Text::new("a").is_ok());
        assert!(Text::new("x".repeat(MAX_TEXT_BYTES)).is_ok());
        for bad in ["", "a\nb", "\u{1b}[2J", "pay\u{202e}yap"] {
            assert!(Text::new(bad).is_err(), "{bad:?}");
        }
        assert!(Text::new("x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    }

    #[test]
    fn digests_are_64_lower_case_digits() {
        let text = "00".repeat(31) + "9f";
        let digest: Sha256Digest = text.parse().unwrap();
        assert_eq!(digest.as_bytes()[31], 0x9f);
        assert_eq!(digest.to_string(), text);
        for bad in [
            text.to_uppercase(),
            text[2..].to_string(),
            text.clone() + "00",
            text.replace('9', "g"),
        ] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nonces_have_8_to_64_bytes() {
        for (len, good) in [(7, false), (8, true), (64, true), (65, false)] {
            assert_eq!(Nonce::from_bytes(vec![1; len]).is_ok(), good, "{len}");
        }
        let nonce = Nonce::from_bytes(vec![0xfb; 8]).unwrap();
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
    }

    #[test]
    fn base64url_is_strict() {
        assert_eq!(from_base64url("-_8"), Some(vec![0xfb, 0xff]));
        for bad in ["-_8=", "+/8", "-_9", "-_ 8", "-"] {
            assert_eq!(from_base64url(bad), None, "{bad}");
        }
    }

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt("a\u{7}b"), "a\u{fffd}b");
        assert_eq!(
            excerpt(&"x".repeat(500)).chars().count(),
            MAX_EXCERPT_CHARS + 1
        );
    }
}
