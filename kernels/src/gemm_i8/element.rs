//! int8 as an operand: all 256 values, one byte each, and one element of the product.

use crate::matrix::{Element, Operands};

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

impl Operands<i8> {
    /// C\[i\]\[j\], computed alone in k multiply-adds; `None` outside the shape.
    pub fn element(&self, i: usize, j: usize) -> Option<i32> {
        let (row, column) = self.row_and_column(i, j)?;
        Some(row.iter().zip(column).map(|(a, b)| product(*a, b)).sum())
    }
}

fn product(a: i8, b: i8) -> i32 {
    i32::from(a) * i32::from(b)
}
