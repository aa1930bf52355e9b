//! Jobs whose openings the verifier fails over.

use ::jobs::{AssignmentId, JUDGING_S, JobId, JobStatus, OFFER_S};

use super::devices::{FUNDS, Market, Provider, Taken, new_job};
use super::*;
use crate::fixture::{FAILS, OWN, PANICS, SLOW};
use crate::store::jobs::JobStore;

/// What a job asks agents to open within.
const OPEN_S: i64 = 120;

impl Market {
    /// What the verifier has of the openings of a job is not judged in time.
    fn let_judging_time_pass(&self) {
        self.served
            .rig
            .clock
            .advance_s(OPEN_S + i64::from(JUDGING_S) + 1);
    }

    async fn first_of(&self, job: &str) -> AssignmentId {
        let job = JobId::parse(job).unwrap();
        let job = self
            .served
            .rig
            .clerk
            .store()
            .job(&job)
            .await
            .unwrap()
            .unwrap();
        job.assignments().first().unwrap().id().clone()
    }
}

fn paired() -> Value {
    let mut job = new_job();
    job["spec"]["label"] = json!(OWN);
    job["terms"]["replicas"]["count"] = json!(2);
    job
}

/// Of two replicas the one that is listed first is one that the verifier fails over.
async fn the_other_is_judged(executor: &str) {
    // A dispute about two replicas could ask for as much.
    let market = Market::with(|config| {
        config.body_limit_bytes = 1024 * 1024;
        config.body_budget_bytes = 4 * 1024 * 1024;
    })
    .await;
    let providers: [Provider; 2] = [market.provider().await, market.provider().await];
    let mut machines = Vec::new();
    for provider in &providers {
        machines.push(market.agent(provider).await);
    }
    let job = market.job(paired()).await;
    let mut taken: Vec<Taken> = Vec::new();
    for machine in &machines {
        taken.push(market.take(machine).await);
    }
    let first = market.first_of(&job).await;
    let is_first = |taken: &Taken| taken.assignment == first.as_str();
    let mut openings = Vec::new();
    for (machine, taken) in machines.iter().zip(&taken) {
        let executor = if is_first(taken) { executor } else { "fixture" };
        openings.push(market.commit(machine, taken, executor).await);
    }
    // The one that fails is handed in first.
    let mut order = [0, 1];
    order.sort_by_key(|n| !is_first(&taken[*n]));
    for n in order {
        market.open(&machines[n], &taken[n], &openings[n]).await;
    }
    let [liar, honest] = order;
    let status = |n: usize| {
        let assignment = taken[n].assignment.clone();
        move |seen: &Value| {
            let all = seen["assignments"].as_array().unwrap();
            let it = all.iter().find(|it| it["id"] == json!(assignment));
            it.map_or(Value::Null, |it| it["status"].clone())
        }
    };
    // What failed, perhaps before the other came in, is tried again.
    market.served.rig.clock.advance_s(5);
    market
        .until(&job, |seen| status(honest)(seen) == "judged")
        .await;
    market.let_judging_time_pass();
    let seen = market
        .until(&job, |seen| seen["status"] == "accepted")
        .await;
    assert_eq!(status(honest)(&seen), "accepted", "{seen:#}");
    assert_eq!(status(liar)(&seen), "refused", "{seen:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judgement_that_fails_is_in_no_others_way() {
    the_other_is_judged(FAILS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judgement_that_panics_is_in_no_others_way() {
    the_other_is_judged(PANICS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_which_the_verifier_panics_ends_and_others_go_on() {
    let market = Market::new().await;
    let (one, other) = (market.provider().await, market.provider().await);
    let machine = market.agent(&one).await;
    let job = market.job(new_job()).await;
    let taken = market.take(&machine).await;
    let opening = market.commit(&machine, &taken, PANICS).await;
    market.open(&machine, &taken, &opening).await;
    let meters = market.served.rig.clerk.meters().clone();
    while meters.failures() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let next = market.agent(&other).await;
    let good = market.job(paired_with_one()).await;
    let taken = market.take(&next).await;
    let opening = market.commit(&next, &taken, "fixture").await;
    market.open(&next, &taken, &opening).await;
    market
        .until(&good, |seen| seen["status"] == "accepted")
        .await;
    // Nobody can judge it, and so it ends by time, and everybody has what is theirs.
    market.let_judging_time_pass();
    let seen = market.until(&job, |seen| seen["status"] == "failed").await;
    assert_eq!(seen["code"], "unverifiable", "{seen:#}");
    assert_eq!(market.available(&one).await, FUNDS);
}

/// It is tried again after a while, and not at once, over and over.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_yet_is_left_alone_for_a_while() {
    let market = Market::new().await;
    let machine = market.agent(&market.provider().await).await;
    let mut job = new_job();
    job["spec"]["label"] = json!("nobody can judge it");
    market.job(job).await;
    let taken = market.take(&machine).await;
    let opening = market.commit(&machine, &taken, "fixture").await;
    market.open(&machine, &taken, &opening).await;
    let judge = &market.served.rig.judge;
    while judge.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The clock stands still.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(judge.asked() <= 2, "{} times", judge.asked());
}

fn paired_with_one() -> Value {
    let mut job = paired();
    job["terms"]["replicas"]["count"] = json!(1);
    job
}

/// How many openings of one tenant are handed in at once: more than there are places.
const FLOOD: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_openings_delays_nobody_else_and_costs_nobody_anything() {
    let market = Market::new().await;
    let (one, other) = (market.provider().await, market.provider().await);
    let crowd = market.agent_with(&one, FLOOD).await;
    market.served.rig.judge.hold_up(true);
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        flood.push(market.job(paired_with_one()).await);
        let taken = market.take(&crowd).await;
        let opening = market.commit(&crowd, &taken, SLOW).await;
        market.open(&crowd, &taken, &opening).await;
    }
    while market.served.rig.judge.audits() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Those that wait were opened in time, and nobody came to try them.
    market.let_judging_time_pass();
    let market = market.with_another_tenant().await;
    let machine = market.agent_with(&other, 2).await;
    let job = market.job(paired_with_one()).await;
    let taken = market.take(&machine).await;
    let opening = market.commit(&machine, &taken, "fixture").await;
    market.open(&machine, &taken, &opening).await;
    // What has a deadline does not wait for them: an offer that nobody takes ends.
    let untaken = market.job(paired_with_one()).await;
    market.next(&machine, "offer").await;
    market.served.rig.clock.advance_s(i64::from(OFFER_S));
    let id = JobId::parse(&untaken).unwrap();
    let store = market.served.rig.clerk.store();
    while store.job(&id).await.unwrap().unwrap().assignments()[0]
        .ended_at()
        .is_none()
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = market.served.rig.judge.audits();
    market.served.rig.judge.hold_up(false);
    market
        .until(&job, |seen| seen["status"] == "accepted")
        .await;
    let judged_before = market.served.rig.judge.audits() - before;
    assert!(judged_before < 10, "{judged_before} were judged before it");
    for job in &flood {
        let id = JobId::parse(job).unwrap();
        loop {
            let status = store.job(&id).await.unwrap().unwrap().status();
            match status {
                JobStatus::Accepted => break,
                JobStatus::Opening => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other:?}"),
            }
        }
    }
}
