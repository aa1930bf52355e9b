//! What is PostgreSQL's own: what every connection is told, and a server that goes away and comes back.

use std::path::PathBuf;
use std::process::Command;

use evidence::work::Hex;
use reqwest::Url;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, query};

use super::life::{FUNDS, PRICE, STEPS, step};
use super::*;
use crate::config::{StoreSettings, StoreUrl};
use crate::private_files;

/// The server of `POGW_TEST_POSTGRES`, a URL whose user may create databases. They stay: the server is one for tests.
pub(super) fn server() -> Postgres {
    let url = std::env::var("POGW_TEST_POSTGRES");
    at(&url.expect("POGW_TEST_POSTGRES names a server: see tests/postgres/with"))
}

fn at(url: &str) -> Postgres {
    Postgres {
        url: Zeroizing::new(url.to_owned()),
        password: None,
        max_connections: 8,
        statement_timeout: Duration::from_secs(5),
        name: "test".to_owned(),
    }
}

/// An empty database on the same server.
pub(super) async fn new_database(server: &Postgres) -> Postgres {
    let name = format!("pogw_test_{}", Hex(crate::random::bytes::<8>()));
    let mut connection = PgConnection::connect(&server.url).await.unwrap();
    // The default order of text is that of a language: the tables must not count on it.
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    query(create).execute(&mut connection).await.unwrap();
    let mut url = Url::parse(&server.url).unwrap();
    url.set_path(&name);
    Postgres {
        url: Zeroizing::new(url.into()),
        ..server.clone()
    }
}

impl Rig {
    fn place(&self) -> &Postgres {
        match &self.place {
            Place::Postgres(server) => server,
            Place::Sqlite(_) => panic!("not PostgreSQL"),
        }
    }

    async fn setting(&self, name: &str) -> String {
        let mut session = self.store.database().read().await.unwrap();
        let sql = "SELECT current_setting($1) AS value";
        let row = session.fetch_optional(sql, values![name]).await.unwrap();
        row.unwrap().text("value").unwrap()
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn connections_on_postgres_wait_for_the_disk_and_for_nothing_long() {
    let rig = Rig::postgres().await;
    let mut plain = PgConnection::connect(&rig.place().url).await.unwrap();
    let off = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
        EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''serializable''', current_database());
        END $$";
    query(off).execute(&mut plain).await.unwrap();
    let rig = Rig {
        store: rig.reopen().await,
        ..rig
    };
    assert_eq!(rig.setting("synchronous_commit").await, "on");
    assert_eq!(rig.setting("transaction_isolation").await, "read committed");
    assert_eq!(rig.setting("statement_timeout").await, "5s");
    assert_eq!(rig.setting("lock_timeout").await, "5s");
    assert_eq!(
        rig.setting("idle_in_transaction_session_timeout").await,
        "5s"
    );
    assert_eq!(rig.setting("application_name").await, "pogw-verifier");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_statement_on_postgres_that_takes_too_long_is_ended() {
    let rig = Rig::postgres().await;
    let hasty = Postgres {
        statement_timeout: Duration::from_millis(100),
        ..rig.place().clone()
    };
    let store = SqlStore::postgres(&hasty).await.unwrap();
    let mut session = store.database().read().await.unwrap();
    let slow = session.fetch("SELECT pg_sleep(5)", values![]).await;
    let error = slow.err().unwrap();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_challenge_held_by_another_on_postgres_is_waited_for_and_not_for_ever() {
    let rig = Rig::postgres().await;
    rig.with_challenge(1).await;
    let mut other = rig.store.database().write().await.unwrap();
    let lock = "UPDATE challenges SET audience = NULL";
    other.execute(lock, values![]).await.unwrap();
    let hasty = Postgres {
        statement_timeout: Duration::from_millis(100),
        ..rig.place().clone()
    };
    let hasty = SqlStore::postgres(&hasty).await.unwrap();
    let error = hasty.spend(receipt(1, 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    let waiting = rig.store.clone();
    let waiting = tokio::spawn(async move { waiting.spend(receipt(1, 1)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(other);
    assert_eq!(waiting.await.unwrap().unwrap(), Spent::Issued);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn connections_ended_by_postgres_are_replaced() {
    let rig = Rig::postgres().await;
    let store = rig.with_challenge(1).await;
    let mut plain = PgConnection::connect(&rig.place().url).await.unwrap();
    let mut cut = store.database().write().await.unwrap();
    let change = "UPDATE challenges SET audience = NULL";
    cut.execute(change, values![]).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    query(end).execute(&mut plain).await.unwrap();
    let error = cut.commit().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    // Some connections of the pool may have to be tried before a good one is found.
    let spent = again(|| store.spend(receipt(1, 1))).await;
    assert_eq!(spent, Spent::Issued);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn of_two_that_wait_for_each_other_on_postgres_one_may_try_again() {
    let rig = Rig::postgres().await;
    rig.with_challenge(1).await;
    rig.with_challenge(2).await;
    let database = rig.store.database();
    let [change_1, change_2] = [1_u8, 2].map(|n| values![[n; 32]]);
    let change = "UPDATE challenges SET audience = NULL WHERE value = $1";
    let mut one = database.write().await.unwrap();
    let mut other = database.write().await.unwrap();
    one.execute(change, change_1.clone()).await.unwrap();
    other.execute(change, change_2.clone()).await.unwrap();
    // The one that is ended lets the other go on.
    let (one, other) = tokio::join!(
        async { one.execute(change, change_2).await.and(one.commit().await) },
        async {
            other
                .execute(change, change_1)
                .await
                .and(other.commit().await)
        },
    );
    let ended = one.is_err();
    assert_ne!(ended, other.is_err());
    let error = one.and(other).unwrap_err();
    assert!(matches!(error, StoreError::Contended(_)), "{error:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn whom_postgres_does_not_let_in_is_told_so() {
    let rig = Rig::postgres().await;
    let mut url = Url::parse(&rig.place().url).unwrap();
    url.set_path("no_such_database");
    let error = SqlStore::postgres(&at(url.as_str())).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    // One that takes no writes, as a replica does.
    let mut plain = PgConnection::connect(&rig.place().url).await.unwrap();
    let read_only = "DO $$ BEGIN EXECUTE format(
        'ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    query(read_only).execute(&mut plain).await.unwrap();
    let error = rig.place.try_open().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn the_configuration_names_the_database_on_postgres() {
    let rig = Rig::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    private_files::create(&file, b"geheim\n").unwrap();
    let settings = StoreSettings {
        url: Some(StoreUrl::from(rig.place().url.to_string())),
        password_file: Some(file.clone()),
        ..StoreSettings::default()
    };
    let unused = folder.path().join("verifier.sqlite");
    let store = SqlStore::open(&settings, &unused).await.unwrap();
    assert!(!unused.exists());
    assert!(!format!("{store:?} {settings:?}").contains("geheim"));
    std::fs::remove_file(&file).unwrap();
    let refused = SqlStore::open(&settings, &unused).await.unwrap_err();
    assert!(matches!(refused, StoreError::Password { .. }), "{refused}");
}

/// A server of its own, since others must not feel its end.
struct OwnServer(PathBuf);

impl OwnServer {
    fn start() -> Self {
        Self(control(&["start"]).trim().into())
    }

    fn url(&self) -> String {
        control(&["url", &self.path()]).trim().to_owned()
    }

    fn kill(&self) {
        control(&["kill", &self.path()]);
    }

    fn start_again(&self) {
        control(&["again", &self.path()]);
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        control(&["remove", &self.path()]);
    }
}

fn control(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/postgres/server");
    let output = Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_server_on_postgres_that_is_killed_loses_nothing() {
    let server = OwnServer::start();
    let place = Place::Postgres(new_database(&at(&server.url())).await);
    let store = place.open().await;
    for n in 1..=2 {
        store
            .add_challenge(challenge(n), bounds(NOW))
            .await
            .unwrap();
    }
    let new = receipt(1, 1);
    assert_eq!(store.spend(new.clone()).await.unwrap(), Spent::Issued);
    // Killed while a transaction is under way.
    let mut cut = store.database().write().await.unwrap();
    cut.execute("DELETE FROM challenges", values![])
        .await
        .unwrap();
    server.kill();
    let error = cut.commit().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let error = store.probe(NOW).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");

    server.start_again();
    again(|| store.probe(NOW)).await;
    assert_eq!(
        store.receipt(new.receipt.id).await.unwrap(),
        Some(new.receipt.clone())
    );
    assert!(matches!(
        store.standing([2; 32]).await.unwrap(),
        Standing::Unspent(_)
    ));
    assert_eq!(
        store.spend(receipt(1, 1)).await.unwrap(),
        Spent::Before(new.receipt)
    );
    assert_eq!(store.spend(receipt(2, 2)).await.unwrap(), Spent::Issued);
}

/// A job goes its way while the server is killed under it again and again: everybody is paid once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
async fn a_job_outlives_a_server_on_postgres_that_is_killed() {
    let server = OwnServer::start();
    let place = Place::Postgres(new_database(&at(&server.url())).await);
    let store = place.open().await;
    let rig = Rig { store, place };
    rig.with_market().await;
    let store = rig.store.clone();
    let life = tokio::spawn(async move {
        for number in 0..STEPS {
            again(|| Box::pin(step(&store, number))).await;
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.kill();
        server.start_again();
    }
    life.await.unwrap();
    rig.books_balance().await;
    assert_eq!(rig.available("p1").await, FUNDS + PRICE);
    assert_eq!(rig.available("p2").await, FUNDS + PRICE);
}

/// What a client does on 503.
async fn again<'a, T>(mut ask: impl FnMut() -> Answer<'a, T>) -> T {
    for _ in 0..200 {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still no answer")
}
