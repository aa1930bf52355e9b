//! The rules of the block that belong to one row or one element, shared by the whole block and its points.

use super::shape::factor;
use super::{Scales, Shape};
use crate::scalar;

/// Units of a normed row and of hidden activations in 1.
const UNITS: f32 = 32.0;

/// Lanes that the squares of a row are summed in.
const LANES: usize = 32;

/// Added to the mean square of a row: 2^-20.
const EPSILON: f32 = f32::from_bits((127 - 20) << 23);

/// The weight of the largest logit: 14 bits.
const LARGEST_WEIGHT: f32 = 16_383.0;

/// Units of `context` in one of `v`.
const CONTEXT_UNITS: i64 = 16;

/// A row of the residual stream, normed and rounded.
pub(super) fn norm(row: &[f32]) -> Vec<i8> {
    let share = 1.0 / row.len() as f32;
    let factor = scalar::rsqrt(sum_of_squares(row).mul_add(share, EPSILON));
    let rounded = row.iter().map(|v| scalar::i8_nearest((v * factor) * UNITS));
    rounded.collect()
}

fn sum_of_squares(row: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for chunk in row.chunks(LANES) {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum = v.mul_add(*v, *sum);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Turns a token's sums for `q` or `k` by its position and rounds them. `first` is the column of the first sum, even.
pub(super) fn rotate(
    shape: Shape,
    scale: u32,
    token: usize,
    first: usize,
    sums: &[i32],
) -> Vec<i8> {
    let scale = factor(scale);
    let turn = |(pair, sums): (&[i32; 2], usize)| {
        let scalar::SinCos { sin, cos } = scalar::sin_cos_turn(angle(shape, token, sums));
        let [u, w] = pair.map(|sum| sum as f32 * scale);
        [u.mul_add(cos, -(w * sin)), u.mul_add(sin, w * cos)].map(scalar::i8_nearest)
    };
    let pairs = sums.as_chunks().0.iter();
    pairs.zip((first..).step_by(2)).flat_map(turn).collect()
}

/// The angle of a token's pair at `column`, in turns of 2^32.
fn angle(shape: Shape, token: usize, column: usize) -> u32 {
    let (pair, pairs) = ((column % shape.head()) / 2, shape.head() / 2);
    let exponent = -(LN_10000 * pair as f32) / pairs as f32;
    let frequency = (RADIAN * scalar::exp(exponent)).round_ties_even() as u32;
    frequency.wrapping_mul(token as u32)
}

/// 2^32 / 2π.
const RADIAN: f32 = f32::from_bits(0x4e22_f983);
const LN_10000: f32 = f32::from_bits(0x4113_5d8e);

/// Rounds sums for `v`.
pub(super) fn values(scales: Scales, sums: &[i32]) -> Vec<i8> {
    let multiplier = scales.v.cast_signed();
    let rounded = sums.iter().map(|sum| scalar::requant(*sum, multiplier, 32));
    rounded.collect()
}

/// One head of one token: from its `q` and the `k` and `v` of all tokens up to it, rows of the head's columns.
pub(super) fn attend(scales: Scales, q: &[i8], keys: &[i8], values: &[i8]) -> Vec<i16> {
    let rows = keys.chunks_exact(q.len());
    let logits: Vec<i32> = rows.map(|k| dot(q, k)).collect();
    let weights = weights(factor(scales.logit), &logits);
    let total = weights.iter().sum();
    let mut sums = vec![0_i64; q.len()];
    for (weight, values) in weights.iter().zip(values.chunks_exact(q.len())) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += weight * i64::from(*value);
        }
    }
    let rounded = sums
        .into_iter()
        .map(|sum| divide(CONTEXT_UNITS * sum, total) as i16);
    rounded.collect()
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a) * i32::from(*b))
        .sum()
}

fn weights(scale: f32, logits: &[i32]) -> Vec<i64> {
    let largest = logits.iter().copied().max().unwrap_or_default();
    let weight = |logit: &i32| {
        let share = scalar::exp((logit - largest) as f32 * scale);
        (share * LARGEST_WEIGHT).round_ties_even() as i64
    };
    logits.iter().map(weight).collect()
}

/// To the nearest integer, ties to even.
fn divide(dividend: i64, divisor: i64) -> i64 {
    let (floor, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = 2 * rest > divisor || (2 * rest == divisor && floor % 2 != 0);
    floor + i64::from(up)
}

/// Adds a sum of integers to an element of the residual stream.
pub(super) fn residual(scale: u32, sum: i32, before: f32) -> f32 {
    scalar::canon((sum as f32).mul_add(factor(scale), before))
}

/// The activation of sums of the feed-forward.
pub(super) fn activate(scales: Scales, sums: &[i32]) -> Vec<i8> {
    let scale = factor(scales.up);
    let rounded = |sum: &i32| scalar::i8_nearest(scalar::silu(*sum as f32 * scale) * UNITS);
    sums.iter().map(rounded).collect()
}

/// A row times a matrix of `columns` columns. A claimed context may be any int16 and wrap; a right one does not.
pub(super) fn product<T: Copy + Into<i32>>(row: &[T], matrix: &[i8], columns: usize) -> Vec<i32> {
    let mut sums = vec![0_i32; columns];
    for (value, weights) in row.iter().zip(matrix.chunks_exact(columns)) {
        let value: i32 = (*value).into();
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum = sum.wrapping_add(value * i32::from(*weight));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_to_even() {
        let cases = [
            (5, 2, 2),
            (7, 2, 4),
            (-5, 2, -2),
            (-7, 2, -4),
            (8, 3, 3),
            (-8, 3, -3),
            (0, 9, 0),
        ];
        for (dividend, divisor, expected) in cases {
            assert_eq!(divide(dividend, divisor), expected, "{dividend}/{divisor}");
        }
    }

    #[test]
    fn one_token_attends_to_itself_alone() {
        let scales = Scales::seeded(Shape::new(1, 4, 1, 1).unwrap());
        let context = attend(scales, &[1, 2, 3, 4], &[-7, 0, 9, 1], &[-128, 127, 0, 5]);
        assert_eq!(context, [-2048, 2032, 0, 80]);
    }

    #[test]
    fn angles_are_those_of_the_powers_of_10000() {
        let shape = Shape::new(4096, 64, 1, 1).unwrap();
        for (token, column) in [(0, 0), (1, 0), (4095, 0), (17, 20), (4095, 62)] {
            let radians = token as f64 * 10_000_f64.powf(-(column as f64) / 64.0);
            let turns = radians / std::f64::consts::TAU;
            let got = f64::from(angle(shape, token, column)) / 2_f64.powi(32);
            let off = (got - turns).rem_euclid(1.0);
            assert!(off.min(1.0 - off) < 1e-4, "{token} {column}: {got} {turns}");
        }
    }

    #[test]
    fn a_norm_leaves_a_mean_square_of_one() {
        let row: Vec<f32> = (0..77).map(|i| 0.25 * (i as f32 - 30.0)).collect();
        let normed = norm(&row);
        let square: f64 = normed.iter().map(|n| (f64::from(*n) / 32.0).powi(2)).sum();
        assert!((square / 77.0 - 1.0).abs() < 0.01);
        assert_eq!(norm(&[0.0; 5]), [0; 5]);
    }
}
