//! The outputs of a program: plain files, digested where they are.
//!
//! A file is mapped and digested by several threads. It must not change meanwhile: what it was before and what it is
//! after are compared. No process of the program is left by then.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use evidence::work::{Hex, OutputCommitment};
use rustix::fs::OFlags;

use super::error::CommandError;

/// Bytes read at once from a file that somebody may still change; enough for several threads to share.
const CHUNK: usize = 4 * 1024 * 1024;

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutput {
    /// Its name in the job.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Plain BLAKE3 of its bytes.
    pub blake3: Hex<32>,
}

impl FileOutput {
    /// What a statement says of it.
    #[must_use]
    pub fn commitment(&self) -> OutputCommitment {
        OutputCommitment {
            name: self.name.clone(),
            len: self.len,
            blake3: self.blake3,
        }
    }
}

/// Digests an output of a program that has ended.
pub(super) fn digest_output(folder: &Path, name: &str) -> Result<FileOutput, CommandError> {
    let path = folder.join(name);
    let file = open_plain(&path, name)?;
    digest_open(&file, path, name)
}

/// Opens an output of a program that still runs.
pub(super) fn open_shared(folder: &Path, name: &str) -> Result<(File, PathBuf), CommandError> {
    let path = folder.join(name);
    let file = open_plain(&path, name)?;
    Ok((file, path))
}

/// Digests a file that is not an output, such as an input; links to it are followed.
pub(super) fn digest_file(path: &Path, name: &str) -> Result<FileOutput, CommandError> {
    let file = File::open(path).map_err(CommandError::io("open", path))?;
    digest_open(&file, path.to_path_buf(), name)
}

fn digest_open(file: &File, path: PathBuf, name: &str) -> Result<FileOutput, CommandError> {
    let state = || file.metadata().map(|data| Seen::of(&data));
    let before = state().map_err(CommandError::io("look at", &path))?;
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_mmap_rayon(proc_path(file))
        .map_err(CommandError::io("read", &path))?;
    let after = state().map_err(CommandError::io("look at", &path))?;
    if before != after || hasher.count() != before.len {
        return Err(CommandError::OutputChanged {
            name: name.to_owned(),
            detail: format!("{before:?} before it was digested, {after:?} after"),
        });
    }
    Ok(FileOutput {
        name: name.to_owned(),
        path,
        len: before.len,
        blake3: Hex(*hasher.finalize().as_bytes()),
    })
}

/// The open file by a name that no rename can move.
fn proc_path(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens an output without following a link and without waiting for a pipe.
fn open_plain(path: &Path, name: &str) -> Result<File, CommandError> {
    let not_plain = |found| CommandError::OutputNotPlain {
        name: name.to_owned(),
        found,
    };
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = name.to_owned();
            return Err(CommandError::OutputMissing { name });
        }
        Err(error) if is_loop(&error) => return Err(not_plain("a symbolic link")),
        Err(error) if is_no_device(&error) => return Err(not_plain("a socket")),
        Err(error) => return Err(CommandError::io("open", path)(error)),
    };
    let data = file.metadata().map_err(CommandError::io("look at", path))?;
    match () {
        () if data.is_dir() => Err(not_plain("a folder")),
        () if !data.is_file() => Err(not_plain("a pipe or a device")),
        () if data.nlink() != 1 => Err(not_plain("a file with a second name")),
        () => Ok(file),
    }
}

fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn is_no_device(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

/// What a change of a file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    len: u64,
    modified: (i64, i64),
    inode: u64,
}

impl Seen {
    fn of(data: &Metadata) -> Self {
        Self {
            len: data.len(),
            modified: (data.mtime(), data.mtime_nsec()),
            inode: data.ino(),
        }
    }
}

/// Reads a plain file that its owner may still change, in pieces and never by a map, which a shorter file would turn into
/// a fault of this process. Digests it, and hands each piece to `sink`. At most `limit` bytes.
pub(super) fn digest_shared(
    file: &File,
    limit: u64,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Hex<32>, u64)> {
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    if data.len() > limit {
        let len = data.len();
        return Err(io::Error::other(format!(
            "expected at most {limit} bytes, got {len}"
        )));
    }
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![
        0;
        CHUNK
            .min(usize::try_from(data.len()).unwrap_or(CHUNK))
            .max(1)
    ];
    while hasher.count() < data.len() {
        let read = file.read_at(&mut piece, hasher.count())?;
        let room = usize::try_from(data.len().saturating_sub(hasher.count())).unwrap_or(usize::MAX);
        let bytes = piece.get(..read.min(room)).unwrap_or_default();
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update_rayon(bytes);
        sink(bytes)?;
    }
    Ok((Hex(*hasher.finalize().as_bytes()), data.len()))
}
