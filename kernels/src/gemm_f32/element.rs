//! f32 as an operand: finite, magnitude below 2^55; drawn from \[-1, 1).
//!
//! The bound keeps every sum finite. A product is below 2^110, and with a relative error of at
//! most 2^-24 per step, fewer than 2^17 of them sum to less than 2^127·(1 + 2^-6).

use crate::matrix::Element;
use crate::philox::symmetric;

impl Element for f32 {
    const LEN: usize = 4;
    const DOMAIN: &'static str = "a magnitude below 2^55";

    fn is_admitted(self) -> bool {
        // Not so for a NaN, nor for an infinity.
        self.abs() < LIMIT
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let value = bytes.first_chunk().map(|bytes| Self::from_le_bytes(*bytes));
        value.filter(|value| value.is_admitted())
    }

    /// A multiple of 2^-23 in \[-1, 1), never -0.
    fn draw(bytes: &[u8]) -> Self {
        symmetric(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }
}

/// 2^55.
const LIMIT: f32 = f32::from_bits((127 + 55) << 23);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_ends_below_2_to_the_55_and_has_no_nan() {
        let below = f32::from_bits(LIMIT.to_bits() - 1);
        let smallest = f32::from_bits(1);
        for value in [0.0, -0.0, smallest, -smallest, 1.0, below, -below] {
            assert!(value.is_admitted(), "{value:e}");
            assert_eq!(
                f32::parse(&value.to_le_bytes()).map(f32::to_bits),
                Some(value.to_bits())
            );
        }
        for value in [
            LIMIT,
            -LIMIT,
            f32::MAX,
            f32::INFINITY,
            -f32::INFINITY,
            f32::NAN,
        ] {
            assert!(!value.is_admitted(), "{value:e}");
            assert_eq!(f32::parse(&value.to_le_bytes()), None);
        }
    }

    #[test]
    fn draws_reach_both_ends_and_are_never_minus_zero() {
        let step = 2_f32.powi(-23);
        let draw = |word: u32| f32::draw(&word.to_le_bytes());
        assert_eq!(draw(0x8000_0000), -1.0);
        assert_eq!(draw(0x7fff_ffff), 1.0 - step);
        assert_eq!(draw(0xff).to_bits(), 0);
        assert_eq!(draw(0xffff_ffff), -step);
    }
}
