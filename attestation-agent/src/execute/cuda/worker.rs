//! Calls of the driver on threads of their own, so that one that hangs can be abandoned.
//!
//! In scope: not waiting longer than a deadline, and saying what the driver was doing. A call into the driver cannot be
//! cancelled: its thread is left behind with everything it holds, and ends with the process. Out of scope: a device
//! that is slow while the driver answers; the code that waits for it keeps its own deadline.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{panic, thread};

use super::CudaDevice;
use crate::execute::ExecuteError;

/// How long after a deadline it is still waited for: a device that is slow is told by the waits for it, with its own
/// error, and what it had is released.
const GRACE: Duration = Duration::from_secs(2);

/// Threads of this process that were left in a call of the driver.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether a call of the CUDA driver hangs in this process, that nobody waits for any more. The driver's own code at the
/// end of a process may hang then too.
#[must_use]
pub fn driver_hangs() -> bool {
    LEFT.load(Ordering::Acquire) > 0
}

/// Whether a kernel of this process went astray.
static KERNEL_FAILED: AtomicBool = AtomicBool::new(false);

pub(super) fn note_kernel_failed() {
    KERNEL_FAILED.store(true, Ordering::Release);
}

pub(super) fn kernel_failed() -> bool {
    KERNEL_FAILED.load(Ordering::Acquire)
}

/// Whether the driver refuses this process every context.
static SPOILT: AtomicBool = AtomicBool::new(false);

/// Whether the CUDA driver refuses this process, since a kernel went astray in it: only a new process can use a GPU.
#[must_use]
pub fn process_spoilt() -> bool {
    SPOILT.load(Ordering::Acquire)
}

pub(super) fn note_process_spoilt() {
    SPOILT.store(true, Ordering::Release);
}

/// Calls to one device that were left behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Hanging(Arc<AtomicUsize>);

impl Hanging {
    /// An error while a call to the device hangs: another one would too, and be left as well.
    pub(super) fn refuse(&self, device: &str) -> Result<(), ExecuteError> {
        match self.0.load(Ordering::Acquire) {
            0 => Ok(()),
            _ => Err(ExecuteError::DriverHangs {
                device: device.to_owned(),
                during: "an earlier call, which has not returned",
                waited: Duration::ZERO,
            }),
        }
    }

    pub(super) fn leave(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
        LEFT.fetch_add(1, Ordering::AcqRel);
    }

    /// A call that was left has returned after all.
    fn returned(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        LEFT.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is being done, for whoever has to say where it hangs.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<Mutex<&'static str>>);

impl Place {
    pub(super) fn new(during: &'static str) -> Self {
        Self(Arc::new(Mutex::new(during)))
    }

    pub(super) fn set(&self, during: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = during;
    }

    pub(super) fn hangs(&self, device: &str, since: Instant) -> ExecuteError {
        ExecuteError::DriverHangs {
            device: device.to_owned(),
            during: *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            waited: since.elapsed(),
        }
    }
}

/// How long to wait now for what has to be done by `deadline`.
pub(super) fn patience(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()) + GRACE
}

/// Does something with the driver on a thread of its own, and waits for it until a moment after `deadline`.
pub(super) fn within<T: Send + 'static>(
    hanging: &Hanging,
    device: &str,
    deadline: Instant,
    act: impl FnOnce(&Place) -> Result<T, ExecuteError> + Send + 'static,
) -> Result<T, ExecuteError> {
    hanging.refuse(device)?;
    let since = Instant::now();
    let place = Place::new("starting");
    let (tell, told) = mpsc::sync_channel(1);
    let (there, left) = (place.clone(), hanging.clone());
    let acting = thread::Builder::new().name("cuda".to_owned());
    let acting = acting.spawn(move || {
        if tell.send(act(&there)).is_err() {
            left.returned();
        }
    });
    let acting = acting.map_err(|error| ExecuteError::HostOutOfMemory {
        detail: format!("no thread for the driver: {error}"),
    })?;
    match told.recv_timeout(patience(deadline)) {
        Ok(done) => done,
        Err(RecvTimeoutError::Disconnected) => match acting.join() {
            Err(panicked) => panic::resume_unwind(panicked),
            Ok(()) => Err(place.hangs(device, since)),
        },
        Err(RecvTimeoutError::Timeout) => {
            hanging.leave();
            Err(place.hangs(device, since))
        }
    }
}

/// As it is called where no device is chosen yet.
pub(super) const NO_DEVICE: &str = "driver";

impl CudaDevice {
    /// As [`within`].
    pub(super) fn within<T: Send + 'static>(
        &self,
        hanging: &Hanging,
        deadline: Instant,
        act: impl FnOnce(&Place) -> Result<T, ExecuteError> + Send + 'static,
    ) -> Result<T, ExecuteError> {
        within(hanging, &self.to_string(), deadline, act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_refused_meanwhile_and_counted_until_it_returns() {
        let hanging = Hanging::default();
        let (release, released) = mpsc::channel::<()>();
        let act = move |place: &Place| {
            place.set("waiting for Godot");
            let _ = released.recv();
            Ok(())
        };
        let left = within(&hanging, "gpu", Instant::now(), act).unwrap_err();
        assert_eq!(left.code(), "cuda_driver_hangs");
        assert!(left.to_string().contains("waiting for Godot"), "{left}");
        assert!(driver_hangs());
        let refused = within(&hanging, "gpu", Instant::now(), |_| Ok(())).unwrap_err();
        assert!(refused.to_string().contains("an earlier call"), "{refused}");
        drop(release);
        while hanging.refuse("gpu").is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        let done = within(&hanging, "gpu", Instant::now(), |_| Ok(7));
        assert_eq!(done, Ok(7));
    }
}
