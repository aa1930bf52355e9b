//! The audit log: who did what to policies, keys, parties, agents, jobs, money and webhooks.
//!
//! In scope:
//!
//! * the closed list of what is recorded ([`Action`]), who did it ([`By`]), and what an entry says ([`Entry`]);
//! * the chain: every entry holds the digest of the one before, and [`Walk`] finds what was altered, removed or moved;
//! * refused attempts ([`Recorder`]): recorded, in bounded volume;
//! * an operator's look at it beside running verifiers ([`AuditDesk`]).
//!
//! # Rules
//!
//! * What changed the store has one entry, written in the transaction of the change, as the last thing before its commit
//!   (`store/sql_store/audit.rs`). What changed nothing, such as an activation of what is active, has none.
//! * What lies outside the store comes before its entry or after it, so that what is broken off is found and named: a
//!   private key is made, then added to the ring with its entry; a key that was left over in between is added by the
//!   verifier that finds it, and its entry says so. A key is said to have leaked in the store, with its entry, and then
//!   marked in its directory; doing it again mends a mark that is missing, and leaves no second entry.
//! * A simulation changes nothing and has an entry, written before its answer is given.
//! * Entries hold names and digests: no secret, no body, no evidence, and nothing a caller wrote but names of policies, kinds and
//!   references of transfers, host names of webhooks, and the subject of a verified token.
//!
//! What the chain proves, and what it does not, is in `docs/operations.md`.
//!
//! Out of scope: reading (who looked at what), which the log of requests has; the history of a job, which is its events.

mod action;
mod by;
mod desk;
mod entry;
mod recorder;
mod refusals;
mod walk;

pub(crate) use action::Action;
pub(crate) use by::{Actor, Asked, By};
pub use desk::{AuditDesk, AuditError, Head, NotAHead};
pub(crate) use entry::{Details, Entry, Link, New, details};
pub(crate) use recorder::Recorder;
use refusals::Refusals;
pub(crate) use walk::Walk;
pub use walk::{Finding, Walked};
