//! Bundles that wait for a receipt: a crash must not lose them, and must not make them be sent again with other bytes.
//!
//! In scope: a bundle is on disk before it is first sent, and gone only after its receipt is on disk or the verifier
//! has refused it for good. If a bundle's challenge expired while the verifier could not verify, the bundle was not
//! refused: it is set aside and not sent again.
//!
//! ```text
//! <state>/outbox/<sha256 of the bundle>.bundle   one line of JSON, {"verifier": URL}, then the bundle
//! <state>/outbox/<sha256 of the bundle>.problem  what the verifier said when it could not verify it
//! <state>/outbox/<sha256 of the bundle>.expired  such a bundle, after its challenge expired
//! <state>/receipts/<sha256 of the bundle>.jwt    its receipt
//! ```
//!
//! An entry is locked (`flock`) while a process works on it; the lock ends with the process. Two
//! processes on one state folder therefore share the work and never send one bundle at once.
//!
//! Out of scope: sending, and growth: receipts are what the operator is paid for and stay until the
//! operator moves them.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bind::SealedBundle;
use crate::files::{self, FileError, PRIVATE, Staged};
use crate::problem::Problem;
use crate::verifier::Receipt;

/// The longest entry read, in bytes: the largest output of a kernel (256 MiB) in base64, its inputs
/// (128 MiB), and the evidence of 128 devices.
const MAX_ENTRY_BYTES: u64 = 640 * 1024 * 1024;
/// The longest problem read, in bytes: twice the longest answer, for what escapes add.
const MAX_PROBLEM_BYTES: u64 = 2 * 1024 * 1024;
const SUFFIX: &str = "bundle";
const PROBLEM_SUFFIX: &str = "problem";
const EXPIRED_SUFFIX: &str = "expired";

/// The folders of bundles and receipts.
#[derive(Clone, Debug)]
pub struct Outbox {
    waiting: PathBuf,
    receipts: PathBuf,
}

/// A bundle that waits for its receipt, held by this process.
#[derive(Debug)]
pub struct Entry {
    /// Address of the verifier that issued its challenge.
    pub verifier: String,
    /// The bytes to send.
    pub bundle: SealedBundle,
    path: PathBuf,
    receipt: PathBuf,
    /// Keeps the lock.
    _file: File,
}

/// What lies in an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Bundles that wait, and nobody works on them.
    pub(crate) waiting: usize,
    /// Bundles that a process works on.
    pub(crate) held: usize,
    /// Bundles that were set aside.
    pub(crate) expired: usize,
}

/// Why the outbox cannot be used, or one entry of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// An entry is not what its name says.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The entry.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl OutboxError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "outbox_entry_damaged",
            Self::File(error) => error.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => {
                "The file was changed after the agent wrote it, or the disk failed. Move it away; \
                 the verifier would refuse it."
            }
            Self::File(error) => error.remedy(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    verifier: String,
}

impl Outbox {
    /// The outbox of a state folder, made there first if there is none.
    ///
    /// # Errors
    /// [`OutboxError::File`].
    pub fn open(state_dir: &Path) -> Result<Self, OutboxError> {
        let outbox = Self {
            waiting: state_dir.join("outbox"),
            receipts: state_dir.join("receipts"),
        };
        files::private_dir(&outbox.waiting)?;
        files::private_dir(&outbox.receipts)?;
        Ok(outbox)
    }

    /// Counts what lies in the outbox of a state folder, and makes nothing where there is none.
    pub(crate) fn backlog(state_dir: &Path) -> Result<Backlog, OutboxError> {
        let folder = state_dir.join("outbox");
        let mut backlog = Backlog::default();
        let entries = match fs::read_dir(&folder) {
            Err(e) if is_absent(&e) => return Ok(backlog),
            entries => entries.map_err(FileError::io("list", &folder))?,
        };
        for entry in entries {
            let path = entry.map_err(FileError::io("list", &folder))?.path();
            match path.extension().and_then(|suffix| suffix.to_str()) {
                Some(SUFFIX) if is_held(&path)? => backlog.held = backlog.held.saturating_add(1),
                Some(SUFFIX) => backlog.waiting = backlog.waiting.saturating_add(1),
                Some(EXPIRED_SUFFIX) => backlog.expired = backlog.expired.saturating_add(1),
                _ => {}
            }
        }
        Ok(backlog)
    }

    /// Puts a bundle on disk. From now on it is sent until it is answered.
    ///
    /// # Errors
    /// [`OutboxError::File`].
    pub fn put(&self, verifier: &str, bundle: SealedBundle) -> Result<Entry, OutboxError> {
        let header = Header {
            verifier: verifier.to_owned(),
        };
        // A struct of one string always has a JSON form.
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let content = [&header, b"\n".as_slice(), bundle.json()].concat();
        let path = self.waiting.join(format!("{}.{SUFFIX}", bundle.digest()));
        let staged = Staged::new(&path, &content, PRIVATE)?;
        staged.file().lock().map_err(FileError::io("lock", &path))?;
        let file = staged.publish(&path)?;
        Ok(self.entry(verifier.to_owned(), bundle, path, file))
    }

    /// The files that wait, in order of name.
    ///
    /// # Errors
    /// [`OutboxError::File`].
    pub fn waiting(&self) -> Result<Vec<PathBuf>, OutboxError> {
        let list = || FileError::io("list", &self.waiting);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.waiting).map_err(list())? {
            let path = entry.map_err(list())?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Takes an entry of an earlier run, or nothing if another process has it or has finished it.
    ///
    /// # Errors
    /// [`OutboxError::Damaged`], [`OutboxError::File`].
    pub fn claim(&self, path: &Path) -> Result<Option<Entry>, OutboxError> {
        let file = match File::open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(FileError::io("open", path))?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(FileError::io("lock", path)(e).into()),
            // Whoever held the lock before may have finished the entry in the meantime.
            Ok(()) if !path.exists() => return Ok(None),
            Ok(()) => {}
        }
        let content = files::read_open(&file, path, MAX_ENTRY_BYTES)?;
        let (verifier, bundle) = parse(path, content)?;
        Ok(Some(self.entry(verifier, bundle, path.to_path_buf(), file)))
    }

    /// The receipt of a bundle, if it has one already.
    #[must_use]
    pub fn receipt_path(&self, bundle: &SealedBundle) -> PathBuf {
        self.receipts.join(format!("{}.jwt", bundle.digest()))
    }

    fn entry(&self, verifier: String, bundle: SealedBundle, path: PathBuf, file: File) -> Entry {
        Entry {
            receipt: self.receipt_path(&bundle),
            verifier,
            bundle,
            path,
            _file: file,
        }
    }
}

impl Entry {
    /// Stores the receipt, then forgets the bundle; returns where the receipt lies.
    ///
    /// # Errors
    /// [`OutboxError::File`]; the bundle then waits, and the next attempt gets the same receipt.
    pub fn finish(self, receipt: &Receipt) -> Result<PathBuf, OutboxError> {
        files::write_whole(&self.receipt, receipt.jwt.as_bytes(), PRIVATE)?;
        self.forget()?;
        Ok(self.receipt)
    }

    /// Forgets a bundle that the verifier has refused for good.
    ///
    /// # Errors
    /// [`OutboxError::File`].
    pub fn give_up(self) -> Result<(), OutboxError> {
        self.forget()
    }

    /// Writes down beside the bundle that the verifier could not verify it, and why.
    ///
    /// # Errors
    /// [`OutboxError::File`].
    pub fn remember(&self, problem: &Problem) -> Result<(), OutboxError> {
        // A struct of texts and JSON values always has a JSON form.
        let json = serde_json::to_vec(problem).unwrap_or_default();
        Ok(files::write_whole(&self.problem(), &json, PRIVATE)?)
    }

    /// What the verifier said when it could not verify this bundle, if that ever happened.
    #[must_use]
    pub fn remembered(&self) -> Option<Problem> {
        let json = files::read_bounded(&self.problem(), MAX_PROBLEM_BYTES).ok()?;
        let problem = serde_json::from_slice(&json).ok()?;
        Some(Problem {
            from_verifier: true,
            ..problem
        })
    }

    /// Puts a bundle away that can get no receipt any more although nobody refused it, together with
    /// what was remembered; returns where it lies.
    ///
    /// # Errors
    /// [`OutboxError::File`].
    pub fn set_aside(self) -> Result<PathBuf, OutboxError> {
        let aside = self.path.with_extension(EXPIRED_SUFFIX);
        fs::rename(&self.path, &aside).map_err(FileError::io("move", &self.path))?;
        Ok(aside)
    }

    fn problem(&self) -> PathBuf {
        self.path.with_extension(PROBLEM_SUFFIX)
    }

    fn forget(&self) -> Result<(), OutboxError> {
        files::remove_if_there(&self.path)?;
        Ok(files::remove_if_there(&self.problem())?)
    }
}

/// Whether there is nothing of that name, nor could be.
fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Whether a process works on an entry.
fn is_held(path: &Path) -> Result<bool, OutboxError> {
    let file = match File::open(path) {
        // Finished in the meantime.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        opened => opened.map_err(FileError::io("open", path))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(FileError::io("lock", path)(e).into()),
    }
}

fn parse(path: &Path, mut content: Vec<u8>) -> Result<(String, SealedBundle), OutboxError> {
    let damaged = |reason| OutboxError::Damaged {
        path: path.to_path_buf(),
        reason,
    };
    let end = content.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or_else(|| damaged("no line with the verifier's address"))?;
    let rest = content.split_off(end.saturating_add(1));
    let header: Header = serde_json::from_slice(&content)
        .map_err(|_| damaged("no verifier's address in the first line"))?;
    let bundle = SealedBundle::new(rest);
    let named = path.file_stem().and_then(|name| name.to_str());
    if named != Some(bundle.digest().to_string().as_str()) {
        return Err(damaged("the bundle does not have the digest in its name"));
    }
    Ok((header.verifier, bundle))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:1/";

    fn outbox() -> (tempfile::TempDir, Outbox) {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        (dir, outbox)
    }

    fn bundle() -> SealedBundle {
        SealedBundle::new(b"{\"a\":\n1}".to_vec())
    }

    fn receipt() -> Receipt {
        Receipt {
            jwt: "a.b.c".to_owned(),
            location: None,
        }
    }

    #[test]
    fn a_bundle_survives_the_process_byte_for_byte() {
        let (dir, outbox) = outbox();
        drop(outbox.put(URL, bundle()).unwrap());
        let again = Outbox::open(dir.path()).unwrap();
        let [path] = again.waiting().unwrap().try_into().unwrap();
        let entry = again.claim(&path).unwrap().unwrap();
        assert_eq!((entry.verifier.as_str(), &entry.bundle), (URL, &bundle()));
    }

    #[test]
    fn an_entry_belongs_to_one_holder_at_a_time() {
        let (_dir, outbox) = outbox();
        let held = outbox.put(URL, bundle()).unwrap();
        let path = outbox.waiting().unwrap().remove(0);
        assert!(outbox.claim(&path).unwrap().is_none());
        drop(held);
        assert!(outbox.claim(&path).unwrap().is_some());
    }

    #[test]
    fn the_receipt_is_stored_and_the_bundle_forgotten() {
        let (_dir, outbox) = outbox();
        let entry = outbox.put(URL, bundle()).unwrap();
        let stored = entry.finish(&receipt()).unwrap();
        assert_eq!(stored, outbox.receipt_path(&bundle()));
        assert_eq!(fs::read(stored).unwrap(), b"a.b.c");
        assert!(outbox.waiting().unwrap().is_empty());
    }

    #[test]
    fn a_bundle_outlives_a_receipt_that_cannot_be_stored() {
        let (dir, outbox) = outbox();
        let entry = outbox.put(URL, bundle()).unwrap();
        fs::remove_dir(dir.path().join("receipts")).unwrap();
        assert_eq!(
            entry.finish(&receipt()).unwrap_err().code(),
            "file_unusable"
        );
        assert_eq!(outbox.waiting().unwrap().len(), 1);
    }

    #[test]
    fn a_refused_bundle_is_forgotten_without_a_receipt() {
        let (_dir, outbox) = outbox();
        outbox.put(URL, bundle()).unwrap().give_up().unwrap();
        assert!(outbox.waiting().unwrap().is_empty());
        assert!(!outbox.receipt_path(&bundle()).exists());
    }

    #[test]
    fn what_was_changed_on_disk_is_not_sent() {
        let (_dir, outbox) = outbox();
        drop(outbox.put(URL, bundle()).unwrap());
        let path = outbox.waiting().unwrap().remove(0);
        let whole = fs::read(&path).unwrap();
        let cut = whole.len() - 1;
        for bytes in [&whole[..cut], b"", b"{}\n", b"no line", b"\n\n"] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(
                outbox.claim(&path).unwrap_err().code(),
                "outbox_entry_damaged"
            );
        }
    }
}
