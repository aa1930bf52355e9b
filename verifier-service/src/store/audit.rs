//! What the store remembers about who did what: entries in one chain, never changed or deleted.
//!
//! Entries of changes are written by the store itself, in the transactions of the changes; the caller says who makes
//! the change ([`crate::audit::By`]).

use evidence::UnixTime;

use super::Answer;
use crate::audit::{Action, Entry, Link, New};
use crate::id::Id;

/// Which entries are asked for, latest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Those before a number.
    pub(crate) before: Option<i64>,
    /// Those of an action.
    pub(crate) action: Option<Action>,
    /// Those about an object.
    pub(crate) object: Option<String>,
    /// Those by an actor, or by a kind of actor.
    pub(crate) actor: Option<String>,
    /// Those since a time.
    pub(crate) since: Option<UnixTime>,
    /// Those a party is concerned by: about what is its, or by its word.
    pub(crate) party: Option<Id>,
    /// Most entries.
    pub(crate) limit: u32,
}

/// See the [module documentation](self).
pub(crate) trait AuditStore: Send + Sync {
    /// Records what comes with no change of the store.
    fn add_entry(&self, new: New) -> Answer<'_, ()>;

    /// Entries, latest first.
    fn audit(&self, wanted: Wanted) -> Answer<'_, Vec<Entry>>;

    /// Entries after a number, in order.
    fn audit_after(&self, number: i64, limit: u32) -> Answer<'_, Vec<Entry>>;

    /// Where the log ends.
    fn audit_head(&self) -> Answer<'_, Link>;
}
