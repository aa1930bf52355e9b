//! Open jobs: how many a tenant may have, and which of those that lack agents come first.

use std::collections::BTreeSet;

use ::jobs::{Action, JobId};

use super::life::{ESCROW, job_id, party, request, request_of, terms};
use super::*;
use crate::store::jobs::{CreatedJob, JobRequest, JobStore, Lacking};

const MOST: u32 = 5;

fn bounded(name: &'static str) -> JobRequest {
    JobRequest {
        most_open: MOST,
        ..request(name)
    }
}

async fn make(rig: &Rig, tenant: &'static str, names: &[&'static str]) {
    for name in names {
        let made = rig
            .store
            .create_job(request_of(tenant, name, terms()))
            .await;
        assert!(matches!(made.unwrap(), CreatedJob::New(..)));
    }
}

/// Of all tenants, in the order of their names.
async fn take(store: &SqlStore, search: i64, limit: u32) -> Vec<Lacking> {
    let tenants = store.tenants_lacking(search).await.unwrap();
    let taken = store.take_lacking(search, &tenants, limit).await;
    taken.unwrap()
}

fn names(taken: &[Lacking]) -> Vec<&str> {
    taken.iter().map(|lacking| lacking.job.as_str()).collect()
}

on_both! {
    async fn a_tenant_has_no_more_open_jobs_than_it_may_however_many_are_made_at_once(rig) {
        rig.with_market().await;
        rig.fund("tenant", 100 * ESCROW).await;
        let stores = [rig.store.clone(), rig.reopen().await];
        let made = (0..12).map(|n| {
            let (store, name) = (stores[n % 2].clone(), &*format!("j{n}").leak());
            tokio::spawn(async move { (name, store.create_job(bounded(name)).await.unwrap()) })
        });
        let (mut new, mut refused) = (Vec::new(), Vec::new());
        for made in made.collect::<Vec<_>>() {
            match made.await.unwrap() {
                (name, CreatedJob::New(..)) => new.push(name),
                (name, CreatedJob::TooManyOpen) => refused.push(name),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((new.len(), refused.len()), (5, 7));
        assert_eq!(rig.count("SELECT count(*) AS n FROM jobs").await, 5);
        // What was taken is answered as before; what was not is no job under its key.
        let store = &rig.store;
        let again = store.create_job(bounded(new[0])).await.unwrap();
        assert!(matches!(&again, CreatedJob::Before(job) if *job.id() == job_id(new[0])), "{again:?}");
        assert!(matches!(store.create_job(bounded(refused[0])).await.unwrap(), CreatedJob::TooManyOpen));
        // Another tenant has as many of its own.
        rig.add_tenant("other").await;
        let other = JobRequest { most_open: MOST, ..request_of("other", "o", terms()) };
        assert!(matches!(store.create_job(other).await.unwrap(), CreatedJob::New(..)));
        // One that ends makes room for one.
        store.act(&job_id(new[0]), NOW, |_| Action::Cancel).await.unwrap();
        assert!(matches!(store.create_job(bounded(refused[0])).await.unwrap(), CreatedJob::New(..)));
        assert!(matches!(store.create_job(bounded(refused[1])).await.unwrap(), CreatedJob::TooManyOpen));
    }

    async fn jobs_whose_results_are_accepted_are_not_open(rig) {
        rig.with_market().await;
        rig.fund("tenant", 100 * ESCROW).await;
        let store = &rig.store;
        let one = |name| JobRequest { most_open: 1, ..request(name) };
        for number in 0..10 {
            life::step(store, number).await.unwrap();
            let more = store.create_job(one("more")).await.unwrap();
            let is_taken = matches!(more, CreatedJob::New(..));
            assert_eq!(is_taken, number == 9, "step {number}: {more:?}");
        }
    }

    async fn tenants_come_in_turn(rig) {
        rig.with_market().await;
        let store = &rig.store;
        assert_eq!(store.latest_search().await.unwrap(), None);
        for name in ["aa", "bb", "cc"] {
            rig.add_tenant(name).await;
        }
        make(&rig, "aa", &["a1", "a2", "a3"]).await;
        make(&rig, "bb", &["b1"]).await;
        make(&rig, "cc", &["c1", "c2"]).await;
        assert_eq!(store.latest_search().await.unwrap(), Some(0));
        let taken = take(store, 1, 4).await;
        assert_eq!(names(&taken), ["a1", "b1", "c1", "a2"], "the first of each before the second of any");
        assert_eq!(store.latest_search().await.unwrap(), Some(1));
        assert_eq!(store.tenants_lacking(1).await.unwrap(), [party("aa"), party("cc")]);
        let in_turn = [party("cc"), party("bb"), party("aa")];
        let taken = store.take_lacking(1, &in_turn, 4).await.unwrap();
        assert_eq!(names(&taken), ["c2", "a3"], "in the order that is asked for");
        assert_eq!(take(store, 1, 4).await, []);
        // What nobody had room for comes first.
        store.hand_back(1, &[job_id("a3"), job_id("c1")]).await.unwrap();
        store.hand_back(7, &[job_id("a1")]).await.unwrap();
        assert_eq!(names(&take(store, 1, 4).await), ["a3", "c1"]);
        // Another search has all of them again, those that were looked after longest ago first.
        assert_eq!(take(store, 2, 1).await.len(), 1);
        assert_eq!(take(store, 2, 100).await.len(), 5);
        // What ends, or lacks nobody any more, is not among them.
        store.act(&job_id("b1"), NOW, |_| Action::Cancel).await.unwrap();
        store.act(&job_id("c1"), NOW, |_| life::dispatch()).await.unwrap();
        let taken = take(store, 3, 100).await;
        assert_eq!(names(&taken), ["a1", "c2", "a2", "a3"]);
    }

    async fn no_two_verifiers_are_handed_the_same_job_in_one_search(rig) {
        rig.with_market().await;
        make(&rig, "tenant", &["j"]).await;
        rig.crowd("j", 99).await;
        let stores = [rig.store.clone(), rig.reopen().await];
        let takers = (0..8).map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                // One that comes away empty may just have met others.
                for _ in 0..40 {
                    taken.extend(take(&store, 1, 3).await);
                }
                taken
            })
        });
        let mut all: Vec<JobId> = Vec::new();
        for taker in takers.collect::<Vec<_>>() {
            all.extend(taker.await.unwrap().into_iter().map(|lacking| lacking.job));
        }
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    }
}
