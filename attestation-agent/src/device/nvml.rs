//! The NVIDIA GPUs of this machine, through the driver's management library (NVML).
//!
//! In scope: opening the library at run time, the preconditions of attestation (driver, GPU, chip
//! family, confidential computing on), the report and the certificate chain.
//!
//! Out of scope: telemetry, and every judgement of the evidence but two that only catch a driver
//! that answered another question: sizes, and the nonce in its place.
//!
//! Everything NVML says is an unsigned statement of the host. A library that is not NVIDIA's can
//! claim any mode and any name; it cannot sign a report.
//!
//! Reports, certificates and system state are read through the raw functions of the wrapper crate:
//! its own methods (release 0.13.0) slice by the size the driver announces and would panic on one
//! that is too large.

use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

use nvml_wrapper::Nvml;
use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};

use evidence::device::Architecture;

use super::{
    Description, Device, DeviceError, DeviceEvidence, Modes, MultiGpuMode, NONCE_LENGTH, SourceKind,
};

/// The library's name as every NVIDIA driver package installs it.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Bytes of an SPDM 1.1 measurement request, with which every report begins.
const REQUEST_LENGTH: usize = 37;
/// Where the nonce lies in a report: behind four bytes of SPDM header.
const NONCE_IN_REPORT: std::ops::Range<usize> = 4..4 + NONCE_LENGTH;
/// `NVML_CC_SYSTEM_FEATURE_ENABLED`, and likewise for developer tools.
const ON: u32 = 1;
/// `NVML_CC_SYSTEM_ENVIRONMENT_PROD`.
const PRODUCTION: u32 = 2;
/// Version word of `nvmlSystemConfComputeSettings_v1_t`: 20 bytes, version 1 in the top byte.
const SETTINGS_VERSION: u32 = 0x0100_0014;

/// One GPU that attests.
pub struct NvmlDevice {
    nvml: Arc<Nvml>,
    description: Description,
}

/// Opens every GPU the driver sees, after checking that each of them can attest.
///
/// `library` replaces the name given to the dynamic loader.
///
/// # Errors
/// In order: [`DeviceError::LibraryNotFound`], [`DeviceError::DriverNotLoaded`] or another failure
/// to start, [`DeviceError::NoGpu`], [`DeviceError::WrongArchitecture`] for the first such GPU,
/// [`DeviceError::ConfidentialComputingOff`]. Developer-tools mode is no error: see
/// [`Description::warnings`].
pub fn open(library: Option<&Path>) -> Result<Vec<NvmlDevice>, DeviceError> {
    let nvml = Arc::new(load(library.unwrap_or(Path::new(LIBRARY)))?);
    let count = nvml
        .device_count()
        .map_err(|e| failed("nvmlDeviceGetCount_v2", 0, e))?;
    if count == 0 {
        return Err(DeviceError::NoGpu);
    }
    let architectures = (0..count)
        .map(|index| architecture(&nvml, index))
        .collect::<Result<Vec<_>, _>>()?;
    let modes = modes(&nvml)?;
    (0..count)
        .zip(architectures)
        .map(|(index, arch)| {
            let description = describe(&nvml, index, arch, modes)?;
            Ok(NvmlDevice {
                nvml: Arc::clone(&nvml),
                description,
            })
        })
        .collect()
}

impl Device for NvmlDevice {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn attest(&self, nonce: &[u8; NONCE_LENGTH]) -> Result<DeviceEvidence, DeviceError> {
        let index = self.description.index;
        let report = report(&self.nvml, index, nonce)?;
        check_report(&report, nonce)?;
        Ok(DeviceEvidence {
            arch: self.description.arch,
            report,
            chain_pem: certificate_chain(&self.nvml, index)?,
        })
    }
}

fn load(library: &Path) -> Result<Nvml, DeviceError> {
    Nvml::builder()
        .lib_path(library.as_os_str())
        .init()
        .map_err(|error| match error {
            NvmlError::LibloadingError(e) => DeviceError::LibraryNotFound {
                library: library.display().to_string(),
                detail: e.to_string(),
            },
            other => failed("nvmlInit_v2", 0, other),
        })
}

fn architecture(nvml: &Nvml, index: u32) -> Result<Architecture, DeviceError> {
    let wrong = |found: String| DeviceError::WrongArchitecture {
        device: index,
        found,
    };
    match gpu(nvml, index)?.architecture() {
        Ok(DeviceArchitecture::Hopper) => Ok(Architecture::Hopper),
        Ok(DeviceArchitecture::Blackwell) => Ok(Architecture::Blackwell),
        Ok(other) => Err(wrong(format!("{other:?}"))),
        Err(NvmlError::UnexpectedVariant(number)) => Err(wrong(format!("architecture {number}"))),
        Err(e) => Err(failed("nvmlDeviceGetArchitecture", index, e)),
    }
}

fn describe(
    nvml: &Nvml,
    index: u32,
    arch: Architecture,
    modes: Modes,
) -> Result<Description, DeviceError> {
    let gpu = gpu(nvml, index)?;
    Ok(Description {
        source: SourceKind::Nvml,
        index,
        arch,
        name: gpu
            .name()
            .map_err(|e| failed("nvmlDeviceGetName", index, e))?,
        uuid: gpu
            .uuid()
            .map_err(|e| failed("nvmlDeviceGetUUID", index, e))?,
        // Words for people: a driver that does not tell its version can still attest.
        driver: nvml.sys_driver_version().ok(),
        vbios: gpu.vbios_version().ok(),
        modes: Some(modes),
    })
}

fn gpu(nvml: &Nvml, index: u32) -> Result<nvml_wrapper::Device<'_>, DeviceError> {
    nvml.device_by_index(index)
        .map_err(|e| failed("nvmlDeviceGetHandleByIndex_v2", index, e))
}

/// The system's confidential-computing modes.
///
/// # Errors
/// [`DeviceError::ConfidentialComputingOff`], also when the driver answers that it knows no such
/// thing; a failed call.
fn modes(nvml: &Nvml) -> Result<Modes, DeviceError> {
    const CALL: &str = "nvmlSystemGetConfComputeState";
    let symbol = nvml_sym(nvml.lib().nvmlSystemGetConfComputeState.as_ref())
        .map_err(|e| failed(CALL, 0, e))?;
    let mut state = zeroed_for(symbol);
    #[expect(
        unsafe_code,
        reason = "the wrapper crate exposes the whole state only as a C function"
    )]
    // SAFETY: `symbol` comes from the library `nvml` keeps loaded and initialised. It writes three
    // unsigned integers to the struct it is given, which lives on this stack, is of exactly the
    // type in the symbol's signature and is initialised: zero bytes are a value of it.
    let state = unsafe {
        match nvml_try(symbol(state.as_mut_ptr())) {
            Ok(()) => state.assume_init(),
            Err(NvmlError::NotSupported) => return Err(DeviceError::ConfidentialComputingOff),
            Err(e) => return Err(failed(CALL, 0, e)),
        }
    };
    if state.ccFeature != ON {
        return Err(DeviceError::ConfidentialComputingOff);
    }
    Ok(Modes {
        developer_tools: state.devToolsMode == ON,
        production: state.environment == PRODUCTION,
        multi_gpu: multi_gpu_mode(nvml),
    })
}

/// The multi-GPU mode, where this driver has the (newer) call that tells it.
fn multi_gpu_mode(nvml: &Nvml) -> Option<MultiGpuMode> {
    let symbol = nvml.lib().nvmlSystemGetConfComputeSettings.as_ref().ok()?;
    #[expect(unsafe_code, reason = "the wrapper crate knows only one of the modes")]
    // SAFETY: `symbol` comes from the library `nvml` keeps loaded and initialised. The struct is of
    // the type in its signature, five unsigned integers, for which zero bytes are a value; its
    // version word tells the library how many bytes it may write, and that is its size.
    let settings = unsafe {
        let mut settings = zeroed_for(symbol).assume_init();
        settings.version = SETTINGS_VERSION;
        nvml_try(symbol(&raw mut settings)).ok()?;
        settings
    };
    Some(match settings.multiGpuMode {
        0 => MultiGpuMode::None,
        1 => MultiGpuMode::ProtectedPcie,
        2 => MultiGpuMode::NvlinkEncryption,
        other => MultiGpuMode::Other(other),
    })
}

/// Asks the GPU for a signed report over `nonce`.
fn report(nvml: &Nvml, index: u32, nonce: &[u8; NONCE_LENGTH]) -> Result<Vec<u8>, DeviceError> {
    const CALL: &str = "nvmlDeviceGetConfComputeGpuAttestationReport";
    let symbol = nvml_sym(
        nvml.lib()
            .nvmlDeviceGetConfComputeGpuAttestationReport
            .as_ref(),
    )
    .map_err(|e| failed(CALL, index, e))?;
    let gpu = gpu(nvml, index)?;
    #[expect(
        unsafe_code,
        reason = "the wrapper's method panics on a size over its array"
    )]
    // SAFETY: `symbol` comes from the library `nvml` keeps loaded and initialised, the handle from
    // the same library and `gpu` borrows it. The struct is of the type in the symbol's signature,
    // integers and byte arrays, for which zero bytes are a value; the call reads its nonce and
    // writes within it.
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

/// Asks the GPU for the certificate chain of its attestation key: PEM text, leaf first.
fn certificate_chain(nvml: &Nvml, index: u32) -> Result<Vec<u8>, DeviceError> {
    const CALL: &str = "nvmlDeviceGetConfComputeGpuCertificate";
    let symbol = nvml_sym(nvml.lib().nvmlDeviceGetConfComputeGpuCertificate.as_ref())
        .map_err(|e| failed(CALL, index, e))?;
    let gpu = gpu(nvml, index)?;
    #[expect(
        unsafe_code,
        reason = "the wrapper's method panics on a size over its array"
    )]
    // SAFETY: as in `report`; this struct too is integers and byte arrays, and the call writes
    // within it.
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

/// The report begins with a request, and the request carries the nonce that was asked.
fn check_report(report: &[u8], nonce: &[u8; NONCE_LENGTH]) -> Result<(), DeviceError> {
    if report.len() < REQUEST_LENGTH {
        return Err(DeviceError::ReportTooShort {
            size: report.len(),
            least: REQUEST_LENGTH,
        });
    }
    match report.get(NONCE_IN_REPORT) {
        Some(got) if got == nonce => Ok(()),
        got => Err(DeviceError::NonceNotEchoed {
            asked: hex::encode(nonce),
            got: hex::encode(got.unwrap_or_default()),
        }),
    }
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

#[cfg(test)]
mod tests;
