//! The shape of a product: A is m×k, B is k×n, C is m×n, all row major.
//!
//! In scope: the limits, each with its reason, and the sizes and costs that follow from a shape.
//! Out of scope: what fills the matrices.

use crate::job::Cost;

/// Longest sum: what is exact in int32, and below 2^17.
///
/// A product of two int8 values lies in \[-16256, 16384\], so every partial sum, in any order, has
/// magnitude at most k·2^14. For k = 131 071 that is 2^31 - 2^14, below 2^31 on both sides; for
/// k = 131 072 a sum of (-128)·(-128) is 2^31, which int32 does not hold. The float products take
/// the same limit: theirs is 2^17, for operands below 2^55 (`spec/gemm_bf16.md`, "Domain").
pub const MAX_K: u32 = 131_071;

/// Largest m and largest n: 2^20.
///
/// Bounds the vectors of Freivalds' check (32 bytes per column of C) to 32 MiB where the limit on
/// elements alone would allow 2 GiB, for a matrix with one row and 2^26 columns.
pub const MAX_M_N: u32 = 1 << 20;

/// Most elements in each of A, B and C: 2^26, the square 8192×8192.
///
/// A verifier then holds at most 64 MiB each of int8 A and B (256 MiB of f32), 256 MiB of C, and a reference run is
/// at most 2^39 multiply-adds: m·n, m·k and k·n are each at most 2^26, hence (m·n·k)² ≤ 2^78.
pub const MAX_MATRIX_ELEMENTS: u64 = 1 << 26;

/// A product's shape, within the limits of this module. No dimension is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    m: u32,
    n: u32,
    k: u32,
}

impl Shape {
    /// Checks the limits: dimensions first, in the order m, n, k, then matrices a, b, c.
    ///
    /// # Errors
    ///
    /// The first limit that does not hold.
    pub fn new(m: u32, n: u32, k: u32) -> Result<Self, ShapeError> {
        check_dimension("m", m, MAX_M_N)?;
        check_dimension("n", n, MAX_M_N)?;
        check_dimension("k", k, MAX_K)?;
        check_matrix("a", m, k)?;
        check_matrix("b", k, n)?;
        check_matrix("c", m, n)?;
        Ok(Self { m, n, k })
    }

    /// Rows of A and of C.
    pub const fn m(self) -> usize {
        self.m as usize
    }

    /// Columns of B and of C.
    pub const fn n(self) -> usize {
        self.n as usize
    }

    /// Columns of A and rows of B: the length of each sum.
    pub const fn k(self) -> usize {
        self.k as usize
    }

    /// Whether C has row i and column j.
    pub const fn contains(self, i: usize, j: usize) -> bool {
        i < self.m() && j < self.n()
    }

    /// Elements of A.
    pub const fn a_len(self) -> usize {
        self.m() * self.k()
    }

    /// Elements of B.
    pub const fn b_len(self) -> usize {
        self.k() * self.n()
    }

    /// Elements of C.
    pub const fn c_len(self) -> usize {
        self.m() * self.n()
    }

    /// Length of C in bytes: four per element, int32 or f32.
    pub const fn output_len(self) -> usize {
        self.c_len() * size_of::<u32>()
    }

    /// 2·m·n·k operations (a multiply-add counts as two), and each matrix moved once; an operand
    /// has `element_len` bytes.
    pub const fn cost(self, element_len: usize) -> Cost {
        Cost {
            operations: 2 * self.c_len() as u64 * self.k as u64,
            bytes_read: (self.a_len() as u64 + self.b_len() as u64) * element_len as u64,
            bytes_written: self.output_len() as u64,
        }
    }
}

/// Why m, n, k are not a [`Shape`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A dimension exceeds its limit, [`MAX_K`] or [`MAX_M_N`].
    #[error("dimension {dimension} is too large: expected at most {limit}, got {actual}")]
    DimensionTooLarge {
        /// `m`, `n` or `k`.
        dimension: &'static str,
        /// The largest value allowed.
        limit: u32,
        /// The value asked for.
        actual: u32,
    },
    /// A matrix exceeds [`MAX_MATRIX_ELEMENTS`].
    #[error("matrix {matrix} is too large: expected at most {limit} elements, got {actual}")]
    MatrixTooLarge {
        /// `a`, `b` or `c`.
        matrix: &'static str,
        /// The most elements allowed.
        limit: u64,
        /// The elements asked for.
        actual: u64,
    },
    /// A dimension is zero.
    #[error("dimension {dimension} is zero: expected at least 1, got 0")]
    ZeroDimension {
        /// `m`, `n` or `k`.
        dimension: &'static str,
    },
}

impl ShapeError {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DimensionTooLarge { .. } => "shape_dimension_too_large",
            Self::MatrixTooLarge { .. } => "shape_matrix_too_large",
            Self::ZeroDimension { .. } => "shape_zero_dimension",
        }
    }
}

fn check_dimension(dimension: &'static str, actual: u32, limit: u32) -> Result<(), ShapeError> {
    if actual == 0 {
        return Err(ShapeError::ZeroDimension { dimension });
    }
    if actual > limit {
        return Err(ShapeError::DimensionTooLarge {
            dimension,
            limit,
            actual,
        });
    }
    Ok(())
}

fn check_matrix(matrix: &'static str, rows: u32, columns: u32) -> Result<(), ShapeError> {
    // Two 32-bit factors: the product fits 64 bits.
    let actual = u64::from(rows) * u64::from(columns);
    if actual > MAX_MATRIX_ELEMENTS {
        return Err(ShapeError::MatrixTooLarge {
            matrix,
            limit: MAX_MATRIX_ELEMENTS,
            actual,
        });
    }
    Ok(())
}

// The sizes above are computed in `usize`: the largest, 4·2^26 bytes, fits 32 bits.
const _: () = assert!(usize::BITS >= 32 && MAX_MATRIX_ELEMENTS * 4 <= u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_is_refused_in_each_dimension() {
        let cases = [("m", [0, 1, 1]), ("n", [1, 0, 1]), ("k", [1, 1, 0])];
        for (dimension, [m, n, k]) in cases {
            let expected = Err(ShapeError::ZeroDimension { dimension });
            assert_eq!(Shape::new(m, n, k), expected);
        }
    }

    #[test]
    fn limits_hold_up_to_the_last_value() {
        assert!(Shape::new(MAX_M_N, 1, 1).is_ok());
        assert!(Shape::new(1, MAX_M_N, 1).is_ok());
        assert!(Shape::new(1, 1, MAX_K).is_ok());
        assert!(Shape::new(8192, 8192, 8192).is_ok());
        let too_large = |dimension, limit| {
            Err(ShapeError::DimensionTooLarge {
                dimension,
                limit,
                actual: limit + 1,
            })
        };
        assert_eq!(Shape::new(MAX_M_N + 1, 1, 1), too_large("m", MAX_M_N));
        assert_eq!(Shape::new(1, MAX_M_N + 1, 1), too_large("n", MAX_M_N));
        assert_eq!(Shape::new(1, 1, MAX_K + 1), too_large("k", MAX_K));
    }

    #[test]
    fn one_row_more_than_a_full_matrix_is_refused() {
        let cases = [
            ("a", [8193, 1, 8192]),
            ("b", [1, 8193, 8192]),
            ("c", [8193, 8192, 1]),
        ];
        for (matrix, [m, n, k]) in cases {
            let expected = Err(ShapeError::MatrixTooLarge {
                matrix,
                limit: MAX_MATRIX_ELEMENTS,
                actual: 8192 * 8193,
            });
            assert_eq!(Shape::new(m, n, k), expected);
        }
    }

    #[test]
    fn sums_at_the_limit_fit_int32_and_one_more_does_not() {
        let largest_product = i64::from(i8::MIN) * i64::from(i8::MIN);
        let limit = i64::from(MAX_K) * largest_product;
        assert!(i32::try_from(limit).is_ok());
        assert!(i32::try_from(limit + largest_product).is_err());
    }

    proptest! {
        #[test]
        fn no_shape_panics_and_costs_are_bounded(m: u32, n: u32, k: u32) {
            // Shifted so that small and allowed values occur.
            let [m, n, k] = [m >> (n % 32), n >> (k % 32), k >> (m % 32)];
            if let Ok(shape) = Shape::new(m, n, k) {
                prop_assert!(shape.cost(4).operations <= 1 << 40);
                prop_assert_eq!(shape.output_len(), 4 * shape.c_len());
            }
        }
    }
}
