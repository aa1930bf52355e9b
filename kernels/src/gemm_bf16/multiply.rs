//! The kernel of bf16 operands.

use super::{Bf16, encode, reference};
use crate::catalog::Kernel;
use crate::matrix::{Functions, Multiply, Operands};
use crate::modules::Module;
use crate::program::Target;

impl Multiply for Bf16 {
    const KERNEL: Kernel = Kernel::GemmBf16;

    fn element(row: &[Self], column: &[Self]) -> [u8; 4] {
        reference::sum(row, column).to_le_bytes()
    }

    fn product(operands: &Operands<Self>) -> Vec<u8> {
        encode(&reference(operands))
    }

    /// Portable: the step emulated in integers. Hopper alone: tensor cores, of which the
    /// specification says what is not known.
    fn functions(target: Target) -> Option<Functions> {
        let (module, tile, block) = match target {
            Target::Portable => (Module::portable("gemm_bf16"), 32, [16, 16, 1]),
            Target::Sm90a => (Module::sm90a("gemm_bf16_sm90a"), 128, [256, 1, 1]),
        };
        Some(Functions {
            module,
            fill: "gemm_bf16_fill",
            product: "gemm_bf16_product",
            tile,
            block,
        })
    }
}
