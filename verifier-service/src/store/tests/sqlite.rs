//! What is SQLite's own, and what it does when somebody or something is against it.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions, Connection, query, query_scalar};

use super::*;
use crate::private_files;
use crate::store::policies::{NewPolicy, PolicyStore, Unless};
use crate::store::sql::Database;

impl Rig {
    fn writer(&self) -> &SqlitePool {
        self.store.database().sqlite_pools().0
    }

    async fn pragma(&self, sql: &'static str) -> i64 {
        let value = query_scalar(sql).fetch_one(self.writer());
        value.await.unwrap()
    }
}

#[tokio::test]
async fn writes_are_synced_to_a_write_ahead_log() {
    use std::os::unix::fs::MetadataExt;

    let rig = Rig::sqlite().await;
    let journal = query_scalar("PRAGMA journal_mode").fetch_one(rig.writer());
    let journal: String = journal.await.unwrap();
    assert_eq!(journal, "wal");
    assert_eq!(rig.pragma("PRAGMA synchronous").await, 2);
    assert_eq!(rig.pragma("PRAGMA foreign_keys").await, 1);
    for entry in std::fs::read_dir(rig.folder()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let readers = rig.store.database().sqlite_pools().1;
    let refused = query("DELETE FROM challenges").execute(readers).await;
    refused.unwrap_err();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_spends_nothing() {
    let rig = Rig::sqlite().await;
    let store = rig.with_challenge(1).await;
    let pages = rig.pragma("PRAGMA page_count").await;
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
    query(limit).execute(rig.writer()).await.unwrap();
    let large = NewReceipt {
        bundle: vec![1; 100_000],
        ..receipt(1, 1)
    };
    let error = store.spend(large).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Full(_)) && error.is_transient(),
        "{error}"
    );
    assert!(matches!(
        store.standing([1; 32]).await.unwrap(),
        Standing::Unspent(_)
    ));
    assert_eq!(store.receipt_of([1; 32]).await.unwrap(), None);
    // With room again the same bundle goes through.
    assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
}

#[tokio::test]
async fn a_locked_database_is_busy_and_not_broken() {
    let rig = Rig::sqlite().await;
    let store = rig.with_challenge(1).await;
    let options = SqliteConnectOptions::new().filename(rig.folder().join("verifier.sqlite"));
    let mut other = options.connect().await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = store.spend(receipt(1, 1)).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Busy(_)) && error.is_transient(),
        "{error}"
    );
    let error = store.probe(NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error}");
    assert!(
        matches!(store.standing([1; 32]).await.unwrap(), Standing::Unspent(_)),
        "readers go on"
    );
    lock.rollback().await.unwrap();
    store.probe(NOW).await.unwrap();
    assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("verifier.sqlite");
    let garbage = b"not a database, and longer than the header of one would be: ".repeat(8);
    private_files::create(&path, &garbage).unwrap();
    let error = SqlStore::sqlite(&path).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Damaged(_)) && !error.is_transient(),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

/// The tables as they were before there was PostgreSQL.
#[tokio::test]
async fn a_database_of_an_earlier_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("verifier.sqlite");
    private_files::touch(&path).unwrap();
    let old = Database::sqlite_as_of(&path, 3).await;
    let kept = "INSERT INTO challenges (id, value, job, agent_key, expires_at)
        VALUES ('00000000000000000000000000000001', $1, $1, $1, 1300)";
    let insert = query(kept).bind(vec![1_u8; 32]).execute(&old);
    insert.await.unwrap();
    old.close().await;
    let store = SqlStore::sqlite(&path).await.unwrap();
    assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
    let new = NewPolicy {
        id: "a".to_owned(),
        text: "one".to_owned(),
        by: by(NOW),
        unless: Unless::Any,
    };
    store.add_policy(new).await.unwrap();
}
