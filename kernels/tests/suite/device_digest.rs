//! The digest that a device computes is BLAKE3's, for every class of length and every cut.

use std::num::NonZeroUsize;

use kernels::digest_program::{DigestPlan, digested};
use kernels::host::HandMade;
use kernels::host::Machine;
use kernels::program::{BufferId, Region, Target};
use kernels::{Blake3Digest, Inputs, Job};
use serde_json::json;

use crate::vouched::vouched;

/// Lengths at which something changes: blocks of 64 bytes, chunks of 1024, levels of the tree, 512 chunks a launch.
const LENGTHS: &[usize] = &[
    0,
    1,
    3,
    63,
    64,
    65,
    127,
    128,
    129,
    1023,
    1024,
    1025,
    2047,
    2048,
    2049,
    3 * 1024,
    3 * 1024 + 1,
    4 * 1024 - 1,
    5 * 1024,
    7 * 1024 + 5,
    8 * 1024,
    8 * 1024 + 1,
    // 31 = 16 + 8 + 4 + 2 + 1: a node is left over at every level.
    31 * 1024,
    31 * 1024 + 1,
    127 * 1024,
    128 * 1024 + 1,
    129 * 1024,
    511 * 1024,
    512 * 1024 - 1,
    512 * 1024,
    512 * 1024 + 1,
    513 * 1024 + 1,
    1023 * 1024 + 7,
    1024 * 1024 + 1,
];

#[test]
fn a_device_digest_is_that_of_the_crate_for_every_class_of_length() {
    for &len in LENGTHS {
        // 16 offsets within a 16-byte word over the list; the period 251 is the largest prime below 256.
        let offset = len % 17;
        for seed in [0, 1, 2] {
            let got = device_digest(&painted(offset + len), offset, seed, |plan| plan.launches());
            let expected = Blake3Digest::of(&painted(offset + len)[offset..]);
            assert_eq!(got, expected, "{len} bytes from {offset}, seed {seed}");
        }
    }
}

#[test]
fn a_digest_of_many_levels_of_launches_is_that_of_the_crate() {
    let bytes = painted(513 * 512 * 1024 + 1);
    let got = device_digest(&bytes, 0, 0, |plan| plan.launches());
    assert_eq!(got, Blake3Digest::of(&bytes));
}

#[test]
fn chunks_hashed_in_parts_as_they_are_written_give_the_same_digest() {
    let bytes = painted(700 * 1024 + 100);
    for part in [1000, 4096, 64 * 1024 + 1] {
        let got = device_digest(&bytes, 0, 0, |plan| {
            let written = (part..bytes.len() as u64 + part).step_by(part as usize);
            let mut launches = Vec::new();
            let mut done = 0;
            for ready in written.map(|written| plan.ready(written)) {
                if ready > done {
                    launches.push(plan.chunk_launch(done..ready));
                    done = ready;
                }
            }
            launches.extend(plan.tree_launches());
            launches
        });
        assert_eq!(got, Blake3Digest::of(&bytes), "parts of {part}");
    }
}

#[test]
fn a_digested_program_gives_the_outputs_and_their_digests() {
    let zeros = "0".repeat(64);
    let params = json!({"m": 65, "n": 33, "k": 7, "operands": {"seed": zeros}});
    let job = Job::parse("gemm_i8", &params).unwrap();
    let inputs = job.accept(&Inputs::none()).unwrap();
    let mut digested = digested(&job.program(Target::Portable).unwrap());
    let digests = digested.outputs[0].buffer;
    digested.program.output(digests);
    let run = machine(0).run(&digested.program, &inputs).unwrap();
    assert_eq!(run.outputs[0].bytes(), job.reference(&inputs)[0].bytes());
    assert_eq!(run.outputs[1].bytes(), run.outputs[0].digest().as_bytes());
}

#[test]
fn marks_are_digested_where_they_stand() {
    let mut program = HandMade::new(blake3_module());
    let data = program.bytes("data", painted(3000));
    program.mark(data);
    program.mark(data);
    program.output(data);
    let mut digested = digested(&vouched(program));
    assert_eq!((digested.marks.len(), digested.outputs.len()), (2, 1));
    digested.program.output(digested.marks[0].buffer);
    let none = Inputs::none();
    let inputs = one_byte().accept(&none).unwrap();
    let run = machine(0).run(&digested.program, &inputs).unwrap();
    let expected = *Blake3Digest::of(&painted(3000)).as_bytes();
    assert_eq!(run.outputs[1].bytes(), [expected; 3].concat());
}

fn device_digest(
    bytes: &[u8],
    offset: usize,
    seed: u64,
    launches: impl Fn(&DigestPlan) -> Vec<kernels::program::Launch>,
) -> Blake3Digest {
    let mut program = HandMade::new(blake3_module());
    // One byte more, so that a region of none has a place.
    let buffer = program.bytes("data", [bytes, &[0]].concat());
    let len = (bytes.len() - offset) as u64;
    let scratch = program.buffer("scratch", DigestPlan::scratch_len(len).max(32));
    let digest = program.buffer("digest", 32);
    let data = Region {
        buffer,
        offset: offset as u64,
        len,
    };
    for launch in launches(&DigestPlan::new(data, scratch, (digest, 0))) {
        program.launch(launch);
    }
    run_for(program, digest, seed)
}

fn run_for(mut program: HandMade, digest: BufferId, seed: u64) -> Blake3Digest {
    program.output(digest);
    let program = vouched(program);
    let none = Inputs::none();
    let inputs = one_byte().accept(&none).unwrap();
    let run = machine(seed).run(&program, &inputs).unwrap();
    let bytes: [u8; 32] = run.outputs[0].bytes().try_into().unwrap();
    Blake3Digest::from_bytes(bytes)
}

/// A job without inputs, for its module and for inputs that are none.
fn one_byte() -> Job {
    let params = json!({"len": 1, "input": {"seed": "0".repeat(64)}});
    Job::parse("blake3", &params).unwrap()
}

fn blake3_module() -> kernels::Module {
    one_byte().program(Target::Portable).unwrap().module()
}

fn machine(seed: u64) -> Machine {
    Machine::new(NonZeroUsize::new(2).unwrap()).with_seed(seed)
}

fn painted(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}
