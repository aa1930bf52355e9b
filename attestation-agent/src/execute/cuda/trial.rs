//! Tries a module for a single generation of GPUs before it is used, with a small job whose answer is known.
//!
//! In scope: once for a device and a module, whether its bits are those of the reference. The kernel's specification
//! fixes what it computes, but for tensor cores the specification follows a model, which one H200 confirmed and other
//! devices may not. Out of scope: the portable modules, whose arithmetic is that of every device.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernels::program::{Program, Target};
use kernels::{Inputs, Job, Kernel};
use serde_json::json;
use tracing::{info, warn};

use super::{Cuda, Until, is_refused};
use crate::clock::SystemClock;
use crate::execute::{ExecuteError, Execution, Work};

/// Whether the modules that were tried on a device are right there, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Trials(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Trials {
    fn of(&self, module: &str) -> Option<bool> {
        let trials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trials.get(module).copied()
    }

    fn remember(&self, module: &'static str, right: bool) {
        let mut trials = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trials.insert(module, right);
    }
}

impl Cuda {
    /// Whether a program's module may be used: a portable one is, another one after it gave the known answer.
    ///
    /// # Errors
    /// Failures of the device that are none of the module.
    pub(super) fn is_trusted(
        &self,
        program: &Program,
        job: &Job,
        by: &Until<'_>,
    ) -> Result<bool, ExecuteError> {
        let module = program.module();
        if module.target() == Target::Portable {
            return Ok(true);
        }
        if let Some(right) = self.trials.of(module.name()) {
            return Ok(right);
        }
        let right = self.tried(module.target(), job.kernel(), by)?;
        let (name, gpu) = (module.name(), &self.device.uuid);
        match &right {
            Ok(()) => info!(module = name, gpu, "gave the known answer"),
            Err(why) => warn!(
                module = name,
                gpu, "not used, the portable module is: {why}"
            ),
        }
        self.trials.remember(module.name(), right.is_ok());
        Ok(right.is_ok())
    }

    /// The inner error is about the module.
    fn tried(
        &self,
        target: Target,
        kernel: Kernel,
        by: &Until<'_>,
    ) -> Result<Result<(), String>, ExecuteError> {
        let known = known(kernel).and_then(|job| Some((job.program(target)?, job)));
        let Some((program, job)) = known else {
            return Ok(Err(format!("no job of {kernel} has a known answer")));
        };
        let Ok(inputs) = job.accept(&Inputs::none()) else {
            return Ok(Err("the job with the known answer has inputs".to_owned()));
        };
        let work = Work {
            job,
            inputs: Arc::new(inputs),
            keep_outputs: false,
            clock: Arc::new(SystemClock::new()),
        };
        match self.run(&program, &work, by) {
            Ok(run) => Ok(compared(&run, &work)),
            Err(error) if is_refused(&error) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

fn compared(run: &Execution, work: &Work) -> Result<(), String> {
    let right = work.job.reference(&work.inputs);
    for (output, right) in run.outputs.iter().zip(&right) {
        if output.digest != right.digest() {
            let (name, expected, actual) = (output.name, right.digest(), output.digest);
            return Err(format!(
                "a wrong answer to what is known: output {name} is {actual}, expected {expected}"
            ));
        }
    }
    match run.outputs.len() == right.len() && !right.is_empty() {
        true => Ok(()),
        false => Err("a wrong number of outputs to what is known".to_owned()),
    }
}

/// A small job of a kernel: for a product, more than one tile in each direction, with an edge in each, read as large products
/// are, and long enough that every part of shared memory is used again.
fn known(kernel: Kernel) -> Option<Job> {
    let params = match kernel {
        Kernel::GemmBf16 => json!({
            "m": 136, "n": 136, "k": 168, "operands": { "seed": "5eed".repeat(16) },
        }),
        _ => return None,
    };
    Job::parse(kernel.name(), &params).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module without one would never be used.
    #[test]
    fn every_module_for_one_generation_alone_has_a_job_with_a_known_answer() {
        let mut tried = Vec::new();
        for kernel in Kernel::ALL {
            let Some(job) = known(*kernel) else { continue };
            let program = job.program(Target::Sm90a);
            tried.extend(program.map(|program| program.module().name()));
        }
        let all = kernels::Module::all().filter(|module| module.target() != Target::Portable);
        let all: Vec<_> = all.map(|module| module.name()).collect();
        assert_eq!(tried, all);
    }
}
