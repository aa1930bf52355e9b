//! The figures of the process that every exporter gives, by `/proc` (proc(5)); those that cannot be read are absent.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::param::{clock_ticks_per_second, page_size};

/// What the process uses now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Processor time, of user and system, in seconds.
    pub(super) cpu_s: Option<f64>,
    /// Resident memory, in bytes.
    pub(super) resident_bytes: Option<f64>,
    /// Open file descriptors.
    pub(super) fds: Option<f64>,
    /// Most file descriptors.
    pub(super) max_fds: Option<f64>,
    /// When the process began, in seconds since 1970.
    pub(super) started_s: Option<f64>,
}

impl Usage {
    /// Reads it.
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let times = stat.as_deref().and_then(Times::parse);
        Self {
            cpu_s: times.map(|times| seconds_of(times.cpu)),
            resident_bytes: resident_bytes(),
            fds: open_fds(),
            max_fds: max_fds(),
            started_s: times.and_then(|times| started(seconds_of(times.started))),
        }
    }
}

/// Fields of `/proc/self/stat`, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    cpu: u64,
    /// After the machine started.
    started: u64,
}

impl Times {
    /// The name of the program stands in brackets and may hold anything, so fields are counted behind the last one.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)?.checked_add(field(15)?)?,
            started: field(22)?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn seconds_of(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

fn resident_bytes() -> Option<f64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let page = u32::try_from(page_size()).ok()?;
    Some(pages * f64::from(page))
}

fn open_fds() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // Less the one that the directory is read by.
    Some(f64::from(u32::try_from(open).ok()?.saturating_sub(1)))
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// From the time since the machine started, which `/proc/uptime` relates to the clock.
fn started(after_boot_s: f64) -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.as_ref().map_or(0.0, Duration::as_secs_f64);
    Some((now - uptime + after_boot_s).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_a_name_of_any_kind() {
        let mut fields: Vec<_> = (3..=24).map(|n| n.to_string()).collect();
        fields[0] = "S".into();
        let stat = format!("77 (a) b 1 2) {}", fields.join(" "));
        let expected = Times {
            cpu: 14 + 15,
            started: 22,
        };
        assert_eq!(Times::parse(&stat), Some(expected));
        for malformed in ["", "77 (a", "77 (a) S 1 2"] {
            assert_eq!(Times::parse(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn this_process_has_all_of_it() {
        let usage = Usage::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let started = usage.started_s.unwrap();
        assert!(
            (0.0..7200.0).contains(&(now.as_secs_f64() - started)),
            "{started}"
        );
        assert!(usage.cpu_s.unwrap() >= 0.0);
        assert!(usage.resident_bytes.unwrap() > 1e6);
        assert!(usage.fds.unwrap() >= 3.0);
        assert!(usage.max_fds.unwrap() >= usage.fds.unwrap());
    }
}
