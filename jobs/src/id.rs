//! Names of parties, agents, jobs and assignments.
//!
//! They stand in paths and in names of accounts, so they have one small alphabet. Who makes them is not said here, except
//! for assignments: those are drawn while a job is dispatched.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest id, in bytes. A UUID with a prefix has 40.
pub const MAX_ID_BYTES: usize = 64;

/// A text that is no id: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_ID_BYTES} of A-Z a-z 0-9 _ -")]
pub struct IdError;

fn check(text: &str) -> Result<(), IdError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let bounded = (1..=MAX_ID_BYTES).contains(&text.len());
    match bounded && text.bytes().all(allowed) {
        true => Ok(()),
        false => Err(IdError),
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads an id.
            ///
            /// # Errors
            /// The text has another alphabet or length.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A tenant, provider or marketplace: an owner of objects and keys.
    PartyId
    /// An agent, which belongs to a provider.
    AgentId
    /// A job.
    JobId
    /// One replica of a job given to one agent.
    AssignmentId
}

impl AssignmentId {
    /// An id from random bytes, in hexadecimal.
    pub(crate) fn from_random(bytes: &[u8; 32]) -> Self {
        let half = bytes.first_chunk::<16>().copied().unwrap_or_default();
        Self(evidence::work::Hex(half).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_small_alphabet() {
        for good in ["a", "Z9_-", &"x".repeat(64)] {
            assert!(PartyId::parse(good).is_ok(), "{good}");
        }
        for wrong in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(PartyId::parse(wrong), Err(IdError), "{wrong}");
        }
    }
}
