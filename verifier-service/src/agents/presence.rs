//! When a heartbeat of an agent is written to the store.
//!
//! The store knows to the minute when an agent was heard of, so every verifier on it does, and a heartbeat that says
//! nothing new costs no write within that minute. Each verifier counts by itself: with N of them an agent costs at most
//! N writes a minute.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use evidence::UnixTime;
use lru::LruCache;

use crate::id::Id;
use crate::lock::lock;

/// How often an agent shall be heard of, in seconds.
pub(crate) const HEARTBEAT_EVERY_S: u32 = 30;
/// How long after it was written that an agent was heard of it counts as present, in seconds: a minute until it is written
/// anew, and two heartbeats that may get lost.
pub(crate) const PRESENT_FOR_S: i64 = WRITE_EVERY_S + 2 * 30;
/// Seconds between two writes that say the same.
const WRITE_EVERY_S: i64 = 60;
/// Agents remembered, about 120 bytes each. One forgotten costs a write.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// What was written last of each agent.
#[derive(Debug)]
pub(super) struct Presence(Mutex<LruCache<Id, Written>>);

#[derive(Debug)]
struct Written {
    at: UnixTime,
    declared_sha256: [u8; 32],
}

impl Presence {
    /// Whether the store knows it well enough.
    pub(super) fn is_known(&self, agent: Id, declared_sha256: &[u8; 32], now: UnixTime) -> bool {
        lock(&self.0).get(&agent).is_some_and(|written| {
            let age = now.secs().saturating_sub(written.at.secs());
            written.declared_sha256 == *declared_sha256 && (0..WRITE_EVERY_S).contains(&age)
        })
    }

    /// The store knows it now; says whether it is news, as far as is known here: the agent was not there, or said something
    /// else.
    pub(super) fn is_written(&self, agent: Id, declared_sha256: [u8; 32], at: UnixTime) -> bool {
        let written = Written {
            at,
            declared_sha256,
        };
        let before = lock(&self.0).put(agent, written);
        before.is_none_or(|before| {
            let age = at.secs().saturating_sub(before.at.secs());
            before.declared_sha256 != declared_sha256 || age > PRESENT_FOR_S
        })
    }
}

impl Default for Presence {
    fn default() -> Self {
        // Grows as agents come.
        let mut known = LruCache::unbounded();
        known.resize(REMEMBERED);
        Self(Mutex::new(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_or_news() {
        let presence = Presence::default();
        let (agent, at) = (Id::random(), UnixTime::from_secs);
        assert!(!presence.is_known(agent, &[1; 32], at(100)));
        assert!(presence.is_written(agent, [1; 32], at(0)), "it is new");
        let written = [
            ([2; 32], 60, true),
            ([2; 32], 180, false),
            ([2; 32], 301, true),
            ([1; 32], 100, true),
        ];
        for (declared, now, is_news) in written {
            assert_eq!(
                presence.is_written(agent, declared, at(now)),
                is_news,
                "{now}"
            );
        }
        let table = [
            (agent, [1; 32], 100, true),
            (agent, [1; 32], 159, true),
            (agent, [1; 32], 160, false),
            (agent, [1; 32], 99, false),
            (agent, [2; 32], 101, false),
            (Id::random(), [1; 32], 101, false),
        ];
        for (agent, declared, now, known) in table {
            assert_eq!(presence.is_known(agent, &declared, at(now)), known, "{now}");
        }
    }
}
