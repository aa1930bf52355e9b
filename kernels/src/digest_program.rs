//! The launches that digest bytes where they are: BLAKE3 by the two functions that every module has (`cuda/blake3.cuh`).
//!
//! In scope: which launches, with which arguments, as a function of the length alone; how they are cut, so that a
//! backend digests the first part of an output while a later one is still being computed; a [`Program`] with the digests
//! of its marks and outputs as its last steps. Out of scope: running them. The host backend digests with the `blake3`
//! crate, which is faster on a CPU and gives the same 32 bytes.

use std::ops::Range;

use crate::program::{Arg, BufferId, Launch, Program, Region, Step, blocks};

/// Bytes of a chunk, the leaf of BLAKE3's tree.
const CHUNK: u64 = 1024;

/// Bytes of a chaining value and of a digest.
const NODE: u64 = 32;

/// Chunks that one block of `blake3_chunks` hashes, a thread each.
const CHUNKS_PER_BLOCK: u32 = 128;

/// Nodes that one block of 256 threads of `blake3_parents` merges into one: nine levels of the tree.
const NODES_PER_BLOCK: u32 = 512;

/// The digest of some bytes, as launches.
///
/// First the chunks, in any order and any cut ([`chunk_launch`](Self::chunk_launch)), then the tree above them
/// ([`tree_launches`](Self::tree_launches)), each launch after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestPlan {
    data: Region,
    /// Where the chaining values of the chunks go.
    leaves: Address,
    /// Where the nodes of the levels above go, but for the last.
    nodes: Address,
    digest: Address,
}

/// A byte of a buffer.
pub type Address = (BufferId, u64);

impl DigestPlan {
    /// The digest of `data`, written to the 32 bytes from a multiple of 4 on in another buffer. `scratch` has
    /// [`scratch_len`](Self::scratch_len) bytes that nobody else uses meanwhile.
    #[must_use]
    pub const fn new(data: Region, scratch: BufferId, digest: Address) -> Self {
        let nodes = (scratch, NODE * chunks(data.len));
        Self::with_leaves(data, (scratch, 0), nodes, digest)
    }

    /// The digest of `len` bytes that are no program's: the first of three buffers has them, the second is scratch, and
    /// the third begins with the digest in the end.
    #[must_use]
    pub const fn of_three_buffers(len: u64) -> Self {
        let data = Region {
            buffer: BufferId::at(0),
            offset: 0,
            len,
        };
        Self::new(data, BufferId::at(1), (BufferId::at(2), 0))
    }

    /// The same, with the chunks' chaining values and the nodes above them in places of their own.
    pub(crate) const fn with_leaves(
        data: Region,
        leaves: Address,
        nodes: Address,
        digest: Address,
    ) -> Self {
        Self {
            data,
            leaves,
            nodes,
            digest,
        }
    }

    /// Bytes of scratch for the digest of `len` bytes: the nodes of every level of launches but the last.
    #[must_use]
    pub fn scratch_len(len: u64) -> u64 {
        let levels = levels(chunks(len));
        NODE * levels[..levels.len() - 1].iter().sum::<u64>()
    }

    /// Bytes of the nodes above the chunks, but for the last.
    pub(crate) fn nodes_len(len: u64) -> u64 {
        let levels = levels(chunks(len));
        let above = levels.get(1..levels.len() - 1).unwrap_or_default();
        NODE * above.iter().sum::<u64>()
    }

    /// Chunks of the data; at least one.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        chunks(self.data.len)
    }

    /// How many chunks, from the first on, may be hashed when the first `written` bytes of the data are there.
    #[must_use]
    pub const fn ready(&self, written: u64) -> u64 {
        if written >= self.data.len {
            return self.chunks();
        }
        written / CHUNK
    }

    /// Hashes some chunks.
    #[must_use]
    pub fn chunk_launch(&self, chunks: Range<u64>) -> Launch {
        if self.chunks() == 1 {
            return self.chunk_values(0..1, ROOT, self.digest);
        }
        self.chunk_values(chunks, 0, self.leaves)
    }

    /// Hashes some chunks as parts of a tree, even where there is one only.
    pub(crate) fn leaf_launch(&self, chunks: Range<u64>) -> Launch {
        self.chunk_values(chunks, 0, self.leaves)
    }

    fn chunk_values(&self, chunks: Range<u64>, flag: u32, to: Address) -> Launch {
        let count = chunks.end.saturating_sub(chunks.start);
        launch(
            "blake3_chunks",
            blocks(count, CHUNKS_PER_BLOCK),
            CHUNKS_PER_BLOCK,
            vec![
                Arg::Buffer(self.data.buffer, self.data.offset),
                Arg::U64(self.data.len),
                Arg::U64(chunks.start),
                Arg::U64(count),
                Arg::U32(flag),
                Arg::Buffer(to.0, to.1),
            ],
        )
    }

    /// Merges the hashed chunks into the digest. None if there is one chunk only.
    #[must_use]
    pub fn tree_launches(&self) -> Vec<Launch> {
        let levels = levels(self.chunks());
        let (mut from, mut next) = (self.leaves, self.nodes);
        let launches = levels.windows(2).map(|pair| {
            let [nodes, merged] = [pair[0], pair[1]];
            let to = if merged == 1 { self.digest } else { next };
            let args = vec![
                Arg::Buffer(from.0, from.1),
                Arg::U64(nodes),
                Arg::Buffer(to.0, to.1),
            ];
            from = to;
            next.1 += NODE * merged;
            launch(
                "blake3_parents",
                blocks(nodes, NODES_PER_BLOCK),
                NODES_PER_BLOCK / 2,
                args,
            )
        });
        launches.collect()
    }

    /// All launches, for data that is there as a whole.
    #[must_use]
    pub fn launches(&self) -> Vec<Launch> {
        let mut launches = vec![self.chunk_launch(0..self.chunks())];
        launches.extend(self.tree_launches());
        launches
    }
}

/// A program that digests on the device.
#[derive(Clone, Debug, PartialEq)]
pub struct DigestedProgram {
    /// The program; each [`Step::Mark`] has become launches, and more launches follow its last step.
    pub program: Program,
    /// Where the digest of each mark is in the end, in their order.
    pub marks: Vec<Region>,
    /// Where the digest of each output is in the end, in their order.
    pub outputs: Vec<Region>,
}

/// The same program with the digests of its marks and outputs computed on the device, by the same module.
#[must_use]
pub fn digested(program: &Program) -> DigestedProgram {
    let whole = |id: &BufferId| Region {
        buffer: *id,
        offset: 0,
        len: program.at(*id).len,
    };
    let outputs: Vec<Region> = program.outputs().iter().map(whole).collect();
    let marked = program.steps().iter().filter_map(|step| match step {
        Step::Mark(region) => Some(*region),
        Step::Launch(_) => None,
    });
    let regions: Vec<Region> = marked.chain(outputs.iter().copied()).collect();

    let mut digested = program.clone();
    let scratch_len = regions
        .iter()
        .map(|region| DigestPlan::scratch_len(region.len));
    // A device has no buffer of no bytes.
    let scratch = digested.buffer("digest scratch", scratch_len.max().unwrap_or(0).max(NODE));
    let digests = digested.buffer("digests", NODE * regions.len().max(1) as u64);
    let mut places = Vec::new();
    let mut push_digest = |program: &mut Program, data: Region| {
        let place = Region {
            buffer: digests,
            offset: NODE * places.len() as u64,
            len: NODE,
        };
        places.push(place);
        let plan = DigestPlan::new(data, scratch, (place.buffer, place.offset));
        for launch in plan.launches() {
            program.push_launch(launch);
        }
    };
    for step in digested.take_steps() {
        match step {
            Step::Launch(launch) => digested.push_launch(launch),
            Step::Mark(region) => push_digest(&mut digested, region),
        }
    }
    for output in &outputs {
        push_digest(&mut digested, *output);
    }
    let output_digests = places.split_off(places.len() - outputs.len());
    DigestedProgram {
        program: digested,
        marks: places,
        outputs: output_digests,
    }
}

/// Nodes before each launch and after the last: the chunks, then one for 512, until one is left.
fn levels(chunks: u64) -> Vec<u64> {
    let merge = |nodes: &u64| (*nodes > 1).then(|| nodes.div_ceil(u64::from(NODES_PER_BLOCK)));
    std::iter::successors(Some(chunks), merge).collect()
}

const fn chunks(len: u64) -> u64 {
    if len == 0 { 1 } else { len.div_ceil(CHUNK) }
}

fn launch(function: &'static str, grid: u32, threads: u32, args: Vec<Arg>) -> Launch {
    Launch {
        function,
        grid: [grid, 1, 1],
        block: [threads, 1, 1],
        args,
    }
}

/// `PG_BLAKE3_ROOT` of `cuda/blake3.cuh`.
const ROOT: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_end_in_one_node() {
        let table: [(u64, &[u64]); 6] = [
            (1, &[1]),
            (2, &[2, 1]),
            (512, &[512, 1]),
            (513, &[513, 2, 1]),
            (1 << 18, &[1 << 18, 512, 1]),
            ((1 << 18) + 1, &[(1 << 18) + 1, 513, 2, 1]),
        ];
        for (chunks, expected) in table {
            assert_eq!(levels(chunks), expected);
        }
    }

    #[test]
    fn scratch_holds_all_nodes_but_the_last() {
        assert_eq!(DigestPlan::scratch_len(0), 0);
        assert_eq!(DigestPlan::scratch_len(1024), 0);
        assert_eq!(DigestPlan::scratch_len(1025), 2 * 32);
        assert_eq!(DigestPlan::scratch_len(513 * 1024), (513 + 2) * 32);
    }

    #[test]
    fn a_chunk_is_ready_when_all_of_it_is_written() {
        let mut program = Program::new(crate::Module::portable("blake3"));
        let buffer = program.buffer("data", 2500);
        let data = Region {
            buffer,
            offset: 0,
            len: 2500,
        };
        let plan = DigestPlan::new(data, buffer, (buffer, 0));
        for (written, ready) in [(0, 0), (1023, 0), (1024, 1), (2499, 2), (2500, 3)] {
            assert_eq!(plan.ready(written), ready, "{written}");
        }
    }
}
