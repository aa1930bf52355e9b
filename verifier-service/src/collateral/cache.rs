//! Remembers what was fetched and what could not be fetched, each for its time: the rules of freshness, whatever it is
//! that is kept.
//!
//! ```text
//! fetched_at        refresh_at          fresh_until                 usable_until
//!     | fresh           | fresh, renewed    | renewed first; if that    | gone
//!     |                 | in background     | fails, used as stale      |
//! ```

use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use evidence::UnixTime;
use lru::LruCache;

use super::{Absence, later};
use crate::lock::lock;

/// How far the clock may be set back before what was fetched by it counts as from another time.
const MAX_CLOCK_STEP_S: i64 = 300;

/// How long after a failure a stale copy is used without waiting for the service once more.
const FAILED_LATELY_S: i64 = 600;

/// How long after it was fetched a value that is too old for a caller is not asked for again: it came as it is.
const FETCHED_LATELY_S: i64 = 10;

/// Usable as long as it is remembered.
pub(super) const FOREVER: UnixTime = UnixTime::from_secs(i64::MAX);

/// When something may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) fetched_at: UnixTime,
    /// What a caller's bound on age counts from: who handed it on may have had it for a while.
    pub(super) known_at: UnixTime,
    /// The last second it counts as fresh in.
    pub(super) fresh_until: UnixTime,
    /// The last second it may be used in at all.
    pub(super) usable_until: UnixTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Ageing,
    Stale,
    Gone,
}

impl Window {
    fn phase(&self, now: UnixTime) -> Phase {
        let from_the_future = later(now, MAX_CLOCK_STEP_S) < self.fetched_at;
        if from_the_future || now > self.usable_until {
            Phase::Gone
        } else if now > self.fresh_until {
            Phase::Stale
        } else if now >= self.refresh_at() {
            Phase::Ageing
        } else {
            Phase::Fresh
        }
    }

    /// Whether nobody need ask again so soon. Not of what is over for everybody.
    fn is_new(&self, now: UnixTime) -> bool {
        matches!(self.phase(now), Phase::Fresh | Phase::Ageing)
            && now < later(self.fetched_at, FETCHED_LATELY_S)
    }

    /// Half of the time it is fresh for.
    fn refresh_at(&self) -> UnixTime {
        let fresh_for = self
            .fresh_until
            .secs()
            .saturating_sub(self.fetched_at.secs());
        later(self.fetched_at, fresh_for / 2)
    }

    /// The same under a caller's own bound on age. What may be used forever may still be used, as stale.
    fn at_most(self, max_age_secs: Option<u64>) -> Self {
        let Some(max_age) = max_age_secs.and_then(|secs| i64::try_from(secs).ok()) else {
            return self;
        };
        let bound = later(self.known_at, max_age);
        Self {
            fresh_until: self.fresh_until.min(bound),
            usable_until: match self.usable_until {
                FOREVER => FOREVER,
                until => until.min(bound),
            },
            ..self
        }
    }
}

/// Something kept.
#[derive(Clone, Debug)]
pub(super) struct Kept<V> {
    pub(super) value: V,
    pub(super) window: Window,
}

/// A failure remembered.
#[derive(Clone, Debug)]
struct Failed {
    absence: Absence,
    at: UnixTime,
    /// Until then nobody asks again.
    until: UnixTime,
}

impl Failed {
    fn holds(&self, now: UnixTime) -> bool {
        later(now, MAX_CLOCK_STEP_S) >= self.at && now < self.until
    }

    fn is_recent(&self, now: UnixTime) -> bool {
        later(now, MAX_CLOCK_STEP_S) >= self.at && now < later(self.at, FAILED_LATELY_S)
    }
}

/// What there is under a key.
#[derive(Debug)]
pub(super) enum Seen<V> {
    /// To be used; renewed in the background if `refresh`.
    Usable {
        kept: Kept<V>,
        stale: bool,
        refresh: bool,
    },
    /// Not there, for this reason, which is not looked into again for now.
    Failed(Absence),
    /// To be fetched.
    Unknown,
}

/// What a cache holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptNow {
    /// Values in their time.
    pub(crate) fresh: usize,
    /// Values that may be used although their source was not reached since.
    pub(crate) stale: usize,
    /// Seconds since the oldest of all these was fetched.
    pub(crate) oldest_s: Option<i64>,
}

/// Values and failures, the least recently used of which give way. Failures have room of their own, so that asking for
/// what does not exist displaces nothing.
#[derive(Debug)]
pub(super) struct Cache<K: Hash + Eq, V> {
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K: Hash + Eq, V> {
    kept: LruCache<K, Kept<V>>,
    failed: LruCache<K, Failed>,
}

impl<K: Hash + Eq, V> State<K, V> {
    fn keep(&mut self, key: K, value: V, window: Window) {
        self.failed.pop(&key);
        self.kept.put(key, Kept { value, window });
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(super) fn new(values: NonZeroUsize, failures: NonZeroUsize) -> Self {
        Self {
            state: Mutex::new(State {
                kept: LruCache::new(values),
                failed: LruCache::new(failures),
            }),
        }
    }

    /// What there is under `key` for a caller who takes nothing older than `max_age_secs`.
    pub(super) fn look_up<Q>(&self, key: &Q, now: UnixTime, max_age_secs: Option<u64>) -> Seen<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut state = lock(&self.state);
        let State { kept, failed } = &mut *state;
        let failed = failed.get(key);
        let failing = failed.filter(|failed| failed.holds(now));
        let lately = failed.is_some_and(|failed| failed.is_recent(now));
        let usable = |kept: &Kept<V>, stale, refresh| Seen::Usable {
            kept: kept.clone(),
            stale,
            refresh,
        };
        if let Some(kept) = kept.get(key) {
            let is_new = kept.window.is_new(now);
            let refresh = failing.is_none() && !is_new;
            match kept.window.at_most(max_age_secs).phase(now) {
                Phase::Fresh => return usable(kept, false, false),
                Phase::Ageing => return usable(kept, false, refresh),
                Phase::Stale if failing.is_some() || lately || is_new => {
                    return usable(kept, true, refresh);
                }
                Phase::Stale => return Seen::Unknown,
                // Too old for this caller, who is told so: asked again at once, its source would say the same.
                Phase::Gone if is_new => return usable(kept, false, false),
                Phase::Gone => {}
            }
        }
        failing.map_or(Seen::Unknown, |failed| Seen::Failed(failed.absence.clone()))
    }

    /// The value under `key` if it is usable, also as stale: for those who have waited for a better one.
    pub(super) fn at_least<Q>(
        &self,
        key: &Q,
        now: UnixTime,
        max_age_secs: Option<u64>,
    ) -> Option<Kept<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut state = lock(&self.state);
        let kept = state.kept.get(key)?;
        let phase = kept.window.at_most(max_age_secs).phase(now);
        (phase != Phase::Gone).then(|| kept.clone())
    }

    /// The value under `key`, whatever its time, if it may be used forever.
    pub(super) fn lasting(&self, key: &K) -> Option<Kept<V>> {
        self.peek(key)
            .filter(|kept| kept.window.usable_until == FOREVER)
    }

    /// The value under `key`, whatever its time.
    pub(super) fn peek(&self, key: &K) -> Option<Kept<V>> {
        lock(&self.state).kept.peek(key).cloned()
    }

    /// Keeps a value, in the place of an earlier one and of a failure.
    pub(super) fn keep(&self, key: K, value: V, window: Window) {
        lock(&self.state).keep(key, value, window);
    }

    /// Keeps a value, unless the one that is there shall stay: then its window is returned, and nothing changes. Between the
    /// question and the answer nobody keeps another.
    pub(super) fn keep_unless(
        &self,
        key: K,
        value: V,
        window: Window,
        stays: impl FnOnce(&Window) -> bool,
    ) -> Result<(), Window> {
        let mut state = lock(&self.state);
        let known = state.kept.peek(&key).map(|known| known.window);
        if let Some(known) = known.filter(stays) {
            return Err(known);
        }
        state.keep(key, value, window);
        Ok(())
    }

    /// Remembers a failure for some seconds. A value stays.
    pub(super) fn fail(&self, key: K, absence: Absence, now: UnixTime, for_secs: u32) {
        let failed = Failed {
            absence,
            at: now,
            until: later(now, for_secs.into()),
        };
        lock(&self.state).failed.put(key, failed);
    }

    /// Drops a value.
    pub(super) fn withdraw(&self, key: &K) {
        lock(&self.state).kept.pop(key);
    }

    /// How much is kept that may be used, and for how long already.
    pub(super) fn kept(&self, now: UnixTime) -> KeptNow {
        let state = lock(&self.state);
        let mut kept = KeptNow::default();
        for (_, value) in &state.kept {
            match value.window.phase(now) {
                Phase::Gone => continue,
                Phase::Stale => kept.stale += 1,
                Phase::Fresh | Phase::Ageing => kept.fresh += 1,
            }
            let age_s = now.secs().saturating_sub(value.window.fetched_at.secs());
            kept.oldest_s = kept.oldest_s.max(Some(age_s.max(0)));
        }
        kept
    }

    /// The keys of all values that may be used.
    pub(super) fn usable_keys(&self, now: UnixTime) -> Vec<K> {
        let state = lock(&self.state);
        let usable = state.kept.iter();
        let usable = usable.filter(|(_, kept)| kept.window.phase(now) != Phase::Gone);
        usable.map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use evidence::{Code, Reason};

    use super::*;
    use crate::collateral::AbsenceKind;

    const FETCHED: i64 = 1_800_000_000;
    const WINDOW: Window = Window {
        fetched_at: at(0),
        known_at: at(0),
        fresh_until: at(100),
        usable_until: at(1000),
    };

    const fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(FETCHED + secs)
    }

    fn cache() -> Cache<String, u8> {
        let cache = Cache::new(NonZeroUsize::MIN, NonZeroUsize::MIN);
        cache.keep("key".to_owned(), 7, WINDOW);
        cache
    }

    fn absence() -> Absence {
        let reason = Reason::new(Code::RimNotAvailable, "gone fishing");
        let kind = AbsenceKind::Unreachable;
        Absence { kind, reason }
    }

    fn word(seen: &Seen<u8>) -> &'static str {
        match seen {
            Seen::Usable { stale, refresh, .. } => match (stale, refresh) {
                (false, false) => "fresh",
                (false, true) => "ageing",
                (true, false) => "stale",
                (true, true) => "stale, renewed",
            },
            Seen::Failed(_) => "failed",
            Seen::Unknown => "unknown",
        }
    }

    #[test]
    fn what_is_kept_is_counted_by_its_freshness() {
        let cache = cache();
        let table = [
            (0, (1, 0, Some(0))),
            (100, (1, 0, Some(100))),
            (101, (0, 1, Some(101))),
            (1001, (0, 0, None)),
        ];
        for (now, (fresh, stale, oldest_s)) in table {
            let expected = KeptNow {
                fresh,
                stale,
                oldest_s,
            };
            assert_eq!(cache.kept(at(now)), expected, "{now}");
        }
    }

    #[test]
    fn every_second_has_its_rule() {
        let cache = cache();
        let table = [
            (-301, "unknown"),
            (-300, "fresh"),
            (0, "fresh"),
            (49, "fresh"),
            (50, "ageing"),
            (100, "ageing"),
            (101, "unknown"),
            (1000, "unknown"),
            (1001, "unknown"),
        ];
        for (secs, expected) in table {
            let seen = cache.look_up("key", at(secs), None);
            assert_eq!(word(&seen), expected, "{secs}");
        }
    }

    #[test]
    fn a_failure_lets_stale_values_be_used_up_to_their_end() {
        let table = [
            // While a failure is remembered nobody asks.
            (60, 60, "fresh"),
            (150, 150, "stale"),
            (150, 159, "stale"),
            // A while after it the next one asks in the background, and long after it everybody waits.
            (150, 160, "stale, renewed"),
            (150, 749, "stale, renewed"),
            (150, 750, "unknown"),
            (995, 1000, "stale"),
            (995, 1001, "failed"),
            (995, 1005, "unknown"),
        ];
        for (failed_at, secs, expected) in table {
            let cache = cache();
            cache.fail("key".to_owned(), absence(), at(failed_at), 10);
            let seen = cache.look_up("key", at(secs), None);
            assert_eq!(word(&seen), expected, "{failed_at} {secs}");
        }
    }

    #[test]
    fn a_caller_s_bound_narrows_the_window_but_not_what_lasts() {
        let table = [
            (Some(40), WINDOW.usable_until, 19, false, "fresh"),
            (Some(40), WINDOW.usable_until, 20, false, "ageing"),
            (Some(40), WINDOW.usable_until, 41, false, "unknown"),
            (Some(40), WINDOW.usable_until, 41, true, "failed"),
            (Some(u64::MAX), WINDOW.usable_until, 41, true, "fresh"),
            (Some(40), FOREVER, 41, true, "stale"),
        ];
        for (max_age, usable_until, secs, failing, expected) in table {
            let cache = cache();
            let window = Window {
                usable_until,
                ..WINDOW
            };
            cache.keep("key".to_owned(), 7, window);
            if failing {
                cache.fail("key".to_owned(), absence(), at(secs), 10);
            }
            let seen = cache.look_up("key", at(secs), max_age);
            assert_eq!(word(&seen), expected, "{max_age:?} {secs}");
        }
    }

    #[test]
    fn a_caller_s_bound_counts_from_when_a_value_was_known() {
        // 30 seconds old when it came.
        let window = Window {
            known_at: at(-30),
            ..WINDOW
        };
        let table = [
            (None, WINDOW.usable_until, 49, "fresh"),
            (Some(40), WINDOW.usable_until, 4, "fresh"),
            (Some(40), WINDOW.usable_until, 10, "ageing"),
            (Some(40), WINDOW.usable_until, 11, "unknown"),
            // Too old as it came: nobody asks again for a moment, and then one does.
            (Some(20), WINDOW.usable_until, 0, "fresh"),
            (Some(20), WINDOW.usable_until, 9, "fresh"),
            (Some(20), WINDOW.usable_until, 10, "unknown"),
            (Some(20), FOREVER, 9, "stale"),
            (Some(20), FOREVER, 10, "unknown"),
        ];
        for (max_age, usable_until, secs, expected) in table {
            let cache = cache();
            let window = Window {
                usable_until,
                ..window
            };
            cache.keep("key".to_owned(), 7, window);
            let seen = cache.look_up("key", at(secs), max_age);
            assert_eq!(word(&seen), expected, "{max_age:?} {secs}");
        }
    }

    #[test]
    fn what_shall_stay_is_asked_about_while_nobody_keeps_another() {
        let cache = cache();
        let key = || "key".to_owned();
        let newer = Window {
            known_at: at(1),
            ..WINDOW
        };
        let keep = |value, window: Window| {
            cache.keep_unless(key(), value, window, |known| {
                assert!(cache.state.try_lock().is_err());
                known.known_at > window.known_at
            })
        };
        assert_eq!(keep(8, newer), Ok(()));
        assert_eq!(keep(9, WINDOW), Err(newer));
        assert_eq!(cache.peek(&key()).unwrap().value, 8);
        assert_eq!(keep(9, newer), Ok(()));
        assert_eq!(cache.peek(&key()).unwrap().value, 9);
    }

    #[test]
    fn who_waited_gets_what_is_usable() {
        let cache = cache();
        for (secs, usable) in [(0, true), (101, true), (1000, true), (1001, false)] {
            let kept = cache.at_least("key", at(secs), None);
            assert_eq!(kept.is_some(), usable, "{secs}");
        }
        assert!(cache.at_least("key", at(41), Some(40)).is_none());
        assert!(cache.at_least("other", at(0), None).is_none());
    }

    #[test]
    fn only_what_may_be_used_forever_lasts() {
        let cache = cache();
        assert!(cache.lasting(&"key".to_owned()).is_none());
        let usable_until = FOREVER;
        let window = Window {
            usable_until,
            ..WINDOW
        };
        cache.keep("key".to_owned(), 7, window);
        assert_eq!(cache.lasting(&"key".to_owned()).unwrap().value, 7);
    }

    #[test]
    fn what_is_withdrawn_is_gone_and_room_is_bounded() {
        let cache = cache();
        cache.fail("other".to_owned(), absence(), at(0), 10);
        assert_eq!(word(&cache.look_up("key", at(0), None)), "fresh");
        cache.withdraw(&"key".to_owned());
        assert_eq!(word(&cache.look_up("key", at(0), None)), "unknown");
        cache.keep("key".to_owned(), 7, WINDOW);
        cache.keep("third".to_owned(), 8, WINDOW);
        assert_eq!(cache.usable_keys(at(0)), ["third"]);
        assert_eq!(cache.usable_keys(at(1001)), [""; 0]);
        cache.fail("third".to_owned(), absence(), at(0), 10);
        assert_eq!(word(&cache.look_up("other", at(0), None)), "unknown");
        cache.keep("third".to_owned(), 8, WINDOW);
        cache.withdraw(&"third".to_owned());
        let seen = cache.look_up("third", at(0), None);
        assert_eq!(word(&seen), "unknown", "a value ends a failure");
    }
}
