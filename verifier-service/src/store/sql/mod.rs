//! One layer of SQL over two databases: SQLite in a file, PostgreSQL on a server.
//!
//! In scope: connections and their pools, transactions, parameters ([`Value`]), rows ([`Row`]), and the few places
//! where the two databases differ. Code that stores something writes its SQL once, with `$1` placeholders.
//!
//! What holds for every transaction, on both:
//!
//! * a commit that was answered is durable;
//! * what is dropped without a commit leaves nothing behind;
//! * rows read by [`Transaction::fetch_locked`] are nobody else's to change until its end.
//!
//! What only SQLite gives: transactions that write come one after the other, so that whatever they read stays true.
//! PostgreSQL runs them at the same time, each statement seeing what was committed before it (`READ COMMITTED`). So SQL
//! here must not rely on what an earlier statement read, unless it locked those rows, or the database enforces it (a
//! unique index, a condition in the `UPDATE` itself).
//!
//! Out of scope: what is stored, and the tables (`migrations/`).

#[cfg(test)]
pub(crate) mod faults;
mod load;
mod migrations;
mod postgres;
mod row;
mod session;
mod sqlite;
mod value;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

pub(crate) use load::PoolLoad;
pub(crate) use postgres::Postgres;
pub(crate) use row::Row;
pub(crate) use session::{Lock, Session, Transaction};
pub(crate) use value::{ToValue, Value, values};

use super::StoreError;
use crate::metrics::{StoreMeters, StoreOperation};
use session::Held;

/// How long a connection is waited for: some thousand commits of a fast disk, some hundred of a slow one.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// A database, open and up to date. Copies share their connections.
#[derive(Clone)]
pub(crate) struct Database {
    pools: Pools,
    meters: StoreMeters,
    #[cfg(test)]
    faults: faults::Faults,
}

#[derive(Clone)]
enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

impl Database {
    /// Opens a file, making it with mode 0600 if there is none, and brings it up to date.
    ///
    /// # Errors
    /// See [`StoreError`]; a file that is no database or was made by a later version is left as it is.
    pub(crate) async fn sqlite(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        Ok(Self::of(sqlite::open(path, busy_timeout).await?))
    }

    /// Connects to a server and brings the database there up to date.
    ///
    /// # Errors
    /// See [`StoreError`]; a database of a later version is left as it is.
    pub(crate) async fn postgres(settings: &Postgres) -> Result<Self, StoreError> {
        Ok(Self::of(postgres::open(settings).await?))
    }

    fn of(pools: Pools) -> Self {
        Self {
            pools,
            meters: StoreMeters::default(),
            #[cfg(test)]
            faults: faults::Faults::default(),
        }
    }

    /// A connection that only reads. Each statement sees what was committed before it.
    pub(crate) async fn read(&self) -> Result<Session, StoreError> {
        let _queued = self.meters.queue(StoreOperation::Read);
        let held: Result<Held, sqlx::Error> = match &self.pools {
            Pools::Sqlite { readers, .. } => readers.acquire().await.map(Into::into),
            Pools::Postgres(pool) => pool.acquire().await.map(Into::into),
        };
        self.session(held, StoreOperation::Read)
    }

    /// Starts a transaction that may write; see the [module documentation](self).
    pub(crate) async fn write(&self) -> Result<Transaction, StoreError> {
        let _queued = self.meters.queue(StoreOperation::Write);
        let held: Result<Held, sqlx::Error> = match &self.pools {
            // Takes the lock for writing at once, so that what it reads stays true.
            Pools::Sqlite { writer, .. } => {
                let begun = writer.begin_with("BEGIN IMMEDIATE").await;
                begun.map(Into::into)
            }
            Pools::Postgres(pool) => pool.begin().await.map(Into::into),
        };
        Ok(Transaction::new(
            self.session(held, StoreOperation::Write)?,
            #[cfg(test)]
            self.faults.clone(),
        ))
    }

    fn session(
        &self,
        held: Result<Held, sqlx::Error>,
        operation: StoreOperation,
    ) -> Result<Session, StoreError> {
        let held = held.map_err(|error| self.meters.failed(error))?;
        Ok(Session::new(held, &self.meters, operation))
    }

    /// How it is used.
    pub(crate) fn meters(&self) -> &StoreMeters {
        &self.meters
    }

    /// How its connections are used now.
    pub(crate) fn load(&self) -> PoolLoad {
        match &self.pools {
            Pools::Sqlite { writer, readers } => PoolLoad::of(writer) + PoolLoad::of(readers),
            Pools::Postgres(pool) => PoolLoad::of(pool),
        }
    }

    /// Ends all connections in an orderly way.
    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                // Readers first: the last connection to close folds the log into the database.
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// Makes a file as an earlier version left it.
    #[cfg(test)]
    pub(crate) async fn sqlite_as_of(path: &Path, version: usize) -> SqlitePool {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        migrations::sqlite_as_of(&pool, version).await;
        pool
    }

    /// Makes a database on a server as an earlier version left it.
    #[cfg(test)]
    pub(crate) async fn postgres_as_of(server: &Postgres, version: usize) -> PgPool {
        let pool = PgPool::connect(&server.url).await.unwrap();
        migrations::postgres_as_of(&pool, version).await;
        pool
    }

    /// The writing connection of SQLite, and those that read.
    #[cfg(test)]
    pub(crate) fn sqlite_pools(&self) -> (&SqlitePool, &SqlitePool) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => (writer, readers),
            Pools::Postgres(_) => panic!("not SQLite"),
        }
    }

    /// Where writes can be made to fail.
    #[cfg(test)]
    pub(crate) fn faults(&self) -> &faults::Faults {
        &self.faults
    }
}

/// Names the kind of database, never where it is: that may hold a password.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.pools {
            Pools::Sqlite { .. } => "Database(SQLite)",
            Pools::Postgres(_) => "Database(PostgreSQL)",
        })
    }
}
