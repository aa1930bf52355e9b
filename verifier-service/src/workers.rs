//! Computation, off the async threads and no more of it at a time than there are processors.

use std::num::NonZeroUsize;
use std::panic;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// A bounded number of places to compute in.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    places: Arc<Semaphore>,
}

impl Workers {
    /// As many places as `places`.
    pub(crate) fn new(places: NonZeroUsize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.get())),
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
        let places = Arc::clone(&self.places);
        let place = places
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
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
    use std::sync::atomic::{AtomicUsize, Ordering};
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
        assert_eq!(workers.places.available_permits(), 0);
        workers.run(|| ()).await;
    }
}
