//! What the store remembers about parties: who they are, and the digests of their API keys.
//!
//! The promises are those of the [store](super): durable when answered. A key is never shown: its digest alone is here.

use evidence::UnixTime;

use super::Answer;
use crate::audit::By;
use crate::id::Id;
use crate::parties::{Kind, Scopes};

/// Somebody who owns objects and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    /// Its name here.
    pub(crate) id: Id,
    /// What it is.
    pub(crate) kind: Kind,
    /// What people call it.
    pub(crate) name: String,
    /// What the configured issuer's tokens call it; `None` if it comes with API keys alone.
    pub(crate) oidc_name: Option<String>,
    /// When it was added.
    pub(crate) created_at: UnixTime,
    /// Since when its agents are offered no work.
    pub(crate) barred_at: Option<UnixTime>,
}

/// An API key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    /// Its name here.
    pub(crate) id: Id,
    /// Whose it is.
    pub(crate) party: Id,
    /// The part of its text that finds it.
    pub(crate) prefix: String,
    /// SHA-256 of its text.
    pub(crate) sha256: [u8; 32],
    /// What its bearer may do.
    pub(crate) scopes: Scopes,
    /// What it is for, in the words of whoever made it.
    pub(crate) label: Option<String>,
    /// When it was made.
    pub(crate) created_at: UnixTime,
    /// The first second in which it no longer counts.
    pub(crate) expires_at: Option<UnixTime>,
    /// Since when it does not count any more.
    pub(crate) revoked_at: Option<UnixTime>,
    /// When it was used last, give or take [`LAST_USED_STEP_S`].
    pub(crate) last_used_at: Option<UnixTime>,
}

/// How exactly the last use of a key is remembered, in seconds: one write an hour for a key in use.
pub(crate) const LAST_USED_STEP_S: i64 = 3600;

/// What became of a new party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedParty {
    /// It is there.
    Stored,
    /// Another party has its OIDC name.
    OidcNameTaken,
}

/// What became of a new API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedKey {
    /// It counts from now on.
    Stored,
    /// There is no such party.
    NoParty,
    /// The party has as many as there may be.
    TooMany,
    /// Another key has the prefix; the next draw has another.
    PrefixTaken,
}

/// Where a page of a list begins, and how long it is. Lists go from the latest to the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageOf {
    /// The last entry of the page before; `None` for the first page.
    pub(crate) after: Option<(UnixTime, Id)>,
    /// Most entries.
    pub(crate) limit: u32,
}

/// See the [module documentation](self).
pub(crate) trait PartyStore: Send + Sync {
    /// Adds a party.
    fn add_party(&self, party: Party, by: By) -> Answer<'_, AddedParty>;

    /// The party of this name.
    fn party(&self, id: Id) -> Answer<'_, Option<Party>>;

    /// The party that tokens of the issuer call so.
    fn party_of_oidc_name<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Party>>;

    /// A page of the parties.
    fn parties(&self, page: PageOf) -> Answer<'_, Vec<Party>>;

    /// Bars a party from new offers, or lets it in again, and gives it as it is then; `None` if there is no such party. What its
    /// agents were offered or have taken stays theirs.
    fn set_barred(&self, id: Id, is_barred: bool, by: By) -> Answer<'_, Option<Party>>;

    /// Adds a key; a party may have `most` that are neither revoked nor expired.
    fn add_api_key(&self, key: ApiKey, most: u32, by: By) -> Answer<'_, AddedKey>;

    /// The latest keys of a party, those that no longer count included.
    fn api_keys(&self, party: Id, limit: u32) -> Answer<'_, Vec<ApiKey>>;

    /// The key with this prefix, and whose it is.
    fn api_key_of_prefix<'a>(&'a self, prefix: &'a str) -> Answer<'a, Option<(ApiKey, Party)>>;

    /// Ends a key; `false` if the party has no such key. One that ended before stays as it is.
    fn revoke_api_key(&self, party: Id, key: Id, by: By) -> Answer<'_, bool>;

    /// Remembers that a key was used, unless it is known to have been at about that time.
    fn api_key_used(&self, key: Id, now: UnixTime) -> Answer<'_, ()>;
}
