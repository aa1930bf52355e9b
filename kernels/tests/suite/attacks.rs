//! Known ways to have a wrong or uncomputed product accepted, each tried and refused.

use std::num::NonZeroUsize;

use kernels::freivalds::{self, Randomness, Verdict};
use kernels::gemm_i8::{Operands, Shape, encode, reference};
use kernels::{OperandSeed, OperandStream};

const THREADS: NonZeroUsize = NonZeroUsize::MIN;

fn square(n: u32) -> Operands {
    let shape = Shape::new(n, n, n).unwrap();
    Operands::from_seed(shape, &OperandSeed::from_bytes([0x42; 32]))
}

fn is_refused(operands: &Operands, output: &[u8], randomness: &Randomness) -> bool {
    let verdict = freivalds::check(operands, output, randomness, THREADS).unwrap();
    matches!(verdict, Verdict::Refused(_))
}

/// A prover that knows the randomness can return y = A(Br) for n² work, and a verifier that
/// compares y with its own A(Br) learns nothing. Ours looks at C, which here is garbage.
#[test]
fn a_right_a_br_with_garbage_c_is_refused() {
    let operands = square(32);
    let randomness = Randomness::drawn_after_commitment([9; 32]);
    let r = randomness.vectors(32);
    let times = |matrix: &[i8], vector: &[u64]| -> Vec<u64> {
        let dot = |row: &[i8]| {
            let products = row.iter().zip(vector);
            products.fold(0_u64, |sum, (x, y)| {
                sum.wrapping_add((i64::from(*x).cast_unsigned()).wrapping_mul(*y))
            })
        };
        matrix.chunks_exact(32).map(dot).collect()
    };
    let first: Vec<u64> = r.iter().map(|entries| entries[0]).collect();
    let y = times(operands.a(), &times(operands.b(), &first));

    // The mismatch reports the very y the prover would have sent: it was right, and worthless.
    let garbage = vec![0; operands.shape().output_len()];
    let verdict = freivalds::check(&operands, &garbage, &randomness, THREADS).unwrap();
    let Verdict::Refused(mismatch) = verdict else {
        panic!("garbage was accepted");
    };
    assert_eq!((mismatch.row, mismatch.expected), (0, y[0]));
}

#[test]
fn the_output_of_other_operands_is_refused() {
    let operands = square(16);
    let other = OperandSeed::from_bytes([0x43; 32]);
    let other = Operands::from_seed(operands.shape(), &other);
    let randomness = Randomness::drawn_after_commitment([1; 32]);
    assert!(is_refused(
        &operands,
        &encode(&reference(&other)),
        &randomness
    ));
}

#[test]
fn swapped_transposed_and_shifted_outputs_are_refused() {
    let n = 16;
    let operands = square(n);
    let n = n as usize;
    let right = reference(&operands);
    let transposed: Vec<i32> = (0..n * n).map(|at| right[at % n * n + at / n]).collect();
    let mut shifted = right.clone();
    shifted.rotate_left(1);
    let big_endian: Vec<i32> = right.iter().map(|value| value.swap_bytes()).collect();
    let randomness = Randomness::drawn_after_commitment([2; 32]);
    for wrong in [transposed, shifted, big_endian] {
        assert!(is_refused(&operands, &encode(&wrong), &randomness));
    }
}

#[test]
fn every_flipped_bit_of_a_small_output_is_refused() {
    let operands = square(4);
    let right = encode(&reference(&operands));
    for bit in 0..8 * right.len() {
        let mut wrong = right.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let randomness = Randomness::drawn_after_commitment([bit as u8; 32]);
        assert!(is_refused(&operands, &wrong, &randomness), "bit {bit}");
    }
}

/// If A\[i\]\[l\] = f(i+l) and B likewise, the inner elements of C follow from their upper left
/// neighbours in two multiply-adds, and the "n³" product costs n². A marketplace's generator did
/// that. Returns how many inner elements the shortcut gets right.
fn hankel_shortcut_hits(operands: &Operands) -> usize {
    let n = operands.shape().n();
    let c = reference(operands);
    let (a, b) = (operands.a(), operands.b());
    let product = |i: usize, l: usize, j: usize| i32::from(a[i * n + l]) * i32::from(b[l * n + j]);
    let inner = (1..n).flat_map(|i| (1..n).map(move |j| (i, j)));
    inner
        .filter(|(i, j)| {
            let (i, j) = (*i, *j);
            let neighbour = c[(i - 1) * n + j - 1] - product(i - 1, 0, j - 1);
            c[i * n + j] == neighbour + product(i, n - 1, j)
        })
        .count()
}

#[test]
fn the_hankel_shortcut_works_on_hankel_operands_and_not_on_ours() {
    const N: usize = 64;
    let operands = square(N as u32);
    assert!(hankel_shortcut_hits(&operands) < 10);

    let stream = OperandStream::new(&OperandSeed::from_bytes([5; 32]), "a");
    let hankel = |offset: u64| -> Vec<i8> {
        let sums = (0..N as u64).flat_map(|i| (0..N as u64).map(move |j| i + j));
        sums.map(|sum| stream.element(offset + sum)).collect()
    };
    let operands = Operands::new(operands.shape(), hankel(0), hankel(1000)).unwrap();
    assert_eq!(hankel_shortcut_hits(&operands), (N - 1) * (N - 1));
}

#[test]
fn generated_rows_and_columns_do_not_repeat() {
    const N: usize = 256;
    let operands = square(N as u32);
    for matrix in [operands.a(), operands.b()] {
        let mut rows: Vec<&[i8]> = matrix.chunks_exact(N).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), N);
        let mut columns: Vec<Vec<i8>> = (0..N)
            .map(|j| matrix.iter().skip(j).step_by(N).copied().collect())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns.len(), N);
    }
    assert_ne!(operands.a(), operands.b());
}

/// Over the field of 251 elements, a uniform 64×64 matrix has rank below 62 with probability
/// about 251^-9. Low rank would allow a cheap product.
#[test]
fn generated_matrices_have_full_rank_or_nearly() {
    let operands = square(64);
    assert!(rank_modulo_251(operands.a(), 64) >= 62);
    assert!(rank_modulo_251(operands.b(), 64) >= 62);
}

fn rank_modulo_251(matrix: &[i8], n: usize) -> usize {
    const P: i32 = 251;
    let mut rows: Vec<Vec<i32>> = matrix
        .chunks_exact(n)
        .map(|row| row.iter().map(|x| i32::from(*x).rem_euclid(P)).collect())
        .collect();
    let mut rank = 0;
    for column in 0..n {
        let Some(pivot) = (rank..rows.len()).find(|row| rows[*row][column] != 0) else {
            continue;
        };
        rows.swap(rank, pivot);
        let (done, rest) = rows.split_at_mut(rank + 1);
        let pivot = &done[rank];
        for row in rest {
            // row·p - pivot·x clears the column; scaling a row leaves the rank.
            let (p, x) = (pivot[column], row[column]);
            for (value, above) in row.iter_mut().zip(pivot) {
                *value = (*value * p - above * x).rem_euclid(P);
            }
        }
        rank += 1;
    }
    rank
}
