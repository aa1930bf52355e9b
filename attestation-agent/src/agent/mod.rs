//! The agent: the steps of a run, and the runs that a crash left unfinished.
//!
//! In scope: the order of the steps (DESIGN section 4), and what is on disk between them.
//!
//! ```text
//! prepare ─▶ open devices ─▶ challenge ─▶ execute ─▶ commit ─▶ attest ─▶ seal ─▶ outbox ─▶ submit ─▶ store
//! ```
//!
//! Steps that can fail because of this host come before the challenge, which is spent by one bundle and is valid for
//! minutes.
//!
//! Out of scope: each step's own work, and assignments of a verifier ([`serve`](mod@crate::serve)).

mod command;
mod leftovers;
mod work;

use std::panic;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use evidence::work::{Base64Url, Hex, JobSpec};

use crate::bind::SealedBundle;
use crate::clock::{Clock, SystemClock};
use crate::collect::DeviceSet;
use crate::config::{ConfigError, Settings};
use crate::device::{Description, SourceKind};
use crate::error::AgentError;
use crate::execute::{CudaSelection, Executor, open_executor};
use crate::job::{InputBytes, PreparedJob};
use crate::key::AgentKey;
use crate::outbox::{Entry, Outbox, OutboxError};
use crate::progress::{Progress, Step};
use crate::verifier::{Challenge, ChallengeRequest, Receipt, Verifier, VerifierError};

pub use command::{BoundCommand, FinishedCommand};
pub use leftovers::Leftovers;
pub use work::BoundWork;

/// An agent with its key and its outbox.
pub struct Agent {
    settings: Settings,
    key: Arc<AgentKey>,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    /// Opened when it is first needed: only some commands run anything.
    executor: OnceLock<Arc<dyn Executor>>,
    keep_outputs: bool,
}

/// Everything a run left.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The challenge that was answered.
    pub challenge: Challenge,
    /// Statement, bundle and outputs.
    pub work: BoundWork,
    /// The receipt.
    pub receipt: Receipt,
    /// Where the receipt is stored.
    pub receipt_path: PathBuf,
}

impl Agent {
    /// Opens the state folder, making it and the agent's key at first use.
    ///
    /// # Errors
    /// [`AgentError::Key`], [`AgentError::Outbox`].
    pub fn open(settings: Settings) -> Result<Self, AgentError> {
        let key = Arc::new(AgentKey::open(&settings.state_dir)?);
        let outbox = Outbox::open(&settings.state_dir)?;
        Ok(Self {
            settings,
            key,
            outbox,
            clock: Arc::new(SystemClock::new()),
            executor: OnceLock::new(),
            keep_outputs: true,
        })
    }

    /// Whether whoever runs jobs wants the bytes of their outputs; so it is unless told otherwise. If not, they stay on
    /// the device, and leave it only where a check of the job needs them.
    #[must_use]
    pub fn with_outputs_kept(mut self, keep: bool) -> Self {
        self.keep_outputs = keep;
        self
    }

    /// The public half of the agent's key.
    #[must_use]
    pub fn public_key(&self) -> Base64Url<32> {
        self.key.public()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn key(&self) -> Arc<AgentKey> {
        Arc::clone(&self.key)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The verifier of the settings.
    ///
    /// # Errors
    /// [`ConfigError::VerifierNotSet`], [`VerifierError::Url`].
    pub fn verifier(&self) -> Result<Verifier, AgentError> {
        let url = self.settings.verifier.as_deref();
        let url = url.ok_or(ConfigError::VerifierNotSet)?;
        Ok(Verifier::new(
            url,
            &self.settings.http,
            self.settings.retry,
        )?)
    }

    /// Opens the devices of the settings.
    ///
    /// # Errors
    /// [`AgentError::Device`], [`AgentError::Config`].
    pub async fn devices(&self, progress: &dyn Progress) -> Result<Arc<DeviceSet>, AgentError> {
        let selection = self.settings.selection()?;
        let devices = blocking(move || DeviceSet::open(&selection)).await?;
        let described = devices.describe();
        warn_about(&described);
        progress.step(&Step::DevicesOpened {
            devices: &described,
        });
        Ok(Arc::new(devices))
    }

    /// Brings a job's operands into memory, and asks the executor whether it can run it.
    ///
    /// # Errors
    /// [`AgentError::Job`], [`AgentError::Execute`].
    pub async fn prepare(
        &self,
        spec: JobSpec,
        inputs: InputBytes,
        progress: &dyn Progress,
    ) -> Result<Arc<PreparedJob>, AgentError> {
        let job = blocking(move || PreparedJob::new(spec, inputs)).await?;
        self.executor().await?.admit(&job.job)?;
        progress.step(&Step::Prepared { job: &job });
        Ok(Arc::new(job))
    }

    /// The executor of the settings, opened at first use.
    pub(crate) async fn executor(&self) -> Result<Arc<dyn Executor>, AgentError> {
        if let Some(executor) = self.executor.get() {
            return Ok(Arc::clone(executor));
        }
        let selection = self.settings.selection()?;
        let (kind, host) = (self.settings.executor, self.settings.host.clone());
        let cuda = CudaSelection::new(&self.settings.cuda, &selection);
        let opened = blocking(move || open_executor(kind, &cuda, &host)).await?;
        Ok(Arc::clone(self.executor.get_or_init(|| opened)))
    }

    /// Asks for a challenge for a job.
    ///
    /// # Errors
    /// [`AgentError::Verifier`].
    pub async fn challenge(
        &self,
        job: &PreparedJob,
        verifier: &Verifier,
        progress: &dyn Progress,
    ) -> Result<Challenge, AgentError> {
        self.challenge_for(job.digest, verifier, progress).await
    }

    /// Asks for a challenge for the job of this digest.
    ///
    /// # Errors
    /// [`AgentError::Verifier`].
    pub async fn challenge_for(
        &self,
        job: Hex<32>,
        verifier: &Verifier,
        progress: &dyn Progress,
    ) -> Result<Challenge, AgentError> {
        let request = ChallengeRequest {
            job,
            agent_key: self.public_key(),
            audience: self.settings.audience.as_deref(),
        };
        let challenge = verifier.challenge(&request, progress).await?;
        let now_s = i64::try_from(self.clock.unix_ms() / 1000).unwrap_or(i64::MAX);
        if challenge.expires_at.secs() <= now_s {
            tracing::warn!(expires_at = %challenge.expires_at, "this clock is ahead of the verifier's");
        }
        progress.step(&Step::Challenged {
            challenge: &challenge,
        });
        Ok(challenge)
    }

    /// Puts a bundle into the outbox, hands it in and stores the receipt. No further attempt begins
    /// after `until`, the [`Challenge::deadline`] of its challenge.
    ///
    /// # Errors
    /// [`AgentError::Verifier`], [`AgentError::Outbox`]. Unless the verifier refused it for good,
    /// the bundle stays in the outbox.
    pub async fn submit(
        &self,
        bundle: SealedBundle,
        verifier: &Verifier,
        until: Option<Instant>,
        progress: &dyn Progress,
    ) -> Result<(Receipt, PathBuf), AgentError> {
        let (outbox, url) = (self.outbox.clone(), verifier.url().to_owned());
        let entry = blocking(move || outbox.put(&url, bundle)).await?;
        hand_in(entry, verifier, until, progress).await
    }

    /// A whole run: from a job to a stored receipt.
    ///
    /// # Errors
    /// As the steps.
    pub async fn run(
        &self,
        spec: JobSpec,
        inputs: InputBytes,
        verifier: &Verifier,
        progress: &dyn Progress,
    ) -> Result<RunReport, AgentError> {
        let job = self.prepare(spec, inputs, progress).await?;
        let devices = self.devices(progress).await?;
        let challenge = self.challenge(&job, verifier, progress).await?;
        let work = self
            .work(&job, &devices, challenge.challenge, progress)
            .await?;
        let sealed = work.sealed.clone();
        let (receipt, receipt_path) = self
            .submit(sealed, verifier, challenge.deadline, progress)
            .await?;
        Ok(RunReport {
            challenge,
            work,
            receipt,
            receipt_path,
        })
    }
}

async fn hand_in(
    entry: Entry,
    verifier: &Verifier,
    until: Option<Instant>,
    progress: &dyn Progress,
) -> Result<(Receipt, PathBuf), AgentError> {
    let digest = entry.bundle.digest();
    let receipt = match verifier.submit(&entry.bundle, until, progress).await {
        Ok(receipt) => receipt,
        Err(error) => return Err(settle(entry, error)?.into()),
    };
    let path = entry.finish(&receipt)?;
    progress.step(&Step::Received {
        bundle: digest,
        location: receipt.location.as_deref(),
    });
    Ok((receipt, path))
}

/// Does with a bundle what the failure to hand it in calls for, and returns what to report.
fn settle(entry: Entry, error: VerifierError) -> Result<VerifierError, OutboxError> {
    match &error {
        VerifierError::Unavailable {
            problem: Some(problem),
            ..
        } if problem.could_not_verify() => {
            // What the verifier said matters more than that it could not be written down.
            if let Err(failed) = entry.remember(problem) {
                tracing::warn!(code = failed.code(), "{failed}");
            }
        }
        VerifierError::Refused(problem) if problem.is_final() => {
            let unable = entry.remembered().filter(|_| problem.status == 410);
            let Some(unable) = unable else {
                entry.give_up()?;
                return Ok(error);
            };
            return Ok(VerifierError::Expired {
                file: entry.set_aside()?,
                problem: Box::new(unable),
            });
        }
        _ => {}
    }
    Ok(error)
}

fn is_final(error: &VerifierError) -> bool {
    matches!(error, VerifierError::Refused(problem) if problem.is_final())
}

fn warn_about(devices: &[Description]) {
    for device in devices {
        for warning in device.warnings() {
            tracing::warn!(device = device.index, code = warning.code(), "{warning}");
        }
    }
    if devices.iter().any(|d| d.source == SourceKind::Recorded) {
        tracing::warn!(
            "recorded evidence cannot follow a challenge: a verifier will refute its nonce"
        );
    }
}

/// Runs what blocks or computes off the threads that wait.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody cancels these tasks; what is left is a defect, and goes on as the panic it was.
        Err(error) => panic::resume_unwind(error.into_panic()),
    }
}
