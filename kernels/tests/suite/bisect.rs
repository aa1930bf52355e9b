//! Disputes: the liar is found, whoever it is and wherever the lie, and the honest side never loses.

use kernels::bisect::{Claims, ClaimsError, Loss, Progress, Question, Referee, Ruling, Side, Tree};
use kernels::{Blake3Digest, Inputs, Job};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::replica::{
    Answerer, Replica, answering, dispute, found, in_memory, loser_codes, losers, places, play,
    trace_claim,
};
use crate::samples;

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
        json!({"n": 71, "steps": 2, "weights": 3, "seed": samples::SEED}),
    )
    .unwrap()
}
