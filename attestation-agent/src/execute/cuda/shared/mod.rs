//! Buffers on a GPU that belong to another process, digested where they are.
//!
//! In scope: opening `cudaIpcMemHandle_t`, digesting and reading what it stands for. Each device has one thread with
//! one context, from the first buffer on it to the end, so that not every mark of a program costs a context; a failure
//! of the driver ends the context, and the next buffer gets a new one. Out of scope: who may hand one in (the socket),
//! and whether the owner left it alone meanwhile. A handle is the owner's word for memory of its own; the digest is of
//! whatever was in it when the GPU read it.

mod room;

use std::io;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kernels::Blake3Digest;

use super::driver::Driver;
use super::run::broken;
use super::worker::{Hanging, NO_DEVICE, Place, patience, within};
use super::{CudaDevice, CudaSelection, select};
use crate::execute::ExecuteError;

/// Bytes of `cudaIpcMemHandle_t`.
pub const IPC_HANDLE_LENGTH: usize = 64;

/// How long the end waits for the contexts to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Opens buffers of other processes.
#[derive(Clone, Debug)]
pub struct SharedBuffers {
    devices: Arc<Vec<Line>>,
    selection: CudaSelection,
}

/// The way to the thread of one device.
#[derive(Debug)]
struct Line {
    driver: Driver,
    gpu: CudaDevice,
    hanging: Hanging,
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug)]
struct Thread {
    tasks: Sender<Task>,
    /// Gone with the thread.
    ended: Receiver<()>,
}

/// What a thread is asked for.
struct Task {
    act: Act,
    handle: [u8; IPC_HANDLE_LENGTH],
    part: Range<u64>,
    deadline: Instant,
    place: Place,
    tell: SyncSender<Said>,
}

#[derive(Clone, Copy)]
enum Act {
    Digest,
    Copy,
}

/// What it answers: pieces of a copy, then the end, with the digest that was asked for.
enum Said {
    Piece(Vec<u8>),
    End(Result<Option<Blake3Digest>, ExecuteError>),
}

impl SharedBuffers {
    /// Loads the driver.
    ///
    /// # Errors
    /// As [`Cuda::open`](super::Cuda::open), but for the choice of a GPU.
    pub fn open(selection: &CudaSelection) -> Result<Self, ExecuteError> {
        let (choice, deadline) = (selection.clone(), selection.opening_deadline());
        let opened = within(&Hanging::default(), NO_DEVICE, deadline, move |place| {
            place.set("starting the driver");
            let driver = select::load()?;
            place.set("looking for GPUs");
            Ok((driver, choice.devices(driver)?))
        });
        let (driver, devices) = opened?;
        let lines = devices.into_iter().map(|gpu| Line {
            driver,
            gpu,
            hanging: Hanging::default(),
            thread: Mutex::new(None),
        });
        Ok(Self {
            devices: Arc::new(lines.collect()),
            selection: selection.clone(),
        })
    }

    /// Plain BLAKE3 of a part of a buffer, computed on the GPU whose CUDA ordinal is `device`.
    ///
    /// The handle is closed before this returns, unless the driver hangs.
    ///
    /// # Errors
    /// [`ExecuteError::DeviceNotFound`]; [`ExecuteError::Device`] for a handle the driver refuses;
    /// [`ExecuteError::DriverHangs`]; [`ExecuteError::Failed`] for a part that is not within the buffer.
    pub fn digest(
        &self,
        device: u32,
        handle: &[u8; IPC_HANDLE_LENGTH],
        part: Range<u64>,
    ) -> Result<Blake3Digest, ExecuteError> {
        let digest = self.ask(device, handle, part, Act::Digest, &mut |_| Ok(()))?;
        digest.ok_or_else(|| broken("a digest that was not made".to_owned()))
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
        self.ask(device, handle, part, Act::Copy, sink).map(drop)
    }

    fn ask(
        &self,
        device: u32,
        handle: &[u8; IPC_HANDLE_LENGTH],
        part: Range<u64>,
        act: Act,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Option<Blake3Digest>, ExecuteError> {
        let found = usize::try_from(device).ok();
        let found = found.and_then(|index| self.devices.get(index));
        let line = found.ok_or_else(|| ExecuteError::DeviceNotFound {
            why: format!(
                "expected CUDA device {device}, CUDA sees {}",
                self.devices.len()
            ),
        })?;
        // Two pieces under way: one is written while the next one is fetched.
        let (tell, told) = mpsc::sync_channel(2);
        let (place, deadline) = (
            Place::new("waiting for its turn"),
            self.selection.deadline(),
        );
        line.send(Task {
            act,
            handle: *handle,
            part,
            deadline,
            place: place.clone(),
            tell,
        })?;
        line.hear(&told, &place, deadline, sink)
    }
}

impl Line {
    /// Sends a task to the device's thread, which begins with the first.
    fn send(&self, task: Task) -> Result<(), ExecuteError> {
        self.hanging.refuse(&self.gpu.to_string())?;
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let task = match &*thread {
            Some(running) => match running.tasks.send(task) {
                Ok(()) => return Ok(()),
                // It ended by a defect; a new one begins.
                Err(mpsc::SendError(task)) => task,
            },
            None => task,
        };
        let started = self.start()?;
        // Its receiver lives as long as the thread, which has nothing to do yet.
        let _ = started.tasks.send(task);
        *thread = Some(started);
        Ok(())
    }

    fn start(&self) -> Result<Thread, ExecuteError> {
        let (tasks, to_do) = mpsc::channel();
        let (alive, ended) = mpsc::channel();
        let (driver, gpu) = (self.driver, self.gpu.clone());
        let serving = thread::Builder::new().name("cuda-shared".to_owned());
        let serving = serving.spawn(move || {
            let _alive: Sender<()> = alive;
            room::serve(driver, &gpu, &to_do);
        });
        serving.map_err(|error| ExecuteError::HostOutOfMemory {
            detail: format!("no thread for the driver: {error}"),
        })?;
        Ok(Thread { tasks, ended })
    }

    /// Hears a task's answer to the end. What the sink refuses is its caller's trouble, and the buffer is still closed.
    fn hear(
        &self,
        told: &Receiver<Said>,
        place: &Place,
        deadline: Instant,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Option<Blake3Digest>, ExecuteError> {
        let since = Instant::now();
        let mut written = Ok(());
        let ended = loop {
            match told.recv_timeout(patience(deadline)) {
                Ok(Said::Piece(piece)) if written.is_ok() => written = sink(&piece),
                Ok(Said::Piece(_)) => {}
                Ok(Said::End(ended)) => break ended?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(broken("the device's thread ended by a defect".to_owned()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.hanging.leave();
                    return Err(place.hangs(&self.gpu.to_string(), since));
                }
            }
        };
        let refused = |error| broken(format!("a copy of a buffer was not written: {error}"));
        written.map_err(refused).map(|()| ended)
    }
}

impl Drop for Line {
    /// Ends the context, which must not be left to the end of the process.
    fn drop(&mut self) {
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(Thread { tasks, ended }) = thread.take() {
            drop(tasks);
            // Of a driver that hangs, it is left.
            let _ = ended.recv_timeout(FAREWELL);
        }
    }
}
