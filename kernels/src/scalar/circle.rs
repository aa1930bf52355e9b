//! Sine and cosine: of radians, and of a 32-bit fraction of a turn.

use super::basic::NAN;
use super::exponential::polynomial;

/// Sine and cosine of one angle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SinCos {
    /// Sine.
    pub sin: f32,
    /// Cosine.
    pub cos: f32,
}

/// Of `x` radians, |x| ≤ 131072; beyond, and for a NaN, both are [`NAN`].
pub fn sin_cos(x: f32) -> SinCos {
    if x.is_nan() || x.abs() > 131_072.0 {
        return SinCos { sin: NAN, cos: NAN };
    }
    let n = (x * TWO_OVER_PI).round_ties_even();
    let r = HALF_PI.iter().fold(x, |r, part| (-n).mul_add(*part, r));
    let z = r * r;
    let near_zero = SinCos {
        sin: (r * z).mul_add(polynomial(&SIN, z), r),
        cos: polynomial(&COS, z),
    };
    near_zero.turned((n as i32).cast_unsigned())
}

/// Of `t`/2^32 turns. Every `t` is meant; the reduction is exact.
pub fn sin_cos_turn(t: u32) -> SinCos {
    let quarters = t.wrapping_add(EIGHTH) >> 30;
    let rest = t.wrapping_sub(quarters << 30).cast_signed();
    let f = rest as f32 * TWO_MINUS_30;
    let z = f * f;
    let near_zero = SinCos {
        sin: f.mul_add(HALF_PI[0], f * polynomial(&SIN_QUARTER, z)),
        cos: polynomial(&COS_QUARTER, z),
    };
    near_zero.turned(quarters)
}

/// The sine part of [`sin_cos`].
pub fn sin(x: f32) -> f32 {
    sin_cos(x).sin
}

/// The cosine part of [`sin_cos`].
pub fn cos(x: f32) -> f32 {
    sin_cos(x).cos
}

impl SinCos {
    /// The same `quarters` quarter turns further. Subtracting from +0 negates without making -0.
    fn turned(self, quarters: u32) -> Self {
        let Self { sin, cos } = self;
        let (sin, cos) = match quarters % 4 {
            0 => (sin, cos),
            1 => (cos, 0.0 - sin),
            2 => (0.0 - sin, 0.0 - cos),
            _ => (0.0 - cos, sin),
        };
        Self { sin, cos }
    }
}

/// An eighth of a turn.
const EIGHTH: u32 = 1 << 29;
const TWO_MINUS_30: f32 = f32::from_bits(0x3080_0000);
const TWO_OVER_PI: f32 = f32::from_bits(0x3f22_f983);
/// π/2 as a sum of three.
const HALF_PI: [f32; 3] = [
    f32::from_bits(0x3fc9_0fdb),
    f32::from_bits(0xb33b_bd2e),
    f32::from_bits(0xa6f7_2ced),
];
/// (sin(r)/r - 1) / r² in r², for |r| ≤ 0.8.
const SIN: [f32; 3] = [
    f32::from_bits(0xb94c_87c9),
    f32::from_bits(0x3c08_8357),
    f32::from_bits(0xbe2a_aaa2),
];
/// cos(r) in r², for |r| ≤ 0.8.
const COS: [f32; 5] = [
    f32::from_bits(0x37cc_c88e),
    f32::from_bits(0xbab6_057a),
    f32::from_bits(0x3d2a_aaa4),
    -0.5,
    1.0,
];
/// sin(f·π/2)/f less the leading part of π/2, in f², for |f| ≤ 1/2.
const SIN_QUARTER: [f32; 5] = [
    f32::from_bits(0x3922_1d4d),
    f32::from_bits(0xbb99_56d5),
    f32::from_bits(0x3da3_35bc),
    f32::from_bits(0xbf25_5de7),
    f32::from_bits(0xb33b_bd2e),
];
/// cos(f·π/2) in f², for |f| ≤ 1/2.
const COS_QUARTER: [f32; 5] = [
    f32::from_bits(0x3a6a_7bf7),
    f32::from_bits(0xbcaa_d95b),
    f32::from_bits(0x3e81_e0d8),
    f32::from_bits(0xbf9d_e9e6),
    1.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUARTER: u32 = 1 << 30;

    #[test]
    fn quarters_of_a_turn_are_exact() {
        let expected = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)];
        for (quarters, (sin, cos)) in (0..4).zip(expected) {
            assert_eq!(sin_cos_turn(quarters * QUARTER), SinCos { sin, cos });
        }
    }

    #[test]
    fn beyond_the_range_there_is_no_answer() {
        assert!(sin(131_072.0).is_finite());
        let beyond = f32::from_bits(131_072_f32.to_bits() + 1);
        for x in [beyond, -beyond, f32::INFINITY, -f32::NAN] {
            let bits = [sin(x), cos(x)].map(f32::to_bits);
            assert_eq!(bits, [NAN.to_bits(); 2]);
        }
    }

    proptest! {
        #[test]
        fn a_quarter_turn_makes_sine_of_cosine(t: u32) {
            let (here, next) = (sin_cos_turn(t), sin_cos_turn(t.wrapping_add(QUARTER)));
            prop_assert_eq!((here.sin, here.cos), (-next.cos, next.sin));
        }

        #[test]
        fn nothing_is_minus_zero(t: u32, x in -131_072.0_f32..131_072.0) {
            for SinCos { sin, cos } in [sin_cos_turn(t), sin_cos(x), sin_cos_turn(t & 3 << 30)] {
                prop_assert!(sin.to_bits() != 0x8000_0000 && cos.to_bits() != 0x8000_0000);
            }
        }

        #[test]
        fn sine_is_odd_and_cosine_even(x in 0.0_f32..=131_072.0) {
            prop_assert_eq!((sin(-x), cos(-x)), (-sin(x), cos(x)));
        }

        #[test]
        fn squares_add_up_to_one(x in -131_072.0_f32..131_072.0) {
            let SinCos { sin, cos } = sin_cos(x);
            prop_assert!((sin * sin + cos * cos - 1.0).abs() <= 4.0 * f32::EPSILON);
        }
    }
}
