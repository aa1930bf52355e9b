//! The whole product on a CPU: what every other execution is compared with.
//!
//! In scope: the right answer at a usable speed, on one thread, in safe Rust without intrinsics.
//! Out of scope: competing with a BLAS. It shares no code with the GPU kernel, on purpose.
//!
//! B is taken in panels of 64 columns by 512 rows. A panel is transposed and widened to int16
//! once (64 KiB, so it stays in a second-level cache), then every row of A meets it. The inner
//! loop is a dot product of int16 with int32 sums over contiguous memory, which compilers turn
//! into the multiply-and-add-pairs instruction that x86-64 has had since SSE2.
//!
//! No sum overflows: each partial sum is a sum of at most [`MAX_K`](super::MAX_K) products.

use super::Operands;

/// C = A·B: m×n sums, row major. About 0.1 s for 1024³ on one core of 2024.
pub fn reference(operands: &Operands) -> Vec<i32> {
    let shape = operands.shape();
    let (n, k) = (shape.n(), shape.k());
    let mut c = vec![0; shape.c_len()];
    let mut panel = Panel::default();
    for column in (0..n).step_by(PANEL_COLUMNS) {
        for depth in (0..k).step_by(PANEL_DEPTH) {
            panel.pack(operands.b(), n, column, depth);
            for (a_row, c_row) in operands.a().chunks_exact(k).zip(c.chunks_exact_mut(n)) {
                panel.accumulate(&a_row[depth..], &mut c_row[column..]);
            }
        }
    }
    c
}

/// A block of B, transposed: `depth` consecutive values belong to one column.
#[derive(Default)]
struct Panel {
    columns: usize,
    depth: usize,
    values: Vec<i16>,
    /// The part of a row of A that meets the panel, widened.
    row: Vec<i16>,
}

impl Panel {
    /// Takes the block of B (n columns) whose upper left corner is (`depth`, `column`).
    fn pack(&mut self, b: &[i8], n: usize, column: usize, depth: usize) {
        self.columns = PANEL_COLUMNS.min(n - column);
        self.depth = PANEL_DEPTH.min(b.len() / n - depth);
        self.values.resize(self.columns * self.depth, 0);
        for (l, b_row) in b.chunks_exact(n).skip(depth).take(self.depth).enumerate() {
            let block = &b_row[column..][..self.columns];
            for (value, b) in self.values[l..].iter_mut().step_by(self.depth).zip(block) {
                *value = i16::from(*b);
            }
        }
    }

    /// Adds this panel's share to the elements of one row of C. `a` and `c` start where the panel
    /// does and may go on beyond it.
    fn accumulate(&mut self, a: &[i8], c: &mut [i32]) {
        self.row.clear();
        self.row
            .extend(a[..self.depth].iter().map(|a| i16::from(*a)));
        for (c, column) in c.iter_mut().zip(self.values.chunks_exact(self.depth)) {
            *c += dot(&self.row, column);
        }
    }
}

/// Sum of products; both slices have the panel's depth.
fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a) * i32::from(*b))
        .sum()
}

const PANEL_COLUMNS: usize = 64;
const PANEL_DEPTH: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm_i8::Shape;
    use crate::operand_stream::OperandSeed;
    use proptest::prelude::*;

    /// The definition, with nothing in common with the blocked code but the layout.
    fn by_definition(operands: &Operands) -> Vec<i32> {
        let shape = operands.shape();
        let (m, n, k) = (shape.m(), shape.n(), shape.k());
        let mut c = vec![0; m * n];
        for i in 0..m {
            for j in 0..n {
                for l in 0..k {
                    let (a, b) = (operands.a()[i * k + l], operands.b()[l * n + j]);
                    c[i * n + j] += i32::from(a) * i32::from(b);
                }
            }
        }
        c
    }

    fn seeded(m: u32, n: u32, k: u32, seed: u8) -> Operands {
        let shape = Shape::new(m, n, k).unwrap();
        Operands::from_seed(shape, &OperandSeed::from_bytes([seed; 32]))
    }

    proptest! {
        #[test]
        fn equals_the_definition(m in 1_u32..40, n in 1_u32..140, k in 1_u32..70, seed: u8) {
            let operands = seeded(m, n, k, seed);
            prop_assert_eq!(reference(&operands), by_definition(&operands));
        }

        #[test]
        fn every_element_equals_the_point_function(m in 1_u32..9, n in 60_u32..70, k in 1_u32..9, seed: u8) {
            let operands = seeded(m, n, k, seed);
            let c = reference(&operands);
            for (index, c) in c.into_iter().enumerate() {
                let (i, j) = (index / n as usize, index % n as usize);
                prop_assert_eq!(operands.element(i, j), Some(c));
            }
        }
    }

    #[test]
    fn panel_edges_equal_the_definition() {
        for n in [63, 64, 65, 128, 129] {
            for k in [511, 512, 513, 1025] {
                let operands = seeded(2, n, k, 5);
                assert_eq!(reference(&operands), by_definition(&operands), "{n} {k}");
            }
        }
    }

    #[test]
    fn no_element_outside_the_shape() {
        let operands = seeded(2, 3, 4, 0);
        assert_eq!(operands.element(2, 0), None);
        assert_eq!(operands.element(0, 3), None);
        assert_eq!(operands.element(usize::MAX, usize::MAX), None);
    }
}
