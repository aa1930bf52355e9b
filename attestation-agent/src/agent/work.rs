//! The middle of a run: from a challenge to a signed bundle.
//!
//! In scope: running, committing, attesting, sealing, in this order and off the threads that wait.
//! Out of scope: asking for the challenge and handing the bundle in.

use std::sync::Arc;

use evidence::work::{Base64Url, Bundle, Hex, WorkStatement};

use super::{Agent, blocking};
use crate::bind::{self, Occasion, SealedBundle};
use crate::collect::DeviceSet;
use crate::error::AgentError;
use crate::execute::{Execution, NamedOutput, Work};
use crate::job::PreparedJob;
use crate::progress::{Progress, Step};

/// Work that is done and signed, and not handed in.
#[derive(Clone, Debug)]
pub struct BoundWork {
    /// What the agent says about the run.
    pub statement: WorkStatement,
    /// The signed bundle.
    pub bundle: Bundle,
    /// The bundle as it travels.
    pub sealed: SealedBundle,
    /// The outputs, whether or not the bundle carries them.
    pub outputs: Vec<NamedOutput>,
}

impl Agent {
    /// Runs a job and binds the outcome to a challenge and to the devices.
    ///
    /// # Errors
    /// [`AgentError::Execute`], [`AgentError::Bind`].
    pub async fn work(
        &self,
        job: &Arc<PreparedJob>,
        devices: &Arc<DeviceSet>,
        challenge: Base64Url<32>,
        progress: &dyn Progress,
    ) -> Result<BoundWork, AgentError> {
        let started_at_ms = self.clock.unix_ms();
        let run = self.execute(job).await?;
        let occasion = Occasion {
            challenge,
            agent_key: self.public_key(),
            executor: run.executor,
            started_at_ms,
        };
        progress.step(&Step::Executed {
            executor: occasion.executor,
            run: &run,
        });
        self.bind(job, devices, run, occasion, progress).await
    }

    pub(crate) async fn execute(&self, job: &Arc<PreparedJob>) -> Result<Execution, AgentError> {
        let executor = self.executor().await?;
        let work = Work {
            job: job.job.clone(),
            inputs: Arc::clone(&job.inputs),
            keep_outputs: self.keep_outputs || bind::discloses_outputs(job),
            clock: Arc::clone(&self.clock),
        };
        Ok(blocking(move || executor.execute(&work)).await?)
    }

    async fn bind(
        &self,
        job: &Arc<PreparedJob>,
        devices: &Arc<DeviceSet>,
        run: Execution,
        occasion: Occasion,
        progress: &dyn Progress,
    ) -> Result<BoundWork, AgentError> {
        let commitment = bind::commit(job, &run, occasion)?;
        let statement = commitment.statement.clone();
        progress.step(&Step::Committed {
            statement: &statement,
            nonce: Hex(commitment.canonical.report_nonce()),
        });
        let (of_job, of_devices) = (Arc::clone(job), Arc::clone(devices));
        let (unsigned, outputs) = blocking(move || {
            let unsigned = bind::vouch(&of_job, &run, commitment, &of_devices);
            unsigned.map(|unsigned| (unsigned, run.outputs))
        })
        .await?;
        progress.step(&Step::Attested {
            devices: devices.count(),
        });
        let key = Arc::clone(&self.key);
        let (bundle, sealed) = blocking(move || bind::seal(unsigned, &key)).await?;
        progress.step(&Step::Sealed {
            digest: sealed.digest(),
            bytes: sealed.json().len(),
        });
        Ok(BoundWork {
            statement,
            bundle,
            sealed,
            outputs,
        })
    }
}
