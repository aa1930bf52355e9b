//! Computation off the async threads, with no more running at a time than there are processors.

use std::num::NonZeroUsize;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::turnstile::{Party, Turnstile};

/// A bounded number of places to compute in.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    places: Turnstile,
    most: usize,
    waiting: Arc<AtomicUsize>,
}

/// How much a pool has to do at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Places there are.
    pub(crate) places: usize,
    /// Places taken.
    pub(crate) in_use: usize,
    /// Computations that wait for one.
    pub(crate) waiting: usize,
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// As many places as `places`.
    pub(crate) fn new(places: NonZeroUsize) -> Self {
        Self {
            places: Turnstile::new(places.get()),
            most: places.get(),
            waiting: Arc::default(),
        }
    }

    /// How much there is to do now.
    pub(crate) fn load(&self) -> Load {
        Load {
            places: self.most,
            in_use: self.most.saturating_sub(self.places.free()),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Waits for a place and computes.
    ///
    /// A place is held until the computation ends, also if nobody waits for it any more: a client that hangs up frees
    /// nothing.
    ///
    /// # Panics
    /// If `compute` does.
    pub(crate) async fn run<T, F>(&self, compute: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.run_for(None, compute).await
    }

    /// The same on behalf of a party: those who wait are served in turns.
    ///
    /// # Panics
    /// If `compute` does.
    pub(crate) async fn run_for<T, F>(&self, party: Party, compute: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let waiting = Waiting::begin(&self.waiting);
        let place = self.places.enter(party).await;
        drop(waiting);
        let span = tracing::Span::current();
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            span.in_scope(compute)
        });
        match task.await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(payload) => panic::resume_unwind(payload),
                Err(error) => panic!("the runtime is shutting down: {error}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_run_than_there_are_places() {
        let workers = Workers::new(NonZeroUsize::new(2).unwrap());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (workers, running, most) =
                    (workers.clone(), Arc::clone(&running), Arc::clone(&most));
                let compute = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(10));
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                tokio::spawn(async move { workers.run(compute).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_place_is_kept_while_the_computation_runs_unheard() {
        let workers = Workers::new(NonZeroUsize::MIN);
        let slow = workers.run(|| std::thread::sleep(Duration::from_millis(100)));
        tokio::time::timeout(Duration::from_millis(10), slow)
            .await
            .unwrap_err();
        let load = |in_use, waiting| Load {
            places: 1,
            in_use,
            waiting,
        };
        assert_eq!(workers.load(), load(1, 0));
        let next = workers.run(|| ());
        let mut next = std::pin::pin!(next);
        let soon = Duration::from_millis(1);
        tokio::time::timeout(soon, &mut next).await.unwrap_err();
        assert_eq!(workers.load(), load(1, 1));
        next.await;
        assert_eq!(workers.load().waiting, 0);
    }
}
