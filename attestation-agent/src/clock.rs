//! Time, as the agent asserts it.
//!
//! In scope: the two clocks that a run needs, behind a trait, so that tests can set them.
//!
//! Out of scope: whether they are right. The host controls both clocks, and a statement says only
//! what they showed; the verifier measures the time between challenge and bundle itself.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a run reads its times.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn unix_ms(&self) -> u64;

    /// Time since some fixed moment; never runs backwards.
    fn elapsed(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    /// 0 on a machine whose clock stands before 1970: such a time is asserted, not trusted.
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| whole(since.as_millis()))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    whole(duration.as_micros())
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
