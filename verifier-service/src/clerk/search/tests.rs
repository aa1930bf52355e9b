//! Rounds, one by one, with thousands of jobs that wait.

use std::sync::Arc;

use jobs::Job;
use serde_json::json;

use super::super::act::Deed;
use super::super::{Clerk, fixture};
use super::*;
use crate::agents::Declared;
use crate::clock::ManualClock;
use crate::fixture::MadeToOrder;
use crate::store::agents::{AgentStore, Said};
use crate::store::jobs::CreatedJob;
use crate::store::parties::PartyStore;
use crate::store::tests::life::{ESCROW, agent, id, job_id, party, request_of, terms_for};
use crate::store::tests::{Rig, by, on_both};

const NOW: UnixTime = UnixTime::from_secs(1_000);
/// More than any verifier lets one tenant have.
const CROWD: usize = 10_000;
/// Of each of the two agents.
const CAPACITY: u32 = 8;

async fn clerk(rig: &Rig) -> Clerk {
    fixture::clerk(rig, Arc::new(ManualClock::new(NOW)), MadeToOrder::default()).await
}

/// An agent says that it is there, with a software device.
async fn is_present(rig: &Rig, name: &str, capacity: u32) {
    is_present_with(rig, name, capacity, &["HOPPER"]).await;
}

async fn is_present_with(rig: &Rig, name: &str, capacity: u32, architectures: &[&str]) {
    let devices = architectures.iter().map(|architecture| {
        json!({ "architecture": architecture, "assurance": "A0", "simulated": true })
    });
    let devices: Vec<_> = devices.collect();
    let report = json!({ "devices": devices, "executors": [], "capacity": capacity }).to_string();
    let shape = Declared::from_json(&report).shape();
    let said = Said {
        capacity,
        shape,
        report,
    };
    rig.store.agent_seen(id(name), said, NOW).await.unwrap();
}

async fn make(rig: &Rig, tenant: &'static str, name: &'static str, on: &str, replicas: u32) {
    let request = request_of(tenant, name, terms_for(replicas, &[on]));
    let made = rig.store.create_job(request).await.unwrap();
    assert!(matches!(made, CreatedJob::New(..)), "{made:?}");
}

async fn job(rig: &Rig, name: &str) -> Job {
    rig.store.job(&job_id(name)).await.unwrap().unwrap()
}

/// Two tenants; the first one has thousands of jobs that no agent fits.
async fn with_crowd(rig: &Rig, on: &str, replicas: u32) {
    rig.with_market().await;
    rig.add_tenant("other").await;
    rig.fund("tenant", 10 * ESCROW).await;
    make(rig, "tenant", "j", on, replicas).await;
    rig.crowd("j", CROWD).await;
}

on_both! {
    async fn thousands_of_jobs_that_nobody_fits_delay_nobody(rig) {
        with_crowd(&rig, "BLACKWELL", 1).await;
        is_present(&rig, "a1", CAPACITY).await;
        is_present(&rig, "a2", CAPACITY).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::InVain);
        make(&rig, "other", "mine", "HOPPER", 2).await;
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Offered, "in the very next round");
        assert_eq!(job(&rig, "mine").await.assignments().len(), 2);
        // Nor do they stand before what has a deadline: an offer that runs out.
        let late = UnixTime::from_secs(NOW.secs() + 31);
        let due = rig.store.take_due(late, late, 32).await;
        assert_eq!(due, [job_id("mine")]);
    }

    async fn where_places_are_few_each_goes_to_the_tenant_whose_turn_it_is(rig) {
        with_crowd(&rig, "HOPPER", 1).await;
        make(&rig, "other", "mine", "HOPPER", 1).await;
        is_present(&rig, "a1", 1).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        for _ in 0..2 {
            assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Offered);
            assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over, "there is no other place");
            let [held] = rig.store.unfinished(&agent("a1")).await.unwrap().try_into().unwrap();
            clerk.act(&held.job, Deed::release(&held.id, &agent("a1"))).await.unwrap();
        }
        assert_eq!(job(&rig, "mine").await.assignments().len(), 1, "one of two places");
    }

    async fn idle_agents_that_fit_nobody_take_nobodys_turn(rig) {
        rig.with_market().await;
        rig.add_agent(3, "a3", "p2").await;
        rig.add_tenant("other").await;
        for (tenant, name, more) in [("tenant", "j", 9), ("other", "mine", 14)] {
            make(&rig, tenant, name, "HOPPER", 1).await;
            rig.crowd(name, more).await;
        }
        is_present(&rig, "a1", 1).await;
        is_present_with(&rig, "a2", CAPACITY, &[]).await;
        is_present_with(&rig, "a3", CAPACITY, &["BLACKWELL"]).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        let mut given = Vec::new();
        for _ in 0..8 {
            while clerk.round(&mut search).await.unwrap() != Round::Over {}
            let [held] = rig.store.unfinished(&agent("a1")).await.unwrap().try_into().unwrap();
            given.push(job(&rig, held.job.as_str()).await.tenant().clone());
            // The place comes free.
            clerk.act(&held.job, Deed::release(&held.id, &agent("a1"))).await.unwrap();
        }
        assert!(given.windows(2).all(|two| two[0] != two[1]), "{given:?}");
    }

    async fn a_job_behind_thousands_that_nobody_fits_is_found_in_a_few_rounds(rig) {
        rig.with_market().await;
        make(&rig, "tenant", "j", "BLACKWELL", 1).await;
        make(&rig, "tenant", "last", "HOPPER", 1).await;
        rig.crowd("j", CROWD).await;
        is_present(&rig, "a1", CAPACITY).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        let mut rounds = 1;
        while clerk.round(&mut search).await.unwrap() == Round::InVain {
            rounds += 1;
        }
        assert_eq!(job(&rig, "last").await.assignments().len(), 1);
        // 8, 16, 32, 64, 128, then as many as a round takes.
        assert_eq!(rounds, 5 + (CROWD + 2 - 248).div_ceil(MOST_IN_VAIN as usize));
    }

    async fn what_another_verifier_left_in_the_midst_of_a_search_is_looked_at(rig) {
        rig.with_market().await;
        make(&rig, "tenant", "before", "BLACKWELL", 1).await;
        is_present(&rig, "a1", CAPACITY).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::InVain);
        make(&rig, "tenant", "left", "HOPPER", 1).await;
        let latest = search.number + 2;
        assert_eq!(rig.store.take_lacking(latest, &[party("tenant")], 9).await.unwrap().len(), 2);
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over, "it is at work");
        let long_ago = Instant::now().checked_sub(HOLD).unwrap();
        search.latest = Some((latest, long_ago));
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Offered);
        assert_eq!(job(&rig, "left").await.assignments().len(), 1);
        // Nobody makes sure of that in turn, or verifiers would go on for ever.
        assert_eq!(search.number, latest + 1);
        let mut other = Search { begun: Some(Instant::now()), ..Search::new() };
        other.latest = Some((search.number, long_ago));
        other.heed(&[], false, search.number);
        assert_eq!(other.number, 0);
        other.latest = Some((latest, long_ago));
        other.heed(&[], false, latest);
        assert_eq!(other.number, latest + 1);
    }

    async fn whoever_is_admitted_again_elsewhere_is_seen_at_the_next_look(rig) {
        rig.with_market().await;
        make(&rig, "tenant", "j", "HOPPER", 1).await;
        is_present(&rig, "a1", CAPACITY).await;
        let bar = async |is_barred| rig.store.set_barred(id("p1"), is_barred, by(NOW)).await.unwrap();
        bar(true).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over, "nobody has room");
        bar(false).await;
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Offered);
    }

    async fn while_nothing_happens_no_job_is_looked_at(rig) {
        rig.with_market().await;
        make(&rig, "tenant", "j", "BLACKWELL", 1).await;
        rig.crowd("j", 99).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over, "nobody is there");
        is_present(&rig, "a1", CAPACITY).await;
        is_present(&rig, "a2", CAPACITY).await;
        let mut rounds = 0;
        while clerk.round(&mut search).await.unwrap() == Round::InVain {
            rounds += 1;
        }
        assert_eq!(rounds, 3, "each once: 16, 32 and the others");
        for _ in 0..3 {
            assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over);
        }
        // An agent says something else of itself, to another verifier.
        is_present(&rig, "a2", CAPACITY + 1).await;
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::InVain);
        while clerk.round(&mut search).await.unwrap() == Round::InVain {}
        // It came to be free here.
        clerk.agents_may_be_free();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::InVain);
    }

    async fn a_job_that_cannot_be_read_stands_in_nobodys_way(rig) {
        rig.with_market().await;
        make(&rig, "tenant", "broken", "HOPPER", 1).await;
        make(&rig, "tenant", "good", "HOPPER", 1).await;
        rig.run("UPDATE jobs SET body = '{}' WHERE id = 'broken'").await.unwrap();
        is_present(&rig, "a1", CAPACITY).await;
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Offered);
        assert_eq!(job(&rig, "good").await.assignments().len(), 1);
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over);
    }

    async fn a_stake_that_nobody_has_costs_no_question_for_each_job(rig) {
        rig.with_market().await;
        make(&rig, "tenant", "j", "HOPPER", 1).await;
        is_present(&rig, "a1", CAPACITY).await;
        rig.run("UPDATE accounts SET balance = 1 WHERE name LIKE 'party/%'").await.unwrap();
        let clerk = clerk(&rig).await;
        let mut search = Search::new();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::InVain);
        assert_eq!(job(&rig, "j").await.assignments().len(), 0);
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Over);
        // Money that came in elsewhere is seen at the next look.
        rig.run("UPDATE accounts SET balance = 5000 WHERE name LIKE 'party/%'").await.unwrap();
        assert_eq!(clerk.round(&mut search).await.unwrap(), Round::Offered);
    }
}
