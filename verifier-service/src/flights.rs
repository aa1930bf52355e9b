//! One request for each thing, however many wait for it.
//!
//! A flight is a task of its own: it goes on when nobody waits any more, and it ends for everybody at once, also if it
//! panics. Everybody gets a copy of its result, if it has one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::lock::lock;

/// Most things in the air at one time, those that wait for their turn included. Beyond it nobody is let wait: memory
/// is bounded, and what is asked for by so many strangers at once is asked for again.
pub(crate) const MAX_FLIGHTS: usize = 1024;

/// What is being fetched or made. Copies share it.
#[derive(Clone, Debug)]
pub(crate) struct Flights<K: Hash + Eq + Clone, V = ()> {
    in_the_air: InTheAir<K, V>,
}

/// A way to wait, and the duty to fly for whoever comes first.
type Seat<K, V> = (Wait<V>, Option<Landing<K, V>>);

type InTheAir<K, V> = Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>;

/// The end of a flight, when it is dropped.
#[derive(Debug)]
pub(crate) struct Landing<K: Hash + Eq + Clone, V = ()> {
    in_the_air: InTheAir<K, V>,
    key: K,
    /// Whoever waits sees that it is gone.
    sender: watch::Sender<Option<V>>,
}

/// A way to wait for the end of a flight.
#[derive(Debug)]
pub(crate) struct Wait<V = ()>(watch::Receiver<Option<V>>);

impl<K: Hash + Eq + Clone, V: Clone> Flights<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            in_the_air: Arc::default(),
        }
    }

    /// Joins the flight for `key`. Who gets a [`Landing`] as well has to fly. `None` if too many fly.
    pub(crate) fn join(&self, key: &K) -> Option<Seat<K, V>> {
        let mut flights = lock(&self.in_the_air);
        if let Some(receiver) = flights.get(key) {
            return Some((Wait(receiver.clone()), None));
        }
        if flights.len() >= MAX_FLIGHTS {
            return None;
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.clone(), receiver.clone());
        let landing = Landing {
            in_the_air: Arc::clone(&self.in_the_air),
            key: key.clone(),
            sender,
        };
        Some((Wait(receiver), Some(landing)))
    }
}

impl<V: Clone> Wait<V> {
    /// Waits for the end, and for what it brings: nothing where the flight failed or had nothing to bring.
    pub(crate) async fn end(mut self) -> Option<V> {
        // The sender goes, and that is the end.
        while self.0.changed().await.is_ok() {}
        self.0.borrow().clone()
    }
}

impl<K: Hash + Eq + Clone, V> Landing<K, V> {
    /// Ends the flight with something for everybody who waits.
    pub(crate) fn bring(self, value: V) {
        self.sender.send_replace(Some(value));
    }
}

impl<K: Hash + Eq + Clone, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.in_the_air).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_flies_and_all_land_together_also_after_a_panic() {
        let flights = Flights::<_>::new();
        let (first, landing) = flights.join(&1).unwrap();
        let (second, none) = flights.join(&1).unwrap();
        assert!(landing.is_some() && none.is_none());
        let (_, other) = flights.join(&2).unwrap();
        assert!(other.is_some(), "another thing is another flight");
        let task = tokio::spawn(async move {
            let _landing = landing;
            panic!("on the way");
        });
        task.await.unwrap_err();
        first.end().await;
        second.end().await;
        assert!(flights.join(&1).unwrap().1.is_some());
    }

    #[tokio::test]
    async fn what_a_flight_brings_everybody_gets() {
        let flights = Flights::<u8, &str>::new();
        let (first, landing) = flights.join(&1).unwrap();
        let (second, _) = flights.join(&1).unwrap();
        landing.unwrap().bring("a stone");
        assert_eq!(first.end().await, Some("a stone"));
        assert_eq!(second.end().await, Some("a stone"));
        let (next, landing) = flights.join(&1).unwrap();
        drop(landing.expect("a landed flight is over"));
        assert_eq!(next.end().await, None);
    }

    #[test]
    fn flights_are_bounded() {
        let flights = Flights::<_>::new();
        let landings: Vec<_> = (0..MAX_FLIGHTS)
            .map(|key| flights.join(&key).unwrap())
            .collect();
        assert!(flights.join(&MAX_FLIGHTS).is_none());
        assert!(flights.join(&0).is_some(), "joining one takes no room");
        drop(landings);
        assert!(flights.join(&MAX_FLIGHTS).is_some());
    }
}
