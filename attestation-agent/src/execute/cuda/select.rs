//! Which GPU runs jobs.
//!
//! In scope: comparing the GPUs that CUDA sees with those whose evidence is collected. CUDA and NVML number GPUs each
//! in their own way, so they are compared by UUID. Out of scope: whether either of them is right.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kernels::program::Target;
use tracing::warn;

use super::driver::{DeviceFacts, Driver, LoadError};
use super::{OPENING, failure};
use crate::device::nvml::Monitor;
use crate::device::{DeviceError, Selection, nvml};
use crate::execute::{CudaSettings, ExecuteError};

/// The oldest compute capability that the portable modules are for.
const LEAST_CAPABILITY: (u32, u32) = (8, 0);

/// The one compute capability that `sm_90a` is for: the instructions of Hopper are in no later device.
const HOPPER: (u32, u32) = (9, 0);

/// What decides which GPU runs jobs, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CudaSelection {
    /// UUID of the GPU; the first fitting one if there is none.
    pub gpu: Option<String>,
    /// Whether the GPU must be one that NVML sees, because NVML's are those that attest.
    pub attested: bool,
    /// The management library, where the loader does not find it.
    pub nvml_library: Option<PathBuf>,
    /// The longest a device may take for a job.
    pub timeout: Duration,
}

/// A GPU as the CUDA driver describes it: words of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaDevice {
    /// Product name.
    pub name: String,
    /// UUID, as `nvidia-smi -L` writes it.
    pub uuid: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// NVML's number for it, where NVML sees it.
    pub nvml_index: Option<u32>,
    pub(super) facts: DeviceFacts,
}

impl CudaSelection {
    /// The choice of the settings.
    #[must_use]
    pub fn new(cuda: &CudaSettings, evidence: &Selection) -> Self {
        let (attested, nvml_library) = match evidence {
            Selection::Nvml { library } => (true, library.clone()),
            Selection::Recorded { .. } | Selection::Simulated { .. } => (false, None),
        };
        Self {
            gpu: cuda.gpu.clone(),
            attested,
            nvml_library,
            timeout: cuda.timeout(),
        }
    }

    /// The end of a job that begins now.
    pub(super) fn deadline(&self) -> Instant {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Instant::now() + self.timeout.min(YEAR)
    }

    /// By when the driver has to have started and named its devices.
    pub(super) fn opening_deadline(&self) -> Instant {
        Instant::now() + self.timeout.min(OPENING)
    }

    pub(super) fn choose(&self, driver: Driver) -> Result<CudaDevice, ExecuteError> {
        self.choose_among(&self.devices(driver)?)
    }

    pub(super) fn choose_among(&self, devices: &[CudaDevice]) -> Result<CudaDevice, ExecuteError> {
        let device = self.pick(devices)?.clone();
        if device.capability < LEAST_CAPABILITY {
            return Err(ExecuteError::CapabilityUnsupported {
                device: device.to_string(),
                capability: device.capability,
            });
        }
        Ok(device)
    }

    pub(super) fn devices(&self, driver: Driver) -> Result<Vec<CudaDevice>, ExecuteError> {
        let facts = driver.devices();
        let facts = facts.map_err(|error| failure("driver", "looking for GPUs", error))?;
        let known = self.nvml_uuids();
        Ok(facts
            .into_iter()
            .map(|facts| CudaDevice::new(facts, &known))
            .collect())
    }

    /// The UUIDs in NVML's order. Without NVML there are none; that is an error elsewhere, if evidence is wanted.
    fn nvml_uuids(&self) -> Vec<String> {
        let asked = || -> Result<Vec<String>, DeviceError> {
            let driver = nvml::Driver::load(self.nvml_library.as_deref())?;
            let count = driver.count()?;
            (0..count).map(|index| driver.uuid(index)).collect()
        };
        asked().unwrap_or_else(|error| {
            warn!(
                code = error.code(),
                "the GPU that runs jobs cannot be found in NVML: {error}"
            );
            Vec::new()
        })
    }

    fn pick<'a>(&self, devices: &'a [CudaDevice]) -> Result<&'a CudaDevice, ExecuteError> {
        let seen: Vec<_> = devices.iter().map(ToString::to_string).collect();
        let seen = seen.join(", ");
        let mut wanted = devices.iter().filter(|device| {
            let named = self
                .gpu
                .as_ref()
                .is_none_or(|uuid| uuid.eq_ignore_ascii_case(&device.uuid));
            named && (!self.attested || device.nvml_index.is_some())
        });
        let found = wanted.next();
        found.ok_or_else(|| ExecuteError::DeviceNotFound {
            why: match &self.gpu {
                _ if devices.is_empty() => "CUDA sees none".to_owned(),
                Some(uuid) => format!("expected {uuid}, among those that attest; CUDA sees {seen}"),
                None => format!("expected one that NVML sees too; CUDA sees {seen}"),
            },
        })
    }

    /// Watches the counters of a GPU, where NVML has them.
    pub(super) fn monitor(&self, device: &CudaDevice) -> Option<Monitor> {
        Monitor::start(self.nvml_library.as_deref(), device.nvml_index?)
    }
}

impl CudaDevice {
    fn new(facts: DeviceFacts, nvml_uuids: &[String]) -> Self {
        let uuid = uuid_text(&facts.uuid);
        let index = nvml_uuids
            .iter()
            .position(|known| known.eq_ignore_ascii_case(&uuid));
        Self {
            name: facts.name.clone(),
            capability: facts.capability,
            memory_bytes: facts.memory_bytes,
            nvml_index: index.and_then(|index| u32::try_from(index).ok()),
            uuid,
            facts,
        }
    }

    /// Modules it can load, the best first.
    pub(super) fn targets(&self) -> &'static [Target] {
        targets(self.capability)
    }

    pub(super) fn out_of_memory(&self, needed: u64, free: u64, total: u64) -> ExecuteError {
        ExecuteError::DeviceOutOfMemory {
            device: self.to_string(),
            needed,
            free,
            total,
        }
    }
}

impl std::fmt::Display for CudaDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.uuid)
    }
}

fn targets(capability: (u32, u32)) -> &'static [Target] {
    match capability {
        HOPPER => &[Target::Sm90a, Target::Portable],
        capability if capability >= LEAST_CAPABILITY => &[Target::Portable],
        _ => &[],
    }
}

/// The driver, or why there is none.
pub(super) fn load() -> Result<Driver, ExecuteError> {
    Driver::load().map_err(|error| match error {
        LoadError::NotFound => ExecuteError::LibraryNotFound,
        LoadError::SymbolMissing(symbol) => ExecuteError::SymbolMissing { symbol },
        LoadError::Call(error) => failure("driver", "starting the driver", error),
    })
}

/// `GPU-` and the groups of RFC 9562, as NVML and nvidia-smi write it.
fn uuid_text(uuid: &[u8; 16]) -> String {
    let text = hex::encode(uuid);
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    let groups: Vec<_> = groups
        .into_iter()
        .filter_map(|group| text.get(group))
        .collect();
    format!("GPU-{}", groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hopper_alone_gets_hoppers_module() {
        let table: [((u32, u32), &[Target]); 7] = [
            ((7, 5), &[]),
            ((8, 0), &[Target::Portable]),
            ((8, 9), &[Target::Portable]),
            ((9, 0), &[Target::Sm90a, Target::Portable]),
            ((9, 1), &[Target::Portable]),
            ((10, 0), &[Target::Portable]),
            ((12, 0), &[Target::Portable]),
        ];
        for (capability, expected) in table {
            assert_eq!(targets(capability), expected, "{capability:?}");
        }
    }

    #[test]
    fn uuids_are_written_as_nvidia_smi_does() {
        let uuid = std::array::from_fn(|i| u8::try_from(i).unwrap() + 0xa0);
        assert_eq!(uuid_text(&uuid), "GPU-a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf");
    }

    fn device(number: u8, nvml_uuids: &[String]) -> CudaDevice {
        let facts = DeviceFacts {
            ordinal: i32::from(number),
            name: format!("gpu {number}"),
            uuid: [number; 16],
            capability: (9, 0),
            memory_bytes: 1,
        };
        CudaDevice::new(facts, nvml_uuids)
    }

    #[test]
    fn the_gpu_that_runs_is_one_that_attests() {
        // CUDA sees 0, 1, 2; NVML 2 and 1, in that order.
        let nvml = [uuid_text(&[2; 16]), uuid_text(&[1; 16]).to_uppercase()];
        let devices: Vec<_> = (0..3).map(|number| device(number, &nvml)).collect();
        let pick = |gpu: Option<u8>, attested| {
            let selection = CudaSelection {
                gpu: gpu.map(|number| uuid_text(&[number; 16])),
                attested,
                ..CudaSelection::default()
            };
            let found = selection.pick(&devices);
            found
                .map(|device| (device.facts.ordinal, device.nvml_index))
                .map_err(|e| e.code())
        };
        let missing = Err("cuda_device_not_found");
        assert_eq!(pick(None, true), Ok((1, Some(1))));
        assert_eq!(pick(Some(2), true), Ok((2, Some(0))));
        assert_eq!(pick(Some(0), true), missing);
        assert_eq!(pick(None, false), Ok((0, None)));
        assert_eq!(pick(Some(0), false), Ok((0, None)));
        assert_eq!(pick(Some(9), false), missing);
    }
}
