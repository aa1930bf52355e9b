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
    f32::from_bits(if x.is_nan() { NAN.to_bits() } else { y.to_bits() })
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
