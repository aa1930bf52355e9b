//! Activations of other verifiers on the same database.
//!
//! Each verifier reads the number of the last activation once a second, which is one entry of an index. Only if it
//! differs from the one that decides here, the text is read and compiled. So an activation decides everywhere within
//! [`PACE`] and the time of one look, as long as the store answers; while it does not, no receipt is issued either.
//!
//! If this verifier cannot use a text, since it is of an earlier version than the one that took the activation, it does
//! not end: what decided before goes on deciding, and the verifier says that it is not ready ([`Book::is_behind`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use super::book::standing;
use super::{Book, BookError, compile};
use crate::store::policies::StoredActivation;

/// How often the store is asked.
const PACE: Duration = Duration::from_secs(1);

impl Book {
    /// Heeds what others activate, for ever. Returns at once where the configuration alone says what decides.
    pub(crate) async fn follow(self) {
        if self.pinned {
            return;
        }
        let mut said = None;
        loop {
            sleep(PACE).await;
            let failure = self.catch_up().await.err().map(|error| error.to_string());
            if let Some(cause) = failure.as_ref().filter(|_| failure != said) {
                tracing::error!(%cause, "what was activated last does not decide here");
            }
            said = failure;
        }
    }

    /// Puts in force what was activated last, if that is something else than what decides here.
    ///
    /// # Errors
    /// The store gave no answer, or the version cannot be used here; then what decided before still does.
    pub(super) async fn catch_up(&self) -> Result<(), BookError> {
        let known = self.standing().activation.map_or(0, |last| last.number);
        if self.store.last_activation().await? <= known {
            self.is_behind.store(false, Ordering::Relaxed);
            return Ok(());
        }
        let Some(last) = self.store.active_policy().await? else {
            return Ok(());
        };
        let number = last.number;
        let heeded = self.heed(last).await;
        // Meanwhile a later one may have been put in force here.
        let decides = self.standing().activation.map_or(0, |last| last.number);
        self.is_behind
            .store(heeded.is_err() && decides < number, Ordering::Relaxed);
        heeded
    }

    async fn heed(&self, last: StoredActivation) -> Result<(), BookError> {
        let version = last.policy.version.clone();
        let (id, text) = (version.id.clone(), last.policy.text.clone());
        // Compiling takes milliseconds, which others on this thread would wait for.
        let compiled = tokio::task::spawn_blocking(move || compile(&id, text)).await;
        let loaded = compiled.map_err(|_| BookError::Interrupted)?;
        let loaded = loaded.map_err(|source| BookError::Active {
            id: version.id.clone(),
            version: version.version,
            source,
        })?;
        let replaced = self.standing().policy;
        let replaced = replaced.identity();
        self.in_force
            .replace(standing(&last, &Arc::new(loaded.policy)));
        tracing::info!(
            id = version.id, version = version.version, sha256 = %version.sha256,
            replaced_id = replaced.id, replaced_sha256 = %replaced.sha256,
            "policy activated by another verifier"
        );
        Ok(())
    }
}
