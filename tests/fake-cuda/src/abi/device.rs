//! Devices, as the scene has them.

use std::ffi::{c_char, c_int, c_uint};

use super::{Return, code, plain, put};
use crate::scene::NAME;
use crate::world::{INVALID_VALUE, UNKNOWN};

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const CAPABILITY_MAJOR: c_uint = 75;
const CAPABILITY_MINOR: c_uint = 76;

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
