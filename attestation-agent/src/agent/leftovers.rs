//! Bundles that earlier runs could not hand in.
//!
//! In scope: trying each of them again, at the verifier it was made for, whatever becomes of the
//! others. Out of scope: how an entry is kept ([`outbox`](crate::outbox)).

use std::path::PathBuf;

use evidence::work::Hex;

use super::{Agent, blocking, hand_in, is_final};
use crate::error::AgentError;
use crate::outbox::Entry;
use crate::progress::{Progress, Step};
use crate::verifier::{Verifier, VerifierError};

/// How the bundles of earlier runs fared.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Receipts that were obtained now, by bundle, and where they are stored.
    pub received: Vec<(Hex<32>, PathBuf)>,
    /// Bundles that were refused for good, and are forgotten.
    pub refused: Vec<(Hex<32>, VerifierError)>,
    /// Bundles whose challenge expired while the verifier could not verify; the error says where
    /// they lie now.
    pub expired: Vec<(Hex<32>, VerifierError)>,
    /// Files that wait on, and why.
    pub kept: Vec<(PathBuf, AgentError)>,
}

impl Agent {
    /// Hands in what earlier runs left in the outbox, each bundle at the verifier it was made for.
    ///
    /// With `patient`, each is retried as a fresh one would be; otherwise tried once.
    ///
    /// # Errors
    /// [`AgentError::Outbox`] if the outbox cannot be listed. How single bundles fared is in the
    /// result.
    pub async fn submit_leftovers(
        &self,
        patient: bool,
        progress: &dyn Progress,
    ) -> Result<Leftovers, AgentError> {
        let mut leftovers = Leftovers::default();
        for path in self.outbox.waiting()? {
            self.submit_leftover(path, patient, progress, &mut leftovers)
                .await;
        }
        Ok(leftovers)
    }

    async fn submit_leftover(
        &self,
        path: PathBuf,
        patient: bool,
        progress: &dyn Progress,
        leftovers: &mut Leftovers,
    ) {
        let (outbox, claimed) = (self.outbox.clone(), path.clone());
        let entry = match blocking(move || outbox.claim(&claimed)).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return,
            Err(error) => return keep(path, error.into(), progress, leftovers),
        };
        let digest = entry.bundle.digest();
        let outcome = match self.verifier_of(&entry, patient) {
            Ok(verifier) => hand_in(entry, &verifier, None, progress).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok((_, stored)) => leftovers.received.push((digest, stored)),
            Err(AgentError::Verifier(error)) if is_final(&error) => {
                progress.step(&Step::LeftoverRefused {
                    bundle: digest,
                    cause: &error.to_string(),
                });
                leftovers.refused.push((digest, error));
            }
            Err(AgentError::Verifier(error @ VerifierError::Expired { .. })) => {
                progress.step(&Step::LeftoverExpired {
                    bundle: digest,
                    cause: &error.to_string(),
                });
                leftovers.expired.push((digest, error));
            }
            Err(error) => keep(path, error, progress, leftovers),
        }
    }

    fn verifier_of(&self, entry: &Entry, patient: bool) -> Result<Verifier, AgentError> {
        let retry = match patient {
            true => self.settings.retry,
            false => self.settings.retry.once(),
        };
        Ok(Verifier::new(&entry.verifier, &self.settings.http, retry)?)
    }
}

fn keep(path: PathBuf, error: AgentError, progress: &dyn Progress, leftovers: &mut Leftovers) {
    progress.step(&Step::LeftoverKept {
        file: &path.file_name().unwrap_or_default().to_string_lossy(),
        cause: &error.to_string(),
    });
    leftovers.kept.push((path, error));
}
