//! The folder of one run: made for it, and removed afterwards.
//!
//! ```text
//! <run_dir>/<16 hexadecimal digits>/    0700
//!   work/      where the program starts; inputs are here, outputs are looked for here
//!   home/ tmp/ $HOME and $TMPDIR
//!   incoming/  outputs on their way into work/, written by the agent; they count as written by the program
//!   stdout stderr
//!   socket     $POGW_SOCKET
//! ```

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use evidence::work::{Hex, InputRef};

use super::error::CommandError;
use super::outputs;
use crate::files;

/// How much of the end of standard error goes into an error.
const LAST_WORDS: u64 = 1024;

/// The folder of one run. Removed when dropped, unless it is to be kept.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    keep: bool,
}

impl RunFolder {
    /// Makes one in `run_dir`, which is made if it is absent.
    ///
    /// # Errors
    /// [`CommandError::File`].
    pub fn create(run_dir: &Path, keep: bool) -> Result<Self, CommandError> {
        files::private_dir(run_dir)?;
        let run_dir = fs::canonicalize(run_dir).map_err(CommandError::io("find", run_dir))?;
        let mut name = [0; 8];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| CommandError::Supervisor {
            detail: "no random bytes for the name of the run folder".to_owned(),
        })?;
        let folder = Self {
            path: run_dir.join(hex::encode(name)),
            keep,
        };
        for path in [
            folder.work(),
            folder.home(),
            folder.tmp(),
            folder.incoming(),
        ] {
            files::private_dir(&path)?;
        }
        Ok(folder)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it stays.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.keep
    }

    /// Where the program starts.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    pub(super) fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// Copies an input into the folder and compares the copy with the job: what is compared is what the program gets.
    pub(super) fn place(
        &self,
        name: &str,
        source: &Path,
        expected: &InputRef,
    ) -> Result<(), CommandError> {
        let path = self.work().join(name);
        copy_bounded(source, &path, name, expected.len)?;
        let found = outputs::digest_file(&path, name)?;
        if found.blake3 != expected.blake3 {
            return Err(CommandError::InputDigest {
                name: name.to_owned(),
                expected: expected.blake3.to_string(),
                actual: found.blake3.to_string(),
            });
        }
        // Executable, since a program can be an input, and not writable by oversight.
        fs::set_permissions(&path, Permissions::from_mode(0o500))
            .map_err(CommandError::io("protect", &path))
    }

    /// The end of standard error, for a person.
    pub(super) fn last_words(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.path.join("stderr"))?;
            let start = file.metadata()?.len().saturating_sub(LAST_WORDS);
            file.seek(SeekFrom::Start(start))?;
            let mut end = Vec::new();
            file.take(LAST_WORDS).read_to_end(&mut end)?;
            Ok(end)
        };
        let words = read().unwrap_or_default();
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.keep {
            remove(&self.path);
        }
    }
}

/// Removes a run folder, also where a program has taken its own rights away.
pub(super) fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_ok() {
        return;
    }
    open_folders(path, 0);
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), "cannot remove the run folder: {error}");
    }
}

fn open_folders(path: &Path, depth: u32) {
    const DEEPEST: u32 = 64;
    // A folder that cannot be opened is reported by the removal that follows.
    let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        if depth < DEEPEST {
            open_folders(&entry.path(), depth.saturating_add(1));
        }
    }
}

fn copy_bounded(source: &Path, path: &Path, name: &str, len: u64) -> Result<(), CommandError> {
    let length = |actual| CommandError::InputLength {
        name: name.to_owned(),
        expected: len,
        actual,
    };
    let from = File::open(source).map_err(CommandError::io("open", source))?;
    let stated = from
        .metadata()
        .map_err(CommandError::io("look at", source))?;
    if stated.is_file() && stated.len() != len {
        return Err(length(stated.len()));
    }
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(CommandError::io("create", path))?;
    let copied = io::copy(&mut from.take(len.saturating_add(1)), &mut to)
        .map_err(CommandError::io("copy to", path))?;
    if copied != len {
        return Err(length(copied));
    }
    Ok(())
}

/// The digest of the file that will be started.
pub(super) fn program_digest(path: &Path) -> Result<Hex<32>, CommandError> {
    let name = path.display().to_string();
    outputs::digest_file(path, &name).map(|file| file.blake3)
}
