//! One element of C from its row of A and its column of B, without the rest of either.

use super::{Element, Multiply, OperandSource, Product, operands};
use crate::job::Cost;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};

const A: Tensor = Tensor::Input("a");
const B: Tensor = Tensor::Input("b");

impl<E: Multiply> PointKernel for Product<E> {
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
        let len = E::LEN as u64;
        let column = Span {
            tensor: B,
            offset: column * len,
            len,
            stride: n * len,
            count: k,
        };
        vec![Span::run(A, row.saturating_mul(k * len), k * len), column]
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let (row, column) = self.row_and_column(point, slices)?;
        Ok(E::element(&row, &column).to_vec())
    }

    fn chain_steps(&self) -> u64 {
        1
    }

    fn point_cost(&self, _point: u64) -> Cost {
        let k = self.shape().k() as u64;
        Cost {
            operations: 2 * k,
            bytes_read: 2 * k * E::LEN as u64,
            bytes_written: 4,
        }
    }
}

impl<E: Element> Product<E> {
    /// The row of A and the column of B of element `point` of C, counted in row-major order.
    pub(crate) fn row_and_column(
        &self,
        point: u64,
        slices: &dyn Slices,
    ) -> Result<(Vec<E>, Vec<E>), SliceMissing> {
        let shape = self.shape();
        if point >= shape.c_len() as u64 {
            return Err(SliceMissing {
                tensor: Tensor::Output("c"),
                offset: point.saturating_mul(4),
                len: 4,
            });
        }
        // Below m·n, at most 2^26.
        let (n, k) = (shape.n(), shape.k());
        let (row, column) = (point as usize / n, point as usize % n);
        let first = row * k;
        match &self.operands() {
            OperandSource::Seed(seed) => Ok((
                operands::generate(seed, "a", first, k),
                operands::column(seed, "b", column, n, k),
            )),
            OperandSource::Given { .. } => Ok((
                read_all(slices, A, first..first + k)?,
                read_all(slices, B, (0..k).map(|l| l * n + column))?,
            )),
        }
    }
}

fn read_all<E: Element>(
    slices: &dyn Slices,
    tensor: Tensor,
    indices: impl Iterator<Item = usize>,
) -> Result<Vec<E>, SliceMissing> {
    indices.map(|index| read(slices, tensor, index)).collect()
}

/// One element. A value outside the kernel's domain is none: no job with it is accepted.
fn read<E: Element>(slices: &dyn Slices, tensor: Tensor, index: usize) -> Result<E, SliceMissing> {
    let bytes = &mut [0; operands::MAX_LEN][..E::LEN];
    let offset = (index * E::LEN) as u64;
    slices.read(tensor, offset, bytes)?;
    E::parse(bytes).ok_or(SliceMissing {
        tensor,
        offset,
        len: E::LEN as u64,
    })
}
