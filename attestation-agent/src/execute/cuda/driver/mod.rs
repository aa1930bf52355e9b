//! The CUDA driver behind safe types.
//!
//! # What's in scope
//!
//! [`Driver`] (the library is loaded, complete and initialised) → [`Context`] → what lives in one: [`Stream`],
//! [`Event`], [`DeviceMemory`], [`PinnedMemory`], [`Module`], [`SharedMemory`]. Everything is released when it is
//! dropped, in an order that the borrows fix, and what is in a context never outlives it.
//!
//! # What's out of scope
//!
//! What to do with them, and what a failure means to an operator: [`CallError`] has the driver's number and words.
//!
//! # What is trusted
//!
//! The library that the loader finds as `libcuda.so.1`: it is code in this process. The kernels: a launch is given
//! pointers into its program's buffers, and what a kernel does with them is held by the tests of the kernels.
//!
//! `unsafe` is allowed in the files of this folder only, block by block.

mod context;
mod executable;
mod memory;
mod module;

use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::ptr;

use cudarc::driver::result::DriverError;
use cudarc::driver::{result, sys};

pub(super) use context::{Context, Event, Stream};
pub(crate) use executable::executable_memory;
pub(super) use memory::{DeviceMemory, PinnedMemory, SharedMemory};
pub(super) use module::{Argument, Module};

/// `CUDA_ERROR_OUT_OF_MEMORY`.
pub(super) const OUT_OF_MEMORY: u32 = 2;

/// Every function that is called here. The bindings look them up one by one at first use, and panic where one is
/// missing: so all are looked for before any is used.
const SYMBOLS: &[&str] = &[
    "cuCtxCreate_v2",
    "cuCtxDestroy_v2",
    "cuCtxSetCurrent",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetUuid",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventElapsedTime",
    "cuEventQuery",
    "cuEventRecord",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuInit",
    "cuIpcCloseMemHandle",
    "cuIpcOpenMemHandle_v2",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemGetAddressRange_v2",
    "cuMemGetInfo_v2",
    "cuMemHostAlloc",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadDataEx",
    "cuModuleUnload",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamWaitEvent",
];

/// A call that failed, in the driver's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallError {
    /// The driver's function.
    pub(super) call: &'static str,
    /// `CUresult`.
    pub(super) number: u32,
    /// The driver's name for it.
    pub(super) name: String,
    /// The driver's words; of a module that was refused, those of its compiler.
    pub(super) text: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            call,
            number,
            name,
            text,
        } = self;
        write!(f, "{call} returned {number} ({name}): {text}")
    }
}

impl CallError {
    fn new(call: &'static str, error: DriverError) -> Self {
        let owned = |text: Result<&CStr, DriverError>| {
            text.map_or_else(
                |_| String::new(),
                |text| text.to_string_lossy().into_owned(),
            )
        };
        Self {
            call,
            number: error.0 as u32,
            name: owned(error.error_name()),
            text: owned(error.error_string()),
        }
    }
}

/// A result of the bindings, under the name of its call.
trait Called<T> {
    fn called(self, call: &'static str) -> Result<T, CallError>;
}

impl<T> Called<T> for Result<T, DriverError> {
    fn called(self, call: &'static str) -> Result<T, CallError> {
        self.map_err(|error| CallError::new(call, error))
    }
}

impl Called<()> for sys::CUresult {
    fn called(self, call: &'static str) -> Result<(), CallError> {
        self.result().called(call)
    }
}

/// Why there is no [`Driver`].
#[derive(Debug)]
pub(super) enum LoadError {
    /// No library.
    NotFound,
    /// A library without this function.
    SymbolMissing(&'static str),
    /// It does not start.
    Call(CallError),
}

/// The library, loaded, with every function of [`SYMBOLS`], initialised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Driver(());

/// A device, as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceFacts {
    pub(super) ordinal: i32,
    pub(super) name: String,
    pub(super) uuid: [u8; 16],
    pub(super) capability: (u32, u32),
    pub(super) memory_bytes: u64,
}

impl Driver {
    /// Loads the library by the names the loader knows, the first time; it stays loaded as long as the process lives.
    pub(super) fn load() -> Result<Self, LoadError> {
        if !is_present() {
            return Err(LoadError::NotFound);
        }
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| !has(symbol)) {
            return Err(LoadError::SymbolMissing(symbol));
        }
        result::init().called("cuInit").map_err(LoadError::Call)?;
        Ok(Self(()))
    }

    /// Version of the interface, 1000 · major + 10 · minor.
    pub(super) fn version(self) -> Result<i32, CallError> {
        let mut version = 0;
        #[expect(unsafe_code, reason = "the bindings have no wrapper for this call")]
        // SAFETY: the library is loaded and has the function; it writes one integer, which lives on this stack.
        let answer = unsafe { sys::cuDriverGetVersion(&raw mut version) };
        answer.called("cuDriverGetVersion")?;
        Ok(version)
    }

    /// Every visible device, in the driver's order.
    pub(super) fn devices(self) -> Result<Vec<DeviceFacts>, CallError> {
        let count = result::device::get_count().called("cuDeviceGetCount")?;
        (0..count).map(|ordinal| self.device(ordinal)).collect()
    }

    fn device(self, ordinal: i32) -> Result<DeviceFacts, CallError> {
        let device = result::device::get(ordinal).called("cuDeviceGet")?;
        let major = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
        let minor = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
        let uuid = result::device::get_uuid(device).called("cuDeviceGetUuid")?;
        Ok(DeviceFacts {
            ordinal,
            name: name_of(device)?,
            uuid: uuid.bytes.map(|byte| byte.to_ne_bytes()[0]),
            capability: (attribute(device, major)?, attribute(device, minor)?),
            memory_bytes: total_memory(device)?,
        })
    }
}

/// The bindings panic on a name without a NUL; this reads what is there.
fn name_of(device: sys::CUdevice) -> Result<String, CallError> {
    let mut name = [0_u8; 128];
    #[expect(
        unsafe_code,
        reason = "the bindings' wrapper panics on a name that is too long"
    )]
    // SAFETY: the device comes from `cuDeviceGet`; the call writes at most as many bytes as it is told, one less here
    // than there are.
    let answer = unsafe { sys::cuDeviceGetName(name.as_mut_ptr().cast::<c_char>(), 127, device) };
    answer.called("cuDeviceGetName")?;
    let text = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    Ok(text.to_string_lossy().into_owned())
}

fn attribute(device: sys::CUdevice, which: sys::CUdevice_attribute) -> Result<u32, CallError> {
    #[expect(
        unsafe_code,
        reason = "the bindings leave it to the caller that the device is one"
    )]
    // SAFETY: the device comes from `cuDeviceGet`.
    let value = unsafe { result::device::get_attribute(device, which) };
    let value = value.called("cuDeviceGetAttribute")?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn total_memory(device: sys::CUdevice) -> Result<u64, CallError> {
    #[expect(
        unsafe_code,
        reason = "the bindings leave it to the caller that the device is one"
    )]
    // SAFETY: the device comes from `cuDeviceGet`.
    let bytes = unsafe { result::device::total_mem(device) };
    Ok(bytes.called("cuDeviceTotalMem_v2")? as u64)
}

fn is_present() -> bool {
    #[expect(unsafe_code, reason = "loading a library runs its code")]
    // SAFETY: the library is the driver's, trusted as far as this process is concerned (see the module's documentation).
    unsafe {
        sys::is_culib_present()
    }
}

fn has(symbol: &str) -> bool {
    #[expect(
        unsafe_code,
        reason = "a symbol is looked up by name, and not called here"
    )]
    // SAFETY: the library is there (`is_present`), so that the bindings do not panic; the address found is not used.
    unsafe {
        sys::culib().get::<*const c_void>(symbol.as_bytes()).is_ok()
    }
}

/// A null pointer where a call takes an optional one.
const fn none<T>() -> *mut T {
    ptr::null_mut()
}
