//! What is on disk about assignments.
//!
//! ```text
//! <serve_dir>/                       0700
//!   lock                             held by the process that serves
//!   agent.json                       verifier, agent, provider: made by enrolment
//!   heard                            its time: when the verifier last heard what is held
//!   assignments/<id>/                0700
//!     offer.json                     before `accept`
//!     lease.json                     challenge and key: before anything is run
//!     outputs/<name>  trace.bin      what the run left
//!     statement.json                 statement, salt, keyed digest: from here on nothing is run again
//!     bundle.json                    with the reports: before `commitment`
//!     committed                      the verifier has the commitment
//!     opening-<round>.json           before `opening`; the bytes that are sent
//!     answer-<number>.json           before `answer`; the bytes that are sent
//!     release.json                   before `release`: why it is given back
//! ```
//!
//! Each file appears whole, in one step that survives a power cut. The state of an assignment is which of them exist.
//! The lease holds the key of the replica, so nobody else may read these files.
//!
//! Out of scope: when which file is written.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use evidence::work::wire::{Id, Lease, Offer, Release, Secret, Word};
use evidence::work::{Base64Url, Bundle, Secrets, WorkStatement};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::ServeError;
use crate::files::{self, FileError, PRIVATE};

const OFFER: &str = "offer.json";
const LEASE: &str = "lease.json";
const STATED: &str = "statement.json";
const BUNDLE: &str = "bundle.json";
const COMMITTED: &str = "committed";
const RELEASE: &str = "release.json";
const TRACE: &str = "trace.bin";
const HEARD: &str = "heard";

/// Longest file of JSON but openings and answers, in bytes: a bundle without outputs, with 128 devices.
const MAX_JSON_BYTES: u64 = 16 * 1024 * 1024;
/// Longest trace: 2^20 digests.
const MAX_TRACE_BYTES: u64 = 32 * 1024 * 1024;
/// Longest opening or answer: the largest output of a kernel in base64, its inputs, and evidence.
const MAX_SENT_BYTES: u64 = 1024 * 1024 * 1024;

/// The folder of an agent that serves, held by this process.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Keeps the lock.
    _lock: File,
}

/// When the verifier last heard what this agent holds, and so could have said what of it is over.
#[derive(Clone, Debug)]
pub(super) struct Heard(PathBuf);

/// Who this agent is, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// Address of the verifier.
    pub(super) verifier: String,
    /// Its name for this agent.
    pub(super) id: Id,
    /// The provider.
    pub(super) provider: Id,
}

/// What the agent has fixed about a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stated {
    /// The statement.
    pub(super) statement: WorkStatement,
    /// The salt of the commitment.
    salt: Secret<32>,
    /// The digest of outputs and trace under this replica's key.
    keyed: Secret<32>,
}

/// One assignment.
#[derive(Clone, Debug)]
pub(super) struct Case {
    dir: PathBuf,
    pub(super) offer: Offer,
}

impl Home {
    /// Opens the folder, made if it is absent, unless another process has it.
    pub(super) fn open(path: &Path) -> Result<Self, ServeError> {
        files::private_dir(path)?;
        files::private_dir(&path.join("assignments"))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(FileError::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_path_buf(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(ServeError::InUse {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(e)) => Err(FileError::io("lock", &lock_path)(e).into()),
        }
    }

    /// Who this agent is, if it was enrolled.
    pub(super) fn identity(&self) -> Result<Option<Identity>, ServeError> {
        read_json(&self.path.join("agent.json"))
    }

    /// Writes down who this agent is.
    pub(super) fn enrolled(&self, identity: &Identity) -> Result<(), ServeError> {
        Ok(write_json(&self.path.join("agent.json"), identity)?)
    }

    /// When the verifier was last told what is held.
    pub(super) fn heard(&self) -> Heard {
        Heard(self.path.join(HEARD))
    }

    /// Every assignment that an earlier process left. What ended before its offer was on disk is removed.
    pub(super) fn cases(&self) -> Result<Vec<Case>, ServeError> {
        let folder = self.path.join("assignments");
        let list = || FileError::io("list", &folder);
        let mut cases = Vec::new();
        for entry in fs::read_dir(&folder).map_err(list())? {
            let dir = entry.map_err(list())?.path();
            match read_json(&dir.join(OFFER))? {
                Some(offer) => cases.push(Case { dir, offer }),
                None => remove_folder(&dir),
            }
        }
        Ok(cases)
    }

    /// Puts an offer on disk.
    pub(super) fn begin(&self, offer: Offer) -> Result<Case, FileError> {
        let dir = self
            .path
            .join("assignments")
            .join(offer.assignment.as_str());
        let case = Case { dir, offer };
        let written = files::private_dir(&case.dir.join("outputs"))
            .and_then(|()| write_json(&case.dir.join(OFFER), &case.offer));
        if written.is_err() {
            case.remove();
        }
        written.map(|()| case)
    }

    /// Forgets every assignment and who this agent was.
    pub(super) fn clear(&self) {
        remove_folder(&self.path.join("assignments"));
        if let Err(error) = files::remove_if_there(&self.path.join("agent.json")) {
            tracing::warn!(code = error.code(), "{error}");
        }
    }
}

impl Heard {
    /// It was a moment ago. Nothing of it has to survive a power cut: the next heartbeat says it again.
    pub(super) fn now(&self) {
        let file = File::options().create(true).append(true).open(&self.0);
        if let Err(error) = file.and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::warn!(path = %self.0.display(), "cannot note that the verifier heard: {error}");
        }
    }

    /// When that was, if it ever was.
    pub(super) fn at(&self) -> Option<SystemTime> {
        fs::metadata(&self.0).ok()?.modified().ok()
    }
}

impl Stated {
    pub(super) fn new(statement: WorkStatement, secrets: &Secrets) -> Self {
        Self {
            statement,
            salt: Secret::new(secrets.salt.0),
            keyed: Secret::new(secrets.keyed.0),
        }
    }

    /// What opens the commitment, beside the statement.
    pub(super) fn secrets(&self) -> Secrets {
        Secrets {
            salt: Base64Url(*self.salt.reveal()),
            keyed: Base64Url(*self.keyed.reveal()),
        }
    }
}

impl Case {
    /// The verifier's name for it.
    pub(super) fn id(&self) -> &Id {
        &self.offer.assignment
    }

    /// Where an output lies. Names of outputs are file names: of commands by their form, of kernels by the catalogue.
    pub(super) fn output(&self, name: &str) -> PathBuf {
        self.dir.join("outputs").join(name)
    }

    /// The digests of the trace, 32 bytes each.
    pub(super) fn trace(&self) -> Result<Vec<u8>, FileError> {
        files::read_bounded(&self.dir.join(TRACE), MAX_TRACE_BYTES)
    }

    pub(super) fn put_trace(&self, digests: &[u8]) -> Result<(), FileError> {
        files::write_whole(&self.dir.join(TRACE), digests, PRIVATE)
    }

    /// What the run needs, if the assignment was taken.
    pub(super) fn lease(&self) -> Result<Option<Lease>, ServeError> {
        read_json(&self.dir.join(LEASE))
    }

    pub(super) fn put_lease(&self, lease: &Lease) -> Result<(), FileError> {
        write_json(&self.dir.join(LEASE), lease)
    }

    pub(super) fn stated(&self) -> Result<Option<Stated>, ServeError> {
        read_json(&self.dir.join(STATED))
    }

    pub(super) fn state(&self, stated: &Stated) -> Result<(), FileError> {
        write_json(&self.dir.join(STATED), stated)
    }

    pub(super) fn bundle(&self) -> Result<Option<Bundle>, ServeError> {
        read_json(&self.dir.join(BUNDLE))
    }

    pub(super) fn put_bundle(&self, bundle: &Bundle) -> Result<(), FileError> {
        write_json(&self.dir.join(BUNDLE), bundle)
    }

    /// When the verifier had the commitment, if it has it.
    pub(super) fn committed_at(&self) -> Option<SystemTime> {
        let data = fs::metadata(self.dir.join(COMMITTED)).ok()?;
        data.modified().ok()
    }

    pub(super) fn committed(&self) -> Result<(), FileError> {
        files::write_whole(&self.dir.join(COMMITTED), b"", PRIVATE)
    }

    /// Why it is being given back, if it is.
    pub(super) fn release(&self) -> Result<Option<Release>, ServeError> {
        read_json(&self.dir.join(RELEASE))
    }

    pub(super) fn put_release(&self, code: Word) -> Result<(), FileError> {
        write_json(&self.dir.join(RELEASE), &Release { code })
    }

    /// What was made to be sent under this name, if it was.
    pub(super) fn sent(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.dir.join(name);
        match path.exists() {
            true => files::read_bounded(&path, MAX_SENT_BYTES).map(Some),
            false => Ok(None),
        }
    }

    pub(super) fn put_sent(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        files::write_whole(&self.dir.join(name), bytes, PRIVATE)
    }

    /// That something is not there which should be.
    pub(super) fn lacks(&self, name: &str) -> ServeError {
        self.damaged(name, "it is missing")
    }

    /// That something of it is of no use.
    pub(super) fn damaged(&self, name: &str, detail: impl ToString) -> ServeError {
        ServeError::Journal {
            path: self.dir.join(name),
            detail: detail.to_string(),
        }
    }

    /// Removes all of it.
    pub(super) fn remove(&self) {
        remove_folder(&self.dir);
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ServeError> {
    if !path.exists() {
        return Ok(None);
    }
    let json = files::read_bounded(path, MAX_JSON_BYTES)?;
    let read = serde_json::from_slice(&json).map_err(|error| ServeError::Journal {
        path: path.to_path_buf(),
        detail: error.to_string(),
    });
    read.map(Some)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    let json = serde_json::to_vec(value).map_err(io::Error::from);
    let json = json.map_err(FileError::io("write", path))?;
    files::write_whole(path, &json, PRIVATE)
}

fn remove_folder(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), "cannot remove what an assignment left: {error}");
    }
}
