//! Philox4x32-10, the counter-based generator behind seeded operands.
//!
//! In scope: the block function, and a word of it as a number. Out of scope: where key and counter
//! come from ([`OperandStream`](crate::OperandStream)).
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
//! and its Random123 library, whose known answers the tests repeat. cuRAND and JAX ship the same
//! function. It is a good statistical generator, not a cipher: operands need full entropy per
//! element, so that no shortcut through their structure exists; they need not be secret.

/// Ten Philox rounds on 128 bits of counter under 64 bits of key, 16 bytes out.
pub const fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let mut state = counter;
    let mut key = key;
    let mut round = 0;
    while round < ROUNDS {
        state = one_round(state, key);
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
        round += 1;
    }
    state
}

/// Blocks that [`philox4x32_10_lanes`] computes at a time: so many that a round of all of them is a loop, which
/// compilers turn into instructions on several lanes.
pub const LANES: usize = 64;

/// [`philox4x32_10`] of the counters `(low word, high word, upper[0], upper[1])` of each of `indices`: word i of lane l
/// at `[i][l]`.
///
/// Lane by lane the same steps, on words in the lower halves of 64 bits: that is how CPUs multiply 32-bit words several at
/// a time, and what is in the upper halves meanwhile does no harm.
#[must_use]
pub fn philox4x32_10_lanes(
    indices: &[u64; LANES],
    upper: [u32; 2],
    key: [u32; 2],
) -> [[u32; LANES]; 4] {
    let high = indices.map(|index| index >> 32);
    let mut state = [
        *indices,
        high,
        [upper[0].into(); LANES],
        [upper[1].into(); LANES],
    ];
    let mut key = key;
    for _ in 0..ROUNDS {
        one_round_of_lanes(&mut state, key.map(u64::from));
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
    }
    state.map(|words| words.map(|word| word as u32))
}

fn one_round_of_lanes([c0, c1, c2, c3]: &mut [[u64; LANES]; 4], key: [u64; 2]) {
    let product = |word: u64, multiplier: u32| u64::from(word as u32) * u64::from(multiplier);
    for lane in 0..LANES {
        let low_0 = product(c0[lane], MULTIPLIER_0);
        let low_1 = product(c2[lane], MULTIPLIER_1);
        c0[lane] = (low_1 >> 32) ^ c1[lane] ^ key[0];
        c2[lane] = (low_0 >> 32) ^ c3[lane] ^ key[1];
        c1[lane] = low_1;
        c3[lane] = low_0;
    }
}

/// The upper 24 bits of a word as a multiple of 2^-24 in [0, 1), so 0 to 1 - 2^-24; exact.
pub const fn uniform(word: u32) -> f32 {
    (word >> 8) as f32 * TWO_MINUS_24
}

/// The upper 24 bits of a word, as a signed number, as a multiple of 2^-23 in [-1, 1), so -1 to
/// 1 - 2^-23; exact, and never -0.
pub const fn symmetric(word: u32) -> f32 {
    (word.cast_signed() >> 8) as f32 * TWO_MINUS_23
}

const fn one_round(state: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [low_0, high_0] = multiply(MULTIPLIER_0, state[0]);
    let [low_1, high_1] = multiply(MULTIPLIER_1, state[2]);
    [
        high_1 ^ state[1] ^ key[0],
        low_1,
        high_0 ^ state[3] ^ key[1],
        low_0,
    ]
}

/// The 64-bit product as `[low, high]` words.
const fn multiply(a: u32, b: u32) -> [u32; 2] {
    let product = a as u64 * b as u64;
    [product as u32, (product >> 32) as u32]
}

const ROUNDS: u32 = 10;
const MULTIPLIER_0: u32 = 0xd251_1f53;
const MULTIPLIER_1: u32 = 0xcd9e_8d57;
/// Golden ratio.
const WEYL_0: u32 = 0x9e37_79b9;
/// Square root of 3, less 1.
const WEYL_1: u32 = 0xbb67_ae85;
const TWO_MINUS_24: f32 = f32::from_bits(0x3380_0000);
const TWO_MINUS_23: f32 = f32::from_bits(0x3400_0000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        // Random123, `kat_vectors`: all zero, all one, digits of pi.
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn numbers_reach_their_bounds_and_stay_inside() {
        assert_eq!([0, 0xff, 0x100].map(uniform), [0.0, 0.0, TWO_MINUS_24]);
        assert_eq!(uniform(u32::MAX), 1.0 - TWO_MINUS_24);
        assert_eq!(symmetric(0x8000_0000), -1.0);
        assert_eq!(symmetric(0x7fff_ffff), 1.0 - TWO_MINUS_23);
        assert_eq!(
            [u32::MAX, 0x100].map(symmetric),
            [-TWO_MINUS_23, TWO_MINUS_23]
        );
        assert_eq!(symmetric(0xff).to_bits(), 0);
    }

    #[test]
    fn each_lane_is_the_block_of_its_index() {
        // Every bit of the index, and all of them.
        let indices = std::array::from_fn(|lane| (1 << lane) ^ (lane as u64 % 5));
        let words = philox4x32_10_lanes(&indices, [3, 4], [5, 6]);
        for (lane, index) in indices.into_iter().enumerate() {
            let alone = philox4x32_10([index as u32, (index >> 32) as u32, 3, 4], [5, 6]);
            assert_eq!(words.map(|word| word[lane]), alone);
        }
    }
}
