//! Fixed-size byte strings in JSON: one spelling each, so that no two texts mean the same bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::MAX_MEMBERS;

/// `N` bytes as lower-case hexadecimal, `2 N` digits: digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// `N` bytes as unpadded base64url (RFC 4648 section 5): keys, challenges and signatures, as JOSE writes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Base64Url<const N: usize>(pub [u8; N]);

/// Any number of bytes as padded standard base64 (RFC 4648 section 4): evidence and outputs, as NVIDIA's forms do.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl<const N: usize> Hex<N> {
    /// Reads exactly `2 N` lower-case digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let mut bytes = [0; N];
        let strict = text.bytes().all(lower) && hex::decode_to_slice(text, &mut bytes).is_ok();
        strict.then_some(Self(bytes))
    }

    /// Writes the digits and returns them as text.
    fn digits<'d>(&self, pairs: &'d mut [[u8; 2]; N]) -> &'d str {
        let digits = pairs.as_flattened_mut();
        match hex::encode_to_slice(self.0, digits) {
            Ok(()) => str::from_utf8(digits).unwrap_or_default(),
            Err(_) => "",
        }
    }
}

impl<const N: usize> Base64Url<N> {
    /// Reads exactly `N` bytes; padding, white space and stray bits are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits(&mut [[0; 2]; N]))
    }
}

impl<const N: usize> fmt::Display for Base64Url<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> fmt::Debug for Base64Url<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Blob {
    /// The length alone: evidence does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.digits(&mut [[0; 2]; N]))
    }
}

impl<const N: usize> Serialize for Base64Url<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelled(deserializer, |text| {
            let digits = N.saturating_mul(2);
            let expected = || format!("expected {digits} lower-case hexadecimal digits");
            Self::parse(text).ok_or_else(expected)
        })
    }
}

impl<'de, const N: usize> Deserialize<'de> for Base64Url<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelled(deserializer, |text| {
            let expected = || format!("expected {N} bytes in unpadded base64url");
            Self::parse(text).ok_or_else(expected)
        })
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        spelled(deserializer, |text| {
            let bytes = STANDARD.decode(text).map(Self);
            bytes.map_err(|error| format!("expected base64: {error}"))
        })
    }
}

/// Reads a text where it stands: evidence is long, and nobody keeps its spelling.
fn spelled<'de, D, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Spelled<F>(F);

    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Spelled<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Spelled(read))
}

/// For optional members: absent or of their type. `null` would be a second way to be absent.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads an object none of whose members occurs twice; a plain map would keep the last without a word.
pub(super) fn distinct_members<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Members<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object without repeated members")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = members.next_entry::<String, T>()? {
                if map.len() == MAX_MEMBERS {
                    let many = format_args!("more than {MAX_MEMBERS} members");
                    return Err(A::Error::custom(many));
                }
                if map.contains_key(&name) {
                    let twice = format_args!("member `{name}` occurs twice");
                    return Err(A::Error::custom(twice));
                }
                map.insert(name, value);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Members(PhantomData))
}

/// A list of at most `MAX` items: refused at the first too many, since short items take many times the memory of their
/// JSON.
pub(crate) fn bounded_list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Few<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Few<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::custom(format_args!("more than {MAX} items")));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(Few::<T, MAX>(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        assert_eq!(Hex::<2>::parse("00ff"), Some(Hex([0, 255])));
        for wrong in ["00FF", "0ff", "00ff0", "0x0f", "00 f", ""] {
            assert_eq!(Hex::<2>::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Base64Url::<2>::parse("AP8"), Some(Base64Url([0, 255])));
        for wrong in ["AP8=", "AP9", "AP8A", "AP+", " AP8", ""] {
            assert_eq!(Base64Url::<2>::parse(wrong), None, "{wrong}");
        }
        let blob = |text: &str| serde_json::from_str::<Blob>(&format!("\"{text}\""));
        assert_eq!(blob("AP8=").unwrap(), Blob(vec![0, 255]));
        for wrong in ["AP8", "AP9=", "AP8=\\n", "A"] {
            assert!(blob(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_member_twice() {
        #[derive(Debug, Deserialize)]
        struct Object(#[serde(deserialize_with = "distinct_members")] BTreeMap<String, i64>);

        let read = |text: &str| serde_json::from_str::<Object>(text).map(|object| object.0);
        assert_eq!(read(r#"{"a":1,"b":2}"#).unwrap().len(), 2);
        assert!(read(r#"{"a":1,"a":1}"#).is_err());
        assert!(read("[]").is_err());
        let many: Vec<_> = (0..=MAX_MEMBERS).map(|n| format!(r#""{n}":0"#)).collect();
        assert!(read(&format!("{{{}}}", many.join(","))).is_err());
    }
}
