//! What the store remembers about money: a journal of transfers that sum to zero, and the balances they make.
//!
//! The promises: a transfer is booked once, whole or not at all; no account but `outside/*` is ever below zero, and
//! `outside/*` is never above; nothing in the journal is changed. Transfers of jobs are booked with the job
//! ([`super::jobs`]); this module has those that somebody asks for, and reading.

use evidence::UnixTime;
use jobs::books::{Transfer, TransferKind};
use jobs::{AssignmentId, Currency, JobId, PartyId};

use super::Answer;
use crate::audit::By;

/// What became of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Booked {
    /// It is booked.
    New,
    /// The very same was booked before.
    Before,
    /// Another one was, of the same kind and key.
    Differs,
    /// An account has not enough.
    Overdrawn,
}

/// A line of a statement: what one transfer did to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The transfer's number in the journal.
    pub(crate) number: i64,
    /// Why money moved.
    pub(crate) kind: TransferKind,
    /// What it is the only one of its kind for.
    pub(crate) key: String,
    /// When.
    pub(crate) at: UnixTime,
    /// Of what.
    pub(crate) currency: Currency,
    /// What the account gained (above zero) or lost (below), in minor units.
    pub(crate) amount: i64,
    /// For which job.
    pub(crate) job: Option<JobId>,
    /// For which assignment.
    pub(crate) assignment: Option<AssignmentId>,
}

/// What a party has, in one currency and in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Of what.
    pub(crate) currency: Currency,
    /// What it can put down or take out.
    pub(crate) available: i64,
    /// The price of its jobs that have not ended.
    pub(crate) in_escrow: i64,
    /// What it put down for assignments of its agents that have not ended.
    pub(crate) at_stake: i64,
}

/// Which part of a statement is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    /// The first second.
    pub(crate) from: UnixTime,
    /// The second after the last.
    pub(crate) to: UnixTime,
    /// The last entry that was seen: its time and number.
    pub(crate) after: Option<(UnixTime, i64)>,
    /// Most entries.
    pub(crate) limit: u32,
}

/// See the [module documentation](self).
pub(crate) trait BookStore: Send + Sync {
    /// Books a transfer that somebody asks for: a deposit, a withdrawal, or a payout of the treasury.
    fn book(&self, transfer: Transfer, by: By) -> Answer<'_, Booked>;

    /// What a party has, in each currency it ever had.
    fn holdings<'a>(&'a self, party: &'a PartyId) -> Answer<'a, Vec<Holding>>;

    /// What the treasury has, in each currency it ever had.
    fn treasury(&self) -> Answer<'_, Vec<(Currency, i64)>>;

    /// What happened to a party's available money, oldest first.
    fn statement<'a>(&'a self, party: &'a PartyId, period: Period) -> Answer<'a, Vec<Entry>>;

    /// What a party had available before a time, in each currency: the sum of the journal up to it. Costs as much as there
    /// are days, and entries of that day.
    fn opening_balances<'a>(
        &'a self,
        party: &'a PartyId,
        before: UnixTime,
    ) -> Answer<'a, Vec<(Currency, i64)>>;
}
