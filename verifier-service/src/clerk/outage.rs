//! Outages: nobody is late because no verifier could be reached.
//!
//! Every verifier notes that it is there. One that starts after nobody was for a while moves the deadlines of all jobs by as
//! much, before it answers or lets time pass. So does one that runs and could not reach the store: no agent could hand
//! anything in meanwhile. Several that start at once do so once: the rules remember up to when an
//! outage is excused.

use std::time::Duration;

use evidence::UnixTime;
use jobs::Action;

use super::act::Deed;
use super::rounds::HOLD_S;
use super::{Clerk, ClerkError};
use crate::store::clerk::ClerkStore;

/// Shorter than this is no outage, in seconds: agents ask again for longer.
const OUTAGE_S: i64 = 10;
/// The same on a clock that nobody sets.
pub(super) const OUTAGE: Duration = Duration::from_secs(OUTAGE_S.unsigned_abs());
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
        self.is_alive().await
    }

    /// What a verifier had taken when it died, nobody gives back. Where others live, some of it is theirs and is done twice,
    /// which counts once.
    async fn take_over(&self, now: UnixTime) -> Result<(), ClerkError> {
        let until = UnixTime::from_secs(now.secs().saturating_add(HOLD_S));
        Ok(self.store().call_up(now, until).await?)
    }

    /// Notes that this verifier is there, `since` it last could. Where that is long, nobody else may have been there either.
    pub(super) async fn note_alive(&self, since: Duration) -> Result<(), ClerkError> {
        if since >= OUTAGE {
            self.excuse_gap().await?;
        }
        self.is_alive().await
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

    async fn is_alive(&self) -> Result<(), ClerkError> {
        let now = self.parts().clock.now();
        Ok(self.store().is_alive(now).await?)
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
