//! What a policy reads, before it is turned into the engine's own values.
//!
//! A tree that borrows from the appraisal. It is turned into the engine's values once: going through JSON would cost as
//! much as evaluating the policy.

use std::borrow::Cow;
#[cfg(feature = "policy")]
use std::collections::BTreeSet;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::check::Check;
use crate::reason::Reason;

/// The `input` of a policy; its shape is in `policies/README.md`.
#[derive(Clone, Debug, PartialEq)]
pub enum Document<'a> {
    /// No value.
    Null,
    /// True or false.
    Flag(bool),
    /// A number without a fraction.
    Number(i128),
    /// Text.
    Text(Cow<'a, str>),
    /// Several in order.
    List(Vec<Document<'a>>),
    /// Members by name, none twice.
    Object(Vec<(&'static str, Document<'a>)>),
    /// A check as policies read it: the members of `check_members`.
    Check(&'a Check),
}

impl<'a> Document<'a> {
    /// A list.
    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// What policies read of a check: its status and the codes of its reasons.
    pub(crate) fn check_members(check: &Check) -> Document<'_> {
        Document::Object(vec![
            ("status", check.status.as_str().into()),
            ("reasons", Self::codes(&check.reasons)),
        ])
    }

    /// The codes of reasons.
    pub(super) fn codes(reasons: &[Reason]) -> Document<'_> {
        Document::list(reasons.iter().map(|reason| reason.code.as_str().into()))
    }

    /// The same with no members but those of these names.
    #[cfg(feature = "policy")]
    pub(crate) fn limited_to(self, names: &BTreeSet<String>) -> Self {
        let Self::Object(mut members) = self else {
            return self;
        };
        members.retain(|(name, _)| names.contains(*name));
        Self::Object(members)
    }

    /// A member by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let mut members = members.iter();
        members
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }
}

impl From<bool> for Document<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i32> for Document<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Document<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl<'a> From<&'a str> for Document<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Document<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a, T: Into<Document<'a>>> From<Option<T>> for Document<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

/// As JSON, for people and for tables of decisions.
impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_i128(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                let mut members = members.iter();
                members.try_for_each(|(name, value)| object.serialize_entry(name, value))?;
                object.end()
            }
            Self::Check(check) => Document::check_members(check).serialize(serializer),
        }
    }
}
