//! The driver's management library (NVML), one question at a time.
//!
//! In scope: the calls that attestation needs, each with its own error. Of an answer only the size is checked.
//!
//! Out of scope: what the answers together mean for this host ([`open`](super::open), the doctor).
//!
//! Reports, certificates and system state are read through the raw functions of the wrapper crate: its own methods
//! (release 0.13.0) slice by the size the driver announces and would panic on one that is too large.

use std::mem::MaybeUninit;
use std::path::Path;

use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};

use evidence::device::Architecture;

use super::super::{DeviceError, MultiGpuMode, NONCE_LENGTH};

mod gauge;

pub use gauge::{Account, Gauge, GpuProcess, Reading};

/// The library's name as every NVIDIA driver package installs it.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// `NVML_CC_SYSTEM_FEATURE_ENABLED`, and likewise for developer tools and for accepting work.
const ON: u32 = 1;
/// Version word of `nvmlSystemConfComputeSettings_v1_t`: 20 bytes, version 1 in the top byte.
const SETTINGS_VERSION: u32 = 0x0100_0014;

/// The library, loaded and initialised.
pub struct Driver(pub(super) Nvml);

/// What the driver says of confidential computing on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemState {
    /// Whether GPUs sign reports at all.
    pub confidential_computing: bool,
    /// Debugging and profiling are allowed; measurements differ.
    pub developer_tools: bool,
    /// Where this system stands.
    pub environment: Environment,
}

/// `NVML_CC_SYSTEM_ENVIRONMENT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// The driver cannot tell.
    Unavailable,
    /// A simulation inside NVIDIA.
    Simulation,
    /// What customers have.
    Production,
    /// A value this program does not know.
    Other(u32),
}

impl Driver {
    /// Loads the library and connects to the kernel driver. `library` replaces the name given to the dynamic loader.
    ///
    /// # Errors
    /// [`DeviceError::LibraryNotFound`]; [`DeviceError::DriverNotLoaded`] or another failure to start.
    pub fn load(library: Option<&Path>) -> Result<Self, DeviceError> {
        let library = library.unwrap_or(Path::new(LIBRARY));
        let nvml = Nvml::builder().lib_path(library.as_os_str()).init();
        nvml.map(Self).map_err(|error| match error {
            NvmlError::LibloadingError(e) => DeviceError::LibraryNotFound {
                library: library.display().to_string(),
                detail: e.to_string(),
            },
            other => failed("nvmlInit_v2", 0, other),
        })
    }

    /// Version of the kernel driver.
    ///
    /// # Errors
    /// A failed call.
    pub fn version(&self) -> Result<String, DeviceError> {
        let version = self.0.sys_driver_version();
        version.map_err(|e| failed("nvmlSystemGetDriverVersion", 0, e))
    }

    /// How many GPUs the driver sees.
    ///
    /// # Errors
    /// [`DeviceError::NoGpu`] for none, a failed call.
    pub fn count(&self) -> Result<u32, DeviceError> {
        match self.0.device_count() {
            Ok(0) => Err(DeviceError::NoGpu),
            Ok(count) => Ok(count),
            Err(e) => Err(failed("nvmlDeviceGetCount_v2", 0, e)),
        }
    }

    /// The chip family of a GPU.
    ///
    /// # Errors
    /// [`DeviceError::WrongArchitecture`] for one that does not attest, a failed call.
    pub fn architecture(&self, index: u32) -> Result<Architecture, DeviceError> {
        const CALL: &str = "nvmlDeviceGetArchitecture";
        let symbol = nvml_sym(self.0.lib().nvmlDeviceGetArchitecture.as_ref())
            .map_err(|e| failed(CALL, index, e))?;
        let gpu = self.gpu(index)?;
        let mut number = 0;
        #[expect(
            unsafe_code,
            reason = "the wrapper's method has one error for unknown families and for unknown failures"
        )]
        // SAFETY: `symbol` comes from the library `self` keeps loaded and initialised, the handle from the same library
        // and `gpu` borrows it; it writes one unsigned integer, which lives on this stack.
        let answered = unsafe { nvml_try(symbol(gpu.handle(), &raw mut number)) };
        answered.map_err(|e| failed(CALL, index, e))?;
        let found = match DeviceArchitecture::try_from(number) {
            Ok(DeviceArchitecture::Hopper) => return Ok(Architecture::Hopper),
            Ok(DeviceArchitecture::Blackwell) => return Ok(Architecture::Blackwell),
            Ok(other) => format!("{other:?}"),
            Err(_) => format!("architecture {number}"),
        };
        Err(DeviceError::WrongArchitecture {
            device: index,
            found,
        })
    }

    /// The product name of a GPU.
    ///
    /// # Errors
    /// A failed call.
    pub fn name(&self, index: u32) -> Result<String, DeviceError> {
        let name = self.gpu(index)?.name();
        name.map_err(|e| failed("nvmlDeviceGetName", index, e))
    }

    /// The UUID of a GPU.
    ///
    /// # Errors
    /// A failed call.
    pub fn uuid(&self, index: u32) -> Result<String, DeviceError> {
        let uuid = self.gpu(index)?.uuid();
        uuid.map_err(|e| failed("nvmlDeviceGetUUID", index, e))
    }

    /// The VBIOS version of a GPU.
    ///
    /// # Errors
    /// A failed call.
    pub fn vbios(&self, index: u32) -> Result<String, DeviceError> {
        let vbios = self.gpu(index)?.vbios_version();
        vbios.map_err(|e| failed("nvmlDeviceGetVbiosVersion", index, e))
    }

    /// The state of confidential computing.
    ///
    /// # Errors
    /// [`DeviceError::ConfidentialComputingOff`] where the driver answers that it knows no such thing; a failed call.
    pub fn system_state(&self) -> Result<SystemState, DeviceError> {
        const CALL: &str = "nvmlSystemGetConfComputeState";
        let symbol = nvml_sym(self.0.lib().nvmlSystemGetConfComputeState.as_ref())
            .map_err(|e| failed(CALL, 0, e))?;
        let mut state = zeroed_for(symbol);
        #[expect(
            unsafe_code,
            reason = "the wrapper crate exposes the whole state only as a C function"
        )]
        // SAFETY: `symbol` comes from the library `self` keeps loaded and initialised. It writes three unsigned
        // integers to the struct it is given, which lives on this stack, is of exactly the type in the symbol's
        // signature and is initialised: zero bytes are a value of it.
        let state = unsafe {
            match nvml_try(symbol(state.as_mut_ptr())) {
                Ok(()) => state.assume_init(),
                Err(NvmlError::NotSupported) => return Err(DeviceError::ConfidentialComputingOff),
                Err(e) => return Err(failed(CALL, 0, e)),
            }
        };
        Ok(SystemState {
            confidential_computing: state.ccFeature == ON,
            developer_tools: state.devToolsMode == ON,
            environment: match state.environment {
                0 => Environment::Unavailable,
                1 => Environment::Simulation,
                2 => Environment::Production,
                other => Environment::Other(other),
            },
        })
    }

    /// Whether the GPUs accept work: with confidential computing on they do so only after this guest has said that it
    /// trusts them.
    ///
    /// # Errors
    /// A failed call.
    pub fn is_ready(&self) -> Result<bool, DeviceError> {
        const CALL: &str = "nvmlSystemGetConfComputeGpusReadyState";
        let symbol = nvml_sym(self.0.lib().nvmlSystemGetConfComputeGpusReadyState.as_ref())
            .map_err(|e| failed(CALL, 0, e))?;
        let mut accepting = 0;
        #[expect(
            unsafe_code,
            reason = "the wrapper crate turns unknown values into errors of its own"
        )]
        // SAFETY: `symbol` comes from the library `self` keeps loaded and initialised; it writes one unsigned integer,
        // which lives on this stack.
        let answered = unsafe { nvml_try(symbol(&raw mut accepting)) };
        answered.map_err(|e| failed(CALL, 0, e))?;
        Ok(accepting == ON)
    }

    /// The multi-GPU mode, which only newer drivers tell.
    ///
    /// # Errors
    /// A failed call; [`DeviceError::SymbolMissing`] where the driver does not have it.
    pub fn multi_gpu_mode(&self) -> Result<MultiGpuMode, DeviceError> {
        const CALL: &str = "nvmlSystemGetConfComputeSettings";
        let symbol = nvml_sym(self.0.lib().nvmlSystemGetConfComputeSettings.as_ref())
            .map_err(|e| failed(CALL, 0, e))?;
        #[expect(unsafe_code, reason = "the wrapper crate knows only one of the modes")]
        // SAFETY: `symbol` comes from the library `self` keeps loaded and initialised. The struct is of the type in its
        // signature, five unsigned integers, for which zero bytes are a value; its version word tells the library how
        // many bytes it may write, and that is its size.
        let settings = unsafe {
            let mut settings = zeroed_for(symbol).assume_init();
            settings.version = SETTINGS_VERSION;
            nvml_try(symbol(&raw mut settings)).map_err(|e| failed(CALL, 0, e))?;
            settings
        };
        Ok(match settings.multiGpuMode {
            0 => MultiGpuMode::None,
            1 => MultiGpuMode::ProtectedPcie,
            2 => MultiGpuMode::NvlinkEncryption,
            other => MultiGpuMode::Other(other),
        })
    }

    /// Asks a GPU for a signed report over `nonce`. What comes back is not looked at.
    ///
    /// # Errors
    /// [`DeviceError::ReportTooLarge`], a failed call.
    pub fn report(&self, index: u32, nonce: &[u8; NONCE_LENGTH]) -> Result<Vec<u8>, DeviceError> {
        const CALL: &str = "nvmlDeviceGetConfComputeGpuAttestationReport";
        let symbol = nvml_sym(
            self.0
                .lib()
                .nvmlDeviceGetConfComputeGpuAttestationReport
                .as_ref(),
        )
        .map_err(|e| failed(CALL, index, e))?;
        let gpu = self.gpu(index)?;
        #[expect(
            unsafe_code,
            reason = "the wrapper's method panics on a size over its array"
        )]
        // SAFETY: `symbol` comes from the library `self` keeps loaded and initialised, the handle from the same library
        // and `gpu` borrows it. The struct is of the type in the symbol's signature, integers and byte arrays, for
        // which zero bytes are a value; the call reads its nonce and writes within it.
        let answer = unsafe {
            let mut answer = zeroed_for_device(symbol).assume_init();
            answer.nonce = *nonce;
            nvml_try(symbol(gpu.handle(), &raw mut answer)).map_err(|e| failed(CALL, index, e))?;
            answer
        };
        let size = answer.attestationReportSize;
        let bytes = announced(&answer.attestationReport, size);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or(DeviceError::ReportTooLarge {
                device: index,
                size: size.into(),
                limit: wide(answer.attestationReport.len()),
            })
    }

    /// Asks a GPU for the certificate chain of its attestation key: PEM text, leaf first.
    ///
    /// # Errors
    /// [`DeviceError::ChainTooLarge`], [`DeviceError::ChainEmpty`], a failed call.
    pub fn certificate_chain(&self, index: u32) -> Result<Vec<u8>, DeviceError> {
        const CALL: &str = "nvmlDeviceGetConfComputeGpuCertificate";
        let symbol = nvml_sym(self.0.lib().nvmlDeviceGetConfComputeGpuCertificate.as_ref())
            .map_err(|e| failed(CALL, index, e))?;
        let gpu = self.gpu(index)?;
        #[expect(
            unsafe_code,
            reason = "the wrapper's method panics on a size over its array"
        )]
        // SAFETY: as in `report`; this struct too is integers and byte arrays, and the call writes within it.
        let answer = unsafe {
            let mut answer = zeroed_for_device(symbol).assume_init();
            nvml_try(symbol(gpu.handle(), &raw mut answer)).map_err(|e| failed(CALL, index, e))?;
            answer
        };
        let size = answer.attestationCertChainSize;
        let chain =
            announced(&answer.attestationCertChain, size).ok_or(DeviceError::ChainTooLarge {
                device: index,
                size: size.into(),
                limit: wide(answer.attestationCertChain.len()),
            })?;
        // The text is counted without the NUL that ends it in C; a driver that counts it is forgiven.
        let text = chain.strip_suffix(&[0]).unwrap_or(chain);
        match text {
            [] => Err(DeviceError::ChainEmpty { device: index }),
            text => Ok(text.to_vec()),
        }
    }

    fn gpu(&self, index: u32) -> Result<nvml_wrapper::Device<'_>, DeviceError> {
        let gpu = self.0.device_by_index(index);
        gpu.map_err(|e| failed("nvmlDeviceGetHandleByIndex_v2", index, e))
    }
}

/// Memory for the one argument of an NVML call, all zero. The type follows from the function.
fn zeroed_for<T>(_call: &unsafe extern "C" fn(*mut T) -> u32) -> MaybeUninit<T> {
    MaybeUninit::zeroed()
}

/// The same for a call that takes a device handle first.
fn zeroed_for_device<D, T>(_call: &unsafe extern "C" fn(D, *mut T) -> u32) -> MaybeUninit<T> {
    MaybeUninit::zeroed()
}

/// The first `size` bytes of a buffer, or nothing if it does not have so many.
fn announced(buffer: &[u8], size: u32) -> Option<&[u8]> {
    buffer.get(..usize::try_from(size).ok()?)
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// What a failed NVML call means for the person who runs this host.
fn failed(call: &'static str, device: u32, error: NvmlError) -> DeviceError {
    let text = error.to_string();
    match error {
        NvmlError::DriverNotLoaded => DeviceError::DriverNotLoaded,
        NvmlError::LibRmVersionMismatch => DeviceError::DriverMismatch,
        NvmlError::NoPermission | NvmlError::OperatingSystem => {
            DeviceError::PermissionDenied { call }
        }
        NvmlError::GpuLost | NvmlError::ResetRequired => DeviceError::GpuLost { device, text },
        NvmlError::FailedToLoadSymbol(detail) => DeviceError::SymbolMissing { call, detail },
        NvmlError::FunctionNotFound => DeviceError::SymbolMissing { call, detail: text },
        other => DeviceError::Nvml {
            call,
            number: other.into(),
            text,
        },
    }
}
