//! What a job says about a product: its shape and where its operands come from.
//!
//! In scope: the JSON form and its rules. Out of scope: the JSON around it, and the operands'
//! bytes ([`Operands`]).

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::{Element, Operands, Shape, ShapeError};
use crate::digest::Blake3Digest;
use crate::job::CheckedInputs;
use crate::operand_stream::OperandSeed;

/// The `params` of a job as JSON: well-formed, its shape not yet checked.
///
/// ```json
/// {"m": 1024, "n": 1024, "k": 1024, "operands": {"seed": "<64 hex>"}}
/// {"m": 1024, "n": 1024, "k": 1024, "operands": {"given": {"a": "<64 hex>", "b": "<64 hex>"}}}
/// ```
///
/// Integers only, hexadecimal in lower case, every member present, no other member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Rows of A and of C.
    pub m: u32,
    /// Columns of B and of C.
    pub n: u32,
    /// Columns of A and rows of B.
    pub k: u32,
    /// Where A and B come from.
    pub operands: OperandSource,
}

/// Where A and B come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperandSource {
    /// Both are generated, labels `a` and `b`. The only source whose lack of structure is ours to
    /// vouch for: a challenge that measures performance must use it.
    Seed(OperandSeed),
    /// Both are sent, and are the bytes with these digests. Their structure is whatever the
    /// sender chose, so the product may have a shortcut.
    Given {
        /// BLAKE3 of A's m·k elements.
        a: Blake3Digest,
        /// BLAKE3 of B's k·n elements.
        b: Blake3Digest,
    },
}

/// A job of the product of matrices of `E`, whose shape keeps the rules.
pub struct Product<E> {
    shape: Shape,
    operands: OperandSource,
    element: PhantomData<E>,
}

impl<E: Element> Product<E> {
    /// A job from its parts.
    pub const fn new(shape: Shape, operands: OperandSource) -> Self {
        let element = PhantomData;
        Self {
            shape,
            operands,
            element,
        }
    }

    /// The shape of the product.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Where the operands come from.
    pub const fn operands(&self) -> OperandSource {
        self.operands
    }

    /// The JSON form. Inverse of `TryFrom<Params>`.
    pub const fn params(&self) -> Params {
        Params {
            m: self.shape.m() as u32,
            n: self.shape.n() as u32,
            k: self.shape.k() as u32,
            operands: self.operands,
        }
    }

    /// A and B, generated or taken from `inputs`, which the job has accepted.
    pub fn operands_from(&self, inputs: &CheckedInputs<'_>) -> Operands<E> {
        match &self.operands {
            OperandSource::Seed(seed) => Operands::from_seed(self.shape, seed),
            OperandSource::Given { .. } => {
                Operands::accepted(self.shape, inputs.get("a"), inputs.get("b"))
            }
        }
    }
}

impl<E: Element> TryFrom<Params> for Product<E> {
    type Error = ShapeError;

    fn try_from(params: Params) -> Result<Self, ShapeError> {
        let Params { m, n, k, operands } = params;
        Ok(Self::new(Shape::new(m, n, k)?, operands))
    }
}

// Written out because derived ones would ask the same of `E`.
impl<E> Clone for Product<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Product<E> {}

impl<E> PartialEq for Product<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.shape, self.operands) == (other.shape, other.operands)
    }
}

impl<E> Eq for Product<E> {}

impl<E> fmt::Debug for Product<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = out.debug_struct("Product");
        out.field("shape", &self.shape);
        out.field("operands", &self.operands).finish()
    }
}
