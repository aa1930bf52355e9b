//! Webhooks, and what they are told.

use ::jobs::EventKind;

use super::life::{END, STEPS, party, step};
use super::*;
use crate::store::outbox::{AddedWebhook, Attempt, Delivery, OutboxStore, Webhook};

fn first_page() -> Page {
    Page {
        after: None,
        limit: 10,
    }
}

fn webhook(owner: &str) -> Webhook {
    Webhook {
        id: Id::random(),
        party: party(owner),
        url: "https://hook.example/a".to_owned(),
        kinds: Some(vec![EventKind::JobCreated, EventKind::JobSettled]),
        secret: vec![7; 32],
        former: None,
        created_at: LATE,
        disabled_at: None,
    }
}

fn failure() -> String {
    "status 500".to_owned()
}

/// Everything that can be taken at a time, by several services at once, each delivery once.
async fn taken(rig: &Rig, now: UnixTime, until: UnixTime) -> Vec<Delivery> {
    let stores = [rig.store.clone(), rig.reopen().await];
    let at_once = (0..6).map(|n| {
        let store = stores[n % 2].clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..10 {
                taken.extend(store.due_deliveries(now, until, 1).await.unwrap());
            }
            taken
        })
    });
    let mut all = Vec::new();
    for some in at_once.collect::<Vec<_>>() {
        all.extend(some.await.unwrap());
    }
    all.sort_by_key(|delivery| delivery.number);
    all
}

on_both! {
    async fn each_delivery_is_handed_out_once_and_those_of_a_job_in_order(rig) {
        let store = rig.with_market().await;
        for number in 0..STEPS {
            step(store, number).await.unwrap();
        }
        let all = rig.count("SELECT count(*) AS n FROM deliveries").await;
        assert!(all > 8, "{all}");
        let mut seen: Vec<Delivery> = Vec::new();
        loop {
            let some = taken(&rig, END, UnixTime::from_secs(END.secs() + 60)).await;
            if some.is_empty() {
                break;
            }
            // One for each webhook: all are about one job.
            assert!(some.len() <= 2, "{some:?}");
            for delivery in &some {
                store.attempted(delivery.number, Attempt::Delivered, END).await.unwrap();
            }
            seen.extend(some);
        }
        assert_eq!(i64::try_from(seen.len()).unwrap(), all);
        let webhooks = [seen[0].webhook.id, seen.iter().find(|d| d.webhook.id != seen[0].webhook.id).unwrap().webhook.id];
        for webhook in webhooks {
            let of_one = seen.iter().filter(|d| d.webhook.id == webhook);
            assert!(of_one.is_sorted_by_key(|d| d.event.number));
        }
    }

    async fn what_fails_holds_up_what_is_behind_it_until_it_is_given_up(rig) {
        let store = rig.with_market().await;
        // By the id that the tenant has in these tests.
        rig.run("DELETE FROM webhooks WHERE party NOT LIKE '74656e616e74%'").await.unwrap();
        for number in 0..STEPS {
            step(store, number).await.unwrap();
        }
        let [first] = store.due_deliveries(END, END, 10).await.unwrap().try_into().unwrap();
        let webhook = first.webhook.id;
        let later = UnixTime::from_secs(END.secs() + 5);
        let retry = Attempt::Retry { at: later, failure: failure() };
        store.attempted(first.number, retry, END).await.unwrap();
        assert_eq!(store.due_deliveries(END, later, 10).await.unwrap(), []);
        let again = store.due_deliveries(later, later, 10).await.unwrap();
        assert_eq!((again.len(), again[0].number, again[0].attempts), (1, first.number, 1));
        assert_eq!(again[0].failure, Some(failure()));
        // Not made: nothing is counted.
        store.attempted(first.number, Attempt::Postponed { until: later }, END).await.unwrap();
        assert_eq!(store.due_deliveries(later, later, 10).await.unwrap()[0].attempts, 1);
        store.attempted(first.number, Attempt::Dead { failure: failure() }, later).await.unwrap();
        let [second] = store.due_deliveries(later, later, 10).await.unwrap().try_into().unwrap();
        assert!(second.number > first.number);
        store.attempted(second.number, Attempt::Delivered, later).await.unwrap();
        // Whoever reports late does not bring it back.
        store.attempted(second.number, Attempt::Dead { failure: failure() }, later).await.unwrap();
        let dead = store.dead_letters(webhook, None, 10).await.unwrap();
        assert_eq!((dead.len(), dead[0].number, dead[0].attempts), (1, first.number, 2));
        assert_eq!(store.dead_letters(webhook, Some(first.number), 10).await.unwrap(), []);
        let tenant = party("tenant");
        let redeliver = async |webhook, events| store.redeliver(&tenant, webhook, events, by(later)).await.unwrap();
        assert_eq!(redeliver(webhook, Some(vec![second.event.number])).await, 0);
        assert_eq!(redeliver(Id::random(), None).await, 0);
        assert_eq!(redeliver(webhook, Some(vec![first.event.number])).await, 1);
        assert_eq!(redeliver(webhook, None).await, 0, "it is no dead letter any more");
        let recorded = "SELECT count(*) AS n FROM audit WHERE action = 'webhook.redeliver'";
        assert_eq!(rig.count(recorded).await, 1, "what changed something");
        let [back] = store.due_deliveries(later, later, 10).await.unwrap().try_into().unwrap();
        assert_eq!((back.number, back.attempts), (first.number, 0));
        // A receiver that is gone is told nothing more.
        store.attempted(back.number, Attempt::Gone { failure: failure() }, later).await.unwrap();
        assert_eq!(store.due_deliveries(END, END, 10).await.unwrap(), []);
        let gone = store.webhook(&party("tenant"), webhook).await.unwrap().unwrap();
        assert_eq!(gone.disabled_at, Some(later));
        assert_eq!(rig.count("SELECT count(*) AS n FROM deliveries WHERE status = 'pending'").await, 0);
    }

    async fn webhooks_are_the_partys_own_and_told_what_they_asked_for(rig) {
        let store = rig.with_market().await;
        rig.run("DELETE FROM webhooks").await.unwrap();
        let one = webhook("tenant");
        assert_eq!(store.add_webhook(one.clone(), 1, by(NOW)).await.unwrap(), AddedWebhook::Stored);
        assert_eq!(store.add_webhook(webhook("tenant"), 1, by(NOW)).await.unwrap(), AddedWebhook::TooMany);
        assert_eq!(store.webhooks(&party("tenant"), first_page()).await.unwrap(), std::slice::from_ref(&one));
        assert_eq!(store.webhook(&party("p1"), one.id).await.unwrap(), None);
        for number in 0..STEPS {
            step(store, number).await.unwrap();
        }
        assert_eq!(rig.count("SELECT count(*) AS n FROM deliveries").await, 2);
        // A secret that is replaced is kept beside the new one.
        assert!(!store.replace_secret(&party("p1"), one.id, vec![8; 32], LATE, by(NOW)).await.unwrap());
        assert!(store.replace_secret(&party("tenant"), one.id, vec![8; 32], LATE, by(NOW)).await.unwrap());
        let [first] = store.due_deliveries(END, END, 10).await.unwrap().try_into().unwrap();
        assert_eq!(first.webhook.secret, [8; 32]);
        assert_eq!(first.webhook.former, Some((vec![7; 32], LATE)));
        assert!(!store.remove_webhook(&party("p1"), one.id, by(NOW)).await.unwrap());
        assert!(store.remove_webhook(&party("tenant"), one.id, by(NOW)).await.unwrap());
        assert!(!store.remove_webhook(&party("tenant"), one.id, by(NOW)).await.unwrap());
        assert_eq!(store.webhooks(&party("tenant"), first_page()).await.unwrap(), []);
        assert_eq!(store.due_deliveries(END, END, 10).await.unwrap(), []);
    }
}
