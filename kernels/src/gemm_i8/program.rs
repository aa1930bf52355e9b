//! What a device does for a product: fill A and B from the seed, or take them as they come, then one launch.

use super::{GemmI8, OperandSource};
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::program::{Arg, BufferId, Program, blocks};

/// Elements of C that a block computes in each direction; `TILE` of `cuda/gemm_i8.cu`.
const TILE: u32 = 64;

/// Bytes of a stream that a block fills: 256 threads, 16 bytes each.
const FILL: u32 = 4096;

pub(super) fn of(job: &GemmI8) -> Program {
    let shape = job.shape();
    let mut program = Program::new(Module::portable("gemm_i8"));
    let a = operand(&mut program, job.operands(), "a", shape.a_len() as u64);
    let b = operand(&mut program, job.operands(), "b", shape.b_len() as u64);
    let c = program.buffer("c", shape.output_len() as u64);
    let (m, n, k) = (shape.m() as u32, shape.n() as u32, shape.k() as u32);
    program.launch_grid(
        "gemm_i8_product",
        [n.div_ceil(TILE), m.div_ceil(TILE), 1],
        [16, 16, 1],
        vec![
            Arg::Buffer(a, 0),
            Arg::Buffer(b, 0),
            Arg::Buffer(c, 0),
            Arg::U32(m),
            Arg::U32(n),
            Arg::U32(k),
        ],
    );
    program.output(c);
    program
}

fn operand(program: &mut Program, from: OperandSource, name: &'static str, len: u64) -> BufferId {
    let OperandSource::Seed(seed) = from else {
        return program.input(name, len);
    };
    let buffer = program.buffer(name, len);
    let stream = OperandStream::new(&seed, name);
    let args = [Arg::Buffer(buffer, 0), Arg::U64(len)];
    let args = args.into_iter().chain(stream.words().map(Arg::U32));
    program.launch("gemm_i8_fill", blocks(len, FILL), 256, args.collect());
    buffer
}
