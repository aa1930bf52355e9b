//! C as bytes: row-major little-endian int32, 4·m·n of them, nothing before or after.
//!
//! In scope: both directions and a view that needs no copy; the length is checked once, at the
//! door. Out of scope: whether the values are right.

use super::Shape;

/// Output bytes do not have the length of the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("output has the wrong length: expected {expected} bytes, got {actual}")]
pub struct OutputLength {
    /// 4·m·n.
    pub expected: usize,
    /// Bytes that came.
    pub actual: usize,
}

impl OutputLength {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        "output_length_mismatch"
    }
}

/// The output bytes of `values`. Inverse of [`decode`].
pub fn encode(values: &[i32]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
    bytes
}

/// The values of output bytes. Inverse of [`encode`].
///
/// # Errors
///
/// [`OutputLength`] if `bytes` is not a whole output of `shape`.
pub fn decode(shape: Shape, bytes: &[u8]) -> Result<Vec<i32>, OutputLength> {
    let view = OutputView::new(shape, bytes)?;
    Ok(view
        .elements
        .iter()
        .copied()
        .map(i32::from_le_bytes)
        .collect())
}

/// A claimed output, seen as an m×n matrix in place. Its length is right; its values are a claim.
#[derive(Clone, Copy, Debug)]
pub struct OutputView<'a> {
    shape: Shape,
    elements: &'a [[u8; 4]],
}

impl<'a> OutputView<'a> {
    /// Looks at `bytes` as an output of `shape`.
    ///
    /// # Errors
    ///
    /// [`OutputLength`] if `bytes` is not a whole output of `shape`.
    pub fn new(shape: Shape, bytes: &'a [u8]) -> Result<Self, OutputLength> {
        if bytes.len() != shape.output_len() {
            return Err(OutputLength {
                expected: shape.output_len(),
                actual: bytes.len(),
            });
        }
        let (elements, _) = bytes.as_chunks();
        Ok(Self { shape, elements })
    }

    /// The shape.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The claimed C\[i\]\[j\]; `None` outside the shape.
    pub fn element(&self, i: usize, j: usize) -> Option<i32> {
        let row = self.rows().nth(i)?;
        row.get(j).copied().map(i32::from_le_bytes)
    }

    /// The m rows, each n little-endian int32.
    pub fn rows(&self) -> std::slice::ChunksExact<'a, [u8; 4]> {
        self.elements.chunks_exact(self.shape.n())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decode_inverts_encode(n in 1_u32..20, values: [i32; 20]) {
            let shape = Shape::new(1, n, 1).unwrap();
            let values = &values[..n as usize];
            prop_assert_eq!(decode(shape, &encode(values)), Ok(values.to_vec()));
        }
    }

    #[test]
    fn bytes_are_little_endian_in_row_major_order() {
        let bytes = encode(&[1, -2, 0x0102_0304, i32::MIN]);
        let expected = [
            [1, 0, 0, 0],
            [0xfe, 0xff, 0xff, 0xff],
            [4, 3, 2, 1],
            [0, 0, 0, 0x80],
        ];
        assert_eq!(bytes, expected.concat());
        let view = OutputView::new(Shape::new(2, 2, 9).unwrap(), &bytes).unwrap();
        assert_eq!(view.element(0, 1), Some(-2));
        assert_eq!(view.element(1, 0), Some(0x0102_0304));
        assert_eq!(view.element(2, 0), None);
        assert_eq!(view.element(0, 2), None);
    }

    #[test]
    fn every_other_length_is_refused() {
        let shape = Shape::new(2, 3, 1).unwrap();
        for actual in [0, 4, 23, 25, 28, 48] {
            let error = OutputView::new(shape, &vec![0; actual]).unwrap_err();
            assert_eq!(
                error,
                OutputLength {
                    expected: 24,
                    actual
                }
            );
        }
    }
}
