//! The whole block on a CPU, one thread, token by token.

use super::TransformerBlock;
use super::arithmetic::{activate, attend, norm, product, residual, rotate, values};
use super::operands::{self, Weight};
use crate::job::CheckedInputs;
use crate::point::{InMemory, SliceMissing, Slices};

pub(super) fn reference(job: &TransformerBlock, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
    run(job, &InMemory::new(inputs, [])).expect("accepted inputs are whole")
}

fn run(job: &TransformerBlock, slices: &dyn Slices) -> Result<Vec<Vec<u8>>, SliceMissing> {
    let (shape, scales) = (job.shape(), job.scales());
    let width = shape.width();
    let matrix = |weight: Weight| {
        let all = [0, weight.columns(shape)];
        Ok(operands::panel(job, slices, weight, all)?.values)
    };
    let x = operands::input(job, slices, [0, shape.stream_len()])?;
    let (wq, wk, wv) = (matrix(Weight::Q)?, matrix(Weight::K)?, matrix(Weight::V)?);
    let (mut q, mut k, mut v) = (Vec::new(), Vec::new(), Vec::new());
    for (token, row) in x.chunks_exact(width).enumerate() {
        let normed = norm(row);
        q.extend(rotate(
            shape,
            scales.q,
            token,
            0,
            &product(&normed, &wq, width),
        ));
        k.extend(rotate(
            shape,
            scales.k,
            token,
            0,
            &product(&normed, &wk, width),
        ));
        v.extend(values(scales, &product(&normed, &wv, width)));
    }
    let context = attention(job, &q, &k, &v);
    let mid = add_product(scales.out, &x, &context, &matrix(Weight::Out)?, width);
    let wu = matrix(Weight::Up)?;
    let rows = mid.chunks_exact(width);
    let of_row = |row: &[f32]| activate(scales, &product(&norm(row), &wu, shape.hidden()));
    let hidden: Vec<i8> = rows.flat_map(of_row).collect();
    let y = add_product(scales.down, &mid, &hidden, &matrix(Weight::Down)?, width);
    Ok(vec![
        bytes(&q, |v| v.to_le_bytes()),
        bytes(&k, |v| v.to_le_bytes()),
        bytes(&v, |v| v.to_le_bytes()),
        bytes(&context, |v| v.to_le_bytes()),
        bytes(&mid, |v| v.to_le_bytes()),
        bytes(&hidden, |v| v.to_le_bytes()),
        bytes(&y, |v| v.to_le_bytes()),
    ])
}

fn attention(job: &TransformerBlock, q: &[i8], k: &[i8], v: &[i8]) -> Vec<i16> {
    let (width, head) = (job.shape().width(), job.shape().head());
    let mut context = vec![0; q.len()];
    for column in (0..width).step_by(head) {
        let of_head = |all: &[i8]| -> Vec<i8> {
            let rows = all.chunks_exact(width);
            rows.flat_map(|row| row[column..][..head].to_vec())
                .collect()
        };
        let (q, k, v) = (of_head(q), of_head(k), of_head(v));
        for (token, q) in q.chunks_exact(head).enumerate() {
            let until = (token + 1) * head;
            let row = attend(job.scales(), q, &k[..until], &v[..until]);
            context[token * width + column..][..head].copy_from_slice(&row);
        }
    }
    context
}

/// Rows of `left` times a matrix, added to the residual stream.
fn add_product<T: Copy + Into<i32>>(
    scale: u32,
    before: &[f32],
    left: &[T],
    matrix: &[i8],
    width: usize,
) -> Vec<f32> {
    let rows = left.chunks_exact(matrix.len() / width);
    let sums = rows.flat_map(|row| product(row, matrix, width));
    let added = sums
        .zip(before)
        .map(|(sum, before)| residual(scale, sum, *before));
    added.collect()
}

pub(super) fn bytes<T: Copy, const N: usize>(
    values: &[T],
    encode: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    values.iter().flat_map(|value| encode(*value)).collect()
}
