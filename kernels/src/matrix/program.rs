//! What a device does for a product: fill A and B from the seed, or take them as they come, then one launch.

use super::{Element, OperandSource, Product};
use crate::fill;
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::program::{Arg, BufferId, Program};

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
    function: &'static str,
    name: &'static str,
    elements: usize,
) -> BufferId {
    let len = (elements * E::LEN) as u64;
    let OperandSource::Seed(seed) = job.operands() else {
        return program.input(name, len);
    };
    let buffer = program.buffer(name, len);
    let stream = OperandStream::new(&seed, name);
    fill::fill(program, function, buffer, elements as u64, len, &stream);
    buffer
}

/// `cuda/gemm_bf16_sm90a.cu` on the host's twin of its instructions (`cuda/wgmma.cuh`). Tries tiles, addresses, edges
/// and barriers; of what a tensor core computes it says nothing.
#[cfg(all(test, feature = "host-tests"))]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::gemm_bf16::{Bf16, GemmBf16, Operands, encode, reference};
    use crate::host::Machine;
    use crate::matrix::{Multiply, Shape};
    use crate::operand_stream::OperandSeed;
    use crate::program::Target;
    use crate::{Inputs, Job};

    #[test]
    fn the_hopper_module_computes_the_product_on_the_host_s_twin_of_wgmma() {
        let shapes = [
            ("smallest", [1, 1, 1]),
            ("odd, k below a step", [7, 5, 15]),
            ("k above a step", [3, 9, 17]),
            ("both warpgroups, k below a tile", [65, 64, 63]),
            ("one below a tile", [127, 127, 64]),
            ("a tile, k above it", [128, 128, 65]),
            ("one above a tile, two of k", [129, 130, 128]),
        ];
        for (why, [m, n, k]) in shapes {
            let (shape, seed) = (
                Shape::new(m, n, k).unwrap(),
                OperandSeed::from_bytes([m as u8; 32]),
            );
            let job = GemmBf16::new(shape, OperandSource::Seed(seed));
            let functions = Functions {
                module: Module::portable("gemm_bf16_sm90a"),
                ..Bf16::functions(Target::Sm90a).unwrap()
            };
            let inputs = Job::new(job).accept(&Inputs::none()).unwrap();
            let expected = encode(&reference(&Operands::from_seed(shape, &seed)));
            for order in [0, 1] {
                let machine = Machine::new(NonZeroUsize::MIN).with_seed(order);
                let run = machine.run(&of(&job, functions), &inputs).unwrap();
                assert!(run.outputs[0].bytes() == expected, "{why}, order {order}");
            }
        }
    }
}
