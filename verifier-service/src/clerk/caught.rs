//! Catches panics in what is done about one job.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::ClerkError;

/// A panic is a failure like any other: of what was being done, and of nothing else. Nothing half done is left behind
/// by it: what is in memory is behind locks that are whole between any two statements, and what is in the store is in a
/// transaction, which is dropped.
///
/// # Errors
/// [`ClerkError::Panicked`], and what the work comes to.
pub(super) async fn caught<T>(
    work: impl Future<Output = Result<T, ClerkError>>,
) -> Result<T, ClerkError> {
    let mut work = pin!(work);
    poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        // The panic hook has logged where.
        polled.unwrap_or(Poll::Ready(Err(ClerkError::Panicked)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_and_all_else_is_what_it_is() {
        assert!(matches!(caught(async { Ok(1) }).await, Ok(1)));
        let refused = caught(async { Err::<(), _>(ClerkError::Unknown) }).await;
        assert!(matches!(refused, Err(ClerkError::Unknown)));
        let later = async {
            tokio::task::yield_now().await;
            panic!("made to order")
        };
        assert!(matches!(
            caught::<()>(later).await,
            Err(ClerkError::Panicked)
        ));
    }
}
