//! Reading small files with a limit, and writing files whole or not at all.
//!
//! In scope: the few file operations that the recorded and the simulated device share.
//! Out of scope: knowing what is in the files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::DeviceError;
use super::simulated::random;

/// Permission bits of a file that only its owner may read.
pub(super) const PRIVATE: u32 = 0o600;
/// Permission bits of a file that anybody may read.
pub(super) const PUBLIC: u32 = 0o644;

/// Reads a file of 1 to `limit` bytes.
///
/// # Errors
/// [`DeviceError::Io`], [`DeviceError::FileEmpty`], [`DeviceError::FileTooLarge`]; a larger file is
/// refused after `limit + 1` bytes, however large it claims to be.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, DeviceError> {
    let file = File::open(path).map_err(|e| DeviceError::io("open", path, e))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| DeviceError::io("read", path, e))?;
    match u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
        0 => Err(DeviceError::FileEmpty {
            path: path.to_path_buf(),
        }),
        size if size > limit => Err(DeviceError::FileTooLarge {
            path: path.to_path_buf(),
            limit,
        }),
        _ => Ok(bytes),
    }
}

/// Creates a file that must not exist yet, with these permission bits, and has it on disk before
/// returning.
///
/// # Errors
/// [`DeviceError::Io`].
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DeviceError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|e| DeviceError::io("create", path, e))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|e| DeviceError::io("write", path, e))
}

/// Replaces or creates a file in one step: a reader sees the old bytes or the new ones.
///
/// # Errors
/// [`DeviceError::Io`], [`DeviceError::Crypto`] without randomness for the temporary name.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), DeviceError> {
    let fresh = path.with_extension(format!("{}.tmp", hex::encode(random::<8>()?)));
    let done = write_new(&fresh, bytes, PUBLIC)
        .and_then(|()| fs::rename(&fresh, path).map_err(|e| DeviceError::io("write", path, e)));
    if done.is_err() {
        // The first failure is the one to report; a leftover temporary file does no harm.
        let _ = fs::remove_file(&fresh);
    }
    done
}
