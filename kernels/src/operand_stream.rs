//! Operands from a seed: an unbounded sequence of int8 or f32 values with random access.
//!
//! In scope: seed and label to Philox key, element index to value. Out of scope: which tensors a
//! kernel has and how they are laid out (the kernel's own module), and where the seed comes from.
//!
//! # The derivation
//!
//! Everything below is little endian, and complete: `vectors/operand_stream.json` holds values.
//!
//! 1. `material` = the 32 seed bytes, then the label in ASCII (`a` or `b` for a matrix product).
//! 2. `w` = the first 16 bytes of BLAKE3 `derive_key` with context
//!    `PoGW 2026-11-23 operand stream v1` over `material`, read as four 32-bit words.
//! 3. The Philox key is `(w[0], w[1])`; counter words 2 and 3 are `(w[2], w[3])` in every block.
//! 4. Block `q` is Philox4x32-10 of the counter `(q mod 2^32, q div 2^32, w[2], w[3])`: four words,
//!    16 bytes.
//! 5. Element `e` is byte `e mod 16` of block `e div 16`, read as two's complement int8. All 256
//!    values occur.
//!
//! A stream read as f32 differs in step 5 alone: element `e` comes from word `e mod 4` of block
//! `e div 4`, by [`philox::uniform`] or [`philox::symmetric`]. One stream may be read as one kind
//! only: the words are the same bytes, so tensors of a job have labels of their own.
//!
//! Steps 1 to 3 happen once on the host: a GPU kernel is handed four plain numbers.
//!
//! Each element depends on its own index through ten rounds, so the matrices have no structure
//! (Hankel, low rank, repeated rows) that would let a product be computed by a shortcut.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hex32::{self, HexError};
use crate::philox::{self, LANES, philox4x32_10, philox4x32_10_lanes};

/// The 32 bytes all operands of one job come from; in JSON, 64 lower-case hexadecimal digits.
///
/// Public, not secret. A job whose answer must not exist beforehand needs a seed nobody could
/// have known, used once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperandSeed(#[serde(with = "hex32")] [u8; 32]);

impl OperandSeed {
    /// Takes 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for OperandSeed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex32::write(&self.0, out)
    }
}

impl fmt::Debug for OperandSeed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OperandSeed({self})")
    }
}

impl FromStr for OperandSeed {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        hex32::parse(text).map(Self)
    }
}

/// The sequence of values of one tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperandStream {
    key: [u32; 2],
    counter_high: [u32; 2],
}

impl OperandStream {
    /// The stream of the tensor `label` under `seed` (steps 1 to 3).
    pub fn new(seed: &OperandSeed, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(seed.as_bytes()).update(label.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[4 * at + i]));
        Self {
            key: [word(0), word(1)],
            counter_high: [word(2), word(3)],
        }
    }

    /// The Philox key, for a kernel that generates its own operands.
    pub const fn key(&self) -> [u32; 2] {
        self.key
    }

    /// Counter words 2 and 3, the same in every block.
    pub const fn counter_high(&self) -> [u32; 2] {
        self.counter_high
    }

    /// Key and counter words 2 and 3, as a kernel takes them: four numbers.
    pub const fn words(&self) -> [u32; 4] {
        let ([key_0, key_1], [high_0, high_1]) = (self.key, self.counter_high);
        [key_0, key_1, high_0, high_1]
    }

    /// The element at `index`, computed alone (steps 4 and 5).
    pub fn element(&self, index: u64) -> i8 {
        self.block(index / BLOCK)[(index % BLOCK) as usize]
    }

    /// Writes the elements from index `first` on into `out`.
    pub fn fill(&self, first: u64, out: &mut [i8]) {
        fill_from_blocks(first, out, |index| self.block(index));
    }

    /// Writes the elements from index `first` on into `out`, as bytes.
    pub fn fill_bytes(&self, first: u64, out: &mut [u8]) {
        fill_from_blocks(first, out, |index| self.block(index).map(i8::cast_unsigned));
    }

    /// Writes the words from index `first` on into `out`.
    pub fn fill_words(&self, first: u64, out: &mut [u32]) {
        fill_from_blocks(first, out, |index| self.block_words(index));
    }

    /// A column of a row-major matrix whose elements are `len` bytes of the stream each, a divisor of 16: writes the
    /// bytes of the elements `first`, `first + stride`, `first + 2·stride`, … into `out`.
    ///
    /// A column meets a new block at every element, and blocks are independent of each other: they are computed
    /// many at a time.
    pub fn gather(&self, len: usize, first: u64, stride: u64, out: &mut [u8]) {
        let at = |i: usize| {
            first
                .wrapping_add(stride.wrapping_mul(i as u64))
                .wrapping_mul(len as u64)
        };
        for (batch, start) in out.chunks_mut(LANES * len).zip((0..).step_by(LANES)) {
            if batch.len() == LANES * len {
                let places = std::array::from_fn(|lane| at(start + lane));
                self.gather_batch(len, &places, batch);
            } else {
                for (piece, i) in batch.chunks_mut(len).zip(start..) {
                    self.fill_bytes(at(i), piece);
                }
            }
        }
    }

    fn gather_batch(&self, len: usize, places: &[u64; LANES], out: &mut [u8]) {
        let blocks = places.map(|place| place / BLOCK);
        let words = philox4x32_10_lanes(&blocks, self.counter_high, self.key);
        for ((piece, place), lane) in out.chunks_exact_mut(len).zip(places).zip(0..) {
            for (byte, at) in piece.iter_mut().zip((place % BLOCK) as usize..) {
                *byte = words[at / 4][lane].to_le_bytes()[at % 4];
            }
        }
    }

    /// Word `index` of the stream.
    pub fn word(&self, index: u64) -> u32 {
        self.block_words(index / WORDS)[(index % WORDS) as usize]
    }

    /// The f32 at `index`: a multiple of 2^-24 in [0, 1).
    pub fn uniform(&self, index: u64) -> f32 {
        philox::uniform(self.word(index))
    }

    /// The f32 at `index`: a multiple of 2^-23 in [-1, 1), never -0.
    pub fn symmetric(&self, index: u64) -> f32 {
        philox::symmetric(self.word(index))
    }

    /// Writes [`uniform`](Self::uniform) of the indices from `first` on into `out`.
    pub fn fill_uniform(&self, first: u64, out: &mut [f32]) {
        fill_from_blocks(first, out, |index| {
            self.block_words(index).map(philox::uniform)
        });
    }

    /// Writes [`symmetric`](Self::symmetric) of the indices from `first` on into `out`.
    pub fn fill_symmetric(&self, first: u64, out: &mut [f32]) {
        fill_from_blocks(first, out, |index| {
            self.block_words(index).map(philox::symmetric)
        });
    }

    /// The 16 int8 elements of block `index`.
    fn block(&self, index: u64) -> [i8; BLOCK as usize] {
        let words = self.block_words(index).map(u32::to_le_bytes);
        std::array::from_fn(|i| words[i / 4][i % 4].cast_signed())
    }

    /// The four words of block `index`.
    fn block_words(&self, index: u64) -> [u32; WORDS as usize] {
        let [high_0, high_1] = self.counter_high;
        let counter = [index as u32, (index >> 32) as u32, high_0, high_1];
        philox4x32_10(counter, self.key)
    }
}

/// Copies the elements from index `first` on out of blocks of `N`, each computed once.
fn fill_from_blocks<T: Copy, const N: usize>(
    first: u64,
    out: &mut [T],
    block: impl Fn(u64) -> [T; N],
) {
    let len = N as u64;
    let skip = (first % len) as usize;
    // 0 when `first` starts a block, else what is left of the block it falls into.
    let head_len = ((N - skip) % N).min(out.len());
    let (head, body) = out.split_at_mut(head_len);
    head.copy_from_slice(&block(first / len)[skip..][..head_len]);
    for (chunk, index) in body.chunks_mut(N).zip(first.div_ceil(len)..) {
        chunk.copy_from_slice(&block(index)[..chunk.len()]);
    }
}

/// BLAKE3 `derive_key` context. Changing the derivation means changing this text.
const CONTEXT: &str = "PoGW 2026-11-23 operand stream v1";

/// int8 elements in one Philox block.
const BLOCK: u64 = 16;

/// Words, and so f32 elements, in one Philox block.
const WORDS: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fill_and_element_agree(seed: [u8; 32], first: u64, len in 0_usize..100) {
            let stream = OperandStream::new(&OperandSeed::from_bytes(seed), "a");
            let first = first.saturating_sub(len as u64);
            let mut filled = vec![0; len];
            stream.fill(first, &mut filled);
            let single: Vec<i8> = (first..).take(len).map(|i| stream.element(i)).collect();
            prop_assert_eq!(filled, single);
        }

        #[test]
        fn a_column_is_its_elements(first in 0_u64..1 << 40, stride in 1_u64..100_000, count in 0_usize..200, log in 0_u32..5) {
            let stream = OperandStream::new(&OperandSeed::from_bytes([8; 32]), "b");
            let len = 1_usize << log;
            let mut column = vec![0; len * count];
            stream.gather(len, first, stride, &mut column);
            for (piece, i) in column.chunks(len).zip(0..) {
                let mut alone = vec![0; len];
                stream.fill_bytes((first + i * stride) * len as u64, &mut alone);
                prop_assert_eq!(piece, alone);
            }
        }

        #[test]
        fn bytes_and_words_are_the_elements_in_another_form(first in 0_u64..1000, len in 0_usize..40) {
            let stream = OperandStream::new(&OperandSeed::from_bytes([8; 32]), "b");
            let (mut bytes, mut words) = (vec![0; len], vec![0; len]);
            stream.fill_bytes(first, &mut bytes);
            stream.fill_words(first, &mut words);
            for (index, (byte, word)) in (first..).zip(bytes.into_iter().zip(words)) {
                prop_assert_eq!(byte.cast_signed(), stream.element(index));
                prop_assert_eq!(word, stream.word(index));
            }
        }

        #[test]
        fn filling_in_parts_is_filling_at_once(cut in 0_usize..=96, first in 0_u64..40) {
            let stream = OperandStream::new(&OperandSeed::from_bytes([7; 32]), "b");
            let (mut whole, mut parts) = ([0; 96], [0; 96]);
            stream.fill(first, &mut whole);
            stream.fill(first, &mut parts[..cut]);
            stream.fill(first + cut as u64, &mut parts[cut..]);
            prop_assert_eq!(whole, parts);
        }
    }

    proptest! {
        #[test]
        fn numbers_are_words_read_alone_or_filled(seed: [u8; 32], first: u64, len in 0_usize..30) {
            let stream = OperandStream::new(&OperandSeed::from_bytes(seed), "x");
            let first = first.saturating_sub(len as u64);
            let (mut uniform, mut symmetric) = (vec![0.0; len], vec![0.0; len]);
            stream.fill_uniform(first, &mut uniform);
            stream.fill_symmetric(first, &mut symmetric);
            for (index, at) in (first..).zip(0..len) {
                prop_assert_eq!(uniform[at], stream.uniform(index));
                prop_assert_eq!(symmetric[at], stream.symmetric(index));
                prop_assert_eq!(uniform[at], philox::uniform(stream.word(index)));
            }
        }
    }

    #[test]
    fn a_word_is_four_int8_elements() {
        let stream = OperandStream::new(&OperandSeed::from_bytes([5; 32]), "x");
        for index in [0, 1, 2, 3, 4, 1 << 34] {
            let bytes =
                std::array::from_fn(|i| stream.element(4 * index + i as u64).cast_unsigned());
            assert_eq!(stream.word(index), u32::from_le_bytes(bytes));
        }
    }

    #[test]
    fn seed_and_label_both_select_the_stream() {
        let seed = OperandSeed::from_bytes([1; 32]);
        let other = OperandSeed::from_bytes([2; 32]);
        let a = OperandStream::new(&seed, "a");
        assert_ne!(a, OperandStream::new(&seed, "b"));
        assert_ne!(a, OperandStream::new(&other, "a"));
    }

    #[test]
    fn block_index_carries_into_the_second_counter_word() {
        let stream = OperandStream::new(&OperandSeed::from_bytes([3; 32]), "a");
        let first = BLOCK << 32;
        assert_ne!(stream.element(first), stream.element(0));
        let [high_0, high_1] = stream.counter_high();
        let expected = philox4x32_10([0, 1, high_0, high_1], stream.key())[0].to_le_bytes()[0];
        assert_eq!(stream.element(first).cast_unsigned(), expected);
    }

    #[test]
    fn values_are_uniform_over_all_of_int8() {
        const PER_VALUE: usize = 4096;
        let stream = OperandStream::new(&OperandSeed::from_bytes([9; 32]), "a");
        let mut values = vec![0; 256 * PER_VALUE];
        stream.fill(0, &mut values);
        let mut counts = [0_usize; 256];
        for value in values {
            counts[usize::from(value.cast_unsigned())] += 1;
        }
        let chi_square: f64 = counts
            .iter()
            .map(|count| (*count as f64 - PER_VALUE as f64).powi(2) / PER_VALUE as f64)
            .sum();
        // 255 degrees of freedom: mean 255, standard deviation 22.6; five of them either side.
        assert!((142.0..368.0).contains(&chi_square), "{chi_square}");
    }
}
