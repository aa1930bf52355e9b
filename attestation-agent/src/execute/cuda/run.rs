//! A program on a GPU, from its inputs to its digests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kernels::digest_program::{DigestPlan, DigestedProgram, digested};
use kernels::program::{Arg, Buffer, Contents, Launch, Program, Region, Step};
use kernels::{Blake3Digest, CheckedInputs, Output};

use super::driver::{
    Argument, CallError, Context, DeviceMemory, Event, Module, OUT_OF_MEMORY, PinnedMemory, Stream,
};
use super::{Cuda, Until, add, failure};
use crate::clock::micros;
use crate::execute::{ExecuteError, NamedOutput, Work};

/// What the driver keeps for itself in a context, and what a module takes: an allowance, since neither can be asked for.
pub(super) const ALLOWANCE: u64 = 64 << 20;

/// Allocations begin at multiples of this, so the end of one may be lost.
const GRAIN: u64 = 512;

/// What a program left.
pub(super) struct Ran {
    pub(super) outputs: Vec<NamedOutput>,
    pub(super) marks: Vec<Blake3Digest>,
    pub(super) times: Times,
}

/// Where the time went: `run` and `digest` by the device's events, the rest by this machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) context: Duration,
    pub(super) module: Duration,
    pub(super) upload: Duration,
    pub(super) run: Duration,
    pub(super) digest: Duration,
    pub(super) download: Duration,
}

impl Times {
    /// As counters of a statement.
    pub(super) fn telemetry(&self) -> BTreeMap<String, i64> {
        let mut counters = BTreeMap::new();
        for (name, time) in [
            ("cuda_context_us", self.context),
            ("cuda_module_us", self.module),
            ("cuda_upload_us", self.upload),
            ("cuda_run_us", self.run),
            ("cuda_digest_us", self.digest),
            ("cuda_download_us", self.download),
        ] {
            add(&mut counters, name, Some(micros(time)));
        }
        counters
    }
}

/// Bytes of device memory that a program needs, with the digests of its outputs.
pub(super) fn bytes_needed(program: &Program) -> u64 {
    let program = digested(program).program;
    let buffers = program.buffers().iter();
    let buffers = buffers.map(|buffer| buffer.len.max(1).next_multiple_of(GRAIN));
    buffers.fold(ALLOWANCE, u64::saturating_add)
}

/// Runs a program with the digests of its marks and outputs.
pub(super) fn run(
    cuda: &Cuda,
    program: &Program,
    work: &Work,
    by: &Until<'_>,
) -> Result<Ran, ExecuteError> {
    by.place.set(super::MAKING_A_CONTEXT);
    let started = Instant::now();
    let context = super::new_context(cuda.driver, &cuda.device)?;
    let desk = Desk {
        cuda,
        context: &context,
        needed: bytes_needed(program),
        by,
    };
    let mut times = Times {
        context: started.elapsed(),
        ..Times::default()
    };
    let mut bench = desk.prepare(program, &work.inputs, &mut times)?;
    let done = desk.launch(program, &mut bench, &mut times)?;
    let ran = desk.collect(program, work, &mut bench, &done, times);
    by.place.set("releasing what the job had");
    ran
}

impl Cuda {
    /// Running out of memory is told with figures, whichever call meets it.
    fn failed(
        &self,
        during: &'static str,
        error: CallError,
        needed: u64,
        memory: Option<(u64, u64)>,
    ) -> ExecuteError {
        if error.number == OUT_OF_MEMORY && error.call == "cuMemHostAlloc" {
            return ExecuteError::HostOutOfMemory {
                detail: format!("pinned memory: {error}"),
            };
        }
        if error.number != OUT_OF_MEMORY {
            return failure(&self.device.to_string(), during, error);
        }
        let (free, total) = memory.unwrap_or((0, self.device.memory_bytes));
        self.device.out_of_memory(needed, free, total)
    }
}

/// A failed call, or a program that is not what programs are.
pub(super) enum Trouble {
    Call(CallError),
    Other(ExecuteError),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<ExecuteError> for Trouble {
    fn from(error: ExecuteError) -> Self {
        Self::Other(error)
    }
}

/// Where one program runs.
struct Desk<'a> {
    cuda: &'a Cuda,
    context: &'a Context,
    /// Bytes of device memory in all.
    needed: u64,
    by: &'a Until<'a>,
}

/// Everything at hand for the first launch.
struct Bench<'a> {
    plan: DigestedProgram,
    // In the order in which they are released: releasing device memory waits for whatever still runs.
    buffers: Vec<DeviceMemory<'a>>,
    staging: PinnedMemory<'a>,
    module: Module<'a>,
    working: Stream<'a>,
    copying: Stream<'a>,
}

impl<'a> Desk<'a> {
    fn prepare(
        &self,
        program: &Program,
        inputs: &CheckedInputs<'_>,
        times: &mut Times,
    ) -> Result<Bench<'a>, ExecuteError> {
        let since = Instant::now();
        let module = self.step("loading the module", || self.load(program))?;
        times.module = since.elapsed();
        self.step("asking for free memory", || self.check_memory())?;
        let mut bench = self.step("allocating memory", || {
            let plan = digested(program);
            Ok(Bench {
                buffers: self.allocate(&plan.program)?,
                module,
                plan,
                working: Stream::new(self.context)?,
                copying: Stream::new(self.context)?,
                staging: PinnedMemory::new(self.context)?,
            })
        })?;
        let since = Instant::now();
        self.step("filling buffers", || bench.fill(inputs, self.by.deadline))?;
        times.upload = since.elapsed();
        Ok(bench)
    }

    /// Runs everything and waits for its end.
    fn launch(
        &self,
        program: &Program,
        bench: &mut Bench<'a>,
        times: &mut Times,
    ) -> Result<Event<'a>, ExecuteError> {
        let steps = bench.plan.program.steps().to_vec();
        let digesting = steps.len().saturating_sub(launches_of_digests(program));
        let (run, digest) = steps.split_at(digesting);
        let (begun, ran) = self.step("launching the kernel", || {
            let begun = bench.working.record()?;
            bench.launch_all(run)?;
            Ok((begun, bench.working.record()?))
        })?;
        let done = self.step("launching the digest", || {
            bench.launch_all(digest)?;
            Ok(bench.working.record()?)
        })?;
        self.step("running", || {
            done.wait(self.by.deadline)?;
            times.run = ran.since(&begun)?;
            times.digest = done.since(&ran)?;
            Ok(())
        })?;
        Ok(done)
    }

    /// Downloads the digests, before any output leaves the device, and then the outputs that somebody wants.
    fn collect(
        &self,
        program: &Program,
        work: &Work,
        bench: &mut Bench<'a>,
        done: &Event<'a>,
        mut times: Times,
    ) -> Result<Ran, ExecuteError> {
        let since = Instant::now();
        let (marks, digests) = self.step("downloading digests", || {
            bench.copying.wait_for(done)?;
            let (marks, outputs) = (bench.plan.marks.clone(), bench.plan.outputs.clone());
            let mut all = |regions: &[Region]| {
                let digests = regions
                    .iter()
                    .map(|region| bench.digest(region, self.by.deadline));
                digests.collect::<Result<Vec<_>, _>>()
            };
            Ok((all(&marks)?, all(&outputs)?))
        })?;
        let mut outputs = Vec::new();
        for ((spec, buffer), digest) in work
            .job
            .outputs()
            .iter()
            .zip(program.outputs())
            .zip(digests)
        {
            let region = Region {
                buffer: *buffer,
                offset: 0,
                len: program.at(*buffer).len,
            };
            let fetched = || bench.fetch(&region, self.by.deadline);
            outputs.push(match work.keep_outputs {
                true => compared(
                    spec.name,
                    self.step("downloading outputs", fetched)?,
                    digest,
                )?,
                false => NamedOutput {
                    name: spec.name,
                    len: region.len,
                    digest,
                    bytes: None,
                },
            });
        }
        times.download = since.elapsed();
        Ok(Ran {
            outputs,
            marks,
            times,
        })
    }

    /// Does something, and says what it was if it fails.
    fn step<T>(
        &self,
        during: &'static str,
        act: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, ExecuteError> {
        self.by.place.set(during);
        act().map_err(|trouble| match trouble {
            Trouble::Call(error) => {
                let memory = self.context.memory().ok();
                self.cuda.failed(during, error, self.needed, memory)
            }
            Trouble::Other(error) => error,
        })
    }

    fn load(&self, program: &Program) -> Result<Module<'a>, Trouble> {
        let ptx = program.module().ptx();
        let ptx = ptx.ok_or_else(|| broken(format!("{:?} has no PTX", program.module())))?;
        Ok(Module::load(self.context, ptx.text)?)
    }

    /// The module is loaded and the context made: the allowance for them is spent.
    fn check_memory(&self) -> Result<(), Trouble> {
        let (free, total) = self.context.memory()?;
        let needed = self.needed.saturating_sub(ALLOWANCE);
        if needed > free {
            return Err(self.cuda.device.out_of_memory(needed, free, total).into());
        }
        Ok(())
    }

    fn allocate(&self, program: &Program) -> Result<Vec<DeviceMemory<'a>>, CallError> {
        let buffers = program.buffers().iter();
        buffers
            .map(|buffer| DeviceMemory::new(self.context, buffer.len))
            .collect()
    }
}

impl Bench<'_> {
    /// Gives every buffer its contents. The work begins after the last upload.
    fn fill(&mut self, inputs: &CheckedInputs<'_>, deadline: Instant) -> Result<(), Trouble> {
        for (buffer, memory) in self.plan.program.buffers().iter().zip(&mut self.buffers) {
            let bytes = match &buffer.contents {
                Contents::Zero => {
                    memory.zero(&self.working)?;
                    continue;
                }
                Contents::Input(name) => inputs.get(name),
                Contents::Bytes(bytes) => bytes,
            };
            check_length(buffer, bytes)?;
            memory.upload(&self.copying, &mut self.staging, bytes, deadline)?;
        }
        let uploaded = self.copying.record()?;
        Ok(self.working.wait_for(&uploaded)?)
    }

    fn launch_all(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        let bases: Vec<_> = self.buffers.iter().map(DeviceMemory::address).collect();
        for step in steps {
            let Step::Launch(launch) = step else {
                return Err(broken("a mark was not made into launches".to_owned()).into());
            };
            launch_one(&mut self.module, launch, &bases, &self.working)?;
        }
        Ok(())
    }

    fn digest(&mut self, region: &Region, deadline: Instant) -> Result<Blake3Digest, Trouble> {
        Ok(as_digest(&self.fetch(region, deadline)?)?)
    }

    fn fetch(&mut self, region: &Region, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        let buffer = self.buffers.get(region.buffer.index());
        let buffer = buffer.ok_or_else(|| broken(format!("there is no buffer for {region:?}")))?;
        let mut bytes = reserved(region.len)?;
        let part = region.offset..region.offset.saturating_add(region.len);
        buffer.download(
            part,
            &self.copying,
            &mut self.staging,
            deadline,
            &mut |piece| {
                bytes.extend_from_slice(piece);
            },
        )?;
        Ok(bytes)
    }
}

fn check_length(buffer: &Buffer, bytes: &[u8]) -> Result<(), ExecuteError> {
    if bytes.len() as u64 == buffer.len {
        return Ok(());
    }
    let (name, expected, actual) = (buffer.name, buffer.len, bytes.len());
    Err(broken(format!(
        "buffer {name} has {expected} bytes, its contents {actual}"
    )))
}

fn reserved(len: u64) -> Result<Vec<u8>, ExecuteError> {
    let mut bytes = Vec::new();
    let reserved = usize::try_from(len).ok();
    let reserved = reserved.and_then(|len| bytes.try_reserve_exact(len).ok());
    match reserved {
        Some(()) => Ok(bytes),
        None => Err(ExecuteError::HostOutOfMemory {
            detail: format!("{len} bytes of output"),
        }),
    }
}

/// A launch with the addresses of the buffers.
pub(super) fn launch_one(
    module: &mut Module<'_>,
    launch: &Launch,
    bases: &[u64],
    stream: &Stream<'_>,
) -> Result<(), Trouble> {
    let mut arguments = arguments(launch, bases)?;
    let (grid, block) = (launch.grid, launch.block);
    Ok(module.launch(launch.function, grid, block, &mut arguments, stream)?)
}

fn arguments(launch: &Launch, bases: &[u64]) -> Result<Vec<Argument>, ExecuteError> {
    let arguments = launch.args.iter().map(|arg| {
        Ok(match arg {
            Arg::Buffer(buffer, offset) => {
                let base = bases.get(buffer.index());
                let at = base.and_then(|base| base.checked_add(*offset));
                let at = at.ok_or_else(|| broken(format!("{arg:?} is no place in memory")))?;
                Argument::wide(at.to_ne_bytes())
            }
            Arg::U32(value) => Argument::narrow(value.to_ne_bytes()),
            Arg::U64(value) => Argument::wide(value.to_ne_bytes()),
            Arg::I32(value) => Argument::narrow(value.to_ne_bytes()),
            Arg::F32(value) => Argument::narrow(value.to_ne_bytes()),
        })
    });
    arguments.collect()
}

pub(super) fn as_digest(bytes: &[u8]) -> Result<Blake3Digest, ExecuteError> {
    let digest = <[u8; 32]>::try_from(bytes);
    digest
        .map(Blake3Digest::from_bytes)
        .map_err(|_| broken(format!("a digest has {} bytes", bytes.len())))
}

/// How many launches at the end of the digested program digest its outputs.
fn launches_of_digests(program: &Program) -> usize {
    let launches = program.outputs().iter().map(|buffer| {
        let data = Region {
            buffer: *buffer,
            offset: 0,
            len: program.at(*buffer).len,
        };
        DigestPlan::new(data, *buffer, (*buffer, 0))
            .launches()
            .len()
    });
    launches.sum()
}

/// Downloaded bytes, if they are those that the device digested.
fn compared(
    name: &'static str,
    bytes: Vec<u8>,
    on_device: Blake3Digest,
) -> Result<NamedOutput, ExecuteError> {
    let output = Output::new(bytes);
    if output.digest() != on_device {
        return Err(ExecuteError::DigestMismatch {
            output: name,
            on_device,
            downloaded: output.digest(),
        });
    }
    Ok(NamedOutput::new(name, output))
}

/// A program that is not what programs are: a defect of the catalogue.
pub(super) fn broken(detail: String) -> ExecuteError {
    ExecuteError::Failed {
        executor: Cuda::NAME,
        detail,
    }
}
