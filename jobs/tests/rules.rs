//! The rules of a job's life, one by one: what is done, what is refused, what it costs.

mod kit;

use evidence::work::{Base64Url, Hex};
use jobs::books::{Account, TransferKind};
use jobs::{
    Action, AssignmentStatus, Blame, Code, Context, DisputeKind, Job, JobStatus, LEASE_S, OFFER_S,
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

#[test]
fn an_honest_job_is_paid_once() {
    let mut world = World::accepted(2, KERNEL);
    assert_eq!(world.job.status(), JobStatus::Accepted);
    assert_eq!(world.receipts, world.ids());
    assert_eq!(world.spent.len(), 2);
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Settled);
    assert_closed(&world);
    for id in world.ids() {
        assert_eq!(world.gain(&world.owner_of(&id)), PRICE);
    }
    assert_eq!(world.gain(&tenant()), -2 * PRICE);
    assert_eq!(world.of_kind(TransferKind::Pay), 2);
    assert_eq!(world.of_kind(TransferKind::Refund), 0);
    assert!(world.records.values().all(|record| *record == Record(1)));
}

// Create

#[test]
fn a_job_nobody_can_pay_is_refused() {
    let mut new = new_job(terms(2), KERNEL);
    new.available = amount(2 * PRICE - 1);
    let refusal = Job::create(new, &Context::new(at(0), [0; 32])).unwrap_err();
    assert_eq!(refusal.code(), "funds_missing");
}

#[test]
fn the_digests_are_those_of_the_canonical_texts() {
    let world = World::new(terms(2), KERNEL);
    assert_eq!(world.job.digest(), spec().digest().unwrap());
    let text = evidence::work::canonical_json(&terms_json(2)).unwrap();
    assert_eq!(
        world.job.terms_sha256(),
        Hex(evidence::crypto::sha256(&text))
    );
}

// Dispatch

#[test]
fn replicas_go_to_distinct_owners_who_are_not_the_tenant() {
    let mut world = World::new(terms(3), KERNEL);
    let mut crowd = candidates(2);
    let mut second = candidate(7);
    second.owner = owner(0);
    let mut own = candidate(8);
    own.owner = tenant();
    crowd.extend([second, own, candidate(0)]);
    world.must(Action::Dispatch { candidates: crowd });
    let owners: std::collections::BTreeSet<_> =
        world.ids().iter().map(|id| world.owner_of(id)).collect();
    assert_eq!(owners, [owner(0), owner(1)].into());
    assert_eq!(world.ids().len(), 2);
}

#[test]
fn an_agent_that_had_the_job_does_not_get_it_again() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    world.now += OFFER;
    world.must(Action::Tick);
    world.dispatch(1);
    assert_eq!(world.ids().len(), 1);
    world.dispatch(2);
    assert_eq!(world.ids().len(), 2);
}

#[test]
fn devices_must_be_what_the_terms_ask() {
    let mut json = terms_json(1);
    json["devices"] = json!({"count": 2, "architectures": ["BLACKWELL"]});
    let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
    world.dispatch(4);
    assert_eq!(world.ids().len(), 0);
    let mut simulated = candidate(0);
    simulated.devices = vec![jobs::terms::DeviceTraits {
        simulated: true,
        ..hopper()
    }];
    let mut world = World::new(terms(1), KERNEL);
    world.must(Action::Dispatch {
        candidates: vec![simulated.clone()],
    });
    assert_eq!(world.ids().len(), 0);
    json["devices"] = json!({"simulated": true});
    let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
    world.must(Action::Dispatch {
        candidates: vec![simulated],
    });
    assert_eq!(world.ids().len(), 1);
}

#[test]
fn a_new_agent_is_never_alone_and_a_lone_one_is_replaced_by_its_own_record() {
    let mut json = terms_json(2);
    json["replicas"]["adaptive"] = json!(true);
    let adaptive = Terms::parse(&json).unwrap();
    let mut trusted = candidate(0);
    trusted.record = Record(1_000_000_000);
    let mut world = World::new(adaptive, KERNEL);
    world.must(Action::Dispatch {
        candidates: vec![trusted],
    });
    world.dispatch(6);
    assert_eq!(
        world.ids().len(),
        1,
        "one of many good results is alone but once in a billion"
    );
    world.must(Action::Release {
        assignment: world.ids()[0].clone(),
        by: agent(0),
    });
    world.dispatch(6);
    assert_eq!(
        world.ids().len(),
        3,
        "its replacement is new and needs company"
    );
}

#[test]
fn at_most_four_assignments_for_each_replica() {
    let mut world = World::new(terms(1), KERNEL);
    for n in 0..4 {
        world.dispatch(8);
        assert_eq!(world.ids().len(), n + 1);
        world.now += OFFER;
        world.must(Action::Tick);
    }
    assert_eq!(world.job.status(), JobStatus::Failed);
    assert_eq!(world.job.code(), Some(&Code::NO_COMMITMENT));
    assert_closed(&world);
    assert_eq!(world.gain(&tenant()), 0);
}

#[test]
fn a_job_nobody_takes_fails_at_the_last_moment_for_an_offer() {
    let mut world = World::new(terms(1), KERNEL);
    assert_eq!(world.job.due_at(), Some(at(86_400 - 600 - OFFER + 1)));
    world.now = 86_400 - 600 - OFFER;
    assert!(world.job.wants_agents(at(world.now)));
    world.must(Action::Tick);
    assert_eq!(world.job.status(), JobStatus::Open);
    world.now += 1;
    assert!(!world.job.wants_agents(at(world.now)));
    world.must(Action::Tick);
    assert_eq!(world.job.code(), Some(&Code::NO_COMMITMENT));
    assert_closed(&world);
}

// Accept, renew, release

#[test]
fn the_stake_is_put_down_with_the_acceptance() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    let id = world.ids()[0].clone();
    assert_eq!(world.gain(&owner(0)), 0);
    world.must(world.accept(&id));
    assert_eq!(world.gain(&owner(0)), -STAKE);
    assert_eq!(world.balance(&Account::Stake(id)), STAKE);
}

#[test]
fn acceptance_is_refused() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    let id = world.ids()[0].clone();
    let by = |by, available| Action::Accept {
        assignment: id.clone(),
        by,
        available: amount(available),
    };
    assert_eq!(world.refused(by(agent(1), FUNDS)), "assignment_unknown");
    assert_eq!(world.refused(by(agent(0), STAKE - 1)), "stake_missing");
    world.now = OFFER;
    assert_eq!(world.refused(by(agent(0), FUNDS)), "offer_over");
    world.must(Action::Tick);
    assert_eq!(world.refused(by(agent(0), FUNDS)), "offer_over");
    let nobody = jobs::AssignmentId::parse("none").unwrap();
    let action = Action::Accept {
        assignment: nobody,
        by: agent(0),
        available: amount(FUNDS),
    };
    assert_eq!(world.refused(action), "assignment_unknown");
}

#[test]
fn an_offer_that_runs_out_costs_nothing_and_a_lease_costs_the_record() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    world.tick_when_due();
    assert!(world.records.is_empty());
    world.dispatch(2);
    let id = world.ids()[1].clone();
    world.must(world.accept(&id));
    world.tick_when_due();
    assert_eq!(
        status_of(&world, &id),
        (AssignmentStatus::Expired, None, Stake::Returned)
    );
    assert_eq!(world.gain(&owner(1)), 0);
    assert_eq!(world.records.len(), 1);
}

#[test]
fn a_lease_is_renewed_up_to_the_commitment_deadline() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    let id = world.ids()[0].clone();
    let renew = Action::Renew {
        assignment: id.clone(),
        by: agent(0),
    };
    assert_eq!(world.refused(renew.clone()), "assignment_status");
    world.must(world.accept(&id));
    while world.now + LEASE - 1 < 600 {
        world.now += LEASE - 1;
        world.must(renew.clone());
    }
    assert_eq!(world.job.due_at(), Some(at(600)));
    world.now = 600;
    assert_eq!(world.refused(renew.clone()), "lease_over");
    world.must(Action::Tick);
    assert_eq!(world.refused(renew), "lease_over");
}

#[test]
fn what_is_released_goes_to_somebody_else() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    let release = |n: usize, id: &jobs::AssignmentId| Action::Release {
        assignment: id.clone(),
        by: agent(n),
    };
    let first = world.ids()[0].clone();
    world.must(release(0, &first));
    assert!(world.records.is_empty());
    world.dispatch(2);
    let second = world.ids()[1].clone();
    world.must(world.accept(&second));
    world.must(release(1, &second));
    assert_eq!(
        status_of(&world, &second),
        (AssignmentStatus::Released, None, Stake::Returned)
    );
    assert_eq!(world.records.len(), 1);
    world.dispatch(3);
    let third = world.ids()[2].clone();
    world.must(world.accept(&third));
    world.must(world.commit(&third));
    assert_eq!(world.refused(release(2, &third)), "assignment_status");
}

// Commit

#[test]
fn a_commitment_is_refused() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    let ids = world.ids();
    assert_eq!(world.refused(world.commit(&ids[0])), "assignment_status");
    world.accept_all();
    world.must(world.commit(&ids[0]));
    let other = Action::Commit {
        assignment: ids[0].clone(),
        by: world.agent_of(&ids[0]),
        commitment: Base64Url([9; 32]),
    };
    assert_eq!(world.refused(other), "commitment_differs");
    world.now = LEASE;
    assert_eq!(world.refused(world.commit(&ids[1])), "commitment_late");
    world.must(Action::Tick);
    assert_eq!(world.refused(world.commit(&ids[1])), "commitment_late");
}

#[test]
fn the_seed_of_the_audit_is_drawn_after_the_last_commitment() {
    let mut world = World::new(terms(2), AUDITED);
    world.dispatch(2);
    world.accept_all();
    let ids = world.ids();
    world.must(world.commit(&ids[0]));
    assert_eq!(world.job.status(), JobStatus::Open);
    assert!(world.job.audit_seed().is_none());
    assert_eq!(world.refused(world.open(&ids[0])), "assignment_status");
    world.must(world.commit(&ids[1]));
    assert_eq!(world.job.status(), JobStatus::Opening);
    assert!(world.job.audit_seed().is_some());
}

#[test]
fn a_replica_that_never_comes_does_not_hold_up_the_others() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.accept_all();
    let ids = world.ids();
    world.must(world.commit(&ids[0]));
    world.tick_when_due();
    assert_eq!(
        world.job.status(),
        JobStatus::Open,
        "a replacement may still come"
    );
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Opening);
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.job.agreeing(), 1);
    assert_eq!(world.gain(&tenant()), -PRICE);
    let alone = (world.agent_of(&ids[0]), world.job.workload());
    assert!(!world.records.contains_key(&alone), "nobody vouched for it");
}

// Open, judge

#[test]
fn an_opening_is_refused() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    let ids = world.ids();
    let other = |world: &World, round, byte| Action::Open {
        assignment: ids[0].clone(),
        by: world.agent_of(&ids[0]),
        round,
        opening: Hex([byte; 32]),
    };
    assert_eq!(world.refused(other(&world.clone(), 1, 8)), "round_unknown");
    world.must(world.open(&ids[0]));
    assert_eq!(
        world.refused(other(&world.clone(), 0, 9)),
        "opening_differs"
    );
    world.now = 120;
    assert_eq!(world.refused(world.open(&ids[1])), "opening_late");
    world.must(Action::Tick);
    assert_eq!(status_of(&world, &ids[1]), slashed("opening_withheld"));
    assert_eq!(world.refused(world.open(&ids[1])), "opening_late");
}

#[test]
fn who_withholds_is_slashed_and_the_honest_one_is_paid() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    let ids = world.ids();
    world.must(world.open(&ids[0]));
    let honest = world.honest(&ids[0]);
    world.must(world.judge(&ids[0], Verdict::Upheld(honest)));
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Accepted);
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&ids[0])), PRICE);
    assert_eq!(world.gain(&world.owner_of(&ids[1])), -STAKE);
    assert_eq!(world.balance(&Account::Treasury), STAKE);
}

#[test]
fn what_is_refuted_is_slashed_or_sent_away() {
    for (blame, gain) in [(Blame::Wrong, -STAKE), (Blame::Unfit, 0)] {
        let mut world = World::new(terms(2), AUDITED);
        world.dispatch(2);
        world.commit_all();
        world.open_all();
        let ids = world.ids();
        world.must(world.judge(&ids[0], refuted("audit_failed", blame)));
        let honest = world.honest(&ids[1]);
        world.must(world.judge(&ids[1], Verdict::Upheld(honest)));
        world.tick_when_due();
        assert_closed(&world);
        assert_eq!(world.gain(&world.owner_of(&ids[0])), gain);
        assert_eq!(world.gain(&world.owner_of(&ids[1])), PRICE);
        assert_eq!(world.gain(&tenant()), -PRICE);
    }
}

#[test]
fn evidence_must_be_what_the_terms_ask() {
    let mut json = terms_json(1);
    json["devices"] = json!({"min_assurance": "A3"});
    let table = [
        (Terms::parse(&json).unwrap(), false, "assurance_too_low"),
        (terms(1), true, "devices_unfit"),
    ];
    for (terms, simulated, code) in table {
        let mut world = World::new(terms, KERNEL);
        world.dispatch(1);
        world.commit_all();
        world.open_all();
        let id = world.ids()[0].clone();
        let mut shown = world.honest(&id);
        shown.devices = vec![SeenDevice {
            simulated,
            ..device_of(&id)
        }];
        world.must(world.judge(&id, Verdict::Upheld(shown)));
        assert_eq!(status_of(&world, &id), sent_away(code));
        assert_eq!(world.job.code(), Some(&Code::NO_RESULT));
        assert_closed(&world);
    }
}

#[test]
fn the_first_verdict_stands() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    let ids = world.ids();
    let honest = Verdict::Upheld(world.honest(&ids[0]));
    assert_eq!(
        world.refused(world.judge(&ids[0], honest.clone())),
        "assignment_status"
    );
    world.open_all();
    world.must(world.judge(&ids[0], honest.clone()));
    assert_eq!(
        world.refused(world.judge(&ids[0], refuted("late", Blame::Wrong))),
        "judged_already"
    );
    world.must(world.judge(&ids[0], honest));
}

#[test]
fn what_cannot_be_judged_in_time_costs_nobody_anything() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    world.open_all();
    world.tick_when_due();
    assert_eq!(world.job.code(), Some(&Code::UNVERIFIABLE));
    assert_closed(&world);
    for id in world.ids() {
        assert_eq!(world.gain(&world.owner_of(&id)), 0);
    }
    assert_eq!(world.gain(&tenant()), 0);
    assert!(world.records.is_empty());
}

#[test]
fn two_identities_on_one_device_are_both_slashed() {
    let mut world = World::new(terms(3), KERNEL);
    world.dispatch(3);
    world.commit_all();
    world.open_all();
    let ids = world.ids();
    let shared = device_of(&ids[0]);
    world.judge_all(|world, n, id| {
        let mut shown = world.honest(id);
        if n < 2 {
            shown.devices = vec![shared];
        }
        Verdict::Upheld(shown)
    });
    assert_eq!(status_of(&world, &ids[0]), slashed("device_shared"));
    assert_eq!(status_of(&world, &ids[1]), slashed("device_shared"));
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&ids[2])), PRICE);
}

// Agreement and dispute

/// A job of three, of which the first says something else.
fn disputed(nature: jobs::Nature) -> World {
    let mut world = World::new(terms(3), nature);
    world.dispatch(3);
    world.commit_all();
    world.open_all();
    world.judge_all(|world, n, id| {
        let results = if n == 0 { WRONG } else { RIGHT };
        Verdict::Upheld(world.holding(id, results))
    });
    world
}

#[test]
fn a_majority_decides_nothing() {
    let world = disputed(KERNEL);
    assert_eq!(world.job.status(), JobStatus::Disputed);
    let dispute = world.job.dispute().unwrap();
    assert_eq!(dispute.about, DisputeKind::Results);
    assert_eq!(dispute.opponents, world.ids());
}

#[test]
fn the_referee_may_find_the_majority_wrong() {
    let mut world = disputed(KERNEL);
    let ids = world.ids();
    world.must(Action::Decide {
        wrong: vec![ids[1].clone()],
    });
    assert_eq!(status_of(&world, &ids[1]), slashed("dispute_lost"));
    assert_eq!(
        status_of(&world, &ids[2]),
        slashed("dispute_lost"),
        "it said the same"
    );
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&ids[0])), PRICE);
    assert_eq!(world.balance(&Account::Treasury), 2 * STAKE);
}

#[test]
fn commands_that_disagree_fail_and_nobody_is_slashed() {
    let world = disputed(COMMAND);
    assert_eq!(world.job.code(), Some(&Code::REPLICAS_DISAGREE));
    assert_closed(&world);
    assert_eq!(world.gain(&tenant()), 0);
    assert_eq!(world.balance(&Account::Treasury), 0);
    assert_eq!(world.records.len(), 3);
}

fn question(world: &World, number: u32) -> Action {
    let asked = vec![world.ids()[0].clone(), world.ids()[1].clone()];
    Action::Ask {
        number,
        text: "which half?".to_owned(),
        asked,
    }
}

fn answer(world: &World, n: usize, number: u32, byte: u8) -> Action {
    let id = world.ids()[n].clone();
    let by = world.agent_of(&id);
    Action::Answer {
        assignment: id,
        by,
        number,
        answer: Hex([byte; 32]),
    }
}

#[test]
fn who_does_not_answer_the_referee_is_slashed() {
    let mut world = disputed(KERNEL);
    world.must(question(&world, 1));
    world.must(answer(&world, 1, 1, 0));
    world.now += 120;
    assert_eq!(world.refused(answer(&world, 0, 1, 0)), "answer_late");
    world.must(Action::Tick);
    let ids = world.ids();
    assert_eq!(status_of(&world, &ids[0]), slashed("dispute_unanswered"));
    assert_eq!(world.refused(answer(&world, 0, 1, 0)), "answer_late");
    assert_eq!(world.job.status(), JobStatus::Accepted);
    assert_eq!(world.job.agreeing(), 2);
}

#[test]
fn questions_and_answers_come_in_order() {
    let mut world = disputed(KERNEL);
    assert_eq!(world.refused(question(&world, 2)), "question_malformed");
    let stranger = jobs::AssignmentId::parse("none").unwrap();
    for asked in [vec![], vec![stranger.clone()]] {
        let action = Action::Ask {
            number: 1,
            text: String::new(),
            asked,
        };
        assert_eq!(world.refused(action), "question_malformed");
    }
    let long = Action::Ask {
        number: 1,
        text: "x".repeat(65_537),
        asked: world.ids(),
    };
    assert_eq!(world.refused(long), "question_malformed");
    world.must(question(&world, 1));
    assert_eq!(
        world.refused(question(&world, 2)),
        "question_malformed",
        "the first is not answered"
    );
    assert_eq!(world.refused(answer(&world, 0, 2, 0)), "round_unknown");
    assert_eq!(
        world.refused(answer(&world, 2, 1, 0)),
        "assignment_status",
        "it was not asked"
    );
    world.must(answer(&world, 0, 1, 0));
    assert_eq!(world.refused(answer(&world, 0, 1, 1)), "answer_differs");
    world.must(answer(&world, 1, 1, 0));
    world.must(question(&world, 2));
    for wrong in [vec![], vec![stranger]] {
        assert_eq!(world.refused(Action::Decide { wrong }), "ruling_malformed");
    }
}

#[test]
fn a_referee_that_falls_silent_costs_nobody_anything() {
    let mut world = disputed(KERNEL);
    world.must(question(&world, 1));
    world.must(answer(&world, 0, 1, 0));
    world.must(answer(&world, 1, 1, 0));
    world.tick_when_due();
    assert_eq!(world.job.code(), Some(&Code::UNVERIFIABLE));
    assert_closed(&world);
    assert_eq!(world.balance(&Account::Treasury), 0);
}

#[test]
fn keyed_digests_that_do_not_match_are_for_the_referee() {
    // What the second replica committed to is not of the output; its answer to the first one's key is. The first replica
    // looks exactly as if it did not hold the output. It must not be slashed for that.
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    world.open_all();
    world.judge_all(|world, n, id| {
        let mut shown = world.honest(id);
        if n == 1 {
            shown.keyed = WRONG;
        }
        Verdict::Upheld(shown)
    });
    let ids = world.ids();
    let dispute = world.job.dispute().unwrap();
    assert_eq!(dispute.about, DisputeKind::Holding);
    assert_eq!(dispute.opponents.len(), 2);
    world.must(Action::Decide {
        wrong: vec![ids[1].clone()],
    });
    assert_eq!(status_of(&world, &ids[1]), slashed("keyed_digest_mismatch"));
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&ids[0])), PRICE);
}

#[test]
fn a_keyed_digest_that_is_missing_is_one_that_does_not_match() {
    let mut world = World::new(terms(2), COMMAND);
    world.dispatch(2);
    world.commit_all();
    world.open_all();
    world.judge_all(|world, n, id| {
        let mut shown = world.honest(id);
        if n == 0 {
            shown.cross.clear();
        }
        Verdict::Upheld(shown)
    });
    assert_eq!(world.job.dispute().unwrap().about, DisputeKind::Holding);
}

// The dispute window

#[test]
fn results_are_audited_again_with_a_new_seed_and_twice_the_points() {
    let mut world = World::accepted(1, AUDITED);
    let id = world.ids()[0].clone();
    world.must(Action::ChallengeAgain { by: tenant() });
    assert_eq!(world.job.status(), JobStatus::Opening);
    assert_eq!(world.job.points_in_round(), 2 * AUDITED.points);
    world.must(world.open(&id));
    world.must(world.judge(&id, refuted("audit_failed", Blame::Wrong)));
    assert_eq!(world.revoked, [id.clone()]);
    assert_eq!(world.job.code(), Some(&Code::NO_RESULT));
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&id)), -STAKE);
    assert_eq!(world.gain(&tenant()), 0);
}

#[test]
fn another_audit_is_not_another_window() {
    let mut world = World::accepted(1, AUDITED);
    let settle_at = world.job.due_at();
    world.now += 100;
    world.must(Action::ChallengeAgain { by: marketplace() });
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    assert_eq!(world.job.due_at(), settle_at);
    assert_eq!(world.receipts.len(), 1, "the receipt is out already");
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&world.ids()[0])), PRICE);
}

#[test]
fn an_outage_in_a_later_audit_leaves_the_first_verdict() {
    let mut world = World::accepted(1, AUDITED);
    world.must(Action::ChallengeAgain { by: tenant() });
    world.open_all();
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Accepted);
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Settled);
    assert_eq!(world.gain(&world.owner_of(&world.ids()[0])), PRICE);
}

#[test]
fn an_opening_of_the_first_round_is_none_of_the_second() {
    let mut world = World::accepted(1, AUDITED);
    let id = world.ids()[0].clone();
    let first = world.open(&id);
    world.must(Action::ChallengeAgain { by: tenant() });
    world.must(first);
    assert_eq!(
        world.job.assignment(&id).unwrap().status(),
        AssignmentStatus::Opening
    );
}

#[test]
fn another_audit_is_refused() {
    let again = || Action::ChallengeAgain { by: tenant() };
    assert_eq!(World::new(terms(1), AUDITED).refused(again()), "job_status");
    assert_eq!(
        World::accepted(2, KERNEL).refused(again()),
        "nothing_to_check"
    );
    let mut world = World::accepted(1, AUDITED);
    world.now = 3600;
    assert_eq!(world.refused(again()), "challenge_late");
    world.must(Action::Tick);
    assert_eq!(world.refused(again()), "job_status");
}

#[test]
fn nobody_is_paid_within_the_window() {
    let mut world = World::accepted(2, KERNEL);
    world.now = 3599;
    assert_eq!(world.refused(Action::Settle), "settle_early");
    world.must(Action::Tick);
    assert_eq!(world.of_kind(TransferKind::Pay), 0);
    world.now = 3600;
    world.must(Action::Settle);
    assert_closed(&world);
    assert_eq!(
        World::new(terms(1), KERNEL).refused(Action::Settle),
        "job_status"
    );
}

// Cancel

#[test]
fn a_job_is_cancelled_until_somebody_commits() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.accept_all();
    let mut committed = world.clone();
    world.must(Action::Cancel);
    assert_closed(&world);
    assert_eq!(world.gain(&tenant()), 0);
    let ids = world.ids();
    assert_eq!(status_of(&world, &ids[0]), sent_away("job_cancelled"));
    assert!(world.records.is_empty());
    assert_eq!(world.refused(world.commit(&ids[0])), "assignment_status");

    committed.must(committed.commit(&ids[0]));
    assert_eq!(committed.refused(Action::Cancel), "cancel_late");
    committed.must(committed.commit(&ids[1]));
    assert_eq!(committed.refused(Action::Cancel), "job_status");
}

// The stored form

#[test]
fn a_job_reads_back_at_each_step() {
    let mut world = World::new(terms(2), AUDITED);
    let check = |world: &World| {
        let text = world.job.to_stored().unwrap();
        assert_eq!(Job::from_stored(&text).as_ref(), Ok(&world.job));
    };
    check(&world);
    world.dispatch(2);
    check(&world);
    world.commit_all();
    check(&world);
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    check(&world);
    world.must(Action::ChallengeAgain { by: tenant() });
    check(&world);
    let mut world = disputed(KERNEL);
    world.must(question(&world, 1));
    world.must(answer(&world, 1, 1, 0));
    check(&world);
}

#[test]
fn a_stored_form_of_another_version_is_not_guessed_at() {
    let text = World::new(terms(1), KERNEL).job.to_stored().unwrap();
    let other = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(Job::from_stored(&other).is_err());
    assert!(Job::from_stored("{}").is_err());
    let strange = text.replacen("\"id\"", "\"di\"", 1);
    assert!(Job::from_stored(&strange).is_err());
}
