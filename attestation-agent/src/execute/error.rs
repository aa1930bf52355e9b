//! Why an executor could not do the work.
//!
//! In scope: one code and one remedy for each cause, and what a number of the CUDA driver means for the person who runs
//! the host. When one of these errors occurs, nothing was committed to or submitted: the work can always be repeated.

use std::time::Duration;

use kernels::Blake3Digest;

/// Why an executor could not do the work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The program asks a device for something that no program may ask for.
    #[error("{executor} failed: {detail}")]
    Failed {
        /// The executor.
        executor: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The device or its driver failed.
    #[error(transparent)]
    Device(#[from] DeviceFailure),
    /// The device has less memory than the work needs.
    #[error("{device} has too little memory: {needed} bytes needed, {free} of {total} free")]
    DeviceOutOfMemory {
        /// The device.
        device: String,
        /// Bytes the work needs in all.
        needed: u64,
        /// Bytes that were free.
        free: u64,
        /// Bytes the device has.
        total: u64,
    },
    /// The chosen GPU is not there, or is not one of those whose evidence is collected.
    #[error("no GPU to run on: {why}")]
    DeviceNotFound {
        /// What was looked for, and what is there.
        why: String,
    },
    /// The chosen GPU is older than the kernels' modules.
    #[error("{device} has compute capability {}.{}: expected 8.0 or later", capability.0, capability.1)]
    CapabilityUnsupported {
        /// The device.
        device: String,
        /// Its compute capability.
        capability: (u32, u32),
    },
    /// A call of the driver did not return in time. It cannot be broken off.
    #[error("{device}: the CUDA driver has not returned for {:.1} s, during {during}", waited.as_secs_f64())]
    DriverHangs {
        /// The GPU, by name and UUID, or `driver` before one is chosen.
        device: String,
        /// What the agent was doing.
        during: &'static str,
        /// How long it was waited for, of which the settings allow all but the last moment.
        waited: Duration,
    },
    /// The bytes that left the device are not those that were digested on it.
    #[error("output {output} has digest {on_device} on the device and {downloaded} outside it")]
    DigestMismatch {
        /// The output.
        output: &'static str,
        /// BLAKE3 by the device.
        on_device: Blake3Digest,
        /// BLAKE3 of the downloaded bytes.
        downloaded: Blake3Digest,
    },
    /// This machine has no memory for the work.
    #[error("this machine has too little memory: {detail}")]
    HostOutOfMemory {
        /// What it was for.
        detail: String,
    },
    /// The executor has no code for the kernel.
    #[error("{executor} cannot run {kernel}: {why}")]
    KernelUnsupported {
        /// The executor.
        executor: &'static str,
        /// The kernel.
        kernel: &'static str,
        /// Why.
        why: String,
    },
    /// The driver refuses this process every context, since a kernel went astray in an earlier one.
    #[error(
        "{device}: the CUDA driver refuses this process since a kernel went astray in it: {call} returned {number} ({name})"
    )]
    ProcessSpoilt {
        /// The GPU, by name and UUID.
        device: String,
        /// The driver's function.
        call: &'static str,
        /// `CUresult`.
        number: u32,
        /// The driver's name for it.
        name: String,
    },
    /// There is no CUDA driver.
    #[error("the CUDA driver library is not there: libcuda.so.1 was not found")]
    LibraryNotFound,
    /// The CUDA driver lacks functions the agent calls.
    #[error("the CUDA driver library has no {symbol}")]
    SymbolMissing {
        /// The first that is missing.
        symbol: &'static str,
    },
}

impl ExecuteError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CapabilityUnsupported { .. } => "compute_capability_unsupported",
            Self::Device(failure) => failure.kind.code(),
            Self::DeviceNotFound { .. } => "cuda_device_not_found",
            Self::DeviceOutOfMemory { .. } => "device_out_of_memory",
            Self::DigestMismatch { .. } => "output_digest_differs_from_device",
            Self::DriverHangs { .. } => "cuda_driver_hangs",
            Self::Failed { .. } => "execution_failed",
            Self::HostOutOfMemory { .. } => "host_out_of_memory",
            Self::KernelUnsupported { .. } => "kernel_unsupported",
            Self::LibraryNotFound => "cuda_library_not_found",
            Self::ProcessSpoilt { .. } => "cuda_process_spoilt",
            Self::SymbolMissing { .. } => "cuda_symbol_missing",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::CapabilityUnsupported { .. } => {
                "Choose a GPU of the Ampere generation or later (cuda.gpu), or --executor host."
            }
            Self::Device(failure) => failure.kind.remedy(),
            Self::DeviceNotFound { .. } => {
                "Compare cuda.gpu and CUDA_VISIBLE_DEVICES with `nvidia-smi -L`: the GPU that runs a job must be \
                 one whose evidence this host collects."
            }
            Self::DeviceOutOfMemory { .. } => {
                "End other programs on the GPU (nvidia-smi shows them), choose a larger GPU, or take a smaller job."
            }
            Self::DigestMismatch { .. } => {
                "The result is void. Memory, bus or driver changed bytes: look at dmesg and at the ECC counters, and \
                 do not use the GPU for work before it is understood."
            }
            Self::DriverHangs { .. } => {
                "Look for an Xid in dmesg and for a process in state D; reset the GPU or restart the machine, then the \
                 agent. If the job is that large, raise cuda.timeout_s."
            }
            Self::Failed { .. } => {
                "Look at the executor's words. The work can be repeated: nothing was committed or submitted."
            }
            Self::HostOutOfMemory { .. } => "Free memory on this machine, or take a smaller job.",
            Self::KernelUnsupported { .. } => {
                "Set the executor to auto, or to one that has this kernel; an older agent may lack it altogether."
            }
            Self::LibraryNotFound => {
                "Install NVIDIA's driver (libcuda.so.1 comes with it; in a container, the NVIDIA container toolkit \
                 mounts it), or set the executor to host or auto."
            }
            Self::ProcessSpoilt { .. } => {
                "Start the agent anew: a new process can use the GPU again (`serve` ends by itself, and its unit starts \
                 it). What went astray is in dmesg as Xid 13, 31 or 43."
            }
            Self::SymbolMissing { .. } => "Update NVIDIA's driver to R535 or later.",
        }
    }
}

/// A call of the CUDA driver that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{device}: {call} during {during} returned {number} ({name}): {text}")]
pub struct DeviceFailure {
    /// What it means.
    pub kind: FailureKind,
    /// The GPU, by name and UUID, or `driver` before one is chosen.
    pub device: String,
    /// The driver's function.
    pub call: &'static str,
    /// What the agent was doing.
    pub during: &'static str,
    /// `CUresult`.
    pub number: u32,
    /// The driver's name for it.
    pub name: String,
    /// The driver's words.
    pub text: String,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The GPU is in use by somebody who does not share it, or gone from this process.
    Busy,
    /// A call the driver refuses: a defect of the agent, or a driver that behaves otherwise than documented.
    CallRefused,
    /// The driver on the host and the one in the container, or library and kernel module, are of different releases.
    DriverMismatch,
    /// The driver does not know the kernels' PTX.
    DriverTooOld,
    /// An uncorrectable error of the GPU's memory or links.
    EccUncorrectable,
    /// The keys of confidential computing were being rotated.
    KeyRotation,
    /// A kernel went astray: illegal address, illegal instruction, failed assertion.
    LaunchFailed,
    /// The driver ended a kernel that ran too long.
    LaunchTimeout,
    /// The GPU stopped answering, or the driver no longer knows what state it is in.
    Lost,
    /// The driver refused the module.
    ModuleRefused,
    /// No GPU is visible.
    NoDevice,
    /// The system is not ready: fabric, or confidential computing, has not been started.
    NotReady,
    /// No permission.
    NotPermitted,
    /// The device did not finish in the time the settings allow.
    Timeout,
}

impl FailureKind {
    /// Every kind there is.
    pub const ALL: &[Self] = &[
        Self::Busy,
        Self::CallRefused,
        Self::DriverMismatch,
        Self::DriverTooOld,
        Self::EccUncorrectable,
        Self::KeyRotation,
        Self::LaunchFailed,
        Self::LaunchTimeout,
        Self::Lost,
        Self::ModuleRefused,
        Self::NoDevice,
        Self::NotReady,
        Self::NotPermitted,
        Self::Timeout,
    ];

    /// What a `CUresult` other than 0 and 2 (out of memory) means. Numbers of `cuda.h`.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        match number {
            34 | 100 | 101 => Self::NoDevice,
            46 => Self::Busy,
            214 | 220 => Self::EccUncorrectable,
            222 => Self::DriverTooOld,
            200 | 209 | 218 | 221 | 223 | 224 | 300..=303 | 500 => Self::ModuleRefused,
            600 | 909 => Self::Timeout,
            700 | 701 | 703 | 710 | 714..=720 => Self::LaunchFailed,
            702 => Self::LaunchTimeout,
            800 => Self::NotPermitted,
            802 => Self::NotReady,
            803 | 804 => Self::DriverMismatch,
            3 | 4 | 708 | 709 | 999 => Self::Lost,
            916 => Self::KeyRotation,
            _ => Self::CallRefused,
        }
    }

    /// The stable word for this cause.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy => "device_busy",
            Self::CallRefused => "cuda_call_refused",
            Self::DriverMismatch => "cuda_driver_mismatch",
            Self::DriverTooOld => "cuda_driver_too_old",
            Self::EccUncorrectable => "device_ecc_uncorrectable",
            Self::KeyRotation => "device_key_rotation",
            Self::LaunchFailed => "launch_failed",
            Self::LaunchTimeout => "launch_timeout",
            Self::Lost => "device_lost",
            Self::ModuleRefused => "module_refused",
            Self::NoDevice => "cuda_device_not_visible",
            Self::NotReady => "device_not_ready",
            Self::NotPermitted => "device_not_permitted",
            Self::Timeout => "device_timeout",
        }
    }

    /// What to do about it. Xids by NVIDIA's catalogue, <https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html>.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Busy => {
                "Another program has the GPU for itself: end it, or set the compute mode to default (nvidia-smi -c 0)."
            }
            Self::CallRefused => {
                "Report this with the driver's version: the agent made a call that the driver does not accept."
            }
            Self::DriverMismatch => {
                "Reboot after a driver update; in a container, use the library of the host's driver."
            }
            Self::DriverTooOld => {
                "Update NVIDIA's driver: the modules are PTX ISA 8.0, known since CUDA 12.0 (R525)."
            }
            Self::EccUncorrectable => {
                "The result is void. Look for Xid 48, 63, 64, 94 and 95 in dmesg: after 94 (contained) it is enough to \
                 repeat the work, else reset the GPU (nvidia-smi -r); have it replaced after 64 (no row left to remap) or \
                 if it happens again."
            }
            Self::KeyRotation => {
                "Repeat the work: the keys between CPU and GPU were being changed."
            }
            Self::LaunchFailed => {
                "Look for Xid 13, 31 or 43 in dmesg. The kernels keep inside their memory on every machine we tried: \
                 if it happens again, suspect the GPU, and report it with the driver's version."
            }
            Self::LaunchTimeout => {
                "The driver limits how long a kernel may run, as it does where a screen is attached: use a GPU \
                 without one, or a smaller job."
            }
            Self::Lost => {
                "Look for an Xid in dmesg (79: the GPU has fallen off the bus; 119, 120: its firmware hangs). Reset \
                 the GPU or restart the machine, then the agent."
            }
            Self::ModuleRefused => {
                "The driver does not take the kernels' PTX. Compare the agent's release with the driver's; the \
                 driver's own compiler (libnvidia-ptxjitcompiler) must be installed."
            }
            Self::NoDevice => {
                "Check nvidia-smi and CUDA_VISIBLE_DEVICES; in a container, hand the GPU in (--gpus all)."
            }
            Self::NotReady => {
                "Start nvidia-fabricmanager where there are NVSwitches; with confidential computing on, set the GPUs \
                 ready (nvidia-smi conf-compute -srs 1)."
            }
            Self::NotPermitted => {
                "Let this account use /dev/nvidia*; check cgroups and MIG rights."
            }
            Self::Timeout => {
                "Raise cuda.timeout_s if the job is that large; else look for an Xid in dmesg and reset the GPU."
            }
        }
    }

    /// Whether an error is of a kernel that ran, so that a call that comes before any kernel of a context can only have it
    /// from an earlier one.
    #[must_use]
    pub(crate) const fn is_of_a_kernel(self) -> bool {
        matches!(
            self,
            Self::EccUncorrectable | Self::LaunchFailed | Self::LaunchTimeout
        )
    }

    /// Whether the driver refuses every later call of the same context, by the documentation of `cuda.h`.
    #[must_use]
    pub const fn spoils_context(number: u32) -> bool {
        matches!(number, 214 | 220 | 700 | 702 | 709 | 710 | 714..=720 | 999)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_code_of_its_own_and_a_remedy() {
        let codes: BTreeSet<_> = FailureKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), FailureKind::ALL.len());
        for kind in FailureKind::ALL {
            let snake = kind
                .code()
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(snake && kind.remedy().ends_with('.'), "{kind:?}");
        }
    }

    #[test]
    fn every_kind_but_none_is_reached_by_a_number() {
        let reached: BTreeSet<_> = (1..1000)
            .map(|number| FailureKind::of(number).code())
            .collect();
        for kind in FailureKind::ALL {
            assert!(reached.contains(kind.code()), "{kind:?}");
        }
    }
}
