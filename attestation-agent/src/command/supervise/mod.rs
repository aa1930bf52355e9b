//! The supervisor: a process between the agent and a program. It sees every process that the program starts, and ends
//! them.
//!
//! It is the agent's own executable under another command. Orphans of the program become its children (a child
//! subreaper, prctl(2)), so that exactly the processes of the run descend from it. It ends them when the program
//! exceeds a limit, when the program itself has ended, and when the agent is gone, which it sees by the end of its
//! standard input.
//!
//! In scope: starting, watching, ending, and telling how it ended. Out of scope: what the files in the folder mean.

mod limits;
mod order;
mod tree;
mod usage;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus};

pub use order::{End, MAX_STREAM_BYTES, Order, Report};
pub(crate) use tree::is_descendant;

use limits::Watch;

/// The hidden command under which the agent's executable is a supervisor.
pub const SUPERVISE: &str = "supervise";

/// How long what the program started may go on after it, to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// Does what the order on standard input says; the report goes to standard output.
#[must_use]
pub fn supervise() -> ExitCode {
    let mut line = String::new();
    let mut input = io::BufReader::new(io::stdin());
    let order = input
        .read_line(&mut line)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_str::<Order>(&line).map_err(|error| error.to_string()));
    let order = match order {
        Ok(order) => order,
        Err(error) => {
            eprintln!("supervise: no order: {error}");
            return ExitCode::FAILURE;
        }
    };
    let gone = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&gone);
    thread::spawn(move || {
        // Nothing more is ever sent: the end of the input is the end of the agent.
        let _ = io::copy(&mut input.by_ref(), &mut io::sink());
        told.store(true, Ordering::Release);
    });
    let report = carry_out(&order, &gone);
    if gone.load(Ordering::Acquire) {
        if !order.keep {
            super::folder::remove(&order.folder);
        }
        return ExitCode::FAILURE;
    }
    let written = serde_json::to_writer(io::stdout(), &report).is_ok();
    match written && io::stdout().flush().is_ok() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn carry_out(order: &Order, gone: &AtomicBool) -> Report {
    let started = Instant::now();
    let mut watch = Watch::new(order, started);
    let end = match start(order) {
        Ok(program) => watch_until_end(program, &mut watch, gone),
        Err(error) => End::NotStarted {
            detail: error.to_string(),
        },
    };
    let wall = started.elapsed();
    let left = tree::end_all();
    if left > 0 {
        eprintln!("supervise: {left} processes do not end");
    }
    watch.report(end_with(end, left), wall)
}

/// A program of which something could not be ended has not ended well.
fn end_with(end: End, left: u64) -> End {
    match end {
        End::Exited { status } if left > 0 => End::Outlived { status, left },
        end => end,
    }
}

/// A session and a process group of its own, so that no terminal reaches it, and limits that are inherited.
fn start(order: &Order) -> io::Result<Pid> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // Fails where this process leads a group already; then it is apart enough.
    let _ = rustix::process::setsid();
    limits::set_inherited(order)?;
    let (name, arguments) = order
        .argv
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let stream = |name| File::create_new(order.folder.join(name));
    let child = Command::new(&order.executable)
        .arg0(OsStr::new(name))
        .args(arguments)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .current_dir(order.folder.join("work"))
        .stdin(Stdio::null())
        .stdout(stream("stdout")?)
        .stderr(stream("stderr")?)
        .process_group(0)
        .spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("no process id"))
}

fn watch_until_end(program: Pid, watch: &mut Watch<'_>, gone: &AtomicBool) -> End {
    let handle = rustix::process::pidfd_open(program, PidfdFlags::empty());
    loop {
        if let Some(status) = reap(program) {
            return after(status, watch, gone);
        }
        if gone.load(Ordering::Acquire) {
            return End::Abandoned;
        }
        if let Some(end) = watch.look() {
            return end;
        }
        let pause = watch.pause();
        match &handle {
            Ok(handle) => wait_on(handle, pause),
            Err(_) => thread::sleep(pause),
        }
    }
}

/// The program has ended: what it started may do so by itself for a moment, and the limits hold to the last.
fn after(status: WaitStatus, watch: &mut Watch<'_>, gone: &AtomicBool) -> End {
    const PAUSE: Duration = Duration::from_millis(5);
    let until = Instant::now() + GRACE;
    let left = loop {
        if tree::reap_orphans() {
            break 0;
        }
        if Instant::now() >= until || gone.load(Ordering::Acquire) {
            break tree::count();
        }
        thread::sleep(PAUSE);
    };
    if let Some(end) = watch.look_at_files() {
        return end;
    }
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => End::Killed { signal },
        (Some(status), _) if left == 0 => End::Exited { status },
        (Some(status), _) => End::Outlived { status, left },
        (None, None) => End::Abandoned,
    }
}

/// Waits until a process ends, for so long at most.
fn wait_on(process: &impl std::os::fd::AsFd, pause: Duration) {
    let timeout = Timespec {
        tv_sec: i64::try_from(pause.as_secs()).unwrap_or_default(),
        tv_nsec: i64::from(pause.subsec_nanos()),
    };
    // An interrupted wait is a short one.
    let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout));
}

/// How the program ended, if it has. Orphans that ended on the way are gone too.
fn reap(program: Pid) -> Option<WaitStatus> {
    while let Ok(Some((id, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if id == program {
            return Some(status);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_told() {
        let ended = End::Exited { status: 0 };
        assert_eq!(end_with(ended.clone(), 0), ended);
        let outlived = End::Outlived { status: 0, left: 2 };
        assert_eq!(end_with(ended, 2), outlived);
        assert_eq!(end_with(End::TimedOut, 2), End::TimedOut);
    }
}
