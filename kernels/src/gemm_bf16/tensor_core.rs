//! The arithmetic of Hopper's and Blackwell's bf16 tensor cores, on a CPU, bit for bit.
//!
//! # What's in scope
//!
//! * [`step()`]: D = C + a₀·b₀ + … + a₁₅·b₁₅ as one `wgmma` step of depth 16 makes it, for all bits.
//! * [`dot`]: a whole sum, step after step, on values of the kernel's domain, many times faster.
//!
//! # What's out of scope
//!
//! Ampere and Ada (24 bits, groups of 8), FP8 (13 bits on Hopper), and `tcgen05` with two blocks.
//!
//! # The rule
//!
//! The products are exact. Sixteen products and C are brought to the largest exponent among them,
//! keeping 25 fractional bits and dropping the rest towards zero, each magnitude by itself; the
//! kept parts are added exactly; the sum is cut to f32 towards zero. Where everything is as large
//! as the largest term this is better than f32 addition, and what lies 2^25 below it is lost.
//!
//! Source: MMA-Sim, arXiv 2511.10909, a public model that claims equality with the hardware.
//! `vectors/hopper_wgmma_bf16_k16.bin` holds what it computes. An H200 computed the same in 1.6
//! billion steps of all kinds (`tests/hopper/run`), and settled what a term of zero does;
//! Blackwell was not tried. The full text is
//! `spec/gemm_bf16.md`, "One step".

use super::Bf16;

/// Products in one step.
pub const GROUP: usize = 16;

/// One step on bits: `c` an f32, `a` and `b` bf16. Total; the definition that [`dot`] must equal.
///
/// A NaN, an infinity times zero, or infinities of both signs give the NaN `7fffffff`; infinities
/// of one sign give that infinity, as does a finite sum of 2^128 or more. A zero sum is +0.
pub fn step(c: u32, a: &[u16; GROUP], b: &[u16; GROUP]) -> u32 {
    if let Some(special) = special(c, a, b) {
        return special;
    }
    let mut terms = [Term::of_accumulator(c); GROUP + 1];
    for (term, (a, b)) in terms.iter_mut().zip(a.iter().zip(b)) {
        *term = Term::of_product(*a, *b);
    }
    let top = terms
        .iter()
        .fold(ZERO_EXPONENT, |top, term| top.max(term.exponent));
    let sum: i64 = terms.iter().map(|term| term.aligned(top)).sum();
    truncate(sum as f64 * power_of_two(top - KEPT_BITS)).to_bits()
}

/// The sum of a\[l\]·b\[l\] over ascending groups of [`GROUP`], one accumulator that starts at +0.
///
/// The last group is filled up with zeros; what one slice has more than the other is not read.
pub fn dot(a: &[Bf16], b: &[Bf16]) -> f32 {
    let len = a.len().min(b.len());
    let (a_groups, a_rest) = a[..len].as_chunks::<GROUP>();
    let (b_groups, b_rest) = b[..len].as_chunks::<GROUP>();
    let groups = a_groups.iter().zip(b_groups);
    let c = groups.fold(0.0, |c, (a, b)| fast_step(c, &widen(a), &widen(b)));
    if a_rest.is_empty() {
        return c;
    }
    fast_step(c, &widen(a_rest), &widen(b_rest))
}

/// [`step()`] for values of the kernel's domain, in f32 and four lanes, so that compilers use SIMD.
///
/// Scaling by 2^25 over the largest exponent is exact, or ends below 1 and is then dropped as it
/// should be; the conversion to an integer drops the fraction towards zero. A product is below
/// 2^27 then, sixteen are below 2^31.
fn fast_step(c: f32, a: &Group, b: &Group) -> f32 {
    let mut tops = [SMALLEST_UNIT; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let exponent = exponent_part(a[lane]) * exponent_part(b[lane]);
            tops[lane] = larger(tops[lane], exponent);
        }
    }
    let top = tops.into_iter().fold(exponent_part(c), larger);
    let scale = f32::from_bits(SCALE_TIMES_TOP - top.to_bits());
    let mut sums = [0_i32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] * b[lane] * scale) as i32;
        }
    }
    let sum: i32 = sums.into_iter().sum();
    let sum = f64::from(sum) + f64::from((c * scale) as i32);
    truncate(sum * f64::from(top * UNIT))
}

/// A non-zero value with its significand made 1: 2^exponent. Zero stays zero.
fn exponent_part(value: f32) -> f32 {
    f32::from_bits(value.to_bits() & 0x7f80_0000)
}

/// The larger of two values that are not NaN; `f32::max` would look for NaN.
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The values of a step as f32, by lanes.
type Group = [[f32; LANES]; GROUP / LANES];

/// f32 in the SIMD registers that every x86-64 and aarch64 has.
const LANES: usize = 4;

/// bf16 to f32, filled up with zeros.
fn widen(values: &[Bf16]) -> Group {
    let mut group = Group::default();
    for (wide, value) in group.as_flattened_mut().iter_mut().zip(values) {
        *wide = value.to_f32();
    }
    group
}

/// A term of the sum: ±significand·2^(exponent - 25).
#[derive(Clone, Copy)]
struct Term {
    is_negative: bool,
    exponent: i32,
    significand: u64,
}

impl Term {
    /// Two significands of 7 fractional bits make one of 14; it may be as large as 4.
    fn of_product(a: u16, b: u16) -> Self {
        let (a, b) = (
            Self::of_f32_bits(u32::from(a) << 16),
            Self::of_f32_bits(u32::from(b) << 16),
        );
        // The low 16 of 23 fractional bits are zero in both.
        let significand = (a.significand >> 16) * (b.significand >> 16);
        Self {
            is_negative: a.is_negative != b.is_negative,
            exponent: if significand == 0 {
                ZERO_EXPONENT
            } else {
                a.exponent + b.exponent
            },
            significand: significand << (KEPT_BITS - 14),
        }
    }

    fn of_accumulator(c: u32) -> Self {
        let c = Self::of_f32_bits(c);
        Self {
            exponent: if c.significand == 0 {
                ZERO_EXPONENT
            } else {
                c.exponent
            },
            significand: c.significand << (KEPT_BITS - 23),
            ..c
        }
    }

    /// A finite f32 with 23 fractional bits in its significand; below 1 if subnormal or zero.
    fn of_f32_bits(bits: u32) -> Self {
        let (field, fraction) = ((bits >> 23 & 0xff) as i32, bits & 0x007f_ffff);
        let hidden = u32::from(field != 0) << 23;
        Self {
            is_negative: bits >> 31 == 1,
            exponent: field.max(1) - 127,
            significand: u64::from(hidden | fraction),
        }
    }

    /// The term in units of 2^(top - 25), cut towards zero.
    fn aligned(self, top: i32) -> i64 {
        let drop = (top - self.exponent).min(63);
        let magnitude = (self.significand >> drop).cast_signed();
        if self.is_negative {
            -magnitude
        } else {
            magnitude
        }
    }
}

/// The result if an operand is not finite.
fn special(c: u32, a: &[u16; GROUP], b: &[u16; GROUP]) -> Option<u32> {
    let value = |bits: &u16| f32::from_bits(u32::from(*bits) << 16);
    let c = f32::from_bits(c);
    let is_finite = |bits: &u16| value(bits).is_finite();
    if c.is_finite() && a.iter().chain(b).all(is_finite) {
        return None;
    }
    // Non-finite terms alone, in f64 so that finite ones cannot overflow on the way.
    let products = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(value(a)) * f64::from(value(b)));
    let sum: f64 = products
        .chain([f64::from(c)])
        .filter(|term| !term.is_finite())
        .sum();
    Some(if sum.is_nan() {
        NAN
    } else {
        (sum as f32).to_bits()
    })
}

/// The f32 next to `value` towards zero; infinite from 2^128 on, +0 for zero and for
/// what is cut to it.
fn truncate(value: f64) -> f32 {
    let magnitude = value.abs();
    let truncated = if magnitude < f64::from(f32::MIN_POSITIVE) {
        // Multiples of 2^-149, the subnormals.
        f32::from_bits((magnitude * power_of_two(149)) as u32)
    } else {
        // An f64 has 29 fractional bits more. From 2^128 on, the conversion gives infinity.
        f64::from_bits(magnitude.to_bits() & !0x1fff_ffff) as f32
    };
    if value < 0.0 && truncated != 0.0 {
        -truncated
    } else {
        truncated
    }
}

/// 2^exponent for exponents of normal f64 values.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// Fractional bits that survive alignment.
const KEPT_BITS: i32 = 25;
/// Exponent of a term that is zero: that of the smallest bf16, by what an H200 computes.
const ZERO_EXPONENT: i32 = -133;
/// The NaN that NVIDIA's arithmetic writes.
const NAN: u32 = 0x7fff_ffff;

/// 2^-97, of which every partial sum in the kernel's domain is a multiple: as the largest
/// exponent it loses nothing, and its scale is an f32.
const SMALLEST_UNIT: f32 = f32::from_bits((127 - 97) << 23);
/// Bits of 2^25/top = these bits less those of top, for a power of two.
const SCALE_TIMES_TOP: u32 = (2 * 127 + KEPT_BITS as u32) << 23;
/// 2^-25.
const UNIT: f32 = f32::from_bits((127 - KEPT_BITS as u32) << 23);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTORS: &[u8] = include_bytes!("../../vectors/hopper_wgmma_bf16_k16.bin");

    fn halves(bytes: &[u8]) -> [u16; GROUP] {
        std::array::from_fn(|i| u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]))
    }

    fn word(bytes: &[u8]) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|i| bytes[i]))
    }

    #[test]
    fn every_vector_of_the_public_simulator_is_reproduced() {
        let (records, rest) = VECTORS.as_chunks::<72>();
        assert_eq!((records.len(), rest.len()), (3072, 0));
        for (index, record) in records.iter().enumerate() {
            let (a, b) = (halves(&record[..32]), halves(&record[32..64]));
            let (c, d) = (word(&record[64..68]), word(&record[68..]));
            assert_eq!(step(c, &a, &b), d, "record {index}");
        }
    }

    /// Seen on an H200: what is cut to zero has no sign.
    #[test]
    fn a_negative_sum_below_every_number_is_plus_zero() {
        let (mut a, mut b) = ([0; GROUP], [0; GROUP]);
        // -2^-75 · 2^-75, with nothing beside it and with the smallest number.
        (a[0], b[0]) = (0x8000 | (127 - 75) << 7, (127 - 75) << 7);
        assert_eq!(step(0, &a, &b), 0);
        assert_eq!(step(1, &a, &b), 0);
        assert_eq!(step(0x8000_0001, &a, &b), 0x8000_0001);
    }

    /// Seen on an H200: a C of zero keeps two products of 2^-145 and 2^-152 from losing bits that one of 2^-126 would.
    #[test]
    fn a_term_of_zero_has_the_exponent_of_the_smallest_bf16() {
        let power = |exponent: i32| ((exponent + 127) as u16) << 7;
        let (mut a, mut b) = ([0; GROUP], [0; GROUP]);
        for place in 0..8 {
            (a[place], b[place]) = (power(-76), power(-76));
        }
        // Eight of 2^-152 are 2^-149. In units of 2^-158 each is 64; in units of 2^-151 it would be nothing.
        assert_eq!(step(0, &a, &b), 1);
        assert_eq!(step(0x8000_0000, &a, &b), 1);
        // The smallest f32 has the exponent of subnormals, -126.
        assert_eq!(step(1, &a, &b), 1);
        for place in 0..8 {
            (a[place], b[place]) = (power(-80), power(-79));
        }
        // 2^-159 is below a unit.
        assert_eq!(step(0, &a, &b), 0);
    }

    /// The rule once more, as sums of scaled f64 values: another road to the same bits.
    fn by_scaled_values(c: u32, a: &[u16; GROUP], b: &[u16; GROUP]) -> u32 {
        let wide = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
        let exponent = |value: f64| (value.abs().log2().floor() as i32).max(-126);
        let products = a.iter().zip(b).map(|(a, b)| (wide(*a), wide(*b)));
        let mut terms: Vec<(f64, i32)> = products
            .filter(|(a, b)| a * b != 0.0)
            .map(|(a, b)| (a * b, exponent(a) + exponent(b)))
            .collect();
        let c = f64::from(f32::from_bits(c));
        if c != 0.0 {
            terms.push((c, exponent(c)));
        }
        let top = terms.iter().map(|term| term.1).fold(-133, i32::max);
        let unit = 2_f64.powi(top - 25);
        let sum = unit
            * terms
                .iter()
                .map(|term| (term.0 / unit).trunc())
                .sum::<f64>();
        let nearest = sum as f32;
        if nearest.is_infinite() && sum.abs() < 2_f64.powi(128) {
            return f32::MAX.copysign(nearest).to_bits();
        }
        let is_too_large = f64::from(nearest).abs() > sum.abs() && nearest.is_finite();
        let bits = nearest.to_bits() - u32::from(is_too_large && sum != 0.0);
        // Neither a sum of zero nor one that is cut to it has a sign.
        if bits << 1 == 0 { 0 } else { bits }
    }

    fn any_group() -> impl Strategy<Value = [u16; GROUP]> {
        // Exponents near each other, or everything cancels into the largest term; and all bits.
        let near = |field: u16| {
            (any::<u16>(), 0..40_u16)
                .prop_map(move |(bits, spread)| bits & 0x807f | (field + spread) << 7)
        };
        prop_oneof![
            prop::array::uniform16(near(110)),
            prop::array::uniform16(near(0)),
            prop::array::uniform16(near(215)),
            prop::array::uniform16(prop_oneof![Just(0), Just(0x8000), near(100)]),
            any::<[u16; GROUP]>(),
        ]
    }

    fn domain_values(
        len: impl Into<prop::collection::SizeRange>,
    ) -> impl Strategy<Value = Vec<Bf16>> {
        let admitted = |bits| Bf16::from_bits(bits).unwrap();
        let anywhere = (any::<u16>(), 91..182_u16);
        let anywhere = anywhere.prop_map(move |(bits, field)| admitted(bits & 0x807f | field << 7));
        let edge = prop::sample::select(vec![
            0, 0x8000, 0x2d80, 0xad80, 0x5aff, 0xdaff, 0x3f80, 0xbf80,
        ]);
        let edge = edge.prop_map(admitted);
        let drawn = any::<u16>().prop_map(Bf16::from_draw);
        prop::collection::vec(prop_oneof![anywhere, edge, drawn], len)
    }

    /// [`dot`] by its definition.
    fn dot_by_steps(a: &[Bf16], b: &[Bf16]) -> u32 {
        let group = |values: &[Bf16]| {
            let mut bits = [0; GROUP];
            bits.iter_mut()
                .zip(values)
                .for_each(|(bits, value)| *bits = value.to_bits());
            bits
        };
        let groups = a.chunks(GROUP).zip(b.chunks(GROUP));
        groups.fold(0, |c, (a, b)| step(c, &group(a), &group(b)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn step_equals_the_sum_of_scaled_values(
            c in prop_oneof![any::<u32>(), Just(0), (any::<u32>(), 90..160_u32).prop_map(|(c, e)| c & 0x807f_ffff | e << 23)],
            a in any_group(),
            b in any_group(),
        ) {
            prop_assume!(special(c, &a, &b).is_none());
            prop_assert_eq!(step(c, &a, &b), by_scaled_values(c, &a, &b));
        }

        #[test]
        fn dot_equals_its_steps(a in domain_values(0..70), b in domain_values(0..70)) {
            let len = a.len().min(b.len());
            let expected = dot_by_steps(&a[..len], &b[..len]);
            prop_assert_eq!(dot(&a, &b).to_bits(), expected);
        }

        /// Each group is followed by its negative, so that little but residues is left.
        #[test]
        fn dot_equals_its_steps_where_sums_cancel(a in domain_values(1..60), b in domain_values(60), places in 0..60_usize) {
            let negated = a.iter().map(|a| Bf16::from_bits(a.to_bits() ^ 0x8000).unwrap());
            let mut doubled: Vec<Bf16> = a.iter().copied().chain(negated).collect();
            let mut b: Vec<Bf16> = b[..a.len()].repeat(2);
            let len = doubled.len();
            doubled.rotate_left(places % len);
            b.rotate_left(places % len);
            prop_assert_eq!(dot(&doubled, &b).to_bits(), dot_by_steps(&doubled, &b));
        }
    }

    /// What, C, A, B, and the right D.
    type Case = (&'static str, u32, [u16; GROUP], [u16; GROUP], u32);

    #[test]
    fn special_values_have_one_result() {
        const INF: u16 = 0x7f80;
        const ONE: u16 = 0x3f80;
        let first = |value| std::array::from_fn(|i| if i == 0 { value } else { 0 });
        let two = |x, y| std::array::from_fn(|i| [x, y].get(i).copied().unwrap_or(0));
        let cases: [Case; 8] = [
            ("infinity", 0, first(INF), first(ONE), 0x7f80_0000),
            (
                "minus infinity",
                0,
                first(INF),
                first(ONE | 0x8000),
                0xff80_0000,
            ),
            (
                "infinite accumulator",
                0xff80_0000,
                first(ONE),
                first(ONE),
                0xff80_0000,
            ),
            ("infinity times zero", 0, first(INF), first(0), NAN),
            (
                "both infinities",
                0,
                two(INF, INF),
                two(ONE, ONE | 0x8000),
                NAN,
            ),
            ("NaN operand", 0, first(0xffc1), first(ONE), NAN),
            ("NaN accumulator", 0xffc0_0001, first(ONE), first(ONE), NAN),
            (
                "overflow",
                0x7f7f_ffff,
                first(0x7f00),
                first(ONE),
                0x7f80_0000,
            ),
        ];
        for (what, c, a, b, expected) in cases {
            assert_eq!(step(c, &a, &b), expected, "{what}");
        }
        assert_eq!(
            step(0x8000_0000, &[0x8000; GROUP], &[ONE; GROUP]),
            0,
            "minus zeros"
        );
    }

    #[test]
    #[ignore = "prints a speed"]
    fn speed_of_a_dot_of_4096() {
        let draw = |seed: u32| -> Vec<Bf16> {
            let words =
                (0..4096_u32).map(|i| crate::philox::philox4x32_10([i, 0, 0, 0], [seed, 0])[0]);
            words.map(|word| Bf16::from_draw(word as u16)).collect()
        };
        let (a, b) = (draw(1), draw(2));
        let best = (0..200).map(|_| {
            let start = std::time::Instant::now();
            for _ in 0..20 {
                std::hint::black_box(dot(std::hint::black_box(&a), std::hint::black_box(&b)));
            }
            start.elapsed() / 20
        });
        let best = best.min().unwrap();
        println!(
            "{best:?} for 4096: {:.0} M multiply-adds/s",
            4096.0 / best.as_secs_f64() / 1e6
        );
    }
}
