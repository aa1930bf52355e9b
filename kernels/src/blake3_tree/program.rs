//! What a device does: the input from its seed, or as it comes; its chunks; the tree.

use super::Blake3Tree;
use super::tree::NODE;
use crate::digest_program::DigestPlan;
use crate::fill::seeded_i8;
use crate::modules::Module;
use crate::program::{Program, Region};

pub(super) fn of(job: &Blake3Tree) -> Program {
    let mut program = Program::new(Module::portable("blake3"));
    let x = match job.stream() {
        Some(stream) => seeded_i8(&mut program, "blake3_fill", "x", job.len(), &stream),
        None => program.input("x", job.len()),
    };
    let chunks = program.buffer("chunks", NODE * job.chunks());
    let root = program.buffer("root", NODE);
    // A device has no buffer of no bytes.
    let nodes = program.buffer("nodes", DigestPlan::nodes_len(job.len()).max(NODE));
    let data = Region {
        buffer: x,
        offset: 0,
        len: job.len(),
    };
    let plan = DigestPlan::with_leaves(data, (chunks, 0), (nodes, 0), (root, 0));
    program.push_launch(plan.leaf_launch(0..job.chunks()));
    if job.chunks() == 1 {
        program.push_launch(plan.chunk_launch(0..1));
    }
    for launch in plan.tree_launches() {
        program.push_launch(launch);
    }
    program.output(chunks);
    program.output(root);
    program
}
