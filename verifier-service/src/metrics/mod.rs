//! What operators watch: figures in the text format of Prometheus, on a listener of their own.
//!
//! ```text
//! table     which metrics there are
//! meters    counters and latencies: each part of the service has its own and calls their methods
//! readings  what is read when somebody asks: pools, queues, keys, the store
//! listener  GET /metrics
//! ```
//!
//! * A meter costs atomic operations, and a look into a small map where labels are many. No lock is held over anything else.
//! * Labels are bounded whatever clients send: a route is the pattern that matched, a method or an outcome is of a
//!   closed set, a reason is a code of this program.
//! * A scrape counts rows of indexes that hold what is open, within a time; a store that does not answer costs its own
//!   figures and no others.
//!
//! Nothing here names a job, a party, an agent or a device. Figures still show how much business there is, so they are
//! not on the port of the interface.

mod listener;
mod meters;
mod process;
mod readings;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use listener::Listener;
pub(crate) use meters::{
    CollateralKind, CollateralMeters, HttpMeters, InUse, JobMeters, LookupOutcome, Meters,
    OpenStream, PoolMeters, SigningMeters, Source, StoreMeters, StoreOperation, VerdictMeters,
    WebhookMeters,
};
pub(crate) use readings::{Exposition, Readings};
