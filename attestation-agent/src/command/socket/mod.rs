//! The socket by which a running program speaks to the agent: `$POGW_SOCKET`, JSON, one object on each line.
//!
//! | `op` | Members | Answer |
//! |---|---|---|
//! | `hello` | `version`: 1 | `version`, `agent`, `job`, `outputs`, `device_buffers` |
//! | `digest` | a source | `blake3`, `len` |
//! | `output` | `name`, a source | `blake3`, `len`; the bytes are the output of that name now |
//! | `mark` | `step`, `name`, a source | `entry`, `blake3` |
//! | `done` | | nothing more; the connection ends |
//!
//! A source is one of: `"fd": true`, a plain file such as a memfd that travels with the line (`SCM_RIGHTS`);
//! `"cuda": {"device", "handle", "offset", "len"}`, a buffer by CUDA IPC handle; for `mark` also `"blake3"`, a digest the
//! program made itself; for `output` also no source at all: the file of that name in the working directory.
//!
//! Every answer has `ok`; where it is `false`, `code` and `message` say why, and the connection goes on. A line that is
//! not JSON, too long or never ends closes it.
//!
//! Whoever connects must run as the agent's account and descend from the supervisor (`SO_PEERCRED`). That keeps another
//! program of the same account from handing in by mistake. It stops no attacker of that account, who could be the
//! program's debugger.

mod buffers;
mod connection;
mod cuda;
mod desk;
mod message;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use buffers::{BufferError, DeviceBuffers, IpcBuffer, NoBuffers};
pub(super) use desk::{Desk, Handed};

use super::error::CommandError;
use super::supervise::is_descendant;

/// Longest line of a program, in bytes.
pub const MAX_LINE_BYTES: usize = 16 * 1024;
/// Most connections at one time: one for each process of a large job.
pub const MAX_CONNECTIONS: usize = 64;
/// Longest path of a Unix socket, in bytes, its NUL not counted (unix(7)).
const MAX_PATH_BYTES: usize = 107;

/// How long a program may take to accept an answer, or to end a line it has begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket while a program runs.
pub(super) struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    stopping: AtomicBool,
    connections: AtomicUsize,
    /// Whom to hang up on at the end, by the number of the connection.
    streams: Mutex<BTreeMap<u64, UnixStream>>,
    numbers: AtomicU64,
}

impl Server {
    /// Makes the socket, for this account alone.
    pub(super) fn bind(path: &Path) -> Result<UnixListener, CommandError> {
        let actual = path.as_os_str().len();
        if actual > MAX_PATH_BYTES {
            let limit = MAX_PATH_BYTES;
            return Err(CommandError::SocketPath { limit, actual });
        }
        let listener = UnixListener::bind(path).map_err(CommandError::io("bind", path))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(CommandError::io("protect", path))?;
        listener
            .set_nonblocking(true)
            .map_err(CommandError::io("use", path))?;
        Ok(listener)
    }

    /// Answers the descendants of `supervisor` at `desk`, each on a thread of its own.
    pub(super) fn serve(listener: UnixListener, desk: Arc<Desk>, supervisor: u32) -> Self {
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            streams: Mutex::new(BTreeMap::new()),
            numbers: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || accept_all(&listener, &desk, supervisor, &serving));
        Self { shared }
    }

    /// Accepts nobody any more, hangs up on everybody, and waits for a moment until nothing is written or digested for
    /// anybody. What takes longer goes on, and counts for nothing.
    pub(super) fn stop(self) {
        const PAUSE: Duration = Duration::from_millis(2);
        self.shared.stopping.store(true, Ordering::Release);
        for stream in lock(&self.shared.streams).values() {
            // One that has ended already needs no end.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let until = Instant::now() + PATIENCE;
        while self.shared.connections.load(Ordering::Acquire) > 0 && Instant::now() < until {
            thread::sleep(PAUSE);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept_all(listener: &UnixListener, desk: &Arc<Desk>, supervisor: u32, shared: &Arc<Shared>) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let period = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    while !shared.stopping.load(Ordering::Acquire) {
        // An interrupted wait is a short one; accepting says what there is.
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&period));
        if let Ok((stream, _)) = listener.accept() {
            admit(stream, desk, supervisor, shared);
        }
    }
}

/// Starts a conversation, or hangs up.
fn admit(stream: UnixStream, desk: &Arc<Desk>, supervisor: u32, shared: &Arc<Shared>) {
    if !is_of_the_program(&stream, supervisor) {
        tracing::warn!("a process that is not of the program connected to its socket");
        return;
    }
    let Ok(copy) = stream.try_clone() else { return };
    let before = shared.connections.fetch_add(1, Ordering::AcqRel);
    if before >= MAX_CONNECTIONS {
        shared.connections.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    lock(&shared.streams).insert(number, copy);
    let (desk, shared) = (Arc::clone(desk), Arc::clone(shared));
    thread::spawn(move || {
        connection::converse(&stream, &desk);
        lock(&shared.streams).remove(&number);
        shared.connections.fetch_sub(1, Ordering::AcqRel);
    });
}

/// The credentials are those of whoever called connect(2).
fn is_of_the_program(stream: &UnixStream, supervisor: u32) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else {
        return false;
    };
    let pid = u32::try_from(peer.pid.as_raw_nonzero().get()).unwrap_or_default();
    peer.uid == rustix::process::getuid() && pid != supervisor && is_descendant(pid, supervisor)
}
