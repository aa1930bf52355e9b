//! What a job says about a product: its shape and where its operands come from.
//!
//! In scope: the JSON form and its rules. Out of scope: the JSON around it, and the operands'
//! bytes ([`Operands`]).

use serde::{Deserialize, Serialize};

use super::{Operands, Shape, ShapeError, encode, program, reference};
use crate::catalog::Kernel;
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Cost, InputSpec, KernelJob, OutputSpec};
use crate::operand_stream::OperandSeed;
use crate::point::PointKernel;
use crate::program::{Program, Target};

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
        /// BLAKE3 of A's m·k bytes.
        a: Blake3Digest,
        /// BLAKE3 of B's k·n bytes.
        b: Blake3Digest,
    },
}

/// A job of this kernel whose shape keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmI8 {
    shape: Shape,
    operands: OperandSource,
}

impl GemmI8 {
    /// A job from its parts.
    pub const fn new(shape: Shape, operands: OperandSource) -> Self {
        Self { shape, operands }
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
    pub fn operands_from(&self, inputs: &CheckedInputs<'_>) -> Operands {
        match self.operands {
            OperandSource::Seed(seed) => Operands::from_seed(self.shape, &seed),
            OperandSource::Given { .. } => {
                Operands::accepted(self.shape, int8(inputs.get("a")), int8(inputs.get("b")))
            }
        }
    }
}

impl KernelJob for GemmI8 {
    fn kernel(&self) -> Kernel {
        Kernel::GemmI8
    }

    fn cost(&self) -> Cost {
        self.shape.cost()
    }

    fn inputs(&self) -> Vec<InputSpec> {
        match self.operands {
            OperandSource::Seed(_) => Vec::new(),
            OperandSource::Given { a, b } => given(self.shape, a, b).to_vec(),
        }
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let len = self.shape.output_len() as u64;
        vec![OutputSpec { name: "c", len }]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        vec![encode(&reference(&self.operands_from(inputs)))]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }

    fn product(&self) -> Option<&Self> {
        Some(self)
    }
}

impl TryFrom<Params> for GemmI8 {
    type Error = ShapeError;

    fn try_from(params: Params) -> Result<Self, ShapeError> {
        let Params { m, n, k, operands } = params;
        Ok(Self::new(Shape::new(m, n, k)?, operands))
    }
}

/// The inputs of a job whose operands are sent.
fn given(shape: Shape, a: Blake3Digest, b: Blake3Digest) -> [InputSpec; 2] {
    let spec = |name, len, digest| InputSpec { name, len, digest };
    [spec("a", shape.a_len(), a), spec("b", shape.b_len(), b)]
}

fn int8(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}
