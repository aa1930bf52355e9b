//! One body of tests for both databases: over SQLite always, over PostgreSQL where `POGW_TEST_POSTGRES` names a server.

mod agents;
mod archive;
mod audit;
mod books;
mod histories;
mod jobs;
mod keys;
pub(crate) mod life;
mod market;
mod open_jobs;
mod outages;
mod owners;
mod parties;
mod policies;
mod postgres;
mod retention;
mod room;
mod sqlite;
mod upgrade;

use std::path::Path;
use std::time::Duration;

use evidence::UnixTime;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::sql::{Postgres, Row, values};
use super::*;
use crate::audit::By;

const NOW: UnixTime = UnixTime::from_secs(1_000);
const EXPIRES: UnixTime = UnixTime::from_secs(1_300);
const LATE: UnixTime = EXPIRES;

/// A verifier by itself, for what has to be by somebody.
pub(crate) fn by(at: UnixTime) -> By {
    By::service(at)
}

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
            provisional: false,
            revoked_at: None,
        },
        challenge: [n; 32],
        arrived_at: NOW,
        bundle_sha256: [bundle; 32],
        bundle: vec![bundle],
        job: [n; 32],
        agent_key: [9; 32],
        idempotency_key: None,
        collateral: Used::default(),
    }
}

/// A store and the place it is in.
pub(crate) struct Rig {
    pub(crate) store: SqlStore,
    place: Place,
}

enum Place {
    Sqlite(TempDir),
    Postgres(Postgres),
}

/// Tests that must hold on both databases; `rig` is an empty store.
macro_rules! on_both {
    ($($(#[$note:meta])* async fn $name:ident($rig:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$note])*
            async fn body($rig: Rig) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn on_sqlite() {
                body(Rig::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs PostgreSQL: tests/postgres/with"]
            async fn on_postgres() {
                body(Rig::postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both;

impl Rig {
    /// In a folder of its own.
    pub(crate) async fn sqlite() -> Self {
        let place = Place::Sqlite(tempfile::tempdir().unwrap());
        let store = place.open().await;
        Self { store, place }
    }

    /// In a database of its own on the server of `POGW_TEST_POSTGRES`.
    pub(crate) async fn postgres() -> Self {
        let place = Place::Postgres(postgres::new_database(&postgres::server()).await);
        let store = place.open().await;
        Self { store, place }
    }

    /// Where its database is, as a service has it in its state directory.
    pub(crate) fn folder(&self) -> &Path {
        match &self.place {
            Place::Sqlite(folder) => folder.path(),
            Place::Postgres(_) => panic!("it is on a server"),
        }
    }

    /// A second service on the same database.
    pub(crate) async fn reopen(&self) -> SqlStore {
        self.place.open().await
    }

    async fn with_challenge(&self, n: u8) -> &SqlStore {
        let added = self.store.add_challenge(challenge(n), bounds(NOW)).await;
        assert_eq!(added.unwrap(), Added::Stored);
        &self.store
    }

    /// Executes SQL as it is, in a transaction.
    pub(crate) async fn run(&self, sql: &'static str) -> Result<u64, StoreError> {
        let mut tx = self.store.database().write().await?;
        let changed = tx.execute(sql, values![]).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn fetch(&self, sql: &'static str) -> Vec<Row> {
        let mut session = self.store.database().read().await.unwrap();
        session.fetch(sql, values![]).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        let mut session = self.store.database().read().await.unwrap();
        session.fetch_int(sql, values![]).await.unwrap()
    }
}

impl Place {
    /// An empty one of the same kind.
    async fn another(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::Sqlite(tempfile::tempdir().unwrap()),
            Self::Postgres(server) => Self::Postgres(postgres::new_database(server).await),
        }
    }

    async fn open(&self) -> SqlStore {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<SqlStore, StoreError> {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("verifier.sqlite");
                SqlStore::sqlite_with(&path, Duration::from_secs(3)).await
            }
            Self::Postgres(server) => SqlStore::postgres(server).await,
        }
    }
}

on_both! {
    async fn a_challenge_is_found_by_name_and_by_value(rig) {
        let store = &rig.store;
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

    async fn open_challenges_of_one_agent_are_bounded(rig) {
        let store = &rig.store;
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

    async fn open_challenges_are_bounded_and_old_ones_forgotten(rig) {
        let store = &rig.store;
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

    async fn spending_issues_and_is_remembered(rig) {
        let store = rig.with_challenge(1).await;
        let new = receipt(1, 7);
        assert_eq!(store.spend(new.clone()).await.unwrap(), Spent::Issued);
        let store = &rig.reopen().await;
        assert_eq!(
            store.receipt(new.receipt.id).await.unwrap(),
            Some(new.receipt.clone())
        );
        assert_eq!(
            store.receipt_of([7; 32]).await.unwrap(),
            Some(new.receipt.clone())
        );
        assert_eq!(store.standing([1; 32]).await.unwrap(), Standing::Spent);
        let rows = rig.fetch("SELECT bytes FROM bundles").await;
        assert_eq!(rows[0].bytes("bytes").unwrap(), [7]);
        // The same bundle gets the same receipt, another one none.
        assert_eq!(
            store.spend(receipt(1, 7)).await.unwrap(),
            Spent::Before(new.receipt)
        );
        assert_eq!(store.spend(receipt(1, 8)).await.unwrap(), Spent::ByAnother);
    }

    async fn of_many_at_once_one_wins(rig) {
        let store = rig.with_challenge(1).await;
        let other = rig.reopen().await;
        // Two services on one database. Eight different bundles, each sent four times.
        let attempts = (0..32).map(|n| {
            let store = [store, &other][usize::from(n % 2)].clone();
            let new = receipt(1, n % 8);
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
        assert_eq!(rig.count("SELECT count(*) AS n FROM receipts").await, 1);
    }

    async fn only_what_arrived_in_time_spends(rig) {
        let store = rig.with_challenge(1).await;
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

    async fn the_latest_receipt_of_an_agent_is_found(rig) {
        use crate::store::agents::AgentStore;

        let store = rig.with_challenge(1).await;
        assert_eq!(store.latest_receipt_of([9; 32]).await.unwrap(), None);
        let later = UnixTime::from_secs(NOW.secs() + 1);
        let added = store.add_challenge(challenge(2), bounds(NOW));
        assert_eq!(added.await.unwrap(), Added::Stored);
        for (n, issued_at) in [(1, later), (2, NOW)] {
            let mut new = receipt(n, n);
            new.receipt.issued_at = issued_at;
            assert_eq!(store.spend(new).await.unwrap(), Spent::Issued);
        }
        let found = store.latest_receipt_of([9; 32]).await.unwrap().unwrap();
        assert_eq!((found.issued_at, found.token.as_str()), (later, "token.1.1"));
        assert_eq!(store.latest_receipt_of([8; 32]).await.unwrap(), None);
    }

    async fn an_idempotency_key_is_one_bundles_own(rig) {
        let store = rig.with_challenge(1).await;
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

    async fn receipts_and_bundles_cannot_be_deleted_or_changed(rig) {
        let store = rig.with_challenge(1).await;
        store.spend(receipt(1, 1)).await.unwrap();
        for sql in [
            "DELETE FROM receipts",
            "DELETE FROM bundles",
            "UPDATE receipts SET token = 'other'",
            "UPDATE bundles SET bytes = sha256",
        ] {
            let refused = rig.run(sql).await.unwrap_err();
            assert!(refused.to_string().contains("never"), "{refused}");
            assert!(!refused.is_transient(), "{refused:?}");
        }
    }

    async fn a_transaction_that_is_dropped_leaves_nothing(rig) {
        let store = rig.with_challenge(1).await;
        let mut tx = store.database().write().await.unwrap();
        tx.execute("DELETE FROM challenges", values![]).await.unwrap();
        drop(tx);
        assert!(matches!(store.standing([1; 32]).await.unwrap(), Standing::Unspent(_)));
        // The connection is as good as new.
        store.probe(NOW).await.unwrap();
        assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
    }

    async fn a_write_that_fails_leaves_nothing_and_can_be_made_again(rig) {
        let store = rig.with_challenge(1).await;
        let faults = store.database().faults();
        let mut writes = 0;
        loop {
            faults.fail_after(writes);
            let spent = store.spend(receipt(1, 1)).await;
            if !faults.have_struck() {
                assert_eq!(spent.unwrap(), Spent::Issued);
                break;
            }
            assert!(spent.unwrap_err().is_transient());
            assert!(matches!(store.standing([1; 32]).await.unwrap(), Standing::Unspent(_)));
            assert_eq!(rig.count("SELECT count(*) AS n FROM bundles").await, 0);
            assert_eq!(rig.count("SELECT count(*) AS n FROM grounds").await, 0);
            writes += 1;
        }
        // Challenge, bundle, receipt, what it rests on, commit.
        assert_eq!(writes, 5);
    }

    async fn an_answer_that_is_lost_is_given_again(rig) {
        let store = rig.with_challenge(1).await;
        let faults = store.database().faults();
        faults.lose_answer_after(0);
        let new = receipt(1, 1);
        store.spend(new.clone()).await.unwrap_err();
        faults.none();
        assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Before(new.receipt));
    }

    async fn a_refuted_challenge_takes_no_receipt_and_a_spent_one_keeps_its_own(rig) {
        rig.with_challenge(1).await.refute([1; 32]).await.unwrap();
        let store = &rig.reopen().await;
        assert_eq!(store.standing([1; 32]).await.unwrap(), Standing::Refuted);
        assert_eq!(store.spend(receipt(1, 1)).await.unwrap(), Spent::Refuted);
        assert_eq!(store.receipt_of([1; 32]).await.unwrap(), None);

        let spent = challenge(2);
        store.add_challenge(spent.clone(), bounds(NOW)).await.unwrap();
        assert_eq!(store.spend(receipt(2, 2)).await.unwrap(), Spent::Issued);
        store.refute([2; 32]).await.unwrap();
        assert_eq!(store.standing([2; 32]).await.unwrap(), Standing::Spent);
        let found = store.challenge(spent.id).await.unwrap();
        assert_eq!(found, Some((spent, Fate::Spent)));
        // One there is not is nobody's loss.
        store.refute([3; 32]).await.unwrap();
    }

    async fn services_that_start_at_once_on_an_empty_database_all_start(rig) {
        let place = rig.place.another().await;
        let (one, other, third) = tokio::join!(place.open(), place.open(), place.open());
        third.close().await;
        one.add_challenge(challenge(1), bounds(NOW)).await.unwrap();
        assert_eq!(other.spend(receipt(1, 1)).await.unwrap(), Spent::Issued);
    }

    async fn a_database_of_a_later_version_is_refused(rig) {
        rig.run("UPDATE _sqlx_migrations SET version = 99 WHERE version = 1").await.unwrap();
        let error = rig.place.try_open().await.unwrap_err();
        assert!(matches!(error, StoreError::Migrate { .. }), "{error:?}");
        assert!(!error.is_transient() && !error.to_string().contains("password"), "{error}");
    }
}
