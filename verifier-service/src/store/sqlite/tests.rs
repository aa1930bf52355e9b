mod faults;
mod policies;

use std::sync::Arc;

use tempfile::TempDir;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_000);
const EXPIRES: UnixTime = UnixTime::from_secs(1_300);
const LATE: UnixTime = EXPIRES;

fn bounds(now: UnixTime) -> ChallengeBounds {
    ChallengeBounds {
        now,
        max_open: 3,
        max_open_of_agent: 3,
        forget_before: UnixTime::from_secs(now.secs() - 3600),
    }
}

fn challenge(n: u8) -> Challenge {
    Challenge {
        id: Id::random(),
        value: [n; 32],
        job: [n; 32],
        agent_key: [9; 32],
        audience: Some("market".into()),
        expires_at: EXPIRES,
    }
}

/// A receipt for challenge `n` about a bundle that is one byte long.
fn receipt(n: u8, bundle: u8) -> NewReceipt {
    NewReceipt {
        receipt: StoredReceipt {
            id: Id::random(),
            token: format!("token.{n}.{bundle}"),
            issued_at: NOW,
        },
        challenge: [n; 32],
        arrived_at: NOW,
        bundle_sha256: [bundle; 32],
        bundle: vec![bundle],
        job: [n; 32],
        agent_key: [9; 32],
        idempotency_key: None,
    }
}

async fn store() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = reopen(&folder).await;
    (folder, store)
}

async fn reopen(folder: &TempDir) -> SqliteStore {
    let path = folder.path().join("verifier.sqlite");
    SqliteStore::open_with(&path, Duration::from_millis(200))
        .await
        .unwrap()
}

async fn with_challenge(n: u8) -> (TempDir, SqliteStore) {
    let (folder, store) = store().await;
    assert_eq!(
        store
            .add_challenge(challenge(n), bounds(NOW))
            .await
            .unwrap(),
        Added::Stored
    );
    (folder, store)
}

#[tokio::test]
async fn writes_are_synced_to_a_write_ahead_log() {
    use std::os::unix::fs::MetadataExt;

    let (folder, store) = store().await;
    let journal: String = query_scalar("PRAGMA journal_mode")
        .fetch_one(&store.writer)
        .await
        .unwrap();
    let synchronous: i64 = query_scalar("PRAGMA synchronous")
        .fetch_one(&store.writer)
        .await
        .unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    let foreign_keys: i64 = query_scalar("PRAGMA foreign_keys")
        .fetch_one(&store.writer)
        .await
        .unwrap();
    assert_eq!(foreign_keys, 1);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let refused = query("DELETE FROM challenges")
        .execute(&store.readers)
        .await;
    refused.unwrap_err();
}

#[tokio::test]
async fn a_challenge_is_found_by_name_and_by_value() {
    let (_folder, store) = store().await;
    let issued = challenge(1);
    store
        .add_challenge(issued.clone(), bounds(NOW))
        .await
        .unwrap();
    assert_eq!(
        store.challenge(issued.id).await.unwrap(),
        Some((issued.clone(), Fate::Unspent))
    );
    assert_eq!(
        store.standing([1; 32]).await.unwrap(),
        Standing::Unspent(issued)
    );
    assert_eq!(store.standing([2; 32]).await.unwrap(), Standing::Unknown);
    assert_eq!(store.challenge(Id::random()).await.unwrap(), None);
}

#[tokio::test]
async fn open_challenges_of_one_agent_are_bounded() {
    let (_folder, store) = store().await;
    let bounds = ChallengeBounds {
        max_open_of_agent: 1,
        ..bounds(NOW)
    };
    let add = |n| store.add_challenge(challenge(n), bounds);
    assert_eq!(add(1).await.unwrap(), Added::Stored);
    assert_eq!(add(2).await.unwrap(), Added::TooManyOfAgent);
    let of_another = Challenge {
        agent_key: [8; 32],
        ..challenge(2)
    };
    let added = store.add_challenge(of_another, bounds).await.unwrap();
    assert_eq!(added, Added::Stored);
    // What is spent is open no more.
    assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
    assert_eq!(add(3).await.unwrap(), Added::Stored);
}

#[tokio::test]
async fn open_challenges_are_bounded_and_old_ones_forgotten() {
    let (_folder, store) = store().await;
    for n in 1..=3 {
        assert_eq!(
            store
                .add_challenge(challenge(n), bounds(NOW))
                .await
                .unwrap(),
            Added::Stored
        );
    }
    assert_eq!(
        store
            .add_challenge(challenge(4), bounds(NOW))
            .await
            .unwrap(),
        Added::TooMany
    );
    // Spending or expiry makes room; neither forgets.
    assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
    assert_eq!(
        store
            .add_challenge(challenge(4), bounds(NOW))
            .await
            .unwrap(),
        Added::Stored
    );
    assert_eq!(
        store
            .add_challenge(challenge(5), bounds(NOW))
            .await
            .unwrap(),
        Added::TooMany
    );
    let mut later = challenge(5);
    later.expires_at = UnixTime::from_secs(9_999);
    assert_eq!(
        store.add_challenge(later, bounds(LATE)).await.unwrap(),
        Added::Stored
    );
    assert!(matches!(
        store.standing([2; 32]).await.unwrap(),
        Standing::Unspent(_)
    ));
    // Long after, the expired ones are gone and what was spent is still known as spent.
    let long_after = UnixTime::from_secs(EXPIRES.secs() + 3601);
    assert_eq!(
        store
            .add_challenge(challenge(6), bounds(long_after))
            .await
            .unwrap(),
        Added::Stored
    );
    assert_eq!(store.standing([2; 32]).await.unwrap(), Standing::Unknown);
    assert_eq!(store.standing([1; 32]).await.unwrap(), Standing::Spent);
}

#[tokio::test]
async fn spending_issues_and_is_remembered() {
    let (folder, store) = with_challenge(1).await;
    let new = receipt(1, 7);
    assert_eq!(store.spend(new.clone()).await.unwrap(), Spent::Issued);
    // Dropped without being closed, as a killed process would.
    drop(store);
    let store = reopen(&folder).await;
    assert_eq!(
        store.receipt(new.receipt.id).await.unwrap(),
        Some(new.receipt.clone())
    );
    assert_eq!(
        store.receipt_of([7; 32]).await.unwrap(),
        Some(new.receipt.clone())
    );
    assert_eq!(store.standing([1; 32]).await.unwrap(), Standing::Spent);
    let bytes: Vec<u8> = query_scalar("SELECT bytes FROM bundles")
        .fetch_one(&store.readers)
        .await
        .unwrap();
    assert_eq!(bytes, [7]);
    // The same bundle gets the same receipt, another one none.
    assert_eq!(
        store.spend(receipt(1, 7)).await.unwrap(),
        Spent::Before(new.receipt)
    );
    assert_eq!(store.spend(receipt(1, 8)).await.unwrap(), Spent::ByAnother);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_wins() {
    let (_folder, store) = with_challenge(1).await;
    let store = Arc::new(store);
    // Eight different bundles, each sent four times.
    let attempts = (0..32).map(|n| {
        let (store, new) = (Arc::clone(&store), receipt(1, n % 8));
        tokio::spawn(async move {
            (
                new.bundle_sha256,
                new.receipt.id,
                store.spend(new).await.unwrap(),
            )
        })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut outcomes = Vec::new();
    for attempt in attempts {
        outcomes.push(attempt.await.unwrap());
    }
    let issued: Vec<_> = outcomes
        .iter()
        .filter(|(_, _, spent)| *spent == Spent::Issued)
        .collect();
    let [(winner, id, _)] = issued.as_slice() else {
        panic!("one receipt, got {}", issued.len())
    };
    for (bundle, _, spent) in &outcomes {
        match spent {
            Spent::Issued => {}
            Spent::Before(receipt) => assert_eq!((bundle, &receipt.id), (winner, id)),
            Spent::ByAnother => assert_ne!(bundle, winner),
            other => panic!("{other:?}"),
        }
    }
    let receipts: i64 = query_scalar("SELECT count(*) FROM receipts")
        .fetch_one(&store.readers)
        .await
        .unwrap();
    assert_eq!(receipts, 1);
}

#[tokio::test]
async fn only_what_arrived_in_time_spends() {
    let (_folder, store) = with_challenge(1).await;
    let late = NewReceipt {
        arrived_at: LATE,
        ..receipt(1, 1)
    };
    assert_eq!(store.spend(late).await.unwrap(), Spent::Expired);
    assert_eq!(store.spend(receipt(2, 1)).await.unwrap(), Spent::Unknown);
    assert_eq!(store.receipt_of([1; 32]).await.unwrap(), None);
    let last_second = UnixTime::from_secs(EXPIRES.secs() - 1);
    let in_time = NewReceipt {
        arrived_at: last_second,
        ..receipt(1, 1)
    };
    assert_eq!(store.spend(in_time).await.unwrap(), Spent::Issued);
}

#[tokio::test]
async fn an_idempotency_key_is_one_bundles_own() {
    let (_folder, store) = with_challenge(1).await;
    store
        .add_challenge(challenge(2), bounds(NOW))
        .await
        .unwrap();
    let keyed = |n, bundle| NewReceipt {
        idempotency_key: Some("k".into()),
        ..receipt(n, bundle)
    };
    assert_eq!(store.spend(keyed(1, 1)).await.unwrap(), Spent::Issued);
    assert_eq!(store.spend(keyed(2, 2)).await.unwrap(), Spent::KeyReused);
    assert_eq!(
        store.bundle_under([9; 32], "k").await.unwrap(),
        Some([1; 32])
    );
    assert_eq!(store.bundle_under([8; 32], "k").await.unwrap(), None);
    // Another agent's key of the same name is another key.
    let other = NewReceipt {
        agent_key: [8; 32],
        ..keyed(2, 2)
    };
    assert_eq!(store.spend(other).await.unwrap(), Spent::Issued);
}

#[tokio::test]
async fn a_refuted_challenge_takes_no_receipt_and_a_spent_one_keeps_its_own() {
    let (folder, store) = with_challenge(1).await;
    store.refute([1; 32]).await.unwrap();
    drop(store);
    let store = reopen(&folder).await;
    assert_eq!(store.standing([1; 32]).await.unwrap(), Standing::Refuted);
    assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Refuted);
    assert_eq!(store.receipt_of([1; 32]).await.unwrap(), None);

    let spent = challenge(2);
    store
        .add_challenge(spent.clone(), bounds(NOW))
        .await
        .unwrap();
    assert_eq!(store.spend(receipt(2, 2)).await.unwrap(), Spent::Issued);
    store.refute([2; 32]).await.unwrap();
    assert_eq!(store.standing([2; 32]).await.unwrap(), Standing::Spent);
    assert_eq!(
        store.challenge(spent.id).await.unwrap(),
        Some((spent, Fate::Spent))
    );
    // One there is not is nobody's loss.
    store.refute([3; 32]).await.unwrap();
}
