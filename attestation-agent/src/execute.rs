//! Running a job.
//!
//! In scope: the seam between the agent and what computes, [`Executor`], and the executor every
//! machine has, [`CpuReference`].
//!
//! Out of scope: proof. An executor's name, its times and its module digest are words of a machine
//! nobody trusts; what a verifier can check of a run is its output.

use evidence::work::{Hex, OutputCommitment};
use kernels::{Blake3Digest, CheckedInputs, Job, Output};

use crate::clock::{Clock, micros};

/// Something that computes the outputs of a job.
///
/// An implementation is exact: it produces the bytes the kernel's specification fixes, or fails.
pub trait Executor: Send + Sync {
    /// The word for it in statements, such as `cpu-reference`; receipts carry it as
    /// provider-asserted.
    fn name(&self) -> &'static str;

    /// Computes the outputs of `job` and their digests.
    ///
    /// Blocks for as long as the work takes.
    ///
    /// # Errors
    /// [`ExecuteError`], where the machine could not do it.
    fn execute(
        &self,
        job: &Job,
        inputs: &CheckedInputs<'_>,
        clock: &dyn Clock,
    ) -> Result<Execution, ExecuteError>;
}

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The outputs in the order of the kernel's specification.
    pub outputs: Vec<NamedOutput>,
    /// Digests of what the job marks on its way, in order; empty for most kernels.
    pub trace: Vec<Blake3Digest>,
    /// SHA-256 of the module the driver loaded, where there was one. Provider-asserted, as
    /// `kernel.module` of the statement: a lie costs the host nothing but is in a signed statement.
    pub module: Option<Hex<32>>,
    /// Time in the kernel, microseconds.
    pub run_us: u64,
    /// Time to digest the outputs, microseconds.
    pub digest_us: u64,
}

/// An output and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOutput {
    /// The name in the kernel's specification.
    pub name: &'static str,
    /// Bytes and digest.
    pub output: Output,
}

impl NamedOutput {
    /// What a statement says of it.
    #[must_use]
    pub fn commitment(&self) -> OutputCommitment {
        OutputCommitment {
            name: self.name.to_owned(),
            len: u64::try_from(self.output.bytes().len()).unwrap_or(u64::MAX),
            blake3: Hex(*self.output.digest().as_bytes()),
        }
    }
}

/// Why an executor could not do the work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The device or its driver failed.
    #[error("{executor} failed: {detail}")]
    Failed {
        /// The executor.
        executor: &'static str,
        /// What it or its driver said.
        detail: String,
    },
}

impl ExecuteError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "execution_failed",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Failed { .. } => {
                "Look at the executor's words and at dmesg. The work can be repeated: nothing was \
                 committed or submitted."
            }
        }
    }
}

/// The catalogue's own reference, on one thread of this CPU.
///
/// It runs everywhere and is slow. The statement says `cpu-reference`, and the receipt carries that
/// as `executor`, provider-asserted: a lie costs the host nothing but is in a signed statement. The
/// output is checked the same way whoever computed it; what computed it is not checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuReference;

impl Executor for CpuReference {
    fn name(&self) -> &'static str {
        "cpu-reference"
    }

    fn execute(
        &self,
        job: &Job,
        inputs: &CheckedInputs<'_>,
        clock: &dyn Clock,
    ) -> Result<Execution, ExecuteError> {
        let start = clock.elapsed();
        let bytes = job.reference_bytes(inputs);
        let computed = clock.elapsed();
        let outputs = named(job, bytes.into_iter().map(Output::new));
        let digested = clock.elapsed();
        Ok(Execution {
            outputs,
            trace: Vec::new(),
            module: None,
            run_us: micros(computed.saturating_sub(start)),
            digest_us: micros(digested.saturating_sub(computed)),
        })
    }
}

/// Outputs in the order of the specification, with their names.
fn named(job: &Job, outputs: impl Iterator<Item = Output>) -> Vec<NamedOutput> {
    let specs = job.outputs().into_iter();
    let named = specs.zip(outputs).map(|(spec, output)| NamedOutput {
        name: spec.name,
        output,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::job::{InputBytes, PreparedJob, parse_job};

    /// Every look at it is 5 microseconds after the last.
    struct Ticking(AtomicU64);

    impl Clock for Ticking {
        fn unix_ms(&self) -> u64 {
            0
        }

        fn elapsed(&self) -> Duration {
            Duration::from_micros(self.0.fetch_add(5, Ordering::Relaxed))
        }
    }

    #[test]
    fn the_reference_commits_to_the_bytes_it_made() {
        let text = format!(
            r#"{{"profile":"pogw/1","kernel":"gemm_i8","checks":[],
            "params":{{"m":2,"n":3,"k":4,"operands":{{"seed":"{}"}}}}}}"#,
            "00".repeat(32)
        );
        let spec = parse_job(text.as_bytes()).unwrap();
        let job = PreparedJob::new(spec, InputBytes::new()).unwrap();
        let run = CpuReference
            .execute(&job.job, &job.inputs, &Ticking(AtomicU64::new(0)))
            .unwrap();
        assert_eq!((run.run_us, run.digest_us, run.module), (5, 5, None));
        let [output] = run.outputs.as_slice() else {
            panic!("one output expected");
        };
        assert_eq!([output.output.clone()], *job.job.reference(&job.inputs));
        let commitment = output.commitment();
        assert_eq!((commitment.name.as_str(), commitment.len), ("c", 24));
        assert_eq!(commitment.blake3.0, *output.output.digest().as_bytes());
    }
}
