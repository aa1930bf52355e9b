//! What the store remembers about parties and their API keys. Of a key there is only the digest.

use evidence::UnixTime;
use jobs::PartyId;

use super::{Answer, Page};
use crate::id::Id;

/// What a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartyKind {
    /// Has work done.
    Tenant,
    /// Has agents that do it.
    Provider,
    /// Brings both together, and moves the money.
    Marketplace,
}

/// An owner of objects and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    /// Its name in paths.
    pub(crate) id: PartyId,
    /// What it is.
    pub(crate) kind: PartyKind,
    /// Its name for people.
    pub(crate) name: String,
    /// Since when.
    pub(crate) created_at: UnixTime,
}

/// An API key, without what is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    /// Its name.
    pub(crate) id: Id,
    /// Whose.
    pub(crate) party: PartyId,
    /// The part by which it is found.
    pub(crate) prefix: String,
    /// SHA-256 of the whole.
    pub(crate) sha256: [u8; 32],
    /// What it allows, separated by spaces.
    pub(crate) scopes: String,
    /// What it is for, in its owner's words.
    pub(crate) label: Option<String>,
    /// Since when.
    pub(crate) created_at: UnixTime,
    /// Since when it counts no longer.
    pub(crate) revoked_at: Option<UnixTime>,
}

/// See the [module documentation](self).
pub(crate) trait PartyStore: Send + Sync {
    /// Adds a party; `false` if there is one of this name.
    fn add_party(&self, party: Party) -> Answer<'_, bool>;

    /// The party of this name.
    fn party<'a>(&'a self, id: &'a PartyId) -> Answer<'a, Option<Party>>;

    /// All parties, latest first.
    fn parties(&self, page: Page) -> Answer<'_, Vec<Party>>;

    /// Adds a key; `false` if its prefix is taken, or there is no such party.
    fn add_key(&self, key: StoredKey) -> Answer<'_, bool>;

    /// The key with this prefix, also one that was revoked, and its party.
    fn key<'a>(&'a self, prefix: &'a str) -> Answer<'a, Option<(StoredKey, Party)>>;

    /// The keys of a party, latest first.
    fn keys<'a>(&'a self, party: &'a PartyId, page: Page) -> Answer<'a, Vec<StoredKey>>;

    /// Revokes a key of a party, for good; `false` if it has none of this name.
    fn revoke_key<'a>(&'a self, party: &'a PartyId, id: Id, now: UnixTime) -> Answer<'a, bool>;
}

impl PartyKind {
    /// The word in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Provider => "provider",
            Self::Marketplace => "marketplace",
        }
    }
}

impl std::str::FromStr for PartyKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Tenant, Self::Provider, Self::Marketplace];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or(())
    }
}
