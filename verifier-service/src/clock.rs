//! The time. It is read here and nowhere else, so that tests can set it.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use evidence::UnixTime;

/// Something that knows what time it is.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now, to the second.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 is no clock: nothing is valid then, and that is the safe answer.
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        UnixTime::from_secs(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX))
    }
}

/// A clock that moves when it is told to: for tests and for appraisals as of another day.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.secs()))
    }

    /// Puts the clock to `now`.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.secs(), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told() {
        let clock = ManualClock::new(UnixTime::from_secs(100));
        clock.advance_s(5);
        assert_eq!(clock.now(), UnixTime::from_secs(105));
        clock.set(UnixTime::from_secs(7));
        assert_eq!(clock.now(), UnixTime::from_secs(7));
    }

    #[test]
    fn the_machine_is_past_2026() {
        assert!(SystemClock.now() > UnixTime::parse_rfc3339("2026-01-01T00:00:00Z").unwrap());
    }
}
