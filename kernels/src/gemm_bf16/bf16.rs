//! A bf16 value that the kernel multiplies.
//!
//! In scope: which bit patterns are admitted and why, and the draw that makes one from a seed.
//! Out of scope: what is done with the values.

use crate::matrix::Element;

/// A bf16 value of the kernel's domain: a zero, or a magnitude in \[2^-36, 2^55).
///
/// bf16 is the upper half of an f32: one sign bit, 8 exponent bits (bias 127), 7 fraction bits.
///
/// Why not every finite value. *Above*: at most 2^17 products, each below 2^110, stay below 2^127,
/// so no partial sum overflows. *Below*: every product is at least 2^-72, every partial sum is a
/// multiple of 2^-97, and so nothing a result depends on is ever subnormal. What tensor cores do
/// with subnormals, and which exponent they give a product of zero, is known from one simulator
/// only; in this domain neither can show (`spec/gemm_bf16.md`, "Domain").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bf16(u16);

impl Bf16 {
    /// Admits `bits`, or says `None`: a NaN, an infinity, or a magnitude outside the domain.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        let is_zero = bits & !SIGN == 0;
        let exponent = bits >> FRACTION_BITS & 0xff;
        if is_zero || (MIN_EXPONENT <= exponent && exponent <= MAX_EXPONENT) {
            return Some(Self(bits));
        }
        None
    }

    /// The value of a 16-bit draw: its sign and fraction bits as they are, an exponent of -7 to 0
    /// from bits 7 to 9; bits 10 to 14 are not used. Normal, magnitude in \[2^-7, 2).
    pub const fn from_draw(draw: u16) -> Self {
        Self(draw & (SIGN | 0x03ff) | DRAWN_EXPONENT << FRACTION_BITS)
    }

    /// The 16 bits.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The same value; every bf16 is an f32.
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0 as u32) << 16)
    }
}

impl Element for Bf16 {
    const LEN: usize = 2;
    const DOMAIN: &'static str = "0 or a magnitude from 2^-36 to below 2^55";

    fn is_admitted(self) -> bool {
        true
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes
            .first_chunk()
            .and_then(|bytes| Self::from_bits(u16::from_le_bytes(*bytes)))
    }

    fn draw(bytes: &[u8]) -> Self {
        Self::from_draw(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_bits().to_le_bytes());
    }
}

const SIGN: u16 = 0x8000;
const FRACTION_BITS: u32 = 7;
/// Biased exponents of the domain: 2^-36 to 2^54.
const MIN_EXPONENT: u16 = 127 - 36;
const MAX_EXPONENT: u16 = 127 + 54;
/// Biased exponent of 2^-7, its low three bits clear: the draw's bits fill them.
const DRAWN_EXPONENT: u16 = 127 - 7;

const _: () = assert!(DRAWN_EXPONENT & 7 == 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_zeros_and_magnitudes_from_2_to_the_minus_36_to_below_2_to_the_55() {
        for bits in 0..=u16::MAX {
            let value = f32::from_bits(u32::from(bits) << 16);
            let magnitude = value.abs();
            let admitted =
                magnitude == 0.0 || (magnitude >= 2_f32.powi(-36) && magnitude < 2_f32.powi(55));
            assert_eq!(Bf16::from_bits(bits).is_some(), admitted, "{bits:04x}");
        }
    }

    #[test]
    fn every_draw_is_admitted_and_all_values_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for draw in 0..=u16::MAX {
            let value = Bf16::from_draw(draw);
            assert_eq!(Bf16::from_bits(value.to_bits()), Some(value));
            assert!((2_f32.powi(-7)..2.0).contains(&value.to_f32().abs()));
            *counts.entry(value.to_bits()).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 2048);
        assert!(counts.values().all(|count| *count == 32));
    }
}
