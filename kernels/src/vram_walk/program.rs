//! What a device does: both passes, a thread a lane; the walks, a thread each.

use super::VramWalk;
use super::line::LINE;
use super::params::STATE;
use crate::modules::Module;
use crate::program::{Arg, Program, blocks};

const THREADS: u32 = 128;

pub(super) fn of(job: &VramWalk) -> Program {
    let mut program = Program::new(Module::portable("vram_walk"));
    let first = program.buffer("first", LINE * job.lines());
    let second = program.buffer("second", LINE * job.lines());
    let walks = program.buffer("walks", STATE * u64::from(job.walkers));
    let words = |label| job.stream(label).words().map(Arg::U32);
    let shape = [Arg::U32(job.lanes), Arg::U32(job.depth)];

    let mut args = vec![Arg::Buffer(first, 0)];
    args.extend(shape);
    args.extend(words("x").into_iter().chain(words("p")));
    program.launch(
        "vram_walk_first",
        blocks(job.lanes.into(), THREADS),
        THREADS,
        args,
    );

    let mut args = vec![Arg::Buffer(first, 0), Arg::Buffer(second, 0)];
    args.extend(shape);
    args.extend(words("q"));
    program.launch(
        "vram_walk_second",
        blocks(job.lanes.into(), THREADS),
        THREADS,
        args,
    );

    let mut args = vec![Arg::Buffer(second, 0), Arg::Buffer(walks, 0)];
    args.push(Arg::U64(job.lines()));
    args.extend([Arg::U32(job.walkers), Arg::U32(job.hops)]);
    args.extend(words("w"));
    program.launch(
        "vram_walk_walk",
        blocks(job.walkers.into(), THREADS),
        THREADS,
        args,
    );

    for output in [first, second, walks] {
        program.output(output);
    }
    program
}
