//! JSON as a tree, within bounds, with repeated members noted.
//!
//! The tree borrows from the text wherever this has no escapes, so that its size depends on the number of values, and
//! that is bounded. Numbers other than integers are kept as numbers without a value: no form has any.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::node::{Findings, Path, Read};
use crate::limits::MAX_DEVICES;
use crate::reason::{Code, Reason};

/// Deepest nesting of arrays and objects. Evidence has three levels; the rest is room for members to ignore.
pub(super) const MAX_DEPTH: usize = 16;

/// Most values in one document, arrays and objects counted: the forms have at most eight for each device. A value
/// takes dozens of times the memory of its shortest text, so this bounds what a stranger can make us allocate.
pub(super) const MAX_VALUES: usize = 64 * MAX_DEVICES;

/// A JSON value.
#[derive(Debug)]
pub(super) enum Json<'t> {
    Null,
    Bool,
    /// The value of an integer that fits.
    Number(Option<i64>),
    Text(Cow<'t, str>),
    Array(Vec<Self>),
    Object(BTreeMap<Cow<'t, str>, Self>),
}

/// Reads one document. Of a repeated member the first is kept, and the others are noted.
pub(super) fn parse<'t>(text: &'t [u8], findings: &Findings) -> Read<Json<'t>> {
    let budget = Budget {
        values: Cell::new(MAX_VALUES),
        exceeded: Cell::new(None),
    };
    let seed = Seed {
        path: Path::Document,
        depth: 0,
        budget: &budget,
        findings,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let json = seed.deserialize(&mut deserializer);
    let json = json.and_then(|json| deserializer.end().map(|()| json));
    json.or_else(|error| {
        let reason = match budget.exceeded.get() {
            Some((what, limit)) => Reason::new(Code::EvidenceTooLarge, what)
                .expected(format!("at most {limit}"))
                .actual(format!("more at line {}", error.line())),
            None => Reason::new(Code::EvidenceNotJson, format!("is not JSON: {error}")),
        };
        findings.refuse(Path::Document, reason)
    })
}

struct Budget {
    values: Cell<usize>,
    /// What there was too much of, and how much there may be.
    exceeded: Cell<Option<(&'static str, usize)>>,
}

impl Budget {
    fn exceed<E: Error>(&self, what: &'static str, limit: usize) -> E {
        self.exceeded.set(Some((what, limit)));
        E::custom(what)
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    path: Path<'s>,
    depth: usize,
    budget: &'s Budget,
    findings: &'s Findings,
}

impl Seed<'_> {
    fn spend<E: Error>(self) -> Result<(), E> {
        let left = self.budget.values.get().checked_sub(1);
        let left = left.ok_or_else(|| self.budget.exceed("number of values", MAX_VALUES))?;
        self.budget.values.set(left);
        Ok(())
    }

    fn deeper<E: Error>(self) -> Result<usize, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(self.budget.exceed("depth of nesting", MAX_DEPTH));
        }
        Ok(depth)
    }
}

impl<'t> DeserializeSeed<'t> for Seed<'_> {
    type Value = Json<'t>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Json<'t>, D::Error> {
        self.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Seed<'_> {
    type Value = Json<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'t>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'t>, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'t>, E> {
        Ok(Json::Number(Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'t>, E> {
        Ok(Json::Number(i64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'t>, E> {
        Ok(Json::Number(None))
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Json<'t>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'t>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<Json<'t>, A::Error> {
        let depth = self.deeper()?;
        let mut values = Vec::new();
        loop {
            let seed = Seed {
                path: Path::Element(&self.path, values.len()),
                depth,
                ..self
            };
            match items.next_element_seed(seed)? {
                Some(value) => values.push(value),
                None => return Ok(Json::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<Json<'t>, A::Error> {
        let depth = self.deeper()?;
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let path = Path::Member(&self.path, &name);
            let value = members.next_value_seed(Seed {
                path,
                depth,
                ..self
            })?;
            if object.contains_key(&name) {
                let reason = Reason::new(Code::MemberRepeated, "member occurs more than once");
                self.findings.note(path, reason);
            }
            if let Entry::Vacant(entry) = object.entry(name) {
                entry.insert(value);
            }
        }
        Ok(Json::Object(object))
    }
}

/// The name of a member.
struct Name;

impl<'t> DeserializeSeed<'t> for Name {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Cow<'t, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Name {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'t str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
