//! A and B in memory.
//!
//! In scope: holding them with the right lengths, generating them from a seed, one element of
//! their product. Out of scope: whether given bytes are the ones a job named
//! ([`Job::accept`](crate::Job::accept) sees to that), and the whole product
//! ([`reference`](super::reference())).

use super::Shape;
use crate::digest::Blake3Digest;
use crate::job::InputError;
use crate::operand_stream::{OperandSeed, OperandStream};

/// A (m×k) and B (k×n), row major, with the lengths their shape asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operands {
    shape: Shape,
    a: Vec<i8>,
    b: Vec<i8>,
}

impl Operands {
    /// Takes the matrices as they are. Their digests are not checked here.
    ///
    /// # Errors
    ///
    /// [`InputError::Length`] for the first whose length is not the shape's.
    pub fn new(shape: Shape, a: Vec<i8>, b: Vec<i8>) -> Result<Self, InputError> {
        check_len("a", shape.a_len(), a.len())?;
        check_len("b", shape.b_len(), b.len())?;
        Ok(Self::accepted(shape, a, b))
    }

    /// Takes matrices whose lengths are known to be the shape's.
    pub(super) const fn accepted(shape: Shape, a: Vec<i8>, b: Vec<i8>) -> Self {
        Self { shape, a, b }
    }

    /// Generates both matrices: element e of the stream labelled `a` (`b`) is element e of A (B)
    /// in row-major order.
    pub fn from_seed(shape: Shape, seed: &OperandSeed) -> Self {
        let generate = |label, len| {
            let mut values = vec![0; len];
            OperandStream::new(seed, label).fill(0, &mut values);
            values
        };
        let a = generate("a", shape.a_len());
        let b = generate("b", shape.b_len());
        Self { shape, a, b }
    }

    /// The shape.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// A, m×k, row major.
    pub fn a(&self) -> &[i8] {
        &self.a
    }

    /// B, k×n, row major.
    pub fn b(&self) -> &[i8] {
        &self.b
    }

    /// BLAKE3 of A's bytes.
    pub fn a_digest(&self) -> Blake3Digest {
        Blake3Digest::of_int8(&self.a)
    }

    /// BLAKE3 of B's bytes.
    pub fn b_digest(&self) -> Blake3Digest {
        Blake3Digest::of_int8(&self.b)
    }

    /// C\[i\]\[j\], computed alone in k multiply-adds; `None` outside the shape.
    pub fn element(&self, i: usize, j: usize) -> Option<i32> {
        let (n, k) = (self.shape.n(), self.shape.k());
        if i >= self.shape.m() || j >= n {
            return None;
        }
        let row = &self.a[i * k..][..k];
        let column = self.b[j..].iter().step_by(n);
        Some(row.iter().zip(column).map(|(a, b)| product(*a, *b)).sum())
    }
}

fn product(a: i8, b: i8) -> i32 {
    i32::from(a) * i32::from(b)
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
