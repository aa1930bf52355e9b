//! The dispute window, and the service away.

use super::*;

#[test]
fn results_are_audited_again_with_a_new_seed_and_twice_the_points() {
    let mut world = World::accepted(1, AUDITED);
    let id = world.ids()[0].clone();
    world.must(Action::ChallengeAgain { by: tenant() });
    assert_eq!(world.job.status(), JobStatus::Opening);
    assert_eq!(world.job.points_in_round(), 2 * AUDITED.points);
    world.must(world.open(&id));
    world.must(world.judge(&id, refuted("audit_failed", Blame::Wrong)));
    assert_eq!(world.revoked, std::slice::from_ref(&id));
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
    world.must(Action::TryInVain);
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Accepted);
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Settled);
    assert_eq!(world.gain(&world.owner_of(&world.ids()[0])), PRICE);
}

#[test]
fn a_referee_that_falls_silent_in_a_later_audit_leaves_the_first_verdict() {
    let mut world = World::accepted(2, AUDITED);
    let settle_at = world.job.due_at();
    world.must(Action::ChallengeAgain { by: tenant() });
    world.open_all();
    dispute::judge_all_but_the_holding_of(&mut world, 1);
    assert_eq!(world.job.status(), JobStatus::Disputed);
    world.must(dispute::question(&world, 1));
    for n in [0, 1] {
        world.must(dispute::answer(&world, n, 1, 0));
    }
    world.tick_when_due();
    assert_eq!(world.job.status(), JobStatus::Accepted);
    assert_eq!(world.job.round(), 1);
    assert_eq!(world.job.due_at(), settle_at, "the window is the first one");
    assert_eq!(world.revoked, []);
    assert_eq!(world.receipts.len(), 2, "no receipt twice");
    world.tick_when_due();
    assert_closed(&world);
    for id in world.ids() {
        assert_eq!(world.gain(&world.owner_of(&id)), PRICE);
    }
}

/// Evidence was appraised when the results were accepted.
#[test]
fn a_later_audit_does_not_take_back_what_was_appraised() {
    let table: [fn(&World, &jobs::AssignmentId) -> Verdict; 4] = [
        |_, _| refuted("policy_denied", Blame::Unfit),
        |world, id| with_devices(world, id, Vec::new()),
        |world, id| {
            let mut device = device_of(id);
            device.holder = Holder::Another;
            with_devices(world, id, vec![device])
        },
        |world, id| {
            let shared = device_of(&world.ids()[0]);
            with_devices(world, id, vec![shared])
        },
    ];
    for shown in table {
        let mut world = World::accepted(2, AUDITED);
        world.must(Action::ChallengeAgain { by: tenant() });
        world.open_all();
        for id in world.standing() {
            let verdict = shown(&world, &id);
            let judge = world.judge(&id, verdict);
            world.apply_through_crashes(judge).unwrap();
        }
        assert_eq!(world.job.status(), JobStatus::Accepted);
        assert_eq!(world.revoked, []);
        world.tick_when_due();
        assert_closed(&world);
        for id in world.ids() {
            assert_eq!(world.gain(&world.owner_of(&id)), PRICE);
        }
    }
}

fn with_devices(world: &World, id: &jobs::AssignmentId, devices: Vec<SeenDevice>) -> Verdict {
    let shown = world.honest(id);
    Verdict::Upheld(jobs::Upheld { devices, ..shown })
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
    // Each audit draws twice the points of the one before, and the job was taken for two more.
    let mut world = World::accepted(1, AUDITED);
    for by in [tenant(), marketplace()] {
        world.must(Action::ChallengeAgain { by });
        world.open_all();
        world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    }
    let by = jobs::PartyId::parse("another").unwrap();
    assert_eq!(
        world.refused(Action::ChallengeAgain { by }),
        "challenges_spent"
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

fn outage(from: i64, until: i64) -> Outage {
    Outage {
        from: at(from),
        until: at(until),
    }
}

#[test]
fn nobody_is_late_by_an_outage() {
    let mut world = World::new(terms(2), KERNEL);
    world.dispatch(2);
    world.commit_all();
    let ids = world.ids();
    let first = outage(100, 1000);
    world.job.excuse(first);
    world.job.excuse(first);
    assert_eq!(
        world.job.due_at(),
        Some(at(120 + 900)),
        "once, however often it is told"
    );
    world.now = 1000;
    world.must(Action::Tick);
    world.must(world.open(&ids[0]));
    // What was due before an outage was due.
    world.job.excuse(outage(1020, 9000));
    world.now = 9000;
    assert_eq!(world.refused(world.open(&ids[1])), "opening_late");
}

#[test]
fn an_outage_excuses_leases_and_windows_too() {
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    world.job.excuse(outage(10, 110));
    assert_eq!(world.job.due_at(), Some(at(OFFER + 100)));
    world.accept_all();
    world.job.excuse(outage(110, 210));
    assert_eq!(world.job.due_at(), Some(at(LEASE + 100)));
    let mut world = World::accepted(1, AUDITED);
    world.job.excuse(outage(0, 100));
    assert_eq!(world.job.due_at(), Some(at(3600 + 100)));
    world.must(Action::ChallengeAgain { by: tenant() });
    world.job.excuse(outage(100, 200));
    world.open_all();
    world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
    assert_eq!(world.job.due_at(), Some(at(3600 + 200)));
}

#[test]
fn an_outage_moves_the_jobs_own_deadline_too() {
    let mut json = terms_json(2);
    // The last moment at which an offer can still be committed to in time is ten seconds after the start.
    json["deadline_s"] = json!(600 + OFFER + 10);
    json["replicas"]["min_agreeing"] = json!(2);
    let mut world = World::new(Terms::parse(&json).unwrap(), KERNEL);
    world.dispatch(2);
    world.accept_all();
    let [first, second] = world.ids().try_into().unwrap();
    world.must(world.commit(&first));
    // The second is given back while nobody can be asked for it.
    world.now = 5;
    world.must(Action::Release {
        by: world.agent_of(&second),
        assignment: second,
    });
    world.job.excuse(outage(6, 96));
    let stored = world.job.to_stored().unwrap();
    world.job = Job::from_stored(&stored).unwrap();
    world.now = 100;
    world.must(Action::Tick);
    assert_eq!(world.job.status(), JobStatus::Open);
    assert!(world.job.wants_agents(at(100)));
    assert!(
        !world.job.wants_agents(at(11 + 90)),
        "by its length, and no more"
    );
    world.dispatch(8);
    let third = world.ids().pop().unwrap();
    world.must(world.accept(&third));
    world.must(world.commit(&third));
    assert_eq!(world.job.status(), JobStatus::Opening);
}

#[test]
fn a_deadline_that_was_over_before_an_outage_stays_over() {
    let world = World::new(terms(1), KERNEL);
    let (until, mut job) = (world.job.due_at().unwrap(), world.job);
    job.excuse(outage(until.secs(), until.secs() + 90));
    assert_eq!(job.due_at(), Some(until));
    // One stored before this was counted reads as one that no outage moved.
    assert!(!job.to_stored().unwrap().contains("excused_s"));
}

#[test]
fn a_list_of_outages_excuses_each_moment_once() {
    let list = [
        outage(10, 30),
        outage(29, 60),
        outage(60, 61),
        outage(5, 61),
    ];
    let mut world = World::new(terms(1), KERNEL);
    world.dispatch(1);
    for _ in 0..2 {
        list.iter().for_each(|one| world.job.excuse(*one));
        assert_eq!(world.job.due_at(), Some(at(OFFER + 51)));
        assert_eq!(world.job.excused_until(), at(61));
    }
    // A job that is made later has nothing to do with them.
    let context = Context::new(at(70), [0; 32]);
    let (mut job, _) = Job::create(new_job(terms(1), KERNEL), &context).unwrap();
    let before = job.clone();
    list.iter().for_each(|one| job.excuse(*one));
    assert_eq!(job, before);
    // One that has ended has nothing left that could be late.
    world.now = 100_000;
    world.must(Action::Tick);
    let ended = world.job.clone();
    world.job.excuse(outage(99_000, 100_000));
    assert_eq!(world.job, ended);
}
