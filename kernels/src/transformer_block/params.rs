//! What a job says about a block: sizes, and where its operands come from.
//!
//! In scope: the JSON form and its rules. Out of scope: the JSON around it, and the operands' bytes.

use serde::{Deserialize, Serialize};

use super::operands::{self, Weight};
use super::{Scales, Shape, program, reference};
use crate::catalog::Kernel;
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Cost, InputError, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::operand_stream::OperandSeed;
use crate::point::PointKernel;
use crate::program::{Program, Target};

/// The `params` of a job as JSON: well-formed, its rules not yet checked.
///
/// ```json
/// {"tokens": 128, "width": 256, "heads": 4, "hidden": 1024, "operands": {"seed": "<64 hex>"}}
/// ```
///
/// Integers only, hexadecimal in lower case, every member present, no other member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Tokens of the sequence.
    pub tokens: u32,
    /// Columns of the residual stream.
    pub width: u32,
    /// Heads of the attention.
    pub heads: u32,
    /// Units of the feed-forward.
    pub hidden: u32,
    /// Where input and weights come from.
    pub operands: OperandSource,
}

/// Where input and weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OperandSource {
    /// All from one seed, with the scales of [`Scales::seeded`].
    Seed(OperandSeed),
    /// They are sent.
    Given(Box<GivenOperands>),
}

/// Digests of operands that are sent, and the scales that go with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenOperands {
    /// BLAKE3 of the residual stream's bytes.
    pub x: Blake3Digest,
    /// Of the weights of the projection to `q`.
    pub wq: Blake3Digest,
    /// To `k`.
    pub wk: Blake3Digest,
    /// To `v`.
    pub wv: Blake3Digest,
    /// Of the weights of the output projection.
    pub wo: Blake3Digest,
    /// Of the weights of the feed-forward, first product.
    pub wu: Blake3Digest,
    /// Second product.
    pub wd: Blake3Digest,
    /// What sums are worth.
    pub scales: Scales,
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformerBlock {
    shape: Shape,
    scales: Scales,
    operands: OperandSource,
}

impl TransformerBlock {
    /// The sizes.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// What sums are worth.
    #[must_use]
    pub const fn scales(&self) -> Scales {
        self.scales
    }

    /// Where input and weights come from.
    #[must_use]
    pub const fn operands(&self) -> &OperandSource {
        &self.operands
    }

    /// The JSON form. Inverse of `TryFrom<Params>`.
    #[must_use]
    pub fn params(&self) -> Params {
        Params {
            tokens: self.shape.tokens() as u32,
            width: self.shape.width() as u32,
            heads: self.shape.heads() as u32,
            hidden: self.shape.hidden() as u32,
            operands: self.operands.clone(),
        }
    }
}

impl KernelJob for TransformerBlock {
    fn kernel(&self) -> Kernel {
        Kernel::TransformerBlock
    }

    fn cost(&self) -> Cost {
        self.shape.cost()
    }

    fn inputs(&self) -> Vec<InputSpec> {
        let OperandSource::Given(given) = &self.operands else {
            return Vec::new();
        };
        let x = InputSpec {
            name: "x",
            len: 4 * self.shape.stream_len(),
            digest: given.x,
        };
        let weights = Weight::ALL.iter().map(|weight| InputSpec {
            name: weight.name(),
            len: weight.len(self.shape),
            digest: weight.digest(given),
        });
        std::iter::once(x).chain(weights).collect()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let (stream, hidden) = (
            self.shape.stream_len() as u64,
            (self.shape.tokens() * self.shape.hidden()) as u64,
        );
        let spec = |(name, len)| OutputSpec { name, len };
        let all = [
            ("q", stream),
            ("k", stream),
            ("v", stream),
            ("context", 2 * stream),
            ("mid", 4 * stream),
            ("hidden", hidden),
            ("y", 4 * stream),
        ];
        all.map(spec).to_vec()
    }

    fn examine(&self, inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
        operands::examine(self, inputs)
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        reference::reference(self, inputs)
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

impl TryFrom<Params> for TransformerBlock {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let Params {
            tokens,
            width,
            heads,
            hidden,
            operands,
        } = params;
        let shape = Shape::new(tokens, width, heads, hidden)?;
        let scales = match &operands {
            OperandSource::Seed(_) => Scales::seeded(shape),
            OperandSource::Given(given) => given.scales,
        };
        scales.check()?;
        Ok(Self {
            shape,
            scales,
            operands,
        })
    }
}
