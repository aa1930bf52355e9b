//! Agreement and dispute.

use super::*;

/// A job of three, of which the first says something else.
pub(crate) fn disputed(nature: jobs::Nature) -> World {
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

/// All show right results, and one no longer computes what the others committed to.
pub(crate) fn judge_all_but_the_holding_of(world: &mut World, one: usize) {
    world.judge_all(|world, n, id| {
        let mut shown = world.honest(id);
        if n == one {
            shown.cross.clear();
        }
        Verdict::Upheld(shown)
    });
}

pub(crate) fn question(world: &World, number: u32) -> Action {
    let asked = vec![world.ids()[0].clone(), world.ids()[1].clone()];
    Action::Ask {
        number,
        text: "which half?".to_owned(),
        asked,
    }
}

pub(crate) fn answer(world: &World, n: usize, number: u32, byte: u8) -> Action {
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
fn no_dispute_uses_up_the_questions_of_another() {
    // One honest replica among as many as there may be, each of the others with a result of its own: as many disputes as
    // there can be, each as long as it may be.
    let count = jobs::terms::MAX_REPLICAS;
    let mut world = World::new(terms(count), KERNEL);
    world.dispatch(12);
    world.commit_all();
    world.open_all();
    world.judge_all(|world, n, id| {
        let results = match u8::try_from(n).unwrap() {
            0 => RIGHT,
            n => Hex([n + 100; 32]),
        };
        Verdict::Upheld(world.holding(id, results))
    });
    let honest = world.ids()[0].clone();
    let (mut disputes, mut number) = (0, 0);
    while world.job.status() == JobStatus::Disputed {
        for _ in 0..jobs::MOST_QUESTIONS {
            number += 1;
            world.must(question_to(&world, number));
            for id in [0, 1].map(|n| world.standing()[n].clone()) {
                world.must(answer_of(&world, &id, number));
            }
        }
        assert_eq!(
            world.refused(question_to(&world, number + 1)),
            "question_malformed"
        );
        let wrong = vec![world.standing()[1].clone()];
        world.must(Action::Decide { wrong });
        disputes += 1;
    }
    assert_eq!(
        (disputes, number),
        (count - 1, (count - 1) * jobs::MOST_QUESTIONS)
    );
    world.tick_when_due();
    assert_closed(&world);
    assert_eq!(world.gain(&world.owner_of(&honest)), PRICE);
}

/// A question to the first two that stand.
fn question_to(world: &World, number: u32) -> Action {
    Action::Ask {
        number,
        text: "which half?".to_owned(),
        asked: world.standing().into_iter().take(2).collect(),
    }
}

fn answer_of(world: &World, id: &jobs::AssignmentId, number: u32) -> Action {
    Action::Answer {
        assignment: id.clone(),
        by: world.agent_of(id),
        number,
        answer: Hex([0; 32]),
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_told_as_silence() {
    let too_large = |world: &World, n: usize| {
        let assignment = world.ids()[n].clone();
        let by = world.agent_of(&assignment);
        Action::AnswerTooLarge { assignment, by }
    };
    let mut world = disputed(KERNEL);
    assert_eq!(
        world.refused(too_large(&world.clone(), 0)),
        "assignment_status",
        "nothing is asked"
    );
    world.must(question(&world, 1));
    assert_eq!(
        world.refused(too_large(&world.clone(), 2)),
        "assignment_status",
        "it is not asked"
    );
    world.must(too_large(&world.clone(), 0));
    world.must(too_large(&world.clone(), 0));
    world.must(too_large(&world.clone(), 1));
    // A right answer still comes in time.
    world.must(answer(&world, 1, 1, 0));
    world.must(too_large(&world.clone(), 1));
    world.now += 120;
    world.must(Action::Tick);
    let ids = world.ids();
    assert_eq!(
        status_of(&world, &ids[0]),
        slashed("dispute_answer_too_large")
    );
    assert_eq!(world.refused(answer(&world, 0, 1, 0)), "answer_late");
    assert_eq!(world.job.status(), JobStatus::Accepted);
    // Of another question it says nothing.
    let mut world = disputed(KERNEL);
    world.must(question(&world, 1));
    world.must(too_large(&world.clone(), 0));
    world.must(answer(&world, 0, 1, 0));
    world.must(answer(&world, 1, 1, 0));
    world.must(question(&world, 2));
    world.must(answer(&world, 1, 2, 0));
    world.now += 120;
    world.must(Action::Tick);
    assert_eq!(
        status_of(&world, &world.ids()[0]),
        slashed("dispute_unanswered")
    );
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
    judge_all_but_the_holding_of(&mut world, 0);
    assert_eq!(world.job.dispute().unwrap().about, DisputeKind::Holding);
}
