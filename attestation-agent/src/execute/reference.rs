//! `cpu-reference`: the catalogue's own reference.

use std::collections::BTreeMap;

use kernels::{Job, Output};

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
        let computed = work.clock.elapsed();
        let outputs = named(&work.job, bytes.into_iter().map(Output::new));
        let digested = work.clock.elapsed();
        Ok(Execution {
            executor: Self::NAME,
            outputs,
            trace: Vec::new(),
            module: None,
            run_us: micros(computed.saturating_sub(start)),
            digest_us: micros(digested.saturating_sub(computed)),
            telemetry: BTreeMap::new(),
        })
    }
}
