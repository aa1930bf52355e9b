//! The driver's counters: energy, clocks, throttling, processes, accounting.
//!
//! In scope: reading them, each `None` where the driver does not report it. Out of scope: what they are worth, which is
//! nothing by itself, since the host can forge every number; when to read them, which the code that watches a program
//! decides. Around a kernel [`Monitor`](crate::device::nvml::Monitor) reads them; its documentation says why there are
//! two.

use std::path::Path;

use nvml_wrapper::enum_wrappers::device::Clock;
use nvml_wrapper::enums::device::UsedGpuMemory;

use super::Driver;
use crate::device::DeviceError;

/// The counters of every GPU of this machine.
pub struct Gauge {
    driver: Driver,
    count: u32,
}

/// One GPU at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// NVML index.
    pub gpu: u32,
    /// Energy since the driver was loaded, millijoules.
    pub energy_mj: Option<u64>,
    /// Clock of the multiprocessors, MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory, MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Why clocks are lower than they could be: `nvmlClocksThrottleReason*` bits.
    pub throttle_reasons: Option<u64>,
    /// Processes with a compute context.
    pub processes: Vec<GpuProcess>,
}

/// One process with a compute context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuProcess {
    /// Its id, in the driver's namespace.
    pub pid: u32,
    /// Its memory on the GPU, bytes.
    pub memory_bytes: Option<u64>,
}

/// What the driver's accounting says of several processes on one GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The most memory that one of them ever had, bytes.
    pub memory_bytes: Option<u64>,
    /// The time their contexts were active, summed, milliseconds.
    pub time_ms: Option<u64>,
}

impl Gauge {
    /// Opens the management library; see [`Driver::load`].
    ///
    /// # Errors
    /// As [`Driver::load`] and [`Driver::count`].
    pub fn open(library: Option<&Path>) -> Result<Self, DeviceError> {
        let driver = Driver::load(library)?;
        let count = driver.count()?;
        Ok(Self { driver, count })
    }

    /// Every GPU now.
    #[must_use]
    pub fn read(&self) -> Vec<Reading> {
        (0..self.count).map(|gpu| self.read_one(gpu)).collect()
    }

    fn read_one(&self, gpu: u32) -> Reading {
        let Ok(device) = self.driver.gpu(gpu) else {
            return Reading {
                gpu,
                ..Reading::default()
            };
        };
        let processes = device.running_compute_processes().unwrap_or_default();
        Reading {
            gpu,
            energy_mj: device.total_energy_consumption().ok(),
            sm_clock_mhz: device.clock_info(Clock::SM).ok(),
            memory_clock_mhz: device.clock_info(Clock::Memory).ok(),
            throttle_reasons: device.current_throttle_reasons().ok().map(|r| r.bits()),
            processes: processes
                .into_iter()
                .map(|process| GpuProcess {
                    pid: process.pid,
                    memory_bytes: match process.used_gpu_memory {
                        UsedGpuMemory::Used(bytes) => Some(bytes),
                        UsedGpuMemory::Unavailable => None,
                    },
                })
                .collect(),
        }
    }

    /// What accounting says of these processes; nothing where it is off. It is never switched on here: that takes the
    /// rights of an administrator, and is a setting of the host.
    #[must_use]
    pub fn account(&self, gpu: u32, pids: &[u32]) -> Account {
        let mut account = Account::default();
        let Ok(device) = self.driver.gpu(gpu) else {
            return account;
        };
        if !device.is_accounting_enabled().unwrap_or(false) {
            return account;
        }
        for stats in pids
            .iter()
            .filter_map(|pid| device.accounting_stats_for(*pid).ok())
        {
            account.memory_bytes = account.memory_bytes.max(stats.max_memory_usage);
            let time = account.time_ms.unwrap_or_default();
            account.time_ms = Some(time.saturating_add(stats.time));
        }
        account
    }
}
