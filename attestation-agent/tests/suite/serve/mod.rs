//! `serve`: the real command before a stand-in for a verifier, killed and started again at every step.

mod crashes;
mod ends;
mod verifier;
mod work;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use evidence::UnixTime;
use evidence::work::wire::{CrossKey, Id, Next, Offer, Open, Price, Secret, TermsShown};
use evidence::work::{Base64Url, JobSpec};
use tempfile::TempDir;

use verifier::{TOKEN, Verifier};

/// The key of the replica of every test.
const REPLICA_KEY: [u8; 32] = [8; 32];

/// A folder for an agent, and the verifier it serves.
struct Scene {
    dir: TempDir,
    verifier: Verifier,
    /// The address that the agent is given, where that is not the verifier's.
    address: Option<String>,
    /// More settings, as environment.
    settings: Vec<(&'static str, String)>,
}

/// The command, killed with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Serving {
    /// As `kill -9`.
    fn kill(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "it never ended"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), format!("{TOKEN}\n")).unwrap();
        Self {
            dir,
            verifier: Verifier::start(),
            address: None,
            settings: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    fn at(self, address: String) -> Self {
        let address = Some(address);
        Self { address, ..self }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the command.
    fn serve(&self) -> Serving {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path().join("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_attestation-agent"))
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("ATTESTATION_AGENT__STATE_DIR", self.path().join("state"))
            .env("ATTESTATION_AGENT__RETRY__FIRST_DELAY_MS", "10")
            .env("ATTESTATION_AGENT__RETRY__MAX_DELAY_MS", "50")
            .env("ATTESTATION_AGENT__RETRY__MAX_RETRY_AFTER_S", "1")
            .env("ATTESTATION_AGENT__SERVE__HEARTBEAT_S", "1")
            .envs(self.settings.iter().map(|(name, value)| (*name, value)))
            .args([
                "serve",
                "--verifier",
                self.address.as_deref().unwrap_or(self.verifier.url()),
                "--token-file",
                "token",
            ])
            .args(["--device", "simulated", "--executor", "cpu-reference"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Serving(child)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log says this.
    #[track_caller]
    fn wait_until_logged(&self, what: &str) {
        let started = Instant::now();
        while !self.log().contains(what) {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn assignment(&self, id: &str) -> PathBuf {
        self.path().join("state/serve/assignments").join(id)
    }

    /// Waits until nothing is left of an assignment.
    #[track_caller]
    fn wait_until_clean(&self, id: &str) {
        let path = self.assignment(id);
        let started = Instant::now();
        while path.exists() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "left: {}\n{}",
                path.display(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn offer(&self, id: &str, spec: &JobSpec) {
        self.verifier.ask(Next::Offer(Box::new(offer(id, spec))));
    }

    fn committed(&self, assignment: &str) {
        let id = Id::parse(assignment).unwrap();
        self.verifier
            .wait_until("committed", |state| state.commitments.contains_key(&id));
    }
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn in_an_hour() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime::from_secs(i64::try_from(since.unwrap().as_secs()).unwrap() + 3600)
}

fn offer(assignment: &str, spec: &JobSpec) -> Offer {
    Offer {
        assignment: id(assignment),
        job: spec.digest().unwrap(),
        spec: spec.clone(),
        accept_until: in_an_hour(),
        terms: TermsShown {
            price: Price {
                amount: 1,
                currency: "EUR".to_owned(),
            },
            commit_within_s: 3600,
            stake: 2,
            audit: None,
            open_within_s: 60,
            dispute_window_s: 60,
            devices: None,
            min_agreeing: None,
            policy: None,
        },
    }
}

fn open(assignment: &str, round: u32, points: u32, whole: bool) -> Next {
    Next::Open(Open {
        assignment: id(assignment),
        round,
        randomness: Base64Url([9; 32]),
        points,
        whole,
        cross: vec![CrossKey {
            assignment: id("other"),
            replica_key: Secret::new([10; 32]),
        }],
        until: in_an_hour(),
    })
}
