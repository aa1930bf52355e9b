//! Coming back, with thousands of jobs whose agents could not be heard.

use std::sync::Arc;

use super::super::act::Deed;
use super::super::fixture::{clerk, clerk_by};
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::fixture::MadeToOrder;
use crate::store::jobs::{Document, JobStore};
use crate::store::tests::life::{job_id, step};
use crate::store::tests::{Rig, on_both};

/// When jobs are made.
const BEGIN: UnixTime = UnixTime::from_secs(1_000);
/// What a job asks agents to open within.
const OPEN_S: i64 = 120;
/// When a verifier is there for the last time: ten seconds before openings are due.
const LAST: UnixTime = UnixTime::from_secs(BEGIN.secs() + OPEN_S - 10);
/// When one starts again.
const BACK: UnixTime = UnixTime::from_secs(LAST.secs() + 13);
const CROWD: usize = 3_000;
/// Writes that coming back may take, whatever there is.
const WRITES: u64 = 10;

/// The job `j`, whose agents are asked to open, and so many like it.
async fn asked_to_open(rig: &Rig, crowd: usize) {
    rig.with_market().await;
    for number in 0..6 {
        step(&rig.store, number).await.unwrap();
    }
    if crowd > 0 {
        rig.crowd("j", crowd).await;
    }
    rig.store.is_alive(LAST).await.unwrap();
}

/// A verifier at work ten seconds before openings of the job `j` are due, its clock, and the clock of its machine.
async fn at_work(rig: &Rig) -> (Clerk, Arc<ManualClock>, Arc<ManualClock>) {
    asked_to_open(rig, 0).await;
    let [clock, wall] = [(); 2].map(|()| Arc::new(ManualClock::new(LAST)));
    let on_clock = Arc::clone(&clock);
    let clerk = clerk_by(rig, on_clock, Arc::clone(&wall), MadeToOrder::default()).await;
    clerk.note_alive().await.unwrap();
    (clerk, clock, wall)
}

fn tick() -> Deed {
    Deed::new(jobs::Action::Tick)
}

/// What the agent of the `n`th assignment of the job `j` hands in.
async fn opening(clerk: &Clerk, n: usize) -> Deed {
    let job = clerk.store().job(&job_id("j")).await.unwrap().unwrap();
    let assignment = &job.assignments()[n];
    let document = Document::new(format!("opening {n}").into_bytes());
    Deed::open(assignment.id(), assignment.agent(), 0, document)
}

async fn is_nobody_late(clerk: &Clerk) {
    let job = clerk.store().job(&job_id("j")).await.unwrap().unwrap();
    assert_eq!(job.status(), jobs::JobStatus::Opening);
    assert_eq!(job.standing().count(), 2);
}

async fn back(rig: &Rig) -> (Clerk, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(BACK));
    let clerk = clerk(rig, Arc::clone(&clock), MadeToOrder::default()).await;
    (clerk, clock)
}

/// Attends to what is due until nothing is; `slow_s` seconds pass with each batch. How many jobs were.
async fn attend_to_all(clerk: &Clerk, clock: &ManualClock, slow_s: i64) -> usize {
    let mut attended = 0;
    loop {
        let now = clock.now();
        let due = clerk.store().take_due(now, later(now, HOLD_S), 200).await;
        if due.is_empty() {
            return attended;
        }
        clock.advance_s(slow_s);
        clerk.note_alive().await.unwrap();
        attended += due.len();
        for job in due {
            clerk.clone().attend(job).await;
        }
    }
}

on_both! {
    async fn nobody_is_late_however_many_jobs_there_are_and_however_long_they_take(rig) {
        asked_to_open(&rig, CROWD).await;
        let (clerk, clock) = back(&rig).await;
        // It costs the same as with one job: no job is looked at.
        let faults = rig.store.database().faults();
        faults.fail_after(WRITES);
        clerk.resume().await.unwrap();
        faults.none();
        let moved = format!("SELECT count(*) AS n FROM jobs WHERE due_at <> {}", BEGIN.secs() + OPEN_S);
        assert_eq!(rig.count(moved.leak()).await, 0);
        // From then on agents are heard, and have the ten seconds that they had: looking at all jobs takes nearly as
        // long.
        let jobs = CROWD + 1;
        let batches = i64::try_from(jobs.div_ceil(200)).unwrap();
        assert_eq!(attend_to_all(&clerk, &clock, 8 / batches).await, jobs);
        clock.set(later(BACK, 9));
        for one in ["j", "j-1", "j-3000"] {
            let job = clerk.store().job(&job_id(one)).await.unwrap().unwrap();
            assert_eq!(job.status(), jobs::JobStatus::Opening, "{one}");
            let due = job.due_at().unwrap();
            assert!(due >= later(BACK, 10) && due <= later(BACK, 13), "{due:?}");
            assert_eq!(job.standing().count(), 2);
        }
        assert_eq!(rig.count("SELECT count(*) AS n FROM jobs WHERE status <> 'opening'").await, 0);
        // Everything that was found due was given the time at which it is.
        let early = format!("SELECT count(*) AS n FROM jobs WHERE due_at < {}", later(BACK, 10).secs());
        assert_eq!(rig.count(early.leak()).await, 0);
        // Whoever does not open then is late: an outage is not for ever.
        clock.set(later(BACK, 13));
        clerk.note_alive().await.unwrap();
        clerk.clone().attend(job_id("j")).await;
        let job = clerk.store().job(&job_id("j")).await.unwrap().unwrap();
        assert_eq!(job.status(), jobs::JobStatus::Failed);
    }

    async fn of_two_that_come_back_at_once_one_finds_the_outage(rig) {
        asked_to_open(&rig, 0).await;
        let (one, clock) = back(&rig).await;
        let (other, _) = back(&rig).await;
        let (first, second) = tokio::join!(one.resume(), other.resume());
        first.unwrap();
        second.unwrap();
        assert_eq!(rig.count("SELECT count(*) AS n FROM outages").await, 1);
        // A third comes later, while they are there.
        clock.advance_s(5);
        one.note_alive().await.unwrap();
        clock.advance_s(9);
        let third = clerk(&rig, clock, MadeToOrder::default()).await;
        third.resume().await.unwrap();
        assert_eq!(rig.count("SELECT count(*) AS n FROM outages").await, 1);
    }

    async fn a_short_absence_is_none(rig) {
        asked_to_open(&rig, 0).await;
        let (clerk, clock) = back(&rig).await;
        clock.set(later(LAST, OUTAGE_S - 1));
        clerk.resume().await.unwrap();
        assert_eq!(rig.count("SELECT count(*) AS n FROM outages").await, 0);
    }

    async fn a_job_that_cannot_be_read_is_gone_past(rig) {
        asked_to_open(&rig, 3).await;
        rig.run("UPDATE jobs SET body = '{}' WHERE id = 'j-1'").await.unwrap();
        let (clerk, clock) = back(&rig).await;
        clerk.resume().await.unwrap();
        assert!(!clerk.was_away());
        assert_eq!(attend_to_all(&clerk, &clock, 0).await, 4);
        assert_eq!(clerk.meters().failures(), 1);
        for one in ["j", "j-2", "j-3"] {
            let job = clerk.store().job(&job_id(one)).await.unwrap().unwrap();
            assert!(job.due_at().unwrap() >= later(BACK, 10), "{one}");
        }
        // It comes up again, and again stands in nobody's way. The copies have no stakes of their own that could be
        // slashed.
        rig.run("DELETE FROM jobs WHERE id IN ('j-2', 'j-3')").await.unwrap();
        clock.advance_s(HOLD_S);
        rig.store.is_alive(clock.now()).await.unwrap();
        attend_to_all(&clerk, &clock, 0).await;
        assert_eq!(clerk.meters().failures(), 2);
        let job = clerk.store().job(&job_id("j")).await.unwrap().unwrap();
        assert!(job.status().is_final());
    }

    async fn whoever_was_suspended_finds_nobody_late(rig) {
        let (clerk, clock, wall) = at_work(&rig).await;
        // The clock that nobody sets stands still meanwhile.
        clock.advance_s(60);
        wall.advance_s(60);
        let late = opening(&clerk, 0).await;
        for deed in [tick(), late.clone()] {
            let refused = clerk.act(&job_id("j"), deed).await.unwrap_err();
            assert!(matches!(refused, ClerkError::Away), "{refused}");
        }
        clerk.clone().attend(job_id("j")).await;
        is_nobody_late(&clerk).await;
        clerk.note_alive().await.unwrap();
        assert_eq!(rig.count("SELECT count(*) AS n FROM outages").await, 1);
        clerk.act(&job_id("j"), tick()).await.unwrap();
        is_nobody_late(&clerk).await;
        clerk.act(&job_id("j"), late).await.unwrap();
    }

    async fn whoever_leaves_takes_what_is_handed_in_and_lets_no_time_pass(rig) {
        let (clerk, clock, _) = at_work(&rig).await;
        let [in_time, late] = [opening(&clerk, 0).await, opening(&clerk, 1).await];
        clerk.leave();
        clock.advance_s(5);
        clerk.note_alive().await.unwrap();
        clerk.act(&job_id("j"), in_time).await.unwrap();
        clock.advance_s(5);
        for deed in [tick(), late.clone()] {
            let refused = clerk.act(&job_id("j"), deed).await.unwrap_err();
            assert!(matches!(refused, ClerkError::Away), "{refused}");
        }
        clerk.clone().attend(job_id("j")).await;
        assert_eq!(clerk.meters().failures(), 0, "a job that waits for the next verifier did not fail");
        // Nothing was noted since it was told to leave.
        let last = rig.count("SELECT at AS n FROM alive").await;
        assert_eq!(last, LAST.secs());
        let (next, clock) = back(&rig).await;
        next.resume().await.unwrap();
        clock.advance_s(10);
        next.note_alive().await.unwrap();
        next.act(&job_id("j"), tick()).await.unwrap();
        next.act(&job_id("j"), late).await.unwrap();
    }
}
