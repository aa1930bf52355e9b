//! Processes that are killed, and their settings.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A program and its arguments, running or not. Killed when dropped.
pub(crate) struct Process {
    program: &'static str,
    arguments: Vec<PathBuf>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Not started yet. What it says on standard error goes to the end of `log`.
    pub(crate) fn new(program: &'static str, arguments: Vec<PathBuf>, log: PathBuf) -> Self {
        let child = None;
        Self {
            program,
            arguments,
            log,
            child,
        }
    }

    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().append(true).create(true).open(&self.log);
        let command = Command::new(self.program)
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn();
        self.child = Some(command.unwrap());
    }

    /// Without a warning (SIGKILL). Nothing happens to one that does not run.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let ended = child.try_wait().unwrap();
            assert_eq!(ended, None, "{}", self.said());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.program, self.said());
        }
    }
}

/// A port that this process has given to nobody else, below those that the system hands out by itself: it must be the
/// same after a restart.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let drawn = std::process::id().wrapping_mul(101) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + drawn % 12_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until a file is there.
pub(crate) async fn appears(path: &Path) {
    for _ in 0..600 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} is not there", path.display());
}
