//! What the store remembers about webhooks and what they are to be told. A delivery is written in the transaction of
//! the event that it reports, so that none is lost and none is sent for nothing.
//!
//! Deliveries about one job are handed out to one webhook in the order of their numbers: the next only after the one
//! before it arrived or was given up.

use evidence::UnixTime;
use jobs::{EventKind, PartyId};

use super::jobs::{EventNumber, NumberedEvent};
use super::{Answer, Page};
use crate::audit::By;
use crate::id::Id;

/// Somebody who is told.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    /// Its name.
    pub(crate) id: Id,
    /// Whose.
    pub(crate) party: PartyId,
    /// Where.
    pub(crate) url: String,
    /// Of what; `None` for everything its party may read.
    pub(crate) kinds: Option<Vec<EventKind>>,
    /// Signs what is sent.
    pub(crate) secret: Vec<u8>,
    /// Signs too, before this time.
    pub(crate) former: Option<(Vec<u8>, UnixTime)>,
    /// Since when.
    pub(crate) created_at: UnixTime,
    /// Since when it is told nothing, because its receiver said that it is gone.
    pub(crate) disabled_at: Option<UnixTime>,
}

/// What became of a new webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedWebhook {
    /// It is told from now on.
    Stored,
    /// The party has as many as there may be.
    TooMany,
}

/// Number of a delivery.
pub(crate) type DeliveryNumber = i64;

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Its number, the same at each attempt.
    pub(crate) number: DeliveryNumber,
    /// To whom.
    pub(crate) webhook: Webhook,
    /// What.
    pub(crate) event: NumberedEvent,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Why the last attempt failed.
    pub(crate) failure: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It arrived.
    Delivered,
    /// It was not made, and is due then.
    Postponed {
        /// When.
        until: UnixTime,
    },
    /// It failed, and is made again.
    Retry {
        /// When.
        at: UnixTime,
        /// Why.
        failure: String,
    },
    /// It failed, and was the last.
    Dead {
        /// Why.
        failure: String,
    },
    /// The receiver wants nothing more, neither this nor anything else.
    Gone {
        /// Why.
        failure: String,
    },
}

/// See the [module documentation](self).
pub(crate) trait OutboxStore: Send + Sync {
    /// Adds a webhook; a party may have `most`.
    fn add_webhook(&self, webhook: Webhook, most: u32, by: By) -> Answer<'_, AddedWebhook>;

    /// The webhooks of a party, latest first, without those that were removed.
    fn webhooks<'a>(&'a self, party: &'a PartyId, page: Page) -> Answer<'a, Vec<Webhook>>;

    /// A webhook of a party that was not removed.
    fn webhook<'a>(&'a self, party: &'a PartyId, id: Id) -> Answer<'a, Option<Webhook>>;

    /// Removes a webhook of a party, and what was still to be sent to it; `false` if it has none of this name.
    fn remove_webhook<'a>(&'a self, party: &'a PartyId, id: Id, by: By) -> Answer<'a, bool>;

    /// Puts a secret in the place of a webhook's, which signs too until then; `false` if the party has none of this name.
    fn replace_secret<'a>(
        &'a self,
        party: &'a PartyId,
        id: Id,
        secret: Vec<u8>,
        former_until: UnixTime,
        by: By,
    ) -> Answer<'a, bool>;

    /// Takes deliveries that are due, longest due first: nobody else is handed them until `until`.
    fn due_deliveries(
        &self,
        now: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>>;

    /// Notes what came of an attempt.
    fn attempted(&self, number: DeliveryNumber, attempt: Attempt, now: UnixTime) -> Answer<'_, ()>;

    /// Deliveries to a webhook that were given up, latest first, before a number.
    fn dead_letters(
        &self,
        webhook: Id,
        before: Option<DeliveryNumber>,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>>;

    /// Has deliveries that were given up tried again, those of these events or all; says how many there were.
    fn redeliver<'a>(
        &'a self,
        party: &'a PartyId,
        webhook: Id,
        events: Option<Vec<EventNumber>>,
        by: By,
    ) -> Answer<'a, u64>;
}

/// Without the secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({} of {})", self.id, self.party)
    }
}
