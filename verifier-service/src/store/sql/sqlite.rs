//! SQLite: one file, write-ahead log, synced at every commit, one writer, several readers.
//!
//! `synchronous = FULL` syncs the log before a commit returns, so an answer sent after it is never taken back. The one
//! writing connection makes transactions queue in this process instead of failing on SQLite's lock; another process
//! on the same file is waited for as long as the busy timeout says.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::{Pools, QUEUE_TIMEOUT, migrations};
use crate::private_files;
use crate::store::StoreError;

/// The longest another process that starts may have the file for itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that only read. Reads are single rows by key; more would serve a slow disk only.
const READERS: u32 = 4;
/// The log is cut back to this after a large bundle went through it.
const LOG_BYTES_KEPT: &str = "16777216";

pub(super) async fn open(path: &Path, busy_timeout: Duration) -> Result<Pools, StoreError> {
    // SQLite gives its log and index the mode of the database.
    private_files::touch(path)?;
    let common = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy_timeout)
        .disable_statement_logging();
    let writing = common
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_BYTES_KEPT);
    let writer = writer(&writing, path).await?;
    let reading = common.pragma("query_only", "ON");
    let readers = pool(READERS).connect_with(reading).await?;
    Ok(Pools::Sqlite { writer, readers })
}

/// The writer, on a database that is up to date. Whoever turns the write-ahead log on, or makes a step of the migrations on a
/// slow disk, has the file for itself, and SQLite lets others fail there at once, whatever the busy timeout: another process
/// that starts as well is waited for here.
async fn writer(options: &SqliteConnectOptions, path: &Path) -> Result<SqlitePool, StoreError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match up_to_date(options.clone(), path).await {
            Err(StoreError::Busy(_)) if Instant::now() < until => {
                tokio::time::sleep(migrations::PAUSE).await;
            }
            opened => return opened,
        }
    }
}

async fn up_to_date(options: SqliteConnectOptions, path: &Path) -> Result<SqlitePool, StoreError> {
    let writer = pool(1).connect_with(options).await?;
    migrations::sqlite(&writer, path).await?;
    Ok(writer)
}

/// A pool whose connections live as long as the process: opening one costs more than keeping it.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(QUEUE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // On a full disk SQLite rolls back by itself and sqlx counts on: such a connection begins no transaction ever
        // again. The ping lets a rollback on its way arrive first.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}
