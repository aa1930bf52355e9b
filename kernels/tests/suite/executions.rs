//! The host build of a kernel's device code gives the bytes of the reference, whatever the order of its threads.

use std::num::NonZeroUsize;

use kernels::host::{Build, Machine};
use kernels::program::Target;
use kernels::{Inputs, Job, Kernel};

use crate::samples;

const KERNELS: [Kernel; 2] = [Kernel::MlpSgd, Kernel::TransformerBlock];

/// Orders of threads; 0 is the natural one.
const SEEDS: [u64; 4] = [0, 1, 2, 3];

#[test]
fn the_host_build_gives_the_bytes_of_the_reference() {
    for (name, job) in samples::small() {
        if !KERNELS.contains(&job.kernel()) {
            continue;
        }
        let expected = job.reference_run(&Inputs::none()).unwrap();
        for machine in machines() {
            let run = run(&machine, &job, &name);
            for ((spec, actual), expected) in job.outputs().iter().zip(&run).zip(&expected) {
                let place = actual
                    .iter()
                    .zip(expected.bytes())
                    .position(|(a, b)| a != b);
                assert_eq!(place, None, "{name}, {}, {machine:?}", spec.name);
                assert_eq!(actual.len(), expected.bytes().len());
            }
        }
    }
}

/// Every build that this CPU runs, under every order of threads.
fn machines() -> Vec<Machine> {
    let two = Machine::new(NonZeroUsize::new(2).unwrap());
    let builds = [Build::Portable, Build::X86_64V3];
    let builds = builds.iter().filter_map(|build| two.with_build(*build));
    builds
        .flat_map(|machine| SEEDS.map(|seed| machine.with_seed(seed)))
        .collect()
}

fn run(machine: &Machine, job: &Job, name: &str) -> Vec<Vec<u8>> {
    let program = job.program(Target::Portable).unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let run = machine.run(&program, &inputs);
    let run = run.unwrap_or_else(|error| panic!("{name}: {error}"));
    run.outputs
        .into_iter()
        .map(|output| output.into_bytes())
        .collect()
}
