//! Why the store could not answer.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;
use thiserror::Error;

use crate::private_files::PrivateFileError;

/// Why the store cannot be opened or gave no answer. Never a word about the evidence.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody else holds the lock, every connection is in use, or it took too long.
    #[error("store is busy: {0}")]
    Busy(#[source] sqlx::Error),
    /// Another transaction came in between; the same one may succeed at once.
    #[error("transaction met another: {0}")]
    Contended(#[source] sqlx::Error),
    /// The disk is full.
    #[error("no space left for the store: {0}")]
    Full(#[source] sqlx::Error),
    /// The disk refuses to be read or written, or the server is away, starting, ending, or a replica that takes no writes.
    #[error("store cannot be read or written: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The server does not let this service in, or does not let it do what it must.
    #[error("store refuses this service: {0}")]
    Refused(#[source] sqlx::Error),
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
    /// Something that must happen once would have happened twice; a fault of this program.
    #[error("store holds something else already: {what}")]
    Conflict {
        /// What was to be written.
        what: String,
    },
    /// The database is of a version this program does not know, or could not be brought up to date.
    #[error("store {store} cannot be migrated: {source}")]
    Migrate {
        /// The database.
        store: String,
        /// Why not.
        source: Box<MigrateError>,
    },
    /// There is no password in the file that should hold one.
    #[error("password file {path} must hold one line of 1 to 1024 bytes")]
    Password {
        /// The file.
        path: PathBuf,
    },
    /// The database file, or the file with the password, is not ours alone.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

impl StoreError {
    /// The words for what [`kind`](Self::kind) tells of statements that failed.
    pub(crate) const METERED: [&'static str; 7] = [
        "busy",
        "contended",
        "full",
        "unavailable",
        "refused",
        "damaged",
        "failed",
    ];

    /// One word for it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::Contended(_) => "contended",
            Self::Full(_) => "full",
            Self::Unavailable(_) => "unavailable",
            Self::Refused(_) => "refused",
            Self::Damaged(_) | Self::Malformed { .. } => "damaged",
            Self::Conflict { .. } => "conflict",
            Self::Migrate { .. } => "migrate",
            Self::Password { .. } | Self::File(_) => "file",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether the same question may be answered a little later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy(_) | Self::Contended(_) | Self::Full(_) | Self::Unavailable(_)
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let kind = match &error {
            sqlx::Error::Database(refused) => {
                let code = refused.code().unwrap_or_default();
                match refused.try_downcast_ref::<PgDatabaseError>() {
                    Some(_) => of_postgres(&code),
                    None => of_sqlite(&code),
                }
            }
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed => Self::Unavailable,
            _ => Self::Failed,
        };
        kind(error)
    }
}

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>); the extended ones hold them in the low byte.
fn of_sqlite(code: &str) -> fn(sqlx::Error) -> StoreError {
    match code.parse::<u32>().map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED
        Ok(5 | 6) => StoreError::Busy,
        // SQLITE_FULL
        Ok(13) => StoreError::Full,
        // SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN
        Ok(8 | 10 | 14) => StoreError::Unavailable,
        // SQLITE_CORRUPT, SQLITE_NOTADB
        Ok(11 | 26) => StoreError::Damaged,
        _ => StoreError::Failed,
    }
}

/// SQLSTATE (PostgreSQL, appendix A: <https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn of_postgres(code: &str) -> fn(sqlx::Error) -> StoreError {
    match code {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => StoreError::Contended,
        // lock_not_available, query_canceled (a timeout), too_many_connections, out_of_memory, configuration_limit_exceeded
        "55P03" | "57014" | "53300" | "53200" | "53400" => StoreError::Busy,
        // disk_full
        "53100" => StoreError::Full,
        // read_only_sql_transaction: a replica, or one that was the primary; idle_in_transaction_session_timeout
        "25006" | "25P03" => StoreError::Unavailable,
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => StoreError::Damaged,
        // invalid_catalog_name: no such database; insufficient_privilege
        "3D000" | "42501" => StoreError::Refused,
        _ => match code.get(..2) {
            // connection exception, operator intervention (shutdown, crash, still starting), system error
            Some("08" | "57" | "58") => StoreError::Unavailable,
            // invalid authorization specification
            Some("28") => StoreError::Refused,
            _ => StoreError::Failed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_waiting_helps() {
        let any = || sqlx::Error::RowNotFound;
        for (code, is_transient) in [
            ("40001", true),
            ("40P01", true),
            ("55P03", true),
            ("57014", true),
            ("53300", true),
            ("53100", true),
            ("25006", true),
            ("57P01", true),
            ("57P03", true),
            ("08006", true),
            ("58030", true),
            ("28P01", false),
            ("3D000", false),
            ("42501", false),
            ("42P01", false),
            ("23505", false),
            ("XX001", false),
            ("", false),
        ] {
            assert_eq!(
                of_postgres(code)(any()).is_transient(),
                is_transient,
                "{code}"
            );
        }
        // The low byte counts: SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_FSYNC, SQLITE_CONSTRAINT_UNIQUE.
        for (code, is_transient) in [
            ("517", true),
            ("1034", true),
            ("2067", false),
            ("26", false),
        ] {
            assert_eq!(
                of_sqlite(code)(any()).is_transient(),
                is_transient,
                "{code}"
            );
        }
    }
}
