//! The rules of a job's life, one by one: what is done, what is refused, what it costs.

#[path = "../kit/mod.rs"]
mod kit;

mod assign;
mod create;
mod devices;
mod dispute;
mod open;
mod window;

use evidence::work::wire::Conditions;
use evidence::work::{Base64Url, Hex};
use jobs::books::{Account, TransferKind};
use jobs::patience::{Miss, MissKind};
use jobs::terms::Assurance;
use jobs::{
    Action, AssignmentStatus, Blame, Candidate, Code, Context, DeclaredDevice, DisputeKind,
    EventKind, Holder, JUDGING_S, Job, JobStatus, LEASE_S, MOST_JUDGING_S, NewJob, OFFER_S, Outage,
    Record, Refuted, SeenDevice, Stake, Terms, Verdict,
};
use kit::*;
use serde_json::json;

const WRONG: Hex<32> = Hex([2; 32]);
const LEASE: i64 = LEASE_S as i64;
const OFFER: i64 = OFFER_S as i64;

fn refuted(code: &str, blame: Blame) -> Verdict {
    let code = Code::parse(code).unwrap();
    Verdict::Refuted(Refuted { code, blame })
}

fn status_of(world: &World, id: &jobs::AssignmentId) -> (AssignmentStatus, Option<String>, Stake) {
    let assignment = world.job.assignment(id).unwrap();
    let code = assignment.code().map(|code| code.as_str().to_owned());
    (assignment.status(), code, assignment.stake())
}

fn slashed(code: &str) -> (AssignmentStatus, Option<String>, Stake) {
    (
        AssignmentStatus::Refused,
        Some(code.to_owned()),
        Stake::Slashed,
    )
}

fn sent_away(code: &str) -> (AssignmentStatus, Option<String>, Stake) {
    (
        AssignmentStatus::Refused,
        Some(code.to_owned()),
        Stake::Returned,
    )
}

/// The books of a job that has ended: nothing in escrow, nothing at stake.
fn assert_closed(world: &World) {
    assert!(world.job.status().is_final());
    assert_eq!(world.balance(&Account::Escrow(world.job.id().clone())), 0);
    for id in world.ids() {
        assert_eq!(world.balance(&Account::Stake(id)), 0);
    }
    assert!(world.ledger.is_balanced());
}
