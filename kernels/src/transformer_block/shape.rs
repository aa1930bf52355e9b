//! Sizes of a block and the scales of its sums.
//!
//! In scope: the limits, each with its reason, and the scales that seeded jobs have. Out of scope: the operands.

use serde::{Deserialize, Serialize};

use crate::job::{Cost, LimitError};

/// Most tokens: 2^12. A query meets all tokens before it, and its logits are compared by a verifier at once.
pub const MAX_TOKENS: u32 = 4096;

/// Largest width: 2^12. A sum of `context·wo` is at most 2048·128·4096 = 2^30 and fits int32.
pub const MAX_WIDTH: u32 = 4096;

/// Most columns of a head: what a block of 256 threads sums without dividing the columns.
pub const MAX_HEAD: u32 = 256;

/// Most hidden units: 2^14, four times the largest width.
pub const MAX_HIDDEN: u32 = 1 << 14;

/// Most bytes of all outputs: 2^28.
pub const MAX_OUTPUT_BYTES: u64 = 1 << 28;

/// Largest scale: 2^31 − 1 units of 2^-32, so that `requant` takes it as an int32.
pub const MAX_SCALE: u32 = i32::MAX as u32;

/// Sizes within the limits of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    tokens: u32,
    width: u32,
    heads: u32,
    hidden: u32,
}

impl Shape {
    /// Checks the limits.
    ///
    /// # Errors
    ///
    /// The first limit that does not hold.
    pub fn new(tokens: u32, width: u32, heads: u32, hidden: u32) -> Result<Self, LimitError> {
        let limits = [
            ("tokens", 1, MAX_TOKENS, tokens),
            ("width", 2, MAX_WIDTH, width),
            ("heads", 1, width / 2, heads),
            ("hidden", 1, MAX_HIDDEN, hidden),
        ];
        for (what, least, most, actual) in limits {
            LimitError::check(what, least, u64::from(most), u64::from(actual))?;
        }
        let rest = |what, value: u32, by| LimitError::check(what, 0, 0, u64::from(value % by));
        rest("width modulo heads", width, heads)?;
        rest("width of a head modulo 2", width / heads, 2)?;
        let head = u64::from(width / heads);
        LimitError::check("width of a head", 2, u64::from(MAX_HEAD), head)?;
        let shape = Self {
            tokens,
            width,
            heads,
            hidden,
        };
        let written = shape.cost().bytes_written;
        LimitError::check("bytes of the outputs", 1, MAX_OUTPUT_BYTES, written)?;
        Ok(shape)
    }

    /// T.
    #[must_use]
    pub const fn tokens(self) -> usize {
        self.tokens as usize
    }

    /// d.
    #[must_use]
    pub const fn width(self) -> usize {
        self.width as usize
    }

    /// H.
    #[must_use]
    pub const fn heads(self) -> usize {
        self.heads as usize
    }

    /// f.
    #[must_use]
    pub const fn hidden(self) -> usize {
        self.hidden as usize
    }

    /// D: columns of a head.
    #[must_use]
    pub const fn head(self) -> usize {
        (self.width / self.heads) as usize
    }

    /// Elements of a T×d tensor.
    #[must_use]
    pub const fn stream_len(self) -> usize {
        self.tokens() * self.width()
    }

    /// By the specification.
    #[must_use]
    pub const fn cost(self) -> Cost {
        let (t, d, f) = (self.tokens as u64, self.width as u64, self.hidden as u64);
        Cost {
            operations: 4 * t * d * (2 * d + f) + 2 * t * (t + 1) * d,
            bytes_read: 4 * t * d + 4 * d * d + 2 * d * f,
            bytes_written: t * (13 * d + f),
        }
    }
}

/// What one unit of each integer sum is worth, in units of 2^-32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scales {
    /// A sum of the projection to `q`, in units of `q`.
    pub q: u32,
    /// As `q`, of `k`.
    pub k: u32,
    /// As `q`, of `v`.
    pub v: u32,
    /// A sum of products of `q` and `k`, in the exponent.
    pub logit: u32,
    /// A sum of the output projection, in the residual stream.
    pub out: u32,
    /// A sum of the first product of the feed-forward, before its activation.
    pub up: u32,
    /// A sum of its second product, in the residual stream.
    pub down: u32,
}

impl Scales {
    /// Those under which a seeded block keeps the size of its numbers.
    #[must_use]
    pub fn seeded(shape: Shape) -> Self {
        let whole = |divisor: u64| ((1_u64 << 32) / divisor) as u32;
        let deviation = |terms: usize| (5476 * terms as u64).isqrt();
        let of_width = deviation(shape.width());
        let projection = whole(of_width);
        Self {
            q: projection,
            k: projection,
            v: projection,
            logit: whole(((shape.head() as u64) << 20).isqrt()),
            out: whole(512 * of_width),
            up: whole(32 * of_width),
            down: whole(32 * deviation(shape.hidden())),
        }
    }

    pub(super) fn check(self) -> Result<(), LimitError> {
        let Self {
            q,
            k,
            v,
            logit,
            out,
            up,
            down,
        } = self;
        for scale in [q, k, v, logit, out, up, down] {
            LimitError::check("scales", 1, u64::from(MAX_SCALE), u64::from(scale))?;
        }
        Ok(())
    }
}

/// A scale as a number.
pub(super) fn factor(scale: u32) -> f32 {
    scale as f32 * UNIT
}

/// 2^-32.
const UNIT: f32 = f32::from_bits((127 - 32) << 23);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_up_to_the_last_value() {
        for [t, d, h, f] in [
            [1, 2, 1, 1],
            [4096, 4096, 16, 12_288],
            [1, 256, 1, 1],
            [1, 4096, 16, 16_384],
        ] {
            assert!(Shape::new(t, d, h, f).is_ok(), "{t} {d} {h} {f}");
        }
        let refused = [
            ("tokens", [0, 2, 1, 1]),
            ("tokens", [4097, 2, 1, 1]),
            ("width", [1, 1, 1, 1]),
            ("width", [1, 4098, 1, 1]),
            ("heads", [1, 2, 0, 1]),
            ("heads", [1, 4, 3, 1]),
            ("hidden", [1, 2, 1, 0]),
            ("hidden", [1, 2, 1, 16_385]),
            ("width modulo heads", [1, 10, 4, 1]),
            ("width of a head modulo 2", [1, 9, 3, 1]),
            ("width of a head", [1, 516, 2, 1]),
            ("bytes of the outputs", [4096, 4096, 16, 12_289]),
        ];
        for (what, [t, d, h, f]) in refused {
            assert_eq!(Shape::new(t, d, h, f).unwrap_err().what, what);
        }
    }

    #[test]
    fn seeded_scales_are_allowed_ones() {
        for [d, h, f] in [[2, 1, 1], [4096, 16, 12_288], [4096, 2048, 1]] {
            let shape = Shape::new(1, d, h, f).unwrap();
            assert!(Scales::seeded(shape).check().is_ok());
        }
    }

    #[test]
    fn a_scale_is_a_multiple_of_2_to_the_minus_32() {
        assert_eq!(factor(1), 2.0_f32.powi(-32));
        assert_eq!(factor(1 << 30), 0.25);
    }
}
