//! Parties and their keys, agents and their devices, webhooks and what they are told.

use ::jobs::Workload;

use super::life::{agent, party, step};
use super::*;
use crate::store::agents::{AgentStore, DeviceOf, Enrolled, Enrolment, EnrolmentToken, Heartbeat};
use crate::store::jobs::JobStore;
use crate::store::outbox::{Attempt, OutboxStore};
use crate::store::parties::{PartyStore, StoredKey};

fn key(prefix: &str) -> StoredKey {
    StoredKey {
        id: Id::random(),
        party: party("tenant"),
        prefix: prefix.to_owned(),
        sha256: [3; 32],
        scopes: "jobs:read jobs:write".to_owned(),
        label: None,
        created_at: NOW,
        revoked_at: None,
    }
}

fn first_page() -> Page {
    Page {
        after: None,
        limit: 10,
    }
}

on_both! {
    async fn keys_are_found_by_their_prefix_until_they_are_revoked(rig) {
        let store = rig.with_market().await;
        let new = key("abcdefgh");
        assert!(store.add_key(new.clone()).await.unwrap());
        assert!(!store.add_key(key("abcdefgh")).await.unwrap(), "the prefix is taken");
        let of_nobody = StoredKey { party: party("nobody"), ..key("other") };
        assert!(!store.add_key(of_nobody).await.unwrap());
        let (found, owner) = store.key("abcdefgh").await.unwrap().unwrap();
        assert_eq!((&found, &owner.id), (&new, &party("tenant")));
        assert_eq!(store.key("nothing").await.unwrap(), None);
        assert_eq!(store.party(&party("tenant")).await.unwrap(), Some(owner));
        assert!(!store.revoke_key(&party("p1"), new.id, LATE).await.unwrap(), "another's");
        assert!(store.revoke_key(&party("tenant"), new.id, LATE).await.unwrap());
        assert!(store.revoke_key(&party("tenant"), new.id, EXPIRES).await.unwrap());
        let revoked = store.keys(&party("tenant"), first_page()).await.unwrap();
        assert_eq!(revoked[0].revoked_at, Some(LATE));
        let parties = store.parties(Page { limit: 2, ..first_page() }).await.unwrap();
        let names: Vec<_> = parties.iter().map(|party| party.id.as_str()).collect();
        assert_eq!(names, ["tenant", "p2"]);
        assert!(!store.add_party(parties[0].clone()).await.unwrap());
    }

    async fn a_token_enrols_one_agent(rig) {
        let store = rig.with_market().await;
        let token = |n, expires_at| EnrolmentToken {
            sha256: [n; 32],
            owner: party("p1"),
            created_at: NOW,
            expires_at,
        };
        store.add_enrolment_token(token(50, EXPIRES)).await.unwrap();
        store.add_enrolment_token(token(51, NOW)).await.unwrap();
        store.add_enrolment_token(token(52, EXPIRES)).await.unwrap();
        let enrolment = |token, key: u8| Enrolment {
            token_sha256: [token; 32],
            agent: agent(&format!("new{key}")),
            key: [key; 32],
            now: NOW,
        };
        let other = rig.reopen().await;
        let at_once = (0..8_u8).map(|n| {
            let store = [store, &other][usize::from(n % 2)].clone();
            let enrolment = enrolment(50, 60 + n);
            tokio::spawn(async move { store.enrol(enrolment).await.unwrap() })
        });
        let mut new = Vec::new();
        for enrolled in at_once.collect::<Vec<_>>() {
            match enrolled.await.unwrap() {
                Enrolled::New(agent) => new.push(agent),
                enrolled => assert_eq!(enrolled, Enrolled::TokenUnusable),
            }
        }
        let [winner] = new.as_slice() else { panic!("{new:?}") };
        let again = Enrolment { agent: agent("drawn-anew"), ..enrolment(50, winner.key[0]) };
        assert_eq!(store.enrol(again).await.unwrap(), Enrolled::Before(winner.clone()));
        assert_eq!(store.enrol(enrolment(51, 70)).await.unwrap(), Enrolled::TokenUnusable);
        assert_eq!(store.enrol(enrolment(99, 70)).await.unwrap(), Enrolled::TokenUnusable);
        let taken = enrolment(52, winner.key[0]);
        assert_eq!(store.enrol(Enrolment { agent: agent("x"), ..taken }).await.unwrap(), Enrolled::KeyTaken);
        // The token was not spent on it.
        assert!(matches!(store.enrol(enrolment(52, 71)).await.unwrap(), Enrolled::New(_)));
        assert_eq!(store.agents(&party("p1"), first_page()).await.unwrap().len(), 3);
        assert!(!store.remove_agent(&party("p2"), &winner.id, LATE).await.unwrap());
        assert!(store.remove_agent(&party("p1"), &winner.id, LATE).await.unwrap());
        assert!(!store.remove_agent(&party("p1"), &winner.id, LATE).await.unwrap());
        assert_eq!(store.agents(&party("p1"), first_page()).await.unwrap().len(), 2);
        let removed = store.agent(&winner.id).await.unwrap().unwrap();
        assert_eq!(removed.removed_at, Some(LATE));
    }

    async fn agents_are_present_while_heard_of_and_with_room(rig) {
        let store = rig.with_market().await;
        let beat = |now, capacity| Heartbeat { now, capacity, report: "{}".to_owned() };
        let workload: Workload = serde_json::from_str("\"kernel/gemm_i8\"").unwrap();
        let present = async || {
            let mut names: Vec<_> = store.present(&workload, NOW, 10).await.unwrap();
            names.sort_by_key(|agent| agent.id.clone());
            names.into_iter().map(|agent| agent.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(present().await, Vec::<String>::new());
        assert!(store.heartbeat(&agent("a1"), beat(NOW, 1)).await.unwrap());
        assert!(store.heartbeat(&agent("a2"), beat(UnixTime::from_secs(NOW.secs() - 1), 1)).await.unwrap());
        assert!(!store.heartbeat(&agent("nobody"), beat(NOW, 1)).await.unwrap());
        assert_eq!(present().await, ["a1"]);
        store.heartbeat(&agent("a2"), beat(LATE, 1)).await.unwrap();
        assert_eq!(present().await, ["a1", "a2"]);
        // Both are given work, which is all they have room for.
        step(store, 0).await.unwrap();
        step(store, 1).await.unwrap();
        assert_eq!(present().await, Vec::<String>::new());
        let open = store.open_assignments(&agent("a1")).await.unwrap();
        assert_eq!((open.len(), open[0].status.as_str()), (1, "offered"));
        store.heartbeat(&agent("a1"), beat(LATE, 2)).await.unwrap();
        assert_eq!(present().await, ["a1"]);
        store.remove_agent(&party("p1"), &agent("a1"), LATE).await.unwrap();
        assert_eq!(present().await, Vec::<String>::new());
    }

    async fn a_device_is_whose_it_was_first(rig) {
        let store = rig.with_market().await;
        let claim = async |name: &str| store.claim_device([1; 32], &agent(name), NOW).await.unwrap();
        assert_eq!(claim("a1").await, Some(DeviceOf::ThisOwner));
        assert_eq!(claim("a2").await, Some(DeviceOf::Another(party("p1"))));
        assert_eq!(claim("a1").await, Some(DeviceOf::ThisOwner));
        assert_eq!(claim("nobody").await, None);
    }

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
