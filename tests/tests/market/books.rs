//! The books as the database has them: what no answer of the service could hide.

use std::path::Path;

use reqwest::Url;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, query, query_scalar};

/// A look into the verifier's database.
pub(crate) enum Books {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Books {
    pub(crate) async fn open(postgres: Option<&str>, sqlite: &Path) -> Self {
        match postgres {
            Some(url) => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            None => {
                let url = format!("sqlite://{}", sqlite.display());
                Self::Sqlite(SqliteConnection::connect(&url).await.unwrap())
            }
        }
    }

    /// The one number that a query answers.
    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let number = match self {
            Self::Sqlite(connection) => query_scalar(sql).fetch_one(connection).await,
            Self::Postgres(connection) => query_scalar(sql).fetch_one(connection).await,
        };
        number.unwrap()
    }

    /// How often there was a transfer of this kind.
    pub(crate) async fn transfers(&mut self, kind: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM transfers WHERE kind = '{kind}'");
        self.number(&sql).await
    }

    /// Holds the books of a market whose jobs have all ended to what must be so at all times and then.
    pub(crate) async fn are_closed(&mut self) {
        for (wrong, sql) in ALWAYS.iter().chain(&AT_THE_END) {
            assert_eq!(self.number(sql).await, 0, "{wrong}");
        }
    }
}

const ALWAYS: [(&str, &str); 4] = [
    (
        "transfers that do not balance",
        "SELECT count(*) FROM
           (SELECT transfer FROM postings GROUP BY transfer HAVING sum(amount) <> 0) AS t",
    ),
    (
        "balances that are not the sum of their postings",
        "SELECT count(*) FROM accounts AS a WHERE a.balance <>
           (SELECT coalesce(sum(p.amount), 0) FROM postings AS p JOIN transfers AS t ON t.number = p.transfer
            WHERE p.account = a.name AND t.currency = a.currency)",
    ),
    (
        "assignments that were paid twice",
        "SELECT count(*) FROM (SELECT assignment FROM transfers WHERE kind = 'pay'
           GROUP BY assignment HAVING count(*) > 1) AS t",
    ),
    (
        "stakes that were returned and slashed, or more than once",
        "SELECT count(*) FROM (SELECT assignment FROM transfers WHERE kind IN ('return_stake', 'slash')
           GROUP BY assignment HAVING count(*) > 1) AS t",
    ),
];

const AT_THE_END: [(&str, &str); 5] = [
    (
        "jobs that have not ended",
        "SELECT count(*) FROM jobs WHERE status NOT IN ('settled', 'failed', 'cancelled')",
    ),
    (
        "escrows and stakes that are not empty",
        "SELECT count(*) FROM accounts
           WHERE (name LIKE 'job/%' OR name LIKE 'assignment/%') AND balance <> 0",
    ),
    (
        "paid assignments that are not paid, or the reverse",
        "SELECT count(*) FROM assignments AS a WHERE (a.status = 'paid') <>
           EXISTS (SELECT 1 FROM transfers AS t WHERE t.kind = 'pay' AND t.assignment = a.id)",
    ),
    (
        "settled jobs without a paid replica",
        "SELECT count(*) FROM jobs AS j WHERE j.status = 'settled' AND NOT EXISTS
           (SELECT 1 FROM transfers AS t WHERE t.kind = 'pay' AND t.job = j.id)",
    ),
    (
        "jobs of which somebody was paid twice",
        "SELECT count(*) FROM
           (SELECT t.job, p.account FROM transfers AS t JOIN postings AS p ON p.transfer = t.number
            WHERE t.kind = 'pay' AND p.amount > 0 GROUP BY t.job, p.account HAVING count(*) > 1) AS t",
    ),
];

/// A new database on the server of `POGW_TEST_POSTGRES`, which stays there.
pub(crate) async fn new_database() -> String {
    let server = std::env::var("POGW_TEST_POSTGRES");
    let server = server.expect("POGW_TEST_POSTGRES names a server: see tests/postgres/with");
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed).unwrap();
    let name = format!("pogw_market_{}", hex::encode(seed));
    let mut connection = PgConnection::connect(&server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    query(create).execute(&mut connection).await.unwrap();
    let mut url = Url::parse(&server).unwrap();
    url.set_path(&name);
    url.into()
}
