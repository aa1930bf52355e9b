//! A value with the place it stands at, and what was found wrong so far.

use std::cell::RefCell;
use std::fmt;

use super::json::Json;
use crate::limits::MAX_DEVICES;
use crate::reason::{Code, Reason};

/// Most reasons given for one file: four wrong members of as many devices as there may be.
const MAX_REASONS: usize = 4 * MAX_DEVICES;

/// Most characters of a name in the path of a reason.
const MAX_NAME_CHARS: usize = 32;

/// A place in a document, written as in `evidences[3].certificate`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'p> {
    Document,
    Member(&'p Path<'p>, &'p str),
    Element(&'p Path<'p>, usize),
}

/// Something could not be read; the reason is among the [`Findings`], which alone make this.
#[derive(Debug)]
pub(super) struct Refused(());

/// What reading gives.
pub(super) type Read<T> = Result<T, Refused>;

/// The reasons found so far, in order.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Vec<Reason>>);

/// A value, its place, and where to put what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Node<'n> {
    json: &'n Json<'n>,
    path: Path<'n>,
    findings: &'n Findings,
}

/// An element of an array, before its place is needed.
pub(super) struct Element<'n> {
    array: &'n Node<'n>,
    position: usize,
    json: &'n Json<'n>,
}

impl Findings {
    /// Adds a reason.
    pub(super) fn note(&self, at: Path<'_>, reason: Reason) {
        let mut reasons = self.0.borrow_mut();
        if reasons.len() < MAX_REASONS {
            reasons.push(reason.about(&at.to_string()));
        }
    }

    /// Adds a reason that stands in the way of a value.
    pub(super) fn refuse<T>(&self, at: Path<'_>, reason: Reason) -> Read<T> {
        self.note(at, reason);
        Err(Refused(()))
    }

    /// The value, if nothing at all was found.
    pub(super) fn conclude<T>(self, value: Read<T>) -> Result<T, Vec<Reason>> {
        let reasons = self.0.into_inner();
        match value {
            Ok(value) if reasons.is_empty() => Ok(value),
            _ => Err(reasons),
        }
    }
}

impl<'n> Node<'n> {
    pub(super) fn document(json: &'n Json<'n>, findings: &'n Findings) -> Self {
        Self {
            json,
            path: Path::Document,
            findings,
        }
    }

    pub(super) fn json(self) -> &'n Json<'n> {
        self.json
    }

    /// Adds a reason about this place.
    pub(super) fn note(self, reason: Reason) {
        self.findings.note(self.path, reason);
    }

    /// Adds a reason about this place, which stands in the way of its value.
    pub(super) fn refuse<T>(self, reason: Reason) -> Read<T> {
        self.findings.refuse(self.path, reason)
    }

    fn wrong_kind<T>(self, expected: &str) -> Read<T> {
        let reason = Reason::new(Code::MemberInvalid, "kind of value")
            .expected(expected)
            .actual(self.kind());
        self.refuse(reason)
    }

    /// What kind of value this is, for people.
    pub(super) fn kind(self) -> &'static str {
        match self.json {
            Json::Null => "null",
            Json::Bool => "a boolean",
            Json::Number(Some(_)) => "an integer",
            Json::Number(None) => "a number that is no integer",
            Json::Text(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    pub(super) fn text(self) -> Read<&'n str> {
        match self.json {
            Json::Text(text) => Ok(text),
            _ => self.wrong_kind("a string"),
        }
    }

    pub(super) fn integer(self) -> Read<i64> {
        match self.json {
            Json::Number(Some(number)) => Ok(*number),
            _ => self.wrong_kind("an integer"),
        }
    }

    /// The elements of an array.
    pub(super) fn elements(&'n self) -> Read<impl ExactSizeIterator<Item = Element<'n>>> {
        let Json::Array(values) = self.json else {
            return self.wrong_kind("an array");
        };
        let elements = values.iter().enumerate();
        Ok(elements.map(|(position, json)| Element {
            array: self,
            position,
            json,
        }))
    }

    /// Refuses anything but an object.
    pub(super) fn is_object(self) -> Read<()> {
        match self.json {
            Json::Object(_) => Ok(()),
            _ => self.wrong_kind("an object"),
        }
    }

    /// The names of the members, in alphabetical order; none for anything but an object.
    pub(super) fn names(self) -> impl Iterator<Item = &'n str> {
        let object = match self.json {
            Json::Object(object) => Some(object),
            _ => None,
        };
        object.into_iter().flatten().map(|(name, _)| name.as_ref())
    }

    /// Whether there is a member of this name, be it `null`.
    pub(super) fn has(self, name: &str) -> bool {
        matches!(self.json, Json::Object(object) if object.contains_key(name))
    }

    /// Reads a member if it is there and not `null`.
    pub(super) fn optional<T>(
        self,
        name: &str,
        read: impl FnOnce(Node<'_>) -> Read<T>,
    ) -> Read<Option<T>> {
        let Json::Object(object) = self.json else {
            return Ok(None);
        };
        match object.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(json) => {
                let member = Node {
                    json,
                    path: Path::Member(&self.path, name),
                    findings: self.findings,
                };
                read(member).map(Some)
            }
        }
    }

    /// Reads a member that has to be there.
    pub(super) fn required<T>(self, name: &str, read: impl FnOnce(Node<'_>) -> Read<T>) -> Read<T> {
        match self.optional(name, read)? {
            Some(value) => Ok(value),
            None => {
                let reason = Reason::new(Code::MemberMissing, "member is missing");
                let path = Path::Member(&self.path, name);
                self.findings.refuse(path, reason)
            }
        }
    }

    /// Notes every member that is not one of `names`.
    pub(super) fn only(self, names: &[&str]) {
        for name in self.names().filter(|name| !names.contains(name)) {
            let reason = Reason::new(Code::MemberUnexpected, "member is not one of the form")
                .expected(names.join(", "));
            self.findings.note(Path::Member(&self.path, name), reason);
        }
    }
}

impl<'n> Element<'n> {
    pub(super) fn node(&'n self) -> Node<'n> {
        Node {
            json: self.json,
            path: Path::Element(&self.array.path, self.position),
            findings: self.array.findings,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => f.write_str("document"),
            Self::Member(Self::Document, name) => f.write_str(&legible(name)),
            Self::Member(parent, name) => write!(f, "{parent}.{}", legible(name)),
            Self::Element(Self::Document, position) => write!(f, "[{position}]"),
            Self::Element(parent, position) => write!(f, "{parent}[{position}]"),
        }
    }
}

/// A name from hostile input, short and in visible ASCII.
pub(super) fn legible(name: &str) -> String {
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '\u{fffd}' };
    let mut short: String = name.chars().take(MAX_NAME_CHARS).map(visible).collect();
    if name.chars().nth(MAX_NAME_CHARS).is_some() {
        short.push('…');
    }
    short
}
