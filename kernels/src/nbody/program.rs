//! What a device does for bodies: begin, or take them as they come, then one launch a step.

use super::bodies;
use super::params::{BodySource, Nbody};
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::program::{Arg, BufferId, Program, blocks};

/// Bodies of a block; `NBODY_THREADS` of `cuda/nbody.cu`.
const THREADS: u32 = 256;

pub(super) fn of(job: &Nbody) -> Program {
    let mut program = Program::new(Module::portable("nbody"));
    let (mass, state) = begin(&mut program, job);
    let trajectory = program.buffer(
        "trajectory",
        job.state_bytes() * u64::from(job.params().steps),
    );
    let mut before = Arg::Buffer(state, 0);
    for index in 0..u64::from(job.params().steps) {
        let after = Arg::Buffer(trajectory, index * job.state_bytes());
        let step = job.step(index);
        let lengths = [step.kick, step.drift, step.softening_squared].map(Arg::F32);
        let args = [
            Arg::Buffer(mass, 0),
            before,
            after,
            Arg::U32(job.params().n),
        ];
        let args = args.into_iter().chain(lengths);
        program.launch(
            "nbody_step",
            blocks(job.params().n.into(), THREADS),
            THREADS,
            args.collect(),
        );
        before = after;
    }
    program.output(trajectory);
    program
}

/// Masses and the state before the first step.
fn begin(program: &mut Program, job: &Nbody) -> (BufferId, BufferId) {
    let BodySource::Seed(seed) = job.params().bodies else {
        let mass = program.input(bodies::MASS, job.mass_bytes());
        return (mass, program.input(bodies::STATE, job.state_bytes()));
    };
    let mass = program.buffer(bodies::MASS, job.mass_bytes());
    let state = program.buffer(bodies::STATE, job.state_bytes());
    let n = job.params().n;
    let args = [
        Arg::Buffer(mass, 0),
        Arg::Buffer(state, 0),
        Arg::U32(n),
        Arg::F32(job.softening_squared()),
    ];
    let stream = OperandStream::new(&seed, "bodies");
    let args = args.into_iter().chain(stream.words().map(Arg::U32));
    program.launch(
        "nbody_begin",
        blocks(n.into(), THREADS),
        THREADS,
        args.collect(),
    );
    (mass, state)
}
