//! Streams and events.

use std::ffi::c_uint;

use super::{Handle, Return, code, current, handle, number, put};

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamCreate(out: *mut Handle, _flags: c_uint) -> Return {
    code(current("cuStreamCreate", |world, context| {
        let stream = world.create_stream(context)?;
        // SAFETY: cuda.h: `out` is one handle.
        unsafe { put(out, handle(stream)) }
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamDestroy_v2(stream: Handle) -> Return {
    code(current("cuStreamDestroy_v2", |world, context| {
        world.destroy_stream(context, number(stream))
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) -> Return {
    code(current("cuStreamWaitEvent", |world, context| {
        world.wait_event(context, number(stream), number(event))
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventCreate(out: *mut Handle, _flags: c_uint) -> Return {
    code(current("cuEventCreate", |world, context| {
        let event = world.create_event(context)?;
        // SAFETY: cuda.h: `out` is one handle.
        unsafe { put(out, handle(event)) }
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuEventDestroy_v2(event: Handle) -> Return {
    code(current("cuEventDestroy_v2", |world, context| {
        world.destroy_event(context, number(event))
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> Return {
    code(current("cuEventRecord", |world, context| {
        world.record(context, number(event), number(stream))
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuEventQuery(event: Handle) -> Return {
    code(current("cuEventQuery", |world, context| {
        world.query(context, number(event))
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventElapsedTime(out: *mut f32, start: Handle, end: Handle) -> Return {
    code(current("cuEventElapsedTime", |world, context| {
        let elapsed = world.elapsed(context, number(start), number(end))?;
        // SAFETY: cuda.h: `out` is one number.
        unsafe { put(out, elapsed) }
    }))
}
