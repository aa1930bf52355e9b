//! Input and weights: from the seed, or out of given bytes; any row or columns of them without the rest.
//!
//! In scope: reading, and the rule on given input. Out of scope: digests of given bytes
//! ([`Job::accept`](crate::Job::accept)).

use super::{GivenOperands, OperandSource, Shape, TransformerBlock};
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, InputError};
use crate::operand_stream::OperandStream;
use crate::point::{SliceMissing, Slices, Span, Tensor};

pub(super) const X: Tensor = Tensor::Input("x");

/// Largest magnitude of a given input.
const MAX_MAGNITUDE: f32 = 1024.0;

/// A matrix of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Q,
    K,
    V,
    Out,
    Up,
    Down,
}

impl Weight {
    pub(super) const ALL: [Self; 6] = [Self::Q, Self::K, Self::V, Self::Out, Self::Up, Self::Down];

    /// Its name as an input, and its label as a stream.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Q => "wq",
            Self::K => "wk",
            Self::V => "wv",
            Self::Out => "wo",
            Self::Up => "wu",
            Self::Down => "wd",
        }
    }

    pub(super) const fn digest(self, given: &GivenOperands) -> Blake3Digest {
        match self {
            Self::Q => given.wq,
            Self::K => given.wk,
            Self::V => given.wv,
            Self::Out => given.wo,
            Self::Up => given.wu,
            Self::Down => given.wd,
        }
    }

    pub(super) const fn rows(self, shape: Shape) -> usize {
        match self {
            Self::Down => shape.hidden(),
            _ => shape.width(),
        }
    }

    pub(super) const fn columns(self, shape: Shape) -> usize {
        match self {
            Self::Up => shape.hidden(),
            _ => shape.width(),
        }
    }

    pub(super) const fn len(self, shape: Shape) -> usize {
        self.rows(shape) * self.columns(shape)
    }
}

/// Some columns of a matrix, all rows: `values[row · count + column]`.
pub(super) struct Panel {
    pub(super) count: usize,
    pub(super) values: Vec<i8>,
}

/// Columns `first` to `first + count` of a weight.
pub(super) fn panel(
    job: &TransformerBlock,
    slices: &dyn Slices,
    weight: Weight,
    [first, count]: [usize; 2],
) -> Result<Panel, SliceMissing> {
    let (rows, columns) = (weight.rows(job.shape()), weight.columns(job.shape()));
    let mut values = vec![0; rows * count];
    let starts = (first as u64..).step_by(columns);
    let rows = values.chunks_exact_mut(count).zip(starts);
    match job.operands() {
        OperandSource::Seed(seed) => {
            let stream = OperandStream::new(seed, weight.name());
            rows.for_each(|(row, start)| stream.fill(start, row));
        }
        OperandSource::Given(_) => {
            for (row, start) in rows {
                int8(slices, Tensor::Input(weight.name()), start, row)?;
            }
        }
    }
    Ok(Panel { count, values })
}

/// What [`panel`] reads.
pub(super) fn panel_needs(
    job: &TransformerBlock,
    weight: Weight,
    [first, count]: [usize; 2],
) -> Option<Span> {
    let OperandSource::Given(_) = job.operands() else {
        return None;
    };
    Some(Span {
        tensor: Tensor::Input(weight.name()),
        offset: first as u64,
        len: count as u64,
        stride: weight.columns(job.shape()) as u64,
        count: weight.rows(job.shape()) as u64,
    })
}

/// `count` elements of the input from element `first` on.
pub(super) fn input(
    job: &TransformerBlock,
    slices: &dyn Slices,
    [first, count]: [usize; 2],
) -> Result<Vec<f32>, SliceMissing> {
    match job.operands() {
        OperandSource::Seed(seed) => {
            let mut values = vec![0.0; count];
            OperandStream::new(seed, "x").fill_symmetric(first as u64, &mut values);
            Ok(values)
        }
        OperandSource::Given(_) => f32s(slices, X, [first, count]),
    }
}

/// What [`input`] reads.
pub(super) fn input_needs(job: &TransformerBlock, [first, count]: [usize; 2]) -> Option<Span> {
    let OperandSource::Given(_) = job.operands() else {
        return None;
    };
    Some(Span::run(X, 4 * first as u64, 4 * count as u64))
}

/// Elements of an int8 tensor.
pub(super) fn int8(
    slices: &dyn Slices,
    tensor: Tensor,
    first: u64,
    into: &mut [i8],
) -> Result<(), SliceMissing> {
    let mut bytes = vec![0; into.len()];
    slices.read(tensor, first, &mut bytes)?;
    for (value, byte) in into.iter_mut().zip(bytes) {
        *value = byte.cast_signed();
    }
    Ok(())
}

/// Elements of an int16 tensor.
pub(super) fn int16s(
    slices: &dyn Slices,
    tensor: Tensor,
    [first, count]: [usize; 2],
) -> Result<Vec<i16>, SliceMissing> {
    let mut bytes = vec![0; 2 * count];
    slices.read(tensor, 2 * first as u64, &mut bytes)?;
    let words = bytes.as_chunks().0.iter().copied();
    Ok(words.map(i16::from_le_bytes).collect())
}

/// Elements of an f32 tensor.
pub(super) fn f32s(
    slices: &dyn Slices,
    tensor: Tensor,
    [first, count]: [usize; 2],
) -> Result<Vec<f32>, SliceMissing> {
    let mut bytes = vec![0; 4 * count];
    slices.read(tensor, 4 * first as u64, &mut bytes)?;
    let words = bytes.as_chunks().0.iter().copied();
    Ok(words.map(f32::from_le_bytes).collect())
}

/// The rule on given input.
pub(super) fn examine(
    job: &TransformerBlock,
    inputs: &CheckedInputs<'_>,
) -> Result<(), InputError> {
    let OperandSource::Given(_) = job.operands() else {
        return Ok(());
    };
    let is_small = |word: [u8; 4]| f32::from_le_bytes(word).abs() <= MAX_MAGNITUDE;
    let mut words = inputs.get("x").as_chunks().0.iter().copied();
    let broken = words.position(|word| !is_small(word));
    match broken {
        None => Ok(()),
        Some(at) => Err(InputError::Content {
            name: "x",
            rule: "finite and at most 1024 in magnitude",
            offset: 4 * at as u64,
        }),
    }
}
