//! Files that are private and bounded, and written whole or not at all.
//!
//! In scope: reading with a limit, writing in one step that survives a power cut, the permission
//! bits of what only the agent may see.
//!
//! Out of scope: what is in the files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Permission bits of a file that only its owner may read.
pub(crate) const PRIVATE: u32 = 0o600;
/// Permission bits of a file for whoever may enter its folder.
pub(crate) const PUBLIC: u32 = 0o644;

const PRIVATE_DIR: u32 = 0o700;
const BY_OTHERS: u32 = 0o077;
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Somebody else may read or change what only the agent may.
    #[error("{} is open to others: expected mode {expected:04o} or narrower, got {actual:04o}", path.display())]
    PermissionsTooWide {
        /// The file or folder.
        path: PathBuf,
        /// The widest mode accepted.
        expected: u32,
        /// The mode it has.
        actual: u32,
    },
    /// The file is longer than anything of its kind.
    #[error("{} is too large: expected at most {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes accepted.
        limit: u64,
    },
}

impl FileError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "file_unusable",
            Self::PermissionsTooWide { .. } => "file_permissions_too_wide",
            Self::TooLarge { .. } => "file_too_large",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "Check that the path exists, that this account may use it, and that the disk is \
                 not full."
            }
            Self::PermissionsTooWide { .. } => {
                "Take the rights of group and others away (chmod go-rwx). If others could read the \
                 key, remove it: a new one is made at the next start."
            }
            Self::TooLarge { .. } => "Make sure that this is the file you meant.",
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Reads a file of at most `limit` bytes; a larger one is refused after `limit + 1` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(FileError::io("open", path))?;
    read_open(&file, path, limit)
}

/// The same for a file that is open already.
pub(crate) fn read_open(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(FileError::io("read", path))?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size <= limit) {
        return Ok(bytes);
    }
    Err(FileError::TooLarge {
        path: path.to_path_buf(),
        limit,
    })
}

/// Creates or replaces a file in one step, and has it on disk before returning.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let staged = Staged::new(path, bytes, mode)?;
    staged.publish(path).map(drop)
}

/// Writes a result where its reader looks for it: whole, readable by others, replacing what was
/// there. The folder is made if it is absent.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_result(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
    write_whole(path, bytes, PUBLIC)
}

/// Copies a result to where its reader looks for it, as [`write_result`] does, without holding it in memory.
///
/// # Errors
/// [`FileError::Io`].
pub fn copy_result(source: &Path, path: &Path) -> Result<(), FileError> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
    let staged = Staged::new(path, &[], PUBLIC)?;
    let copied = File::open(source).and_then(|mut from| io::copy(&mut from, &mut &staged.file));
    match copied.and_then(|_| staged.file.sync_all()) {
        Ok(()) => staged.publish(path).map(drop),
        Err(error) => {
            // The failed copy is what to report; half a file is of no use to anybody.
            let _ = fs::remove_file(&staged.path);
            Err(FileError::io("copy", source)(error))
        }
    }
}

/// A file written beside its final place, on disk, under a name nobody looks for.
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `target`. Names do not collide within a process or between processes;
    /// what a crashed process left under the same name is replaced.
    pub(crate) fn new(target: &Path, bytes: &[u8], mode: u32) -> Result<Self, FileError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{process}-{count}.tmp"));
        remove_if_there(&path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(FileError::io("create", &path))?;
        let written = (&file).write_all(bytes).and_then(|()| file.sync_all());
        if let Err(source) = written {
            // The failed write is what to report; half a file is of no use to anybody.
            let _ = fs::remove_file(&path);
            return Err(FileError::io("write", target)(source));
        }
        Ok(Self { file, path })
    }

    /// The open file, for a lock that outlives the move.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Moves the file to its final place and returns it, still open.
    pub(crate) fn publish(self, target: &Path) -> Result<File, FileError> {
        let moved = fs::rename(&self.path, target).map_err(FileError::io("write", target));
        if moved.is_err() {
            // The failed move is what to report; the staged copy is of no use to anybody.
            let _ = fs::remove_file(&self.path);
        }
        moved?;
        sync_parent(target)?;
        Ok(self.file)
    }
}

/// Removes a file; that it is gone already is as good.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Whether files can be made in a folder: makes one and removes it.
pub(crate) fn can_write(folder: &Path) -> Result<(), FileError> {
    let staged = Staged::new(&folder.join("probe"), b"probe", PRIVATE)?;
    remove_if_there(&staged.path)
}

/// Makes a folder that only its owner may enter. One that exists may be readable by others, so that
/// an operator can look in, but not writable.
pub(crate) fn private_dir(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(path)
        .map_err(FileError::io("create", path))?;
    narrow(path, WRITABLE_BY_OTHERS, 0o755)
}

/// Refuses a file that group or others have any right to.
pub(crate) fn require_private(path: &Path) -> Result<(), FileError> {
    narrow(path, BY_OTHERS, PRIVATE)
}

fn narrow(path: &Path, forbidden: u32, expected: u32) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(FileError::io("look at", path))?;
    let actual = metadata.permissions().mode() & 0o7777;
    if actual & forbidden == 0 {
        return Ok(());
    }
    Err(FileError::PermissionsTooWide {
        path: path.to_path_buf(),
        expected,
        actual,
    })
}

/// A rename survives a power cut once the folder it happened in is on disk.
fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = parent(path);
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(FileError::io("sync", parent))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write_whole(&path, b"one", PRIVATE).unwrap();
        write_whole(&path, b"two", PRIVATE).unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(require_private(&path).is_ok());
    }

    #[test]
    fn a_byte_too_many_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, b"four").unwrap();
        assert_eq!(read_bounded(&path, 3).unwrap_err().code(), "file_too_large");
        assert_eq!(read_bounded(&path, 4).unwrap(), b"four");
    }

    #[test]
    fn a_folder_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, accepted) in [(0o700, true), (0o755, true), (0o775, false), (0o777, false)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(private_dir(dir.path()).is_ok(), accepted, "{mode:o}");
        }
    }
}
