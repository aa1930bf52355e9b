//! The store in one SQLite file: write-ahead log, synced at every commit, one writer, several readers.
//!
//! `synchronous = FULL` syncs the log before a commit returns, so an answer sent after it is never taken back. The one
//! writing connection makes transactions queue in this process instead of failing on SQLite's lock; another process
//! on the same file is waited for as long as `BUSY_TIMEOUT` says.

mod policies;
mod rows;

use std::path::Path;
use std::time::Duration;

use evidence::UnixTime;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Pool, Transaction, query, query_scalar};

use super::{
    Added, Answer, Challenge, ChallengeBounds, Fate, NewReceipt, Spent, Standing, Store,
    StoreError, StoredReceipt,
};
use crate::id::Id;
use crate::private_files;

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection is waited for: some thousand commits of a fast disk, some hundred of a slow one.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that only read. Reads are single rows by key; more would serve a slow disk only.
const READERS: u32 = 4;
/// The log is cut back to this after a large bundle went through it.
const LOG_BYTES_KEPT: &str = "16777216";

const MIGRATIONS: [(i64, &str, &str); 4] = [
    (
        1,
        "challenges and receipts",
        include_str!("../../migrations/0001_challenges_and_receipts.sql"),
    ),
    (
        2,
        "challenges by agent",
        include_str!("../../migrations/0002_challenges_by_agent.sql"),
    ),
    (
        3,
        "policies",
        include_str!("../../migrations/0003_policies.sql"),
    ),
    (
        4,
        "challenges refuted",
        include_str!("../../migrations/0004_challenges_refuted.sql"),
    ),
];

/// The SQLite store. See the [module documentation](self). Copies share their connections.
#[derive(Clone, Debug)]
pub(crate) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database, making it with mode 0600 if there is none, and brings it up to date.
    ///
    /// # Errors
    /// See [`StoreError`]; a file that is no database or was made by a later version is left as it is.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, BUSY_TIMEOUT).await
    }

    /// Opens the database, waiting for locks as long as told.
    pub(crate) async fn open_with(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
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
        let writer = pool(1).connect_with(writing).await?;
        migrate(&writer, path).await?;
        let readers = pool(READERS);
        let readers = readers
            .connect_with(common.pragma("query_only", "ON"))
            .await?;
        Ok(Self { writer, readers })
    }

    /// Starts a transaction that holds the lock for writing from the beginning, so that what it reads stays true.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn insert_challenge(
        &self,
        new: Challenge,
        bounds: ChallengeBounds,
    ) -> Result<Added, StoreError> {
        let mut tx = self.write().await?;
        query("DELETE FROM challenges WHERE expires_at < ?")
            .bind(bounds.forget_before.secs())
            .execute(&mut *tx)
            .await?;
        let open: i64 = query_scalar(
            "SELECT count(*) FROM challenges WHERE expires_at > ? AND receipt IS NULL",
        )
        .bind(bounds.now.secs())
        .fetch_one(&mut *tx)
        .await?;
        if open >= i64::from(bounds.max_open) {
            return Ok(Added::TooMany);
        }
        let of_agent: i64 = query_scalar(
            "SELECT count(*) FROM challenges WHERE agent_key = ? AND expires_at > ? AND receipt IS NULL",
        )
        .bind(new.agent_key.to_vec())
        .bind(bounds.now.secs())
        .fetch_one(&mut *tx)
        .await?;
        if of_agent >= i64::from(bounds.max_open_of_agent) {
            return Ok(Added::TooManyOfAgent);
        }
        query("INSERT INTO challenges (id, value, job, agent_key, audience, expires_at) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(new.id.to_string())
            .bind(new.value.to_vec())
            .bind(new.job.to_vec())
            .bind(new.agent_key.to_vec())
            .bind(new.audience)
            .bind(new.expires_at.secs())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Added::Stored)
    }

    async fn insert_receipt(&self, new: NewReceipt) -> Result<Spent, StoreError> {
        let mut tx = self.write().await?;
        if let Some(before) = rows::receipt_of(&mut tx, new.bundle_sha256).await? {
            return Ok(Spent::Before(before));
        }
        if let Some(key) = &new.idempotency_key
            && rows::bundle_under(&mut tx, new.agent_key, key)
                .await?
                .is_some()
        {
            return Ok(Spent::KeyReused);
        }
        if !take_challenge(&mut tx, &new).await? {
            return why_not_taken(&mut tx, &new).await;
        }
        query("INSERT INTO bundles (sha256, bytes) VALUES (?, ?)")
            .bind(new.bundle_sha256.to_vec())
            .bind(new.bundle)
            .execute(&mut *tx)
            .await?;
        query(
            "INSERT INTO receipts (id, token, issued_at, challenge, bundle, job, agent_key, idempotency_key)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.receipt.id.to_string())
        .bind(new.receipt.token)
        .bind(new.receipt.issued_at.secs())
        .bind(new.challenge.to_vec())
        .bind(new.bundle_sha256.to_vec())
        .bind(new.job.to_vec())
        .bind(new.agent_key.to_vec())
        .bind(new.idempotency_key)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Spent::Issued)
    }

    async fn mark_refuted(&self, challenge: [u8; 32]) -> Result<(), StoreError> {
        query("UPDATE challenges SET refuted = 1 WHERE value = ?")
            .bind(challenge.to_vec())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn write_probe(&self, now: UnixTime) -> Result<(), StoreError> {
        query("INSERT INTO probe (id, at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at")
            .bind(now.secs())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

impl Store for SqliteStore {
    fn add_challenge(&self, challenge: Challenge, bounds: ChallengeBounds) -> Answer<'_, Added> {
        Box::pin(self.insert_challenge(challenge, bounds))
    }

    fn challenge(&self, id: Id) -> Answer<'_, Option<(Challenge, Fate)>> {
        Box::pin(async move { rows::challenge(&mut *self.readers.acquire().await?, id).await })
    }

    fn standing(&self, value: [u8; 32]) -> Answer<'_, Standing> {
        Box::pin(async move { rows::standing(&mut *self.readers.acquire().await?, value).await })
    }

    fn receipt(&self, id: Id) -> Answer<'_, Option<StoredReceipt>> {
        Box::pin(async move { rows::receipt(&mut *self.readers.acquire().await?, id).await })
    }

    fn receipt_of(&self, bundle_sha256: [u8; 32]) -> Answer<'_, Option<StoredReceipt>> {
        Box::pin(async move {
            rows::receipt_of(&mut *self.readers.acquire().await?, bundle_sha256).await
        })
    }

    fn bundle_under<'a>(
        &'a self,
        agent_key: [u8; 32],
        key: &'a str,
    ) -> Answer<'a, Option<[u8; 32]>> {
        Box::pin(async move {
            rows::bundle_under(&mut *self.readers.acquire().await?, agent_key, key).await
        })
    }

    fn spend(&self, new: NewReceipt) -> Answer<'_, Spent> {
        Box::pin(self.insert_receipt(new))
    }

    fn refute(&self, challenge: [u8; 32]) -> Answer<'_, ()> {
        Box::pin(self.mark_refuted(challenge))
    }

    fn probe(&self, now: UnixTime) -> Answer<'_, ()> {
        Box::pin(self.write_probe(now))
    }

    fn close(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // Readers first: the last connection to close folds the log into the database.
        Box::pin(async {
            self.readers.close().await;
            self.writer.close().await;
        })
    }
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

async fn migrate(writer: &Pool<Sqlite>, path: &Path) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    let migrated = Migrator::with_migrations(migrations.into())
        .run(writer)
        .await;
    migrated.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => StoreError::from(error),
        error => StoreError::Migrate {
            path: path.to_owned(),
            source: Box::new(error),
        },
    })
}

/// Spends the challenge if it can be; whether it was is the answer.
async fn take_challenge(tx: &mut SqliteConnection, new: &NewReceipt) -> Result<bool, StoreError> {
    let taken = query(
        "UPDATE challenges SET receipt = ?
         WHERE value = ? AND receipt IS NULL AND refuted = 0 AND expires_at > ?",
    )
    .bind(new.receipt.id.to_string())
    .bind(new.challenge.to_vec())
    .bind(new.arrived_at.secs())
    .execute(tx)
    .await?;
    Ok(taken.rows_affected() == 1)
}

async fn why_not_taken(tx: &mut SqliteConnection, new: &NewReceipt) -> Result<Spent, StoreError> {
    Ok(match rows::standing(tx, new.challenge).await? {
        Standing::Unknown => Spent::Unknown,
        Standing::Spent => Spent::ByAnother,
        Standing::Refuted => Spent::Refuted,
        Standing::Unspent(_) => Spent::Expired,
    })
}

#[cfg(test)]
mod tests;
