//! Operands that a device makes from a seed.

use crate::operand_stream::OperandStream;
use crate::program::{Arg, BufferId, Program, blocks};

/// Bytes of a stream that a block fills: 256 threads, 16 bytes each.
const FILL: u32 = 4096;

/// A buffer of `len` int8 elements, written by the module's function `function` from `stream`.
pub(crate) fn seeded_i8(
    program: &mut Program,
    function: &'static str,
    name: &'static str,
    len: u64,
    stream: &OperandStream,
) -> BufferId {
    let buffer = program.buffer(name, len);
    fill(program, function, buffer, len, len, stream);
    buffer
}

/// Fills `elements` elements, whose bytes are `bytes`, of a buffer from its start on.
pub(crate) fn fill(
    program: &mut Program,
    function: &'static str,
    buffer: BufferId,
    elements: u64,
    bytes: u64,
    stream: &OperandStream,
) {
    let args = [Arg::Buffer(buffer, 0), Arg::U64(elements)];
    let args = args.into_iter().chain(stream.words().map(Arg::U32));
    program.launch(function, blocks(bytes, FILL), 256, args.collect());
}
