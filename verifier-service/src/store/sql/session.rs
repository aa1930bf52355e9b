//! A connection in use: one that reads, or one in a transaction that may write.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

#[cfg(test)]
use super::faults::Faults;
use super::value::bound;
use super::{Row, Value};
use crate::metrics::{InUse, StoreMeters, StoreOperation};
use crate::store::StoreError;

/// How rows that are read are locked, until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Whoever holds them is waited for.
    Wait,
    /// What others hold is passed over.
    SkipTaken,
}

/// What reads: a connection, or a [`Transaction`].
pub(crate) struct Session {
    held: Held,
    meters: StoreMeters,
    _in_use: InUse,
}

/// A transaction; what is dropped without [`Transaction::commit`] leaves nothing behind.
pub(crate) struct Transaction {
    session: Session,
    #[cfg(test)]
    faults: Faults,
}

pub(super) enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
    SqliteWriting(sqlx::Transaction<'static, Sqlite>),
    PostgresWriting(sqlx::Transaction<'static, Postgres>),
}

enum Connection<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Session {
    pub(super) fn new(held: Held, meters: &StoreMeters, operation: StoreOperation) -> Self {
        Self {
            held,
            meters: meters.clone(),
            _in_use: meters.in_use(operation),
        }
    }

    /// The size of the database, in bytes.
    pub(crate) async fn size(&mut self) -> Result<i64, StoreError> {
        let sql = match self.connection() {
            Connection::Sqlite(_) => {
                "SELECT page_count * page_size AS n FROM pragma_page_count(), pragma_page_size()"
            }
            Connection::Postgres(_) => "SELECT pg_database_size(current_database()) AS n",
        };
        self.fetch_int(sql, Vec::new()).await
    }

    /// Every row of the answer.
    pub(crate) async fn fetch(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        self.all(sql.into_sql_str(), values).await
    }

    /// The row of an answer that has at most one.
    pub(crate) async fn fetch_optional(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(sql, values).await?.pop())
    }

    /// The number in the column `n` of an answer that has one row, such as a count.
    pub(crate) async fn fetch_int(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<i64, StoreError> {
        let row = self.fetch_optional(sql, values).await?;
        row.ok_or(StoreError::Malformed { column: "n" })?.int("n")
    }

    async fn all(&mut self, sql: SqlStr, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows: Result<Vec<Row>, sqlx::Error> = match self.connection() {
            Connection::Sqlite(connection) => {
                let rows = bound(sql, values).fetch_all(connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Connection::Postgres(connection) => {
                let rows = bound(sql, values).fetch_all(connection).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        };
        rows.map_err(|error| self.meters.failed(error))
    }

    fn connection(&mut self) -> Connection<'_> {
        match &mut self.held {
            Held::Sqlite(held) => Connection::Sqlite(held),
            Held::Postgres(held) => Connection::Postgres(held),
            Held::SqliteWriting(held) => Connection::Sqlite(held),
            Held::PostgresWriting(held) => Connection::Postgres(held),
        }
    }
}

impl Transaction {
    pub(super) fn new(session: Session, #[cfg(test)] faults: Faults) -> Self {
        Self {
            session,
            #[cfg(test)]
            faults,
        }
    }

    /// Executes a statement that writes; says how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        #[cfg(test)]
        self.faults.before_write()?;
        let sql = sql.into_sql_str();
        let changed = match self.session.connection() {
            Connection::Sqlite(connection) => {
                let done = bound(sql, values).execute(connection).await;
                done.map(|done| done.rows_affected())
            }
            Connection::Postgres(connection) => {
                let done = bound(sql, values).execute(connection).await;
                done.map(|done| done.rows_affected())
            }
        };
        changed.map_err(|error| self.session.meters.failed(error))
    }

    /// Executes a statement that writes and has a `RETURNING`.
    pub(crate) async fn execute_returning(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        #[cfg(test)]
        self.faults.before_write()?;
        self.session.fetch(sql, values).await
    }

    /// The rows of a `SELECT` of one table, locked. A transaction of SQLite holds everything already.
    pub(crate) async fn fetch_locked(
        &mut self,
        sql: &'static str,
        lock: Lock,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let clause = match (self.session.connection(), lock) {
            (Connection::Sqlite(_), _) => return self.session.fetch(sql, values).await,
            (Connection::Postgres(_), Lock::Wait) => "FOR UPDATE",
            (Connection::Postgres(_), Lock::SkipTaken) => "FOR UPDATE SKIP LOCKED",
        };
        let sql = AssertSqlSafe(format!("{sql} {clause}")).into_sql_str();
        self.session.all(sql, values).await
    }

    /// Waits until no other transaction holds the topic (a row of the table `locks`), and holds it until the end.
    pub(crate) async fn hold(&mut self, topic: &'static str) -> Result<(), StoreError> {
        let of_topic = "SELECT topic FROM locks WHERE topic = $1";
        let values = super::values![topic];
        let held = self.fetch_locked(of_topic, Lock::Wait, values).await?;
        match held.as_slice() {
            [_] => Ok(()),
            _ => Err(StoreError::Malformed { column: "topic" }),
        }
    }

    /// Makes all of it count, and durable.
    ///
    /// # Errors
    /// [`StoreError`]; then it may count or not, and whoever asked has to look.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        #[cfg(test)]
        self.faults.before_write()?;
        let Session { held, meters, .. } = self.session;
        let committed = match held {
            Held::SqliteWriting(transaction) => transaction.commit().await,
            Held::PostgresWriting(transaction) => transaction.commit().await,
            // `new` is handed nothing else.
            Held::Sqlite(_) | Held::Postgres(_) => Ok(()),
        };
        committed.map_err(|error| meters.failed(error))?;
        #[cfg(test)]
        self.faults.after_commit()?;
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl From<PoolConnection<Sqlite>> for Held {
    fn from(held: PoolConnection<Sqlite>) -> Self {
        Self::Sqlite(held)
    }
}

impl From<PoolConnection<Postgres>> for Held {
    fn from(held: PoolConnection<Postgres>) -> Self {
        Self::Postgres(held)
    }
}

impl From<sqlx::Transaction<'static, Sqlite>> for Held {
    fn from(held: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self::SqliteWriting(held)
    }
}

impl From<sqlx::Transaction<'static, Postgres>> for Held {
    fn from(held: sqlx::Transaction<'static, Postgres>) -> Self {
        Self::PostgresWriting(held)
    }
}
