//! `cpu-reference`: the catalogue's own reference.

use std::collections::BTreeMap;

use kernels::committed::AtHand;
use kernels::point::{SliceMissing, Slices, Tensor};
use kernels::{Blake3Digest, CheckedInputs, Job, Output};

use super::{ExecuteError, Execution, Executor, Work, named};
use crate::clock::micros;

/// The catalogue's own reference, on one thread of this CPU.
///
/// It runs everywhere and is slow. The statement says `cpu-reference`, and the receipt carries that
/// as `executor`, provider-asserted: a lie costs the host nothing but is in a signed statement. The
/// output is checked the same way whoever computed it; what computed it is not checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuReference;

impl CpuReference {
    /// Its word in statements.
    pub const NAME: &str = "cpu-reference";
}

impl Executor for CpuReference {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn admit(&self, _job: &Job) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn execute(&self, work: &Work) -> Result<Execution, ExecuteError> {
        let start = work.clock.elapsed();
        let bytes = work.job.reference_bytes(&work.inputs);
        let trace = trace(&work.job, &work.inputs);
        let computed = work.clock.elapsed();
        let outputs = named(&work.job, bytes.into_iter().map(Output::new));
        let digested = work.clock.elapsed();
        Ok(Execution {
            executor: Self::NAME,
            outputs,
            trace,
            module: None,
            run_us: micros(computed.saturating_sub(start)),
            digest_us: micros(digested.saturating_sub(computed)),
            telemetry: BTreeMap::new(),
        })
    }
}

/// Digests of the states that a job marks, each recomputed from the one before.
fn trace(job: &Job, inputs: &CheckedInputs<'_>) -> Vec<Blake3Digest> {
    let Some(steps) = job.steps() else {
        return Vec::new();
    };
    let len = usize::try_from(steps.state_len()).unwrap_or(usize::MAX);
    let mut state = Vec::new();
    let digests = (0..job.marks()).map_while(|entry| {
        let before = Before {
            inputs: AtHand::new(job, inputs, &[]),
            state: &state,
        };
        // A step reads inputs and the state before, which are there.
        state = steps.eval(entry, 0, len, &before).ok()?;
        Some(Blake3Digest::of(&state))
    });
    digests.collect()
}

/// Inputs, and the state before a step.
struct Before<'a> {
    inputs: AtHand<'a>,
    state: &'a [u8],
}

impl Slices for Before<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let Tensor::State(_) = tensor else {
            return self.inputs.read(tensor, offset, into);
        };
        let start = usize::try_from(offset).ok();
        let found = start.and_then(|start| self.state.get(start..)?.get(..into.len()));
        let found = found.ok_or(SliceMissing {
            tensor,
            offset,
            len: into.len() as u64,
        })?;
        into.copy_from_slice(found);
        Ok(())
    }
}
