//! What the store remembers about webhooks and what they are to be told. A delivery is written in the transaction of the
//! event it tells of, so that none is lost and none is made up.

use evidence::UnixTime;
use jobs::PartyId;

use super::jobs::NumberedEvent;
use super::{Answer, Page};
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
    /// Signs what is sent.
    pub(crate) secret: Vec<u8>,
    /// Since when.
    pub(crate) created_at: UnixTime,
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
#[derive(Clone, Debug)]
pub(crate) enum Attempt {
    /// It arrived.
    Delivered,
    /// It did not, and is tried again.
    Retry {
        /// When.
        at: UnixTime,
        /// Why.
        failure: String,
    },
    /// It did not, and is given up.
    Dead {
        /// Why.
        failure: String,
    },
}

/// See the [module documentation](self).
pub(crate) trait OutboxStore: Send + Sync {
    /// Adds a webhook.
    fn add_webhook(&self, webhook: Webhook) -> Answer<'_, ()>;

    /// The webhooks of a party, latest first, without those that were removed.
    fn webhooks<'a>(&'a self, party: &'a PartyId, page: Page) -> Answer<'a, Vec<Webhook>>;

    /// Removes a webhook of a party, and what was still to be sent to it; `false` if it has none of this name.
    fn remove_webhook<'a>(&'a self, party: &'a PartyId, id: Id, now: UnixTime) -> Answer<'a, bool>;

    /// Takes deliveries that are due, longest due first: nobody else is handed them until `until`.
    fn due_deliveries(
        &self,
        now: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>>;

    /// Notes what came of an attempt.
    fn attempted(&self, number: DeliveryNumber, attempt: Attempt) -> Answer<'_, ()>;

    /// Deliveries to a webhook that were given up, latest first, before a number.
    fn dead_letters(
        &self,
        webhook: Id,
        before: Option<DeliveryNumber>,
        limit: u32,
    ) -> Answer<'_, Vec<Delivery>>;

    /// Has a delivery that was given up tried again; `false` if the webhook has none of this number.
    fn redeliver(&self, webhook: Id, number: DeliveryNumber, now: UnixTime) -> Answer<'_, bool>;
}

/// Without the secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({} of {})", self.id, self.party)
    }
}
