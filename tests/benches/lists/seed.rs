//! Rows by the million, as the service would have written them, as far as lists read them.

use std::path::Path;

use evidence::UnixTime;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, raw_sql};

/// Seconds from one receipt to the next: a million are a year's.
pub(crate) const EVERY_S: i64 = 31;
/// The last row there can be.
const MOST: i64 = 1_000_000;
/// Paid for each.
const PRICE: i64 = 1_200;

/// A database that no verifier uses meanwhile.
pub(crate) enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    /// The server's if there is a URL, else the file. What is written is synced at the end, and PostgreSQL
    /// checks nothing and pulls no triggers.
    pub(crate) async fn open(url: Option<&str>, file: &Path) -> Self {
        match url {
            Some(url) => {
                let mut server = Self::Postgres(PgConnection::connect(url).await.expect("server"));
                server
                    .run("SET session_replication_role = replica; SET synchronous_commit = off")
                    .await;
                server
            }
            None => {
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .foreign_keys(false);
                let connection = options.disable_statement_logging().connect().await;
                let mut file = Self::Sqlite(connection.expect("file"));
                file.run("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
                    .await;
                file
            }
        }
    }

    async fn run(&mut self, sql: &str) {
        let sql = raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop),
            Self::Postgres(connection) => sql.execute(connection).await.map(drop),
        };
        done.expect("SQL");
    }

    /// What the numbers of rows are made into: names that are spread as random ones are, and digests.
    fn spelt(&self, sql: &str) -> String {
        let (name, digest) = match self {
            Self::Sqlite(_) => (
                "printf('%08x%024x', i * 2654435761 % 4294967296, i)",
                "unhex(printf('%064x', i))",
            ),
            Self::Postgres(_) => (
                "(lpad(to_hex(i * 2654435761 % 4294967296), 8, '0') || lpad(to_hex(i), 24, '0'))",
                "decode(lpad(to_hex(i), 64, '0'), 'hex')",
            ),
        };
        sql.replace("{name}", name).replace("{digest}", digest)
    }

    /// As the server does by itself sooner or later, and SQLite never does.
    async fn settle(&mut self) {
        let sql = match self {
            Self::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE)",
            Self::Postgres(_) => "VACUUM ANALYZE",
        };
        self.run(sql).await;
    }
}

/// How far it is made.
pub(crate) struct Seed {
    tenant: String,
    provider: String,
    /// The time of the row before the first.
    begun: i64,
    rows: i64,
}

impl Seed {
    /// Nothing yet. The last row there can be is of the time `now`.
    pub(crate) fn new(tenant: &str, provider: &str, now: i64) -> Self {
        Self {
            tenant: tenant.to_owned(),
            provider: provider.to_owned(),
            begun: now - MOST * EVERY_S - 1,
            rows: 0,
        }
    }

    /// Makes rows until there are so many.
    pub(crate) async fn grow(&mut self, database: &mut Database, rows: i64) {
        let (tenant, provider, begun) = (&self.tenant, &self.provider, self.begun);
        database.run("BEGIN").await;
        let by_hand = matches!(database, Database::Postgres(_)).then_some(DAYS);
        for rows_of in ROWS.into_iter().chain(by_hand) {
            let sql = format!(
                "WITH RECURSIVE n(i) AS (SELECT CAST({} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) {rows_of}",
                self.rows + 1
            );
            let sql = database.spelt(&sql);
            let sql = sql
                .replace("{tenant}", tenant)
                .replace("{provider}", provider);
            let sql = sql.replace("{at}", &format!("{begun} + i * {EVERY_S}"));
            database
                .run(&sql.replace("{price}", &PRICE.to_string()))
                .await;
        }
        database.run("COMMIT").await;
        database.settle().await;
        self.rows = rows;
    }

    /// The cursor of the row in the middle.
    pub(crate) fn middle(&self) -> String {
        let row = self.rows / 2;
        let spread = row * 2_654_435_761 % 4_294_967_296;
        format!("{}-{spread:08x}{row:024x}", self.half())
    }

    /// When the row in the middle was written.
    pub(crate) const fn half(&self) -> i64 {
        self.begun + self.rows / 2 * EVERY_S
    }

    /// When the last one was.
    pub(crate) const fn last(&self) -> i64 {
        self.begun + self.rows * EVERY_S
    }
}

/// As queries and answers spell times.
pub(crate) fn rfc3339(secs: i64) -> String {
    UnixTime::from_secs(secs).to_string()
}

/// What there is of each receipt; the numbers of new rows are in `n`.
const ROWS: [&str; 10] = [
    "INSERT INTO jobs (id, tenant, digest, status, created_at, body)
     SELECT {name}, '{tenant}', {digest}, 'settled', {at}, '{}' FROM n",
    "INSERT INTO assignments (id, job, agent, status, offered_at, is_open)
     SELECT {name}, {name}, 'agent', 'paid', {at}, 0 FROM n",
    "INSERT INTO bundles (sha256, bytes) SELECT {digest}, {digest} FROM n",
    "INSERT INTO receipts (id, token, issued_at, challenge, bundle, job, agent_key)
     SELECT {name}, 'token', {at}, {digest}, {digest}, {digest}, {digest} FROM n",
    "INSERT INTO job_receipts (receipt, assignment, job, tenant, issued_at)
     SELECT {name}, {name}, {name}, '{tenant}', {at} FROM n",
    "INSERT INTO transfers (kind, key, at, currency, job, assignment)
     SELECT 'pay', {name}, {at}, 'EUR', {name}, {name} FROM n",
    "INSERT INTO postings (transfer, account, amount, at)
     SELECT number, 'party/{provider}/available', {price}, transfers.at
     FROM n JOIN transfers ON kind = 'pay' AND key = {name}",
    "INSERT INTO postings (transfer, account, amount, at)
     SELECT number, 'job/' || key || '/escrow', -{price}, transfers.at
     FROM n JOIN transfers ON kind = 'pay' AND key = {name}",
    "INSERT INTO accounts (name, currency, balance) SELECT 'job/' || {name} || '/escrow', 'EUR', 0 FROM n",
    "INSERT INTO accounts (name, currency, balance)
     SELECT account, 'EUR', {price} * count(*) FROM n CROSS JOIN
       (SELECT 'party/{provider}/available' AS account UNION ALL SELECT 'party/{tenant}/available') AS parties
     WHERE TRUE GROUP BY account
     ON CONFLICT (name, currency) DO UPDATE SET balance = accounts.balance + excluded.balance",
];

/// What a trigger would have made of the postings.
const DAYS: &str = "INSERT INTO days (account, day, currency, amount)
     SELECT 'party/{provider}/available', ({at}) / 86400, 'EUR', {price} * count(*) FROM n WHERE TRUE GROUP BY 2
     ON CONFLICT (account, day, currency) DO UPDATE SET amount = days.amount + excluded.amount";
