//! What is in files beside the private keys: key sets of another service, and marks of keys that leaked.

use std::path::{Path, PathBuf};

use receipt::{Jwks, PublishedKey, Thumbprint};

use super::{KeyError, LEAKED};
use crate::private_files;

/// The retired keys of another service, in the order of their file names.
pub(super) fn retired(directory: &Path) -> Result<Vec<PublishedKey>, KeyError> {
    private_files::directory(directory)?;
    let mut keys = Vec::new();
    for path in files_in(directory, "json")? {
        keys.extend(retired_in(&path)?);
    }
    Ok(keys)
}

/// The keys that were said to have leaked here: a database from before that day does not know.
pub(super) fn leaked(directory: &Path) -> Result<Vec<Thumbprint>, KeyError> {
    private_files::directory(directory)?;
    let marks = files_in(directory, LEAKED)?;
    let kids = marks
        .iter()
        .filter_map(|path| path.file_stem()?.to_str()?.parse().ok());
    Ok(kids.collect())
}

fn retired_in(path: &Path) -> Result<Vec<PublishedKey>, KeyError> {
    let text = read(path, |path| std::fs::read_to_string(path))?;
    let set = Jwks::parse(&text).map_err(|source| KeyError::Retired {
        path: path.to_owned(),
        source,
    })?;
    match set.keys().iter().find(|key| key.retired_at.is_none()) {
        Some(key) => Err(KeyError::NotRetired {
            path: path.to_owned(),
            kid: key.jwk.kid(),
        }),
        None => Ok(set.keys().to_vec()),
    }
}

/// The files of a kind in a directory, in the order of their names.
pub(super) fn files_in(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, KeyError> {
    let entries: Result<Vec<_>, _> = read(directory, |path| std::fs::read_dir(path))?.collect();
    let entries = read(directory, |_| entries)?;
    let mut paths: Vec<_> = entries.iter().map(std::fs::DirEntry::path).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    Ok(paths)
}

pub(super) fn read<T>(
    path: &Path,
    reader: impl FnOnce(&Path) -> std::io::Result<T>,
) -> Result<T, KeyError> {
    reader(path).map_err(|source| KeyError::Read {
        path: path.to_owned(),
        source,
    })
}
