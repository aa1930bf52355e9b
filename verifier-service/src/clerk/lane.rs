//! Places for jobs that are due, in turns by tenant.
//!
//! There are two lanes, so that disputes, payments and deadlines of other jobs do not wait for openings to be judged:
//! one for jobs with openings to be judged, each of which may take long, and one for all others. In each, **a tenant
//! takes no more places than it leaves free**: one tenant alone gets half of them, two get a third each, and so on, and
//! whoever comes next finds one free however many jobs of others wait. Of the tenants that may take a place, it goes to
//! the one that was given a place longest ago.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use evidence::UnixTime;
use jobs::PartyId;
use tokio::task::JoinSet;

use super::Clerk;
use super::rounds::HOLD_S;
use super::turns::Turns;
use crate::lock::lock;
use crate::store::StoreError;
use crate::store::jobs::{Due, JobStore, Queue, Share, TakeDue};

/// Most jobs attended to at one time in each lane.
const PLACES: usize = 32;
/// How often jobs are taken in one go, at most: there is more to be done than this.
const MOST_TAKES: u32 = 4;

/// Jobs under way.
pub(super) struct Lane {
    queue: Queue,
    held: Held,
    turns: Turns,
    /// Whether more would be taken if a place were free.
    is_short: Arc<AtomicBool>,
    under_way: JoinSet<()>,
}

/// How many places each tenant has.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<HashMap<PartyId, usize>>>);

/// A tenant's place, until it is dropped.
struct Place {
    held: Held,
    tenant: PartyId,
}

impl Lane {
    pub(super) fn of(queue: Queue) -> Self {
        Self {
            queue,
            held: Held::default(),
            turns: Turns::default(),
            is_short: Arc::default(),
            under_way: JoinSet::new(),
        }
    }

    /// Has as many jobs attended to as are due and find a place.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn fill(&mut self, clerk: &Clerk) -> Result<(), StoreError> {
        while self.under_way.try_join_next().is_some() {}
        // What tenants have no jobs for is given to others.
        for _ in 0..MOST_TAKES {
            if self.take(clerk).await? == 0 {
                return Ok(());
            }
        }
        self.is_short.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Waits until nothing is under way.
    pub(super) async fn end(mut self) {
        while self.under_way.join_next().await.is_some() {}
    }

    async fn take(&mut self, clerk: &Clerk) -> Result<usize, StoreError> {
        let now = clerk.parts().clock.now();
        let tenants = clerk.store().tenants_due(self.queue, now).await?;
        let tenants = self.turns.next(tenants, PLACES);
        let shares = shares(&tenants, &self.held.by_tenant(), PLACES);
        if shares.is_empty() {
            self.is_short.store(!tenants.is_empty(), Ordering::SeqCst);
            return Ok(0);
        }
        let until = UnixTime::from_secs(now.secs().saturating_add(HOLD_S));
        let take = TakeDue {
            queue: self.queue,
            now,
            until,
            shares,
        };
        let taken = clerk.store().due(take).await?;
        let count = taken.len();
        for due in taken {
            self.attend(clerk, due);
        }
        Ok(count)
    }

    fn attend(&mut self, clerk: &Clerk, due: Due) {
        let Due { job, tenant } = due;
        self.turns.was_looked_at(tenant.clone(), true);
        let place = self.held.take(tenant);
        let clerk = clerk.clone();
        let is_short = Arc::clone(&self.is_short);
        self.under_way.spawn(async move {
            clerk.clone().attend(job).await;
            drop(place);
            if is_short.swap(false, Ordering::SeqCst) {
                clerk.look_again();
            }
        });
    }
}

impl Held {
    fn take(&self, tenant: PartyId) -> Place {
        let mut held = lock(&self.0);
        let places = held.entry(tenant.clone()).or_default();
        *places = places.saturating_add(1);
        Place {
            held: self.clone(),
            tenant,
        }
    }

    fn by_tenant(&self) -> HashMap<PartyId, usize> {
        lock(&self.0).clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = lock(&self.held.0);
        if let Some(places) = held.get_mut(&self.tenant) {
            *places = places.saturating_sub(1);
            if *places == 0 {
                held.remove(&self.tenant);
            }
        }
    }
}

/// How many places each of these tenants may take, in this order, beside those that are held.
fn shares(tenants: &[PartyId], held: &HashMap<PartyId, usize>, places: usize) -> Vec<Share> {
    let mut left = places.saturating_sub(held.values().sum());
    let mut shares: Vec<_> = tenants
        .iter()
        .map(|tenant| (tenant, held.get(tenant).copied().unwrap_or_default(), 0_u32))
        .collect();
    loop {
        let before = left;
        for (_, has, more) in &mut shares {
            if *has < left {
                (*has, *more, left) = (*has + 1, *more + 1, left - 1);
            }
        }
        if left == before {
            break;
        }
    }
    let shares = shares.into_iter().filter(|(_, _, more)| *more > 0);
    shares
        .map(|(tenant, _, most)| Share {
            tenant: tenant.clone(),
            most,
        })
        .collect()
}

#[cfg(test)]
mod tests;
