//! A bounded number of places, given in turns to those who wait: a party that has many waiting gets the next place no
//! sooner than a party that has one.
//!
//! In scope: whose turn it is. Out of scope: what is done in a place ([`workers`](crate::workers)).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use jobs::PartyId;
use tokio::sync::oneshot;

use crate::lock::lock;

/// On whose behalf; all who name nobody are one.
pub(crate) type Party = Option<PartyId>;

/// Copies share the places.
#[derive(Clone, Debug)]
pub(crate) struct Turnstile(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Nobody is in it without waiting, and nobody waits while a place is free.
    waiting: BTreeMap<Party, VecDeque<oneshot::Sender<Place>>>,
    /// Who was let in last.
    last: Party,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<Turnstile>);

impl Turnstile {
    /// With so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: places,
            waiting: BTreeMap::new(),
            last: None,
        })))
    }

    /// Waits for a place.
    ///
    /// Of all who wait, each is let in once before any is a second time; of one's own the first comes first.
    pub(crate) async fn enter(&self, party: Party) -> Place {
        let place = {
            let mut state = lock(&self.0);
            match state.free.checked_sub(1) {
                Some(left) => {
                    state.free = left;
                    state.last = party;
                    return self.place();
                }
                None => state.wait(party),
            }
        };
        place
            .await
            .expect("who waits is let in before the turnstile goes")
    }

    /// Places that nobody has.
    pub(crate) fn free(&self) -> usize {
        lock(&self.0).free
    }

    fn place(&self) -> Place {
        Place(Some(self.clone()))
    }

    /// Lets the next one in; those who went away meanwhile are passed over.
    fn leave(&self) {
        let mut state = lock(&self.0);
        while let Some(next) = state.next() {
            match next.send(self.place()) {
                Ok(()) => return,
                Err(mut unused) => unused.0 = None,
            }
        }
        state.free = state.free.saturating_add(1);
    }
}

impl State {
    fn wait(&mut self, party: Party) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.entry(party).or_default().push_back(sender);
        receiver
    }

    /// The first of whoever comes after the one that was let in last.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        let later = (Bound::Excluded(&self.last), Bound::Unbounded);
        let next = self.waiting.range(later).next();
        let (party, _) = next.or_else(|| self.waiting.first_key_value())?;
        let party = party.clone();
        let queue = self.waiting.get_mut(&party)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&party);
        }
        self.last = party;
        first
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(turnstile) = self.0.take() {
            turnstile.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Some(PartyId::parse(name).unwrap())
    }

    /// Waits for a place behind all who wait already.
    fn wait(turnstile: &Turnstile, name: &'static str) -> oneshot::Receiver<Place> {
        lock(&turnstile.0).wait(party(name))
    }

    #[tokio::test]
    async fn who_has_many_waiting_is_let_in_no_sooner_than_who_has_one() {
        let turnstile = Turnstile::new(1);
        let mut place = turnstile.enter(party("a")).await;
        assert_eq!(turnstile.free(), 0);
        let mut waiting = Vec::new();
        for name in ["a", "a", "a", "a", "b", "c", "b"] {
            waiting.push((name, wait(&turnstile, name)));
        }
        let mut order = String::new();
        while !waiting.is_empty() {
            drop(place);
            let entered = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(n, (_, place))| Some((n, place.try_recv().ok()?)));
            let (n, entered) = entered.unwrap();
            order.push_str(waiting.remove(n).0);
            place = entered;
        }
        // The first place went to `a` without waiting.
        assert_eq!(order, "bcabaaa");
        drop(place);
        assert_eq!(turnstile.free(), 1);
    }

    #[tokio::test]
    async fn who_goes_away_takes_no_place() {
        let turnstile = Turnstile::new(1);
        let place = turnstile.enter(None).await;
        drop(wait(&turnstile, "a"));
        let left_unread = wait(&turnstile, "b");
        let mut waits = wait(&turnstile, "c");
        drop(place);
        // It was let in and went away before it knew.
        drop(left_unread);
        let place = waits.try_recv().unwrap();
        assert_eq!(turnstile.free(), 0);
        drop(place);
        assert_eq!(turnstile.free(), 1);
    }
}
