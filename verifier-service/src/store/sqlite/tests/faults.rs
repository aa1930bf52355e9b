//! What the store does when somebody or something is against it.

use super::*;

#[tokio::test]
async fn receipts_and_bundles_cannot_be_deleted_or_changed() {
    let (_folder, store) = with_challenge(1).await;
    store.spend(receipt(1, 1)).await.unwrap();
    for sql in [
        "DELETE FROM receipts",
        "DELETE FROM bundles",
        "UPDATE receipts SET token = 'other'",
        "UPDATE bundles SET bytes = x'00'",
    ] {
        let refused = query(sql).execute(&store.writer).await.unwrap_err();
        assert!(refused.to_string().contains("never"), "{refused}");
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_spends_nothing() {
    let (_folder, store) = with_challenge(1).await;
    let pages: i64 = query_scalar("PRAGMA page_count")
        .fetch_one(&store.writer)
        .await
        .unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
    query(limit).execute(&store.writer).await.unwrap();
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
    let (folder, store) = with_challenge(1).await;
    let options = SqliteConnectOptions::new().filename(folder.path().join("verifier.sqlite"));
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
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Damaged(_)) && !error.is_transient(),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused() {
    let (folder, store) = store().await;
    query("UPDATE _sqlx_migrations SET version = 99 WHERE version = 2")
        .execute(&store.writer)
        .await
        .unwrap();
    store.close().await;
    let error = SqliteStore::open(&folder.path().join("verifier.sqlite"))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Migrate { .. }), "{error:?}");
}
