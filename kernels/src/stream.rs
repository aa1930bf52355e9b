//! `stream`: passes over three large arrays of words, for the bandwidth of memory.
//!
//! # What's in scope
//!
//! [`Params`] → [`StreamPasses`]: words, passes, seed; the right array, single words of it, the launches of a device.
//!
//! # What's out of scope
//!
//! Judging a time. What a time shows, and what not, is in the normative text, `spec/stream.md`.

use serde::{Deserialize, Serialize};

use crate::catalog::Kernel;
use crate::fill::fill;
use crate::job::{CheckedInputs, Cost, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::modules::Module;
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span};
use crate::program::{Arg, Program, Target, blocks};

/// Most words of an array: 2^28, so 1 GiB each.
pub const MAX_WORDS: u32 = 1 << 28;

/// Most passes: a point costs as many multiply-adds.
pub const MAX_PASSES: u32 = 1 << 16;

/// The `params` of a job as JSON.
///
/// ```json
/// {"words": 268435456, "passes": 100, "seed": "<64 hex>"}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Words of each of the three arrays.
    pub words: u32,
    /// Passes.
    pub passes: u32,
    /// What the arrays and the scales are made of.
    pub seed: OperandSeed,
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPasses {
    words: u32,
    passes: u32,
    seed: OperandSeed,
}

/// Names and labels of the arrays.
const ARRAYS: [&str; 3] = ["a", "b", "c"];

/// Those that come from the seed; the first pass writes the other.
const SEEDED: [usize; 2] = [1, 2];

impl StreamPasses {
    fn array(&self, index: usize) -> OperandStream {
        OperandStream::new(&self.seed, ARRAYS[index])
    }

    /// The scale of each pass, odd.
    fn scales(&self) -> Vec<u32> {
        let mut scales = vec![0; self.passes as usize];
        OperandStream::new(&self.seed, "s").fill_words(0, &mut scales);
        scales.into_iter().map(|word| word | 1).collect()
    }

    /// The array that the last pass writes.
    const fn last(&self) -> usize {
        (self.passes as usize - 1) % 3
    }
}

impl TryFrom<Params> for StreamPasses {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let Params {
            words,
            passes,
            seed,
        } = params;
        LimitError::check("words", 1, MAX_WORDS.into(), words.into())?;
        LimitError::check("passes", 1, MAX_PASSES.into(), passes.into())?;
        Ok(Self {
            words,
            passes,
            seed,
        })
    }
}

impl KernelJob for StreamPasses {
    fn kernel(&self) -> Kernel {
        Kernel::Stream
    }

    fn cost(&self) -> Cost {
        let word_passes = u64::from(self.words) * u64::from(self.passes);
        Cost {
            operations: 2 * word_passes,
            bytes_read: 8 * word_passes,
            bytes_written: 4 * word_passes,
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec {
            name: "t",
            len: 4 * u64::from(self.words),
        }]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program(self))
    }

    fn reference(&self, _inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let mut arrays = [0, 1, 2].map(|_| vec![0; self.words as usize]);
        for index in SEEDED {
            self.array(index).fill_words(0, &mut arrays[index]);
        }
        for (pass, scale) in self.scales().into_iter().enumerate() {
            arrays.rotate_left(pass % 3);
            let [to, left, right] = &mut arrays;
            for ((to, left), right) in to.iter_mut().zip(left).zip(right) {
                *to = left.wrapping_add(scale.wrapping_mul(*right));
            }
            arrays.rotate_right(pass % 3);
        }
        let last = &arrays[self.last()];
        vec![last.iter().flat_map(|word| word.to_le_bytes()).collect()]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

impl PointKernel for StreamPasses {
    fn points(&self) -> u64 {
        self.words.into()
    }

    fn place(&self, point: u64) -> Place {
        Place {
            output: 0,
            offset: point.saturating_mul(4),
            len: 4,
        }
    }

    fn needs(&self, _point: u64) -> Vec<Span> {
        Vec::new()
    }

    fn eval(&self, point: u64, _slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let [mut left, mut right] = [1, 2].map(|index| self.array(index).word(point));
        for scale in self.scales() {
            // What was read on the right is on the left of the next pass, and what was written on its right.
            (left, right) = (right, left.wrapping_add(scale.wrapping_mul(right)));
        }
        Ok(right.to_le_bytes().to_vec())
    }

    fn chain_steps(&self) -> u64 {
        1
    }

    fn point_cost(&self, _point: u64) -> Cost {
        Cost {
            operations: 2 * u64::from(self.passes),
            bytes_read: 0,
            bytes_written: 4,
        }
    }
}

/// Words that a block of 256 threads takes, four a thread.
const WORDS_PER_BLOCK: u32 = 1024;

fn program(job: &StreamPasses) -> Program {
    let mut program = Program::new(Module::portable("stream"));
    let words = u64::from(job.words);
    let arrays = ARRAYS.map(|name| program.buffer(name, 4 * words));
    for index in SEEDED {
        let (buffer, stream) = (arrays[index], job.array(index));
        fill(
            &mut program,
            "stream_fill",
            buffer,
            words,
            4 * words,
            &stream,
        );
    }
    for (pass, scale) in job.scales().into_iter().enumerate() {
        let [to, left, right] = [0, 1, 2].map(|role| Arg::Buffer(arrays[(pass + role) % 3], 0));
        let args = vec![to, left, right, Arg::U64(words), Arg::U32(scale)];
        program.launch("stream_pass", blocks(words, WORDS_PER_BLOCK), 256, args);
    }
    program.output(arrays[job.last()]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_the_limits_are_refused() {
        let with = |words, passes| Params {
            words,
            passes,
            seed: OperandSeed::from_bytes([0; 32]),
        };
        let table = [
            (with(0, 1), "words"),
            (with(MAX_WORDS + 1, 1), "words"),
            (with(1, 0), "passes"),
            (with(1, MAX_PASSES + 1), "passes"),
        ];
        for (params, what) in table {
            let error = StreamPasses::try_from(params).unwrap_err();
            assert_eq!(error.what, what, "{params:?}");
        }
        assert!(StreamPasses::try_from(with(MAX_WORDS, MAX_PASSES)).is_ok());
    }
}
