//! Effects: what an action leaves beside the changed job, to be written in the same transaction.

use evidence::work::{Base64Url, Hex};

use crate::books::Transfer;
use crate::event::Event;
use crate::id::{AgentId, AssignmentId, PartyId};
use crate::patience::Miss;
use crate::record::RecordChange;

/// What an action leaves to be written together with the job. Nothing, where it was answered before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "effects are written together with the job, or the books do not balance"]
pub struct Effects {
    /// Money that moves.
    pub transfers: Vec<Transfer>,
    /// Lines of the history.
    pub events: Vec<Event>,
    /// Records that change.
    pub records: Vec<RecordChange>,
    /// Owners whose agents left others waiting.
    pub missed: Vec<Miss>,
    /// Challenges that were answered and must never be answered again.
    pub spent: Vec<Base64Url<32>>,
    /// Assignments whose results are accepted: receipts are issued for them.
    pub receipts: Vec<AssignmentId>,
    /// Assignments refused after they had been accepted: their receipts no longer hold.
    pub revoked: Vec<AssignmentId>,
    /// Devices, and the providers that showed them, which nobody is to be known by: two showed one device that was nobody's
    /// before, and from their evidence nobody can tell whose it is.
    pub disowned: Vec<(PartyId, Hex<32>)>,
    /// Agents for whom there is something to fetch.
    pub wake: Vec<AgentId>,
}

impl Effects {
    /// Whether there is nothing to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
