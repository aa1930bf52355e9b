//! Bytes that somebody committed to by their digest, as whoever has them opens them.
//!
//! # What's in scope
//!
//! [`Committed`]: bytes wherever they lie ([`ReadAt`]) with the upper part of their BLAKE3 tree ([`Outboard`]): any slice
//! in the form of Bao, any nodes of the tree. The bytes are read once to be digested and then only where a slice is;
//! what is kept of them is 1/1024, so an output of gigabytes needs no memory.
//!
//! # What's out of scope
//!
//! Believing a slice ([`slices`](crate::slices)). Which bytes anybody wants to see.

use std::io;

use blake3::hazmat::ChainingValue;

use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Job, OutputSpec};
use crate::point::{SliceMissing, Slices, Tensor};
use crate::slices::Stretch;
use crate::tree::{self, CHUNK, Node};

/// Bytes by place: memory, a file.
pub trait ReadAt {
    /// Fills `into` from byte `offset` on.
    ///
    /// # Errors
    ///
    /// They cannot be read; [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where there are not as many.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let from = start.and_then(|start| self.get(start..)?.get(..into.len()));
        into.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, into)
    }
}

#[cfg(unix)]
impl ReadAt for std::fs::File {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, into, offset)
    }
}

/// Bytes that each of the lowest nodes kept covers: enough for BLAKE3's widest SIMD, few enough to hash again at will.
const GROUP: u64 = 64 * 1024;

/// The upper part of a BLAKE3 tree.
#[derive(Clone, Debug)]
pub struct Outboard {
    len: u64,
    digest: Blake3Digest,
    /// Values of nodes of `GROUP << level` bytes (the last of a level may have fewer), up to below the root.
    levels: Vec<Vec<ChainingValue>>,
}

impl Outboard {
    /// Reads `len` bytes once, in order.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn of(bytes: &(impl ReadAt + ?Sized), len: u64) -> io::Result<Self> {
        if len <= GROUP {
            let digest = Blake3Digest::of(&read(bytes, Node::whole(len))?);
            let levels = Vec::new();
            return Ok(Self {
                len,
                digest,
                levels,
            });
        }
        let group = |index: u64| {
            let start = index * GROUP;
            let len = GROUP.min(len - start);
            Ok(tree::value_of(&read(bytes, Node { start, len })?, start))
        };
        let groups = (0..len.div_ceil(GROUP)).map(group);
        let mut levels = vec![groups.collect::<io::Result<Vec<_>>>()?];
        while let Some(last) = levels.last().filter(|last| last.len() > 2) {
            levels.push(last.chunks(2).map(above).collect());
        }
        let top = levels.last().map(Vec::as_slice).unwrap_or_default();
        let digest = match top {
            [left, right] => tree::root(left, right),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let digest = Blake3Digest::from_bytes(digest);
        Ok(Self {
            len,
            digest,
            levels,
        })
    }

    /// Bytes below it.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is over no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// BLAKE3 of the bytes.
    #[must_use]
    pub const fn digest(&self) -> Blake3Digest {
        self.digest
    }

    /// The value of a node that is not the root, where it is kept.
    fn kept(&self, node: Node) -> Option<ChainingValue> {
        let groups = node.len.div_ceil(GROUP);
        let level = groups.next_power_of_two().trailing_zeros();
        let index = node.start / (GROUP << level);
        // The last node of a level covers less; a smaller one begins where it begins.
        let covered = (self.len - node.start).min(GROUP << level);
        let values = self.levels.get(level as usize)?;
        let value = values.get(usize::try_from(index).ok()?)?;
        (covered == node.len).then_some(*value)
    }
}

/// A node without a sibling is its own parent.
fn above(pair: &[ChainingValue]) -> ChainingValue {
    match pair {
        [left, right] => tree::merged(left, right),
        _ => pair.first().copied().unwrap_or_default(),
    }
}

fn read(bytes: &(impl ReadAt + ?Sized), node: Node) -> io::Result<Vec<u8>> {
    let len = usize::try_from(node.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut into = vec![0; len];
    bytes.read_at(node.start, &mut into)?;
    Ok(into)
}

/// Bytes with the upper part of their tree.
pub struct Committed<'a> {
    bytes: Box<dyn ReadAt + Send + Sync + 'a>,
    outboard: Outboard,
}

impl<'a> Committed<'a> {
    /// Digests `len` bytes.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn new(bytes: impl ReadAt + Send + Sync + 'a, len: u64) -> io::Result<Self> {
        let outboard = Outboard::of(&bytes, len)?;
        Ok(Self::with_outboard(bytes, outboard))
    }

    /// Bytes in memory.
    ///
    /// # Errors
    ///
    /// Never; as [`Self::new`].
    pub fn of(bytes: Vec<u8>) -> io::Result<Committed<'static>> {
        let len = bytes.len() as u64;
        Committed::new(bytes, len)
    }

    /// Bytes whose tree is at hand. What it opens of other bytes nobody believes.
    #[must_use]
    pub fn with_outboard(bytes: impl ReadAt + Send + Sync + 'a, outboard: Outboard) -> Self {
        let bytes = Box::new(bytes);
        Self { bytes, outboard }
    }

    /// The tree.
    #[must_use]
    pub const fn outboard(&self) -> &Outboard {
        &self.outboard
    }

    /// BLAKE3 of the bytes.
    #[must_use]
    pub const fn digest(&self) -> Blake3Digest {
        self.outboard.digest
    }

    /// Fills `into` from byte `offset` on.
    ///
    /// # Errors
    ///
    /// They cannot be read.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.bytes.read_at(offset, into)
    }

    /// A stretch of the bytes as a Bao slice: their length as 8 bytes little endian, then the nodes above the stretch and
    /// its chunks, in pre-order (Bao specification, "Slices").
    ///
    /// # Errors
    ///
    /// The stretch is empty or not within the bytes ([`InvalidInput`](io::ErrorKind::InvalidInput)), or they cannot be
    /// read.
    pub fn slice(&self, stretch: Stretch) -> io::Result<Vec<u8>> {
        let len = self.outboard.len;
        let size = stretch.slice_len(len).ok_or(io::ErrorKind::InvalidInput)?;
        let mut slice = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        slice.extend(len.to_le_bytes());
        self.write(Node::whole(len), stretch, &mut slice)?;
        Ok(slice)
    }

    fn write(&self, node: Node, stretch: Stretch, slice: &mut Vec<u8>) -> io::Result<()> {
        let Some(children) = node.children() else {
            slice.extend(read(&*self.bytes, node)?);
            return Ok(());
        };
        for child in children {
            slice.extend(self.value(child)?);
        }
        let mut children = children.into_iter().filter(|child| stretch.meets(*child));
        children.try_for_each(|child| self.write(child, stretch, slice))
    }

    /// The values of the nodes `levels` below a node, one after the other.
    ///
    /// # Errors
    ///
    /// The bytes cannot be read.
    pub(crate) fn nodes(&self, node: Node, levels: u32) -> io::Result<Vec<u8>> {
        let below = node.below(levels).into_iter();
        let values = below.map(|node| self.value(node));
        Ok(values.collect::<io::Result<Vec<_>>>()?.concat())
    }

    /// The value of a node that is not the root.
    fn value(&self, node: Node) -> io::Result<ChainingValue> {
        if node.len >= GROUP
            && let Some(kept) = self.outboard.kept(node)
        {
            return Ok(kept);
        }
        match node.children() {
            Some([left, right]) if node.len > GROUP => {
                Ok(tree::merged(&self.value(left)?, &self.value(right)?))
            }
            _ => Ok(tree::value_of(&read(&*self.bytes, node)?, node.start)),
        }
    }
}

/// Inputs in memory and outputs wherever they lie, for whoever has them whole.
pub struct AtHand<'a> {
    job: &'a Job,
    inputs: &'a CheckedInputs<'a>,
    outputs: &'a [Committed<'a>],
}

impl<'a> AtHand<'a> {
    /// Outputs in the order of the job.
    #[must_use]
    pub const fn new(
        job: &'a Job,
        inputs: &'a CheckedInputs<'a>,
        outputs: &'a [Committed<'a>],
    ) -> Self {
        Self {
            job,
            inputs,
            outputs,
        }
    }
}

impl AtHand<'_> {
    /// The Bao slice of a stretch of an output.
    ///
    /// # Errors
    ///
    /// As [`Committed::slice`]; [`InvalidInput`](io::ErrorKind::InvalidInput) for what is no output of the job.
    pub fn slice(&self, tensor: Tensor, stretch: Stretch) -> io::Result<Vec<u8>> {
        let output = self.output(tensor);
        output.ok_or(io::ErrorKind::InvalidInput)?.slice(stretch)
    }

    fn output(&self, tensor: Tensor) -> Option<&Committed<'_>> {
        let specs = self.job.outputs();
        let is_it = |spec: &OutputSpec| Tensor::Output(spec.name) == tensor;
        self.outputs.get(specs.iter().position(is_it)?)
    }
}

impl Slices for AtHand<'_> {
    fn read(&self, tensor: Tensor, offset: u64, into: &mut [u8]) -> Result<(), SliceMissing> {
        let missing = SliceMissing {
            tensor,
            offset,
            len: into.len() as u64,
        };
        let read = match tensor {
            Tensor::Input(name) => self.inputs.get(name).read_at(offset, into),
            _ => {
                let output = self.output(tensor).ok_or(missing)?;
                output.read_at(offset, into)
            }
        };
        read.map_err(|_| missing)
    }
}

/// Chunks that a stretch of bytes lies in.
pub(crate) const fn chunks(start: u64, end: u64) -> [u64; 2] {
    [start / CHUNK * CHUNK, end.div_ceil(CHUNK) * CHUNK]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(len: u64) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn digests_are_those_of_the_bytes() {
        for groups in 0..9 {
            for more in [0, 1, 1024, 40_000] {
                let bytes = painted(groups * GROUP + more);
                let outboard = Outboard::of(&bytes, bytes.len() as u64).unwrap();
                assert_eq!(
                    outboard.digest(),
                    Blake3Digest::of(&bytes),
                    "{groups} {more}"
                );
            }
        }
    }

    #[test]
    fn kept_values_are_those_of_the_nodes() {
        let len = 7 * GROUP + 1500;
        let bytes = painted(len);
        let committed = Committed::of(bytes.clone()).unwrap();
        for levels in 1..13 {
            for node in Node::whole(len).below(levels) {
                let right =
                    tree::value_of(&bytes[node.start as usize..node.end() as usize], node.start);
                assert_eq!(committed.value(node).unwrap(), right, "{node:?}");
            }
        }
    }

    #[test]
    fn less_than_stated_is_no_output() {
        let short = Outboard::of(&painted(10), 11).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }
}
