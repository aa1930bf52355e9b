//! The thread of one device: its context, and what is kept in it between two buffers.

use std::ops::Range;
use std::sync::mpsc::Receiver;

use kernels::digest_program::DigestPlan;
use kernels::{Blake3Digest, Module as KernelModule};

use super::super::driver::{
    CallError, Context, DeviceMemory, Driver, Module, PinnedMemory, SharedMemory, Stream,
};
use super::super::run::{Trouble, as_digest, broken, launch_one};
use super::super::{CudaDevice, MAKING_A_CONTEXT, failure, new_context, try_again, went_astray};
use super::{Act, Said, Task};
use crate::execute::ExecuteError;

/// Bytes of a digest.
const DIGEST: u64 = 32;

/// Does tasks until nobody can send one any more. A context ends with the first failure of the driver.
pub(super) fn serve(driver: Driver, gpu: &CudaDevice, tasks: &Receiver<Task>) {
    while let Ok(first) = tasks.recv() {
        first.place.set(MAKING_A_CONTEXT);
        let astray = match new_context(driver, gpu) {
            Ok(context) => in_context(gpu, &context, first, tasks),
            Err(error) => {
                first.end(Err(error));
                false
            }
        };
        if astray {
            try_again(driver, gpu);
        }
    }
}

/// Returns whether a kernel went astray.
fn in_context(gpu: &CudaDevice, context: &Context, first: Task, tasks: &Receiver<Task>) -> bool {
    let mut room = Room {
        gpu,
        context,
        tools: None,
    };
    let mut next = Ok(first);
    while let Ok(task) = next {
        let done = room.act(&task);
        let (goes_on, astray) = match &done {
            Err(error @ ExecuteError::Device(_)) => (false, went_astray(error)),
            _ => (true, false),
        };
        task.end(done);
        if !goes_on {
            return astray;
        }
        next = tasks.recv();
    }
    false
}

impl Task {
    fn end(self, done: Result<Option<Blake3Digest>, ExecuteError>) {
        // Whoever asked may have stopped waiting.
        let _ = self.tell.send(Said::End(done));
    }
}

struct Room<'a> {
    gpu: &'a CudaDevice,
    context: &'a Context,
    tools: Option<Tools<'a>>,
}

/// What is made once in a context.
struct Tools<'a> {
    staging: PinnedMemory<'a>,
    module: Module<'a>,
    stream: Stream<'a>,
}

impl<'a> Room<'a> {
    /// The handle is closed when this returns.
    fn act(&mut self, task: &Task) -> Result<Option<Blake3Digest>, ExecuteError> {
        let (gpu, context) = (self.gpu, self.context);
        let step = |during| {
            task.place.set(during);
            move |trouble| match trouble {
                Trouble::Call(error) => failed(gpu, during, error),
                Trouble::Other(error) => error,
            }
        };
        let told = step("opening a buffer");
        let memory = SharedMemory::open(context, &task.handle);
        let memory = memory.map_err(|error| told(error.into()))?;
        within(&task.part, memory.len())?;
        let told = step("loading the module");
        let tools = self.tools().map_err(told)?;
        match task.act {
            Act::Digest => {
                let told = step("digesting a buffer");
                tools.digest(context, &memory, task).map(Some).map_err(told)
            }
            Act::Copy => {
                let told = step("copying a buffer");
                tools.copy(&memory, task).map(|()| None).map_err(told)
            }
        }
    }

    fn tools(&mut self) -> Result<&mut Tools<'a>, Trouble> {
        let tools = match self.tools.take() {
            Some(tools) => tools,
            None => Tools::new(self.context)?,
        };
        Ok(self.tools.insert(tools))
    }
}

impl<'a> Tools<'a> {
    fn new(context: &'a Context) -> Result<Self, Trouble> {
        let kernel = KernelModule::all().find(|module| module.name() == "blake3");
        let ptx = kernel.and_then(KernelModule::ptx);
        let ptx = ptx.ok_or_else(|| broken("there is no module blake3".to_owned()))?;
        Ok(Self {
            module: Module::load(context, ptx.text)?,
            stream: Stream::new(context)?,
            staging: PinnedMemory::new(context)?,
        })
    }

    fn digest(
        &mut self,
        context: &Context,
        memory: &SharedMemory<'_>,
        task: &Task,
    ) -> Result<Blake3Digest, Trouble> {
        let len = task.part.end - task.part.start;
        let scratch = DeviceMemory::new(context, DigestPlan::scratch_len(len))?;
        let digest = DeviceMemory::new(context, DIGEST)?;
        let start = memory.address() + task.part.start;
        let bases = [start, scratch.address(), digest.address()];
        for launch in DigestPlan::of_three_buffers(len).launches() {
            launch_one(&mut self.module, &launch, &bases, &self.stream)?;
        }
        let mut bytes = Vec::new();
        digest.download(
            0..DIGEST,
            &self.stream,
            &mut self.staging,
            task.deadline,
            &mut |piece| bytes.extend_from_slice(piece),
        )?;
        Ok(as_digest(&bytes)?)
    }

    fn copy(&mut self, memory: &SharedMemory<'_>, task: &Task) -> Result<(), Trouble> {
        let mut hand_over = |piece: &[u8]| {
            // As above: nobody may be waiting any more.
            let _ = task.tell.send(Said::Piece(piece.to_vec()));
        };
        Ok(memory.download(
            task.part.clone(),
            &self.stream,
            &mut self.staging,
            task.deadline,
            &mut hand_over,
        )?)
    }
}

fn within(part: &Range<u64>, len: u64) -> Result<(), ExecuteError> {
    match part.start <= part.end && part.end <= len {
        true => Ok(()),
        false => Err(broken(format!("bytes {part:?} of a buffer of {len} bytes"))),
    }
}

fn failed(gpu: &CudaDevice, during: &'static str, error: CallError) -> ExecuteError {
    failure(&gpu.to_string(), during, error)
}
