//! The reciprocal square root.

use super::basic::NAN;

/// 1/√x without a division or a root: a first guess from the bits, then two steps of third order,
/// the second with the exact residue. ±0 gives +∞, +∞ gives +0, anything below zero gives [`NAN`].
pub fn rsqrt(x: f32) -> f32 {
    match x {
        0.0 => f32::INFINITY,
        f32::INFINITY => 0.0,
        x if x < f32::MIN_POSITIVE && x > 0.0 => of_normal(x * TWO_24) * TWO_12,
        x if x > 0.0 => of_normal(x),
        _ => NAN,
    }
}

fn of_normal(x: f32) -> f32 {
    let guess = f32::from_bits(FIRST_GUESS - (x.to_bits() >> 1));
    let y = step(guess, (-(x * guess)).mul_add(guess, 1.0));
    let h = x * y;
    let rest = x.mul_add(y, -h);
    step(y, (-rest).mul_add(y, (-h).mul_add(y, 1.0)))
}

/// y·(1 + e/2 + 3e²/8), where e = 1 - x·y².
fn step(y: f32, e: f32) -> f32 {
    (y * e).mul_add(0.375_f32.mul_add(e, 0.5), y)
}

/// Halves and negates the exponent; within 3.5 % of the answer.
const FIRST_GUESS: u32 = 0x5f37_59df;
const TWO_24: f32 = 16_777_216.0;
const TWO_12: f32 = 4096.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends_of_the_range() {
        assert_eq!([0.0, -0.0].map(rsqrt), [f32::INFINITY; 2]);
        assert_eq!(rsqrt(f32::INFINITY).to_bits(), 0);
        for x in [
            -1.0,
            -f32::from_bits(1),
            f32::NEG_INFINITY,
            f32::NAN,
            -f32::NAN,
        ] {
            assert_eq!(rsqrt(x).to_bits(), NAN.to_bits());
        }
    }

    #[test]
    fn even_powers_of_two_are_exact() {
        for n in -74..=63 {
            assert_eq!(rsqrt(2_f32.powi(n) * 2_f32.powi(n)), 1.0 / 2_f32.powi(n));
        }
    }

    proptest! {
        #[test]
        fn scaling_by_four_halves(x in 1e-30_f32..1e30) {
            prop_assert_eq!(rsqrt(4.0 * x) * 2.0, rsqrt(x));
        }
    }
}
