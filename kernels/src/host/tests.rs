//! Tests of the host execution itself, on the kernels of `host/testdata`.

mod defects;
mod int8_mma;
mod programs;
mod results;

use std::num::NonZeroUsize;

use super::*;
use crate::program::{Arg, BufferId, Program, Target};
use crate::{Blake3Digest, CheckedInputs, Inputs, Job, Module, Output};

/// A machine and some buffers: a program that lacks its launch.
struct Bench {
    machine: Machine,
    program: Program,
    buffers: Vec<BufferId>,
}

impl Bench {
    fn new() -> Self {
        Self {
            machine: machine(1),
            program: Program::new(Module::portable("host_test")),
            buffers: Vec::new(),
        }
    }

    fn on(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Adds a buffer, the next argument of the launch and the next output.
    fn words(mut self, words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let buffer = self.program.bytes("words", bytes);
        self.program.output(buffer);
        self.buffers.push(buffer);
        self
    }

    /// Launches a function with the buffers and then `scalars` as arguments.
    fn run(
        &self,
        function: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        scalars: &[Arg],
    ) -> Result<Outputs, HostError> {
        let pointers = self.buffers.iter().map(|buffer| Arg::Buffer(*buffer, 0));
        let args = pointers.chain(scalars.iter().copied()).collect();
        let mut program = self.program.clone();
        program.launch_grid(function, grid, block, args);
        run(&self.machine, &program).map(Outputs)
    }

    /// The same in one dimension.
    fn line(
        &self,
        function: &'static str,
        blocks: u32,
        threads: u32,
        scalars: &[Arg],
    ) -> Result<Outputs, HostError> {
        self.run(function, [blocks, 1, 1], [threads, 1, 1], scalars)
    }
}

#[derive(Debug)]
struct Outputs(Vec<Output>);

impl Outputs {
    fn words(&self, buffer: usize) -> Vec<u32> {
        let words = self.0[buffer].bytes().chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    fn wide(&self, buffer: usize) -> Vec<u64> {
        let words = self.0[buffer].bytes().chunks_exact(8);
        words
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }
}

fn run(machine: &Machine, program: &Program) -> Result<Vec<Output>, HostError> {
    machine.run(program, &no_inputs()).map(|run| run.outputs)
}

/// A seeded job has no inputs.
fn no_inputs() -> CheckedInputs<'static> {
    let params = r#"{"m": 1, "n": 1, "k": 1, "operands": {"seed":
        "0000000000000000000000000000000000000000000000000000000000000000"}}"#;
    let job = Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(params)).unwrap();
    job.accept(&Inputs::none()).unwrap()
}

fn machine(threads: usize) -> Machine {
    Machine::new(NonZeroUsize::new(threads).unwrap())
}
