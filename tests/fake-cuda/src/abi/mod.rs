//! The functions of `cuda.h` that the agent calls, under their C names, and memory of the caller.
//!
//! | Module | What it holds |
//! |---|---|
//! | here | calls in general: the world, the current context, answers |
//! | `start` | start and end, errors by name |
//! | `device` | devices |
//! | `context` | contexts |
//! | `memory` | memory of the device, pinned memory of the caller, buffers of other processes |
//! | `stream` | streams and events |
//! | `module` | modules, functions, launches |
//!
//! Signatures were written down from NVIDIA's documentation of the driver interface, not taken from the bindings that
//! the agent uses. Handles are numbers; a pointer of the caller is dereferenced only where `cuda.h` says what it is.

#![expect(
    unsafe_code,
    reason = "a C library is called with pointers and found by unmangled names"
)]

mod context;
mod device;
mod memory;
mod module;
mod start;
mod stream;

use std::cell::Cell;
use std::ffi::{c_uint, c_void};
use std::sync::{Mutex, PoisonError};

use crate::world::{INVALID_VALUE, NOT_INITIALIZED, Outcome, World};

type Return = c_uint;
type Handle = *mut c_void;
type Address = u64;

const SUCCESS: Return = 0;

static WORLD: Mutex<Option<World>> = Mutex::new(None);

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

fn with_world<T>(act: impl FnOnce(&mut World) -> Outcome<T>) -> Outcome<T> {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    act(world.as_mut().ok_or(NOT_INITIALIZED)?)
}

fn code<T>(outcome: Outcome<T>) -> Return {
    outcome.err().unwrap_or(SUCCESS)
}

/// A call that needs no context.
fn plain<T>(call: &str, act: impl FnOnce(&mut World) -> Outcome<T>) -> Outcome<T> {
    with_world(|world| {
        world.meet(call)?;
        act(world)
    })
}

/// A call in the context that is current on this thread.
fn current<T>(call: &str, act: impl FnOnce(&mut World, u64) -> Outcome<T>) -> Outcome<T> {
    let context = CURRENT.get();
    with_world(|world| world.call(context, call, |world| act(world, context)))
}

/// Writes an answer.
///
/// # Safety
/// `out` is null or may be written as a `T`.
unsafe fn put<T>(out: *mut T, value: T) -> Outcome<()> {
    if out.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: not null, so writable as a `T` by the contract of this function.
    unsafe { out.write(value) };
    Ok(())
}

fn handle(number: u64) -> Handle {
    std::ptr::without_provenance_mut(usize::try_from(number).unwrap_or(0))
}

fn number(handle: Handle) -> u64 {
    handle.addr() as u64
}
