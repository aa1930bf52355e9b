//! `gemm_chain`: int8 products one after another, each the transposed and requantised product of the last.
//!
//! # What's in scope
//!
//! [`Params`] → [`GemmChain`]: size, steps, weights, seed; the right matrices, single elements of them, the launches of
//! a device.
//!
//! # What's out of scope
//!
//! Judging a time. What a time shows, and what not, is in the normative text, `spec/gemm_chain.md`.

use serde::{Deserialize, Serialize};

use crate::catalog::Kernel;
use crate::fill::seeded_i8;
use crate::gemm_i8::{self, Operands, Shape};
use crate::job::{CheckedInputs, Cost, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::modules::Module;
use crate::operand_stream::{OperandSeed, OperandStream};
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span, Tensor};
use crate::program::{Arg, Program, Target};
use crate::scalar::requant;

/// Largest n: the largest square matrix of a product.
pub const MAX_N: u32 = 8192;

/// Most bytes of all weights: 2^30.
pub const MAX_WEIGHTS: u64 = 1 << 30;

/// Most bytes of all matrices that come out: 2^30.
pub const MAX_OUTPUT: u64 = 1 << 30;

/// Shift of every requantisation.
const SHIFT: u32 = 24;

/// The `params` of a job as JSON.
///
/// ```json
/// {"n": 4096, "steps": 64, "weights": 4, "seed": "<64 hex>"}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Rows and columns of every matrix.
    pub n: u32,
    /// Products.
    pub steps: u32,
    /// Different weight matrices, taken in turn.
    pub weights: u32,
    /// What the first matrix and the weights are made of.
    pub seed: OperandSeed,
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmChain {
    n: u32,
    steps: u32,
    weights: u32,
    seed: OperandSeed,
}

impl GemmChain {
    /// Bytes of one matrix.
    const fn matrix(&self) -> u64 {
        self.n as u64 * self.n as u64
    }

    /// ⌊√(2^36 / n)⌋: with the shift that is 1/(64·√n), so that a sum of n products of operands spread over int8 is
    /// spread over int8 again.
    fn multiplier(&self) -> i32 {
        ((1_u64 << 36) / u64::from(self.n)).isqrt() as i32
    }

    fn requant(&self, sum: i32) -> i8 {
        requant(sum, self.multiplier(), SHIFT)
    }

    fn start(&self) -> OperandStream {
        OperandStream::new(&self.seed, "x")
    }

    fn weight(&self) -> OperandStream {
        OperandStream::new(&self.seed, "w")
    }

    /// First element of the weights of a step, counted from 0, in their stream.
    const fn weight_at(&self, step: u64) -> u64 {
        step % self.weights as u64 * self.matrix()
    }
}

impl TryFrom<Params> for GemmChain {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let [n, steps, weights] = [params.n, params.steps, params.weights].map(u64::from);
        LimitError::check("n", 1, MAX_N.into(), n)?;
        LimitError::check("steps", 1, u32::MAX.into(), steps)?;
        LimitError::check("weights", 1, u32::MAX.into(), weights)?;
        LimitError::check("bytes of the weights", 1, MAX_WEIGHTS, n * n * weights)?;
        LimitError::check("bytes of the outputs", 1, MAX_OUTPUT, n * n * steps)?;
        let Params {
            n,
            steps,
            weights,
            seed,
        } = params;
        Ok(Self {
            n,
            steps,
            weights,
            seed,
        })
    }
}

impl KernelJob for GemmChain {
    fn kernel(&self) -> Kernel {
        Kernel::GemmChain
    }

    fn cost(&self) -> Cost {
        let (n, steps) = (u64::from(self.n), u64::from(self.steps));
        Cost {
            operations: 2 * n * n * n * steps,
            bytes_read: 2 * n * n * steps,
            bytes_written: n * n * steps,
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        vec![OutputSpec {
            name: "x",
            len: self.matrix() * u64::from(self.steps),
        }]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program(self))
    }

    fn reference(&self, _inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let len = self.matrix() as usize;
        let mut x = vec![0; len];
        self.start().fill(0, &mut x);
        let mut out = Vec::with_capacity(len * self.steps as usize);
        for step in 0..u64::from(self.steps) {
            let mut w = vec![0; len];
            self.weight().fill(self.weight_at(step), &mut w);
            x = self.next(x, w);
            out.extend(x.iter().map(|value| value.cast_unsigned()));
        }
        vec![out]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

impl GemmChain {
    fn next(&self, x: Vec<i8>, w: Vec<i8>) -> Vec<i8> {
        let n = self.n as usize;
        let shape =
            Shape::new(self.n, self.n, self.n).expect("n is within the limits of a product");
        let operands = Operands::new(shape, x, w).expect("both matrices have n² elements");
        let sums = gemm_i8::reference(&operands);
        let element = |index: usize| self.requant(sums[index % n * n + index / n]);
        (0..n * n).map(element).collect()
    }
}

const X: Tensor = Tensor::Output("x");

/// Where a point is: X_(step+1)[row][column].
struct At {
    step: u64,
    row: u64,
    column: u64,
}

impl GemmChain {
    fn at(&self, point: u64) -> At {
        let (step, index) = (point / self.matrix(), point % self.matrix());
        let n = u64::from(self.n);
        At {
            step,
            row: index / n,
            column: index % n,
        }
    }

    /// First byte, in the output, of the row of the matrix before that a point is computed from; none for the first
    /// matrix, which is not an output.
    fn source(&self, at: &At) -> Option<u64> {
        let before = at.step.checked_sub(1)?;
        Some(before * self.matrix() + at.column * u64::from(self.n))
    }
}

impl PointKernel for GemmChain {
    fn points(&self) -> u64 {
        self.matrix() * u64::from(self.steps)
    }

    fn place(&self, point: u64) -> Place {
        Place {
            output: 0,
            offset: point,
            len: 1,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        let source = self.source(&self.at(point));
        let span = source.map(|offset| Span::run(X, offset, self.n.into()));
        span.into_iter().collect()
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        let at = self.at(point);
        let n = u64::from(self.n);
        let mut x = vec![0; self.n as usize];
        let mut w = vec![0; self.n as usize];
        match self.source(&at) {
            Some(offset) => slices.read(X, offset, &mut x)?,
            None => self.start().fill_bytes(at.column * n, &mut x),
        }
        let first = self.weight_at(at.step) + at.row;
        self.weight().gather(1, first, n, &mut w);
        let products = x.iter().zip(&w);
        let int8 = |byte: &u8| i32::from(byte.cast_signed());
        let sum = products.map(|(x, w)| int8(x) * int8(w));
        Ok(vec![self.requant(sum.sum()).cast_unsigned()])
    }

    fn chain_steps(&self) -> u64 {
        u64::from(self.steps)
    }

    fn point_cost(&self, _point: u64) -> Cost {
        let n = u64::from(self.n);
        Cost {
            operations: 2 * n,
            bytes_read: 2 * n,
            bytes_written: 1,
        }
    }
}

/// Elements that a block computes in each direction; `PG_WIDE` of `cuda/gemm_i8_wide.cuh`.
const TILE: u32 = 128;

fn program(job: &GemmChain) -> Program {
    let mut program = Program::new(Module::portable("gemm_chain"));
    let (matrix, weights) = (job.matrix(), job.matrix() * u64::from(job.weights));
    let fill = "gemm_chain_fill";
    let start = seeded_i8(&mut program, fill, "x0", matrix, &job.start());
    let w = seeded_i8(&mut program, fill, "w", weights, &job.weight());
    let x = program.buffer("x", matrix * u64::from(job.steps));
    let tiles = job.n.div_ceil(TILE);
    for step in 0..u64::from(job.steps) {
        let from = match step.checked_sub(1) {
            Some(before) => Arg::Buffer(x, before * matrix),
            None => Arg::Buffer(start, 0),
        };
        program.launch_grid(
            "gemm_chain_step",
            [tiles, tiles, 1],
            [16, 16, 1],
            vec![
                from,
                Arg::Buffer(w, job.weight_at(step)),
                Arg::Buffer(x, step * matrix),
                Arg::U32(job.n),
                Arg::I32(job.multiplier()),
                Arg::U32(SHIFT),
            ],
        );
    }
    program.output(x);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Inputs, Job};

    #[test]
    fn values_neither_die_out_nor_all_saturate() {
        let job = GemmChain::try_from(Params {
            n: 64,
            steps: 300,
            weights: 3,
            seed: OperandSeed::from_bytes([5; 32]),
        });
        let job = Job::new(job.unwrap());
        let out = job.reference_run(&Inputs::none()).unwrap().remove(0);
        for matrix in out.bytes().chunks_exact(64 * 64) {
            let values = matrix.iter().map(|byte| i32::from(byte.cast_signed()));
            let mean_square = values.clone().map(|value| value * value).sum::<i32>() / (64 * 64);
            assert!((50 * 50..100 * 100).contains(&mean_square), "{mean_square}");
            let clamped = values.filter(|value| [-128, 127].contains(value)).count();
            assert!(clamped < 64 * 64 / 3, "{clamped}");
        }
    }

    #[test]
    fn sizes_beyond_the_limits_are_refused() {
        let with = |n, steps, weights| Params {
            n,
            steps,
            weights,
            seed: OperandSeed::from_bytes([0; 32]),
        };
        let table = [
            (with(0, 1, 1), "n"),
            (with(MAX_N + 1, 1, 1), "n"),
            (with(1, 0, 1), "steps"),
            (with(1, 1, 0), "weights"),
            (with(MAX_N, 1, 17), "bytes of the weights"),
            (with(MAX_N, 17, 1), "bytes of the outputs"),
        ];
        for (params, what) in table {
            let error = GemmChain::try_from(params).unwrap_err();
            assert_eq!(error.what, what, "{params:?}");
        }
        assert!(GemmChain::try_from(with(MAX_N, 16, 16)).is_ok());
    }
}
