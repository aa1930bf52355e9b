//! The product on a CPU: what every other execution is compared with.
//!
//! In scope: the right answer at a usable speed, on one thread, whole or one element. Out of
//! scope: the arithmetic itself ([`tensor_core`](super::tensor_core)).

use super::{Bf16, Operands, tensor_core};
use crate::matrix;

/// C = A·B: m×n sums, row major, without -0. About 0.4 s for 512³ on one core of 2024.
pub fn reference(operands: &Operands) -> Vec<f32> {
    matrix::by_columns(operands, sum)
}

/// One element from its row and its column. Adding +0 turns -0 into +0 and changes nothing else.
pub(super) fn sum(row: &[Bf16], column: &[Bf16]) -> f32 {
    tensor_core::dot(row, column) + 0.0
}

#[cfg(test)]
mod tests {
    use super::super::tensor_core::{GROUP, step};
    use super::*;
    use crate::matrix::Shape;
    use crate::operand_stream::OperandSeed;
    use proptest::prelude::*;

    /// The specification, word for word, on bits.
    fn by_definition(operands: &Operands) -> Vec<u32> {
        let shape = operands.shape();
        let (m, n, k) = (shape.m(), shape.n(), shape.k());
        let a = |i: usize, l: usize| {
            if l < k {
                operands.a()[i * k + l].to_bits()
            } else {
                0
            }
        };
        let b = |l: usize, j: usize| {
            if l < k {
                operands.b()[l * n + j].to_bits()
            } else {
                0
            }
        };
        let element = |i, j| {
            (0..k.div_ceil(GROUP)).fold(0, |c, g| {
                let row = std::array::from_fn(|at| a(i, GROUP * g + at));
                let column = std::array::from_fn(|at| b(GROUP * g + at, j));
                step(c, &row, &column)
            })
        };
        (0..m * n).map(|at| element(at / n, at % n)).collect()
    }

    proptest! {
        #[test]
        fn equals_the_definition(m in 1_u32..9, n in 1_u32..9, k in 1_u32..70, seed: [u8; 32]) {
            let seed = OperandSeed::from_bytes(seed);
            let shape = Shape::new(m, n, k).unwrap();
            let operands = Operands::from_seed(shape, &seed);
            let c = reference(&operands);
            let bits: Vec<u32> = c.iter().map(|c| c.to_bits()).collect();
            prop_assert_eq!(&bits, &by_definition(&operands));
        }
    }

    #[test]
    fn no_sum_overflows_at_the_edge_of_the_domain() {
        let largest = Bf16::from_bits(0x5aff).unwrap();
        let shape = Shape::new(1, 1, matrix::MAX_K).unwrap();
        let values = vec![largest; shape.k()];
        let operands = Operands::new(shape, values.clone(), values).unwrap();
        let c = reference(&operands)[0];
        assert!(c.is_finite() && c > 2_f32.powi(126), "{c:e}");
    }

    #[test]
    fn sums_of_minus_zeros_are_plus_zero() {
        let minus_zero = Bf16::from_bits(0x8000).unwrap();
        let one = Bf16::from_bits(0x3f80).unwrap();
        let shape = Shape::new(1, 1, 3).unwrap();
        let operands = Operands::new(shape, vec![minus_zero; 3], vec![one; 3]).unwrap();
        assert_eq!(reference(&operands)[0].to_bits(), 0);
    }
}
