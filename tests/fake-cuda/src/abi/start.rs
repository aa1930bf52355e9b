//! Start and end of the library, its version, and errors by name.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::memory::{read_host, write_host};
use super::{Return, WORLD, code, plain, put, with_world};
use crate::world::{HostMemory, Outcome, UNKNOWN, World};

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
