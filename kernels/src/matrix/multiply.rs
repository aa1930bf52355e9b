//! What a kernel brings along to be a product of matrices.

use super::{Element, Operands, Product, program::Functions};
use crate::catalog::Kernel;
use crate::gemm_i8::GemmI8;
use crate::program::Target;

/// The kernel that multiplies elements of this type.
pub trait Multiply: Element {
    /// The kernel.
    const KERNEL: Kernel;

    /// The output bytes of C\[i\]\[j\], from row i of A and column j of B.
    fn element(row: &[Self], column: &[Self]) -> [u8; 4];

    /// The output bytes of C: all elements, row major.
    fn product(operands: &Operands<Self>) -> Vec<u8>;

    /// The module for a target and how its functions are launched; `None` if there is no module.
    fn functions(target: Target) -> Option<Functions>;

    /// The job as an exact integer product, if it is one.
    fn exact(_job: &Product<Self>) -> Option<&GemmI8> {
        None
    }
}
