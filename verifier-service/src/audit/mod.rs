//! The audit log: who did what to policies, keys, parties, agents, jobs, money and webhooks.
//!
//! In scope:
//!
//! * the closed list of what is recorded ([`Action`]), who did it ([`By`]), and what an entry says ([`Entry`]);
//! * the chain: every entry holds the digest of the one before, and [`Walk`] finds what was altered, removed or moved;
//! * refused attempts ([`Recorder`]): recorded, in bounded volume;
//! * how an operator reads it beside running verifiers ([`AuditDesk`]).
//!
//! # Rules
//!
//! * Each change of the store has one entry, written in the transaction of the change, as the last thing before its
//!   commit (`store/sql_store/audit.rs`). What changes nothing, such as an activation of what is active, has none.
//! * A change outside the store is made before or after its entry, in such an order that an interrupted one is found
//!   and named. A private key is made first, then added to the ring with its entry; a key that was left over in between
//!   is added by the verifier that finds it, and its entry says so. A leaked key is first recorded in the store, with
//!   its entry, and then marked in its directory; repeating this adds a missing mark, and makes no second entry.
//! * A simulation changes nothing and has an entry, written before its answer is given.
//! * Entries hold names and digests: no secret, no body, no evidence. Of what callers wrote, they hold only names of
//!   policies, kinds and references of transfers, host names of webhooks, and the subject of a verified token.
//!
//! What the chain proves, and what it does not, is in `docs/operations.md`.
//!
//! Out of scope: who read what, which is in the log of requests; the history of a job, which is in its events.

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
