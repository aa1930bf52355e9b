//! Places for the checks of results, apart from those for all other computation: an audit may take ten seconds of a
//! processor, and reading evidence takes milliseconds.
//!
//! In scope: how many run, how many wait, and what is answered when there is no room. Out of scope: what is checked
//! ([`work`](crate::work)).

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::metrics::PoolMeters;
use crate::problem::{Problem, ProblemCode};
use crate::turnstile::Party;
use crate::workers::Workers;

/// How many wait for each place, at most. Most checks take milliseconds, and a crowd of them finds room. The dearest audit
/// takes some ten seconds: where all are such, the last time out, and are told to come again as whoever finds no room is.
const WAITING_PER_PLACE: usize = 64;
/// Seconds after which the dearest audit has ended.
const BUSY_RETRY_S: u32 = 10;

/// A bounded number of places, and of those who wait for one.
#[derive(Clone, Debug)]
pub(crate) struct ResultChecks {
    workers: Workers,
    room: Arc<Semaphore>,
    meters: Arc<PoolMeters>,
}

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl ResultChecks {
    /// As many places as `places`, and room to wait for them.
    pub(crate) fn new(places: NonZeroUsize) -> Self {
        Self::with(places, PoolMeters::of("result_checks"))
    }

    /// Places for the openings of jobs, beside these: whoever fills these takes none of those.
    pub(crate) fn of_jobs(&self, places: NonZeroUsize) -> Self {
        Self::with(places, self.meters.beside("job_result_checks"))
    }

    fn with(places: NonZeroUsize, meters: Arc<PoolMeters>) -> Self {
        let room = places.get().saturating_mul(1 + WAITING_PER_PLACE);
        Self {
            workers: Workers::new(places),
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            meters,
        }
    }

    /// Waits for a place and computes, in turns with other parties. Who is admitted keeps the room until the
    /// computation ends, also if nobody waits for it any more.
    ///
    /// # Errors
    /// [`Busy`], at once, if as many wait as may.
    ///
    /// # Panics
    /// If `compute` does.
    pub(crate) async fn run<T, F>(&self, party: Party, compute: F) -> Result<T, Busy>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let admitted = Arc::clone(&self.room).try_acquire_owned();
        let admitted = admitted.map_err(|_| {
            self.meters.refuse();
            Busy
        })?;
        let computed = self.workers.run_for(party, move || {
            let _admitted = admitted;
            compute()
        });
        Ok(computed.await)
    }

    /// The places.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Who found none.
    pub(crate) fn meters(&self) -> &PoolMeters {
        &self.meters
    }
}

impl From<Busy> for Problem {
    fn from(Busy: Busy) -> Self {
        Self::new(ProblemCode::ResultChecksBusy).retry_after_s(BUSY_RETRY_S)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_finds_no_room_is_told_at_once_and_an_end_makes_room() {
        let checks = ResultChecks::new(NonZeroUsize::MIN);
        let (go, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let held = Arc::new(held);
        let admitted: Vec<_> = (0..=WAITING_PER_PLACE)
            .map(|_| {
                let (checks, held) = (checks.clone(), Arc::clone(&held));
                let wait = move || held.lock().unwrap().recv().unwrap();
                tokio::spawn(async move { checks.run(None, wait).await })
            })
            .collect();
        while checks.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(checks.run(None, || ()).await, Err(Busy));
        for _ in &admitted {
            go.send(()).unwrap();
        }
        for task in admitted {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(checks.run(None, || 7).await, Ok(7));
    }
}
