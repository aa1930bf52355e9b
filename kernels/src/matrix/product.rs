//! Going through a product element by element, and its bytes.

use super::{Element, Operands};

/// C, row major, each element from its row of A and its column of B.
pub(crate) fn by_columns<E: Element, C: Copy + Default>(
    operands: &Operands<E>,
    element: impl Fn(&[E], &[E]) -> C,
) -> Vec<C> {
    let shape = operands.shape();
    let (n, k) = (shape.n(), shape.k());
    let mut c = vec![C::default(); shape.c_len()];
    let mut column = Vec::with_capacity(k);
    for j in 0..n {
        column.clear();
        column.extend(operands.b()[j..].iter().step_by(n));
        let rows = operands.a().chunks_exact(k);
        for (c, row) in c[j..].iter_mut().step_by(n).zip(rows) {
            *c = element(row, &column);
        }
    }
    c
}

/// The output bytes of an f32 C: little endian, in row-major order.
pub fn encode_f32(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
