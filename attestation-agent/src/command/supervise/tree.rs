//! The processes that descend from this one, by `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process};

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) id: u32,
    parent: u32,
    is_zombie: bool,
}

/// Every living process that descends from this one, as `/proc` tells: one that is born meanwhile may be missing.
pub(super) fn descendants() -> Vec<Process> {
    let mut found = below();
    found.retain(|process| !process.is_zombie);
    found
}

/// Those, and the dead that nobody has waited for. A process whose first thread alone has ended looks like one of them.
fn below() -> Vec<Process> {
    let mut children: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![std::process::id()];
    while let Some(parent) = open.pop() {
        for process in children.get(&parent).into_iter().flatten() {
            if seen.insert(process.id) {
                open.push(process.id);
                found.push(*process);
            }
        }
    }
    found
}

/// Waits for children that have ended. Whether nothing is left below this process: orphans become its children, so
/// without a child (`ECHILD`, wait(2)) it has no descendant either.
pub(super) fn reap_orphans() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(error) => return error == Errno::CHILD,
        }
    }
}

/// Whether a process descends from another, as `/proc` tells now.
pub(crate) fn is_descendant(id: u32, ancestor: u32) -> bool {
    const DEEPEST: usize = 256;
    let mut at = id;
    for _ in 0..DEEPEST {
        if at == ancestor {
            return true;
        }
        match process(at) {
            Some(process) if process.parent > 1 => at = process.parent,
            _ => return false,
        }
    }
    false
}

/// Ends every descendant. First all are stopped, so that none can start another meanwhile. Returns how many are left that
/// would not end, at least.
pub(super) fn end_all() -> u64 {
    const ROUNDS: u32 = 2000;
    const PAUSE: Duration = Duration::from_millis(2);
    stop_all();
    for _ in 0..ROUNDS {
        if reap_orphans() {
            return 0;
        }
        below()
            .iter()
            .for_each(|process| send(*process, Signal::KILL));
        thread::sleep(PAUSE);
    }
    match reap_orphans() {
        true => 0,
        false => count(),
    }
}

/// How many are left where not all have ended: one at least, also where `/proc` shows none.
pub(super) fn count() -> u64 {
    u64::try_from(below().len()).unwrap_or(u64::MAX).max(1)
}

fn stop_all() {
    const ROUNDS: u32 = 50;
    let mut stopped = BTreeSet::new();
    for _ in 0..ROUNDS {
        let fresh: Vec<_> = below()
            .into_iter()
            .filter(|process| stopped.insert(process.id))
            .collect();
        if fresh.is_empty() {
            return;
        }
        fresh
            .iter()
            .for_each(|process| send(*process, Signal::STOP));
    }
}

fn send(process: Process, signal: Signal) {
    let id = i32::try_from(process.id).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        // One that is gone already needs none.
        let _ = kill_process(id, signal);
    }
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(process).collect()
}

/// `/proc/<id>/stat` (proc_pid_stat(5)): the name stands in brackets and may hold brackets.
fn process(id: u32) -> Option<Process> {
    let text = fs::read(format!("/proc/{id}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process {
        id,
        parent,
        is_zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_descends_from_its_parent_and_not_the_reverse() {
        let (own, parent) = (std::process::id(), std::os::unix::process::parent_id());
        assert!(is_descendant(own, own));
        assert!(is_descendant(own, parent));
        assert!(!is_descendant(parent, own));
        assert!(!is_descendant(0, own));
    }
}
