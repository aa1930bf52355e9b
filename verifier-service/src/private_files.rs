//! Files and directories that only this service may use: made with the narrowest mode, and refused when somebody
//! widened it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use evidence::work::Hex;
use thiserror::Error;

use crate::random;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The bits of a mode that grant something.
const PERMISSIONS: u32 = 0o7777;

/// Why a private file or directory cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may use it.
    #[error(
        "mode of {path} must be {expected:04o} or narrower, got {actual:04o}: chmod {expected:o} {path}"
    )]
    ModeTooWide {
        /// The file or directory.
        path: PathBuf,
        /// The widest mode allowed.
        expected: u32,
        /// The mode found.
        actual: u32,
    },
    /// Somebody else owns it.
    #[error("owner of {path} must be uid {expected}, got uid {actual}")]
    WrongOwner {
        /// The file or directory.
        path: PathBuf,
        /// The user this process runs as.
        expected: u32,
        /// The owner found.
        actual: u32,
    },
    /// It is a link, a device or the like.
    #[error("{path} must be a {expected}")]
    WrongKind {
        /// The file or directory.
        path: PathBuf,
        /// What it must be.
        expected: &'static str,
    },
}

/// Makes the directory with mode 0700, or sees that it is ours alone.
///
/// # Errors
/// See [`PrivateFileError`].
pub(crate) fn directory(path: &Path) -> Result<(), PrivateFileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(io_error("create", path))?;
    // A state directory may be reached through a link; what counts is what it leads to.
    let metadata = fs::metadata(path).map_err(io_error("inspect", path))?;
    if !metadata.is_dir() {
        return Err(wrong_kind(path, "directory"));
    }
    is_private(path, &metadata, DIRECTORY_MODE)
}

/// Sees that a file is a plain file of ours with mode 0600 or narrower; `false` if there is none. A credential of the
/// service manager is good as it is: owner and mode are the manager's, and its folder is closed to others.
///
/// # Errors
/// See [`PrivateFileError`].
pub(crate) fn exists_privately(path: &Path) -> Result<bool, PrivateFileError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("inspect", path)(error)),
    };
    if !metadata.is_file() {
        return Err(wrong_kind(path, "plain file"));
    }
    if !daemon::credential::holds(path) {
        is_private(path, &metadata, FILE_MODE)?;
    }
    Ok(true)
}

/// Makes an empty file with mode 0600 unless there is one.
///
/// # Errors
/// See [`PrivateFileError`].
pub(crate) fn touch(path: &Path) -> Result<(), PrivateFileError> {
    if exists_privately(path)? {
        return Ok(());
    }
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path);
    created.map(drop).map_err(io_error("create", path))
}

/// Makes a file whole or not at all, with mode 0600, and lasting: written aside, synced, linked into place, the
/// directory synced. An existing file is never replaced.
///
/// # Errors
/// See [`PrivateFileError`]; [`io::ErrorKind::AlreadyExists`] if there is such a file.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    // A name of its own each time: what an earlier start left behind when it was killed is never in the way.
    let aside = path.with_extension(format!("new-{}", Hex(random::bytes::<8>())));
    let written = write_aside(&aside, content);
    // A link, unlike a rename, fails if the name is taken: of two processes starting at once one wins.
    let linked =
        written.and_then(|()| fs::hard_link(&aside, path).map_err(io_error("create", path)));
    let removed = fs::remove_file(&aside).map_err(io_error("remove", &aside));
    linked.and(removed)?;
    sync_directory_of(path)
}

/// Makes a file as [`create`] does unless there is one. Of several processes that start at once, all go by the file of the
/// fastest.
///
/// # Errors
/// See [`PrivateFileError`], and those of making the content.
pub(crate) fn create_if_missing<C: AsRef<[u8]>, E: From<PrivateFileError>>(
    path: &Path,
    content: impl FnOnce() -> Result<C, E>,
) -> Result<(), E> {
    if exists_privately(path)? {
        return Ok(());
    }
    match create(path, content()?.as_ref()) {
        Err(PrivateFileError::Io { source, .. })
            if source.kind() == io::ErrorKind::AlreadyExists && exists_privately(path)? =>
        {
            Ok(())
        }
        created => Ok(created?),
    }
}

/// Makes a file whole or not at all, with mode 0600, in the place of one that may be there.
///
/// # Errors
/// See [`PrivateFileError`]. Nothing is left aside.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let aside = path.with_extension(format!("new-{}", Hex(random::bytes::<8>())));
    let written = write_aside(&aside, content);
    let renamed =
        written.and_then(|()| fs::rename(&aside, path).map_err(io_error("replace", path)));
    if renamed.is_err() {
        drop(fs::remove_file(&aside));
    }
    renamed
}

fn write_aside(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(io_error("create", path))?;
    file.write_all(content).map_err(io_error("write", path))?;
    file.sync_all().map_err(io_error("sync", path))
}

fn sync_directory_of(path: &Path) -> Result<(), PrivateFileError> {
    let directory = path.parent().unwrap_or(path);
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(io_error("sync", directory))
}

fn is_private(path: &Path, metadata: &fs::Metadata, widest: u32) -> Result<(), PrivateFileError> {
    let mode = metadata.mode() & PERMISSIONS;
    if mode & !widest != 0 {
        return Err(PrivateFileError::ModeTooWide {
            path: path.to_owned(),
            expected: widest,
            actual: mode,
        });
    }
    let this_process = effective_uid().map_err(io_error("find the owner of", path))?;
    if metadata.uid() == this_process {
        return Ok(());
    }
    Err(PrivateFileError::WrongOwner {
        path: path.to_owned(),
        expected: this_process,
        actual: metadata.uid(),
    })
}

/// The user this process acts as.
///
/// # Errors
/// [`PrivateFileError::Io`] where `/proc` cannot be read.
pub(crate) fn this_user() -> Result<u32, PrivateFileError> {
    effective_uid().map_err(io_error("find the owner of", Path::new("/proc/self")))
}

/// The user this process acts as: the owner of its own entry under `/proc`, which needs no foreign function.
fn effective_uid() -> io::Result<u32> {
    fs::metadata("/proc/self").map(|metadata| metadata.uid())
}

fn io_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> PrivateFileError + use<> {
    let path = path.to_owned();
    move |source| PrivateFileError::Io {
        action,
        path,
        source,
    }
}

fn wrong_kind(path: &Path, expected: &'static str) -> PrivateFileError {
    PrivateFileError::WrongKind {
        path: path.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & PERMISSIONS
    }

    fn widen(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn of_many_that_make_a_file_at_once_all_go_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let all_start = std::sync::Barrier::new(8);
        let contents = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u8)
                .map(|n| {
                    let (file, all_start) = (&file, &all_start);
                    scope.spawn(move || {
                        let made = || {
                            // Everybody has seen that there is none.
                            all_start.wait();
                            Ok::<_, PrivateFileError>([n; 32])
                        };
                        create_if_missing(file, made).unwrap();
                        fs::read(file).unwrap()
                    })
                })
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap());
            ended.collect::<Vec<_>>()
        });
        assert!(contents.iter().all(|content| *content == contents[0]));
        let unused = || -> Result<[u8; 1], PrivateFileError> { panic!("it is there") };
        create_if_missing(&file, unused).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn directories_are_made_private_and_kept_so() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/b");
        directory(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
        directory(&state).unwrap();
        widen(&state, 0o750);
        let refused = directory(&state).unwrap_err();
        assert!(
            matches!(refused, PrivateFileError::ModeTooWide { actual: 0o750, .. }),
            "{refused}"
        );
    }

    #[test]
    fn files_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        assert!(!exists_privately(&file).unwrap());
        create(&file, b"one").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(exists_privately(&file).unwrap());
        let refused = create(&file, b"two").unwrap_err();
        let PrivateFileError::Io { source, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left aside"
        );
    }

    #[test]
    fn files_are_replaced_whole_and_nothing_is_left_aside() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kept");
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(mode(&file), 0o600);
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        replace(&taken, b"three").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn links_and_wide_modes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("key"), folder.path().join("link"));
        create(&file, b"one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let refused = exists_privately(&link).unwrap_err();
        assert!(
            matches!(refused, PrivateFileError::WrongKind { .. }),
            "{refused}"
        );
        widen(&file, 0o640);
        let refused = exists_privately(&file).unwrap_err();
        assert!(
            matches!(refused, PrivateFileError::ModeTooWide { .. }),
            "{refused}"
        );
    }
}
