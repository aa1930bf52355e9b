//! Which executor runs the jobs of this host.
//!
//! In scope: the settings, and [`ExecutorKind::Auto`]: the best that this host has, chosen before there is a job, and
//! the next one for a job that it has no kernel for. Out of scope: falling back because something went wrong. A device
//! that fails is an error, not a reason to hand in a result that a CPU made.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kernels::Job;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::reference::CpuReference;
use super::{Cuda, CudaSelection, ExecuteError, Execution, Executor, HostCpu, Work};

/// What runs jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutorKind {
    /// A GPU if there is one that CUDA can use, else this CPU.
    #[default]
    Auto,
    /// An NVIDIA GPU, or nothing.
    Cuda,
    /// The kernels' source on this CPU.
    Host,
    /// The reference, on one thread.
    CpuReference,
}

/// How a GPU is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CudaSettings {
    /// UUID of the GPU that runs jobs, as `nvidia-smi -L` writes it; the first that attests if there is none.
    pub gpu: Option<String>,
    /// The longest a device may take for a job, seconds. Then the run fails.
    pub timeout_s: u64,
}

/// How this CPU is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSettings {
    /// Most threads; as many as the process may use if there is no number.
    pub threads: Option<NonZeroUsize>,
}

impl Default for CudaSettings {
    fn default() -> Self {
        Self {
            gpu: None,
            timeout_s: 3600,
        }
    }
}

impl CudaSettings {
    /// [`timeout_s`](Self::timeout_s).
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// Opens the executor of the settings. Blocks for as long as a driver takes to start.
///
/// # Errors
/// What keeps CUDA from being used, where it was asked for by name. [`ExecutorKind::Auto`] always finds one.
pub fn open_executor(
    kind: ExecutorKind,
    cuda: &CudaSelection,
    host: &HostSettings,
) -> Result<Arc<dyn Executor>, ExecuteError> {
    Ok(match kind {
        ExecutorKind::Cuda => Arc::new(Cuda::open(cuda)?),
        ExecutorKind::Host => Arc::new(HostCpu::new(host.threads)),
        ExecutorKind::CpuReference => Arc::new(CpuReference),
        ExecutorKind::Auto => Arc::new(FirstAble(best_first(cuda, host))),
    })
}

fn best_first(cuda: &CudaSelection, host: &HostSettings) -> Vec<Box<dyn Executor>> {
    let mut executors: Vec<Box<dyn Executor>> = Vec::new();
    match Cuda::open(cuda) {
        Ok(cuda) => {
            let gpu = cuda.device();
            info!(
                executor = Cuda::NAME,
                gpu = gpu.uuid,
                name = gpu.name,
                "chosen: a GPU is usable"
            );
            executors.push(Box::new(cuda));
        }
        Err(error) => {
            let (code, executor) = (error.code(), HostCpu::NAME);
            info!(executor, code, "chosen: no GPU is usable for CUDA: {error}");
        }
    }
    executors.push(Box::new(HostCpu::new(host.threads)));
    executors.push(Box::new(CpuReference));
    executors
}

/// The first executor that has the kernel of a job.
struct FirstAble(Vec<Box<dyn Executor>>);

impl FirstAble {
    /// An executor without the kernel makes way for the next; any other refusal is final.
    fn able(&self, job: &Job) -> Result<&dyn Executor, ExecuteError> {
        let mut last = None;
        for executor in &self.0 {
            match executor.admit(job) {
                Ok(()) => return Ok(executor.as_ref()),
                Err(error @ ExecuteError::KernelUnsupported { .. }) => {
                    warn!(
                        executor = executor.name(),
                        code = error.code(),
                        "passed over: {error}"
                    );
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| ExecuteError::KernelUnsupported {
            executor: self.name(),
            kernel: job.kernel().name(),
            why: "there is no executor".to_owned(),
        }))
    }
}

impl Executor for FirstAble {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn names(&self) -> Vec<&'static str> {
        self.0
            .iter()
            .flat_map(|executor| executor.names())
            .collect()
    }

    fn admit(&self, job: &Job) -> Result<(), ExecuteError> {
        self.able(job).map(drop)
    }

    fn execute(&self, work: &Work) -> Result<Execution, ExecuteError> {
        self.able(&work.job)?.execute(work)
    }
}
