//! Outages: nobody is late because no verifier could be reached.
//!
//! Every verifier notes that it is there. One that starts after no verifier was there for a while records from when to
//! when, in the store, before it answers or lets time pass. So does one that runs and could not reach the store, or was
//! itself stopped or suspended: no agent could hand anything in meanwhile. One that is told to stop no longer notes it
//! from that moment on, however long it takes to finish what is under way (`presence`).
//!
//! When a job is loaded, it is excused by the outages that it does not know of ([`Job::excuse`](jobs::Job::excuse)). So
//! coming back is one small transaction however many jobs there are, and the outage ends for all of them when agents
//! can be heard again. Until the outage is recorded nothing is done to any job: an agent that was told that it is late
//! would forget what it has. Of several verifiers that come back at once one records the outage, and the others find
//! that somebody is there.
//!
//! Out of scope: a clock that was changed. If it is set forward, this looks like an outage, and everybody has more
//! time. If it is set back, or is ahead of the others' on one of several verifiers, outages are hidden for as long as
//! it was ahead.

use std::time::{Duration, Instant};

use evidence::UnixTime;

use super::rounds::HOLD_S;
use super::{Clerk, ClerkError};
use crate::store::clerk::{ClerkStore, Return};

/// Shorter than this is no outage, in seconds: agents ask again for longer.
const OUTAGE_S: i64 = 10;
/// The same on the clocks of this machine.
const OUTAGE: Duration = Duration::from_secs(OUTAGE_S.unsigned_abs());
/// How long writing down that an outage is over is expected to take at first.
const WRITING: Duration = Duration::from_secs(1);

impl Clerk {
    /// Goes on after a start: from here on agents must be heard.
    ///
    /// # Errors
    /// The store failed; nothing is lost, the next start does it again.
    pub(crate) async fn resume(&self) -> Result<(), ClerkError> {
        self.take_over(self.parts().clock.now()).await?;
        self.come_back().await
    }

    /// What a verifier had taken when it died, nobody gives back. Where others live, some of it is theirs and is done twice,
    /// which counts once.
    async fn take_over(&self, now: UnixTime) -> Result<(), ClerkError> {
        Ok(self.store().call_up(now, later(now, HOLD_S)).await?)
    }

    /// Tells this verifier that it is being stopped: nobody new can reach it from here on.
    pub(crate) fn leave(&self) {
        self.0.presence.leave();
        self.look_again();
    }

    /// Whether it was told so ([`leave`](Self::leave)).
    pub(super) fn is_leaving(&self) -> bool {
        self.0.presence.is_leaving()
    }

    /// Whether this verifier could not note for so long that it is there that nobody else may have been there either.
    pub(super) fn was_away(&self) -> bool {
        self.0.presence.is_older_than(OUTAGE)
    }

    /// Notes that this verifier is there; where it was away, from when to when. One that leaves is not there.
    pub(super) async fn note_alive(&self) -> Result<(), ClerkError> {
        if self.is_leaving() {
            return Ok(());
        }
        // A machine may be suspended between any two lines. What is noted is as early as what is written, or earlier, and
        // whether it was away is asked after both.
        let sign = self.0.presence.sign();
        let now = self.parts().clock.now();
        if self.was_away() {
            return self.come_back().await;
        }
        self.store().is_alive(now).await?;
        self.0.presence.noted(sign);
        Ok(())
    }

    /// Remembers the outage, if there was one. It ends once that is written, so its end is put so far ahead as writing
    /// is expected to take, and is put off where it took longer.
    async fn come_back(&self) -> Result<(), ClerkError> {
        let (mut writing, mut so_far) = (WRITING, None);
        loop {
            let (sign, begun) = (self.0.presence.sign(), Instant::now());
            let now = self.parts().clock.now();
            // A clock that tells whole seconds is up to one behind.
            let ahead_s = writing.as_secs().saturating_add(1);
            let back = Return {
                now,
                until: later(now, i64::try_from(ahead_s).unwrap_or(i64::MAX)),
                least_s: OUTAGE_S,
                so_far,
            };
            so_far = self.store().come_back(back).await?;
            let took = begun.elapsed();
            if let Some(outage) = so_far {
                let (from, until) = (outage.from, outage.until);
                tracing::info!(%from, %until, "no verifier was there; deadlines of jobs move by as much");
            }
            if so_far.is_none() || took < writing {
                self.0.presence.noted(sign);
                return Ok(());
            }
            writing = took.saturating_mul(2);
        }
    }
}

fn later(time: UnixTime, seconds: i64) -> UnixTime {
    UnixTime::from_secs(time.secs().saturating_add(seconds))
}

#[cfg(test)]
mod tests;
