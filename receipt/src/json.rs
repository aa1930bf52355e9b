//! JSON as the profile allows it: one reading, whoever reads.
//!
//! Refused beyond RFC 8259: a member named twice in one object (readers disagree which one counts; RFC 7515 section 4
//! and RFC 7519 section 4 allow refusal), numbers that are not integers of at most 53 bits (RFC 7493), and nesting
//! deeper than [`MAX_JSON_DEPTH`]. Writing ([`write()`]) obeys the same.

mod by_name;
mod write;

use std::borrow::{Borrow, Cow};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::code::codes;
use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_INTEGER};
use crate::value::{excerpt, parser_says};
pub(crate) use by_name::read_value;
pub(crate) use write::write;

/// Why bytes are not JSON of the profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// Not JSON at all.
    #[error("not JSON: {reason}")]
    Malformed {
        /// What the parser says.
        reason: String,
    },
    /// An object names a member twice.
    #[error("member {name:?} occurs twice")]
    DuplicateMember {
        /// The member.
        name: String,
    },
    /// A number is a fraction, has an exponent, or does not fit 53 bits.
    #[error("a number is not an integer of at most 53 bits")]
    NumberNotInteger,
    /// The nesting exceeds [`MAX_JSON_DEPTH`].
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The deepest nesting allowed.
        limit: usize,
    },
    /// The outermost value is not an object.
    #[error("expected an object")]
    NotObject,
}

codes! { JsonFault:
    Malformed = "json_malformed",
    DuplicateMember = "json_duplicate_member",
    NumberNotInteger = "json_number_not_integer",
    TooDeep = "json_too_deep",
    NotObject = "json_not_object",
}

/// The members of an object by name, each as its text.
pub(crate) type Members<'t> = BTreeMap<Name<'t>, &'t RawValue>;

/// The name of a member.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

impl Name<'_> {
    /// The name itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Reads one object and nothing after it.
pub(crate) fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    read(bytes)
}

/// The same, each member still to be read: by its own type, from where it stands.
pub(crate) fn read_members(bytes: &[u8]) -> Result<Members<'_>, JsonFault> {
    read(bytes)
}

/// Looks at the whole text by our own rules, then reads it.
fn read<'t, T: Deserialize<'t>>(bytes: &'t [u8]) -> Result<T, JsonFault> {
    let fault = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict {
        depth_left: MAX_JSON_DEPTH,
        fault: &fault,
    };
    let looked_at = strict
        .deserialize(&mut deserializer)
        .and_then(|kind| deserializer.end().map(|()| kind));
    match looked_at {
        Ok(Kind::Object) => serde_json::from_slice(bytes).map_err(|error| malformed(&error)),
        Ok(Kind::Other) => Err(JsonFault::NotObject),
        Err(error) => Err(fault.take().unwrap_or_else(|| malformed(&error))),
    }
}

fn malformed(error: &serde_json::Error) -> JsonFault {
    JsonFault::Malformed {
        reason: parser_says(error),
    }
}

/// What was looked at.
enum Kind {
    Object,
    Other,
}

/// Looks at any value and keeps nothing, remembering which of our own rules was broken: serde's errors carry text only.
struct Strict<'f> {
    depth_left: usize,
    fault: &'f RefCell<Option<JsonFault>>,
}

impl Strict<'_> {
    fn refuse<E: de::Error>(&self, fault: JsonFault) -> E {
        let error = E::custom(&fault);
        *self.fault.borrow_mut() = Some(fault);
        error
    }

    fn inner<E: de::Error>(&self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self {
                depth_left,
                fault: self.fault,
            }),
            None => Err(self.refuse(JsonFault::TooDeep {
                limit: MAX_JSON_DEPTH,
            })),
        }
    }

    fn number<E: de::Error>(&self, magnitude: u64) -> Result<Kind, E> {
        if magnitude <= MAX_JSON_INTEGER {
            Ok(Kind::Other)
        } else {
            Err(self.refuse(JsonFault::NumberNotInteger))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON of the profile")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        self.number(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Kind, E> {
        self.number(value.unsigned_abs())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Kind, E> {
        Err(self.refuse(JsonFault::NumberNotInteger))
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        while items.next_element_seed(self.inner()?)?.is_some() {}
        Ok(Kind::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind, A::Error> {
        // Once for all members, so that an object without any is as deep as one with.
        let depth_left = self.inner()?.depth_left;
        let mut names = Names::default();
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if let Err(repeated) = names.add(name) {
                let name = excerpt(&repeated.0);
                return Err(self.refuse(JsonFault::DuplicateMember { name }));
            }
            members.next_value_seed(Self { depth_left, ..self })?;
        }
        Ok(Kind::Object)
    }
}

/// Names seen in one object. Our own objects have few members, which are compared one by one; the rest of a large one is
/// sorted, so that nobody makes us compare each with each.
#[derive(Default)]
struct Names<'t> {
    first: Vec<Name<'t>>,
    rest: BTreeSet<Name<'t>>,
}

impl<'t> Names<'t> {
    const FIRST: usize = 24;

    /// Gives a name back that was there before.
    fn add(&mut self, name: Name<'t>) -> Result<(), Name<'t>> {
        if self.first.contains(&name) || self.rest.contains(&name) {
            return Err(name);
        }
        if self.first.len() < Self::FIRST {
            self.first.push(name);
        } else {
            self.rest.insert(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        read_object(text.as_bytes()).map_or_else(|fault| fault.code(), |_| "ok")
    }

    #[test]
    fn no_name_counts_twice_however_many_there_are() {
        for count in [2, Names::FIRST, Names::FIRST + 1, 3 * Names::FIRST] {
            let mut members: Vec<_> = (0..count).map(|n| format!(r#""{n}":0"#)).collect();
            assert_eq!(code(&format!("{{{}}}", members.join(","))), "ok");
            for again in [0, count / 2, count - 1] {
                members.push(format!(r#""{again}":1"#));
                let text = format!("{{{}}}", members.join(","));
                assert_eq!(code(&text), "json_duplicate_member", "{again} of {count}");
                members.pop();
            }
        }
    }

    #[test]
    fn strictness() {
        let deepest = format!("{{\"a\":{}{}}}", "[".repeat(15), "]".repeat(15));
        let too_deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
        let bottomless = format!("{{\"a\":{}", "[".repeat(100_000));
        let cases = [
            ("{}", "ok"),
            (r#" {"a":[1,-1,"x",true,null,{"b":{}}]} "#, "ok"),
            (r#"{"a":9007199254740991}"#, "ok"),
            (deepest.as_str(), "ok"),
            (too_deep.as_str(), "json_too_deep"),
            (bottomless.as_str(), "json_too_deep"),
            (r#"{"a":1,"a":1}"#, "json_duplicate_member"),
            (r#"{"a":1,"\u0061":1}"#, "json_duplicate_member"),
            (r#"{"a":{"b":1,"b":2}}"#, "json_duplicate_member"),
            (r#"{"a":1.0}"#, "json_number_not_integer"),
            (r#"{"a":1e3}"#, "json_number_not_integer"),
            (r#"{"a":-0}"#, "json_number_not_integer"),
            (r#"{"a":9007199254740992}"#, "json_number_not_integer"),
            (r#"{"a":-9007199254740992}"#, "json_number_not_integer"),
            (
                r#"{"a":99999999999999999999999}"#,
                "json_number_not_integer",
            ),
            ("[]", "json_not_object"),
            ("null", "json_not_object"),
            ("", "json_malformed"),
            ("{}{}", "json_malformed"),
            (r#"{"a":01}"#, "json_malformed"),
            (r#"{"a":"\ud800"}"#, "json_malformed"),
            ("\u{feff}{}", "json_malformed"),
            (r#"{"a":1,}"#, "json_malformed"),
        ];
        for (text, expected) in cases {
            assert_eq!(code(text), expected, "{}", excerpt(text));
        }
        let text = r#" {"\u0061": [1, {"b": "\u20ac"}] , "c":null}"#;
        let members = read_members(text.as_bytes()).unwrap();
        assert_eq!(members["a"].get(), r#"[1, {"b": "\u20ac"}]"#);
        assert_eq!(members["c"].get(), "null");
        assert_eq!(
            read_object(b"{\"a\":\"\xff\"}").unwrap_err().code(),
            "json_malformed"
        );
    }
}
