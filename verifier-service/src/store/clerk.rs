//! What the store remembers for the clerk: who could be given work, receipts that wait for agreement, who is to be
//! woken, and when no verifier could be reached.

use std::collections::HashMap;

use evidence::UnixTime;
use evidence::work::Hex;
use jobs::{AgentId, AssignmentId, Currency, Outage, PartyId, Record, Size, Workload};

use super::Answer;

/// Most agents of one owner that are looked at for one job.
pub(crate) const MOST_OF_OWNER: u32 = 64;

/// The claims of an opening that held, before anybody knows whether others agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The claims, JSON.
    pub(crate) claims: String,
    /// SHA-256 of the opening they were found in.
    pub(crate) opening: Hex<32>,
}

/// An agent that could be given work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Available {
    /// Which.
    pub(crate) agent: AgentId,
    /// Whose.
    pub(crate) owner: PartyId,
    /// What it last said of itself, JSON.
    pub(crate) declared: Option<String>,
    /// Its good results with the workload asked about, of the size asked about and above.
    pub(crate) record: Record,
    /// How often its owner's agents left others waiting lately.
    pub(crate) missed: u32,
    /// Assignments it is at work on. They may be more by the time an offer is written.
    pub(crate) busy: u32,
    /// What its owner has available, in minor units of the currency asked about.
    pub(crate) funds: i64,
}

/// The agents of one owner that have the same devices and are at work on less than they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WithRoom {
    /// Which it is, where it is one alone; else `any`, the name of none.
    pub(crate) agent: AgentId,
    /// Whose.
    pub(crate) owner: PartyId,
    /// Their devices in short.
    pub(crate) shape: String,
    /// What one of them last said of itself, JSON.
    pub(crate) declared: Option<String>,
    /// Assignments that they take beside those they are at work on, all together.
    pub(crate) places: u32,
    /// What the owner has available, the minor units of all currencies added up: worth nothing but to be compared.
    pub(crate) funds: i64,
}

/// Who is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// What time it is.
    pub(crate) now: UnixTime,
    /// Heard of since then.
    pub(crate) since: UnixTime,
    /// For work of this kind.
    pub(crate) workload: Workload,
    /// Of this size; `None` where nobody can tell.
    pub(crate) size: Option<Size>,
    /// Staked in this currency.
    pub(crate) currency: Currency,
}

/// A verifier that comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Return {
    /// What time it is.
    pub(crate) now: UnixTime,
    /// From when on it can be reached.
    pub(crate) until: UnixTime,
    /// Where nobody was there for so many seconds, it was an outage.
    pub(crate) least_s: i64,
    /// The outage, where this verifier said before when it ends, and it lasts longer.
    pub(crate) so_far: Option<Outage>,
}

impl Return {
    /// The outage that ends with it, if a verifier was there at `last`.
    pub(crate) fn outage(&self, last: Option<UnixTime>) -> Option<Outage> {
        let is_outage =
            |from: &UnixTime| self.now.secs().saturating_sub(from.secs()) >= self.least_s;
        let from = self.so_far.map(|so_far| so_far.from);
        let from = from.or_else(|| last.filter(is_outage))?;
        let until = self.until;
        Some(Outage { from, until })
    }
}

/// See the [module documentation](self).
pub(crate) trait ClerkStore: Send + Sync {
    /// Agents that were heard of and have room, without those removed and those of owners that are barred. Of one owner some
    /// agents of each shape, drawn anew each time, and at most [`MOST_OF_OWNER`]: owners are what is chosen from, and none
    /// may crowd out another.
    fn available(&self, wanted: Wanted) -> Answer<'_, Vec<Available>>;

    /// Agents that were heard of since then and have room, without those removed and those of owners that are barred; of one
    /// owner at most [`MOST_OF_OWNER`] shapes, in the order of their names.
    fn with_room(&self, since: UnixTime) -> Answer<'_, Vec<WithRoom>>;

    /// What the owners of agents that were heard of since then have available, in minor units; those without anything may
    /// be missing.
    fn funds(&self, since: UnixTime, currency: Currency) -> Answer<'_, HashMap<PartyId, i64>>;

    /// The draft of an assignment.
    fn draft<'a>(&'a self, assignment: &'a AssignmentId) -> Answer<'a, Option<Draft>>;

    /// Agents that were removed and hold what they have not committed to, at most so many.
    fn removed_at_work(&self, limit: u32) -> Answer<'_, Vec<AgentId>>;

    /// A verifier comes back: if it was an outage, it is remembered, and excuses every job that is loaded from then on.
    fn come_back(&self, back: Return) -> Answer<'_, Option<Outage>>;

    /// A service is there.
    fn is_alive(&self, now: UnixTime) -> Answer<'_, ()>;

    /// Makes due now what is due by `until`.
    fn call_up(&self, now: UnixTime, until: UnixTime) -> Answer<'_, ()>;

    /// Forgets openings, answers and drafts of a few jobs that ended before, and offers that nobody took with their events; how
    /// many jobs have nothing left.
    fn forget_documents(&self, ended_before: UnixTime) -> Answer<'_, usize>;

    /// Forgets news that everybody has read.
    fn forget_news(&self) -> Answer<'_, ()>;
}
