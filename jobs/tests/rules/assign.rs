//! Dispatch, acceptance, renewal, release: who gets a replica and keeps it.

use super::*;

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

/// How an offer, or a lease, can end before a commitment.
#[derive(Clone, Copy, Debug)]
enum Left {
    OfferRanOut,
    OfferGivenBack,
    LeaseRanOut,
    LeaseGivenBack,
}

/// A job of one replica whose only agent was offered it and does not do it.
fn left(how: Left) -> World {
    left_with_salt(how, 0)
}

fn left_with_salt(how: Left, salt: u64) -> World {
    let mut world = World::with_salt(terms(1), KERNEL, salt);
    world.dispatch(1);
    let assignment = world.ids()[0].clone();
    if matches!(how, Left::LeaseRanOut | Left::LeaseGivenBack) {
        world.must(world.accept(&assignment));
    }
    match how {
        Left::OfferRanOut | Left::LeaseRanOut => world.tick_when_due(),
        Left::OfferGivenBack | Left::LeaseGivenBack => {
            let by = agent(0);
            world.must(Action::Release { assignment, by });
        }
    }
    world
}

#[test]
fn an_agent_that_took_the_job_does_not_get_it_again() {
    for how in [Left::LeaseRanOut, Left::LeaseGivenBack] {
        let mut world = left(how);
        for _ in 0..10 {
            world.now += OFFER;
            world.dispatch(1);
            assert_eq!(world.ids().len(), 1, "{how:?}");
        }
        world.dispatch(2);
        assert_eq!(world.ids().len(), 2, "{how:?}");
    }
}

#[test]
fn an_agent_that_only_saw_an_offer_gets_another_a_while_later() {
    for how in [Left::OfferRanOut, Left::OfferGivenBack] {
        let mut world = left(how);
        let first = world.ids()[0].clone();
        world.dispatch(1);
        let again = world.job.passes_over_until(at(world.now));
        assert_eq!(again, Some(at(world.now + OFFER)), "{how:?}");
        world.now += OFFER - 1;
        world.dispatch(1);
        assert_eq!(
            world.ids(),
            std::slice::from_ref(&first),
            "{how:?}: too early"
        );
        world.now += 1;
        assert_eq!(world.job.passes_over_until(at(world.now)), None, "{how:?}");
        world.dispatch(1);
        let [second] = world.ids().try_into().unwrap();
        assert_ne!(first, second, "{how:?}");
        // What was forgotten is unknown, and the other is taken as any.
        let by = agent(0);
        let assignment = first;
        assert_eq!(
            world.refused(Action::Release { assignment, by }),
            "assignment_unknown"
        );
        world.must(world.accept(&second));
        world.must(world.commit(&second));
        assert_eq!(world.job.status(), JobStatus::Opening);
    }
}

#[test]
fn an_owner_that_let_a_job_wait_is_asked_again_only_where_nobody_else_may_have_it() {
    let of_the_first = |n: usize| Candidate {
        agent: agent(n),
        ..candidate(0)
    };
    for how in [
        Left::OfferRanOut,
        Left::OfferGivenBack,
        Left::LeaseRanOut,
        Left::LeaseGivenBack,
    ] {
        // Of the first owner there are nine agents more, of another one; whatever chance says.
        for salt in 0..20 {
            let mut world = left_with_salt(how, salt);
            let mut crowd: Vec<_> = (2..11).map(of_the_first).collect();
            crowd.push(candidate(1));
            let candidates = crowd.clone();
            world.must(Action::Dispatch { candidates });
            let second = world.ids().last().unwrap().clone();
            assert_eq!(world.owner_of(&second), owner(1), "{how:?}");
            crowd.pop();
            world.tick_when_due();
            world.must(Action::Dispatch { candidates: crowd });
            let third = world.ids().last().unwrap().clone();
            assert_eq!(
                world.owner_of(&third),
                owner(0),
                "{how:?}: nobody else is there"
            );
        }
    }
}

#[test]
fn whoever_lets_a_job_wait_is_told_of() {
    let table = [
        (Left::OfferRanOut, MissKind::Silent),
        (Left::OfferGivenBack, MissKind::GivenUp),
        (Left::LeaseRanOut, MissKind::Silent),
        (Left::LeaseGivenBack, MissKind::GivenUp),
    ];
    for (how, kind) in table {
        let owner = owner(0);
        assert_eq!(left(how).missed, [Miss { owner, kind }], "{how:?}");
    }
    // One that works to the end of the time it has, and is not done: the terms may be at fault.
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    world.accept_all();
    for _ in 0..6 {
        world.now += 100;
        let (assignment, by) = (world.ids()[0].clone(), agent(0));
        if world.apply(Action::Renew { assignment, by }).is_err() {
            break;
        }
    }
    world.tick_when_due();
    let (owner, kind) = (owner(0), MissKind::GivenUp);
    assert_eq!(world.missed, [Miss { owner, kind }]);
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    world.must(Action::Cancel);
    assert_eq!(world.missed, [], "the tenant ended it");
}

#[test]
fn commands_earn_no_trust_since_nobody_can_tell_how_much_work_they_are() {
    let mut json = terms_json(2);
    json["replicas"]["adaptive"] = json!(true);
    let adaptive = Terms::parse(&json).unwrap();
    let trusted = |n| Candidate {
        record: Record(1_000_000_000),
        ..candidate(n)
    };
    let mut world = World::new(adaptive, COMMAND);
    let candidates = (0..4).map(trusted).collect();
    world.must(Action::Dispatch { candidates });
    assert_eq!(world.ids().len(), 2);
    world.commit_all();
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Settled);
    assert!(world.records.is_empty());
}

#[test]
fn work_on_what_the_tenant_chose_earns_no_trust() {
    for given in [false, true] {
        let mut world = World::new(terms(2), jobs::Nature { given, ..KERNEL });
        world.dispatch(2);
        world.accept_all();
        world.commit_all();
        world.open_all();
        world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
        world.tick_when_due();
        assert_eq!(world.job.status(), JobStatus::Settled);
        assert_eq!(world.records.is_empty(), given);
    }
}

#[test]
fn devices_must_be_what_the_terms_ask() {
    let mut json = terms_json(1);
    json["devices"] = json!({"count": 2, "architectures": ["BLACKWELL"]});
    let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
    world.dispatch(4);
    assert_eq!(world.ids().len(), 0);
    let mut simulated = candidate(0);
    simulated.devices = vec![DeclaredDevice {
        traits: jobs::terms::DeviceTraits {
            simulated: true,
            ..hopper()
        },
        assurance: Assurance::A0,
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

/// Whether this candidate is offered a job of these terms.
fn is_offered(terms: &serde_json::Value, candidate: &Candidate) -> bool {
    let mut world = World::new(Terms::parse(terms).unwrap(), KERNEL);
    let candidates = vec![candidate.clone()];
    let could = world.job.could_offer(&candidates, at(world.now));
    world.must(Action::Dispatch { candidates });
    let is_offered = !world.ids().is_empty();
    assert_eq!(could, is_offered);
    is_offered
}

#[test]
fn a_receipt_of_the_devices_can_say_what_the_terms_ask() {
    use Assurance::{A0, A1, A2, A3};
    let table = [
        (&[A2][..], "A2", true),
        (&[A2], "A1", true),
        (&[A2], "A3", false),
        (&[A3], "A3", true),
        (&[A0], "A1", false),
        (&[A3, A1, A3], "A2", false),
        (&[A3, A2], "A2", true),
    ];
    for (levels, asked, expected) in table {
        let mut json = terms_json(1);
        json["devices"] = json!({"min_assurance": asked});
        let mut candidate = candidate(0);
        candidate.devices = levels.iter().copied().map(declared).collect();
        assert_eq!(
            is_offered(&json, &candidate),
            expected,
            "{levels:?}, {asked}"
        );
    }
}

#[test]
fn work_is_offered_to_whom_it_is_good_enough_for() {
    let mut json = terms_json(1);
    json["policy"] = json!("strict");
    let named = |name: &str| Some(vec![evidence::work::wire::PolicyName::parse(name).unwrap()]);
    let any = Conditions::default;
    let (price, stake) = (PRICE.unsigned_abs(), STAKE.unsigned_abs());
    let table = [
        (any(), true),
        (
            Conditions {
                least_price: price,
                ..any()
            },
            true,
        ),
        (
            Conditions {
                least_price: price + 1,
                ..any()
            },
            false,
        ),
        (
            Conditions {
                most_stake: Some(stake),
                ..any()
            },
            true,
        ),
        (
            Conditions {
                most_stake: Some(stake - 1),
                ..any()
            },
            false,
        ),
        (
            Conditions {
                least_commit_within_s: 600,
                ..any()
            },
            true,
        ),
        (
            Conditions {
                least_commit_within_s: 601,
                ..any()
            },
            false,
        ),
        (
            Conditions {
                least_open_within_s: 120,
                ..any()
            },
            true,
        ),
        (
            Conditions {
                least_open_within_s: 121,
                ..any()
            },
            false,
        ),
        (
            Conditions {
                longest_dispute_window_s: Some(3600),
                ..any()
            },
            true,
        ),
        (
            Conditions {
                longest_dispute_window_s: Some(3599),
                ..any()
            },
            false,
        ),
        (
            Conditions {
                policies: named("strict"),
                ..any()
            },
            true,
        ),
        (
            Conditions {
                policies: named("default"),
                ..any()
            },
            false,
        ),
    ];
    for (conditions, expected) in table {
        let candidate = Candidate {
            conditions: conditions.clone(),
            ..candidate(0)
        };
        assert_eq!(is_offered(&json, &candidate), expected, "{conditions:?}");
    }
    json["replicas"] = json!({"count": 2, "adaptive": false, "min_agreeing": 2});
    for (most, expected) in [(1, false), (2, true)] {
        let conditions = Conditions {
            most_agreeing: Some(most),
            ..any()
        };
        let candidate = Candidate {
            conditions,
            ..candidate(0)
        };
        assert_eq!(is_offered(&json, &candidate), expected, "{most}");
    }
    // Under the policy of the service work is taken by everybody.
    let conditions = Conditions {
        policies: named("default"),
        ..any()
    };
    assert!(is_offered(
        &terms_json(1),
        &Candidate {
            conditions,
            ..candidate(0)
        }
    ));
}

#[test]
fn commands_are_offered_to_whoever_runs_commands() {
    let limits = json!({"wall_s": 1, "output_bytes": 1, "processes": 1, "memory_bytes": 1});
    let command = json!({"profile": "pogw/1", "checks": [], "command": {
        "argv": ["train"], "inputs": {}, "outputs": ["model"], "limits": limits}});
    let new = NewJob {
        spec: serde_json::from_value(command).unwrap(),
        ..new_job(terms(1), COMMAND)
    };
    for runs_commands in [false, true] {
        let mut world = World::of(new.clone(), 0);
        let candidates = vec![Candidate {
            runs_commands,
            ..candidate(0)
        }];
        world.must(Action::Dispatch { candidates });
        assert_eq!(world.ids().len(), usize::from(runs_commands));
    }
}

#[test]
fn an_owner_is_passed_over_for_twice_as_long_with_each_offer_that_it_does_not_take() {
    let mut world = World::new(terms(1), KERNEL);
    let mut rests = Vec::new();
    for _ in 0..10 {
        world.dispatch(1);
        let offered = world.ids().last().unwrap().clone();
        let (assignment, by) = (offered, agent(0));
        world.must(Action::Release { assignment, by });
        let since = world.now;
        while !world.job.could_offer(&candidates(1), at(world.now)) {
            world.now = world.job.passes_over_until(at(world.now)).unwrap().secs();
        }
        rests.push(world.now - since);
    }
    assert_eq!(rests, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    // Whatever its agent is called; others are asked at once.
    world.dispatch(1);
    world.tick_when_due();
    let another = Candidate {
        agent: agent(7),
        ..candidate(0)
    };
    assert!(!world.job.could_offer(&[another], at(world.now)));
    assert!(world.job.could_offer(&[candidate(1)], at(world.now)));
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
fn at_most_four_assignments_are_taken_for_each_replica() {
    let mut world = World::new(terms(1), KERNEL);
    for n in 0..4 {
        world.dispatch(8);
        assert_eq!(world.ids().len(), n + 1);
        world.must(world.accept(&world.ids()[n]));
        world.now += LEASE;
        world.must(Action::Tick);
    }
    assert_eq!(world.job.status(), JobStatus::Failed);
    assert_eq!(world.job.code(), Some(&Code::NO_COMMITMENT));
    assert_closed(&world);
    assert_eq!(world.gain(&tenant()), 0);
}

#[test]
fn offers_that_nobody_takes_use_up_nothing_and_are_forgotten() {
    let mut world = World::new(terms(2), KERNEL);
    let mut offers = 0;
    while world.now < 86_400 - 600 - OFFER {
        world.dispatch(3);
        assert_eq!(world.job.status(), JobStatus::Open);
        let most = usize::try_from(world.job.terms().max_assignments()).unwrap();
        assert!(world.ids().len() <= most + 2, "{}", world.ids().len());
        offers = world.of_event(EventKind::AssignmentOffered);
        world.now += OFFER;
        world.must(Action::Tick);
    }
    // Seven times within two hours, and then once an hour.
    assert!((3 * 20..=3 * 31).contains(&offers), "{offers}");
    // Somebody comes in time.
    world.now -= 1;
    world.dispatch(8);
    for id in world.ids() {
        if status_of(&world, &id).0 == AssignmentStatus::Offered {
            world.must(world.accept(&id));
            world.must(world.commit(&id));
        }
    }
    assert_eq!(world.job.status(), JobStatus::Opening);
}

#[test]
fn a_job_that_many_decline_rests_and_goes_on() {
    let mut world = World::new(terms(2), KERNEL);
    let decline_all = |world: &mut World| {
        for assignment in world.ids() {
            if status_of(world, &assignment).0 == AssignmentStatus::Offered {
                let by = world.agent_of(&assignment);
                world.must(Action::Release { assignment, by });
            }
        }
    };
    for round in 1..=3 {
        for _ in 0..20 {
            world.dispatch(100);
            decline_all(&mut world);
        }
        // As many as may be remembered, and then nobody until they are forgotten.
        assert_eq!(world.ids().len(), 8, "round {round}");
        assert_eq!(world.job.status(), JobStatus::Open, "round {round}");
        world.now += OFFER;
    }
    assert!(world.records.is_empty());
    world.dispatch(100);
    assert_eq!(world.ids().len(), 2);
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
fn an_offer_that_runs_out_costs_nothing_and_a_lease_without_sign_of_life_the_record() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    world.tick_when_due();
    assert!(world.records.is_empty());
    world.dispatch(2);
    let id = world.ids()[1].clone();
    assert_eq!(world.agent_of(&id), agent(1));
    world.must(world.accept(&id));
    world.tick_when_due();
    assert_eq!(
        status_of(&world, &id),
        (AssignmentStatus::Expired, None, Stake::Returned)
    );
    assert_eq!(world.gain(&owner(1)), 0);
    assert_eq!(world.records.len(), 1);
}

/// Whoever orders work must not be able to ruin a record by it.
#[test]
fn work_that_could_not_be_done_in_its_time_leaves_the_record_as_it_was() {
    for (commit_within_s, kept) in [(1, true), (LEASE, true), (LEASE + 1, false)] {
        let mut json = terms_json(1);
        json["commit_within_s"] = json!(commit_within_s);
        let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
        world.dispatch(1);
        world.accept_all();
        world.tick_when_due();
        let id = world.ids()[0].clone();
        assert_eq!(
            status_of(&world, &id),
            (AssignmentStatus::Expired, None, Stake::Returned)
        );
        assert_eq!(world.records.is_empty(), kept, "{commit_within_s}");
    }
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
    assert!(world.records.is_empty());
    world.dispatch(3);
    let third = world.ids()[2].clone();
    world.must(world.accept(&third));
    world.must(world.commit(&third));
    assert_eq!(world.refused(release(2, &third)), "assignment_status");
}
