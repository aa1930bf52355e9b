//! Chances, by playing: the figures of methods 2.3 against the real rules of choice, agreement and dispute. Seeds are
//! fixed, so each figure is the same in every run.

mod kit;

use jobs::patience::MOST_STEPS;
use jobs::{Action, AgentId, Candidate, JobStatus, Nature, Records, ResultKind, Size, Terms};
use kit::drive::{Cast, Character};
use kit::*;
use serde_json::json;

const TRIALS: u32 = 10_000;

/// Pseudo-random numbers for the world around the rules: SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.next() % 10_000 < percent * 100
    }
}

/// The share of jobs whose wrong result is accepted, among agents each of which colludes with this probability.
fn wrong_accepted(replicas: u32, percent: u64, nature: Nature) -> f64 {
    let mut chance = Chance(u64::from(replicas) << 32 | percent);
    let wrong = (0..TRIALS)
        .filter(|_| is_wrong_accepted(replicas, percent, nature, &mut chance))
        .count();
    wrong as f64 / f64::from(TRIALS)
}

fn is_wrong_accepted(replicas: u32, percent: u64, nature: Nature, chance: &mut Chance) -> bool {
    let characters = (0..8).map(|_| match chance.happens(percent) {
        true => Character::Colluder,
        false => Character::Honest,
    });
    let characters: Vec<_> = characters.collect();
    let world = World::with_salt(terms(replicas), nature, chance.next());
    let mut cast = Cast { world, characters };
    cast.play_until_accepted();
    let accepted = cast.world.job.status() == JobStatus::Accepted;
    let right = |a: &&jobs::Assignment| a.upheld().is_some_and(|upheld| upheld.results == RIGHT);
    let standing = cast
        .world
        .job
        .assignments()
        .iter()
        .filter(|a| a.ended_at().is_none());
    accepted && standing.filter(|a| !right(a)).count() > 0
}

#[test]
fn a_wrong_result_is_accepted_only_if_all_replicas_collude() {
    for replicas in [2, 3] {
        for percent in [10, 20, 30] {
            let expected = (percent as f64 / 100.0).powi(replicas);
            let seen = wrong_accepted(replicas as u32, percent, KERNEL);
            let error = (expected * (1.0 - expected) / f64::from(TRIALS)).sqrt();
            println!(
                "{replicas} replicas, {percent} %: seen {seen:.5}, expected {expected:.5}, error {error:.5}"
            );
            assert!(
                (seen - expected).abs() < 3.0 * error,
                "{replicas} {percent}: {seen}"
            );
        }
    }
}

#[test]
fn who_cannot_be_recomputed_is_not_believed_sooner() {
    // A command has no referee: where replicas differ the job fails, so the same share of wrong results gets through.
    let expected = 0.2_f64.powi(2);
    let error = (expected * (1.0 - expected) / f64::from(TRIALS)).sqrt();
    let seen = wrong_accepted(2, 20, COMMAND);
    assert!((seen - expected).abs() < 3.0 * error, "{seen}");
}

/// How often each of these owners is drawn for a job of one replica, by its number.
fn drawn(owners: usize, candidates: &[Candidate]) -> Vec<f64> {
    let mut counts = vec![0_u32; owners];
    for salt in 0..TRIALS {
        let mut world = World::with_salt(terms(1), KERNEL, salt.into());
        let candidates = candidates.to_vec();
        world.must(Action::Dispatch { candidates });
        let owner = world.owner_of(&world.ids()[0]);
        let number = owner.as_str().trim_start_matches("owner-");
        counts[number.parse::<usize>().unwrap()] += 1;
    }
    counts.into_iter().map(f64::from).collect()
}

/// Whether a count of all trials is within four deviations of what a share makes one expect.
fn assert_share(seen: f64, share: f64) {
    let (expected, trials) = (share * f64::from(TRIALS), f64::from(TRIALS));
    let error = (trials * share * (1.0 - share)).sqrt();
    assert!(
        (seen - expected).abs() < 4.0 * error,
        "{seen} of {expected}"
    );
}

/// The agent with this number, of the first owner.
fn of_the_first(n: usize) -> Candidate {
    Candidate {
        agent: AgentId::parse(&format!("agent-0-{n}")).unwrap(),
        ..candidate(0)
    }
}

#[test]
fn owners_are_chosen_with_equal_probability_however_many_agents_they_have() {
    let crowd = (0..30).map(of_the_first);
    let all: Vec<_> = crowd.chain((1..10).map(candidate)).collect();
    for seen in drawn(10, &all) {
        assert_share(seen, 0.1);
    }
}

#[test]
fn agents_of_one_owner_are_chosen_with_equal_probability() {
    let all: Vec<_> = (0..10).map(of_the_first).collect();
    let mut counts = [0_u32; 10];
    for salt in 0..TRIALS {
        let mut world = World::with_salt(terms(1), KERNEL, salt.into());
        let candidates = all.clone();
        world.must(Action::Dispatch { candidates });
        let chosen = world.agent_of(&world.ids()[0]);
        counts[all.iter().position(|one| one.agent == chosen).unwrap()] += 1;
    }
    for count in counts {
        assert_share(count.into(), 0.1);
    }
}

#[test]
fn who_left_others_waiting_is_drawn_less_and_not_never() {
    for missed in [1, 2, MOST_STEPS, u32::MAX] {
        let late = Candidate {
            missed,
            ..candidate(0)
        };
        let seen = drawn(2, &[late.clone(), candidate(1)]);
        let tickets = 0.5_f64.powi(missed.min(MOST_STEPS).try_into().unwrap());
        assert_share(seen[0], tickets / (tickets + 1.0));
        assert_eq!(
            drawn(1, &[late]),
            [f64::from(TRIALS)],
            "alone it is always drawn"
        );
    }
}

#[test]
fn ten_thousand_agents_that_let_offers_lapse_hold_up_a_job_once() {
    let crowd = (0..10_000).map(of_the_first);
    let all: Vec<_> = crowd.chain((1..4).map(candidate)).collect();
    let mut waited = 0_u32;
    for salt in 0..100 {
        let mut world = World::with_salt(terms(1), KERNEL, salt);
        for offers in 0.. {
            let candidates = all.clone();
            world.must(Action::Dispatch { candidates });
            let id = world.ids().last().unwrap().clone();
            if world.owner_of(&id) != owner(0) {
                break;
            }
            assert_eq!(offers, 0, "asked again while others could be");
            waited += 1;
            world.tick_when_due();
        }
    }
    // One in four, with a deviation of 4.3.
    assert!((8..43).contains(&waited), "{waited}");
}

/// Replicas beyond the first, of every hundred jobs of a host whose results are always good.
fn overhead_percent(jobs: u32, hosts: u64) -> f64 {
    let mut json = terms_json(2);
    json["replicas"]["adaptive"] = json!(true);
    let adaptive = Terms::parse(&json).unwrap();
    let mut extra = 0_u32;
    for host in 0..hosts {
        let mut records = Records::default();
        let size = Size::of(OPERATIONS);
        for job in 0..jobs {
            let mut world =
                World::with_salt(adaptive.clone(), AUDITED, host << 32 | u64::from(job));
            let first = Candidate {
                record: records.towards(size),
                ..candidate(0)
            };
            world.must(Action::Dispatch {
                candidates: vec![first],
            });
            world.dispatch(4);
            extra += u32::try_from(world.ids().len()).unwrap() - 1;
            records.note(ResultKind::Good(size));
        }
    }
    f64::from(extra) * 100.0 / f64::from(jobs) / hosts as f64
}

#[test]
fn adaptive_replication_costs_a_good_host_little() {
    // Ten jobs for sure, then the sum of 1/CV: (10 + H(n-1) - H(9)) / n.
    for (jobs, hosts) in [(100, 100), (200, 100), (1000, 20)] {
        let later: f64 = (10..jobs).map(|cv| 1.0 / f64::from(cv)).sum();
        let expected = (10.0 + later) * 100.0 / f64::from(jobs);
        let seen = overhead_percent(jobs, hosts);
        println!("{jobs} jobs: seen {seen:.2} %, expected {expected:.2} %");
        let error = (later * hosts as f64).sqrt() * 100.0 / f64::from(jobs) / hosts as f64;
        assert!((seen - expected).abs() < 3.0 * error, "{jobs}: {seen}");
    }
}
