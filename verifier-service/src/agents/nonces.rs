//! Requests are taken once: which nonces each agent used while its signatures still count.
//!
//! Nonces are kept in this process. Behind several verifiers a repeated request may reach another one, which answers it
//! as a retry; every request of an agent may be one.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use evidence::UnixTime;
use evidence::limits::MAX_SIGNATURE_AGE_S;
use lru::LruCache;

use crate::id::Id;
use crate::lock::lock;

/// How long a signature counts, in seconds.
const WINDOW_S: i64 = MAX_SIGNATURE_AGE_S.cast_signed();
/// Most requests of one agent that are remembered: 8 in each second.
const MAX_OF_AGENT: usize = 1024;
/// Agents remembered.
const MAX_AGENTS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// See the [module documentation](self).
#[derive(Debug)]
pub(crate) struct Nonces(Mutex<LruCache<Id, Used>>);

/// Nonces, and the times of their signatures.
#[derive(Debug, Default)]
struct Used(HashMap<[u8; 16], i64>);

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It comes for the first time, and is remembered.
    Never,
    /// It came before.
    Before,
    /// Nothing: the agent sends more than is remembered.
    TooMany,
}

impl Nonces {
    /// Remembers a request whose signature is good.
    pub(crate) fn see(&self, agent: Id, nonce: [u8; 16], created: UnixTime, now: UnixTime) -> Seen {
        let mut agents = lock(&self.0);
        let used = agents.get_or_insert_mut(agent, Used::default);
        used.see(nonce, created.secs(), now.secs())
    }
}

impl Used {
    fn see(&mut self, nonce: [u8; 16], created: i64, now: i64) -> Seen {
        if self.0.contains_key(&nonce) {
            return Seen::Before;
        }
        if self.0.len() >= MAX_OF_AGENT {
            self.0
                .retain(|_, created| now.saturating_sub(*created) <= WINDOW_S);
            self.0.shrink_to(MAX_OF_AGENT);
        }
        if self.0.len() >= MAX_OF_AGENT {
            return Seen::TooMany;
        }
        self.0.insert(nonce, created);
        Seen::Never
    }
}

impl Default for Nonces {
    fn default() -> Self {
        // Grows as agents come.
        let mut agents = LruCache::unbounded();
        agents.resize(MAX_AGENTS);
        Self(Mutex::new(agents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_for_each_agent() {
        let (nonces, at) = (Nonces::default(), UnixTime::from_secs);
        let (one, two) = (Id::random(), Id::random());
        assert_eq!(nonces.see(one, [1; 16], at(100), at(100)), Seen::Never);
        assert_eq!(nonces.see(one, [1; 16], at(100), at(160)), Seen::Before);
        assert_eq!(nonces.see(one, [2; 16], at(100), at(160)), Seen::Never);
        assert_eq!(nonces.see(two, [1; 16], at(100), at(160)), Seen::Never);
    }

    #[test]
    fn an_agent_fills_its_own_room_and_gets_it_back() {
        let (nonces, at) = (Nonces::default(), UnixTime::from_secs);
        let (one, two) = (Id::random(), Id::random());
        for n in 0..MAX_OF_AGENT {
            let nonce = u128::try_from(n).unwrap().to_be_bytes();
            assert_eq!(nonces.see(one, nonce, at(100), at(100)), Seen::Never);
        }
        assert_eq!(nonces.see(one, [0xff; 16], at(100), at(160)), Seen::TooMany);
        assert_eq!(nonces.see(two, [0xff; 16], at(100), at(160)), Seen::Never);
        assert_eq!(nonces.see(one, [0xff; 16], at(161), at(161)), Seen::Never);
    }
}
