//! When nobody could reach any verifier, and what jobs make of it.

use ::jobs::{Action, Outage};

use super::life::{job_id, step};
use super::*;
use crate::store::clerk::{ClerkStore, Return};
use crate::store::jobs::JobStore;

const YEAR_S: i64 = 366 * 24 * 60 * 60;

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

fn back(now: i64, so_far: Option<Outage>) -> Return {
    Return {
        now: at(now),
        until: at(now + 2),
        least_s: 10,
        so_far,
    }
}

const OUTAGES: &str = "SELECT count(*) AS n FROM outages";

on_both! {
    async fn an_outage_is_from_the_last_sign_of_life_until_agents_can_be_heard(rig) {
        let store = &rig.store;
        // Never there before: there was nobody to be missed.
        assert_eq!(store.come_back(back(2000, None)).await.unwrap(), None);
        assert_eq!(store.come_back(back(2009, None)).await.unwrap(), None);
        let outage = |until| Some(Outage { from: at(2009), until: at(until) });
        assert_eq!(store.come_back(back(2019, None)).await.unwrap(), outage(2021));
        // Writing that down took long.
        assert_eq!(store.come_back(back(2024, outage(2021))).await.unwrap(), outage(2026));
        assert_eq!(rig.count(OUTAGES).await, 1);
        assert_eq!(store.come_back(back(2030, None)).await.unwrap(), None);
        assert_eq!(rig.count(OUTAGES).await, 1);
    }

    async fn a_job_is_excused_wherever_it_is_loaded_and_once(rig) {
        rig.with_market().await;
        let store = &rig.store;
        for number in 0..6 {
            step(store, number).await.unwrap();
        }
        let id = job_id("j");
        let due = NOW.secs() + 120;
        let loaded = async || store.job(&id).await.unwrap().unwrap();
        assert_eq!(loaded().await.due_at(), Some(at(due)));
        store.is_alive(at(NOW.secs() + 100)).await.unwrap();
        store.come_back(back(NOW.secs() + 200, None)).await.unwrap();
        assert_eq!(loaded().await.due_at(), Some(at(due + 102)));
        // Nothing is written until it is changed, or looked at; then it is, also where nothing else happens.
        let first = rig.fetch("SELECT body FROM jobs").await[0].text("body").unwrap();
        let (job, _) = store.act(&id, at(due + 101), |_| Action::Tick).await.unwrap();
        assert_eq!(job.due_at(), Some(at(due + 102)));
        assert_eq!(job, loaded().await);
        let second = rig.fetch("SELECT body FROM jobs").await[0].text("body").unwrap();
        assert_ne!(first, second);
        assert_eq!(rig.count("SELECT due_at AS n FROM jobs").await, due + 102);
        assert_eq!(loaded().await.due_at(), Some(at(due + 102)));
        // What has ended is as it was.
        store.act(&id, at(due + 102), |_| Action::Tick).await.unwrap();
        let before = loaded().await;
        assert!(before.status().is_final());
        store.come_back(back(due + 500, None)).await.unwrap();
        assert_eq!(loaded().await, before);
    }

    async fn outages_are_forgotten_when_no_job_can_need_them_and_are_never_many(rig) {
        let store = &rig.store;
        store.is_alive(at(1000)).await.unwrap();
        for n in 1..=1030 {
            assert!(store.come_back(back(1000 + 100 * n, None)).await.unwrap().is_some());
        }
        assert_eq!(rig.count(OUTAGES).await, 1024);
        // The oldest are one, so that everybody late in them is still excused.
        let first = &rig.fetch("SELECT since, until FROM outages ORDER BY since").await[0];
        assert_eq!((first.int("since").unwrap(), first.int("until").unwrap()), (1000, 1702));
        store.is_alive(at(YEAR_S + 103_000)).await.unwrap();
        store.come_back(back(YEAR_S + 104_010, None)).await.unwrap();
        assert_eq!(rig.count(OUTAGES).await, 1);
    }
}
