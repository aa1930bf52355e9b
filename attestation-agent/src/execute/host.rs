//! `host`: the kernels' own source, compiled for this CPU.
//!
//! In scope: the same launches as on a GPU, by [`kernels::host`]. Out of scope: any claim about a GPU.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread;

use kernels::Job;
use kernels::host::{HostError, Machine};
use kernels::program::{Program, Target};

use super::{ExecuteError, Execution, Executor, Work, named};
use crate::clock::micros;

/// This CPU as a device.
#[derive(Clone, Copy, Debug)]
pub struct HostCpu(Machine);

impl HostCpu {
    /// Its word in statements.
    pub const NAME: &str = "host";

    /// Uses up to so many threads; `None` for as many as this process may use.
    #[must_use]
    pub fn new(threads: Option<NonZeroUsize>) -> Self {
        let available = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self(Machine::new(threads.unwrap_or_else(available)))
    }

    fn program(&self, job: &Job) -> Result<Program, ExecuteError> {
        let program = job.program(Target::Portable);
        let program = program.filter(|program| self.0.has(program.module()));
        program.ok_or_else(|| ExecuteError::KernelUnsupported {
            executor: Self::NAME,
            kernel: job.kernel().name(),
            why: "its source was not compiled for this CPU".to_owned(),
        })
    }
}

impl Executor for HostCpu {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn admit(&self, job: &Job) -> Result<(), ExecuteError> {
        self.program(job).map(drop)
    }

    /// Digests belong to the run here: the bytes are in memory, and BLAKE3 is a small part of the time.
    fn execute(&self, work: &Work) -> Result<Execution, ExecuteError> {
        let program = self.program(&work.job)?;
        let start = work.clock.elapsed();
        let run = self.0.run(&program, &work.inputs).map_err(failed)?;
        let ran = work.clock.elapsed();
        Ok(Execution {
            executor: Self::NAME,
            outputs: named(&work.job, run.outputs),
            trace: run.marks,
            module: None,
            run_us: micros(ran.saturating_sub(start)),
            digest_us: 0,
            telemetry: BTreeMap::new(),
        })
    }
}

fn failed(error: HostError) -> ExecuteError {
    match error {
        HostError::OutOfMemory { .. } => ExecuteError::HostOutOfMemory {
            detail: error.to_string(),
        },
        other => ExecuteError::Failed {
            executor: HostCpu::NAME,
            detail: format!("{}: {other}", other.code()),
        },
    }
}
