//! Who is told of events, and how: by POST requests in the form of Standard Webhooks.
//!
//! In scope:
//!
//! * what a party may register: addresses ([`Reach`]), secrets ([`SigningSecret`]), kinds of events;
//! * what is sent ([`Message`]), and its signature;
//! * the background sender ([`Sender`]), one in each verifier: takes what is due, posts it, records the outcome.
//!
//! # Promises
//!
//! * A message arrives at least once, or ends among the dead letters: deliveries are written with their events, and
//!   taken under a lease. If a receiver's answer is lost, the message is sent again, under the same id.
//! * Messages about one job come to one webhook in their order, each after the one before arrived or was given up. One
//!   that is redelivered from the dead letters may come later.
//! * Two senders on one database do not send the same message at the same time, unless one of them is away for longer
//!   than its lease.
//!
//! Out of scope: what happened (`jobs`), who may read it ([`told`](crate::store::jobs::told)).

mod courier;
mod message;
mod reach;
mod resolver;
mod schedule;
mod sender;
mod signature;
#[cfg(test)]
mod tests;
mod vault;

use std::sync::Arc;

use evidence::UnixTime;
use jobs::{EventKind, PartyId};

use crate::audit::By;
use crate::clock::Clock;
use crate::id::Id;
use crate::metrics::WebhookMeters;
use crate::store::outbox::{AddedWebhook, OutboxStore, Webhook};
use crate::store::{Page, StoreError};

pub(crate) use courier::Courier;
pub(crate) use message::{Message, MessageId};
pub(crate) use reach::{NotReached, Reach};
pub(crate) use sender::Sender;
pub(crate) use signature::SigningSecret;
pub(crate) use vault::{KEY_LEN, Vault};

/// Most webhooks of a party.
pub(crate) const MAX_WEBHOOKS: u32 = 16;
/// How long a secret that was replaced still signs, in seconds: a day.
pub(crate) const FORMER_SECRET_S: i64 = 24 * 3600;

/// The webhooks of all parties. Copies share everything.
#[derive(Clone)]
pub(crate) struct Webhooks {
    store: Arc<dyn OutboxStore>,
    clock: Arc<dyn Clock>,
    reach: Reach,
    vault: Arc<Vault>,
    meters: WebhookMeters,
}

/// Why nobody is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotRegistered {
    /// The address is none that may be told.
    #[error(transparent)]
    Url(#[from] NotReached),
    /// The party has as many as there may be.
    #[error("expected at most {MAX_WEBHOOKS} webhooks")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Webhooks {
    /// Webhooks of this store, within this reach, with their secrets in this vault.
    pub(crate) fn new(
        store: Arc<dyn OutboxStore>,
        clock: Arc<dyn Clock>,
        reach: Reach,
        vault: Arc<Vault>,
    ) -> Self {
        Self {
            store,
            clock,
            reach,
            vault,
            meters: WebhookMeters::default(),
        }
    }

    /// How telling goes.
    pub(crate) fn meters(&self) -> &WebhookMeters {
        &self.meters
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &Arc<dyn OutboxStore> {
        &self.store
    }

    /// Adds a webhook with a secret of its own.
    ///
    /// # Errors
    /// [`NotRegistered`].
    pub(crate) async fn register(
        &self,
        party: PartyId,
        url: &str,
        kinds: Option<Vec<EventKind>>,
        by: By,
    ) -> Result<(Webhook, SigningSecret), NotRegistered> {
        let url = self.reach.url(url)?;
        let (id, secret) = (Id::random(), SigningSecret::random());
        let webhook = Webhook {
            id,
            party,
            url: url.into(),
            kinds,
            secret: self.vault.seal(id, &secret),
            former: None,
            created_at: self.clock.now(),
            disabled_at: None,
        };
        match self
            .store
            .add_webhook(webhook.clone(), MAX_WEBHOOKS, by)
            .await?
        {
            AddedWebhook::Stored => Ok((webhook, secret)),
            AddedWebhook::TooMany => Err(NotRegistered::TooMany),
        }
    }

    /// A page of a party's webhooks.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn of(&self, party: &PartyId, page: Page) -> Result<Vec<Webhook>, StoreError> {
        self.store.webhooks(party, page).await
    }

    /// Gives a webhook another secret; the one before signs too for a day. `None` if the party has no such webhook.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn rotate(
        &self,
        party: &PartyId,
        id: Id,
        by: By,
    ) -> Result<Option<(SigningSecret, UnixTime)>, StoreError> {
        let secret = SigningSecret::random();
        let until = UnixTime::from_secs(self.clock.now().secs().saturating_add(FORMER_SECRET_S));
        let sealed = self.vault.seal(id, &secret);
        let replaced = self
            .store
            .replace_secret(party, id, sealed, until, by)
            .await?;
        Ok(replaced.then_some((secret, until)))
    }
}
