//! The host build of a kernel's device code gives the bytes of the reference, whatever the order of its threads.

use std::num::NonZeroUsize;

use kernels::host::{Build, Machine};
use kernels::program::Target;
use kernels::{CheckedInputs, Inputs, Job, Kernel};

use crate::samples;

const KERNELS: [Kernel; 2] = [Kernel::Nbody, Kernel::Pathtrace];

/// Orders of threads; 0 is the natural one.
const SEEDS: [u64; 4] = [0, 1, 2, 3];

#[test]
fn the_host_build_gives_the_bytes_of_the_reference() {
    for (name, job) in samples::small() {
        if KERNELS.contains(&job.kernel()) {
            let inputs = job.accept(&Inputs::none()).unwrap();
            every_execution_agrees(&name, &job, &inputs);
        }
    }
}

/// Every build that this CPU runs, under every order of threads.
pub(crate) fn every_execution_agrees(name: &str, job: &Job, inputs: &CheckedInputs<'_>) {
    let expected = job.reference_bytes(inputs);
    let program = job.program(Target::Portable).unwrap();
    for machine in machines() {
        let run = machine.run(&program, inputs);
        let run = run.unwrap_or_else(|error| panic!("{name}: {error}"));
        let outputs = run.outputs.iter().map(|output| output.bytes());
        assert_eq!(outputs.len(), expected.len());
        for ((spec, actual), expected) in job.outputs().iter().zip(outputs).zip(&expected) {
            let differ = actual.iter().zip(expected).position(|(a, b)| a != b);
            assert_eq!(differ, None, "{name}, {}, {machine:?}", spec.name);
            assert_eq!(actual.len(), expected.len());
        }
    }
}

fn machines() -> Vec<Machine> {
    let two = Machine::new(NonZeroUsize::new(2).unwrap());
    let builds = [Build::Portable, Build::X86_64V3];
    let builds = builds.iter().filter_map(|build| two.with_build(*build));
    builds
        .flat_map(|machine| SEEDS.map(|seed| machine.with_seed(seed)))
        .collect()
}
