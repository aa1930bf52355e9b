//! The product on a CPU: what every other execution is compared with.
//!
//! In scope: the right answer, on one thread, whole or one element. It is as fast as `mul_add`:
//! a build for CPUs with FMA uses the instruction, any other calls the C library's `fmaf`, which
//! rounds the same and takes tens of times as long.

use super::Operands;
use crate::matrix;

/// C = A·B: m×n sums, row major, without -0.
pub fn reference(operands: &Operands) -> Vec<f32> {
    matrix::by_columns(operands, sum)
}

/// One element from its row and its column. Adding +0 turns -0 into +0 and changes nothing else.
pub(super) fn sum(row: &[f32], column: &[f32]) -> f32 {
    let pairs = row.iter().zip(column);
    pairs.fold(0.0_f32, |sum, (a, b)| a.mul_add(*b, sum)) + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Shape;
    use crate::operand_stream::OperandSeed;
    use proptest::prelude::*;

    /// a·b + c rounded once, by another road than `mul_add`: the product is exact in f64, the sum
    /// is rounded to odd there, and from 53 bits to 24 that is as good as rounding once. Holds for
    /// normal results.
    fn fused(a: f32, b: f32, c: f32) -> f32 {
        let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
        let sum = product + c;
        let rounded = sum - product;
        let error = (product - (sum - rounded)) + (c - rounded);
        if error == 0.0 || sum.to_bits() & 1 == 1 {
            return sum as f32;
        }
        let towards_zero = (error > 0.0) != (sum > 0.0);
        f64::from_bits(if towards_zero {
            sum.to_bits() - 1
        } else {
            sum.to_bits() + 1
        }) as f32
    }

    fn by_definition(operands: &Operands) -> Vec<f32> {
        let shape = operands.shape();
        let (m, n, k) = (shape.m(), shape.n(), shape.k());
        let mut c = vec![0.0; m * n];
        for l in 0..k {
            for i in 0..m {
                for j in 0..n {
                    let (a, b) = (operands.a()[i * k + l], operands.b()[l * n + j]);
                    c[i * n + j] = fused(a, b, c[i * n + j]);
                }
            }
        }
        c
    }

    proptest! {
        #[test]
        fn equals_the_definition(m in 1_u32..9, n in 1_u32..9, k in 1_u32..70, seed: [u8; 32]) {
            let seed = OperandSeed::from_bytes(seed);
            let shape = Shape::new(m, n, k).unwrap();
            let operands = Operands::from_seed(shape, &seed);
            let c = reference(&operands);
            prop_assert_eq!(c, by_definition(&operands));
        }
    }

    #[test]
    fn order_and_fusing_show_in_the_bits() {
        // 1 + 2^-24 rounds to 1 unless the small terms meet first; (1 + 2^-12)² - 1 needs the bits
        // that a product rounded by itself does not have.
        let shape = Shape::new(1, 1, 3).unwrap();
        let tiny = 2_f32.powi(-24);
        let sum = |a: [f32; 3], b: [f32; 3]| {
            reference(&Operands::new(shape, a.to_vec(), b.to_vec()).unwrap())[0]
        };
        assert_eq!(sum([1.0, tiny, tiny], [1.0; 3]), 1.0);
        assert_eq!(sum([tiny, tiny, 1.0], [1.0; 3]), 1.0 + f32::EPSILON);
        let near = 1.0 + 2_f32.powi(-12);
        let square = 2_f32.powi(-11) + tiny;
        assert_eq!(sum([-1.0, near, 0.0], [1.0, near, 0.0]), square);
    }

    #[test]
    fn no_sum_overflows_at_the_edge_of_the_domain() {
        let largest = f32::from_bits(2_f32.powi(55).to_bits() - 1);
        let shape = Shape::new(1, 1, matrix::MAX_K).unwrap();
        let values = vec![largest; shape.k()];
        let operands = Operands::new(shape, values.clone(), values).unwrap();
        let c = reference(&operands)[0];
        assert!(c.is_finite() && c > 2_f32.powi(126), "{c:e}");
    }

    #[test]
    fn subnormal_results_are_kept_and_minus_zero_is_not() {
        let shape = Shape::new(1, 2, 1).unwrap();
        let operands = Operands::new(shape, vec![-1e-30], vec![-1e-10, 1e-30]).unwrap();
        let c = reference(&operands);
        assert!(c[0].is_subnormal());
        assert_eq!(c[1].to_bits(), 0);
    }
}
