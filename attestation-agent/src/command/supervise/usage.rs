//! What processes and folders take up, as the system tells it.

use std::fs;
use std::path::Path;

use super::tree::Process;

/// Most entries counted of a folder; one with more counts as beyond every limit.
const MAX_ENTRIES: u64 = 1_000_000;

/// Resident bytes of all; a page that several share counts once for each.
pub(super) fn resident(processes: &[Process]) -> u64 {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let pages = processes.iter().filter_map(|process| {
        let text = fs::read_to_string(format!("/proc/{}/statm", process.id)).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    });
    pages.sum::<u64>().saturating_mul(page)
}

/// Resident bytes of all, a page that several share counted by parts. Costly; `None` where the kernel does not tell.
pub(super) fn proportional(processes: &[Process]) -> Option<u64> {
    let mut sum = 0_u64;
    for process in processes {
        let Ok(text) = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.id)) else {
            continue;
        };
        let line = text.lines().find(|line| line.starts_with("Pss:"))?;
        let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
        sum = sum.saturating_add(kib.saturating_mul(1024));
    }
    Some(sum)
}

/// Lengths of all plain files below a folder. A file that was removed and is still open is not among them.
pub(super) fn written(folder: &Path) -> u64 {
    let mut open = vec![folder.to_path_buf()];
    let (mut bytes, mut entries) = (0_u64, 0_u64);
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            entries = entries.saturating_add(1);
            if entries > MAX_ENTRIES {
                return u64::MAX;
            }
            // Gone since it was listed: it takes up nothing.
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                open.push(entry.path());
            } else if data.is_file() {
                bytes = bytes.saturating_add(data.len());
            }
        }
    }
    bytes
}

/// Processor time of children that were waited for, and of theirs: user and system, microseconds (proc_pid_stat(5),
/// fields 16 and 17).
pub(super) fn children_cpu_us() -> (u64, u64) {
    let read = || -> Option<(u64, u64)> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace().skip(13);
        let user = fields.next()?.parse().ok()?;
        let system = fields.next()?.parse().ok()?;
        Some((user, system))
    };
    let (user, system) = read().unwrap_or_default();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let micros = |count: u64| count.saturating_mul(1_000_000) / ticks;
    (micros(user), micros(system))
}
