//! Integer helpers: rounding shift, requantisation, the four-way dot product.

/// v / 2^shift to the nearest integer, ties to even. A shift above 62 counts as 62.
pub fn shift_even(v: i64, shift: u32) -> i64 {
    let divisor = 1_i64 << shift.min(62);
    let (floor, rest) = (v.div_euclid(divisor), v.rem_euclid(divisor));
    let up = match (2 * rest.cast_unsigned()).cmp(&divisor.cast_unsigned()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    floor + i64::from(up)
}

/// `v` within int8.
pub fn clamp_i8(v: i64) -> i8 {
    v.clamp(-128, 127) as i8
}

/// acc·multiplier / 2^shift to the nearest integer, ties to even, clamped to int8.
pub fn requant(acc: i32, multiplier: i32, shift: u32) -> i8 {
    clamp_i8(shift_even(i64::from(acc) * i64::from(multiplier), shift))
}

/// `c` + the sum of the four products of int8, byte i of `a` times byte i of `b`, modulo 2^32.
pub fn dp4a(a: [i8; 4], b: [i8; 4], c: i32) -> i32 {
    let product = |(a, b)| i32::from(a) * i32::from(b);
    a.into_iter().zip(b).map(product).fold(c, i32::wrapping_add)
}
