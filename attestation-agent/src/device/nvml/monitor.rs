//! The driver's counters around a run.
//!
//! In scope: reading the counters of one GPU before, during and after a run, for a statement. A counter that the driver
//! does not report is absent; none of them can make a run fail. Out of scope: what the counters are worth, which is
//! nothing by itself, since the host can forge every number.
//!
//! [`Gauge`](super::Gauge) reads the same driver for another purpose. The monitor is for a kernel on one GPU, which may
//! take milliseconds: it looks twenty times a second, on a thread with a handle of its own to the driver, so that a
//! driver that hangs costs the counters and not the run. The gauge is for a program that may use every GPU for hours:
//! the code that watches the program reads it twice a second, and it tells processes apart. They share only the
//! driver's calls.
//!
//! | Counter | Is |
//! |---|---|
//! | `nvml_energy_mj` | energy of the whole board from before the run to after it, also that of others, millijoules |
//! | `nvml_sm_clock_mhz_min`, `_mean`, `_max` | clock of the multiprocessors over the looks |
//! | `nvml_memory_clock_mhz_min`, `_mean`, `_max` | clock of the memory over the looks |
//! | `nvml_temperature_c_max` | hottest look |
//! | `nvml_throttle_reasons` | every reason for lower clocks seen, NVML's bits |
//! | `nvml_memory_used_bytes_max` | most memory in use at one look, also that of others |
//! | `nvml_ecc_uncorrected_errors` | uncorrectable errors since the driver was loaded, after less before |
//! | `nvml_accounting_gpu_percent`, `_memory_percent`, `_memory_bytes_max`, `_time_ms` | accounting of this process, where it is on |
//! | `nvml_looks` | how often the driver was looked at |

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use tracing::warn;

use super::Driver;

/// From one look to the next.
const PERIOD: Duration = Duration::from_millis(50);

/// A driver that has not answered after this long is left alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at a GPU on a thread of its own, from its start to [`finish`](Self::finish).
pub struct Monitor {
    end: Sender<()>,
    counters: Receiver<BTreeMap<String, i64>>,
}

impl Monitor {
    /// Begins to look, after the first look. `None` where the driver cannot be opened or does not answer.
    #[must_use]
    pub fn start(library: Option<&Path>, index: u32) -> Option<Self> {
        let library = library.map(Path::to_owned);
        let (end, ended) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        let (hand_over, counters) = mpsc::channel();
        let look = move || {
            let counters = watch(library.as_deref(), index, &begin, &ended);
            // Nobody may be waiting any more.
            let _ = hand_over.send(counters.unwrap_or_default());
        };
        thread::Builder::new()
            .name("nvml".to_owned())
            .spawn(look)
            .ok()?;
        if begun.recv_timeout(PATIENCE).is_err() {
            warn!("the driver tells no counters; the statement will have none");
            return None;
        }
        Some(Self { end, counters })
    }

    /// Looks a last time, and returns what was seen.
    #[must_use]
    pub fn finish(self) -> BTreeMap<String, i64> {
        drop(self.end);
        self.counters
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| {
                warn!("the driver tells no counters: {error}");
                BTreeMap::new()
            })
    }
}

fn watch(
    library: Option<&Path>,
    index: u32,
    begin: &Sender<()>,
    ended: &Receiver<()>,
) -> Option<BTreeMap<String, i64>> {
    let driver = Driver::load(library).ok()?;
    let device = driver.0.device_by_index(index).ok()?;
    let mut seen = Seen::new(&device);
    begin.send(()).ok()?;
    loop {
        seen.look(&device);
        match ended.recv_timeout(PERIOD) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Some(seen.counters(&device)),
        }
    }
}

/// What was seen, of however many looks.
#[derive(Default)]
struct Seen {
    energy_before: Option<u64>,
    ecc_before: Option<u64>,
    sm_clock: Range,
    memory_clock: Range,
    temperature: Option<u64>,
    throttle: Option<u64>,
    memory_used: Option<u64>,
    looks: u64,
}

impl Seen {
    fn new(device: &Device<'_>) -> Self {
        Self {
            energy_before: device.total_energy_consumption().ok(),
            ecc_before: uncorrected(device),
            ..Self::default()
        }
    }

    fn look(&mut self, device: &Device<'_>) {
        self.looks = self.looks.saturating_add(1);
        self.sm_clock.add(device.clock_info(Clock::SM).ok());
        self.memory_clock.add(device.clock_info(Clock::Memory).ok());
        let temperature = device.temperature(TemperatureSensor::Gpu).ok();
        self.temperature = self.temperature.max(temperature.map(u64::from));
        let used = device.memory_info().ok().map(|memory| memory.used);
        self.memory_used = self.memory_used.max(used);
        let reasons = device.current_throttle_reasons().ok();
        let reasons = reasons.map(|reasons| reasons.bits());
        self.throttle = match (self.throttle, reasons) {
            (Some(before), Some(now)) => Some(before | now),
            (before, now) => before.or(now),
        };
    }

    fn counters(self, device: &Device<'_>) -> BTreeMap<String, i64> {
        let mut counters = Counters::default();
        let energy = device.total_energy_consumption().ok();
        counters.add("energy_mj", gained(self.energy_before, energy));
        let errors = gained(self.ecc_before, uncorrected(device));
        counters.add("ecc_uncorrected_errors", errors);
        counters.add_range("sm_clock_mhz", self.sm_clock);
        counters.add_range("memory_clock_mhz", self.memory_clock);
        counters.add("temperature_c_max", self.temperature);
        counters.add("throttle_reasons", self.throttle);
        counters.add("memory_used_bytes_max", self.memory_used);
        counters.add("looks", Some(self.looks));
        counters.add_account(device);
        counters.0
    }
}

fn uncorrected(device: &Device<'_>) -> Option<u64> {
    let errors = device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile);
    errors.ok()
}

/// Counters that went backwards were reset meanwhile, and say nothing.
fn gained(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    after?.checked_sub(before?)
}

/// Least, most and mean of some numbers.
#[derive(Clone, Copy, Default)]
struct Range {
    bounds: Option<(u64, u64)>,
    sum: u64,
    count: u64,
}

impl Range {
    fn add(&mut self, value: Option<u32>) {
        let Some(value) = value.map(u64::from) else {
            return;
        };
        let (least, most) = self.bounds.unwrap_or((value, value));
        self.bounds = Some((least.min(value), most.max(value)));
        self.sum = self.sum.saturating_add(value);
        self.count = self.count.saturating_add(1);
    }
}

#[derive(Default)]
struct Counters(BTreeMap<String, i64>);

impl Counters {
    fn add(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
            self.0.insert(format!("nvml_{name}"), value);
        }
    }

    fn add_range(&mut self, name: &str, range: Range) {
        let Some((least, most)) = range.bounds else {
            return;
        };
        self.add(&format!("{name}_min"), Some(least));
        self.add(&format!("{name}_max"), Some(most));
        self.add(&format!("{name}_mean"), range.sum.checked_div(range.count));
    }

    /// Accounting is never switched on here: that takes the rights of an administrator, and is a setting of the host.
    fn add_account(&mut self, device: &Device<'_>) {
        if !device.is_accounting_enabled().unwrap_or(false) {
            return;
        }
        let Ok(account) = device.accounting_stats_for(std::process::id()) else {
            return;
        };
        self.add(
            "accounting_gpu_percent",
            account.gpu_utilization.map(u64::from),
        );
        self.add(
            "accounting_memory_percent",
            account.memory_utilization.map(u64::from),
        );
        self.add("accounting_memory_bytes_max", account.max_memory_usage);
        self.add("accounting_time_ms", Some(account.time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_bounds_and_a_mean_of_what_was_told() {
        let mut range = Range::default();
        for value in [Some(5), None, Some(1), Some(9)] {
            range.add(value);
        }
        let mut counters = Counters::default();
        counters.add_range("x", range);
        counters.add_range("y", Range::default());
        let expected = [("nvml_x_max", 9), ("nvml_x_mean", 5), ("nvml_x_min", 1)];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(counters.0, BTreeMap::from(expected));
    }

    #[test]
    fn what_went_backwards_is_not_told() {
        assert_eq!(gained(Some(5), Some(7)), Some(2));
        assert_eq!(gained(Some(7), Some(5)), None);
        assert_eq!(gained(None, Some(5)), None);
    }
}
