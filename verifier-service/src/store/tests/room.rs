//! Offers, and whether their agents have room.

use std::collections::BTreeMap;

use ::jobs::books::Transfer;
use ::jobs::{Action, Context};

use super::life::{ESCROW, agent, dispatch, id, job_id, money, party, step};
use super::*;
use crate::store::agents::AgentStore;
use crate::store::books::BookStore;
use crate::store::clerk::ClerkStore;
use crate::store::jobs::{Act, Acted, Change, CreatedJob, JobStore};

/// Offers the replicas of a job to the agents `a1` and `a2`.
async fn offer(store: &SqlStore, job: &str) -> Acted {
    let act: Act = Box::new(|job, _| {
        let effects = job.apply(dispatch(), &Context::new(NOW, random_seed()))?;
        Ok(Change::new(effects, job.due_at()))
    });
    store.with_job(&job_id(job), None, act).await.unwrap()
}

fn random_seed() -> [u8; 32] {
    crate::random::bytes()
}

/// Jobs by these names, and the money for them.
async fn with_jobs(rig: &Rig, count: usize) -> Vec<&'static str> {
    let store = rig.with_market().await;
    let deposit = Transfer::deposit(
        &party("market"),
        &party("tenant"),
        money(100 * ESCROW),
        "more",
        NOW,
    );
    store.book(deposit, by(NOW)).await.unwrap();
    let names: Vec<&'static str> = (0..count).map(|n| &*format!("j{n}").leak()).collect();
    for name in &names {
        assert!(matches!(
            store.create(name).await.unwrap(),
            CreatedJob::New(..)
        ));
    }
    names
}

on_both! {
    async fn jobs_that_are_offered_at_once_do_not_overfill_an_agent(rig) {
        let jobs = with_jobs(&rig, 12).await;
        rig.has_capacity("a2", 3).await;
        let stores = [rig.store.clone(), rig.reopen().await];
        let at_once = jobs.into_iter().enumerate().map(|(n, job)| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move { offer(&store, job).await })
        });
        let mut full = BTreeMap::new();
        let mut done = 0;
        for acted in at_once.collect::<Vec<_>>() {
            match acted.await.unwrap() {
                Acted::Done(job, _) => {
                    assert_eq!(job.assignments().len(), 2);
                    done += 1;
                }
                Acted::NoRoom(agent) => *full.entry(agent).or_insert(0) += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((done, full), (3, BTreeMap::from([(agent("a2"), 9)])));
        // Of those that found no room nothing is written, to neither agent.
        for name in ["a1", "a2"] {
            assert_eq!(rig.store.unfinished(&agent(name)).await.unwrap().len(), 3, "{name}");
        }
        assert_eq!(rig.count("SELECT count(*) AS n FROM assignments").await, 6);
        rig.has_capacity("a2", 4).await;
        assert!(matches!(offer(&rig.store, "j0").await, Acted::Done(..)));
    }

    async fn a_removed_agent_is_offered_nothing_and_what_it_holds_is_found(rig) {
        let jobs = with_jobs(&rig, 2).await;
        let store = &rig.store;
        let Acted::Done(job, _) = offer(store, jobs[0]).await else { panic!("no offer") };
        assert_eq!(store.removed_at_work(9).await.unwrap(), []);
        assert!(store.remove_agent(id("p1"), id("a1"), by(NOW)).await.unwrap());
        assert_eq!(store.removed_at_work(9).await.unwrap(), [agent("a1")]);
        assert_eq!(store.removed_at_work(0).await.unwrap(), []);
        let refused = offer(store, jobs[1]).await;
        assert!(matches!(&refused, Acted::NoRoom(gone) if *gone == agent("a1")), "{refused:?}");
        let [held] = store.unfinished(&agent("a1")).await.unwrap().try_into().unwrap();
        assert_eq!(held.job, *job.id());
        let by = agent("a1");
        let release = move |_| Action::Release { assignment: held.id.clone(), by: by.clone() };
        store.act(job.id(), NOW, release).await.unwrap();
        assert_eq!(store.removed_at_work(9).await.unwrap(), []);
    }

    async fn an_offer_and_a_removal_at_the_same_time_leave_nothing_unseen(rig) {
        let jobs = with_jobs(&rig, 8).await;
        let stores = [rig.store.clone(), rig.reopen().await];
        let offers = jobs.into_iter().enumerate().map(|(n, job)| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move { offer(&store, job).await })
        });
        let offers: Vec<_> = offers.collect();
        assert!(stores[1].remove_agent(id("p1"), id("a1"), by(NOW)).await.unwrap());
        let seen = rig.store.unfinished(&agent("a1")).await.unwrap().len();
        let mut done = 0;
        for acted in offers {
            done += usize::from(matches!(acted.await.unwrap(), Acted::Done(..)));
        }
        assert_eq!(seen, done, "offers that were written after the removal");
    }

    async fn an_agent_is_asked_about_what_waits_for_it_alone(rig) {
        let store = rig.with_market().await;
        let mut seen = Vec::new();
        for number in 0..10 {
            step(store, number).await.unwrap();
            let askable = store.askable(&agent("a1")).await.unwrap().len();
            seen.push((askable, store.unfinished(&agent("a1")).await.unwrap().len()));
        }
        // Created, offered; both accept, commit, open, are judged: whose turn it is, is drawn.
        assert_eq!(seen[..2], [(0, 0), (1, 1)]);
        assert_eq!(seen[3], (0, 1), "both work");
        assert_eq!(seen[5], (1, 0), "both are to open");
        assert_eq!(seen[9], (0, 0), "both are accepted");
    }
}
