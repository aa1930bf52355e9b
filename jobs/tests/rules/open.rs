//! Commitment, opening, verdict.

use super::*;

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

fn wait_for_a_replacement_in_vain(world: &mut World) {
    world.tick_when_due();
    assert_eq!(
        world.job.status(),
        JobStatus::Open,
        "a replacement may still come"
    );
    world.tick_when_due();
}

#[test]
fn a_replica_that_never_comes_does_not_hold_up_the_others() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.accept_all();
    let ids = world.ids();
    world.must(world.commit(&ids[0]));
    wait_for_a_replacement_in_vain(&mut world);
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

/// Two replicas of which both must agree.
fn two_of_two() -> World {
    let mut json = terms_json(2);
    json["replicas"]["min_agreeing"] = json!(2);
    let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
    world.dispatch(2);
    world.accept_all();
    world
}

/// Failed: nobody was paid, nobody but these was slashed, and no record or receipt is out.
fn assert_too_few(world: &World, slashed: &[&jobs::AssignmentId]) {
    assert_eq!(world.job.code(), Some(&Code::TOO_FEW_AGREE));
    assert_closed(world);
    assert_eq!(world.gain(&tenant()), 0);
    assert!(world.receipts.is_empty());
    for id in world.ids() {
        let lost = if slashed.contains(&&id) { -STAKE } else { 0 };
        assert_eq!(world.gain(&world.owner_of(&id)), lost);
        let record = (world.agent_of(&id), world.job.workload());
        let is_blamed = status_of(world, &id).0 == AssignmentStatus::Expired || lost < 0;
        assert_eq!(world.records.contains_key(&record), is_blamed);
    }
}

#[test]
fn where_fewer_commit_than_must_agree_nothing_is_opened_and_nothing_paid() {
    let mut world = two_of_two();
    let ids = world.ids();
    world.must(world.commit(&ids[0]));
    wait_for_a_replacement_in_vain(&mut world);
    assert_too_few(&world, &[]);
    assert_eq!(world.of_event(EventKind::OpeningsAsked), 0);
}

#[test]
fn where_fewer_open_than_must_agree_nothing_is_paid() {
    let mut world = two_of_two();
    world.commit_all();
    let ids = world.ids();
    world.must(world.open(&ids[0]));
    let honest = Verdict::Upheld(world.honest(&ids[0]));
    world.must(world.judge(&ids[0], honest));
    world.tick_when_due();
    assert_too_few(&world, &[&ids[1]]);
}

#[test]
fn as_many_as_must_agree_are_paid() {
    let mut world = two_of_two();
    world.commit_all();
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&tenant()), -2 * PRICE);
}

#[test]
fn who_was_right_before_the_referee_agrees_with_it() {
    let mut world = two_of_two();
    world.commit_all();
    world.open_all();
    world.judge_all(|world, n, id| {
        let honest = world.honest(id);
        let results = if n == 0 { honest.results } else { WRONG };
        Verdict::Upheld(jobs::Upheld { results, ..honest })
    });
    assert_eq!(world.job.status(), JobStatus::Disputed);
    let ids = world.ids();
    world.must(Action::Decide {
        wrong: vec![ids[1].clone()],
    });
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&ids[0])), PRICE);
    assert_eq!(world.gain(&world.owner_of(&ids[1])), -STAKE);
}

/// What agreed once is not undone by whoever falls silent later.
#[test]
fn a_later_audit_does_not_ask_again_how_many_agree() {
    let mut json = terms_json(2);
    json["replicas"]["min_agreeing"] = json!(2);
    let mut world = World::new(Terms::parse(&json).unwrap(), AUDITED);
    world.dispatch(2);
    world.accept_all();
    world.commit_all();
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    assert_eq!(world.job.status(), JobStatus::Accepted);
    world.must(Action::ChallengeAgain { by: tenant() });
    let ids = world.ids();
    world.must(world.open(&ids[0]));
    let honest = Verdict::Upheld(world.honest(&ids[0]));
    world.must(world.judge(&ids[0], honest));
    world.tick_when_due();
    assert_eq!(status_of(&world, &ids[1]), slashed("opening_withheld"));
    assert_eq!(world.job.status(), JobStatus::Accepted);
}

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
    let table = [
        (Blame::Wrong, -STAKE, true),
        (Blame::Unfit, 0, true),
        (Blame::Unsuited, 0, false),
    ];
    for (blame, gain, costs_the_record) in table {
        let mut world = World::new(terms(2), AUDITED);
        world.dispatch(2);
        world.commit_all();
        world.open_all();
        let ids = world.ids();
        world.must(world.judge(&ids[0], refuted("audit_failed", blame)));
        assert_eq!(
            world.records.len(),
            usize::from(costs_the_record),
            "{blame:?}"
        );
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
fn evidence_must_be_what_the_terms_ask_and_the_agent_declared() {
    let mut json = terms_json(1);
    json["devices"] = json!({"min_assurance": "A3"});
    let table = [
        (Terms::parse(&json).unwrap(), false, "assurance_too_low"),
        (terms(1), true, "devices_unfit"),
    ];
    for (terms, simulated, code) in table {
        let mut world = World::new(terms, KERNEL);
        let boasts = Candidate {
            devices: vec![declared(Assurance::A3)],
            ..candidate(0)
        };
        world.must(Action::Dispatch {
            candidates: vec![boasts],
        });
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
        assert_eq!(world.records.len(), 1, "its word was wrong");
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
fn one_that_cannot_be_judged_in_time_does_not_take_the_reward_of_the_others() {
    let mut world = World::new(terms(3), KERNEL);
    world.dispatch(3);
    world.commit_all();
    world.open_all();
    let ids = world.ids();
    for id in &ids[1..] {
        let honest = Verdict::Upheld(world.honest(id));
        world.must(world.judge(id, honest));
    }
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Accepted);
    let unjudged = world.job.assignment(&ids[0]).unwrap();
    assert_eq!(unjudged.code(), Some(&Code::UNVERIFIABLE));
    assert_eq!(unjudged.stake(), Stake::Returned);
    world.tick_when_due();
    assert_closed(&world);
    let gains: Vec<_> = ids
        .iter()
        .map(|id| world.gain(&world.owner_of(id)))
        .collect();
    assert_eq!(gains, [0, PRICE, PRICE]);
}

#[test]
fn the_time_to_judge_begins_with_the_first_try_and_ends_in_any_case() {
    let opened = |tries: &[i64]| {
        let mut world = World::new(terms(2), KERNEL);
        world.dispatch(2);
        world.commit_all();
        world.open_all();
        for at in tries {
            world.now = *at;
            world.must(Action::TryInVain);
        }
        world
    };
    let (until, most) = (120, i64::from(MOST_JUDGING_S));
    let judging = i64::from(JUDGING_S);
    let cases: [(&[i64], i64); 5] = [
        // Nobody came to try.
        (&[], until + most),
        // Tried while others could still open.
        (&[5], until + judging),
        (&[5_000], 5_000 + judging),
        (&[5_000, 5_300], 5_000 + judging),
        (&[until + most - 10], until + most),
    ];
    for (tries, due) in cases {
        let mut world = opened(tries);
        assert_eq!(world.job.due_at(), Some(at(due)), "{tries:?}");
        world.now = due - 1;
        world.must(Action::Tick);
        assert_eq!(world.job.status(), JobStatus::Opening);
        world.now = due;
        world.must(Action::Tick);
        assert_eq!(world.job.code(), Some(&Code::UNVERIFIABLE));
        assert_closed(&world);
    }
    // What was missing before an outage may be there after it.
    let mut world = opened(&[5_000]);
    world.job.excuse(Outage {
        from: at(5_100),
        until: at(9_000),
    });
    assert_eq!(world.job.due_at(), Some(at(until + most)));
}

#[test]
fn a_try_before_all_is_opened_is_none_of_what_comes_later() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    // There is nothing to be tried.
    world.must(Action::TryInVain);
    let ids = world.ids();
    world.must(world.open(&ids[0]));
    world.must(Action::TryInVain);
    world.must(world.open(&ids[1]));
    assert_eq!(
        world.job.due_at(),
        Some(at(120 + i64::from(MOST_JUDGING_S)))
    );
    world.must(Action::TryInVain);
    assert_eq!(world.job.due_at(), Some(at(120 + i64::from(JUDGING_S))));
}
