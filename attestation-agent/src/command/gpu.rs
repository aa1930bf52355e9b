//! The GPUs' counters around a run, as the driver reports them. They are the host's word, and absent where there is no
//! driver.
//!
//! | Counter | Is |
//! |---|---|
//! | `gpu<i>_energy_mj` | energy of the whole board from before the run to after it, millijoules, also that of others |
//! | `gpu<i>_sm_clock_mhz`, `gpu<i>_memory_clock_mhz` | the clocks at the last look during the run |
//! | `gpu<i>_throttle_reasons` | every reason for lower clocks seen during the run, NVML's bits |
//! | `gpu<i>_peak_process_memory_bytes` | most memory of the run's processes at one look |
//! | `gpu<i>_accounted_memory_bytes`, `gpu<i>_accounted_time_ms` | per process by the driver's accounting, where it is on: the largest, and the sum |
//!
//! The counters are read every half second. Process ids are those of the driver's namespace; in a container that has
//! its own, none match, and the counters by process are absent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::supervise::is_descendant;
use crate::device::nvml::{Gauge, Reading};

const PERIOD: Duration = Duration::from_millis(500);

/// Looks at the GPUs while a program runs.
pub(super) struct GpuWatch {
    gauge: Arc<Gauge>,
    before: Vec<Reading>,
    end: Sender<()>,
    looks: JoinHandle<BTreeMap<u32, Seen>>,
}

/// What was seen of one GPU.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    sm_clock: Option<u32>,
    memory_clock: Option<u32>,
    throttle: Option<u64>,
    process_memory: Option<u64>,
}

impl GpuWatch {
    pub(super) fn start(gauge: Arc<Gauge>, supervisor: u32) -> Self {
        let (end, ended) = mpsc::channel();
        let looking = Arc::clone(&gauge);
        let before = gauge.read();
        let looks = thread::spawn(move || {
            let mut seen = BTreeMap::new();
            loop {
                look(&looking, supervisor, &mut seen);
                match ended.recv_timeout(PERIOD) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return seen,
                }
            }
        });
        Self {
            gauge,
            before,
            end,
            looks,
        }
    }

    /// The counters by name; `pids` are the processes of the run.
    pub(super) fn finish(self, pids: &[u32]) -> BTreeMap<String, i64> {
        drop(self.end);
        // A defect in looking costs the counters, not the run.
        let seen = self.looks.join().unwrap_or_default();
        let mut counters = Counters::default();
        for (before, after) in self.before.iter().zip(self.gauge.read()) {
            let energy = before.energy_mj.zip(after.energy_mj);
            let energy = energy.and_then(|(before, after)| after.checked_sub(before));
            counters.add(before.gpu, "energy_mj", energy);
            let account = self.gauge.account(before.gpu, pids);
            counters.add(before.gpu, "accounted_memory_bytes", account.memory_bytes);
            counters.add(before.gpu, "accounted_time_ms", account.time_ms);
        }
        for (gpu, seen) in seen {
            counters.add(gpu, "sm_clock_mhz", seen.sm_clock.map(u64::from));
            counters.add(gpu, "memory_clock_mhz", seen.memory_clock.map(u64::from));
            counters.add(gpu, "throttle_reasons", seen.throttle);
            counters.add(gpu, "peak_process_memory_bytes", seen.process_memory);
        }
        counters.0
    }
}

fn look(gauge: &Gauge, supervisor: u32, seen: &mut BTreeMap<u32, Seen>) {
    for reading in gauge.read() {
        let seen = seen.entry(reading.gpu).or_default();
        seen.sm_clock = reading.sm_clock_mhz.or(seen.sm_clock);
        seen.memory_clock = reading.memory_clock_mhz.or(seen.memory_clock);
        seen.throttle = match (seen.throttle, reading.throttle_reasons) {
            (Some(before), Some(now)) => Some(before | now),
            (before, now) => before.or(now),
        };
        let ours = reading.processes.iter();
        let ours = ours.filter(|process| is_descendant(process.pid, supervisor));
        let memory: Vec<_> = ours.filter_map(|process| process.memory_bytes).collect();
        if !memory.is_empty() {
            let sum = memory.into_iter().fold(0, u64::saturating_add);
            seen.process_memory = seen.process_memory.max(Some(sum));
        }
    }
}

#[derive(Default)]
struct Counters(BTreeMap<String, i64>);

impl Counters {
    fn add(&mut self, gpu: u32, name: &str, value: Option<u64>) {
        if let Some(value) = value.and_then(|value| i64::try_from(value).ok()) {
            self.0.insert(format!("gpu{gpu}_{name}"), value);
        }
    }
}
