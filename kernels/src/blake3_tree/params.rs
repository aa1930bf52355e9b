//! What a job says: how many bytes, and where they come from.

use serde::{Deserialize, Serialize};

use super::{program, tree};
use crate::catalog::Kernel;
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Cost, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::point::PointKernel;
use crate::program::{Program, Target};

/// Most bytes: 2^28, the length of the largest output of a product.
pub const MAX_LEN: u32 = 1 << 28;

/// The `params` of a job as JSON.
///
/// ```json
/// {"len": 1048576, "input": {"seed": "<64 hex>"}}
/// {"len": 1048576, "input": {"given": "<64 hex>"}}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Bytes of the input.
    pub len: u32,
    /// Where they come from.
    pub input: InputSource,
}

/// Where the input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// It is generated, label `x`.
    Seed(OperandSeed),
    /// It is sent, and is the bytes with this digest.
    Given(Blake3Digest),
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blake3Tree {
    len: u32,
    input: InputSource,
}

impl Blake3Tree {
    /// Bytes of the input.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len as u64
    }

    /// Never: a job has at least one byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Chunks of 1024 bytes, the last one perhaps shorter.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        self.len().div_ceil(tree::CHUNK)
    }

    /// The stream of a seeded job.
    pub(super) fn stream(&self) -> Option<OperandStream> {
        match self.input {
            InputSource::Seed(seed) => Some(OperandStream::new(&seed, "x")),
            InputSource::Given(_) => None,
        }
    }
}

impl TryFrom<Params> for Blake3Tree {
    type Error = LimitError;

    fn try_from(Params { len, input }: Params) -> Result<Self, LimitError> {
        LimitError::check("len", 1, u64::from(MAX_LEN), u64::from(len))?;
        Ok(Self { len, input })
    }
}

impl KernelJob for Blake3Tree {
    fn kernel(&self) -> Kernel {
        Kernel::Blake3
    }

    fn cost(&self) -> Cost {
        let compressions = self.len().div_ceil(64) + self.chunks() - 1;
        Cost {
            operations: tree::OPERATIONS * compressions,
            bytes_read: self.len(),
            bytes_written: tree::NODE * (self.chunks() + 1),
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        let InputSource::Given(digest) = self.input else {
            return Vec::new();
        };
        vec![InputSpec {
            name: "x",
            len: self.len as usize,
            digest,
        }]
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let output = |name, nodes| OutputSpec {
            name,
            len: tree::NODE * nodes,
        };
        vec![output("chunks", self.chunks()), output("root", 1)]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let generated = self.stream().map(|stream| {
            let mut bytes = vec![0; self.len as usize];
            stream.fill_bytes(0, &mut bytes);
            bytes
        });
        let input = generated.as_deref().unwrap_or(inputs.get("x"));
        let chunks = input.chunks(tree::CHUNK as usize).zip(0..);
        let chunks: Vec<_> = chunks
            .map(|(chunk, index)| tree::chunk_value(chunk, index))
            .collect();
        let root = tree::root(&chunks).unwrap_or_else(|| tree::lone_root(input));
        vec![chunks.concat(), root.to_vec()]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_limits_are_refused() {
        let input = InputSource::Seed(OperandSeed::from_bytes([0; 32]));
        for len in [0, MAX_LEN + 1] {
            let error = Blake3Tree::try_from(Params { len, input }).unwrap_err();
            assert_eq!(error.what, "len");
        }
        assert!(
            Blake3Tree::try_from(Params {
                len: MAX_LEN,
                input
            })
            .is_ok()
        );
    }
}
