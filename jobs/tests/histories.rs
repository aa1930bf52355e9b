//! Random histories: whoever does whatever and whenever, through crashes and lost answers, the books balance, and the job
//! ends.

mod kit;

use jobs::books::{Account, Transfer};
use jobs::{Action, JobStatus, Money, Nature, Stake, Terms};
use kit::drive::{Cast, Character, assert_closed, next_question};
use kit::*;
use proptest::prelude::*;
use serde_json::json;

/// One thing that somebody tries.
#[derive(Clone, Copy, Debug)]
struct Move {
    what: u8,
    who: usize,
    after_s: i64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    // Mostly at once, sometimes past an offer, a lease, an opening, a window.
    let after_s = prop_oneof![
        60 => Just(0_i64), 20 => 0..10_i64, 3 => 10..200_i64, 1 => 200..4000_i64, 1 => 4000..90_000_i64
    ];
    let one = (any::<u8>(), 0..16_usize, after_s);
    prop::collection::vec(
        one.prop_map(|(what, who, after_s)| Move { what, who, after_s }),
        0..160,
    )
}

fn characters() -> impl Strategy<Value = Vec<Character>> {
    let one =
        prop_oneof![3 => Just(Character::Honest), 4 => prop::sample::select(&Character::ALL[..])];
    prop::collection::vec(one, 12)
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let money = prop::sample::select(&[(PRICE, STAKE), (0, STAKE), (PRICE, 0), (0, 0)][..]);
    (1..=4_u32, any::<bool>(), money).prop_map(|(count, adaptive, (price, stake))| {
        let mut json = terms_json(count);
        json["replicas"]["adaptive"] = json!(adaptive);
        json["price"]["amount"] = json!(price);
        json["stake"] = json!(stake);
        Terms::parse(&json).unwrap()
    })
}

fn natures() -> impl Strategy<Value = Nature> {
    prop::sample::select(&[KERNEL, AUDITED, COMMAND][..])
}

/// Now and then nobody could reach the service.
fn is_outage(one: Move) -> bool {
    one.what % 64 == 21 && one.who < 4
}

/// What was slashed leaves the treasury once, and no more than there is.
fn assert_paid_out(world: &mut World) {
    let slashed = world.balance(&Account::Treasury);
    let payout = |units| {
        let (amount, currency) = (amount(units), eur());
        Transfer::payout(&tenant(), Money { amount, currency }, "all", at(0))
    };
    world.ledger.book(&payout(slashed + 1)).unwrap_err();
    if slashed > 0 {
        world.ledger.book(&payout(slashed)).unwrap();
        world.ledger.book(&payout(slashed)).unwrap_err();
    }
    assert_eq!(world.balance(&Account::Treasury), 0);
    assert!(world.ledger.is_balanced());
}

fn action(cast: &Cast, one: Move) -> Option<Action> {
    let world = &cast.world;
    let ids = world.ids();
    let id = ids.get(one.who % ids.len().max(1));
    Some(match one.what % 64 {
        // Most of the time somebody does what is theirs to do, else few histories would come far.
        24..48 => return cast.next_of(id?),
        48.. => return cast.next(),
        0..=2 => Action::Dispatch {
            candidates: candidates(cast.characters.len()),
        },
        3..=5 => world.accept(id?),
        6 => Action::Renew {
            assignment: id?.clone(),
            by: world.agent_of(id?),
        },
        7 => Action::Release {
            assignment: id?.clone(),
            by: world.agent_of(id?),
        },
        8..=10 => world.commit(id?),
        11..=13 => world.open(id?),
        14..=16 => world.judge(id?, cast.verdict(id?)),
        17 => Action::Ask {
            number: next_question(&world.job),
            text: "?".to_owned(),
            asked: world.standing(),
        },
        18 => cast.answer(id?, next_question(&world.job) - 1),
        19 => Action::Decide {
            wrong: cast.wrong(),
        },
        20 => Action::ChallengeAgain {
            by: if one.who < 8 { tenant() } else { marketplace() },
        },
        21 => Action::Settle,
        23 => Action::TryInVain,
        22 if one.who == 0 => Action::Cancel,
        22 if world.job.dispute().is_some() => cast.next_of_referee()?,
        _ => Action::Tick,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn books_balance_and_jobs_end(
        terms in any_terms(), nature in natures(), characters in characters(), moves in moves(), salt: u64
    ) {
        let mut cast = Cast { world: World::with_salt(terms, nature, salt), characters };
        for one in moves {
            cast.world.now += one.after_s;
            if is_outage(one) {
                let (from, until) = (at(cast.world.now - 300), at(cast.world.now));
                cast.world.job.excuse(jobs::Outage { from, until });
            }
            let Some(action) = action(&cast, one) else { continue };
            let before = cast.world.job.clone();
            if cast.world.apply_through_crashes(action).is_err() {
                prop_assert_eq!(&cast.world.job, &before);
            }
            // No account but outside is below zero, no key is booked twice: the ledger refuses both.
            prop_assert!(cast.world.ledger.is_balanced());
            let text = cast.world.job.to_stored().unwrap();
            prop_assert_eq!(&jobs::Job::from_stored(&text).unwrap(), &cast.world.job);
        }
        // Everybody falls silent, and time alone ends the job.
        let mut ticks = 0;
        while !cast.world.job.status().is_final() {
            let due = cast.world.job.due_at().unwrap().secs();
            cast.world.now = cast.world.now.max(due);
            cast.world.apply_through_crashes(Action::Tick).unwrap();
            ticks += 1;
            prop_assert!(ticks < 20);
        }
        prop_assert_eq!(cast.world.job.due_at(), None);
        assert_closed(&cast.world);
        assert_paid_out(&mut cast.world);
    }

    #[test]
    fn the_honest_are_paid_whoever_else_takes_part(
        count in 2..=4_u32, nature in natures(), characters in characters(), salt: u64
    ) {
        let mut cast = Cast { world: World::with_salt(terms(count), nature, salt), characters };
        cast.play();
        assert_closed(&cast.world);
        let world = &cast.world;
        let settled = world.job.status() == JobStatus::Settled;
        let committed = world.job.assignments().iter().filter(|a| a.commitment().is_some());
        let honest = |id: &jobs::AssignmentId| cast.character(id) == Character::Honest;
        let unjudged = |id: &jobs::AssignmentId| cast.character(id) == Character::Unjudged;
        let an_honest_one = committed.clone().any(|a| honest(a.id()));
        if an_honest_one && nature.recomputable {
            prop_assert!(settled);
        }
        for assignment in committed {
            let gain = world.gain(assignment.owner());
            match (honest(assignment.id()), settled) {
                (true, true) => prop_assert_eq!(gain, PRICE),
                (true, false) => prop_assert_eq!(gain, 0),
                // Nobody knows whether it was right: it has its stake back, and takes nothing from the others.
                (false, _) if unjudged(assignment.id()) => prop_assert_eq!(gain, 0),
                // Beside an honest replica nobody else is paid: the result is right if one is honest.
                (false, _) if an_honest_one && nature.recomputable => prop_assert_eq!(gain, -STAKE),
                (false, _) => {}
            }
            prop_assert!(!(honest(assignment.id()) && assignment.stake() == Stake::Slashed));
        }
    }
}
