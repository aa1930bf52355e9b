//! Who may ask: parties, what they may do, and how they show who they are.
//!
//! In scope:
//!
//! * the kinds of parties ([`Kind`]) and the scopes ([`Scope`]) each kind can be given;
//! * credentials: API keys (`secret.rs`), and tokens of one configured OpenID issuer ([`oidc`]);
//! * the [`Caller`]: the party a request is from, and what it may do with it.
//!
//! The operator makes parties and keys, with the operator token. Code that hands out an object compares its owner with
//! [`Caller::party`]; what belongs to another party is answered as if it did not exist (404).
//!
//! Out of scope: agents, which sign what they send (`agents`).

mod caller;
pub(crate) mod oidc;
mod secret;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use caller::{Caller, Credentials};
pub(crate) use secret::{Secret, SecretKind};

/// What a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Asks for work and pays for it.
    Tenant,
    /// Owns agents, which do the work.
    Provider,
    /// Brings tenants and providers together, and money in and out.
    Marketplace,
}

/// Something a bearer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// See jobs and their receipts.
    JobsRead,
    /// Offer, cancel and dispute jobs.
    JobsWrite,
    /// See agents.
    AgentsRead,
    /// Enrol and remove agents.
    AgentsWrite,
    /// See accounts and statements.
    BooksRead,
    /// Bring money in and out.
    BooksWrite,
}

/// A set of [`Scope`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scopes(u8);

/// The text names no scope, or no kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub(crate) struct NotAWord(&'static str);

impl Kind {
    /// The word on the wire and in the store.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Provider => "provider",
            Self::Marketplace => "marketplace",
        }
    }

    /// Everything a party of this kind can be allowed.
    pub(crate) fn scopes(self) -> Scopes {
        use Scope::{AgentsRead, AgentsWrite, BooksRead, BooksWrite, JobsRead, JobsWrite};
        let of_kind: &[Scope] = match self {
            Self::Tenant => &[JobsRead, JobsWrite, BooksRead],
            Self::Provider => &[AgentsRead, AgentsWrite, BooksRead],
            Self::Marketplace => &[JobsRead, JobsWrite, BooksRead, BooksWrite],
        };
        of_kind.iter().copied().collect()
    }
}

impl FromStr for Kind {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let all = [Self::Tenant, Self::Provider, Self::Marketplace];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or(NotAWord("tenant, provider or marketplace"))
    }
}

impl Scope {
    /// Every scope, in the order in which they are shown.
    pub(crate) const ALL: [Self; 6] = [
        Self::JobsRead,
        Self::JobsWrite,
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::BooksRead,
        Self::BooksWrite,
    ];

    /// The word on the wire and in the store.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::AgentsRead => "agents:read",
            Self::AgentsWrite => "agents:write",
            Self::BooksRead => "books:read",
            Self::BooksWrite => "books:write",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl FromStr for Scope {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or(NotAWord(
            "jobs:read, jobs:write, agents:read, agents:write, books:read or books:write",
        ))
    }
}

impl Scopes {
    /// Whether this scope is among them.
    pub(crate) fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether there are none.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in both sets.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other set.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The scopes a list of words names, as OAuth writes it (RFC 6749 3.3). Words of others are passed over: an issuer
    /// serves more than us.
    pub(crate) fn among<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let ours = words
            .into_iter()
            .filter_map(|word| word.parse::<Scope>().ok());
        ours.collect()
    }

    fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// Words with a space between them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// Reads what [`fmt::Display`] writes; a word nobody knows is none.
impl FromStr for Scopes {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

/// A list of words.
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        let scopes: Result<Self, NotAWord> = words.iter().map(|word| word.parse()).collect();
        scopes.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        for kind in [Kind::Tenant, Kind::Provider, Kind::Marketplace] {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            let scopes = kind.scopes();
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
            let text = serde_json::to_string(&scopes).unwrap();
            assert_eq!(serde_json::from_str::<Scopes>(&text).unwrap(), scopes);
        }
        for wrong in ["", "jobs", "Jobs:read", "jobs:read ", "jobs:admin"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Scopes>(r#"["jobs:admin"]"#).is_err());
    }

    #[test]
    fn what_each_kind_can_be_allowed() {
        let table = [
            (Kind::Tenant, "jobs:read jobs:write books:read"),
            (Kind::Provider, "agents:read agents:write books:read"),
            (
                Kind::Marketplace,
                "jobs:read jobs:write books:read books:write",
            ),
        ];
        for (kind, scopes) in table {
            assert_eq!(kind.scopes().to_string(), scopes, "{kind:?}");
        }
    }

    #[test]
    fn sets() {
        let some = Scopes::among(["openid", "jobs:read", "email", "books:write"]);
        assert_eq!(some.to_string(), "jobs:read books:write");
        let of_tenant = Kind::Tenant.scopes();
        assert_eq!(some.and(of_tenant).to_string(), "jobs:read");
        assert_eq!(some.without(of_tenant).to_string(), "books:write");
        assert!(some.has(Scope::JobsRead) && !some.has(Scope::JobsWrite));
        assert!(Scopes::default().is_empty() && !some.is_empty());
    }
}
