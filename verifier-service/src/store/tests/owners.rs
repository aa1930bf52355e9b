//! Owners: none crowds out another, who leaves others waiting is remembered, who is barred is offered nothing; and what
//! their agents did, by how much work it was.

use std::collections::BTreeSet;

use ::jobs::books::Transfer;
use ::jobs::patience::{FORGET_S, TOGETHER_S};
use ::jobs::{
    Action, AgentId, Context, Currency, Effects, RecordChange, Records, ResultKind, Size, Workload,
};

use super::life::{ESCROW, FUNDS, agent, dispatch, id, job_id, money, party};
use super::*;
use crate::store::agents::{AgentStore, Said};
use crate::store::audit::{AuditStore, Wanted as Entries};
use crate::store::books::BookStore;
use crate::store::clerk::{Available, ClerkStore, MOST_OF_OWNER, Wanted};
use crate::store::jobs::{Act, Acted, Change, CreatedJob, JobStore};
use crate::store::parties::PartyStore;
use crate::store::sql::values;

fn workload(kernel: &str) -> Workload {
    let spec = format!(r#"{{"profile":"pogw/1","checks":[],"kernel":"{kernel}","params":{{}}}}"#);
    Workload::of(&serde_json::from_str(&spec).unwrap())
}

impl Rig {
    async fn available_at(&self, now: UnixTime, size: Option<Size>) -> Vec<Available> {
        let wanted = Wanted {
            now,
            since: UnixTime::from_secs(0),
            workload: workload("gemm_i8"),
            size,
            currency: Currency::parse("EUR").unwrap(),
        };
        self.store.available(wanted).await.unwrap()
    }

    /// The agents of an owner that are looked at.
    async fn looked_at(&self, owner: &str) -> BTreeSet<AgentId> {
        let all = self.available_at(NOW, None).await.into_iter();
        let of = all.filter(|one| one.owner == party(owner));
        of.map(|one| one.agent).collect()
    }

    /// So many agents more of an owner, with these devices and this room.
    async fn agents_of(&self, owner: &str, from: u32, count: u32, (shape, capacity): (&str, u32)) {
        let mut tx = self.store.database().write().await.unwrap();
        for n in from..from + count {
            let mut key = [0xee; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            tx.execute(
                "INSERT INTO agents (id, owner, key, enrolled_at, seen_at, capacity, shape)
                 VALUES ($1, $2, $3, $4, $4, $5, $6)",
                values![Id::random(), id(owner), key, NOW, capacity, shape],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Offers the replicas of a new job to the agents `a1` and `a2`.
    async fn offered(&self, job: &'static str, now: UnixTime) -> Acted {
        let more = Transfer::deposit(&party("market"), &party("tenant"), money(ESCROW), job, NOW);
        self.store.book(more, by(NOW)).await.unwrap();
        let made = self.store.create(job).await.unwrap();
        assert!(matches!(made, CreatedJob::New(..)));
        self.acted(job, now, |_| dispatch()).await
    }

    async fn acted(
        &self,
        job: &str,
        now: UnixTime,
        action: impl Fn(&::jobs::Job) -> Action + Send + Sync + 'static,
    ) -> Acted {
        let act: Act = Box::new(move |job, _| {
            let effects = job.apply(action(job), &Context::new(now, [3; 32]))?;
            Ok(Change::new(effects, job.due_at()))
        });
        self.store.with_job(&job_id(job), None, act).await.unwrap()
    }

    async fn missed(&self, owner: &str, now: UnixTime) -> u32 {
        let all = self.available_at(now, None).await;
        let one = all.iter().find(|one| one.owner == party(owner));
        one.unwrap().missed
    }
}

on_both! {
    async fn no_owner_crowds_out_another_and_each_of_its_agents_comes_to_its_turn(rig) {
        rig.with_market().await;
        rig.agents_of("p1", 0, 2000, ("HOPPER x1", 1)).await;
        // Full ones hide no other.
        rig.agents_of("p1", 2000, 500, ("HOPPER x1", 0)).await;
        let most = usize::try_from(MOST_OF_OWNER).unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..10 {
            let looked_at = rig.looked_at("p1").await;
            assert_eq!(looked_at.len(), most);
            seen.extend(looked_at);
            assert_eq!(rig.looked_at("p2").await, [agent("a2")].into());
        }
        assert!(seen.len() > 2 * most, "{} agents in ten looks", seen.len());
    }

    async fn room_is_told_by_owner_and_shape_however_many_agents_one_has(rig) {
        rig.with_market().await;
        rig.agents_of("p1", 0, 10_000, ("HOPPER x1", 3)).await;
        rig.agents_of("p1", 10_000, 1, ("HOPPER x8", 5)).await;
        // Full ones are none.
        rig.agents_of("p1", 10_001, 9, ("HOPPER x8", 0)).await;
        // They were all heard of last.
        rig.run("UPDATE agents SET seen_at = seen_at - 1 WHERE shape = ''").await.unwrap();
        let with_room = async || rig.store.with_room(UnixTime::from_secs(0)).await.unwrap();
        let all = with_room().await;
        let of = |owner, shape: &str| {
            let mut found = all.iter().filter(|one| one.owner == party(owner) && one.shape == shape);
            let only = found.next().unwrap();
            assert_eq!(found.next(), None);
            (only.places, only.agent.as_str() == "any", only.funds)
        };
        assert_eq!(of("p1", "HOPPER x1"), (30_000, true, FUNDS));
        assert_eq!(of("p1", "HOPPER x8"), (5, false, FUNDS));
        let other = all.iter().find(|one| one.owner == party("p2")).unwrap();
        assert_eq!(other.agent, agent("a2"));
        // Nor does one with more shapes than anybody needs.
        for n in 0..100 {
            rig.agents_of("p1", 20_000 + n, 1, (&format!("many {n}"), 1)).await;
        }
        let all = with_room().await;
        let of_one = all.iter().filter(|one| one.owner == party("p1")).count();
        assert_eq!(of_one, usize::try_from(MOST_OF_OWNER).unwrap());
        assert!(all.iter().any(|one| one.owner == party("p2")));
        // Who is barred has no room for anything.
        rig.store.set_barred(id("p2"), true, by(NOW)).await.unwrap();
        let all = with_room().await;
        assert!(all.iter().all(|one| one.owner != party("p2")));
    }

    async fn agents_of_another_shape_are_among_those_of_an_owner(rig) {
        rig.with_market().await;
        rig.agents_of("p1", 0, 500, ("HOPPER x8", 1)).await;
        rig.agents_of("p1", 500, 3, ("BLACKWELL x8", 1)).await;
        let rare = rig.fetch("SELECT id FROM agents WHERE shape = 'BLACKWELL x8'").await;
        let rare: Vec<_> = rare.iter().map(|row| agent_id(&row.text("id").unwrap())).collect();
        for _ in 0..5 {
            let looked_at = rig.looked_at("p1").await;
            assert!(rare.iter().all(|agent| looked_at.contains(agent)));
        }
    }

    async fn a_barred_party_is_offered_nothing_until_it_is_admitted(rig) {
        let store = rig.with_market().await;
        assert!(matches!(rig.offered("one", NOW).await, Acted::Done(..)));
        let barred = async |is_barred| store.set_barred(id("p1"), is_barred, by(NOW)).await.unwrap();
        for _ in 0..2 {
            assert_eq!(barred(true).await.unwrap().barred_at, Some(NOW));
        }
        assert!(rig.looked_at("p1").await.is_empty());
        assert_eq!(rig.looked_at("p2").await.len(), 1);
        // Known under the lock of the agent, too: whoever looked before offers nothing afterwards.
        assert!(matches!(rig.offered("two", NOW).await, Acted::NoRoom(full) if full == agent("a1")));
        // What was offered before stays.
        assert_eq!(store.unfinished(&agent("a1")).await.unwrap().len(), 1);
        for _ in 0..2 {
            assert_eq!(barred(false).await.unwrap().barred_at, None);
        }
        assert_eq!(rig.looked_at("p1").await.len(), 1);
        assert!(matches!(rig.acted("two", NOW, |_| dispatch()).await, Acted::Done(..)));
        assert_eq!(store.set_barred(Id::random(), true, by(NOW)).await.unwrap(), None);
        let log = store.audit(Entries { limit: 200, ..Entries::default() }).await.unwrap();
        let words = log.iter().rev().map(|entry| entry.action.as_str());
        let words: Vec<_> = words.filter(|word| *word == "party.bar" || *word == "party.admit").collect();
        assert_eq!(words, ["party.bar", "party.admit"]);
    }

    async fn who_leaves_others_waiting_is_remembered_for_a_while(rig) {
        rig.with_market().await;
        assert_eq!(rig.missed("p1", NOW).await, 0);
        let later = |seconds: u32| UnixTime::from_secs(NOW.secs() + i64::from(seconds));
        rig.offered("one", NOW).await;
        rig.offered("two", NOW).await;
        let give_back = |job: &::jobs::Job| {
            let mine = job.assignments().iter().find(|one| *one.agent() == agent("a1")).unwrap();
            Action::Release { assignment: mine.id().clone(), by: agent("a1") }
        };
        for job in ["one", "two"] {
            assert!(matches!(rig.acted(job, NOW, give_back).await, Acted::Done(..)));
        }
        assert_eq!((rig.missed("p1", NOW).await, rig.missed("p2", NOW).await), (1, 0));
        let lapsed = later(::jobs::OFFER_S);
        for job in ["one", "two"] {
            rig.acted(job, lapsed, |_| Action::Tick).await;
        }
        assert_eq!((rig.missed("p1", lapsed).await, rig.missed("p2", lapsed).await), (1, 1));
        let again = later(::jobs::OFFER_S + TOGETHER_S);
        rig.offered("three", again).await;
        rig.acted("three", later(2 * ::jobs::OFFER_S + TOGETHER_S), |_| Action::Tick).await;
        assert_eq!(rig.missed("p2", again).await, 2);
        assert_eq!(rig.missed("p2", later(2 * FORGET_S)).await, 1);
        assert_eq!(rig.missed("p2", later(3 * FORGET_S)).await, 0);
    }

    async fn records_are_kept_by_the_size_of_the_work(rig) {
        let store = rig.with_market().await;
        store.create("j").await.unwrap();
        let (mut of_gemm, mut of_other) = (Records::default(), Records::default());
        let sizes = [0, 1, 4, 16, 17, 1 << 40];
        for n in 0..40_usize {
            let result = match n % 13 {
                12 => ResultKind::Bad,
                _ => ResultKind::Good(Size::of(sizes[n * 7 % sizes.len()])),
            };
            let kernel = ["gemm_i8", "gemm_i8", "nbody"][n % 3];
            match n % 3 {
                2 => of_other.note(result),
                _ => of_gemm.note(result),
            }
            let change = RecordChange { agent: agent("a1"), workload: workload(kernel), result };
            let act: Act = Box::new(move |job, _| {
                let effects = Effects { records: vec![change.clone()], ..Effects::default() };
                Ok(Change::new(effects, job.due_at()))
            });
            store.with_job(&job_id("j"), None, act).await.unwrap();
            for size in sizes.map(Size::of) {
                for (kernel, records) in [("gemm_i8", &of_gemm), ("nbody", &of_other)] {
                    let found = store.record(&agent("a1"), &workload(kernel), size).await.unwrap();
                    assert_eq!(found, records.towards(size), "{n} {kernel} {size:?}");
                }
                let available = rig.available_at(NOW, Some(size)).await;
                let mine = available.iter().find(|one| one.agent == agent("a1")).unwrap();
                assert_eq!(mine.record, of_gemm.towards(size));
            }
        }
    }

    async fn an_agent_says_what_it_has(rig) {
        let store = rig.with_market().await;
        let said = Said { capacity: 1, shape: "HOPPER x8".to_owned(), report: "{}".to_owned() };
        store.agent_seen(id("a1"), said, NOW).await.unwrap();
        assert_eq!(rig.count("SELECT count(*) AS n FROM agents WHERE shape = 'HOPPER x8'").await, 1);
    }
}

fn agent_id(text: &str) -> AgentId {
    AgentId::parse(text).unwrap()
}
