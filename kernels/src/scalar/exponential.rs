//! exp and what is made of it: tanh, sigmoid, SiLU, GELU.

use super::basic::{clamp, one_nan, unless_nan};

/// e^x. Overflows to infinity, underflows through the subnormals to +0.
pub fn exp(x: f32) -> f32 {
    let v = clamp(x, -104.0, 89.0);
    let n = (v * LOG2_E).round_ties_even();
    let r = (-n).mul_add(LN_2[1], (-n).mul_add(LN_2[0], v));
    let p = (r * r).mul_add(polynomial(&EXP, r), r) + 1.0;
    let n = n as i32;
    let half = n.div_euclid(2);
    unless_nan(x, p * power_of_two(half) * power_of_two(n - half))
}

/// Hyperbolic tangent; keeps the sign of zero.
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let y = if a < 0.625 {
        let z = a * a;
        (a * z).mul_add(polynomial(&TANH, z), a)
    } else {
        1.0 - 2.0 / (exp(2.0 * a) + 1.0)
    };
    unless_nan(x, y.copysign(x))
}

/// 1 / (1 + e^-x).
pub fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let numerator = if x < 0.0 { e } else { 1.0 };
    one_nan(numerator / (1.0 + e))
}

/// x·sigmoid(x). At -∞ the NaN of 0·∞.
pub fn silu(x: f32) -> f32 {
    one_nan(x * sigmoid(x))
}

/// GELU in its tanh form, as x·sigmoid(2·√(2/π)·(x + 0.044715·x³)).
pub fn gelu(x: f32) -> f32 {
    let u = x * (x * x).mul_add(GELU_CUBIC, GELU_LINEAR);
    one_nan(x * sigmoid(u))
}

/// 2^n for -126 ≤ n ≤ 127.
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n + 127).cast_unsigned() << 23)
}

/// Horner's rule, coefficient of the highest power first, one fused operation a step.
pub(super) fn polynomial(coefficients: &[f32], x: f32) -> f32 {
    let (first, rest) = coefficients
        .split_first()
        .expect("a polynomial has coefficients");
    rest.iter()
        .fold(*first, |sum, coefficient| sum.mul_add(x, *coefficient))
}

const LOG2_E: f32 = f32::from_bits(0x3fb8_aa3b);
/// ln 2 as a sum of two.
const LN_2: [f32; 2] = [f32::from_bits(0x3f31_7218), f32::from_bits(0xb102_e308)];
/// (e^r - 1 - r) / r² for |r| ≤ 0.3475.
const EXP: [f32; 5] = [
    f32::from_bits(0x3ab5_6191),
    f32::from_bits(0x3c09_1f61),
    f32::from_bits(0x3d2a_ac28),
    f32::from_bits(0x3e2a_aa45),
    f32::from_bits(0x3eff_fffe),
];
/// (tanh(a)/a - 1) / a² in a², for a ≤ 0.625.
const TANH: [f32; 5] = [
    f32::from_bits(0xbbba_8672),
    f32::from_bits(0x3ca8_fc67),
    f32::from_bits(0xbd5c_1ad2),
    f32::from_bits(0x3e08_837b),
    f32::from_bits(0xbeaa_aa99),
];
/// 2·√(2/π).
const GELU_LINEAR: f32 = f32::from_bits(0x3fcc_422a);
/// 2·√(2/π)·0.044715.
const GELU_CUBIC: f32 = f32::from_bits(0x3d92_2279);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_overflows_and_underflows_where_the_specification_says() {
        let at = |bits| exp(f32::from_bits(bits));
        assert!(at(0x42b1_7217).is_finite());
        assert_eq!(at(0x42b1_7218), f32::INFINITY);
        assert_eq!(at(0xc2cf_f1b4).to_bits(), 1);
        assert_eq!(at(0xc2cf_f1b6).to_bits(), 0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0);
        assert_eq!([exp(0.0), exp(-0.0)], [1.0, 1.0]);
    }

    #[test]
    fn limits_at_the_infinities() {
        let ends = [f32::NEG_INFINITY, f32::INFINITY];
        assert_eq!(ends.map(tanh), [-1.0, 1.0]);
        assert_eq!(ends.map(sigmoid), [0.0, 1.0]);
        for function in [silu, gelu] {
            assert_eq!(
                function(f32::NEG_INFINITY).to_bits(),
                super::super::NAN.to_bits()
            );
            assert_eq!(function(f32::INFINITY), f32::INFINITY);
        }
    }

    proptest! {
        #[test]
        fn tanh_is_odd_and_bounded(bits: u32) {
            let x = f32::from_bits(bits & 0x7fff_ffff);
            prop_assume!(!x.is_nan());
            prop_assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits());
            prop_assert!(tanh(x) <= 1.0);
        }

        #[test]
        fn a_nan_gives_the_one_nan(payload in 1_u32..0x80_0000, negative: bool) {
            let nan = f32::from_bits(u32::from(negative) << 31 | 0x7f80_0000 | payload);
            for function in [exp, tanh, sigmoid, silu, gelu] {
                prop_assert_eq!(function(nan).to_bits(), 0x7fc0_0000);
            }
        }

        #[test]
        fn sigmoids_of_opposites_add_up_to_one(x in -80.0_f32..80.0) {
            prop_assert!((sigmoid(x) + sigmoid(-x) - 1.0).abs() <= 2.0 * f32::EPSILON);
        }
    }
}
