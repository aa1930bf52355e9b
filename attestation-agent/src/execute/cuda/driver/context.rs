//! Contexts, and the order of what happens in them: streams and events.

use std::cell::Cell;
use std::marker::PhantomData;
use std::thread;
use std::time::{Duration, Instant};

use cudarc::driver::{result, sys};
use tracing::debug;

use super::super::super::error::FailureKind;
use super::{CallError, Called, DeviceFacts, Driver, none};

/// Memory, modules and streams of one device for one piece of work; current on the thread that made it, and on no other.
///
/// A context of its own, rather than the one a process shares: after a kernel went astray the driver refuses every call
/// in its context, and the next work begins in a new one.
pub(in super::super) struct Context {
    raw: sys::CUcontext,
    state: Cell<State>,
    /// Contexts are current on one thread.
    _here: PhantomData<*const ()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// The driver refuses every call: nothing is released one by one, the end of the context releases all.
    Spoilt,
    /// The device does not answer: the same, and the end of the context may take for ever.
    Hanging,
}

impl Context {
    /// Makes a context on a device and makes it current. Waiting threads sleep rather than spin.
    pub(in super::super) fn create(
        _driver: Driver,
        device: &DeviceFacts,
    ) -> Result<Self, CallError> {
        let device = result::device::get(device.ordinal).called("cuDeviceGet")?;
        let flags = sys::CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC as u32;
        let mut raw = none();
        #[expect(
            unsafe_code,
            reason = "the bindings wrap a newer call only, which older drivers lack"
        )]
        // SAFETY: the driver is initialised (`Driver`), the device comes from `cuDeviceGet`; the call writes one pointer.
        let answer = unsafe { sys::cuCtxCreate_v2(&raw mut raw, flags, device) };
        answer.called("cuCtxCreate_v2")?;
        Ok(Self {
            raw,
            state: Cell::new(State::Good),
            _here: PhantomData,
        })
    }

    /// Free and all bytes of the device.
    pub(in super::super) fn memory(&self) -> Result<(u64, u64), CallError> {
        let (free, total) = self.note(result::mem_get_info().called("cuMemGetInfo_v2"))?;
        Ok((free as u64, total as u64))
    }

    /// Passes a result on, and remembers it if the driver will refuse whatever comes after.
    pub(super) fn note<T>(&self, result: Result<T, CallError>) -> Result<T, CallError> {
        if let Err(error) = &result
            && FailureKind::spoils_context(error.number)
            && self.state.get() == State::Good
        {
            self.state.set(State::Spoilt);
        }
        result
    }

    /// Releases something that is in this context, unless the context itself will.
    pub(super) fn release(&self, call: &'static str, release: impl FnOnce() -> sys::CUresult) {
        if self.state.get() != State::Good {
            return;
        }
        if let Err(error) = self.note(release().called(call)) {
            debug!("not released: {error}");
        }
    }
}

impl Drop for Context {
    /// Of a device that does not answer, the context is left to a thread that nobody waits for.
    fn drop(&mut self) {
        let ending = Ending(self.raw);
        if self.state.get() == State::Hanging {
            #[expect(
                unsafe_code,
                reason = "the bindings leave it to the caller that a context is one"
            )]
            // SAFETY: no context is one as well: nothing is current on this thread from here on.
            let unset = unsafe { result::ctx::set_current(none()) };
            if let Err(error) = unset.called("cuCtxSetCurrent") {
                debug!("{error}");
            }
            thread::spawn(move || ending.end());
        } else {
            ending.end();
        }
    }
}

/// A context that nobody uses any more.
struct Ending(sys::CUcontext);

#[expect(
    unsafe_code,
    reason = "a context is ended on whichever thread is there for it"
)]
// SAFETY: `cuCtxDestroy` may be called on any thread, whether or not the context is current there (cuda.h).
unsafe impl Send for Ending {}

impl Ending {
    fn end(self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the context"
        )]
        // SAFETY: the context was made by `Context::create` and is ended once; what is in it borrows `Context`, and has
        // been dropped, or its release left to this call.
        let ended = unsafe { sys::cuCtxDestroy_v2(self.0) };
        if let Err(error) = ended.called("cuCtxDestroy_v2") {
            debug!("context not ended: {error}");
        }
    }
}

/// Calls in their order.
pub(in super::super) struct Stream<'context> {
    pub(super) raw: sys::CUstream,
    pub(super) context: &'context Context,
}

impl<'context> Stream<'context> {
    /// A stream that waits for no other unless told to.
    pub(in super::super) fn new(context: &'context Context) -> Result<Self, CallError> {
        let raw = result::stream::create(result::stream::StreamKind::NonBlocking);
        let raw = context.note(raw.called("cuStreamCreate"))?;
        Ok(Self { raw, context })
    }

    /// Marks this place of the stream.
    pub(in super::super) fn record(&self) -> Result<Event<'context>, CallError> {
        let event = Event::new(self.context)?;
        self.record_again(&event)?;
        Ok(event)
    }

    /// Marks this place of the stream by an event that has been used before.
    pub(super) fn record_again(&self, event: &Event<'_>) -> Result<(), CallError> {
        #[expect(
            unsafe_code,
            reason = "the bindings leave it to the caller that event and stream live"
        )]
        // SAFETY: both are borrowed, of contexts that are alive.
        let recorded = unsafe { result::event::record(event.raw, self.raw) };
        self.context.note(recorded.called("cuEventRecord"))
    }

    /// What comes next in this stream begins after `event`.
    pub(in super::super) fn wait_for(&self, event: &Event<'_>) -> Result<(), CallError> {
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        #[expect(
            unsafe_code,
            reason = "the bindings leave it to the caller that event and stream live"
        )]
        // SAFETY: both are borrowed, of contexts that are alive; the driver keeps what it needs of the event.
        let waiting = unsafe { result::stream::wait_event(self.raw, event.raw, flags) };
        self.context.note(waiting.called("cuStreamWaitEvent"))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the stream"
        )]
        // SAFETY: made by `new`, destroyed once, in a context that is alive.
        let release = || unsafe { sys::cuStreamDestroy_v2(self.raw) };
        self.context.release("cuStreamDestroy_v2", release);
    }
}

/// A place in a stream, and when it was passed.
pub(in super::super) struct Event<'context> {
    raw: sys::CUevent,
    context: &'context Context,
}

impl<'context> Event<'context> {
    pub(super) fn new(context: &'context Context) -> Result<Self, CallError> {
        let raw = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let raw = context.note(raw.called("cuEventCreate"))?;
        Ok(Self { raw, context })
    }

    /// Waits until everything before it is done, for as long as `deadline` allows.
    ///
    /// It asks again and again: a call that waits cannot be left, and a device that hangs would take the agent along.
    pub(in super::super) fn wait(&self, deadline: Instant) -> Result<(), CallError> {
        const NOT_READY: u32 = 600;
        let mut pause = Duration::from_micros(20);
        loop {
            #[expect(
                unsafe_code,
                reason = "the bindings leave it to the caller that the event lives"
            )]
            // SAFETY: made by `new`, not destroyed yet, in a context that is alive.
            let asked = unsafe { result::event::query(self.raw) };
            match self.context.note(asked.called("cuEventQuery")) {
                Err(error) if error.number == NOT_READY && Instant::now() < deadline => {}
                Err(error) if error.number == NOT_READY => {
                    self.context.state.set(State::Hanging);
                    return Err(error);
                }
                answered => return answered,
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// Time of the device from an earlier event of the same stream to this one, both of them passed.
    pub(in super::super) fn since(&self, earlier: &Self) -> Result<Duration, CallError> {
        #[expect(
            unsafe_code,
            reason = "the bindings leave it to the caller that the events live"
        )]
        // SAFETY: both were made by `new` and are not destroyed yet; of other contexts, the call is refused.
        let elapsed = unsafe { result::event::elapsed(earlier.raw, self.raw) };
        let ms = self.context.note(elapsed.called("cuEventElapsedTime"))?;
        Ok(Duration::try_from_secs_f32(ms / 1000.0).unwrap_or_default())
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        #[expect(
            unsafe_code,
            reason = "the driver cannot know that nobody uses the event"
        )]
        // SAFETY: made by `new`, destroyed once, in a context that is alive.
        let release = || unsafe { sys::cuEventDestroy_v2(self.raw) };
        self.context.release("cuEventDestroy_v2", release);
    }
}
