//! A and B in memory, or one row or column of them from the seed.
//!
//! In scope: holding them with the right lengths and values of the domain, generating them.
//! Out of scope: whether given bytes are the ones a job named
//! ([`Job::accept`](crate::Job::accept) sees to that), and what is computed of them.

use super::{Element, Shape};
use crate::digest::Blake3Digest;
use crate::job::InputError;
use crate::operand_stream::{OperandSeed, OperandStream};

/// A (m×k) and B (k×n), row major, with the lengths their shape asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operands<E> {
    shape: Shape,
    a: Vec<E>,
    b: Vec<E>,
}

impl<E: Element> Operands<E> {
    /// Takes the matrices as they are. Their digests are not checked here.
    ///
    /// # Errors
    ///
    /// [`InputError::Length`], in bytes, for the first whose length is not the shape's, then
    /// [`InputError::Content`] for the first value outside the kernel's domain.
    pub fn new(shape: Shape, a: Vec<E>, b: Vec<E>) -> Result<Self, InputError> {
        check_len("a", shape.a_len() * E::LEN, a.len() * E::LEN)?;
        check_len("b", shape.b_len() * E::LEN, b.len() * E::LEN)?;
        check_domain("a", &a)?;
        check_domain("b", &b)?;
        Ok(Self { shape, a, b })
    }

    /// Reads the matrices from bytes, elements little endian.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn from_bytes(shape: Shape, a: &[u8], b: &[u8]) -> Result<Self, InputError> {
        check_len("a", shape.a_len() * E::LEN, a.len())?;
        check_len("b", shape.b_len() * E::LEN, b.len())?;
        check_bytes::<E>("a", a)?;
        check_bytes::<E>("b", b)?;
        Ok(Self::accepted(shape, a, b))
    }

    /// Reads matrices whose lengths and values are known to be admitted.
    pub(super) fn accepted(shape: Shape, a: &[u8], b: &[u8]) -> Self {
        let parse = |bytes: &[u8]| {
            let elements = bytes.chunks_exact(E::LEN).map(E::parse);
            elements.map(Option::unwrap_or_default).collect()
        };
        Self {
            shape,
            a: parse(a),
            b: parse(b),
        }
    }

    /// Generates both matrices: element e of the stream labelled `a` (`b`) is element e of A (B)
    /// in row-major order.
    pub fn from_seed(shape: Shape, seed: &OperandSeed) -> Self {
        let a = generate(seed, "a", 0, shape.a_len());
        let b = generate(seed, "b", 0, shape.b_len());
        Self { shape, a, b }
    }

    /// The shape.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// A, m×k, row major.
    pub fn a(&self) -> &[E] {
        &self.a
    }

    /// B, k×n, row major.
    pub fn b(&self) -> &[E] {
        &self.b
    }

    /// BLAKE3 of A's bytes.
    pub fn a_digest(&self) -> Blake3Digest {
        digest(&self.a)
    }

    /// BLAKE3 of B's bytes.
    pub fn b_digest(&self) -> Blake3Digest {
        digest(&self.b)
    }

    /// Row i of A and column j of B, k elements each: all that C\[i\]\[j\] depends on. `None` outside
    /// the shape.
    pub fn row_and_column(&self, i: usize, j: usize) -> Option<(Vec<E>, Vec<E>)> {
        let (n, k) = (self.shape.n(), self.shape.k());
        if !self.shape.contains(i, j) {
            return None;
        }
        let row = self.a[i * k..][..k].to_vec();
        Some((row, self.b[j..].iter().step_by(n).copied().collect()))
    }
}

/// `len` elements of the stream `label` from element `first` on.
pub(super) fn generate<E: Element>(
    seed: &OperandSeed,
    label: &str,
    first: usize,
    len: usize,
) -> Vec<E> {
    let stream = OperandStream::new(seed, label);
    let mut values = Vec::with_capacity(len);
    let mut bytes = [0; BLOCK];
    for at in (0..len).step_by(BLOCK / E::LEN) {
        let bytes = &mut bytes[..BLOCK.min((len - at) * E::LEN)];
        fill(&stream, (first + at) as u64 * E::LEN as u64, bytes);
        values.extend(bytes.chunks_exact(E::LEN).map(E::draw));
    }
    values
}

/// `count` elements of the stream `label`: element `first` and every `stride`-th after it.
pub(super) fn column<E: Element>(
    seed: &OperandSeed,
    label: &str,
    first: usize,
    stride: usize,
    count: usize,
) -> Vec<E> {
    let stream = OperandStream::new(seed, label);
    let mut bytes = vec![0; E::LEN * count];
    stream.gather(E::LEN, first as u64, stride as u64, &mut bytes);
    bytes.chunks_exact(E::LEN).map(E::draw).collect()
}

/// The stream as bytes: element e of a type of L bytes is drawn from bytes L·e to L·e + L - 1.
fn fill(stream: &OperandStream, first: u64, bytes: &mut [u8]) {
    let mut values = [0; 1024];
    for (bytes, first) in bytes
        .chunks_mut(values.len())
        .zip((first..).step_by(values.len()))
    {
        let values = &mut values[..bytes.len()];
        stream.fill(first, values);
        for (byte, value) in bytes.iter_mut().zip(values) {
            *byte = value.cast_unsigned();
        }
    }
}

/// The first element of given bytes that the kernel does not multiply.
pub(super) fn check_bytes<E: Element>(name: &'static str, bytes: &[u8]) -> Result<(), InputError> {
    let mut elements = bytes.chunks_exact(E::LEN);
    match elements.position(|bytes| E::parse(bytes).is_none()) {
        Some(index) => Err(outside::<E>(name, index)),
        None => Ok(()),
    }
}

fn digest<E: Element>(values: &[E]) -> Blake3Digest {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = [0; BLOCK];
    for values in values.chunks(BLOCK / E::LEN) {
        let bytes = &mut bytes[..values.len() * E::LEN];
        for (bytes, value) in bytes.chunks_exact_mut(E::LEN).zip(values) {
            value.write(bytes);
        }
        hasher.update(bytes);
    }
    Blake3Digest::from_bytes(hasher.finalize().into())
}

fn check_len(name: &'static str, expected: usize, actual: usize) -> Result<(), InputError> {
    if actual != expected {
        return Err(InputError::Length {
            name,
            expected,
            actual,
        });
    }
    Ok(())
}

fn check_domain<E: Element>(name: &'static str, values: &[E]) -> Result<(), InputError> {
    match values.iter().position(|value| !value.is_admitted()) {
        Some(index) => Err(outside::<E>(name, index)),
        None => Ok(()),
    }
}

fn outside<E: Element>(name: &'static str, index: usize) -> InputError {
    InputError::Content {
        name,
        rule: E::DOMAIN,
        offset: (index * E::LEN) as u64,
    }
}

/// Bytes handled at a time: whole elements of every type, and BLAKE3's widest SIMD.
const BLOCK: usize = 16 * 1024;

/// Largest [`Element::LEN`].
pub(super) const MAX_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm_bf16::Bf16;
    use proptest::prelude::*;

    /// Bytes of generated matrices, however they are generated.
    fn check_generation<E: Element + PartialEq + std::fmt::Debug>(
        shape: Shape,
        seed: &OperandSeed,
    ) {
        let operands = Operands::<E>::from_seed(shape, seed);
        let bytes = |values: &[E]| {
            let mut bytes = vec![0; values.len() * E::LEN];
            for (bytes, value) in bytes.chunks_exact_mut(E::LEN).zip(values) {
                value.write(bytes);
            }
            bytes
        };
        let (a, b) = (bytes(operands.a()), bytes(operands.b()));
        assert_eq!(operands.a_digest(), Blake3Digest::of(&a));
        assert_eq!(Operands::from_bytes(shape, &a, &b), Ok(operands.clone()));
        for i in 0..shape.m() {
            for j in 0..shape.n() {
                let (n, k) = (shape.n(), shape.k());
                let row = generate(seed, "a", i * k, k);
                let column = column(seed, "b", j, n, k);
                assert_eq!(operands.row_and_column(i, j), Some((row, column)));
            }
        }
    }

    proptest! {
        #[test]
        fn a_row_and_column_alone_are_those_of_the_matrices(m in 1_u32..5, n in 1_u32..5, k in 1_u32..40, seed: [u8; 32]) {
            let (shape, seed) = (Shape::new(m, n, k).unwrap(), OperandSeed::from_bytes(seed));
            check_generation::<i8>(shape, &seed);
            check_generation::<Bf16>(shape, &seed);
            check_generation::<f32>(shape, &seed);
        }
    }

    #[test]
    fn generating_goes_on_across_the_blocks_it_is_done_in() {
        let shape = Shape::new(1, 2, BLOCK as u32 + 5).unwrap();
        check_generation::<f32>(shape, &OperandSeed::from_bytes([4; 32]));
        check_generation::<i8>(shape, &OperandSeed::from_bytes([4; 32]));
    }

    #[test]
    fn the_first_value_outside_the_domain_is_named() {
        let shape = Shape::new(1, 1, 3).unwrap();
        let (one, nan) = (1_f32.to_le_bytes(), f32::NAN.to_le_bytes());
        let (good, bad) = ([one; 3].concat(), [one, nan, nan].concat());
        let error = Operands::<f32>::from_bytes(shape, &good, &bad).unwrap_err();
        let expected = "input b cannot be used: a magnitude below 2^55, broken at byte 4";
        assert_eq!(error.to_string(), expected);
        let values = vec![1.0, f32::NAN, 1.0];
        assert_eq!(Operands::new(shape, vec![1.0; 3], values), Err(error));
    }
}
