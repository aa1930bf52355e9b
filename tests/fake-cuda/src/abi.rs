//! The functions of `cuda.h` that the agent calls, under their C names, and memory of the caller.
//!
//! Signatures were written down from NVIDIA's documentation of the driver interface, not taken from the bindings that
//! the agent uses. Handles are numbers; a pointer of the caller is dereferenced only where `cuda.h` says what it is.

#![expect(
    unsafe_code,
    reason = "a C library is called with pointers and found by unmangled names"
)]

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kernels::host::ArgType;

use crate::kernel::Value;
use crate::scene::NAME;
use crate::world::{
    HostMemory, INVALID_CONTEXT, INVALID_VALUE, NOT_INITIALIZED, OUT_OF_MEMORY, Outcome, UNKNOWN,
    World,
};

type Return = c_uint;
type Handle = *mut c_void;
type Address = u64;

/// `CUipcMemHandle`.
#[repr(C)]
struct Shared([u8; 64]);

const SUCCESS: Return = 0;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const CAPABILITY_MAJOR: c_uint = 75;
const CAPABILITY_MINOR: c_uint = 76;
/// `CU_JIT_ERROR_LOG_BUFFER`.
const ERROR_LOG: c_uint = 5;

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

// ---- Memory of the caller

fn read_host(at: usize, len: usize) -> Vec<u8> {
    // SAFETY: the world reads within pinned memory only (`World::check_pinned`), which was allocated and initialised
    // below, and is released after everything queued is done.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(at), len) }.to_vec()
}

fn write_host(at: usize, bytes: &[u8]) {
    // SAFETY: as above; a real driver writes there as well, whoever looks.
    unsafe {
        std::ptr::with_exposed_provenance_mut::<u8>(at)
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.max(1), 4096).ok()
}

fn release_pinned(at: usize, len: usize) {
    if let Some(layout) = layout(len) {
        // SAFETY: allocated by `cuMemHostAlloc` with this layout; the world forgets it before it is released.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(at), layout) };
    }
}

// ---- Start

/// The folder this library was loaded from.
fn own_folder() -> Option<PathBuf> {
    let symbol = cuInit as extern "C" fn(c_uint) -> Return as *const c_void;
    // SAFETY: the structure consists of pointers, for which zero bytes are a value. `dladdr` writes it, and where it
    // answers with something else than 0, the name in it is a C string that lives as long as this library is loaded.
    let name = unsafe {
        let mut found: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(symbol, &raw mut found) == 0 || found.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(found.dli_fname)
    };
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    path.parent().map(Path::to_owned)
}

extern "C" fn at_exit() {
    let _ = with_world(|world| {
        world.end();
        Ok(())
    });
}

fn start() -> Outcome<()> {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    if world.is_none() {
        let host = HostMemory {
            read: read_host,
            write: write_host,
        };
        let loaded = World::load(&own_folder().ok_or(UNKNOWN)?, host);
        *world = Some(loaded.map_err(|why| {
            eprintln!("fake-cuda: {why}");
            UNKNOWN
        })?);
        // SAFETY: a function without arguments that stays mapped (build.rs).
        unsafe { libc::atexit(at_exit) };
    }
    world.as_mut().ok_or(UNKNOWN)?.meet("cuInit")
}

#[unsafe(no_mangle)]
extern "C" fn cuInit(_flags: c_uint) -> Return {
    code(start())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDriverGetVersion(out: *mut c_int) -> Return {
    // SAFETY: cuda.h: `out` is one integer.
    code(plain("cuDriverGetVersion", |world| unsafe {
        put(out, world.scene.driver_version)
    }))
}

fn name_of(number: Return) -> &'static CStr {
    match number {
        1 => c"CUDA_ERROR_INVALID_VALUE",
        2 => c"CUDA_ERROR_OUT_OF_MEMORY",
        600 => c"CUDA_ERROR_NOT_READY",
        700 => c"CUDA_ERROR_ILLEGAL_ADDRESS",
        719 => c"CUDA_ERROR_LAUNCH_FAILED",
        999 => c"CUDA_ERROR_UNKNOWN",
        _ => c"an error of fake-cuda",
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorName(error: Return, out: *mut *const c_char) -> Return {
    // SAFETY: cuda.h: `out` is one pointer.
    code(unsafe { put(out, name_of(error).as_ptr()) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuGetErrorString(error: Return, out: *mut *const c_char) -> Return {
    // SAFETY: cuda.h: `out` is one pointer.
    code(unsafe { put(out, name_of(error).as_ptr()) })
}

// ---- Devices

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetCount(out: *mut c_int) -> Return {
    code(plain("cuDeviceGetCount", |world| {
        let count = c_int::try_from(world.scene.devices.len()).unwrap_or(c_int::MAX);
        // SAFETY: cuda.h: `out` is one integer.
        unsafe { put(out, count) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGet(out: *mut c_int, ordinal: c_int) -> Return {
    code(plain("cuDeviceGet", |world| {
        world.device(ordinal)?;
        // SAFETY: cuda.h: `out` is one integer.
        unsafe { put(out, ordinal) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetName(out: *mut c_char, room: c_int, device: c_int) -> Return {
    code(plain("cuDeviceGetName", |world| {
        world.device(device)?;
        if usize::try_from(room).unwrap_or(0) <= NAME.len() || out.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: cuda.h: `out` has `room` bytes, more than the name has.
        unsafe {
            out.cast::<u8>()
                .copy_from_nonoverlapping(NAME.as_ptr(), NAME.len());
            out.add(NAME.len()).write(0);
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetUuid(out: *mut [u8; 16], device: c_int) -> Return {
    code(plain("cuDeviceGetUuid", |world| {
        let uuid = hex::decode(&world.device(device)?.uuid).unwrap_or_default();
        let uuid = <[u8; 16]>::try_from(uuid).map_err(|_| UNKNOWN)?;
        // SAFETY: cuda.h: `out` is 16 bytes.
        unsafe { put(out, uuid) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetAttribute(
    out: *mut c_int,
    attribute: c_uint,
    device: c_int,
) -> Return {
    code(plain("cuDeviceGetAttribute", |world| {
        let capability = world.device(device)?.capability;
        let value = match attribute {
            CAPABILITY_MAJOR => capability.0,
            CAPABILITY_MINOR => capability.1,
            _ => return Err(INVALID_VALUE),
        };
        // SAFETY: cuda.h: `out` is one integer.
        unsafe { put(out, value) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceTotalMem_v2(out: *mut usize, device: c_int) -> Return {
    code(plain("cuDeviceTotalMem_v2", |world| {
        let bytes = world.device(device)?.memory_bytes;
        // SAFETY: cuda.h: `out` is one size.
        unsafe { put(out, usize::try_from(bytes).unwrap_or(usize::MAX)) }
    }))
}

// ---- Contexts

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

// ---- Memory

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

// ---- Streams and events

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

// ---- Modules

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadDataEx(
    out: *mut Handle,
    image: *const c_void,
    options: c_uint,
    names: *const c_uint,
    values: *const *mut c_void,
) -> Return {
    let loaded = current("cuModuleLoadDataEx", |world, context| {
        if image.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: cuda.h: PTX is a C string, here not null.
        let text = unsafe { CStr::from_ptr(image.cast()) };
        let text = text.to_str().map_err(|_| INVALID_VALUE)?;
        world.load_module(context, text)
    });
    match loaded {
        // SAFETY: cuda.h: `out` is one handle.
        Ok(module) => code(unsafe { put(out, handle(module)) }),
        Err(error) => {
            // SAFETY: cuda.h: as many names and values as `options` says.
            unsafe { complain(options, names, values) };
            error
        }
    }
}

/// Writes to the compiler's log, if there is one.
///
/// # Safety
/// As for `cuModuleLoadDataEx`: `count` names and values, and a log has the bytes that the option behind it says, of
/// which this takes 32.
unsafe fn complain(count: c_uint, names: *const c_uint, values: *const *mut c_void) {
    const WORDS: &CStr = c"fake-cuda takes no such PTX";
    for index in 0..count as usize {
        // SAFETY: within the arrays, by the contract of this function.
        let (name, value) = unsafe { (names.add(index).read(), values.add(index).read()) };
        if name == ERROR_LOG && !value.is_null() {
            let words = WORDS.to_bytes_with_nul();
            // SAFETY: the log has room for it, by the contract of this function.
            unsafe {
                value
                    .cast::<u8>()
                    .copy_from_nonoverlapping(words.as_ptr(), words.len())
            };
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleUnload(module: Handle) -> Return {
    code(current("cuModuleUnload", |world, context| {
        world.unload_module(context, number(module))
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleGetFunction(
    out: *mut Handle,
    module: Handle,
    name: *const c_char,
) -> Return {
    code(current("cuModuleGetFunction", |world, context| {
        if name.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: cuda.h: a C string, here not null.
        let name = unsafe { CStr::from_ptr(name) }
            .to_str()
            .map_err(|_| INVALID_VALUE)?;
        let function = world.function(context, number(module), name)?;
        // SAFETY: cuda.h: `out` is one handle.
        unsafe { put(out, handle(function)) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared: c_uint,
    stream: Handle,
    params: *const *const c_void,
    extra: *const *mut c_void,
) -> Return {
    code(current("cuLaunchKernel", |world, context| {
        if shared != 0 || !extra.is_null() {
            world.misuse("a launch with dynamic shared memory or packed arguments");
            return Err(INVALID_VALUE);
        }
        let signature = world.signature(context, number(function))?;
        let values = signature.iter().enumerate().map(|(index, kind)| {
            if params.is_null() {
                return Err(INVALID_VALUE);
            }
            // SAFETY: cuda.h: one pointer for each parameter, to a value of its type; the types are those of the source.
            unsafe { read_argument(params.add(index).read(), *kind) }.ok_or(INVALID_VALUE)
        });
        let values = values.collect::<Outcome<Vec<_>>>()?;
        let sizes = [[grid_x, grid_y, grid_z], [block_x, block_y, block_z]];
        world.launch(context, number(stream), number(function), sizes, values)
    }))
}

/// Reads an argument; `None` for a pointer that is null or not aligned.
///
/// # Safety
/// `at` is null or points to a value of this type, aligned or not.
unsafe fn read_argument(at: *const c_void, kind: ArgType) -> Option<Value> {
    let size = match kind {
        ArgType::Buffer | ArgType::U64 => 8,
        ArgType::U32 | ArgType::I32 | ArgType::F32 => 4,
    };
    if at.is_null() || !at.addr().is_multiple_of(size) {
        return None;
    }
    // SAFETY: not null, aligned, and of the type by the contract of this function.
    unsafe {
        Some(match kind {
            ArgType::Buffer => Value::Pointer(at.cast::<u64>().read()),
            ArgType::U32 => Value::U32(at.cast::<u32>().read()),
            ArgType::U64 => Value::U64(at.cast::<u64>().read()),
            ArgType::I32 => Value::I32(at.cast::<i32>().read()),
            ArgType::F32 => Value::F32(at.cast::<f32>().read()),
        })
    }
}
