//! The kernel of f32 operands.

use super::{encode, reference};
use crate::catalog::Kernel;
use crate::matrix::{Functions, Multiply, Operands};
use crate::modules::Module;
use crate::program::Target;

impl Multiply for f32 {
    const KERNEL: Kernel = Kernel::GemmF32;

    fn element(row: &[Self], column: &[Self]) -> [u8; 4] {
        reference::sum(row, column).to_le_bytes()
    }

    fn product(operands: &Operands<Self>) -> Vec<u8> {
        encode(&reference(operands))
    }

    fn functions(target: Target) -> Option<Functions> {
        (target == Target::Portable).then_some(Functions {
            module: Module::portable("gemm_f32"),
            fill: "gemm_f32_fill",
            product: "gemm_f32_product",
            tile: 128,
            block: [16, 16, 1],
        })
    }
}
