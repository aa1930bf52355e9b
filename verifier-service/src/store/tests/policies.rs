//! Versions of policies, and which was put in force.

use super::*;
use crate::store::policies::{AddedPolicy, NewPolicy, PolicyStore, Unless};

fn text(id: &str, text: &str, unless: Unless) -> NewPolicy {
    NewPolicy {
        id: id.to_owned(),
        text: text.to_owned(),
        by: by(NOW),
        unless,
    }
}

async fn add(store: &SqlStore, new: NewPolicy) -> (u32, bool) {
    match store.add_policy(new).await.unwrap() {
        AddedPolicy::New(version) => (version.version, true),
        AddedPolicy::Before(version) => (version.version, false),
        AddedPolicy::TooMany => panic!("too many"),
    }
}

on_both! {
    async fn versions_are_numbered_for_each_name(rig) {
        let store = &rig.store;
        let newest = |t| text("a", t, Unless::Newest);
        assert_eq!(add(store, newest("one")).await, (1, true));
        assert_eq!(add(store, newest("one")).await, (1, false));
        assert_eq!(add(store, newest("two")).await, (2, true));
        assert_eq!(add(store, newest("one")).await, (3, true));
        let any = |t| text("a", t, Unless::Any);
        assert_eq!(add(store, any("two")).await, (2, false));
        assert_eq!(add(store, any("one")).await, (3, false));
        assert_eq!(add(store, any("three")).await, (4, true));
        assert_eq!(add(store, text("b", "one", Unless::Any)).await, (1, true));

        let store = &rig.reopen().await;
        let newest: Vec<_> = store.policies().await.unwrap();
        let newest: Vec<_> = newest.iter().map(|p| (p.id.as_str(), p.version)).collect();
        assert_eq!(newest, [("a", 4), ("b", 1)]);
        assert_eq!(store.policy_versions("a").await.unwrap().len(), 4);
        assert_eq!(store.policy_versions("c").await.unwrap(), []);
        let found = store.policy("a", 3).await.unwrap().unwrap();
        assert_eq!(found.text, "one");
        assert_eq!(store.policy("a", 5).await.unwrap(), None);
        let digest = evidence::crypto::sha256(b"one");
        let found = store.policy_by_sha256(digest).await.unwrap().unwrap();
        assert_eq!((found.version.id.as_str(), found.version.version), ("a", 1));
        assert_eq!(store.policy_by_sha256([0; 32]).await.unwrap(), None);
    }

    async fn names_and_versions_are_bounded(rig) {
        let store = &rig.store;
        // What a thousand uploads leave behind, without a sync for each.
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO policies (id, version, sha256, text, added_at) SELECT 'a', i, $1, $1, 0 FROM n";
        let names = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 255)
            INSERT INTO policies (id, version, sha256, text, added_at) SELECT 'name' || i, 1, $1, $1, 0 FROM n";
        for sql in [many, names] {
            let mut tx = store.database().write().await.unwrap();
            tx.execute(sql, values![[0_u8; 32]]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let full = store.add_policy(text("a", "one", Unless::Newest)).await;
        assert_eq!(full.unwrap(), AddedPolicy::TooMany);
        let full = store.add_policy(text("new", "one", Unless::Any)).await;
        assert_eq!(full.unwrap(), AddedPolicy::TooMany);
        let added = add(store, text("name1", "one", Unless::Newest)).await;
        assert_eq!(added, (2, true));
    }

    async fn numbers_follow_one_another_whoever_adds(rig) {
        let other = rig.reopen().await;
        let adds = (0..12).map(|n| {
            let store = [&rig.store, &other][n % 2].clone();
            tokio::spawn(async move { add(&store, text("a", &n.to_string(), Unless::Any)).await })
        });
        let mut numbers = Vec::new();
        for add in adds.collect::<Vec<_>>() {
            numbers.push(add.await.unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=12).map(|n| (n, true)).collect::<Vec<_>>());
    }

    async fn the_last_activation_counts(rig) {
        let store = &rig.store;
        add(store, text("a", "one", Unless::Newest)).await;
        add(store, text("a", "two", Unless::Newest)).await;
        assert_eq!(store.active_policy().await.unwrap(), None);
        assert_eq!(store.activate_policy("a", 3, by(NOW)).await.unwrap(), None);
        let first = store.activate_policy("a", 1, by(NOW)).await.unwrap().unwrap();
        let second = store.activate_policy("a", 2, by(NOW)).await.unwrap().unwrap();
        assert!(first.number < second.number);
        // Again: since when it was.
        let again = store.activate_policy("a", 2, by(LATE)).await.unwrap().unwrap();
        assert_eq!(again, second);
        let store = &rig.reopen().await;
        assert_eq!(store.active_policy().await.unwrap(), Some(second.clone()));
        let third = store.activate_policy("a", 1, by(LATE)).await.unwrap().unwrap();
        assert!(third.number > second.number);
    }

    async fn nothing_is_changed_or_deleted(rig) {
        let store = &rig.store;
        add(store, text("a", "one", Unless::Newest)).await;
        store.activate_policy("a", 1, by(NOW)).await.unwrap();
        for statement in [
            "DELETE FROM policies",
            "UPDATE policies SET text = sha256",
            "DELETE FROM policy_activations",
            "UPDATE policy_activations SET version = 2",
            "INSERT INTO policy_activations (id, version, at) VALUES ('a', 9, 0)",
            "INSERT INTO policies SELECT * FROM policies",
        ] {
            let refused = rig.run(statement).await;
            assert!(refused.is_err(), "{statement}");
        }
    }

    async fn a_text_that_is_not_what_was_stored_is_no_answer(rig) {
        let store = &rig.store;
        let mut tx = store.database().write().await.unwrap();
        let insert = "INSERT INTO policies (id, version, sha256, text, added_at) VALUES ('a', 1, $1, $1, 0)";
        tx.execute(insert, values![[0_u8; 32]]).await.unwrap();
        tx.commit().await.unwrap();
        let damaged = store.policy("a", 1).await.unwrap_err();
        assert!(
            matches!(damaged, StoreError::Malformed { column: "text" }),
            "{damaged}"
        );
        store.policy_by_sha256([0; 32]).await.unwrap_err();
        store.activate_policy("a", 1, by(NOW)).await.unwrap_err();
    }

    async fn what_a_receipt_was_issued_for(rig) {
        let store = rig.with_challenge(1).await;
        let new = receipt(1, 7);
        let id = new.receipt.id;
        assert!(store.issued(id).await.unwrap().is_none());
        store.spend(new).await.unwrap();
        let issued = store.issued(id).await.unwrap().unwrap();
        assert_eq!(
            (issued.bundle, issued.challenge, issued.issued_at),
            (vec![7], [1; 32], NOW)
        );
        store
            .add_challenge(challenge(2), bounds(NOW))
            .await
            .unwrap();
        let mut later = receipt(2, 8);
        later.receipt.issued_at = LATE;
        let latest = later.receipt.id;
        store.spend(later).await.unwrap();
        assert_eq!(store.recent_receipts(5).await.unwrap(), [latest, id]);
        assert_eq!(store.recent_receipts(1).await.unwrap(), [latest]);
    }
}
