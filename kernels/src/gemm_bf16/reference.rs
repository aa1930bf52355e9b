//! The product on a CPU: what every other execution is compared with.
//!
//! In scope: the right answer at a usable speed, on one thread, whole or one element. Out of
//! scope: the arithmetic itself ([`tensor_core`](super::tensor_core)).

use super::{Bf16, GemmBf16, Operands, tensor_core};
use crate::matrix;

/// C = A·B: m×n sums, row major, without -0. About 0.4 s for 512³ on one core of 2024.
pub fn reference(operands: &Operands) -> Vec<f32> {
    matrix::by_columns(operands, sum)
}

impl Operands {
    /// C\[i\]\[j\], computed alone in k multiply-adds; `None` outside the shape.
    pub fn element(&self, i: usize, j: usize) -> Option<f32> {
        let (row, column) = self.row_and_column(i, j)?;
        Some(sum(&row, &column))
    }
}

impl GemmBf16 {
    /// C\[i\]\[j\] of seeded operands, of which only 2·k are generated; `None` outside the shape, and
    /// if the operands are given.
    pub fn element(&self, i: usize, j: usize) -> Option<f32> {
        let (row, column) = self.seeded_row_and_column(i, j)?;
        Some(sum(&row, &column))
    }
}

/// One element from its row and its column. Adding +0 turns -0 into +0 and changes nothing else.
fn sum(row: &[Bf16], column: &[Bf16]) -> f32 {
    tensor_core::dot(row, column) + 0.0
}

#[cfg(test)]
mod tests {
    use super::super::tensor_core::{GROUP, step};
    use super::*;
    use crate::matrix::{OperandSource, Shape};
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
        fn equals_the_definition_and_the_point_functions(m in 1_u32..9, n in 1_u32..9, k in 1_u32..70, seed: [u8; 32]) {
            let seed = OperandSeed::from_bytes(seed);
            let shape = Shape::new(m, n, k).unwrap();
            let (job, operands) = (
                GemmBf16::new(shape, OperandSource::Seed(seed)),
                Operands::from_seed(shape, &seed),
            );
            let c = reference(&operands);
            let bits: Vec<u32> = c.iter().map(|c| c.to_bits()).collect();
            prop_assert_eq!(&bits, &by_definition(&operands));
            for (at, c) in c.into_iter().enumerate() {
                let (i, j) = (at / n as usize, at % n as usize);
                prop_assert_eq!(operands.element(i, j), Some(c));
                prop_assert_eq!(job.element(i, j), Some(c));
            }
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

    #[test]
    fn no_element_outside_the_shape_and_none_of_given_operands() {
        let seed = OperandSource::Seed(OperandSeed::from_bytes([0; 32]));
        let job = GemmBf16::new(Shape::new(2, 3, 4).unwrap(), seed);
        assert!(job.element(1, 2).is_some());
        for (i, j) in [(2, 0), (0, 3), (usize::MAX, usize::MAX)] {
            assert_eq!(job.element(i, j), None);
        }
        let digest = crate::Blake3Digest::of(b"");
        let given = OperandSource::Given {
            a: digest,
            b: digest,
        };
        assert_eq!(GemmBf16::new(job.shape(), given).element(0, 0), None);
    }
}
