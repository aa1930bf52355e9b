//! Launches: found, checked, and their blocks spread over threads.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::call::{checked_blocks, checked_slots};
use super::cpu::Build;
use super::error::HostError;
use super::ffi::{Call, Defect, Function, Missing};
use super::memory::Memory;
use crate::program::Launch;

/// A CPU that runs kernels.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    threads: NonZeroUsize,
    build: Build,
    seed: u64,
}

impl Machine {
    /// A machine of up to this many threads, with the fastest build that this CPU runs.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Self {
        Self {
            threads,
            build: Build::detect(),
            seed: 0,
        }
    }

    /// The same machine with another build, or `None` if this CPU does not run it.
    #[must_use]
    pub fn with_build(self, build: Build) -> Option<Self> {
        build.is_supported().then_some(Self { build, ..self })
    }

    /// The same machine with threads and warps in an order that follows from `seed`, and for odd seeds the blocks
    /// backwards; 0 is the natural order. A kernel whose result depends on it lacks a barrier or a launch between.
    #[must_use]
    pub const fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    pub(super) const fn build(&self) -> Build {
        self.build
    }

    /// Runs a launch to its end. What it wrote until an error stays in `memory`.
    pub(super) fn launch(
        &self,
        module: &'static str,
        launch: &Launch,
        memory: &mut Memory,
    ) -> Result<(), HostError> {
        let function = self.find(module, launch.function)?;
        let blocks = checked_blocks(launch)?;
        let slots = checked_slots(launch, function, memory)?;
        let call = Call::new(function, launch, self.seed, slots);
        let ran = self.run_blocks(&call, blocks);
        drop(call);
        memory.check_guards(launch.function)?;
        ran.map_err(|defect| error_of(launch, defect))
    }

    fn find(&self, module: &'static str, function: &'static str) -> Result<Function, HostError> {
        Function::find(self.build, module, function).map_err(|missing| match missing {
            Missing::Module => HostError::UnknownModule { module },
            Missing::Function => HostError::UnknownFunction { module, function },
        })
    }

    /// Each thread takes the next few blocks until there are none, or until one of them meets a defect.
    fn run_blocks(&self, call: &Call<'_>, blocks: u64) -> Result<(), Defect> {
        let threads = (self.threads.get() as u64).min(blocks);
        let share = match threads {
            1 => blocks,
            _ => (blocks / (threads * SHARES_PER_THREAD)).max(1),
        };
        let next = AtomicU64::new(0);
        let found = Mutex::new(None);
        let work = || {
            loop {
                let first = next.fetch_add(share, Ordering::Relaxed);
                if first >= blocks {
                    break;
                }
                if let Err(defect) = call.run(first, share.min(blocks - first)) {
                    next.store(blocks, Ordering::Relaxed);
                    found
                        .lock()
                        .expect("nothing panics with the lock")
                        .get_or_insert(defect);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Without a thread more, the others do its share.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        let defect = found.into_inner().expect("nothing panics with the lock");
        defect.map_or(Ok(()), Err)
    }
}

/// Few enough that taking a share costs nothing, enough that threads end at about the same time.
const SHARES_PER_THREAD: u64 = 16;

fn error_of(launch: &Launch, defect: Defect) -> HostError {
    match defect.kind {
        Some(kind) => HostError::Defect {
            function: launch.function,
            kind,
            detail: defect.detail,
        },
        None => HostError::OutOfMemory {
            name: "the stack of a thread",
            bytes: STACK_BYTES,
        },
    }
}

/// `stack_size` of `host/fiber.cpp`.
const STACK_BYTES: usize = 64 * 1024;
