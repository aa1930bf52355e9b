//! A store that is asked for a receipt a moment before a twin of the request writes it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use evidence::UnixTime;

use crate::id::Id;
use crate::store::{
    Added, Answer, Challenge, ChallengeBounds, Fate, NewReceipt, Spent, SqlStore, Standing, Store,
    StoredReceipt,
};

/// Answers the question for a receipt with "none" once after [`RacingStore::too_early`] was set, else as the store does.
pub(super) struct RacingStore {
    pub(super) store: SqlStore,
    pub(super) too_early: AtomicBool,
}

impl Store for RacingStore {
    fn receipt_of(&self, bundle_sha256: [u8; 32]) -> Answer<'_, Option<StoredReceipt>> {
        if self.too_early.swap(false, Ordering::SeqCst) {
            return Box::pin(async { Ok(None) });
        }
        self.store.receipt_of(bundle_sha256)
    }

    fn add_challenge(&self, challenge: Challenge, bounds: ChallengeBounds) -> Answer<'_, Added> {
        self.store.add_challenge(challenge, bounds)
    }

    fn challenge(&self, id: Id) -> Answer<'_, Option<(Challenge, Fate)>> {
        self.store.challenge(id)
    }

    fn standing(&self, value: [u8; 32]) -> Answer<'_, Standing> {
        self.store.standing(value)
    }

    fn receipt(&self, id: Id) -> Answer<'_, Option<StoredReceipt>> {
        self.store.receipt(id)
    }

    fn bundle_under<'a>(
        &'a self,
        agent_key: [u8; 32],
        key: &'a str,
    ) -> Answer<'a, Option<[u8; 32]>> {
        self.store.bundle_under(agent_key, key)
    }

    fn spend(&self, new: NewReceipt) -> Answer<'_, Spent> {
        self.store.spend(new)
    }

    fn refute(&self, challenge: [u8; 32]) -> Answer<'_, ()> {
        self.store.refute(challenge)
    }

    fn probe(&self, now: UnixTime) -> Answer<'_, ()> {
        self.store.probe(now)
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.store.close()
    }
}
