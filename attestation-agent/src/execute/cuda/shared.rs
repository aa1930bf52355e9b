//! Buffers on a GPU that belong to another process, digested where they are.
//!
//! In scope: opening `cudaIpcMemHandle_t`, digesting and reading what it stands for. Out of scope: who may hand one in
//! (the socket), and whether the owner left it alone meanwhile. A handle is the owner's word for memory of its own; the
//! digest is of whatever was in it when the GPU read it.

use std::io;
use std::ops::Range;
use std::time::Instant;

use kernels::digest_program::DigestPlan;
use kernels::{Blake3Digest, Module as KernelModule};

use super::driver::{
    CallError, Context, DeviceMemory, Driver, Module, PinnedMemory, SharedMemory, Stream,
};
use super::run::{Trouble, as_digest, broken, launch_one};
use super::{CudaDevice, CudaSelection, failure, select};
use crate::execute::ExecuteError;

/// Bytes of `cudaIpcMemHandle_t`.
pub const IPC_HANDLE_LENGTH: usize = 64;

/// Opens buffers of other processes.
#[derive(Clone, Debug)]
pub struct SharedBuffers {
    driver: Driver,
    devices: Vec<CudaDevice>,
    selection: CudaSelection,
}

impl SharedBuffers {
    /// Loads the driver.
    ///
    /// # Errors
    /// As [`Cuda::open`](super::Cuda::open), but for the choice of a GPU.
    pub fn open(selection: &CudaSelection) -> Result<Self, ExecuteError> {
        let driver = select::load()?;
        Ok(Self {
            driver,
            devices: selection.devices(driver)?,
            selection: selection.clone(),
        })
    }

    /// Plain BLAKE3 of a part of a buffer, computed on the GPU whose CUDA ordinal is `device`.
    ///
    /// The handle is closed before this returns.
    ///
    /// # Errors
    /// [`ExecuteError::DeviceNotFound`]; [`ExecuteError::Device`] for a handle the driver refuses;
    /// [`ExecuteError::Failed`] for a part that is not within the buffer.
    pub fn digest(
        &self,
        device: u32,
        handle: &[u8; IPC_HANDLE_LENGTH],
        part: Range<u64>,
    ) -> Result<Blake3Digest, ExecuteError> {
        self.with(device, handle, part, |opened| opened.digest())
    }

    /// Hands the bytes of a part of a buffer to `sink` in order, in pieces.
    ///
    /// # Errors
    /// As [`digest`](Self::digest); [`ExecuteError::Failed`] with the words of `sink`.
    pub fn copy(
        &self,
        device: u32,
        handle: &[u8; IPC_HANDLE_LENGTH],
        part: Range<u64>,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ExecuteError> {
        self.with(device, handle, part, |opened| opened.copy(sink))
    }

    fn with<T>(
        &self,
        device: u32,
        handle: &[u8; IPC_HANDLE_LENGTH],
        part: Range<u64>,
        act: impl FnOnce(&Opened<'_>) -> Result<T, ExecuteError>,
    ) -> Result<T, ExecuteError> {
        let found = usize::try_from(device)
            .ok()
            .and_then(|index| self.devices.get(index));
        let gpu = found.ok_or_else(|| ExecuteError::DeviceNotFound {
            why: format!(
                "expected CUDA device {device}, CUDA sees {}",
                self.devices.len()
            ),
        })?;
        let context = Context::create(self.driver, &gpu.facts);
        let context = context.map_err(|error| failed(gpu, "making a context", error))?;
        let memory = SharedMemory::open(&context, handle);
        let memory = memory.map_err(|error| failed(gpu, "opening a buffer", error))?;
        if part.start > part.end || part.end > memory.len() {
            let len = memory.len();
            return Err(broken(format!("bytes {part:?} of a buffer of {len} bytes")));
        }
        act(&Opened {
            gpu,
            context: &context,
            memory: &memory,
            part,
            deadline: self.selection.deadline(),
        })
    }
}

/// A buffer that is open.
struct Opened<'a> {
    gpu: &'a CudaDevice,
    context: &'a Context,
    memory: &'a SharedMemory<'a>,
    part: Range<u64>,
    deadline: Instant,
}

impl Opened<'_> {
    fn digest(&self) -> Result<Blake3Digest, ExecuteError> {
        let module = KernelModule::all().find(|module| module.name() == "blake3");
        let ptx = module.and_then(KernelModule::ptx);
        let ptx = ptx.ok_or_else(|| broken("there is no module blake3".to_owned()))?;
        let plan = DigestPlan::of_three_buffers(self.part.end - self.part.start);
        self.step("digesting a buffer", || self.digest_by(&plan, ptx.text))
    }

    fn digest_by(&self, plan: &DigestPlan, ptx: &str) -> Result<Blake3Digest, Trouble> {
        let len = self.part.end - self.part.start;
        let mut module = Module::load(self.context, ptx)?;
        let scratch = DeviceMemory::new(self.context, DigestPlan::scratch_len(len))?;
        let digest = DeviceMemory::new(self.context, DIGEST)?;
        let stream = Stream::new(self.context)?;
        let mut staging = PinnedMemory::new(self.context)?;
        let bases = [
            self.memory.address() + self.part.start,
            scratch.address(),
            digest.address(),
        ];
        for launch in plan.launches() {
            launch_one(&mut module, &launch, &bases, &stream)?;
        }
        let mut bytes = Vec::new();
        digest.download(
            0..DIGEST,
            &stream,
            &mut staging,
            self.deadline,
            &mut |piece| {
                bytes.extend_from_slice(piece);
            },
        )?;
        Ok(as_digest(&bytes)?)
    }

    fn copy(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), ExecuteError> {
        let mut written = Ok(());
        self.step("copying a buffer", || {
            let stream = Stream::new(self.context)?;
            let mut staging = PinnedMemory::new(self.context)?;
            let mut piecewise = |piece: &[u8]| {
                if written.is_ok() {
                    written = sink(piece);
                }
            };
            let part = self.part.clone();
            Ok(self
                .memory
                .download(part, &stream, &mut staging, self.deadline, &mut piecewise)?)
        })?;
        written.map_err(|error| broken(format!("a copy of a buffer was not written: {error}")))
    }

    fn step<T>(
        &self,
        during: &'static str,
        act: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, ExecuteError> {
        act().map_err(|trouble| match trouble {
            Trouble::Call(error) => failed(self.gpu, during, error),
            Trouble::Other(error) => error,
        })
    }
}

/// Bytes of a digest.
const DIGEST: u64 = 32;

fn failed(gpu: &CudaDevice, during: &'static str, error: CallError) -> ExecuteError {
    failure(&gpu.to_string(), during, error)
}
