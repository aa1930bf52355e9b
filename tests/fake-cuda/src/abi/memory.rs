//! Memory of devices, pinned memory of the caller, and buffers of other processes.

use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{c_uint, c_void};

use super::{Address, Handle, Return, code, current, number, put};
use crate::world::{INVALID_VALUE, OUT_OF_MEMORY};

/// `CUipcMemHandle`.
#[repr(C)]
struct Shared([u8; 64]);

pub(super) fn read_host(at: usize, len: usize) -> Vec<u8> {
    // SAFETY: the world reads within pinned memory only (`World::check_pinned`), which was allocated and initialised
    // below, and is released after everything queued is done.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(at), len) }.to_vec()
}

pub(super) fn write_host(at: usize, bytes: &[u8]) {
    // SAFETY: as above; a real driver writes there as well, whoever looks.
    unsafe {
        std::ptr::with_exposed_provenance_mut::<u8>(at)
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.max(1), 4096).ok()
}

pub(super) fn release_pinned(at: usize, len: usize) {
    if let Some(layout) = layout(len) {
        // SAFETY: allocated by `cuMemHostAlloc` with this layout; the world forgets it before it is released.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(at), layout) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Return {
    code(current("cuMemGetInfo_v2", |world, context| {
        let info = world.memory_info(context)?;
        // SAFETY: cuda.h: both are one size.
        unsafe {
            put(free, info.0)?;
            put(total, info.1)
        }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAlloc_v2(out: *mut Address, len: usize) -> Return {
    code(current("cuMemAlloc_v2", |world, context| {
        let address = world.allocate(context, len)?;
        // SAFETY: cuda.h: `out` is one address.
        unsafe { put(out, address) }
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(address: Address) -> Return {
    code(current("cuMemFree_v2", |world, context| {
        world.free(context, address)
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetAddressRange_v2(
    base: *mut Address,
    size: *mut usize,
    address: Address,
) -> Return {
    code(current("cuMemGetAddressRange_v2", |world, context| {
        let range = world.range(context, address)?;
        // SAFETY: cuda.h: one address and one size.
        unsafe {
            put(base, range.0)?;
            put(size, range.1)
        }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemHostAlloc(out: *mut Handle, len: usize, _flags: c_uint) -> Return {
    code(current("cuMemHostAlloc", |world, context| {
        let layout = layout(len).ok_or(INVALID_VALUE)?;
        // SAFETY: the layout has at least one byte.
        let memory = unsafe { alloc(layout) };
        if memory.is_null() {
            return Err(OUT_OF_MEMORY);
        }
        // SAFETY: `len` bytes, or one, were just allocated.
        unsafe { memory.write_bytes(0x5a, len.max(1)) };
        world.pin(context, memory.expose_provenance(), len)?;
        // SAFETY: cuda.h: `out` is one pointer.
        unsafe { put(out, memory.cast()) }
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFreeHost(memory: Handle) -> Return {
    code(current("cuMemFreeHost", |world, context| {
        let len = world.unpin(context, memory.addr())?;
        release_pinned(memory.addr(), len);
        Ok(())
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(at: Address, value: u8, len: usize, stream: Handle) -> Return {
    code(current("cuMemsetD8Async", |world, context| {
        world.fill(context, number(stream), at, value, len)
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyHtoDAsync_v2(
    at: Address,
    from: *const c_void,
    len: usize,
    stream: Handle,
) -> Return {
    code(current("cuMemcpyHtoDAsync_v2", |world, context| {
        world.upload(context, number(stream), at, from.addr(), len)
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    at: Address,
    len: usize,
    stream: Handle,
) -> Return {
    code(current("cuMemcpyDtoHAsync_v2", |world, context| {
        world.download(context, number(stream), to.addr(), at, len)
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuIpcOpenMemHandle_v2(
    out: *mut Address,
    shared: Shared,
    _flags: c_uint,
) -> Return {
    code(current("cuIpcOpenMemHandle_v2", |world, context| {
        let address = world.open_shared(context, &shared.0)?;
        // SAFETY: cuda.h: `out` is one address.
        unsafe { put(out, address) }
    }))
}

#[unsafe(no_mangle)]
extern "C" fn cuIpcCloseMemHandle(address: Address) -> Return {
    code(current("cuIpcCloseMemHandle", |world, context| {
        world.close_shared(context, address)
    }))
}
