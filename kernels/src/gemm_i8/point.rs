//! One element of C from its row of A and its column of B, without the rest of either.

use super::{GemmI8, OperandSource};
use crate::job::Cost;
use crate::operand_stream::OperandStream;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const A: Tensor = Tensor::Input("a");
const B: Tensor = Tensor::Input("b");

impl PointKernel for GemmI8 {
    fn points(&self) -> u64 {
        self.shape().c_len() as u64
    }

    fn place(&self, point: u64) -> Place {
        Place {
            output: 0,
            offset: point.saturating_mul(4),
            len: 4,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        if let OperandSource::Seed(_) = self.operands() {
            return Vec::new();
        }
        let (n, k) = (self.shape().n() as u64, self.shape().k() as u64);
        let (row, column) = (point / n, point % n);
        let column = Span {
            tensor: B,
            offset: column,
            len: 1,
            stride: n,
            count: k,
        };
        vec![Span::run(A, row.saturating_mul(k), k), column]
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        Ok(self.element(point, slices)?.to_le_bytes().to_vec())
    }

    fn point_cost(&self) -> Cost {
        let k = self.shape().k() as u64;
        Cost {
            operations: 2 * k,
            bytes_read: 2 * k,
            bytes_written: 4,
        }
    }
}

impl GemmI8 {
    /// Element `point` of C, counted in row-major order.
    pub(crate) fn element(&self, point: u64, slices: &dyn Slices) -> Result<i32, SliceMissing> {
        let (n, k) = (self.shape().n() as u64, self.shape().k());
        let (row, column) = (point / n, point % n);
        let mut a = vec![0; k];
        let mut b = vec![0; k];
        let first = row.saturating_mul(k as u64);
        match self.operands() {
            OperandSource::Seed(seed) => {
                OperandStream::new(&seed, "a").fill(first, &mut a);
                OperandStream::new(&seed, "b").gather(column, n, &mut b);
            }
            OperandSource::Given { .. } => {
                read(slices, A, first, &mut a)?;
                for (b, index) in b.chunks_exact_mut(1).zip((column..).step_by(n as usize)) {
                    read(slices, B, index, b)?;
                }
            }
        }
        let products = a.iter().zip(&b).map(|(a, b)| i32::from(*a) * i32::from(*b));
        Ok(products.sum())
    }
}

fn read(
    slices: &dyn Slices,
    tensor: Tensor,
    offset: u64,
    into: &mut [i8],
) -> Result<(), SliceMissing> {
    let mut bytes = vec![0; into.len()];
    slices.read(tensor, offset, &mut bytes)?;
    for (value, byte) in into.iter_mut().zip(bytes) {
        *value = byte.cast_signed();
    }
    Ok(())
}
