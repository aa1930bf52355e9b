//! Runs of people's own programs, from a job to a signed bundle.
//!
//! The program runs before a challenge is asked for: it may take hours, and a challenge is valid for minutes. Nothing
//! is lost by that, since a challenge only shows that the reports are fresh and that the output was fixed before them.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use evidence::work::{Base64Url, Bundle, Hex, JobSpec, WorkStatement};

use super::{Agent, blocking};
use crate::bind::{self, Occasion, SealedBundle};
use crate::collect::DeviceSet;
use crate::command::socket::{DeviceBuffers, NoBuffers};
use crate::command::{
    self, CommandError, CommandJob, CommandRun, Host, PROGRAM_EXECUTOR, commit_command,
};
use crate::device::Selection;
use crate::device::nvml::Gauge;
use crate::error::AgentError;
use crate::execute::{CudaSelection, ExecutorKind, SharedBuffers};
use crate::progress::{Progress, Step};

/// A program that has run to its end, and when it began.
#[derive(Debug)]
pub struct FinishedCommand {
    /// What it left.
    pub run: Arc<CommandRun>,
    /// Start of the run, milliseconds since 1970, on the agent's clock.
    pub started_at_ms: u64,
}

/// A program's run, bound to a challenge and to the devices, and not handed in.
#[derive(Clone, Debug)]
pub struct BoundCommand {
    /// What the agent says about the run.
    pub statement: WorkStatement,
    /// The signed bundle.
    pub bundle: Bundle,
    /// The bundle as it travels.
    pub sealed: SealedBundle,
}

impl Agent {
    /// What this host lends to programs, by the settings. `keep` leaves run folders where they are.
    ///
    /// The supervisor is this very executable; a program that embeds the agent and is not `attestation-agent` sets
    /// [`Host::supervisor`] to one.
    ///
    /// # Errors
    /// [`CommandError::Supervisor`] where this executable cannot be found; [`AgentError::Config`]; for real GPUs,
    /// [`AgentError::Device`].
    pub fn host(&self, keep: bool) -> Result<Host, AgentError> {
        let supervisor = env::current_exe().map_err(|error| CommandError::Supervisor {
            detail: format!("this executable cannot be found: {error}"),
        })?;
        let selection = self.settings.selection()?;
        let gauge = match &selection {
            Selection::Nvml { library } => Some(Arc::new(Gauge::open(library.as_deref())?)),
            Selection::Recorded { .. } | Selection::Simulated { .. } => None,
        };
        Ok(Host {
            run_dir: self.settings.run_dir(),
            keep,
            environment: self.settings.command.environment.clone(),
            supervisor,
            buffers: self.buffers(&selection),
            gauge,
        })
    }

    /// What opens buffers on a GPU: CUDA, unless the settings keep the agent off GPUs.
    fn buffers(&self, selection: &Selection) -> Arc<dyn DeviceBuffers> {
        if !matches!(
            self.settings.executor,
            ExecutorKind::Auto | ExecutorKind::Cuda
        ) {
            return Arc::new(NoBuffers);
        }
        match SharedBuffers::open(&CudaSelection::new(&self.settings.cuda, selection)) {
            Ok(buffers) => Arc::new(buffers),
            Err(error) => {
                tracing::info!(
                    code = error.code(),
                    "device buffers cannot be handed in: {error}"
                );
                Arc::new(NoBuffers)
            }
        }
    }

    /// Looks for a command's program and inputs; see [`CommandJob::prepare`].
    ///
    /// # Errors
    /// [`AgentError::Job`].
    pub async fn prepare_command(
        &self,
        spec: JobSpec,
        given: Option<Vec<String>>,
        inputs: BTreeMap<String, PathBuf>,
        progress: &dyn Progress,
    ) -> Result<Arc<CommandJob>, AgentError> {
        let prepared = move || CommandJob::prepare(spec, given.as_deref(), inputs);
        let job = Arc::new(blocking(prepared).await?);
        progress.step(&Step::CommandPrepared { job: &job });
        Ok(job)
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// [`AgentError::Command`].
    pub async fn run_command(
        &self,
        job: &Arc<CommandJob>,
        host: Host,
        progress: &dyn Progress,
    ) -> Result<FinishedCommand, AgentError> {
        let started_at_ms = self.clock.unix_ms();
        let (of_job, clock) = (Arc::clone(job), Arc::clone(&self.clock));
        let run = blocking(move || CommandRun::new(&of_job, &host, clock.as_ref())).await?;
        progress.step(&Step::CommandFinished { run: &run });
        Ok(FinishedCommand {
            run: Arc::new(run),
            started_at_ms,
        })
    }

    /// Binds a command's run to a challenge and to the devices.
    ///
    /// # Errors
    /// [`AgentError::Bind`], [`AgentError::Command`].
    pub async fn bind_command(
        &self,
        job: &Arc<CommandJob>,
        finished: &FinishedCommand,
        devices: &Arc<DeviceSet>,
        challenge: Base64Url<32>,
        progress: &dyn Progress,
    ) -> Result<BoundCommand, AgentError> {
        let occasion = Occasion {
            challenge,
            agent_key: self.public_key(),
            executor: PROGRAM_EXECUTOR,
            started_at_ms: finished.started_at_ms,
        };
        let commitment = commit_command(job, &finished.run, occasion)?;
        let statement = commitment.statement.clone();
        progress.step(&Step::Committed {
            statement: &statement,
            nonce: Hex(commitment.canonical.report_nonce()),
        });
        let (of_job, run) = (Arc::clone(job), Arc::clone(&finished.run));
        let (of_devices, key) = (Arc::clone(devices), Arc::clone(&self.key));
        let (bundle, sealed) = blocking(move || {
            let unsigned = command::vouch_for_command(&of_job, &run, commitment, &of_devices)?;
            Ok::<_, AgentError>(bind::seal(unsigned, &key)?)
        })
        .await?;
        progress.step(&Step::Attested {
            devices: devices.count(),
        });
        progress.step(&Step::Sealed {
            digest: sealed.digest(),
            bytes: sealed.json().len(),
        });
        Ok(BoundCommand {
            statement,
            bundle,
            sealed,
        })
    }
}
