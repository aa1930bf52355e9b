//! int8 as an operand: all 256 values, one byte each, and one element of the product.

use super::{GemmI8, encode, reference};
use crate::catalog::Kernel;
use crate::matrix::{Element, Functions, Multiply, Operands};
use crate::modules::Module;
use crate::point::{SliceMissing, Slices};
use crate::program::Target;

impl Element for i8 {
    const LEN: usize = 1;
    const DOMAIN: &'static str = "an int8";

    fn is_admitted(self) -> bool {
        true
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.first().map(|byte| byte.cast_signed())
    }

    fn draw(bytes: &[u8]) -> Self {
        bytes[0].cast_signed()
    }

    fn write(self, bytes: &mut [u8]) {
        bytes[0] = self.cast_unsigned();
    }
}

impl Multiply for i8 {
    const KERNEL: Kernel = Kernel::GemmI8;

    fn element(row: &[Self], column: &[Self]) -> [u8; 4] {
        sum(row, column).to_le_bytes()
    }

    fn product(operands: &Operands<Self>) -> Vec<u8> {
        encode(&reference(operands))
    }

    fn functions(target: Target) -> Option<Functions> {
        (target == Target::Portable).then_some(Functions {
            module: Module::portable("gemm_i8"),
            fill: "gemm_i8_fill",
            product: "gemm_i8_product",
            tile: 128,
            block: [16, 16, 1],
        })
    }

    fn exact(job: &GemmI8) -> Option<&GemmI8> {
        Some(job)
    }
}

impl GemmI8 {
    /// The exact sum at element `point` of C, counted in row-major order.
    pub(crate) fn sum_at(&self, point: u64, slices: &dyn Slices) -> Result<i32, SliceMissing> {
        let (row, column) = self.row_and_column(point, slices)?;
        Ok(sum(&row, &column))
    }
}

impl Operands<i8> {
    /// C\[i\]\[j\], computed alone in k multiply-adds; `None` outside the shape.
    pub fn element(&self, i: usize, j: usize) -> Option<i32> {
        let (row, column) = self.row_and_column(i, j)?;
        Some(sum(&row, &column))
    }
}

fn sum(row: &[i8], column: &[i8]) -> i32 {
    let products = row
        .iter()
        .zip(column)
        .map(|(a, b)| i32::from(*a) * i32::from(*b));
    products.sum()
}
