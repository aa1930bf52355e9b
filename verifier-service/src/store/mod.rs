//! What the service remembers: challenges, receipts and bundles; and by theme what receipts rest on ([`archive`]),
//! [`policies`], [`parties`], [`agents`], [`jobs`], [`books`], [`keys`], the [`outbox`] and the [`audit`] log.
//!
//! In scope: the questions the service asks its store, as one trait, and the promises behind the answers:
//!
//! * what [`Store::add_challenge`], [`Store::spend`] and [`Store::refute`] answer is durable: it survives the loss of process and machine;
//! * a challenge is spent at most once, by one conditional write, together with the receipt and its bundle or not at all;
//! * receipts and bundles are never changed or deleted.
//!
//! [`SqlStore`] keeps the promises on SQLite and on PostgreSQL, by one body of SQL over the layer [`sql`]. On PostgreSQL
//! any number of services may share it.
//!
//! Out of scope: what a challenge means and whether evidence is good. A store that fails says so as [`StoreError`] and
//! never as an answer.

pub(crate) mod agents;
pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod books;
pub(crate) mod clerk;
mod error;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod outbox;
pub(crate) mod parties;
pub(crate) mod policies;
pub(crate) mod sql;
mod sql_store;

use std::fmt;
use std::pin::Pin;

use evidence::UnixTime;

pub use error::StoreError;
pub(crate) use sql_store::{Counts, SqlStore};

use crate::collateral::Used;
use crate::id::Id;

/// An answer of the store, some day soon.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A challenge as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// Its name.
    pub(crate) id: Id,
    /// The random bytes.
    pub(crate) value: [u8; 32],
    /// SHA-256 of the job it is for.
    pub(crate) job: [u8; 32],
    /// The Ed25519 key of the agent it is for.
    pub(crate) agent_key: [u8; 32],
    /// The audience asked for; `None` for all of the verifier's.
    pub(crate) audience: Option<String>,
    /// The first second in which it no longer counts.
    pub(crate) expires_at: UnixTime,
}

/// How many challenges may wait and how long old ones are remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChallengeBounds {
    /// Now.
    pub(crate) now: UnixTime,
    /// Most challenges that are neither spent nor expired. Where several are added at the same moment, on PostgreSQL, as
    /// many more may slip in as there are connections.
    pub(crate) max_open: u32,
    /// Most of them that one agent key may hold.
    pub(crate) max_open_of_agent: u32,
    /// Challenges that expired before this are forgotten.
    pub(crate) forget_before: UnixTime,
}

/// What became of a new challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It counts from now on.
    Stored,
    /// There are too many.
    TooMany,
    /// There are too many of this agent.
    TooManyOfAgent,
}

/// What became of a challenge, its time aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet.
    Unspent,
    /// There is a receipt for it.
    Spent,
    /// It was answered with a result that is wrong.
    Refuted,
}

/// What is known about a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Unknown,
    /// There is a receipt for it.
    Spent,
    /// It was answered with a result that is wrong, and takes no other answer.
    Refuted,
    /// It was issued and not spent; it may have expired.
    Unspent(Challenge),
}

/// A receipt as it was issued.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredReceipt {
    /// Its name, the `jti` of the token.
    pub(crate) id: Id,
    /// The JWT.
    pub(crate) token: String,
    /// When it was issued.
    pub(crate) issued_at: UnixTime,
    /// Whether the job that it came of goes on, and may refute its assignment yet.
    pub(crate) provisional: bool,
    /// Since when it holds no more: the job that it came of refuted its assignment afterwards.
    pub(crate) revoked_at: Option<UnixTime>,
}

/// A receipt about to be issued. It is none until [`Store::spend`] says so.
#[derive(Clone)]
pub(crate) struct NewReceipt {
    /// The receipt.
    pub(crate) receipt: StoredReceipt,
    /// The challenge it spends.
    pub(crate) challenge: [u8; 32],
    /// When the bundle arrived: the challenge must not have expired by then.
    pub(crate) arrived_at: UnixTime,
    /// SHA-256 of the bundle.
    pub(crate) bundle_sha256: [u8; 32],
    /// The bundle, exactly as received.
    pub(crate) bundle: Vec<u8>,
    /// SHA-256 of the job.
    pub(crate) job: [u8; 32],
    /// The agent's key.
    pub(crate) agent_key: [u8; 32],
    /// The client's own name for the request.
    pub(crate) idempotency_key: Option<String>,
    /// What the bundle was judged by, where that is not kept yet.
    pub(crate) collateral: Used,
}

/// What became of a new receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It is issued.
    Issued,
    /// The same bundle was faster; this is its receipt.
    Before(StoredReceipt),
    /// Another bundle was faster.
    ByAnother,
    /// Another bundle was faster, and its result wrong.
    Refuted,
    /// The challenge expired before the bundle arrived.
    Expired,
    /// There is no such challenge.
    Unknown,
    /// The idempotency key belongs to another bundle of this agent.
    KeyReused,
}

/// A part of a list, latest first.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The last item that was seen: its time and its name.
    pub(crate) after: Option<(UnixTime, String)>,
    /// Most items.
    pub(crate) limit: u32,
}

/// See the [module documentation](self).
pub(crate) trait Store: Send + Sync {
    /// Remembers a challenge, after forgetting old ones.
    fn add_challenge(&self, challenge: Challenge, bounds: ChallengeBounds) -> Answer<'_, Added>;

    /// The challenge of this name, and what became of it.
    fn challenge(&self, id: Id) -> Answer<'_, Option<(Challenge, Fate)>>;

    /// What is known about a challenge by its bytes.
    fn standing(&self, value: [u8; 32]) -> Answer<'_, Standing>;

    /// The receipt of this name.
    fn receipt(&self, id: Id) -> Answer<'_, Option<StoredReceipt>>;

    /// The receipt of the bundle with this digest.
    fn receipt_of(&self, bundle_sha256: [u8; 32]) -> Answer<'_, Option<StoredReceipt>>;

    /// The digest of the bundle this agent used an idempotency key with.
    fn bundle_under<'a>(
        &'a self,
        agent_key: [u8; 32],
        key: &'a str,
    ) -> Answer<'a, Option<[u8; 32]>>;

    /// Spends the challenge and issues the receipt, in one step.
    fn spend(&self, new: NewReceipt) -> Answer<'_, Spent>;

    /// Lets the challenge be answered no more, as its answer was a wrong result. A challenge that was spent stays spent.
    fn refute(&self, challenge: [u8; 32]) -> Answer<'_, ()>;

    /// Writes something and makes it durable.
    fn probe(&self, now: UnixTime) -> Answer<'_, ()>;

    /// Ends all connections in an orderly way.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Names the receipt and leaves out the token.
impl fmt::Debug for StoredReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredReceipt({})", self.id)
    }
}

#[cfg(test)]
pub(crate) mod tests;
