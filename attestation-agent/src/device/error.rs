//! Why a device could not be opened, or could not attest.
//!
//! In scope: one variant per cause, each with a stable code and with a remedy for the person who
//! runs the host.
//!
//! Out of scope: judging evidence. Nothing here says that evidence is bad; a device that answers
//! with something the verifier will refuse has still answered. The three sanity checks on an
//! answer ([`DeviceError::NonceNotEchoed`], [`DeviceError::ReportTooLarge`],
//! [`DeviceError::ReportTooShort`]) only catch a driver that answered another question.

use std::io;
use std::path::{Path, PathBuf};

use evidence::device::Architecture;

/// The cause of a failure at the border to a device.
///
/// Texts are lower case and carry the facts; [`DeviceError::code`] is the stable word for metrics
/// and problem types, [`DeviceError::remedy`] the advice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The driver returned no certificate chain.
    #[error("device {device} returned an empty certificate chain")]
    ChainEmpty {
        /// NVML index of the device.
        device: u32,
    },

    /// A certificate chain is not the PEM text it should be.
    #[error("certificate chain {}: {reason}", path.display())]
    ChainMalformed {
        /// File the chain was read from.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The driver announced a certificate chain larger than the buffer it was given.
    #[error("device {device} announced a certificate chain of {size} bytes, at most {limit} fit")]
    ChainTooLarge {
        /// NVML index of the device.
        device: u32,
        /// Bytes announced.
        size: u64,
        /// Bytes of the buffer.
        limit: u64,
    },

    /// Confidential computing is switched off, so the GPU signs no reports.
    #[error("confidential computing is off on this system")]
    ConfidentialComputingOff,

    /// The cryptographic library refused an operation that has no reason to fail.
    #[error("cryptographic operation failed: {operation}")]
    Crypto {
        /// What was being done.
        operation: String,
    },

    /// Developer-tools mode is on: the device attests, and its measurements say "debug".
    ///
    /// Never returned by `attest`: whether such evidence is acceptable is the verifier's decision.
    /// [`super::Description::warnings`] hands it to whoever checks a host before use.
    #[error("developer-tools mode is on: measurements will not match the production reference")]
    DeveloperMode,

    /// Kernel driver and user-space library are of different versions.
    #[error("the NVIDIA kernel driver and the NVML library are of different versions")]
    DriverMismatch,

    /// The library is there, the kernel driver is not loaded.
    #[error("the NVIDIA kernel driver is not loaded")]
    DriverNotLoaded,

    /// A file is empty.
    #[error("{} is empty", path.display())]
    FileEmpty {
        /// The file.
        path: PathBuf,
    },

    /// A file is larger than anything of its kind can be.
    #[error("{} is larger than {limit} bytes", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes accepted.
        limit: u64,
    },

    /// The GPU no longer answers on its bus, or wants a reset.
    #[error("device {device} is lost or needs a reset: {text}")]
    GpuLost {
        /// NVML index of the device.
        device: u32,
        /// NVML's own words.
        text: String,
    },

    /// The stored identity of a simulated device is incomplete or inconsistent.
    #[error("simulated identity {}: {reason}", path.display())]
    IdentityDamaged {
        /// File or folder at fault.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },

    /// The operating system refused a file operation.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// The NVML library is absent or cannot be loaded.
    #[error("NVML library {library} cannot be loaded: {detail}")]
    LibraryNotFound {
        /// Name or path that was tried.
        library: String,
        /// The loader's own words.
        detail: String,
    },

    /// The driver runs and sees no GPU.
    #[error("the NVIDIA driver reports no GPU")]
    NoGpu,

    /// The report is about another nonce than the one asked for.
    #[error("the report carries another nonce: asked {asked}, got {got}")]
    NonceNotEchoed {
        /// Nonce of the request, in hexadecimal.
        asked: String,
        /// Nonce in the report, in hexadecimal.
        got: String,
    },

    /// A recorded nonce is not 64 hexadecimal digits.
    #[error("{} does not hold 64 hexadecimal digits", path.display())]
    NonceMalformed {
        /// The file.
        path: PathBuf,
    },

    /// No recorded evidence lies in the folder.
    #[error("no report.bin in {} or in one of its sub-folders", dir.display())]
    NothingRecorded {
        /// The folder.
        dir: PathBuf,
    },

    /// An NVML call failed with a code that has no variant of its own.
    #[error("{call} failed with NVML error {number}: {text}")]
    Nvml {
        /// Name of the NVML function.
        call: &'static str,
        /// `nvmlReturn_t`.
        number: u32,
        /// NVML's own words.
        text: String,
    },

    /// The account that runs the agent may not use the device files.
    #[error("{call} was refused for lack of permission")]
    PermissionDenied {
        /// Name of the NVML function.
        call: &'static str,
    },

    /// The driver announced a report larger than the buffer it was given.
    #[error("device {device} announced a report of {size} bytes, at most {limit} fit")]
    ReportTooLarge {
        /// NVML index of the device.
        device: u32,
        /// Bytes announced.
        size: u64,
        /// Bytes of the buffer.
        limit: u64,
    },

    /// The report ends before the nonce does.
    #[error("the report has {size} bytes, a request alone has {least}")]
    ReportTooShort {
        /// Bytes received.
        size: usize,
        /// Bytes of an SPDM measurement request.
        least: usize,
    },

    /// The loaded library lacks a function that attestation needs.
    #[error("the NVML library lacks {call}: {detail}")]
    SymbolMissing {
        /// Name of the NVML function.
        call: &'static str,
        /// The loader's own words.
        detail: String,
    },

    /// The device is of a chip family that signs no attestation reports.
    #[error(
        "device {device} is {found}, attestation needs {} or {}",
        Architecture::Hopper,
        Architecture::Blackwell
    )]
    WrongArchitecture {
        /// NVML index, or position among recorded devices.
        device: u32,
        /// What was found instead.
        found: String,
    },
}

impl DeviceError {
    /// The stable word for this cause: snake_case, one per variant.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ChainEmpty { .. } => "device_chain_empty",
            Self::ChainMalformed { .. } => "device_chain_malformed",
            Self::ChainTooLarge { .. } => "device_chain_too_large",
            Self::ConfidentialComputingOff => "confidential_computing_off",
            Self::Crypto { .. } => "device_crypto_failed",
            Self::DeveloperMode => "developer_mode",
            Self::DriverMismatch => "driver_mismatch",
            Self::DriverNotLoaded => "driver_not_loaded",
            Self::FileEmpty { .. } => "device_file_empty",
            Self::FileTooLarge { .. } => "device_file_too_large",
            Self::GpuLost { .. } => "gpu_lost",
            Self::IdentityDamaged { .. } => "simulated_identity_damaged",
            Self::Io { .. } => "device_io",
            Self::LibraryNotFound { .. } => "nvml_library_not_found",
            Self::NoGpu => "no_gpu",
            Self::NonceNotEchoed { .. } => "nonce_not_echoed",
            Self::NonceMalformed { .. } => "recorded_nonce_malformed",
            Self::NothingRecorded { .. } => "nothing_recorded",
            Self::Nvml { .. } => "nvml_error",
            Self::PermissionDenied { .. } => "nvml_permission_denied",
            Self::ReportTooLarge { .. } => "device_report_too_large",
            Self::ReportTooShort { .. } => "device_report_too_short",
            Self::SymbolMissing { .. } => "nvml_symbol_missing",
            Self::WrongArchitecture { .. } => "wrong_architecture",
        }
    }

    /// What the person who runs this host can do about it, in a sentence or two.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ChainEmpty { .. } | Self::ChainTooLarge { .. } | Self::ReportTooLarge { .. } => {
                "The driver gave an answer of impossible size. Restart the guest; if it stays, \
                 install a driver release that NVIDIA lists for confidential computing."
            }
            Self::ReportTooShort { .. } | Self::NonceNotEchoed { .. } => {
                "The driver answered another question than the one asked. Make sure that the NVML \
                 library is NVIDIA's own and nothing stands between it and the agent."
            }
            Self::ConfidentialComputingOff => {
                "Switch confidential computing on from the host, for example with NVIDIA's \
                 nvidia_gpu_tools.py --set-cc-mode=on --reset-after-cc-mode-switch, and start the \
                 guest again as a confidential virtual machine."
            }
            Self::DeveloperMode => {
                "Set the GPU's confidential-computing mode to `on` instead of `devtools` from the \
                 host and reset the GPU. Most verifiers refuse evidence of a device in this mode."
            }
            Self::DriverMismatch => {
                "The driver was updated without a restart. Reboot, or unload and reload the nvidia \
                 kernel modules."
            }
            Self::DriverNotLoaded => {
                "Load the kernel driver (modprobe nvidia) and look at dmesg if that fails; in a \
                 container, pass the /dev/nvidia* files through."
            }
            Self::LibraryNotFound { .. } => {
                "Install the NVIDIA driver with its management library (libnvidia-ml.so.1), or set \
                 the library path in the agent's configuration. Without a GPU, use the recorded or \
                 the simulated device."
            }
            Self::NoGpu => {
                "Check with nvidia-smi -L that the GPU is visible here: passed through to the \
                 guest, bound to the nvidia driver, allowed by the container's device rules."
            }
            Self::PermissionDenied { .. } => {
                "Run the agent under an account that may open /dev/nvidiactl and /dev/nvidia*."
            }
            Self::SymbolMissing { .. } => {
                "The installed driver is too old for attestation. Install a release that NVIDIA lists \
                 for confidential computing on this GPU."
            }
            Self::WrongArchitecture { .. } => {
                "Only Hopper and Blackwell data-centre GPUs attest. Take other GPUs away from this \
                 guest, or run the agent elsewhere."
            }
            Self::GpuLost { .. } => {
                "Look for Xid messages in dmesg, then reset the GPU or restart the guest. If it \
                 comes back, have the hardware checked."
            }
            Self::Nvml { .. } => {
                "See the NVML error text; nvidia-smi -q and nvidia-smi conf-compute -f usually show \
                 the same failure with more detail."
            }
            Self::NothingRecorded { .. } => {
                "Point the recorded device at a folder with report.bin and chain.pem, or at a \
                 folder of such folders."
            }
            Self::NonceMalformed { .. } => {
                "Write the recorded nonce as 64 hexadecimal digits, or remove the file."
            }
            Self::ChainMalformed { .. } => {
                "Record the certificate chain again as the driver gives it: PEM text, leaf first."
            }
            Self::FileEmpty { .. } | Self::FileTooLarge { .. } => {
                "Capture this file again; its size cannot be that of genuine evidence."
            }
            Self::IdentityDamaged { .. } => {
                "Remove the simulated device's folder. A new identity is made at the next start; \
                 its new roots must then be given to the verifier."
            }
            Self::Io { .. } => {
                "Check that the path exists, that the agent's account may use it, and that the disk \
                 is not full."
            }
            Self::Crypto { .. } => {
                "This points to a defect of the agent or to a machine without randomness; please \
                 report it with the message."
            }
        }
    }

    /// Wraps a refused file operation with what was done and where.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    /// A cryptographic operation that failed without a reason given.
    pub(super) fn crypto(operation: impl Into<String>) -> Self {
        Self::Crypto {
            operation: operation.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn one_of_each() -> Vec<DeviceError> {
        let path = PathBuf::from("x");
        vec![
            DeviceError::ChainEmpty { device: 0 },
            DeviceError::ChainMalformed {
                path: path.clone(),
                reason: String::new(),
            },
            DeviceError::ChainTooLarge {
                device: 0,
                size: 2,
                limit: 1,
            },
            DeviceError::ConfidentialComputingOff,
            DeviceError::crypto("x"),
            DeviceError::DeveloperMode,
            DeviceError::DriverMismatch,
            DeviceError::DriverNotLoaded,
            DeviceError::FileEmpty { path: path.clone() },
            DeviceError::FileTooLarge {
                path: path.clone(),
                limit: 1,
            },
            DeviceError::GpuLost {
                device: 0,
                text: String::new(),
            },
            DeviceError::IdentityDamaged {
                path: path.clone(),
                reason: String::new(),
            },
            DeviceError::io("read", &path, io::Error::other("x")),
            DeviceError::LibraryNotFound {
                library: String::new(),
                detail: String::new(),
            },
            DeviceError::NoGpu,
            DeviceError::NonceNotEchoed {
                asked: String::new(),
                got: String::new(),
            },
            DeviceError::NonceMalformed { path: path.clone() },
            DeviceError::NothingRecorded { dir: path },
            DeviceError::Nvml {
                call: "x",
                number: 1,
                text: String::new(),
            },
            DeviceError::PermissionDenied { call: "x" },
            DeviceError::ReportTooLarge {
                device: 0,
                size: 2,
                limit: 1,
            },
            DeviceError::ReportTooShort { size: 1, least: 2 },
            DeviceError::SymbolMissing {
                call: "x",
                detail: String::new(),
            },
            DeviceError::WrongArchitecture {
                device: 0,
                found: String::new(),
            },
        ]
    }

    #[test]
    fn every_cause_has_its_own_code_and_a_remedy() {
        let all = one_of_each();
        let codes: BTreeSet<_> = all.iter().map(DeviceError::code).collect();
        assert_eq!(codes.len(), all.len());
        for error in &all {
            let code = error.code();
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{code}"
            );
            assert!(error.remedy().ends_with('.'), "{code}");
            assert!(!error.to_string().ends_with('.'), "{code}");
        }
    }
}
