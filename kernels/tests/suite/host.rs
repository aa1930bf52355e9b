//! The CUDA sources, run on this CPU, give what the reference gives: every kernel, every sample, several orders of
//! threads, every build.

use std::num::NonZeroUsize;

use kernels::host::{Build, Machine};
use kernels::program::Target;
use kernels::{CheckedInputs, Inputs, Job};
use serde_json::json;

use crate::samples;

/// 0 is the natural order; odd seeds run blocks backwards.
pub(crate) const SEEDS: [u64; 4] = [0, 1, 2, 0x9e37_79b9_7f4a_7c15];

#[test]
fn every_sample_is_what_the_reference_says_in_every_order_of_threads() {
    for (name, job) in samples::small() {
        let inputs = job.accept(&Inputs::none()).unwrap();
        agrees(&name, &job, &inputs, &SEEDS);
    }
}

#[test]
fn products_agree_around_the_edges_of_slices_and_words() {
    // K around the slice of 256 and the 16 steps of a sum; n around the word of 4, which decides how B is read.
    for k in [15, 16, 17, 128, 255, 256, 257, 512, 516] {
        for n in [3, 4, 64, 68] {
            let params = json!({"m": 66, "n": n, "k": k, "operands": {"seed": samples::SEED}});
            let job = Job::parse("gemm_i8", &params).unwrap();
            let inputs = job.accept(&Inputs::none()).unwrap();
            agrees(&format!("n {n}, k {k}"), &job, &inputs, &[0, 3]);
        }
    }
}

#[test]
fn sent_inputs_are_what_a_program_works_on() {
    for given in samples::given() {
        let inputs = given.inputs();
        let inputs = given.job.accept(&inputs).unwrap();
        agrees(&given.name, &given.job, &inputs, &[0, 1]);
    }
}

/// Every build that this CPU runs gives what the reference gives, under these orders of threads.
pub(crate) fn agrees(name: &str, job: &Job, inputs: &CheckedInputs<'_>, seeds: &[u64]) {
    let Some(program) = job.program(Target::Portable) else {
        panic!("{name}: no program");
    };
    let expected = job.reference(inputs);
    for build in Build::ALL {
        let Some(machine) = Machine::new(NonZeroUsize::new(2).unwrap()).with_build(*build) else {
            continue;
        };
        for seed in seeds {
            let run = machine.with_seed(*seed).run(&program, inputs);
            let run = run.unwrap_or_else(|error| panic!("{name}, seed {seed}: {error}"));
            assert!(run.outputs == expected, "{name}, {build:?}, seed {seed}");
        }
    }
}
