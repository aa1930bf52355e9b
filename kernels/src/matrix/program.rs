//! What a device does for a product: fill A and B from the seed, or take them as they come, then one launch.

use super::{Element, OperandSource, Product};
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::program::{Arg, BufferId, Program, blocks};

/// A module that multiplies, and how it is launched.
///
/// `fill(out, len, key_0, key_1, high_0, high_1)`: blocks of 256 threads, 16 bytes of the stream each.
/// `product(a, b, c, m, n, k)`: one block per tile of C.
#[derive(Clone, Copy, Debug)]
pub struct Functions {
    /// The module.
    pub module: Module,
    /// Writes an operand from its stream.
    pub fill: &'static str,
    /// Writes C.
    pub product: &'static str,
    /// Rows and columns of C that a block computes.
    pub tile: u32,
    /// Threads of a block of `product`.
    pub block: [u32; 3],
}

/// Bytes of a stream that a block fills.
const FILL: u32 = 256 * 16;

pub(super) fn of<E: Element>(job: &Product<E>, functions: Functions) -> Program {
    let shape = job.shape();
    let mut program = Program::new(functions.module);
    let a = operand(&mut program, job, functions.fill, "a", shape.a_len());
    let b = operand(&mut program, job, functions.fill, "b", shape.b_len());
    let c = program.buffer("c", shape.output_len() as u64);
    let (m, n, k) = (shape.m() as u32, shape.n() as u32, shape.k() as u32);
    let tiles = [n.div_ceil(functions.tile), m.div_ceil(functions.tile), 1];
    let buffers = [a, b, c].map(|buffer| Arg::Buffer(buffer, 0));
    let args = buffers.into_iter().chain([m, n, k].map(Arg::U32));
    program.launch_grid(functions.product, tiles, functions.block, args.collect());
    program.output(c);
    program
}

fn operand<E: Element>(
    program: &mut Program,
    job: &Product<E>,
    fill: &'static str,
    name: &'static str,
    elements: usize,
) -> BufferId {
    let len = (elements * E::LEN) as u64;
    let OperandSource::Seed(seed) = job.operands() else {
        return program.input(name, len);
    };
    let buffer = program.buffer(name, len);
    let stream = OperandStream::new(&seed, name);
    let args = [Arg::Buffer(buffer, 0), Arg::U64(elements as u64)];
    let args = args.into_iter().chain(stream.words().map(Arg::U32));
    program.launch(fill, blocks(len, FILL), 256, args.collect());
    buffer
}
