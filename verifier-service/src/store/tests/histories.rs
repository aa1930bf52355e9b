//! Random histories of jobs and of money from and to the outside, against a model in memory: whatever write fails, the
//! books are those of a world without failures.
//!
//! Each action is done as by a client of a store that fails: its first write fails, then its second, until none does;
//! or it takes effect and the answer is lost. After each failure the same is asked for again, of the other of two
//! services, with fresh randomness. The model applies the pure rules (`jobs`) once, with the randomness of the attempt
//! that took effect.
//!
//! `POGW_HISTORIES` says how many histories are played on each database.

mod deeds;
mod model;

use std::cell::Cell;
use std::collections::BTreeMap;

use ::jobs::books::{Ledger, Transfer};
use ::jobs::{Action, Job};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::life::{FUNDS, money, party};
use super::*;
use crate::parties::Kind;
use crate::store::jobs::JobStore;
use deeds::Character;
use model::{Deed, Model, attempt};

/// Played on each database unless `POGW_HISTORIES` says otherwise.
const HISTORIES: u32 = 6;
/// How often so many are played at most.
const MOST_ROUNDS: usize = 12;
/// Agents and their owners, the first two of whom are in every market of these tests.
const AGENTS: [(&str, &str); 5] = [
    ("a1", "p1"),
    ("a2", "p2"),
    ("a3", "p3"),
    ("a4", "p1"),
    ("a5", "p3"),
];
const PARTIES: [&str; 4] = ["tenant", "p1", "p2", "p3"];
const JOBS: usize = 4;

/// One thing that somebody tries.
#[derive(Clone, Copy, Debug)]
struct Move {
    what: u8,
    which: usize,
    who: usize,
    after_s: i64,
    /// Whether the answer is lost, instead of each write failing.
    loses_answer: bool,
}

/// A history before it is played.
#[derive(Clone, Debug)]
struct Plan {
    characters: Vec<Character>,
    moves: Vec<Move>,
}

/// A history while it is played.
struct Play {
    rig: Rig,
    services: [SqlStore; 2],
    model: Model,
    characters: Vec<Character>,
    attempts: Cell<u64>,
    struck: u64,
}

fn plans() -> impl Strategy<Value = Plan> {
    // Mostly at once, sometimes past an offer, a lease, an opening, a window.
    let after_s = prop_oneof![
        40 => Just(0_i64), 20 => 0..10_i64, 3 => 10..200_i64, 1 => 200..4000_i64, 1 => 4000..90_000_i64
    ];
    let one = (
        any::<u8>(),
        0..JOBS,
        0..16_usize,
        after_s,
        prop::bool::weighted(0.3),
    );
    let moves = prop::collection::vec(one, 40..120);
    let characters = prop_oneof![
        5 => Just(Character::Honest), 2 => Just(Character::Liar), 1 => Just(Character::Silent),
        1 => Just(Character::Withholder), 1 => Just(Character::Unfit),
    ];
    let characters = prop::collection::vec(characters, AGENTS.len());
    (characters, moves).prop_map(|(characters, moves)| {
        let moves = moves.into_iter();
        let moves = moves.map(|(what, which, who, after_s, loses_answer)| Move {
            what,
            which,
            who,
            after_s,
            loses_answer,
        });
        Plan {
            characters,
            moves: moves.collect(),
        }
    })
}

#[test]
fn books_are_those_of_a_world_without_failures_on_sqlite() {
    play_all(Rig::sqlite);
}

#[test]
#[ignore = "needs PostgreSQL: tests/postgres/with"]
fn books_are_those_of_a_world_without_failures_on_postgres() {
    play_all(Rig::postgres);
}

fn play_all<F: Future<Output = Rig>>(open: impl Fn() -> F) {
    let cases = std::env::var("POGW_HISTORIES").map_or(HISTORIES, |text| text.parse().unwrap());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (struck, paid) = (Cell::new(0), Cell::new(0));
    // Whether anybody is paid in a few is chance, so that more are played until somebody is.
    for _ in 0..MOST_ROUNDS {
        let played = TestRunner::new(config.clone()).run(&plans(), |plan| {
            let (s, p) = runtime.block_on(async { play(open().await, plan).await });
            struck.set(struck.get() + s);
            paid.set(paid.get() + p);
            Ok(())
        });
        played.unwrap();
        if paid.get() > 0 {
            break;
        }
    }
    // Histories in which nothing fails, or nobody is ever paid, would show nothing.
    assert!(struck.get() > 100 * u64::from(cases), "{struck:?}");
    assert!(paid.get() > 0);
}

/// How many writes failed, and how many assignments were paid.
async fn play(rig: Rig, plan: Plan) -> (u64, i64) {
    let mut play = Play::new(rig, plan.characters).await;
    for one in plan.moves {
        play.model.now += one.after_s;
        if let Some(deed) = play.deed(one) {
            play.through_failures(&deed, one.loses_answer).await;
        }
    }
    play.let_time_pass().await;
    play.is_closed().await;
    let paid = "SELECT count(*) AS n FROM transfers WHERE kind = 'pay'";
    (play.struck, play.rig.count(paid).await)
}

impl Play {
    async fn new(rig: Rig, characters: Vec<Character>) -> Self {
        rig.with_market().await;
        rig.add_party("p3", Kind::Provider).await;
        for (n, (name, owner)) in (1..).zip(AGENTS).skip(2) {
            rig.add_agent(n, name, owner).await;
            rig.has_capacity(name, 1000).await;
        }
        let mut ledger = Ledger::default();
        let mut outside = BTreeMap::new();
        for name in ["tenant", "p1", "p2"] {
            let deposit =
                Transfer::deposit(&party("market"), &party(name), money(FUNDS), name, NOW);
            ledger.book(&deposit).unwrap();
            outside.insert((deposit.kind(), deposit.key().to_owned()), deposit);
        }
        Self {
            services: [rig.store.clone(), rig.reopen().await],
            rig,
            model: Model {
                jobs: BTreeMap::new(),
                ledger,
                outside,
                now: NOW.secs(),
            },
            characters,
            attempts: Cell::new(0),
            struck: 0,
        }
    }

    /// Does a deed as a client does it whose requests fail and who asks again.
    async fn through_failures(&mut self, deed: &Deed, loses_answer: bool) {
        let at = self.model.at();
        for writes in 0.. {
            let (service, seed) = self.attempt();
            let faults = service.database().faults();
            match loses_answer {
                true => faults.lose_answer_after(0),
                false => faults.fail_after(writes),
            }
            let answer = attempt(service, deed, at, seed).await;
            let has_struck = faults.have_struck();
            faults.none();
            if !has_struck {
                assert_eq!(answer.unwrap(), self.model.apply(deed, seed), "{deed:?}");
                return;
            }
            self.struck += 1;
            assert!(answer.unwrap_err().is_transient());
            if loses_answer {
                let counted = self.model.apply(deed, seed);
                let (service, seed) = self.attempt();
                let again = attempt(service, deed, at, seed).await.unwrap();
                assert_eq!(again, counted, "{deed:?} again");
                return;
            }
        }
    }

    /// Who is asked next, and with what randomness.
    fn attempt(&self) -> (&SqlStore, [u8; 32]) {
        let number = self.attempts.get();
        self.attempts.set(number + 1);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let service = usize::from(number % 2 == 1);
        (&self.services[service], seed)
    }

    /// Everybody falls silent, and time alone ends every job.
    async fn let_time_pass(&mut self) {
        for ticks in 0.. {
            let due = self.model.jobs.values().filter_map(Job::due_at).min();
            let Some(due) = due else { return };
            assert!(ticks < 40 * JOBS, "{:?}", self.model.jobs);
            self.model.now = self.model.now.max(due.secs());
            let all = self.model.jobs.values();
            let is_due = |job: &&Job| job.due_at() == Some(due);
            let ids: Vec<_> = all.filter(is_due).map(|job| job.id().clone()).collect();
            for id in ids {
                self.through_failures(&Deed::Act(id, Action::Tick), false)
                    .await;
            }
        }
    }

    /// What must be so when every job has ended.
    async fn is_closed(&self) {
        self.rig.books_balance().await;
        for (id, job) in &self.model.jobs {
            assert!(job.status().is_final());
            assert_eq!(self.rig.store.job(id).await.unwrap().as_ref(), Some(job));
        }
        let mut balances = BTreeMap::new();
        for row in self.rig.fetch("SELECT name, balance FROM accounts").await {
            balances.insert(row.text("name").unwrap(), row.int("balance").unwrap());
        }
        let expected = self.model.ledger.balances();
        let expected: BTreeMap<_, _> = expected
            .map(|(account, _, balance)| (account.to_string(), balance))
            .collect();
        assert_eq!(balances, expected);
        for (wrong, sql) in AT_THE_END {
            assert_eq!(self.rig.count(sql).await, 0, "{wrong}");
        }
    }
}

const AT_THE_END: [(&str, &str); 3] = [
    (
        "escrows and stakes that are not empty",
        "SELECT count(*) AS n FROM accounts
           WHERE (name LIKE 'job/%' OR name LIKE 'assignment/%') AND balance <> 0",
    ),
    (
        "assignments that were paid twice, or whose stake went two ways",
        "SELECT count(*) AS n FROM
           (SELECT assignment FROM transfers WHERE kind IN ('pay', 'slash') GROUP BY assignment HAVING count(*) > 1
            UNION ALL
            SELECT assignment FROM transfers WHERE kind IN ('return_stake', 'slash')
            GROUP BY assignment HAVING count(*) > 1) AS t",
    ),
    (
        "assignments paid in the job and not in the books, or the reverse",
        "SELECT count(*) AS n FROM assignments AS a
           WHERE a.status <> 'paid' AND EXISTS
             (SELECT 1 FROM transfers AS t WHERE t.kind = 'pay' AND t.assignment = a.id)",
    ),
];
