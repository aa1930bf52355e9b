//! The limits of a run: those the kernel holds, and those that are looked at poll by poll.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::order::{End, MAX_REPORTED, MAX_STREAM_BYTES, Order, Report};
use super::{tree, usage};

/// The shortest and the longest pause between two looks. In between, a look may cost a twentieth of the time.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(250);

/// Limits that the program inherits from this process: no core dump, and no single file beyond what all may have.
///
/// Not `RLIMIT_AS`: CUDA reserves more address space than there is memory. Not `RLIMIT_NPROC`: it counts every process of
/// the account.
pub(super) fn set_inherited(order: &Order) -> io::Result<()> {
    let longest = order.limits.output_bytes.max(MAX_STREAM_BYTES);
    for (resource, value) in [
        (Resource::Core, 0),
        (Resource::Fsize, longest.saturating_add(1)),
    ] {
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

/// A run that is looked at from time to time.
pub(super) struct Watch<'o> {
    order: &'o Order,
    until: Instant,
    cost: Duration,
    peak_memory: u64,
    peak_processes: u64,
    written: u64,
    pids: BTreeSet<u32>,
}

impl<'o> Watch<'o> {
    pub(super) fn new(order: &'o Order, started: Instant) -> Self {
        Self {
            order,
            until: started + Duration::from_secs(order.limits.wall_s),
            cost: Duration::ZERO,
            peak_memory: 0,
            peak_processes: 0,
            written: 0,
            pids: BTreeSet::new(),
        }
    }

    /// Why the program is to be ended now, if it is.
    pub(super) fn look(&mut self) -> Option<End> {
        let start = Instant::now();
        let end = if start >= self.until {
            Some(End::TimedOut)
        } else {
            self.look_at_processes().or_else(|| self.look_at_files())
        };
        self.cost = start.elapsed();
        end
    }

    /// How long until the next look.
    pub(super) fn pause(&self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        let pause = (self.cost * 20).clamp(SHORTEST, LONGEST);
        pause.min(left.max(Duration::from_millis(1)))
    }

    fn look_at_processes(&mut self) -> Option<End> {
        let processes = tree::descendants();
        let limits = &self.order.limits;
        let count = u64::try_from(processes.len()).unwrap_or(u64::MAX);
        let ids = processes.iter().map(|process| process.id);
        let room = MAX_REPORTED.saturating_sub(self.pids.len());
        self.pids.extend(ids.take(room));
        self.peak_processes = self.peak_processes.max(count);
        if count > limits.processes {
            return Some(End::Processes { seen: count });
        }
        let resident = usage::resident(&processes);
        self.peak_memory = self.peak_memory.max(resident);
        if resident <= limits.memory_bytes {
            return None;
        }
        // Shared pages are counted more than once above, and are no reason to end a program.
        let seen = usage::proportional(&processes).unwrap_or(resident);
        (seen > limits.memory_bytes).then_some(End::Memory { seen })
    }

    pub(super) fn look_at_files(&mut self) -> Option<End> {
        for name in ["stdout", "stderr"] {
            let size = fs::metadata(self.order.folder.join(name)).map_or(0, |data| data.len());
            if size > MAX_STREAM_BYTES {
                let name = name.to_owned();
                return Some(End::Stream { name });
            }
        }
        // What is on its way is looked at last: a file that moves to `work` meanwhile is not counted twice.
        let folders = ["work", "home", "tmp", "incoming"].map(|name| self.order.folder.join(name));
        let bytes = folders.iter().map(|folder| usage::written(folder));
        let bytes = bytes.fold(0, u64::saturating_add);
        self.written = bytes.saturating_sub(self.order.input_bytes);
        let exceeded = self.written > self.order.limits.output_bytes;
        exceeded.then_some(End::Output { seen: self.written })
    }

    /// What is told of it, after everything has ended.
    pub(super) fn report(self, end: End, wall: Duration) -> Report {
        let (cpu_user_us, cpu_system_us) = usage::children_cpu_us();
        Report {
            end,
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            cpu_user_us,
            cpu_system_us,
            peak_memory_bytes: self.peak_memory,
            peak_processes: self.peak_processes,
            written_bytes: self.written,
            pids: self.pids.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use evidence::work::CommandLimits;

    use super::*;

    #[test]
    fn every_folder_that_is_written_to_counts() {
        for name in ["work", "home", "tmp", "incoming"] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join(name)).unwrap();
            let order = order(folder.path(), 4);
            let mut watch = Watch::new(&order, Instant::now());
            fs::write(folder.path().join(name).join("a"), b"1234").unwrap();
            assert_eq!(watch.look_at_files(), None, "{name}");
            fs::write(folder.path().join(name).join("b"), b"5").unwrap();
            assert_eq!(
                watch.look_at_files(),
                Some(End::Output { seen: 5 }),
                "{name}"
            );
        }
    }

    fn order(folder: &std::path::Path, output_bytes: u64) -> Order {
        Order {
            executable: "/bin/true".into(),
            argv: Vec::new(),
            env: Vec::new(),
            folder: folder.to_path_buf(),
            keep: false,
            limits: CommandLimits {
                wall_s: 1,
                output_bytes,
                processes: 1,
                memory_bytes: 1,
            },
            input_bytes: 0,
        }
    }
}
