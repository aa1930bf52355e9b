//! Outages: nobody is late because no verifier could be reached.
//!
//! Every verifier notes that it is there. One that starts after nobody was for a while moves the deadlines of all jobs by as
//! much, before it answers or lets time pass. So does one that runs and could not reach the store, or was itself stopped: no
//! agent could hand anything in meanwhile. Until the deadlines are moved nothing else happens to any job, by whomever: an
//! agent that was told that it is late would forget what it has. Several that start at once do so once: the rules remember
//! up to when an outage is excused.
//!
//! Out of scope: a clock that was set. Whether a verifier was away is measured by a clock that nobody sets.

use std::time::{Duration, Instant};

use evidence::UnixTime;
use jobs::Action;

use super::act::Deed;
use super::rounds::HOLD_S;
use super::{Clerk, ClerkError};
use crate::lock::lock;
use crate::store::clerk::ClerkStore;

/// Shorter than this is no outage, in seconds: agents ask again for longer.
const OUTAGE_S: i64 = 10;
/// The same on a clock that nobody sets.
const OUTAGE: Duration = Duration::from_secs(OUTAGE_S.unsigned_abs());
/// Jobs looked at in one go.
const PAGE: u32 = 256;

impl Clerk {
    /// Moves deadlines by the time nobody was there.
    ///
    /// # Errors
    /// The store failed; nothing is lost, the next start does it again.
    pub(crate) async fn resume(&self) -> Result<(), ClerkError> {
        self.excuse_gap().await?;
        self.take_over(self.parts().clock.now()).await?;
        self.note_there().await
    }

    /// What a verifier had taken when it died, nobody gives back. Where others live, some of it is theirs and is done twice,
    /// which counts once.
    async fn take_over(&self, now: UnixTime) -> Result<(), ClerkError> {
        let until = UnixTime::from_secs(now.secs().saturating_add(HOLD_S));
        Ok(self.store().call_up(now, until).await?)
    }

    /// Whether this verifier could not note for so long that it is there that nobody else may have been there either.
    pub(super) fn was_away(&self) -> bool {
        lock(&self.0.noted).elapsed() >= OUTAGE
    }

    /// Notes that this verifier is there; where it was away, deadlines are moved first.
    pub(super) async fn note_alive(&self) -> Result<(), ClerkError> {
        if self.was_away() {
            self.excuse_gap().await?;
        }
        self.note_there().await
    }

    async fn excuse_gap(&self) -> Result<(), ClerkError> {
        let now = self.parts().clock.now();
        let Some(from) = self.store().last_alive().await? else {
            return Ok(());
        };
        if now.secs().saturating_sub(from.secs()) >= OUTAGE_S {
            tracing::info!(%from, to = %now, "no verifier was there; deadlines of jobs are moved");
            self.excuse(from, now).await?;
        }
        Ok(())
    }

    async fn note_there(&self) -> Result<(), ClerkError> {
        let (now, begun) = (self.parts().clock.now(), Instant::now());
        self.store().is_alive(now).await?;
        *lock(&self.0.noted) = begun;
        Ok(())
    }

    async fn excuse(&self, from: UnixTime, to: UnixTime) -> Result<(), ClerkError> {
        let mut after = None;
        loop {
            let jobs = self.store().living_jobs(after, PAGE).await?;
            for job in &jobs {
                self.act(job, Deed::new(Action::Outage { from, to }))
                    .await?;
            }
            let Some(last) = jobs.into_iter().last() else {
                return Ok(());
            };
            after = Some(last);
        }
    }
}
