//! `gemm_i8_requant`: C = A·B with int8 operands, brought back to int8 by an integer multiplier and a rounding shift.
//!
//! # What's in scope
//!
//! [`Params`] → [`GemmI8Requant`]: a product of [`gemm_i8`] and the two numbers of its requantisation;
//! the right output, single elements of it, the launches of a device.
//!
//! # What's out of scope
//!
//! Freivalds' check: rounding is not linear, so this output is audited point by point. Scales per column, biases and
//! zero points: a bias is one more row of B under a column of A, within int8. The normative text is
//! `spec/gemm_i8_requant.md`.

use serde::{Deserialize, Serialize};

use crate::catalog::Kernel;
use crate::fill::seeded_i8;
use crate::gemm_i8::{self, GemmI8, OperandSource, Shape};
use crate::job::{CheckedInputs, Cost, InputSpec, JobError, KernelJob, LimitError, OutputSpec};
use crate::modules::Module;
use crate::operand_stream::OperandStream;
use crate::point::{Place, PointKernel, SliceMissing, Slices, Span};
use crate::program::{Arg, BufferId, Program, Target};
use crate::scalar::requant;

/// Largest shift: beyond it `shift_even` of `spec/scalar.md` counts it as 62.
pub const MAX_SHIFT: u32 = 62;

/// The `params` of a job as JSON: those of a product, and the requantisation.
///
/// ```json
/// {"m": 64, "n": 64, "k": 64, "operands": {"seed": "<64 hex>"}, "multiplier": 1340, "shift": 24}
/// ```
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
    /// What each sum is multiplied by, 1 to 2^31 - 1.
    pub multiplier: u32,
    /// The power of two it is divided by after that.
    pub shift: u32,
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmI8Requant {
    product: GemmI8,
    multiplier: i32,
    shift: u32,
}

impl GemmI8Requant {
    fn requant(&self, sum: i32) -> u8 {
        requant(sum, self.multiplier, self.shift).cast_unsigned()
    }
}

impl TryFrom<Params> for GemmI8Requant {
    type Error = JobError;

    fn try_from(params: Params) -> Result<Self, JobError> {
        let shape = Shape::new(params.m, params.n, params.k)?;
        let most = i32::MAX.cast_unsigned();
        LimitError::check("multiplier", 1, most.into(), params.multiplier.into())?;
        LimitError::check("shift", 0, MAX_SHIFT.into(), params.shift.into())?;
        Ok(Self {
            product: GemmI8::new(shape, params.operands),
            multiplier: params.multiplier.cast_signed(),
            shift: params.shift,
        })
    }
}

impl KernelJob for GemmI8Requant {
    fn kernel(&self) -> Kernel {
        Kernel::GemmI8Requant
    }

    fn cost(&self) -> Cost {
        Cost {
            bytes_written: self.product.shape().c_len() as u64,
            ..self.product.cost()
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        self.product.inputs()
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let len = self.product.shape().c_len() as u64;
        vec![OutputSpec { name: "c", len }]
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program(self))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let sums = gemm_i8::reference(&self.product.operands_from(inputs));
        vec![sums.into_iter().map(|sum| self.requant(sum)).collect()]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

impl PointKernel for GemmI8Requant {
    fn points(&self) -> u64 {
        PointKernel::points(&self.product)
    }

    fn place(&self, point: u64) -> Place {
        Place {
            output: 0,
            offset: point,
            len: 1,
        }
    }

    fn needs(&self, point: u64) -> Vec<Span> {
        self.product.needs(point)
    }

    fn eval(&self, point: u64, slices: &dyn Slices) -> Result<Vec<u8>, SliceMissing> {
        Ok(vec![self.requant(self.product.sum_at(point, slices)?)])
    }

    fn chain_steps(&self) -> u64 {
        1
    }

    fn point_cost(&self, point: u64) -> Cost {
        Cost {
            bytes_written: 1,
            ..self.product.point_cost(point)
        }
    }
}

/// Elements of C that a block computes in each direction; `PG_WIDE` of `cuda/gemm_i8_wide.cuh`.
const TILE: u32 = 128;

fn program(job: &GemmI8Requant) -> Program {
    let shape = job.product.shape();
    let mut program = Program::new(Module::portable("gemm_i8_requant"));
    let a = operand(&mut program, job, "a", shape.a_len() as u64);
    let b = operand(&mut program, job, "b", shape.b_len() as u64);
    let c = program.buffer("c", shape.c_len() as u64);
    let (m, n, k) = (shape.m() as u32, shape.n() as u32, shape.k() as u32);
    program.launch_grid(
        "gemm_i8_requant_product",
        [n.div_ceil(TILE), m.div_ceil(TILE), 1],
        [16, 16, 1],
        vec![
            Arg::Buffer(a, 0),
            Arg::Buffer(b, 0),
            Arg::Buffer(c, 0),
            Arg::U32(m),
            Arg::U32(n),
            Arg::U32(k),
            Arg::I32(job.multiplier),
            Arg::U32(job.shift),
        ],
    );
    program.output(c);
    program
}

fn operand(program: &mut Program, job: &GemmI8Requant, name: &'static str, len: u64) -> BufferId {
    match job.product.operands() {
        OperandSource::Seed(seed) => {
            let stream = OperandStream::new(&seed, name);
            seeded_i8(program, "gemm_i8_requant_fill", name, len, &stream)
        }
        OperandSource::Given { .. } => program.input(name, len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operand_stream::OperandSeed;

    #[test]
    fn numbers_beyond_the_limits_are_refused() {
        let with = |m, multiplier, shift| Params {
            m,
            n: 1,
            k: 1,
            operands: OperandSource::Seed(OperandSeed::from_bytes([0; 32])),
            multiplier,
            shift,
        };
        let table = [
            (with(0, 1, 0), "shape_zero_dimension"),
            (with(1, 0, 0), "param_out_of_bounds"),
            (with(1, 1 << 31, 0), "param_out_of_bounds"),
            (with(1, 1, MAX_SHIFT + 1), "param_out_of_bounds"),
        ];
        for (params, code) in table {
            let error = GemmI8Requant::try_from(params).unwrap_err();
            assert_eq!(error.code(), code, "{params:?}");
        }
        assert!(GemmI8Requant::try_from(with(1, (1 << 31) - 1, MAX_SHIFT)).is_ok());
    }
}
