//! The background task: takes what is due and has it attended to, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use daemon::notify::Pulse;
use jobs::JobId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::caught::caught;
use super::lane::Lane;
use super::search::Searching;
use super::{Clerk, ClerkError};
use crate::lock::lock;
use crate::store::clerk::ClerkStore;
use crate::store::jobs::Queue;

/// How often the store is asked what is due.
const PACE: Duration = Duration::from_millis(500);
/// For how long a job that was taken is nobody else's, in seconds; whoever took it has died if it is not done by then, or is
/// judging still, which is then done twice and counts once.
pub(super) const HOLD_S: i64 = 60;
/// How often the service says that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(3);
/// How often it looks for what removed agents left, and for what is to be forgotten.
const RELEASE_EVERY: Duration = Duration::from_secs(15);
/// How often old news are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// When what is done now and then is to be done next.
struct Chores {
    alive: Instant,
    release: Instant,
    forget: Instant,
    /// The search for what removed agents left and old jobs keep; one at a time, beside all else.
    releasing: JoinSet<()>,
}

/// Whether it is time; then the next time is set.
fn is_time(at: &mut Instant, every: Duration) -> bool {
    let now = Instant::now();
    let is_time = *at <= now;
    if is_time {
        *at = now + every;
    }
    is_time
}

impl Clerk {
    /// Attends to jobs until `stop` is ready or it [leaves](Self::leave), then finishes what is under way.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut lanes = [Queue::Others, Queue::Openings].map(Lane::of);
        // Beside all else, so that nothing that has a deadline waits for it, however many jobs lack agents.
        let mut searching = Searching::start(Self(Arc::clone(&self.0)));
        // The watchdog is kept from here: this loop is what brings jobs to their end.
        let pulse = Pulse::from_environment();
        let now = Instant::now();
        let mut chores = Chores {
            alive: now,
            release: now,
            forget: now + FORGET_EVERY,
            releasing: JoinSet::new(),
        };
        while !self.is_leaving() {
            pulse.beat();
            let round = async {
                self.keep_house(&mut chores).await;
                // Nobody is found late before an outage of the store is over.
                if !self.was_away() {
                    for lane in &mut lanes {
                        lane.fill(&self).await?;
                    }
                }
                Ok(())
            };
            match caught(round).await {
                Ok(()) => {}
                Err(ClerkError::Store(error)) => {
                    tracing::warn!(cause = %error, "the store does not say what is due");
                }
                Err(error) => {
                    self.meters().failed();
                    tracing::error!(cause = %error, "a round of jobs failed; the next one begins");
                }
            }
            if searching.is_over() {
                tracing::error!("the search for agents failed; it begins anew");
                searching = Searching::start(Self(Arc::clone(&self.0)));
            }
            tokio::select! {
                () = &mut stop => self.leave(),
                () = self.0.due.notified() => {}
                () = sleep(PACE) => {}
            }
        }
        searching.end().await;
        for lane in lanes {
            lane.end().await;
        }
    }

    /// Something is due at once.
    pub(super) fn is_due(&self, job: &JobId) {
        if let Some(attendance) = lock(&self.0.desk).get_mut(job) {
            attendance.again |= attendance.is_under_way;
        }
        self.look_again();
    }

    /// There may be something to be taken at once.
    pub(super) fn look_again(&self) {
        self.0.due.notify_one();
    }

    async fn keep_house(&self, chores: &mut Chores) {
        // One that wakes does not wait: until an outage is over nothing happens to any job.
        if (self.was_away() || is_time(&mut chores.alive, ALIVE_EVERY))
            && let Err(error) = self.note_alive().await
        {
            chores.alive = Instant::now();
            tracing::warn!(cause = %error, "the store does not take that this verifier is there");
        }
        while chores.releasing.try_join_next().is_some() {}
        if is_time(&mut chores.release, RELEASE_EVERY) && chores.releasing.is_empty() {
            let clerk = Self(Arc::clone(&self.0));
            chores.releasing.spawn(async move {
                clerk.release_left().await;
                clerk.forget_old().await
            });
        }
        if is_time(&mut chores.forget, FORGET_EVERY)
            && let Err(error) = self.store().forget_news().await
        {
            tracing::warn!(cause = %error, "old news are not forgotten");
        }
    }
}
