//! One chunk from its bytes; the root from all chunks.

use blake3::hazmat::ChainingValue;

use super::Blake3Tree;
use super::tree::{self, CHUNK, NODE};
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const X: Tensor = Tensor::Input("x");
const CHUNKS: Tensor = Tensor::Output("chunks");

impl PointKernel for Blake3Tree {
    fn points(&self) -> u64 {
        self.chunks() + 1
    }

    fn place(&self, point: u64) -> Place {
        let (output, node) = if point < self.chunks() {
            (0, point)
        } else {
            (1, 0)
        };
        Place {
            output,
            offset: NODE * node,
            len: NODE as usize,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        if point >= self.chunks() && self.chunks() > 1 {
            return vec![Span::run(CHUNKS, 0, NODE * self.chunks())];
        }
        if self.stream().is_some() {
            return Vec::new();
        }
        let (offset, len) = self.chunk(point % self.chunks());
        vec![Span::run(X, offset, len)]
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        if point < self.chunks() {
            let bytes = self.read_chunk(point, slices)?;
            return Ok(tree::chunk_value(&bytes, point).to_vec());
        }
        if self.chunks() == 1 {
            let bytes = self.read_chunk(0, slices)?;
            return Ok(tree::lone_root(&bytes).to_vec());
        }
        let mut chunks: Vec<ChainingValue> = vec![[0; 32]; self.chunks() as usize];
        slices.read(CHUNKS, 0, chunks.as_flattened_mut())?;
        Ok(tree::root(&chunks).unwrap_or_default().to_vec())
    }

    /// The root follows from the chunks, but where there is one only.
    fn chain_steps(&self) -> u64 {
        1 + u64::from(self.chunks() > 1)
    }

    fn point_cost(&self, point: u64) -> Cost {
        let (nodes, bytes_read) = if point < self.chunks() {
            (16, CHUNK)
        } else {
            (self.chunks(), NODE * self.chunks())
        };
        Cost {
            operations: tree::OPERATIONS * nodes,
            bytes_read,
            bytes_written: NODE,
        }
    }
}

impl Blake3Tree {
    /// First byte and length of a chunk.
    fn chunk(&self, index: u64) -> (u64, u64) {
        let offset = index * CHUNK;
        (offset, CHUNK.min(self.len() - offset))
    }

    fn read_chunk(&self, index: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let (offset, len) = self.chunk(index);
        let mut bytes = vec![0; len as usize];
        match self.stream() {
            Some(stream) => stream.fill_bytes(offset, &mut bytes),
            None => slices.read(X, offset, &mut bytes)?,
        }
        Ok(bytes)
    }
}
