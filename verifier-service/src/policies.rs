//! The policies that come with the verifier, and reading those that do not.

use std::path::{Path, PathBuf};

use evidence::policy::{MAX_POLICY_BYTES, Policy, PolicyError};
use thiserror::Error;

/// Name and text of the policy that applies when none is configured.
const DEFAULT: (&str, &str) = ("default", include_str!("../../policies/default.rego"));

/// Why there is no policy to decide with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read, or is no text.
    #[error("cannot read policy {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The text cannot be used.
    #[error("policy {id} cannot be used: {source}")]
    Policy {
        /// Its name.
        id: String,
        /// Why not.
        source: PolicyError,
    },
}

/// The policy in `file`, named after the file; without one, the default policy.
///
/// # Errors
/// See [`LoadError`].
pub fn load(file: Option<&Path>) -> Result<Policy, LoadError> {
    let (id, text) = match file {
        None => (DEFAULT.0.to_owned(), DEFAULT.1.to_owned()),
        Some(path) => {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (stem, read(path)?)
        }
    };
    Policy::compile(&id, &text).map_err(|source| LoadError::Policy { id, source })
}

/// Reads one byte more than a policy may have, so that `compile` can say that it is too large.
fn read(path: &Path) -> Result<String, LoadError> {
    use std::io::Read;

    let limit = u64::try_from(MAX_POLICY_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(|source| LoadError::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(text)
}
