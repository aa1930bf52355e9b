//! Freivalds' check: is C = A·B, at the cost of three matrix-vector products instead of one
//! matrix product?
//!
//! # What's in scope
//!
//! [`check`] takes A and B, the whole of a claimed C, and [`Randomness`] drawn after C was
//! committed. It accepts every right C, and a wrong one with probability at most 2^-124.
//!
//! # What's out of scope
//!
//! Committing to C, drawing the randomness, and making sure of A and B
//! ([`Job::accept`](crate::Job::accept) does the last). Saying which device computed C.
//!
//! # The rule
//!
//! Draw r, n integers uniform in \[0, 2^31). Accept if A(Br) = Cr in Z/2^64, that is, in `u64`
//! with wrapping arithmetic. Do this for four independent r.
//!
//! # Why a wrong C is accepted with probability at most 2^-124
//!
//! Premises: A, B and C are fixed before r is drawn; A and B are int8 with k ≤ 131 071; C is
//! int32; the entries of r are independent and uniform over their 2^31 values.
//!
//! 1. Reduction modulo 2^64 is a ring homomorphism from Z, so wrapping sums and products give
//!    exactly (Cr - A(Br)) mod 2^64 = (Dr) mod 2^64 with D = C - A·B over the integers. No
//!    intermediate value needs a bound.
//! 2. Each entry of A·B has magnitude at most 131 071·2^14 < 2^31 and each entry of C at most
//!    2^31, so every entry of D has magnitude below 2^32. The bounds are properties of the types
//!    and of [`Shape`](crate::gemm_i8::Shape); nothing is left for the verifier to check.
//! 3. Let C be wrong: some d = D\[i\]\[j\] is not 0. Fix all entries of r but the one at j. Row i
//!    of the equation then reads d·r\[j\] ≡ s (mod 2^64) for a fixed s. If x ≠ y in \[0, 2^31) both
//!    satisfied it, 2^64 would divide d·(x - y), an integer that is not 0 and has magnitude below
//!    2^32·2^31 = 2^63. So at most one of the 2^31 values passes: probability at most 2^-31.
//! 4. The four repetitions are independent: at most 2^-124.
//!
//! The bound is reached: if D has a single entry d ≠ 0, a repetition passes exactly when
//! r\[j\] = 0. No prime is involved, so nothing is reduced and the loop is multiply and add. (The
//! argument has room for 32-bit entries; 31 keep the advertised 2^-124.)
//!
//! The 4·n entries are expanded from 32 bytes by BLAKE3. The statement is therefore "2^-124, if
//! BLAKE3's extendable output under a uniform 256-bit secret cannot be told from uniform bits".
//!
//! # Two ways to lose all of it
//!
//! * **Randomness known before the commitment.** Whoever knows r can choose D with Dr = 0 and
//!   pass. Randomness derived from C by hashing (Fiat–Shamir) is not used here either: interaction
//!   costs nothing in this protocol.
//! * **Letting the prover return y = Cr.** A(Br) costs O(n²) and needs no C at all: a prover that
//!   returns it has proved nothing. The verifier must hold C, every byte of it, and multiply
//!   itself. That is why [`check`] takes the output and offers no way to supply the product.
//!
//! Sources: R. Freivalds, "Probabilistic machines can use less running time", IFIP 1977, for the
//! check; the argument over Z/2^64 is ours and is given in full above.

use std::num::NonZeroUsize;
use std::thread;

use crate::gemm_i8::{Operands, OutputLength, OutputView};
pub use crate::randomness::Randomness;

/// Independent vectors r per check.
pub const REPETITIONS: usize = 4;

/// Bits of each entry of r.
pub const ENTRY_BITS: u32 = 31;

impl Randomness {
    /// The vectors: element j holds entry j of each of the four r, below 2^31, for j < `n`.
    ///
    /// Entry j of repetition s is the little-endian 32-bit word 4j + s of the BLAKE3 output in
    /// `derive_key` mode with context `PoGW 2026-11-23 freivalds v1 vectors` over the 32 bytes,
    /// its top bit cleared. Public so that whoever archived the randomness can repeat a check.
    pub fn vectors(&self, n: usize) -> Vec<[u64; REPETITIONS]> {
        self.vectors_of(n, ENTRY_BITS)
    }

    /// As [`Self::vectors`], with entries of `bits` bits: fewer than 31 only to test the bound.
    fn vectors_of(&self, n: usize, bits: u32) -> Vec<Lanes> {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        let mut stream = hasher.update(self.bytes()).finalize_xof();
        let mask = u32::MAX >> (u32::BITS - bits);
        let mut vectors = vec![[0; REPETITIONS]; n];
        let mut block = [0; XOF_BLOCK];
        for chunk in vectors.chunks_mut(XOF_BLOCK / size_of::<[u32; REPETITIONS]>()) {
            stream.fill(&mut block);
            let words = block.as_chunks().0.iter().copied().map(u32::from_le_bytes);
            for (entry, word) in chunk.as_flattened_mut().iter_mut().zip(words) {
                *entry = u64::from(word & mask);
            }
        }
        vectors
    }
}

/// What the check says about a claimed output.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A(Br) = Cr in every row and repetition.
    Accepted(Accepted),
    /// The output is certainly wrong.
    Refused(Mismatch),
}

/// The output passed; a wrong one would have with probability at most 2^[`LOG2_ERROR`].
///
/// Only [`check`] makes one.
///
/// [`LOG2_ERROR`]: Accepted::LOG2_ERROR
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted(());

impl Accepted {
    /// Base-2 logarithm of the probability that a wrong output passes: -124.
    pub const LOG2_ERROR: i32 = -(REPETITIONS as i32 * ENTRY_BITS as i32);
}

/// Where the output first failed: by row, then by repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "output is not the product: in row {row}, repetition {repetition}, \
     expected A(Br) = {expected:#018x}, got Cr = {actual:#018x}"
)]
pub struct Mismatch {
    /// The first row of C that failed. It certainly holds a wrong element.
    pub row: usize,
    /// The first repetition that shows it, 0 to 3.
    pub repetition: usize,
    /// The row of A(Br), modulo 2^64.
    pub expected: u64,
    /// The row of Cr, modulo 2^64.
    pub actual: u64,
}

impl Mismatch {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        "freivalds_mismatch"
    }
}

/// Checks a claimed output, 4·m·n bytes as the specification lays them out, against A and B.
///
/// Reads A, B and C once each for all repetitions; 4·(m·k + k·n + m·n) multiply-adds. Rows are
/// shared among `threads` threads (at most 64 are used; one means none is started). The verdict
/// does not depend on their number.
///
/// # Errors
///
/// [`OutputLength`] if `output` is not a whole output of the operands' shape.
///
/// # Panics
///
/// If the operating system refuses to start a thread.
pub fn check(
    operands: &Operands,
    output: &[u8],
    randomness: &Randomness,
    threads: NonZeroUsize,
) -> Result<Verdict, OutputLength> {
    let output = OutputView::new(operands.shape(), output)?;
    let r = randomness.vectors(operands.shape().n());
    Ok(match first_mismatch(operands, &output, &r, threads) {
        Some(mismatch) => Verdict::Refused(mismatch),
        None => Verdict::Accepted(Accepted(())),
    })
}

/// One value per repetition, modulo 2^64.
type Lanes = [u64; REPETITIONS];

/// The first row in which A(Br) and Cr differ.
fn first_mismatch(
    operands: &Operands,
    output: &OutputView<'_>,
    r: &[Lanes],
    threads: NonZeroUsize,
) -> Option<Mismatch> {
    let (m, k) = (operands.shape().m(), operands.shape().k());
    let br = times_b(operands, r, threads);
    let rows = rows_per_thread(m, threads);
    let mut found = vec![None; m.div_ceil(rows)];
    let parts = found.iter_mut().zip(operands.a().chunks(rows * k));
    in_parallel(parts.enumerate(), |(part, (found, a))| {
        let first = part * rows;
        let pairs = a.chunks_exact(k).zip(output.rows().skip(first));
        *found = (first..)
            .zip(pairs)
            .find_map(|(row, (a, c))| compare(row, dot_int8(a, &br), dot_int32(c, r)));
    });
    found.into_iter().flatten().next()
}

/// Br: k values per repetition.
fn times_b(operands: &Operands, r: &[Lanes], threads: NonZeroUsize) -> Vec<Lanes> {
    let (n, k) = (operands.shape().n(), operands.shape().k());
    let rows = rows_per_thread(k, threads);
    let mut br = vec![[0; REPETITIONS]; k];
    let parts = br.chunks_mut(rows).zip(operands.b().chunks(rows * n));
    in_parallel(parts, |(br, b)| {
        for (value, row) in br.iter_mut().zip(b.chunks_exact(n)) {
            *value = dot_int8(row, r);
        }
    });
    br
}

/// The first repetition in which a row differs.
fn compare(row: usize, expected: Lanes, actual: Lanes) -> Option<Mismatch> {
    let repetition = (0..REPETITIONS).find(|s| expected[*s] != actual[*s])?;
    Some(Mismatch {
        row,
        repetition,
        expected: expected[repetition],
        actual: actual[repetition],
    })
}

fn dot_int8(row: &[i8], vectors: &[Lanes]) -> Lanes {
    dot(row.iter().map(|value| i64::from(*value)), vectors)
}

/// Straight from a row of output bytes.
fn dot_int32(row: &[[u8; 4]], vectors: &[Lanes]) -> Lanes {
    let values = row.iter().map(|bytes| i32::from_le_bytes(*bytes));
    dot(values.map(i64::from), vectors)
}

/// The sum of value·vector for each repetition, modulo 2^64.
fn dot(values: impl Iterator<Item = i64>, vectors: &[Lanes]) -> Lanes {
    let mut sums = [0_u64; REPETITIONS];
    for (value, vector) in values.zip(vectors) {
        for (sum, entry) in sums.iter_mut().zip(vector) {
            *sum = sum.wrapping_add(value.cast_unsigned().wrapping_mul(*entry));
        }
    }
    sums
}

fn rows_per_thread(rows: usize, threads: NonZeroUsize) -> usize {
    rows.div_ceil(threads.get().min(MAX_THREADS))
}

/// Works on each part in a thread of its own, the last one in the caller's.
fn in_parallel<T: Send>(parts: impl Iterator<Item = T>, work: impl Fn(T) + Sync) {
    let mut parts = parts.peekable();
    thread::scope(|scope| {
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                scope.spawn(|| work(part));
            } else {
                work(part);
            }
        }
    });
}

/// BLAKE3 `derive_key` context. Changing the expansion means changing this text.
const CONTEXT: &str = "PoGW 2026-11-23 freivalds v1 vectors";

/// Bytes taken from BLAKE3 at a time: 16 of its 64-byte blocks, its widest SIMD.
const XOF_BLOCK: usize = 1024;

/// More threads than this only divide memory bandwidth.
const MAX_THREADS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm_i8::{Shape, encode, reference};
    use crate::operand_stream::OperandSeed;
    use crate::philox::philox4x32_10;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn seeded(m: u32, n: u32, k: u32) -> Operands {
        let shape = Shape::new(m, n, k).unwrap();
        Operands::from_seed(shape, &OperandSeed::from_bytes([m as u8 ^ 0x5a; 32]))
    }

    /// Fixed, so that a statistical test either always passes or always fails.
    fn randomness(trial: u32) -> Randomness {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&trial.to_le_bytes());
        Randomness::drawn_after_commitment(bytes)
    }

    /// Uniform words for choosing faults.
    fn words(trial: u32) -> [u32; 4] {
        philox4x32_10([trial, 0, 0, 0], [0xfa17, 0])
    }

    /// `values` with one element changed, to anything but what it was.
    fn with_one_fault(values: &[i32], words: [u32; 4]) -> Vec<i32> {
        let mut faulty = values.to_vec();
        let at = words[0] as usize % faulty.len();
        let change = match words[1] % 4 {
            0 => words[2],
            1 => 1 << (words[2] % 32),
            2 => (faulty[at] ^ i32::MIN).cast_unsigned(),
            _ => (faulty[at] ^ i32::MAX).cast_unsigned(),
        };
        faulty[at] ^= change.max(1).cast_signed();
        faulty
    }

    /// Whether each repetition passes, with entries of `bits` bits.
    fn passes(operands: &Operands, c: &[i32], trial: u32, bits: u32) -> [bool; REPETITIONS] {
        let bytes = encode(c);
        let output = OutputView::new(operands.shape(), &bytes).unwrap();
        let r = randomness(trial).vectors_of(operands.shape().n(), bits);
        let br = times_b(operands, &r, ONE);
        let mut passes = [true; REPETITIONS];
        let rows = operands.a().chunks_exact(operands.shape().k());
        for (a, c) in rows.zip(output.rows()) {
            let (expected, actual) = (dot_int8(a, &br), dot_int32(c, &r));
            for s in 0..REPETITIONS {
                passes[s] &= expected[s] == actual[s];
            }
        }
        passes
    }

    #[test]
    fn right_products_are_accepted_whatever_the_threads() {
        for (m, n, k) in [(1, 1, 1), (3, 2, 7), (17, 33, 65), (64, 64, 64)] {
            let operands = seeded(m, n, k);
            let output = encode(&reference(&operands));
            for threads in [1, 2, 3, 5, 1000] {
                let threads = NonZeroUsize::new(threads).unwrap();
                let verdict = check(&operands, &output, &randomness(m), threads);
                assert_eq!(verdict, Ok(Verdict::Accepted(Accepted(()))));
            }
        }
    }

    #[test]
    fn largest_sums_are_accepted() {
        let shape = Shape::new(1, 2, crate::gemm_i8::MAX_K).unwrap();
        let (a, b) = (vec![-128; shape.a_len()], vec![-128; shape.b_len()]);
        let operands = Operands::new(shape, a, b).unwrap();
        let c = reference(&operands);
        assert_eq!(c, [2_147_467_264; 2]);
        let verdict = check(&operands, &encode(&c), &randomness(0), ONE);
        assert_eq!(verdict, Ok(Verdict::Accepted(Accepted(()))));
    }

    #[test]
    fn a_refusal_names_the_first_wrong_row_and_both_values() {
        let operands = seeded(9, 5, 4);
        let right = reference(&operands);
        let mut wrong = right.clone();
        wrong[4 * 5 + 3] += 1;
        wrong[7 * 5] -= 1;
        for threads in [1, 2, 9] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let verdict = check(&operands, &encode(&wrong), &randomness(1), threads).unwrap();
            let Verdict::Refused(mismatch) = verdict else {
                panic!("a wrong output was accepted");
            };
            assert_eq!((mismatch.row, mismatch.repetition), (4, 0));
            let entry = randomness(1).vectors(5)[3][0];
            assert_eq!(mismatch.actual, mismatch.expected.wrapping_add(entry));
        }
    }

    #[test]
    fn a_hundred_thousand_single_faults_are_refused() {
        let shapes = [(1, 1, 1), (2, 3, 4), (4, 4, 4), (5, 1, 9), (1, 7, 2)];
        for (m, n, k) in shapes {
            let operands = seeded(m, n, k);
            let right = reference(&operands);
            for trial in 0..20_000 {
                let faulty = encode(&with_one_fault(&right, words(trial)));
                let verdict = check(&operands, &faulty, &randomness(trial), ONE).unwrap();
                assert!(matches!(verdict, Verdict::Refused(_)), "{trial}");
            }
        }
    }

    #[test]
    fn the_bound_is_reached_when_entries_have_few_bits() {
        const TRIALS: u32 = 20_000;
        let operands = seeded(3, 4, 5);
        let right = reference(&operands);
        for bits in [1, 2, 3, 5] {
            let mut passed = [0_u32; REPETITIONS];
            let mut accepted = 0_u32;
            for trial in 0..TRIALS {
                let faulty = with_one_fault(&right, words(trial));
                let passes = passes(&operands, &faulty, trial, bits);
                (0..REPETITIONS).for_each(|s| passed[s] += u32::from(passes[s]));
                accepted += u32::from(passes == [true; REPETITIONS]);
            }
            // One repetition, then all four together: the error is 2^-bits and 2^-(4·bits).
            for count in passed {
                assert_within_3_sigma(count, TRIALS, 0.5_f64.powi(bits as i32));
            }
            let all = 0.5_f64.powi((REPETITIONS as u32 * bits) as i32);
            assert_within_3_sigma(accepted, TRIALS, all);
        }
    }

    /// A binomial count against its mean; half a count of slack for means near zero.
    fn assert_within_3_sigma(count: u32, trials: u32, probability: f64) {
        let mean = f64::from(trials) * probability;
        let sigma = (mean * (1.0 - probability)).sqrt();
        let distance = (f64::from(count) - mean).abs();
        assert!(
            distance <= 3.0 * sigma + 0.5,
            "{count} of {trials}, expected {mean:.1} ± {:.1}",
            3.0 * sigma
        );
    }

    #[test]
    fn randomness_known_beforehand_breaks_the_check() {
        // Why the constructor has its name: with r in hand, a D with Dr = 0 is easily found. Here
        // two columns of one row are changed by multiples that cancel in one repetition.
        let operands = seeded(2, 2, 3);
        let mut c = reference(&operands);
        let r = randomness(11).vectors_of(2, 4);
        let [first, second] = [r[0][0], r[1][0]].map(|entry| entry as i32);
        c[0] += second;
        c[1] -= first;
        assert_ne!(c, reference(&operands));
        assert!(passes(&operands, &c, 11, 4)[0]);
    }

    #[test]
    fn entries_fill_31_bits_and_prefixes_agree() {
        let long = randomness(5).vectors(1000);
        assert_eq!(randomness(5).vectors(77), long[..77]);
        let any = long.iter().flatten().fold(0, |any, entry| any | entry);
        assert_eq!(any, (1 << ENTRY_BITS) - 1);
        assert_eq!(Accepted::LOG2_ERROR, -124);
    }
}
