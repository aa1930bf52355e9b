//! Canonical forms, compare-and-select, and conversions that `core` does not have.

/// The one NaN that functions of the specification return.
pub const NAN: f32 = f32::from_bits(0x7fc0_0000);

/// The greater; `b` where neither is greater (equal, zeros of either sign, a NaN).
pub fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The lesser; `b` where neither is less.
pub fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// `x` within `[low, high]`; a NaN gives `low`.
pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
    min(max(x, low), high)
}

/// -0 becomes +0; everything else stays.
pub fn canon(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { x }
}

/// A NaN becomes [`NAN`]; everything else stays.
pub fn one_nan(x: f32) -> f32 {
    unless_nan(x, x)
}

/// `y`, or [`NAN`] where `x` is a NaN. Chosen among bits, not numbers: to a compiler the NaN that an
/// operation gives is any NaN, and so may stay what the machine made of it.
pub(super) fn unless_nan(x: f32, y: f32) -> f32 {
    f32::from_bits(if x.is_nan() {
        NAN.to_bits()
    } else {
        y.to_bits()
    })
}

/// What may be written to an output: NaN becomes +0, an infinity the largest number of its sign,
/// -0 becomes +0.
pub fn output(x: f32) -> f32 {
    if x.is_nan() {
        0.0
    } else {
        canon(clamp(x, f32::MIN, f32::MAX))
    }
}

/// The nearest int8, ties to even; saturates; a NaN gives 0.
pub fn i8_nearest(x: f32) -> i8 {
    x.round_ties_even() as i8
}

/// The nearest `u8`, ties to even; saturates; a NaN gives 0.
pub fn u8_nearest(x: f32) -> u8 {
    x.round_ties_even() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// NaNs that machines make and that programs may hand in.
    const NANS: [u32; 4] = [0x7fc0_0000, 0xffc0_0000, 0x7fff_ffff, 0xff80_0001];

    proptest! {
        #[test]
        fn outputs_are_finite_and_without_minus_zero(bits: u32) {
            let x = f32::from_bits(bits);
            let written = output(x);
            prop_assert!(written.is_finite());
            prop_assert_ne!(written.to_bits(), 0x8000_0000);
            if x.is_finite() {
                prop_assert_eq!(written, x);
            }
        }

        #[test]
        fn clamped_numbers_are_inside(bits: u32) {
            let x = clamp(f32::from_bits(bits), -104.0, 89.0);
            prop_assert!((-104.0..=89.0).contains(&x));
        }
    }

    #[test]
    fn every_nan_becomes_one() {
        for nan in NANS.map(f32::from_bits) {
            assert_eq!(one_nan(nan).to_bits(), 0x7fc0_0000);
            assert_eq!(output(nan).to_bits(), 0);
            assert_eq!((i8_nearest(nan), u8_nearest(nan)), (0, 0));
        }
        assert_eq!(one_nan(f32::NEG_INFINITY), f32::NEG_INFINITY);
    }

    #[test]
    fn minus_zero_alone_is_changed_by_canon() {
        assert_eq!(canon(-0.0).to_bits(), 0);
        for x in [0.0, 1.0, -f32::from_bits(1), f32::NEG_INFINITY] {
            assert_eq!(canon(x).to_bits(), x.to_bits());
        }
    }

    #[test]
    fn ties_and_nans_give_the_second_argument() {
        for choose in [min, max] {
            assert_eq!(choose(0.0, -0.0).to_bits(), 0x8000_0000);
            assert_eq!(choose(-0.0, 0.0).to_bits(), 0);
            assert_eq!(choose(NAN, 1.0), 1.0);
            assert!(choose(1.0, NAN).is_nan());
        }
        assert_eq!((min(1.0, 2.0), max(1.0, 2.0)), (1.0, 2.0));
    }

    #[test]
    fn bytes_are_rounded_to_even_and_saturate() {
        let int8 = [0.5, 1.5, -0.5, -1.5, 127.5, 1e9, -128.5, -1e9].map(i8_nearest);
        assert_eq!(int8, [0, 2, 0, -2, 127, 127, -128, -128]);
        let uint8 = [0.5, 1.5, -3.0, 254.5, 255.5, 1e9].map(u8_nearest);
        assert_eq!(uint8, [0, 2, 0, 254, 255, 255]);
    }
}
