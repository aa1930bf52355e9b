//! Disputes: the liar is found, whoever it is and wherever the lie, and the honest side never loses.

use kernels::bisect::{
    Claims, ClaimsError, Loss, Progress, Question, Referee, Ruling, Side, Tree, Witness,
};
use kernels::committed::{AtHand, Committed};
use kernels::{Blake3Digest, CheckedInputs, Inputs, Job};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::replica::{Replica, WithState, in_memory, trace_claim};
use crate::samples;

/// What a dispute took.
#[derive(Debug, Default)]
struct Taken {
    rounds: u64,
    /// Of each side.
    bytes: u64,
    longest: u64,
}

type Answerer<'a> = Box<dyn FnMut(&Question) -> Vec<u8> + 'a>;

/// Plays a dispute to its end.
fn play(
    job: &Job,
    inputs: &CheckedInputs<'_>,
    claims: [Claims; 2],
    mut sides: [Answerer<'_>; 2],
) -> (Progress, Taken) {
    let [a, b] = claims;
    let mut referee = Referee::new(job, inputs, a, b).unwrap();
    let mut taken = Taken::default();
    loop {
        let question = referee.question().unwrap();
        let text = serde_json::to_string(&question).unwrap();
        assert_eq!(serde_json::from_str::<Question>(&text).unwrap(), question);
        let answers = [0, 1].map(|side| sides[side](&question));
        taken.rounds += 1;
        taken.bytes += answers[0].len() as u64;
        taken.longest = taken.longest.max(answers[0].len() as u64);
        assert_eq!(referee.answer(Side::A, &answers[0]), Progress::Waiting);
        assert!(!referee.awaits(Side::A) && referee.awaits(Side::B));
        match referee.answer(Side::B, &answers[1]) {
            Progress::Ask(next) => assert_eq!(Some(next), referee.question()),
            over => {
                assert_eq!(referee.question(), None);
                assert_eq!(referee.answer(Side::A, &[]), over);
                return (over, taken);
            }
        }
    }
}

fn answering<'a>(mut witness: Witness<'a>) -> Answerer<'a> {
    Box::new(move |question| {
        let answer = witness.answer(question);
        // Whoever cannot answer sends something.
        answer.unwrap_or_default()
    })
}

/// A dispute between two replicas that answer as well as they can.
fn dispute(job: &Job, inputs: &CheckedInputs<'_>, a: &Replica, b: &Replica) -> (Progress, Taken) {
    let outputs = [a.committed(), b.committed()];
    let claims = [a.claims(), b.claims()];
    let sides = [
        answering(a.witness(job, inputs, &outputs[0])),
        answering(b.witness(job, inputs, &outputs[1])),
    ];
    play(job, inputs, claims, sides)
}

fn loser_codes(progress: &Progress) -> Vec<(Side, &'static str)> {
    match progress {
        Progress::Decided(Ruling { losers, .. }) => losers
            .iter()
            .map(|(side, loss)| (*side, loss.code()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn losers(progress: &Progress) -> Vec<Side> {
    match progress {
        Progress::Decided(Ruling { losers, .. }) => losers.iter().map(|(side, _)| *side).collect(),
        other => panic!("{other:?}"),
    }
}

/// The liar loses, on either side, in as many questions as the trees have levels.
fn found(
    name: &str,
    job: &Job,
    inputs: &CheckedInputs<'_>,
    honest: &Replica,
    liar: &Replica,
) -> Taken {
    let (progress, _) = dispute(job, inputs, liar, honest);
    assert_eq!(losers(&progress), [Side::A], "{name}: {progress:?}");
    let (progress, taken) = dispute(job, inputs, honest, liar);
    assert_eq!(losers(&progress), [Side::B], "{name}: {progress:?}");
    assert!(taken.rounds <= 8, "{name}: {taken:?}");
    taken
}

fn places(len: usize) -> [usize; 3] {
    [0, len / 2, len - 1]
}

#[test]
fn one_wrong_bit_of_any_output_is_found() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        for output in 0..honest.outputs.len() {
            for at in places(honest.outputs[output].len()) {
                let mut liar = honest.clone();
                liar.outputs[output][at] ^= 0x10;
                found(&format!("{name}, byte {at}"), &job, &inputs, &honest, &liar);
            }
        }
    }
}

#[test]
fn a_wrong_point_that_everything_after_it_follows_from_is_found() {
    for (name, job) in samples::small() {
        if job.marks() > 0 {
            continue;
        }
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        let kernel = job.points();
        for first in [0, kernel.points() / 3] {
            let mut liar = honest.clone();
            let place = kernel.place(first);
            liar.outputs[place.output][place.offset as usize] ^= 1;
            for point in first + 1..kernel.points() {
                let bytes = kernel
                    .eval(point, &in_memory(&job, &inputs, &liar.outputs))
                    .unwrap();
                let place = kernel.place(point);
                liar.outputs[place.output][place.offset as usize..][..place.len]
                    .copy_from_slice(&bytes);
            }
            found(
                &format!("{name}, point {first}"),
                &job,
                &inputs,
                &honest,
                &liar,
            );
        }
    }
}

/// From a state changed at `entry` on, everything as it follows.
fn derailed(
    job: &Job,
    inputs: &CheckedInputs<'_>,
    honest: &Replica,
    entry: usize,
    at: usize,
) -> Replica {
    let mut liar = honest.clone();
    // The lowest byte of a number, so that it stays finite.
    liar.states[entry][at / 4 * 4] ^= 1;
    let steps = job.steps().unwrap();
    let outputs = honest.committed();
    for next in entry + 1..liar.states.len() {
        let before = next - 1;
        let slices = WithState {
            at_hand: AtHand::new(job, inputs, &outputs),
            state: (before as u64, &liar.states[before]),
        };
        liar.states[next] = steps
            .eval(next as u64, 0, liar.states[next].len(), &slices)
            .unwrap();
    }
    let len = steps.state_len() as usize;
    let every = liar.states.len() / (liar.outputs[1].len() / len);
    let ends = liar.states.iter().skip(every - 1).step_by(every);
    liar.outputs[1] = ends.flatten().copied().collect();
    liar
}

fn marking() -> impl Iterator<Item = (String, Job)> {
    samples::small()
        .into_iter()
        .filter(|(_, job)| job.marks() > 0)
}

#[test]
fn a_wrong_state_that_all_later_states_follow_from_is_found() {
    for (name, job) in marking() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        for entry in places(honest.states.len()) {
            for at in places(honest.states[0].len()) {
                let name = format!("{name}, state {entry}, byte {at}");
                let liar = derailed(&job, &inputs, &honest, entry, at);
                let (progress, _) = dispute(&job, &inputs, &honest, &liar);
                let Progress::Decided(Ruling {
                    fault: Some(fault), ..
                }) = progress
                else {
                    panic!("{name}: {progress:?}");
                };
                assert_eq!(fault.tree, Tree::State(entry as u64), "{name}");
                assert_eq!(fault.expected, fault.actual[0], "{name}");
                found(&name, &job, &inputs, &honest, &liar);
            }
        }
    }
}

#[test]
fn long_traces_are_followed_over_the_borders_of_their_chunks() {
    let params = json!({"layers": [1, 1, 1], "task": "regression", "samples": 4, "batch": 1, "steps": 100,
        "checkpoint_every": 50, "learning_rate": 6554, "momentum": 0, "seed": samples::SEED, "data": "seeded"});
    let job = Job::parse("mlp_sgd", &params).unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let honest = Replica::honest(&job, &inputs);
    for entry in [0, 1, 31, 32, 33, 63, 64, 99] {
        let liar = derailed(&job, &inputs, &honest, entry, 0);
        found(&format!("state {entry}"), &job, &inputs, &honest, &liar);
    }
}

#[test]
fn regained_and_recomputed_states_are_those_of_the_training() {
    let job = |every: u32| {
        let params = json!({"layers": [2, 5, 3], "task": "classification", "samples": 60, "batch": 7, "steps": 6,
            "checkpoint_every": every, "learning_rate": 6554, "momentum": 30_000, "seed": samples::SEED,
            "data": "seeded"});
        Job::parse("mlp_sgd", &params).unwrap()
    };
    let none = Inputs::none();
    let (each, job) = (job(1), job(3));
    let checkpoints = each.reference_run(&none).unwrap().remove(1);
    let steps = job.steps().unwrap();
    let states = checkpoints.bytes().chunks_exact(steps.state_len() as usize);
    let inputs = job.accept(&none).unwrap();
    let honest = Replica::honest(&job, &inputs);
    assert!(states.clone().eq(honest.states.iter().map(Vec::as_slice)));
    let outputs = honest.committed();
    for (entry, right) in states.enumerate().skip(1) {
        let slices = WithState {
            at_hand: AtHand::new(&job, &inputs, &outputs),
            state: (entry as u64 - 1, &honest.states[entry - 1]),
        };
        let part = steps.eval(entry as u64, 8, 12, &slices).unwrap();
        assert_eq!(part, right[8..20], "{entry}");
    }
}

#[test]
fn a_trace_of_digests_that_nothing_has_is_lost() {
    for (name, job) in marking() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        let outputs = honest.committed();
        let mut trace = honest.trace();
        *trace.last_mut().unwrap() = Blake3Digest::of(b"nothing");
        let mut claims = honest.claims();
        claims.trace = trace_claim(&trace);
        let liar = Witness::new(&job, &inputs, &outputs, &trace).unwrap();
        let sides = [
            answering(honest.witness(&job, &inputs, &outputs)),
            answering(liar),
        ];
        let (progress, _) = play(&job, &inputs, [honest.claims(), claims], sides);
        assert_eq!(losers(&progress), [Side::B], "{name}");
    }
}

#[test]
fn the_kernel_regains_the_states_that_a_witness_did_not_keep() {
    for (name, job) in marking() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        let liar = derailed(&job, &inputs, &honest, honest.states.len() / 2, 0);
        let outputs = [honest.committed(), liar.committed()];
        let without = Witness::new(&job, &inputs, &outputs[0], &honest.trace()).unwrap();
        let sides = [
            answering(without),
            answering(liar.witness(&job, &inputs, &outputs[1])),
        ];
        let (progress, _) = play(&job, &inputs, [honest.claims(), liar.claims()], sides);
        assert_eq!(losers(&progress), [Side::B], "{name}");
    }
}

#[test]
fn a_dispute_moves_to_the_output_that_was_read() {
    let name = "mlp_sgd, one step a segment";
    let (_, job) = samples::small()
        .into_iter()
        .find(|(it, _)| it == name)
        .unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let honest = Replica::honest(&job, &inputs);
    // The loss of the second segment and the checkpoint that it follows from; both traces say otherwise.
    let mut liar = honest.clone();
    liar.outputs[0][4] ^= 1;
    liar.outputs[1][0] ^= 1;
    let (progress, taken) = dispute(&job, &inputs, &honest, &liar);
    let Progress::Decided(Ruling {
        losers,
        fault: Some(fault),
    }) = progress
    else {
        panic!("{progress:?}");
    };
    assert_eq!(losers, [(Side::B, Loss::Wrong)]);
    assert_eq!((fault.tree, taken.rounds), (Tree::Output(1), 2));
}

#[test]
fn both_lose_where_both_are_wrong() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        let [mut a, mut b] = [honest.clone(), honest.clone()];
        let last = honest.outputs.len() - 1;
        a.outputs[last][0] ^= 1;
        b.outputs[last][0] ^= 2;
        let (progress, _) = dispute(&job, &inputs, &a, &b);
        assert_eq!(losers(&progress), Side::BOTH, "{name}");
    }
}

#[test]
fn an_answer_that_lies_is_lost_and_the_other_side_judged_if_it_can_be() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(&job, &inputs);
        let mut wrong = honest.clone();
        let (output, len) = (wrong.outputs.len() - 1, wrong.outputs.last().unwrap().len());
        wrong.outputs[output][len / 2] ^= 4;
        let outputs = [honest.committed(), wrong.committed()];
        let rounds = dispute(&job, &inputs, &honest, &wrong).1.rounds;
        for round in 0..rounds {
            for (change, loss) in [
                (0, Loss::NotCommitted),
                (
                    1,
                    Loss::Length {
                        expected: 0,
                        actual: 0,
                    },
                ),
            ] {
                let mut asked = 0;
                let mut witness = wrong.witness(&job, &inputs, &outputs[1]);
                let lying: Answerer<'_> = Box::new(move |question| {
                    let mut answer = witness.answer(question).unwrap();
                    if asked == round && change == 0 {
                        let at = answer.len() / 2;
                        answer[at] ^= 1;
                    } else if asked == round {
                        answer.pop();
                    }
                    asked += 1;
                    answer
                });
                let sides = [answering(honest.witness(&job, &inputs, &outputs[0])), lying];
                let claims = [honest.claims(), wrong.claims()];
                let (progress, _) = play(&job, &inputs, claims, sides);
                let Progress::Decided(Ruling { losers, .. }) = progress else {
                    panic!("{name}: {progress:?}");
                };
                assert_eq!(losers.len(), 1, "{name}, round {round}");
                let (side, found) = losers[0];
                assert_eq!(
                    (side, found.code()),
                    (Side::B, loss.code()),
                    "{name}, round {round}"
                );
            }
        }
    }
}

#[test]
fn whoever_is_silent_loses() {
    let job = chain();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let honest = Replica::honest(&job, &inputs);
    let mut liar = honest.clone();
    liar.outputs[0][3] ^= 1;
    let outputs = honest.committed();
    let referee = || Referee::new(&job, &inputs, honest.claims(), liar.claims()).unwrap();
    let mut witness = honest.witness(&job, &inputs, &outputs);
    let unanswered = |side| (side, Loss::Unanswered);
    let ruling = |losers: Vec<_>| {
        Progress::Decided(Ruling {
            losers,
            fault: None,
        })
    };

    let mut silent = referee();
    let answer = witness.answer(&silent.question().unwrap()).unwrap();
    assert_eq!(silent.answer(Side::A, &answer), Progress::Waiting);
    assert_eq!(silent.time_up(), ruling(vec![unanswered(Side::B)]));
    assert_eq!(silent.time_up(), ruling(vec![unanswered(Side::B)]));

    let mut both = referee();
    assert_eq!(both.time_up(), ruling(Side::BOTH.map(unanswered).to_vec()));

    // The first answer counts, and one that was no answer stays none.
    let mut twice = referee();
    assert_eq!(twice.answer(Side::A, &[]), Progress::Waiting);
    assert_eq!(twice.answer(Side::A, &answer), Progress::Waiting);
    let expected = answer.len() as u64;
    let lost = (
        Side::A,
        Loss::Length {
            expected,
            actual: 0,
        },
    );
    assert_eq!(twice.time_up(), ruling(vec![lost, unanswered(Side::B)]));
}

#[test]
fn claims_that_agree_or_have_another_form_are_no_dispute() {
    let job = chain();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let honest = Replica::honest(&job, &inputs);
    let claims = honest.claims();
    let refused = |a: &Claims, b: &Claims| {
        let error = Referee::new(&job, &inputs, a.clone(), b.clone()).unwrap_err();
        (
            error.code(),
            matches!(error, ClaimsError::Form { side: Side::B, .. }),
        )
    };
    assert_eq!(refused(&claims, &claims), ("claims_agree", false));
    let mut fewer = claims.clone();
    fewer.outputs.clear();
    assert_eq!(refused(&claims, &fewer), ("claims_malformed", true));
    let mut traced = claims.clone();
    traced.trace = trace_claim(&[Blake3Digest::of(b"state")]);
    assert_eq!(refused(&claims, &traced), ("claims_malformed", true));
}

#[test]
fn a_witness_answers_no_question_of_another_job() {
    let job = chain();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let honest = Replica::honest(&job, &inputs);
    let outputs = honest.committed();
    let mut witness = honest.witness(&job, &inputs, &outputs);
    let nodes = |tree, start, len, levels| Question::Nodes {
        tree,
        start,
        len,
        levels,
    };
    let len = honest.outputs[0].len() as u64;
    let c = Tree::Output(0);
    assert!(witness.answer(&nodes(c, 0, len, 11)).is_ok());
    let table = [
        nodes(c, 0, len, 12),
        nodes(c, 0, len, 0),
        nodes(c, 0, len, u32::MAX),
        nodes(c, 0, len - 1, 1),
        nodes(c, 0, 1024, 1),
        nodes(Tree::Output(1), 0, len, 1),
        nodes(Tree::State(0), 0, len, 1),
        nodes(Tree::Trace, 0, len, 1),
        Question::Open(vec![(c, 0, len + 1)]),
        Question::Open(vec![(c, 0, 0)]),
        Question::Open(vec![(c, u64::MAX, 2)]),
        Question::Open(vec![(c, 0, len); 100_000]),
        Question::Reads { point: u64::MAX },
    ];
    for question in table {
        let error = witness.answer(&question).unwrap_err();
        assert_eq!(error.code(), "question_malformed", "{question:?}");
    }
}

/// A walk over more lines than one answer opens: both sides say which they are.
#[test]
fn a_point_that_reads_few_of_very_many_bytes_is_asked_for_them() {
    let params =
        json!({"lanes": 8192, "depth": 72, "walkers": 2, "hops": 70, "seed": samples::SEED});
    let job = Job::parse("vram_walk", &params).unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let honest = Replica::honest(&job, &inputs);
    assert!(honest.outputs[1].len() > 64 << 20);
    let mut liar = honest.clone();
    liar.outputs[2][40] ^= 1;
    let taken = found("large walk", &job, &inputs, &honest, &liar);
    assert!(taken.bytes < 400_000, "{taken:?}");
    let outputs = [honest.committed(), liar.committed()];
    let mut whole = [1_u32.to_le_bytes(), (64_u32 << 20).to_le_bytes()].concat();
    whole.extend(0_u64.to_le_bytes());
    let beyond = [[0xff; 8], [0; 8]].concat();
    let evasions = [
        (vec![], "dispute_lost"),
        (whole, "reads_too_large"),
        (beyond, "reads_incomplete"),
        (vec![0; 15], "reads_incomplete"),
        (vec![0; 16 * 4096 + 1], "answer_length_mismatch"),
    ];
    for (named, code) in evasions {
        let mut witness = liar.witness(&job, &inputs, &outputs[1]);
        let evasive: Answerer<'_> = Box::new(move |question| match question {
            Question::Reads { .. } => named.clone(),
            _ => witness.answer(question).unwrap(),
        });
        let sides = [
            answering(honest.witness(&job, &inputs, &outputs[0])),
            evasive,
        ];
        let (progress, _) = play(&job, &inputs, [honest.claims(), liar.claims()], sides);
        assert_eq!(loser_codes(&progress), [(Side::B, code)]);
    }
    // Both name nothing.
    let silent = || -> Answerer<'_> {
        let mut witness = liar.witness(&job, &inputs, &outputs[1]);
        Box::new(move |question| match question {
            Question::Reads { .. } => Vec::new(),
            _ => witness.answer(question).unwrap_or_default(),
        })
    };
    let mut other = liar.clone();
    other.outputs[2][40] ^= 2;
    let outputs_of_other = other.committed();
    let mut witness = other.witness(&job, &inputs, &outputs_of_other);
    let second: Answerer<'_> = Box::new(move |question| match question {
        Question::Reads { .. } => Vec::new(),
        _ => witness.answer(question).unwrap(),
    });
    let (progress, _) = play(
        &job,
        &inputs,
        [liar.claims(), other.claims()],
        [silent(), second],
    );
    let both = Side::BOTH.map(|side| (side, "reads_incomplete"));
    assert_eq!(loser_codes(&progress), both);
}

#[test]
fn rounds_and_bytes_grow_with_the_levels_alone() {
    // 1024 steps of 2^20 numbers. States are made up: both sides are wrong, and what it takes is the same.
    let params = json!({"layers": [1022, 1023, 1], "task": "regression", "samples": 2, "batch": 1, "steps": 1024,
        "checkpoint_every": 1024, "learning_rate": 1, "momentum": 0, "seed": samples::SEED, "data": "seeded"});
    let job = Job::parse("mlp_sgd", &params).unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let len = job.steps().unwrap().state_len();
    assert!(len > 4 * ((1 << 20) - 2048) && len <= 4 << 20, "{len}");
    let before = vec![0; len as usize];
    let after = [1, 2].map(|byte| {
        let mut state = before.clone();
        state[len as usize / 2] = byte;
        state
    });
    let traces = [0, 1].map(|side| {
        let entry = |entry: u64| match entry {
            699 => Blake3Digest::of(&before),
            700 => Blake3Digest::of(&after[side]),
            _ => Blake3Digest::of(&entry.to_le_bytes()),
        };
        (0..1024).map(entry).collect::<Vec<_>>()
    });
    let output = [0; 32];
    let claims = [0, 1].map(|side| Claims {
        outputs: vec![Blake3Digest::from_bytes(output); 2],
        trace: trace_claim(&traces[side]),
    });
    let none: [Committed<'_>; 0] = [];
    let sides = [0, 1].map(|side: usize| {
        let (before, after) = (&before, &after[side]);
        let witness = Witness::new(&job, &inputs, &none, &traces[side]).unwrap();
        answering(witness.with_states(move |entry| {
            Ok(if entry == 700 {
                after.clone()
            } else {
                before.clone()
            })
        }))
    });
    let (progress, taken) = play(&job, &inputs, claims, sides);
    assert_eq!(losers(&progress), Side::BOTH);
    println!(
        "1024 steps of {} numbers: {} rounds, {} bytes a side, {} of them the state before",
        len / 4,
        taken.rounds,
        taken.bytes,
        taken.longest
    );
    assert_eq!(taken.rounds, 6);
    assert!(taken.bytes - taken.longest < 80_000, "{taken:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any few bytes of one side changed, by anything: that side loses, alone.
    #[test]
    fn the_honest_side_never_loses(
        sample: Index,
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), 1_u8..), 1..6),
        first: bool,
    ) {
        let all = samples::small();
        let (name, job) = sample.get(&all);
        let inputs = job.accept(&Inputs::none()).unwrap();
        let honest = Replica::honest(job, &inputs);
        let mut liar = honest.clone();
        for (which, at, change) in changes {
            let outputs = liar.outputs.len();
            let which = which.index(outputs + liar.states.len());
            let bytes = match which.checked_sub(outputs) {
                None => &mut liar.outputs[which],
                Some(state) => &mut liar.states[state],
            };
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        if liar.claims() == honest.claims() {
            return Ok(());
        }
        let (a, b, loser) = match first {
            true => (&liar, &honest, Side::A),
            false => (&honest, &liar, Side::B),
        };
        let (progress, _) = dispute(job, &inputs, a, b);
        prop_assert_eq!(losers(&progress), [loser], "{}", name);
    }
}

fn chain() -> Job {
    Job::parse(
        "gemm_chain",
        &json!({"n": 71, "steps": 2, "weights": 3, "seed": samples::SEED}),
    )
    .unwrap()
}
