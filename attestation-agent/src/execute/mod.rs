//! Running a job of the catalogue.
//!
//! # What's in scope
//!
//! [`Executor`], the trait between the agent and what computes, and what implements it:
//!
//! | Executor | Is | Needs |
//! |---|---|---|
//! | `cuda` | the kernels' PTX on an NVIDIA GPU, [`Cuda`] | the driver; no toolkit |
//! | `host` | the kernels' own source, compiled for this CPU, [`HostCpu`] | nothing |
//! | `cpu-reference` | the reference from the specification, one thread, [`CpuReference`] | nothing; slow |
//!
//! [`ExecutorKind::Auto`] takes the first of them that can run the job, and says in the log why not the ones before.
//!
//! # What's out of scope
//!
//! Proof. An executor's name, its times, its counters and its module digest are the word of a machine that nobody
//! trusts; a verifier can check only the output of a run.

mod choice;
mod cuda;
mod error;
mod host;
mod reference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::work::{Hex, OutputCommitment};
use kernels::{Blake3Digest, CheckedInputs, Job, Output};

use crate::clock::Clock;

pub use choice::{CudaSettings, ExecutorKind, HostSettings, open_executor};
pub use cuda::{
    Cuda, CudaDevice, CudaSelection, IPC_HANDLE_LENGTH, SharedBuffers, driver_hangs, process_spoilt,
};
pub(crate) use cuda::{Surveyed, executable_memory, survey};
pub use error::{DeviceFailure, ExecuteError, FailureKind};
pub use host::HostCpu;
pub use reference::CpuReference;

/// Something that computes the outputs of a job.
///
/// An implementation is exact: it produces the bytes the kernel's specification fixes, or fails.
pub trait Executor: Send + Sync {
    /// The word for it in logs, such as `cpu-reference`. What a statement says is [`Execution::executor`].
    fn name(&self) -> &'static str;

    /// The words of statements it may lead to: several, where it chooses among others.
    fn names(&self) -> Vec<&'static str> {
        vec![self.name()]
    }

    /// Whether it can run `job`, as far as that can be told without running it.
    ///
    /// # Errors
    /// [`ExecuteError::KernelUnsupported`], [`ExecuteError::DeviceOutOfMemory`].
    fn admit(&self, job: &Job) -> Result<(), ExecuteError>;

    /// Computes the outputs of a job and their digests.
    ///
    /// Blocks for as long as the work takes.
    ///
    /// # Errors
    /// [`ExecuteError`], where the machine could not do it.
    fn execute(&self, work: &Work) -> Result<Execution, ExecuteError>;
}

/// What an executor is asked to do. Cheap to clone, and nobody's: whoever asked may stop waiting for it.
#[derive(Clone)]
pub struct Work {
    /// The job.
    pub job: Job,
    /// Its inputs.
    pub inputs: Arc<CheckedInputs<'static>>,
    /// Whether somebody wants the bytes of the outputs, and not their digests alone.
    pub keep_outputs: bool,
    /// Where times are read that no device tells.
    pub clock: Arc<dyn Clock>,
}

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Who computed it, in the word of the statement. Receipts carry it as provider-asserted.
    pub executor: &'static str,
    /// The outputs in the order of the kernel's specification.
    pub outputs: Vec<NamedOutput>,
    /// Digests of what the job marks on its way, in order; empty for most kernels.
    pub trace: Vec<Blake3Digest>,
    /// SHA-256 of the module the driver loaded, where there was one. Provider-asserted, as
    /// `kernel.module` of the statement: a lie costs the host nothing but is in a signed statement.
    pub module: Option<Hex<32>>,
    /// Time in the kernel, microseconds; of a device by its own clock.
    pub run_us: u64,
    /// Time to digest the outputs, microseconds; of a device by its own clock.
    pub digest_us: u64,
    /// Counters around the run, by name. The host can forge every one of them.
    pub telemetry: BTreeMap<String, i64>,
}

/// An output, its name and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOutput {
    /// The name in the kernel's specification.
    pub name: &'static str,
    /// Length in bytes.
    pub len: u64,
    /// BLAKE3 of the bytes.
    pub digest: Blake3Digest,
    /// The bytes, whose digest is [`digest`](Self::digest); `None` where nobody wanted them and they stayed on a device.
    pub bytes: Option<Vec<u8>>,
}

impl NamedOutput {
    /// Bytes with the digest that belongs to them.
    #[must_use]
    pub fn new(name: &'static str, output: Output) -> Self {
        Self {
            name,
            len: u64::try_from(output.bytes().len()).unwrap_or(u64::MAX),
            digest: output.digest(),
            bytes: Some(output.into_bytes()),
        }
    }

    /// What a statement says of it.
    #[must_use]
    pub fn commitment(&self) -> OutputCommitment {
        OutputCommitment {
            name: self.name.to_owned(),
            len: self.len,
            blake3: Hex(*self.digest.as_bytes()),
        }
    }
}

/// Outputs in the order of the specification, with their names.
fn named(job: &Job, outputs: impl IntoIterator<Item = Output>) -> Vec<NamedOutput> {
    let specs = job.outputs().into_iter();
    specs
        .zip(outputs)
        .map(|(spec, output)| NamedOutput::new(spec.name, output))
        .collect()
}
