//! Disputes about the states on the way: followed through the trace to the step that went wrong.

use kernels::bisect::{Claims, Progress, Ruling, Side, Tree, Witness};
use kernels::committed::{AtHand, Committed};
use kernels::{Blake3Digest, CheckedInputs, Inputs, Job};
use serde_json::json;

use crate::replica::{
    Replica, WithState, answering, dispute, found, losers, places, play, trace_claim,
};
use crate::samples;

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
