//! Why the store gave no answer.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;
use thiserror::Error;

use crate::private_files::PrivateFileError;

/// Why the store cannot be opened or gave no answer. Never a word about the evidence.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else holds the lock, or every connection is in use.
    #[error("store is busy: {0}")]
    Busy(#[source] sqlx::Error),
    /// The disk is full.
    #[error("no space left for the store: {0}")]
    Full(#[source] sqlx::Error),
    /// The disk refuses to be read or written.
    #[error("store cannot be read or written: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The file is not the database it should be.
    #[error("store is damaged: {0}")]
    Damaged(#[source] sqlx::Error),
    /// Anything else; a fault of this program.
    #[error("store failed: {0}")]
    Failed(#[source] sqlx::Error),
    /// A value in the database is not one that was written there.
    #[error("store is damaged: {column} is malformed")]
    Malformed {
        /// The column.
        column: &'static str,
    },
    /// The database is of a version this program does not know, or could not be brought up to date.
    #[error("store {path} cannot be migrated: {source}")]
    Migrate {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: Box<MigrateError>,
    },
    /// The database file is not ours alone.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

impl StoreError {
    /// Whether the same question may be answered a little later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Full(_) | Self::Unavailable(_))
    }
}

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>); the extended ones hold them in the low byte.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|e| e.code()?.parse::<u32>().ok());
        match (code.map(|code| code & 0xff), &error) {
            // SQLITE_BUSY, SQLITE_LOCKED
            (Some(5 | 6), _) | (None, sqlx::Error::PoolTimedOut) => Self::Busy(error),
            // SQLITE_FULL
            (Some(13), _) => Self::Full(error),
            // SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN
            (Some(8 | 10 | 14), _) | (None, sqlx::Error::Io(_)) => Self::Unavailable(error),
            // SQLITE_CORRUPT, SQLITE_NOTADB
            (Some(11 | 26), _) => Self::Damaged(error),
            _ => Self::Failed(error),
        }
    }
}
