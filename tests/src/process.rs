//! Verifiers and agents in processes of their own, which can be killed.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evidence::UnixTime;

/// A program and its arguments, running or not. Killed when dropped.
pub struct Process {
    program: &'static str,
    arguments: Vec<PathBuf>,
    log: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    child: Option<Child>,
}

impl Process {
    /// Not started yet. What it says on standard error goes to the end of `log`.
    #[must_use]
    pub const fn new(program: &'static str, arguments: Vec<PathBuf>, log: PathBuf) -> Self {
        Self {
            program,
            arguments,
            log,
            variables: Vec::new(),
            child: None,
        }
    }

    /// The same with these variables in its environment.
    #[must_use]
    pub fn with(mut self, variables: Vec<(&'static str, OsString)>) -> Self {
        self.variables = variables;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// It runs already, or cannot be started.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().append(true).create(true).open(&self.log);
        let command = Command::new(self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log.expect("log"))
            .spawn();
        self.child = Some(command.expect("process"));
    }

    /// Without a warning (SIGKILL). Nothing happens to one that does not run.
    ///
    /// # Panics
    /// It has ended by itself.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let ended = child.try_wait().expect("process");
            assert_eq!(ended, None, "{}", self.said());
            child.kill().expect("process");
            child.wait().expect("process");
        }
    }

    /// The status with which it ended by itself; `None` while it runs.
    ///
    /// # Panics
    /// It was never started, or a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        let child = self.child.as_mut().expect("started");
        let ended = child.try_wait().expect("process")?;
        Some(ended.code().expect("no signal"))
    }

    /// The processor time it has taken since it was started, to a hundredth of a second; nothing if it does not run.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let stat = self
            .child
            .as_ref()
            .and_then(|child| std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok());
        // Behind the name, which may hold anything: the fields from the third on (proc_pid_stat(5)).
        let ticks = stat.as_deref().and_then(|stat| {
            let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
            Some(number(11)? + number(12)?)
        });
        Duration::from_millis(ticks.unwrap_or_default() * 10)
    }

    /// The memory it holds, in bytes; nothing if it does not run.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = self
            .child
            .as_ref()
            .and_then(|child| std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok());
        let kilobytes = status.as_deref().and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        kilobytes.unwrap_or_default() * 1024
    }

    /// What it has said.
    #[must_use]
    pub fn said(&self) -> String {
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

/// A verifier, the program `verifier-under-test`. Killed when dropped.
pub struct Verifier {
    /// Where it listens, also after a restart.
    pub url: String,
    process: Process,
    address: PathBuf,
}

impl Verifier {
    /// Not started yet. Its files are in `folder` under `name`; `settings` are TOML, without `listen`. With a time its
    /// clock stands there.
    ///
    /// # Panics
    /// The folder cannot be written to.
    #[must_use]
    pub fn new(
        program: &'static str,
        folder: &Path,
        name: &str,
        settings: &str,
        time: Option<UnixTime>,
    ) -> Self {
        let file = |kind: &str| folder.join(format!("{name}.{kind}"));
        let listen = format!("127.0.0.1:{}", port());
        let (config, address) = (file("toml"), file("address"));
        let text = format!("listen = \"{listen}\"\n{settings}");
        std::fs::write(&config, text).expect("settings");
        let mut arguments = vec![config, address.clone()];
        arguments.extend(time.map(|time| PathBuf::from(time.to_string())));
        Self {
            url: format!("http://{listen}"),
            process: Process::new(program, arguments, file("log")),
            address,
        }
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    /// It does not.
    pub async fn start(&mut self) {
        drop(std::fs::remove_file(&self.address));
        self.process.start();
        appears(&self.address).await;
    }

    /// Without a warning (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// See [`Process::processor_time`].
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        self.process.processor_time()
    }

    /// See [`Process::resident_bytes`].
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.process.resident_bytes()
    }
}

/// A port that this process has given to nobody else, below those that the system hands out by itself: it must be the
/// same after a restart.
///
/// # Panics
/// Never: there are fewer numbers than ports.
#[must_use]
pub fn port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let drawn = std::process::id().wrapping_mul(101) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + drawn % 12_000).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until a file is there.
///
/// # Panics
/// It is not, after half a minute.
pub async fn appears(path: &Path) {
    for _ in 0..600 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} is not there", path.display());
}
