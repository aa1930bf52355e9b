//! Whether this verifier is there: whether agents can be heard here.
//!
//! It is there if it noted so in the store a moment ago. Two clocks measure that moment, and both have to find it
//! short. The monotonic clock stands still while the machine is suspended, so alone it would find everybody late on
//! waking; the wall clock goes on, or is corrected afterwards. A wall clock that is set forward looks like an absence,
//! which excuses more than needed and harms nobody.
//!
//! A verifier that was told to stop **leaves**. From then on nobody new can reach it, so it no longer notes that it is
//! there, and lets no time pass: whoever is late may be late because it could reach no other verifier. It still takes
//! what is under way, if the rules take it.
//!
//! Out of scope: what counts as an absence, and what follows from it (`outage`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evidence::UnixTime;

use crate::clock::Clock;
use crate::lock::lock;

/// See the [module documentation](self).
pub(super) struct Presence {
    /// The clock of the machine, whatever time jobs go by.
    wall: Arc<dyn Clock>,
    /// When the store last took that this verifier is there.
    noted: Mutex<Sign>,
    is_leaving: AtomicBool,
}

/// A moment, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Sign {
    steady: Instant,
    wall: UnixTime,
}

impl Presence {
    /// Of a verifier that is there now.
    pub(super) fn new(wall: Arc<dyn Clock>) -> Self {
        let noted = Mutex::new(Sign::at(&*wall));
        Self {
            wall,
            noted,
            is_leaving: AtomicBool::new(false),
        }
    }

    /// Now.
    pub(super) fn sign(&self) -> Sign {
        Sign::at(&*self.wall)
    }

    /// The store took that this verifier was there at this moment.
    pub(super) fn noted(&self, sign: Sign) {
        *lock(&self.noted) = sign;
    }

    /// Whether the store took that longer ago than this, by either clock.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        let noted = *lock(&self.noted);
        let wall = self.wall.now().secs().saturating_sub(noted.wall.secs());
        let wall = Duration::from_secs(u64::try_from(wall).unwrap_or_default());
        noted.steady.elapsed().max(wall) >= age
    }

    /// From now on this verifier is not there for anybody new, and will not be again.
    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::SeqCst);
    }

    /// Whether it was told to stop.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::SeqCst)
    }

    /// As if the store took it so much later, however slow the machine is.
    #[cfg(test)]
    pub(super) fn is_noted_for(&self, longer: Duration) {
        lock(&self.noted).steady += longer;
    }
}

impl Sign {
    fn at(wall: &dyn Clock) -> Self {
        Self {
            steady: Instant::now(),
            wall: wall.now(),
        }
    }
}
