//! Contexts, and which one is current on a thread.

use std::ffi::{c_int, c_uint};

use super::memory::release_pinned;
use super::{CURRENT, Handle, Return, code, handle, number, plain, put};
use crate::world::INVALID_CONTEXT;

#[unsafe(no_mangle)]
unsafe extern "C" fn cuCtxCreate_v2(out: *mut Handle, _flags: c_uint, device: c_int) -> Return {
    code(plain("cuCtxCreate_v2", |world| {
        let context = world.create_context(device)?;
        CURRENT.set(context);
        // SAFETY: cuda.h: `out` is one handle.
        unsafe { put(out, handle(context)) }
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxDestroy_v2(context: Handle) -> Return {
    let context = number(context);
    if CURRENT.get() == context {
        CURRENT.set(0);
    }
    code(plain("cuCtxDestroy_v2", |world| {
        for (at, len) in world.destroy_context(context)? {
            release_pinned(at, len);
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: Handle) -> Return {
    let context = number(context);
    code(plain("cuCtxSetCurrent", |world| {
        if context != 0 && !world.has_context(context) {
            return Err(INVALID_CONTEXT);
        }
        CURRENT.set(context);
        Ok(())
    }))
}
