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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_the_even_neighbour() {
        let halves = [-7, -5, -3, -1, 1, 3, 5, 7].map(|v| shift_even(v, 1));
        assert_eq!(halves, [-4, -2, -2, 0, 0, 2, 2, 4]);
    }

    #[test]
    fn extremes_neither_wrap_nor_panic() {
        assert_eq!(shift_even(i64::MAX, 0), i64::MAX);
        assert_eq!([i64::MIN, i64::MAX].map(|v| shift_even(v, 62)), [-2, 2]);
        assert_eq!(
            [i64::MIN, i64::MAX].map(|v| shift_even(v, u32::MAX)),
            [-2, 2]
        );
        assert_eq!(requant(i32::MIN, i32::MIN, 0), 127);
        assert_eq!(requant(i32::MIN, i32::MAX, 0), -128);
        assert_eq!(
            dp4a([-128; 4], [-128; 4], i32::MAX),
            i32::MAX.wrapping_add(4 << 14)
        );
    }

    proptest! {
        #[test]
        fn no_integer_is_nearer(v: i64, shift in 0_u32..=62) {
            let rest = i128::from(v) - (i128::from(shift_even(v, shift)) << shift);
            prop_assert!(2 * rest.abs() <= 1 << shift);
        }

        #[test]
        fn small_values_agree_with_f64(v in -(1_i64 << 52)..1 << 52, shift in 0_u32..52) {
            let exact = v as f64 / (1_i64 << shift) as f64;
            prop_assert_eq!(shift_even(v, shift) as f64, exact.round_ties_even());
        }
    }
}
