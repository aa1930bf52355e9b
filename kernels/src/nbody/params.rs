//! What a job says about bodies: how many, for how long, from where.
//!
//! In scope: the JSON form and its rules. Out of scope: the JSON around it, and the computation.

use serde::{Deserialize, Serialize};

use super::step::{State, Step};
use super::{bodies, program};
use crate::catalog::Kernel;
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Cost, InputError, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::operand_stream::OperandSeed;
use crate::point::{InMemory, PointKernel};
use crate::program::{Program, Target};

/// Most bodies: 2^20.
pub const MAX_BODIES: u32 = 1 << 20;

/// Most steps. A program lists the launch of each.
pub const MAX_STEPS: u32 = 1 << 14;

/// Longest step in units of 2^-16: 1.
pub const MAX_DT: u32 = 1 << 16;

/// Largest softening in units of 2^-16: 16.
pub const MAX_SOFTENING: u32 = 1 << 20;

/// Most bytes of a trajectory: 2^28.
pub const MAX_OUTPUT_BYTES: u64 = 1 << 28;

/// The `params` of a job as JSON: well-formed, its rules not yet checked.
///
/// ```json
/// {"n": 4096, "steps": 256, "dt": 656, "softening": 3277, "bodies": {"seed": "<64 hex>"}}
/// {"n": 4096, "steps": 256, "dt": 656, "softening": 3277, "bodies": {"given": {"mass": "<64 hex>",
///  "state": "<64 hex>"}}}
/// ```
///
/// Integers only, hexadecimal in lower case, every member present, no other member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Bodies.
    pub n: u32,
    /// Steps, each of which is in the output.
    pub steps: u32,
    /// Time of a step in units of 2^-16.
    pub dt: u32,
    /// Length below which gravity grows no more, in units of 2^-16.
    pub softening: u32,
    /// Where masses, places and velocities come from.
    pub bodies: BodySource,
}

/// Where bodies come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BodySource {
    /// Two discs that meet, drawn.
    Seed(OperandSeed),
    /// They are sent, and are the bytes with these digests.
    Given {
        /// BLAKE3 of the masses' 4·n bytes.
        mass: Blake3Digest,
        /// BLAKE3 of the 24·n bytes of places and velocities.
        state: Blake3Digest,
    },
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nbody {
    params: Params,
}

impl Params {
    /// Two discs that pass through each other: 1024 bodies, 512 steps.
    #[must_use]
    pub const fn discs(seed: OperandSeed) -> Self {
        Self {
            n: 1024,
            steps: 512,
            dt: 656,
            softening: 3277,
            bodies: BodySource::Seed(seed),
        }
    }
}

impl Nbody {
    /// The JSON form. Inverse of `TryFrom<Params>`.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// `ε·ε`.
    pub(super) fn softening_squared(&self) -> f32 {
        let softening = in_units(self.params.softening);
        softening * softening
    }

    /// The step after `before` others.
    pub(super) fn step(&self, before: u64) -> Step {
        let dt = in_units(self.params.dt);
        Step {
            kick: if before == 0 { 0.5 * dt } else { dt },
            drift: dt,
            softening_squared: self.softening_squared(),
        }
    }

    /// Bytes of a state.
    pub(super) fn state_bytes(&self) -> u64 {
        24 * u64::from(self.params.n)
    }

    /// Bytes of all masses.
    pub(super) fn mass_bytes(&self) -> u64 {
        4 * u64::from(self.params.n)
    }

    fn output_bytes(&self) -> u64 {
        self.state_bytes() * u64::from(self.params.steps)
    }
}

/// In units of 2^-16; exact up to 2^24 of them.
fn in_units(integer: u32) -> f32 {
    integer as f32 / 65_536.0
}

impl KernelJob for Nbody {
    fn kernel(&self) -> Kernel {
        Kernel::Nbody
    }

    fn cost(&self) -> Cost {
        let n = u64::from(self.params.n);
        Cost {
            operations: OPERATIONS_PER_PULL * n * n * u64::from(self.params.steps),
            bytes_read: self.mass_bytes() + self.state_bytes(),
            bytes_written: self.output_bytes(),
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        let spec = |name, len: u64, digest| InputSpec {
            name,
            len: len as usize,
            digest,
        };
        match self.params.bodies {
            BodySource::Seed(_) => Vec::new(),
            BodySource::Given { mass, state } => vec![
                spec(bodies::MASS, self.mass_bytes(), mass),
                spec(bodies::STATE, self.state_bytes(), state),
            ],
        }
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let len = self.output_bytes();
        vec![OutputSpec {
            name: "trajectory",
            len,
        }]
    }

    fn examine(&self, inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
        bodies::examine(inputs)
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        let none: [(&'static str, &[u8]); 0] = [];
        let begin = bodies::begin(self, &InMemory::new(inputs, none));
        let (masses, mut state) = begin.expect("accepted inputs are whole");
        let mut trajectory = Vec::with_capacity(self.output_bytes() as usize);
        for before in 0..self.params.steps {
            let step = self.step(before.into());
            let places = || state.iter().map(|body| body.place);
            let after = state.iter().map(|body| step.of(body, &masses, places()));
            state = after.collect::<State>();
            trajectory.extend(state.iter().flat_map(|body| body.to_bytes()));
        }
        vec![trajectory]
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }
}

/// By the specification.
pub(super) const OPERATIONS_PER_PULL: u64 = 38;

impl TryFrom<Params> for Nbody {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let limits = [
            ("n", MAX_BODIES, params.n),
            ("steps", MAX_STEPS, params.steps),
            ("dt", MAX_DT, params.dt),
            ("softening", MAX_SOFTENING, params.softening),
        ];
        for (what, most, actual) in limits {
            LimitError::check(what, 1, u64::from(most), u64::from(actual))?;
        }
        let job = Self { params };
        LimitError::check(
            "bytes of the outputs",
            1,
            MAX_OUTPUT_BYTES,
            job.output_bytes(),
        )?;
        Ok(job)
    }
}
