//! Webhooks and what they are told.

use super::life::step;
use super::*;
use crate::store::outbox::{Attempt, OutboxStore};

fn first_page() -> Page {
    Page {
        after: None,
        limit: 10,
    }
}

on_both! {
    async fn each_delivery_is_handed_out_once_until_it_is_due_again(rig) {
        let store = rig.with_market().await;
        for number in 0..4 {
            step(store, number).await.unwrap();
        }
        let other = rig.reopen().await;
        let all = rig.count("SELECT count(*) AS n FROM deliveries").await;
        assert!(all >= 3, "{all}");
        let at_once = (0..6).map(|n| {
            let store = [store, &other][n % 2].clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for _ in 0..10 {
                    taken.extend(store.due_deliveries(NOW, LATE, 1).await.unwrap());
                }
                taken
            })
        });
        let mut taken = Vec::new();
        for some in at_once.collect::<Vec<_>>() {
            taken.extend(some.await.unwrap());
        }
        taken.sort_by_key(|delivery| delivery.number);
        taken.dedup_by_key(|delivery| delivery.number);
        assert_eq!(i64::try_from(taken.len()).unwrap(), all);

        let failure = || "status 500".to_owned();
        let (first, second) = (&taken[0], &taken[1]);
        let webhook = first.webhook.id;
        store.attempted(first.number, Attempt::Retry { at: NOW, failure: failure() }).await.unwrap();
        let again = store.due_deliveries(NOW, LATE, 10).await.unwrap();
        assert_eq!((again.len(), again[0].number, again[0].attempts), (1, first.number, 1));
        assert_eq!(again[0].failure, Some(failure()));
        store.attempted(first.number, Attempt::Dead { failure: failure() }).await.unwrap();
        store.attempted(second.number, Attempt::Delivered).await.unwrap();
        // Whoever reports late does not bring it back.
        store.attempted(second.number, Attempt::Dead { failure: failure() }).await.unwrap();
        let dead = store.dead_letters(webhook, None, 10).await.unwrap();
        assert_eq!((dead.len(), dead[0].number, dead[0].attempts), (1, first.number, 2));
        assert_eq!(store.dead_letters(webhook, Some(first.number), 10).await.unwrap(), []);
        assert!(!store.redeliver(webhook, second.number, NOW).await.unwrap());
        assert!(!store.redeliver(Id::random(), first.number, NOW).await.unwrap());
        assert!(store.redeliver(webhook, first.number, NOW).await.unwrap());
        assert_eq!(store.due_deliveries(NOW, LATE, 10).await.unwrap().len(), 1);
        // A webhook that is removed is told nothing more.
        let owner = first.webhook.party.clone();
        assert!(store.remove_webhook(&owner, webhook, NOW).await.unwrap());
        assert!(!store.remove_webhook(&owner, webhook, NOW).await.unwrap());
        assert_eq!(store.webhooks(&owner, first_page()).await.unwrap(), []);
        let rest = store.due_deliveries(LATE, LATE, 100).await.unwrap();
        assert!(rest.iter().all(|delivery| delivery.webhook.id != webhook));
    }
}
