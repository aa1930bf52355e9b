use std::sync::Arc;

use super::parties::party;
use super::*;
use crate::parties::Kind;
use crate::store::agents::{
    AddedToken, Agent, AgentStore, Claimed, Enrolled, EnrolmentToken, Said, SeenDevice,
};
use crate::store::clerk::{ClerkStore, Wanted};
use crate::store::parties::{PageOf, PartyStore};

fn workload() -> ::jobs::Workload {
    let spec = r#"{"profile":"pogw/1","checks":[],"kernel":"gemm_i8","params":{}}"#;
    ::jobs::Workload::of(&serde_json::from_str(spec).unwrap())
}

fn token(owner: Id, n: u8) -> EnrolmentToken {
    EnrolmentToken {
        id: Id::random(),
        owner,
        prefix: format!("{n:08}"),
        sha256: [n; 32],
        label: Some("rack".into()),
        created_at: NOW,
        expires_at: EXPIRES,
        used_by: None,
    }
}

fn agent(owner: Id, n: u8) -> Agent {
    Agent {
        id: Id::random(),
        owner,
        key: [n; 32],
        name: Some(format!("gpu-{n}")),
        enrolled_at: UnixTime::from_secs(NOW.secs() + i64::from(n)),
        removed_at: None,
        seen_at: None,
        report: None,
    }
}

fn said(report: &str) -> Said {
    Said {
        capacity: 1,
        shape: String::new(),
        report: report.to_owned(),
    }
}

async fn provider(rig: &Rig, n: i64) -> Id {
    let provider = party(n, Kind::Provider);
    rig.store
        .add_party(provider.clone(), by(NOW))
        .await
        .unwrap();
    provider.id
}

async fn stored_token(rig: &Rig, owner: Id, n: u8) -> EnrolmentToken {
    let token = token(owner, n);
    let added = rig
        .store
        .add_enrolment_token(token.clone(), 99, by(NOW))
        .await;
    assert_eq!(added.unwrap(), AddedToken::Stored);
    token
}

/// An agent that is in, by token `n`.
async fn enrolled(rig: &Rig, owner: Id, n: u8) -> Agent {
    let token = stored_token(rig, owner, n).await;
    let new = agent(owner, n);
    let enrolled = rig
        .store
        .enrol(token.id, new.clone(), 99, by(NOW))
        .await
        .unwrap();
    assert_eq!(enrolled, Enrolled::New(new.clone()));
    new
}

on_both! {
    async fn a_token_is_used_once(rig) {
        let store = &rig.store;
        let owner = provider(&rig, 1).await;
        let token = stored_token(&rig, owner, 1).await;
        let found = store.enrolment_token_of_prefix(&token.prefix).await.unwrap();
        assert_eq!(found.as_ref(), Some(&token));
        let first = Agent {
            owner: Id::random(),
            ..agent(owner, 1)
        };
        let Enrolled::New(first) = store.enrol(token.id, first, 9, by(NOW)).await.unwrap() else {
            panic!("refused")
        };
        assert_eq!(first.owner, owner, "the token says whose agent it is");
        assert_eq!(store.agent(first.id).await.unwrap().as_ref(), Some(&first));
        let again = store.enrol(token.id, agent(owner, 1), 9, by(NOW)).await.unwrap();
        assert_eq!(again, Enrolled::Before(first.clone()));
        assert_eq!(store.enrol(token.id, agent(owner, 2), 9, by(NOW)).await.unwrap(), Enrolled::NoToken);
        assert_eq!(store.enrol(Id::random(), agent(owner, 2), 9, by(NOW)).await.unwrap(), Enrolled::NoToken);
        let used = store.enrolment_token_of_prefix(&token.prefix).await.unwrap().unwrap();
        assert_eq!(used.used_by, Some(first.id));
        assert!(!store.delete_enrolment_token(owner, token.id, by(NOW)).await.unwrap(), "it was used");
    }

    async fn what_keeps_an_agent_out_leaves_the_token_good(rig) {
        let store = &rig.store;
        let owner = provider(&rig, 1).await;
        enrolled(&rig, owner, 1).await;
        let token = stored_token(&rig, owner, 2).await;
        let late = Agent {
            enrolled_at: EXPIRES,
            ..agent(owner, 2)
        };
        assert_eq!(store.enrol(token.id, late, 9, by(NOW)).await.unwrap(), Enrolled::Expired);
        assert_eq!(store.enrol(token.id, agent(owner, 1), 9, by(NOW)).await.unwrap(), Enrolled::KeyTaken);
        assert_eq!(store.enrol(token.id, agent(owner, 2), 1, by(NOW)).await.unwrap(), Enrolled::TooMany);
        let enrolled = store.enrol(token.id, agent(owner, 2), 2, by(NOW)).await.unwrap();
        assert!(matches!(enrolled, Enrolled::New(_)));
        let same_prefix = self::token(owner, 2);
        let added = store.add_enrolment_token(same_prefix, 9, by(NOW)).await.unwrap();
        assert_eq!(added, AddedToken::PrefixTaken);
        let waiting = stored_token(&rig, owner, 3).await;
        let added = store.add_enrolment_token(self::token(owner, 4), 1, by(NOW)).await.unwrap();
        assert_eq!(added, AddedToken::TooMany, "one waits");
        assert!(!store.delete_enrolment_token(Id::random(), waiting.id, by(NOW)).await.unwrap());
        assert!(store.delete_enrolment_token(owner, waiting.id, by(NOW)).await.unwrap());
        assert_eq!(store.enrolment_token_of_prefix(&waiting.prefix).await.unwrap(), None);
    }

    async fn one_of_those_who_come_at_once_gets_in(rig) {
        let owner = provider(&rig, 1).await;
        let token = stored_token(&rig, owner, 1).await;
        let (store, other) = (Arc::new(rig.store.clone()), Arc::new(rig.reopen().await));
        let enrols: Vec<_> = (1..=8)
            .map(|n| {
                let store = if n % 2 == 0 { Arc::clone(&store) } else { Arc::clone(&other) };
                let new = agent(owner, n);
                tokio::spawn(async move { store.enrol(token.id, new, 99, by(NOW)).await.unwrap() })
            })
            .collect();
        let mut new = 0;
        for enrol in enrols {
            match enrol.await.unwrap() {
                Enrolled::New(_) => new += 1,
                other => assert_eq!(other, Enrolled::NoToken),
            }
        }
        assert_eq!(new, 1);
        assert_eq!(rig.count("SELECT count(*) AS n FROM agents").await, 1);
    }

    async fn agents_are_listed_until_they_are_removed(rig) {
        let store = &rig.store;
        let (owner, other) = (provider(&rig, 1).await, provider(&rig, 2).await);
        let mut agents = Vec::new();
        for n in 1..=3 {
            agents.push(enrolled(&rig, owner, n).await);
        }
        enrolled(&rig, other, 4).await;
        let page = |after| store.agents(owner, PageOf { after, limit: 2 });
        let first = page(None).await.unwrap();
        assert_eq!(first, [agents[2].clone(), agents[1].clone()]);
        let last = first.last().map(|agent| (agent.enrolled_at, agent.id));
        assert_eq!(page(last).await.unwrap(), [agents[0].clone()]);
        assert!(!store.remove_agent(other, agents[2].id, by(NOW)).await.unwrap());
        assert!(store.remove_agent(owner, agents[2].id, by(NOW)).await.unwrap());
        assert!(!store.remove_agent(owner, agents[2].id, by(NOW)).await.unwrap());
        assert_eq!(page(None).await.unwrap(), [agents[1].clone(), agents[0].clone()]);
        let removed = store.agent(agents[2].id).await.unwrap().unwrap();
        assert_eq!(removed.removed_at, Some(NOW));
    }

    async fn who_was_heard_of_lately(rig) {
        let store = &rig.store;
        let owner = provider(&rig, 1).await;
        let (one, two) = (enrolled(&rig, owner, 1).await, enrolled(&rig, owner, 2).await);
        let at = UnixTime::from_secs;
        store.agent_seen(one.id, said("{1}"), at(100)).await.unwrap();
        store.agent_seen(two.id, said("{2}"), at(200)).await.unwrap();
        store.agent_seen(two.id, said("{old}"), at(150)).await.unwrap();
        let seen = async |since| {
            let wanted = Wanted {
                now: NOW,
                since: at(since),
                workload: workload(),
                size: None,
                currency: ::jobs::Currency::parse("EUR").unwrap(),
            };
            let agents = store.available(wanted).await.unwrap();
            let mut words: Vec<_> = agents.into_iter().filter_map(|a| a.declared).collect();
            words.sort();
            words
        };
        assert_eq!(seen(100).await, ["{1}", "{2}"]);
        assert_eq!(seen(101).await, ["{2}"]);
        store.remove_agent(owner, two.id, by(NOW)).await.unwrap();
        store.agent_seen(two.id, said("{late}"), at(300)).await.unwrap();
        assert_eq!(seen(0).await, ["{1}"]);
    }

    async fn a_device_stays_with_its_provider_for_a_time(rig) {
        let store = &rig.store;
        let (owner, other) = (provider(&rig, 1).await, provider(&rig, 2).await);
        let (of_owner, of_other) = (enrolled(&rig, owner, 1).await, enrolled(&rig, other, 2).await);
        let claim = async |agent: &Agent, at| {
            let seen = SeenDevice {
                ueid_sha256: [7; 32],
                owner: agent.owner,
                agent: agent.id,
                at: UnixTime::from_secs(at),
                held_since: UnixTime::from_secs(at - 100),
            };
            store.claim_device(seen).await.unwrap()
        };
        let of = |owner, since| Claimed { owner, since: UnixTime::from_secs(since) };
        assert_eq!(claim(&of_owner, 1000).await, of(owner, 1000));
        assert_eq!(claim(&of_other, 1001).await, of(owner, 1000));
        assert_eq!(claim(&of_owner, 1050).await, of(owner, 1000));
        assert_eq!(claim(&of_other, 1150).await, of(owner, 1000));
        assert_eq!(claim(&of_other, 1151).await, of(other, 1151));
        assert_eq!(claim(&of_owner, 1152).await, of(other, 1151));
        // Whoever comes back after that time is known anew.
        assert_eq!(claim(&of_other, 1252).await, of(other, 1252));
    }

    async fn one_of_two_providers_gets_a_device(rig) {
        let (owner, other) = (provider(&rig, 1).await, provider(&rig, 2).await);
        let (of_owner, of_other) = (enrolled(&rig, owner, 1).await, enrolled(&rig, other, 2).await);
        let second = rig.reopen().await;
        let seen = |agent: &Agent| SeenDevice {
            ueid_sha256: [7; 32],
            owner: agent.owner,
            agent: agent.id,
            at: NOW,
            held_since: UnixTime::from_secs(0),
        };
        let claims = [rig.store.claim_device(seen(&of_owner)), second.claim_device(seen(&of_other))];
        let [one, two] = claims;
        let (one, two) = tokio::join!(one, two);
        let claims = (one.unwrap(), two.unwrap());
        let of = |owner| Claimed { owner, since: NOW };
        let right = [(of(owner), of(owner)), (of(other), of(other))];
        assert!(right.contains(&claims), "{claims:?}");
    }
}
