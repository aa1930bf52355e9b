//! `cuda`: the kernels' PTX on an NVIDIA GPU.
//!
//! # What's in scope
//!
//! * [`Cuda`]: one GPU, chosen once ([`CudaSelection`]), and jobs on it. The driver is opened at run time; no toolkit is
//!   needed. Its compiler translates the PTX that is embedded in the crate `kernels`, whose SHA-256 the statement names.
//! * Outputs are digested on the GPU, by the module that computed them, before they leave it. They leave it only if the
//!   bytes are needed, and are then compared with the digest.
//! * [`SharedBuffers`]: buffers of other processes, digested where they are.
//! * Every call of the driver is made on a thread that can be abandoned: a call that hangs costs a job, and the agent
//!   can still answer.
//! * A module for a single generation of GPUs is tried before it is used, once for a device, with a small job whose
//!   answer is known.
//!
//! # What's out of scope
//!
//! * Evidence. Which GPU ran a job is the host's word; every GPU of the host attests, whichever ran.
//! * Several GPUs for one job.
//!
//! # Order
//!
//! ```text
//! context ─▶ module ─▶ memory free? ─▶ buffers ─▶ uploads (copy stream), zeros (work stream)
//!         ─▶ launches, marks digested ─▶ outputs digested ─▶ digests down ─▶ outputs down, if wanted, and compared
//! ```
//!
//! A context serves one job: nothing of a job is there for the next.
//!
//! After a kernel that went astray NVIDIA's documentation asks for a new process, and an H200 with driver 580 was seen
//! to refuse every new context in the old one. So a context is tried after such an error. If it is refused, so is every
//! further job ([`ExecuteError::ProcessSpoilt`]), and [`process_spoilt`] tells the caller, who can start a new process.

mod driver;
mod run;
mod select;
mod shared;
mod survey;
mod trial;
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evidence::work::Hex;
use kernels::Job;
use kernels::program::{Program, Target};
use tracing::{info, warn};

use super::error::{DeviceFailure, FailureKind};
use super::{ExecuteError, Execution, Executor, Work};
use crate::clock::micros;
use crate::device::nvml::Monitor;
use driver::{CallError, Context, Driver, OUT_OF_MEMORY};

pub(crate) use driver::executable_memory;
pub use select::{CudaDevice, CudaSelection};
pub use shared::{IPC_HANDLE_LENGTH, SharedBuffers};
pub(crate) use survey::{Surveyed, survey};
use trial::Trials;
use worker::{
    Hanging, NO_DEVICE, Place, kernel_failed, note_kernel_failed, note_process_spoilt, within,
};
pub use worker::{driver_hangs, process_spoilt};

/// The longest the driver may take to start and to name its devices.
const OPENING: Duration = Duration::from_secs(120);

/// One GPU that runs jobs.
#[derive(Clone, Debug)]
pub struct Cuda {
    driver: Driver,
    device: CudaDevice,
    selection: CudaSelection,
    hanging: Hanging,
    trials: Trials,
}

impl Cuda {
    /// Its word in statements.
    pub const NAME: &str = "cuda";

    /// Loads the driver and chooses a GPU.
    ///
    /// # Errors
    /// [`ExecuteError::LibraryNotFound`], [`ExecuteError::SymbolMissing`], [`ExecuteError::Device`] for a driver that
    /// does not start, [`ExecuteError::DriverHangs`], [`ExecuteError::DeviceNotFound`],
    /// [`ExecuteError::CapabilityUnsupported`].
    pub fn open(selection: &CudaSelection) -> Result<Self, ExecuteError> {
        let hanging = Hanging::default();
        let (choice, deadline) = (selection.clone(), selection.opening_deadline());
        let opened = within(&hanging, NO_DEVICE, deadline, move |place| {
            place.set("starting the driver");
            let driver = select::load()?;
            place.set("choosing a GPU");
            Ok((driver, choice.choose(driver)?, driver.version().ok()))
        });
        let (driver, device, cuda) = opened?;
        let (gpu, name, nvml_index) = (&device.uuid, &device.name, device.nvml_index);
        info!(gpu, name, nvml_index, cuda, "CUDA runs on");
        Ok(Self {
            driver,
            device,
            selection: selection.clone(),
            hanging,
            trials: Trials::default(),
        })
    }

    /// The GPU.
    #[must_use]
    pub const fn device(&self) -> &CudaDevice {
        &self.device
    }

    /// Programs for this GPU, the best first.
    fn programs(&self, job: &Job) -> impl Iterator<Item = Program> {
        let programs = self.device.targets().iter();
        let programs = programs.filter_map(|target| job.program(*target));
        let programs: Vec<_> = programs
            .filter(|program| program.module().ptx().is_some())
            .collect();
        programs.into_iter()
    }

    /// After a kernel that went astray: whether this process can still have a context.
    fn look_after(&self, error: &ExecuteError, by: &Until<'_>) {
        if went_astray(error) {
            by.place
                .set("trying a new context after a kernel that went astray");
            try_again(self.driver, &self.device);
        }
    }

    fn unsupported(&self, job: &Job) -> ExecuteError {
        let (major, minor) = self.device.capability;
        ExecuteError::KernelUnsupported {
            executor: Self::NAME,
            kernel: job.kernel().name(),
            why: format!("there is no module of it for compute capability {major}.{minor}"),
        }
    }

    fn run(
        &self,
        program: &Program,
        work: &Work,
        by: &Until<'_>,
    ) -> Result<Execution, ExecuteError> {
        let monitor = self.selection.monitor(&self.device);
        let start = work.clock.elapsed();
        let ran = run::run(self, program, work, by);
        let whole_us = micros(work.clock.elapsed().saturating_sub(start));
        // The counters end here, whether or not the run went well.
        let counters = monitor.map(Monitor::finish).unwrap_or_default();
        let ran = ran.inspect_err(|error| self.look_after(error, by))?;
        let ptx = program.module().ptx();
        let mut telemetry = ran.times.telemetry();
        telemetry.extend(counters);
        add(&mut telemetry, "cuda_whole_us", Some(whole_us));
        add(
            &mut telemetry,
            "cuda_nvml_index",
            self.device.nvml_index.map(u64::from),
        );
        Ok(Execution {
            executor: Self::NAME,
            outputs: ran.outputs,
            trace: ran.marks,
            module: ptx.map(|ptx| Hex(ptx.sha256)),
            run_us: micros(ran.times.run),
            digest_us: micros(ran.times.digest),
            telemetry,
        })
    }
}

impl Executor for Cuda {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn admit(&self, job: &Job) -> Result<(), ExecuteError> {
        let program = self.programs(job).next();
        let program = program.ok_or_else(|| self.unsupported(job))?;
        let (needed, total) = (run::bytes_needed(&program), self.device.memory_bytes);
        if needed > total {
            return Err(self.device.out_of_memory(needed, total, total));
        }
        Ok(())
    }

    fn execute(&self, work: &Work) -> Result<Execution, ExecuteError> {
        let (cuda, work, deadline) = (self.clone(), work.clone(), self.selection.deadline());
        self.device.within(&self.hanging, deadline, move |place| {
            cuda.execute_here(&work, &Until { deadline, place })
        })
    }
}

/// By when something has to be done, and where is told what is being done.
struct Until<'a> {
    deadline: Instant,
    place: &'a Place,
}

impl Cuda {
    /// A module for one generation alone makes way for the portable one where the driver refuses it or where it gave a
    /// wrong answer to what is known: both give the same bits, and the statement names the one that ran.
    fn execute_here(&self, work: &Work, by: &Until<'_>) -> Result<Execution, ExecuteError> {
        let mut refused = None;
        for program in self.programs(&work.job) {
            if !self.is_trusted(&program, &work.job, by)? {
                continue;
            }
            match self.run(&program, work, by) {
                Err(error)
                    if is_refused(&error) && program.module().target() != Target::Portable =>
                {
                    let module = program.module().name();
                    warn!(
                        module,
                        code = error.code(),
                        "trying the portable module: {error}"
                    );
                    refused = Some(error);
                }
                ended => return ended,
            }
        }
        Err(refused.unwrap_or_else(|| self.unsupported(&work.job)))
    }
}

fn is_refused(error: &ExecuteError) -> bool {
    let kind = match error {
        ExecuteError::Device(failure) => failure.kind,
        _ => return false,
    };
    matches!(kind, FailureKind::ModuleRefused | FailureKind::DriverTooOld)
}

/// Adds a counter that has a number a statement can carry.
fn add(counters: &mut BTreeMap<String, i64>, name: &str, value: Option<u64>) {
    if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
        counters.insert(name.to_owned(), value);
    }
}

/// Whether a kernel failed, in a context that there was.
fn went_astray(error: &ExecuteError) -> bool {
    let ExecuteError::Device(failure) = error else {
        return false;
    };
    failure.kind.is_of_a_kernel() && failure.during != MAKING_A_CONTEXT
}

/// Whether this process can still have a context is known afterwards ([`process_spoilt`]).
fn try_again(driver: Driver, device: &CudaDevice) {
    note_kernel_failed();
    if let Err(error) = new_context(driver, device) {
        warn!(code = error.code(), "{error}");
    }
}

const MAKING_A_CONTEXT: &str = "making a context";

/// A context of a device, made current on this thread.
fn new_context(driver: Driver, device: &CudaDevice) -> Result<Context, ExecuteError> {
    Context::create(driver, &device.facts).map_err(|error| no_context(device, error))
}

/// Why there is no context. Nothing ran in it, so the error of a kernel is of an earlier one of this process, if there was
/// one; else it is the device's.
fn no_context(device: &CudaDevice, error: CallError) -> ExecuteError {
    if error.number == OUT_OF_MEMORY {
        return device.out_of_memory(run::ALLOWANCE, 0, device.memory_bytes);
    }
    if !FailureKind::of(error.number).is_of_a_kernel() || !kernel_failed() {
        return failure(&device.to_string(), MAKING_A_CONTEXT, error);
    }
    note_process_spoilt();
    ExecuteError::ProcessSpoilt {
        device: device.to_string(),
        call: error.call,
        number: error.number,
        name: error.name,
    }
}

/// A failed call in the words of an operator.
fn failure(device: &str, during: &'static str, error: CallError) -> ExecuteError {
    ExecuteError::Device(DeviceFailure {
        kind: FailureKind::of(error.number),
        device: device.to_owned(),
        call: error.call,
        during,
        number: error.number,
        name: error.name,
        text: error.text,
    })
}
