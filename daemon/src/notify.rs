//! What the service manager is told: ready, what goes on, alive, stopping (sd_notify(3)).
//!
//! Outside of systemd (no `NOTIFY_SOCKET`) nothing is told to anybody.
//!
//! [`Pulse`] keeps the watchdog (`WatchdogSec=`). It is a part of the loop that makes progress, not a thread beside it: a
//! loop that hangs sends no sign of life. Steps that run elsewhere and may hang, such as calls of a driver, are watched with
//! [`Pulse::watch`]: while one of them is overdue, no sign is sent either.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service does what it is for.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// One line for people, shown by `systemctl status`. No secrets.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// The service is ending.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Settings are being read again, by `systemctl reload`; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("cannot read the clock: {error}"),
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager was not told: {error}");
    }
}

/// Signs of life. Clones are one.
#[derive(Clone, Debug)]
pub struct Pulse {
    every: Option<Duration>,
    watched: Arc<Mutex<Watched>>,
}

/// Steps in progress, each with the time it should have ended at.
#[derive(Debug, Default)]
struct Watched {
    next: u64,
    due: BTreeMap<u64, Instant>,
    beaten: Option<Instant>,
}

/// A step that is watched until this is dropped.
#[derive(Debug)]
#[must_use = "the step is watched for as long as this lives"]
pub struct Step {
    number: u64,
    watched: Arc<Mutex<Watched>>,
}

impl Pulse {
    /// As the service manager asks for in the environment; without a watchdog there is none.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::every(sd_notify::watchdog_enabled().map(|timeout| timeout / 3))
    }

    /// With this pause between signs.
    #[must_use]
    pub fn every(pause: Option<Duration>) -> Self {
        Self {
            every: pause,
            watched: Arc::default(),
        }
    }

    /// How long to wait for the next sign; a day, where nobody waits for one.
    #[must_use]
    pub fn pause(&self) -> Duration {
        const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
        self.every.unwrap_or(A_DAY)
    }

    /// A step that should take no longer than this.
    pub fn watch(&self, at_most: Duration) -> Step {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let number = watched.next;
        watched.next = number.wrapping_add(1);
        if let Some(due) = Instant::now().checked_add(at_most) {
            watched.due.insert(number, due);
        }
        Step {
            number,
            watched: Arc::clone(&self.watched),
        }
    }

    /// Whether no step is overdue.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        watched.due.values().all(|due| *due > now)
    }

    /// Sends a sign of life, unless a step is overdue; none where the last was sent a moment ago.
    pub fn beat(&self) {
        let Some(every) = self.every else { return };
        if !self.is_due(every / 2) {
            return;
        }
        match self.is_well() {
            true => tell(&[NotifyState::Watchdog]),
            false => tracing::error!("a step is overdue: no sign of life is sent"),
        }
    }

    fn is_due(&self, after: Duration) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let due = watched.beaten.is_none_or(|at| at.elapsed() >= after);
        if due {
            watched.beaten = Some(Instant::now());
        }
        due
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.due.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_overdue_stops_the_pulse_until_it_ends() {
        let pulse = Pulse::every(Some(Duration::from_secs(1)));
        let in_time = pulse.watch(Duration::from_secs(3600));
        let of_a_clone = pulse.clone().watch(Duration::ZERO);
        assert!(!pulse.is_well());
        drop(of_a_clone);
        assert!(pulse.is_well());
        drop(in_time);
        assert!(pulse.watched.lock().unwrap().due.is_empty());
    }
}
