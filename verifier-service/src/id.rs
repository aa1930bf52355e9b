//! Names of challenges, receipts, parties, agents and the like: 128 random bits.
//!
//! Whoever fetches a receipt needs only its name, so a name must not be guessable. It also says nothing about how many
//! there are.

use std::fmt;
use std::str::FromStr;

use evidence::work::Hex;
use jobs::{AgentId, JobId, PartyId};
use serde::{Serialize, Serializer};

use crate::random;

/// A name, 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id([u8; 16]);

/// The text is not a name of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 lower-case hexadecimal digits")]
pub(crate) struct NotAnId;

impl Id {
    /// A new name.
    pub(crate) fn random() -> Self {
        Self(random::bytes())
    }
}

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Hex::parse(text)
            .map(|Hex(bytes)| Self(bytes))
            .ok_or(NotAnId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hex(self.0), f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! is_also {
    ($($name:ident)*) => {$(
        /// A name of ours is one of these by its alphabet and length.
        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self::parse(&id.to_string()).expect("32 hexadecimal digits")
            }
        }
    )*};
}

is_also! { PartyId AgentId JobId }

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let id = Id::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, Id::random());
        let upper = "A".repeat(32);
        for wrong in ["", "..", "0", &"0".repeat(31), &"0".repeat(33), &upper] {
            assert_eq!(wrong.parse::<Id>(), Err(NotAnId), "{wrong}");
        }
    }
}
