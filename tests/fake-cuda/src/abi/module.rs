//! Modules, their functions, and launches.

use std::ffi::{CStr, c_char, c_uint, c_void};

use kernels::host::ArgType;

use super::{Handle, Return, code, current, handle, number, put};
use crate::kernel::Value;
use crate::world::{INVALID_VALUE, Outcome};

/// `CU_JIT_ERROR_LOG_BUFFER`.
const ERROR_LOG: c_uint = 5;

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
