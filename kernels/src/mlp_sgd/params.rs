//! What a job says about a training: the network, the data, the steps.
//!
//! In scope: the JSON form and its rules. Out of scope: the JSON around it, and the computation.

use serde::{Deserialize, Serialize};

use super::{Layers, data, program, state};
use crate::catalog::Kernel;
use crate::digest::Blake3Digest;
use crate::job::{CheckedInputs, Cost, InputError, InputSpec, KernelJob, LimitError, OutputSpec};
use crate::operand_stream::OperandSeed;
use crate::point::PointKernel;
use crate::program::{Program, Target};
use crate::steps::StepKernel;

/// Most samples: 2^20.
pub const MAX_SAMPLES: u32 = 1 << 20;

/// Most elements of inputs and targets together: 2^26, 256 MiB of f32.
pub const MAX_DATA_ELEMENTS: u64 = 1 << 26;

/// Most samples of a step. Each loss is summed one after the other.
pub const MAX_BATCH: u32 = 1024;

/// Most steps. A program lists the launches of each.
pub const MAX_STEPS: u32 = 1 << 14;

/// Largest learning rate in units of 2^-16: 16.
pub const MAX_LEARNING_RATE: u32 = 1 << 20;

/// Largest momentum in units of 2^-16: just below 1.
pub const MAX_MOMENTUM: u32 = (1 << 16) - 1;

/// Most bytes of losses and checkpoints: 2^28.
pub const MAX_OUTPUT_BYTES: u64 = 1 << 28;

/// Most operations between two checkpoints: 2^34. A segment is what a verifier recomputes at once; this is some ten
/// seconds of one core.
pub const MAX_SEGMENT_OPERATIONS: u64 = 1 << 34;

/// The `params` of a job as JSON: well-formed, its rules not yet checked.
///
/// ```json
/// {"layers": [2, 32, 32, 3], "task": "classification", "samples": 1536, "batch": 64, "steps": 400,
///  "checkpoint_every": 20, "learning_rate": 6554, "momentum": 58982, "seed": "<64 hex>", "data": "seeded"}
/// ```
///
/// Integers only, hexadecimal in lower case, every member present, no other member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Units of each layer, inputs first: three or four.
    pub layers: Vec<u32>,
    /// What the outputs are for.
    pub task: Task,
    /// Samples of the data.
    pub samples: u32,
    /// Samples of a step.
    pub batch: u32,
    /// Steps.
    pub steps: u32,
    /// Steps from one checkpoint to the next; a divisor of `steps`.
    pub checkpoint_every: u32,
    /// In units of 2^-16.
    pub learning_rate: u32,
    /// In units of 2^-16; 0 for none.
    pub momentum: u32,
    /// Where initial weights come from, and seeded data.
    pub seed: OperandSeed,
    /// Where the data come from.
    pub data: DataSource,
}

/// What the outputs of the network are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Each is the logarithm of a class's weight: softmax and cross entropy.
    Classification,
    /// They are the targets: half the squared distance.
    Regression,
}

/// Where samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSource {
    /// From the job's seed: spirals for a classification, a teacher network for a regression.
    Seeded,
    /// They are sent, and are the bytes with these digests.
    Given {
        /// BLAKE3 of the inputs' bytes.
        x: Blake3Digest,
        /// BLAKE3 of the targets' bytes.
        y: Blake3Digest,
    },
}

/// A job of this kernel that keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpSgd {
    layers: Layers,
    params: Params,
}

impl Params {
    /// Three spirals of 512 points each, told apart after 400 steps: a training small enough for any CPU.
    #[must_use]
    pub fn spirals(seed: OperandSeed) -> Self {
        Self {
            layers: vec![2, 32, 32, 3],
            task: Task::Classification,
            samples: 1536,
            batch: 64,
            steps: 400,
            checkpoint_every: 20,
            learning_rate: 6554,
            momentum: 58_982,
            seed,
            data: DataSource::Seeded,
        }
    }
}

impl MlpSgd {
    /// The network.
    #[must_use]
    pub const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The JSON form. Inverse of `TryFrom<Params>`.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Segments, each ending in a checkpoint.
    #[must_use]
    pub const fn segments(&self) -> u32 {
        self.params.steps / self.params.checkpoint_every
    }

    /// Bytes of a state: parameters and, with momentum, velocities.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let tensors = 1 + u64::from(self.has_momentum());
        4 * tensors * self.layers.parameters() as u64
    }

    pub(super) const fn has_momentum(&self) -> bool {
        self.params.momentum > 0
    }

    /// f32 of a sample's target, or the one u32 of its class.
    pub(super) fn target_words(&self) -> usize {
        match self.params.task {
            Task::Classification => 1,
            Task::Regression => self.layers.outputs(),
        }
    }

    /// Operations of one step.
    pub(super) fn step_operations(&self) -> u64 {
        u64::from(self.params.batch) * self.layers.operations()
    }

    fn x_bytes(&self) -> u64 {
        4 * u64::from(self.params.samples) * self.layers.inputs() as u64
    }

    fn y_bytes(&self) -> u64 {
        4 * u64::from(self.params.samples) * self.target_words() as u64
    }

    fn loss_bytes(&self) -> u64 {
        4 * u64::from(self.params.steps)
    }

    fn checkpoint_bytes(&self) -> u64 {
        u64::from(self.segments()) * self.state_bytes()
    }
}

impl KernelJob for MlpSgd {
    fn kernel(&self) -> Kernel {
        Kernel::MlpSgd
    }

    fn marks(&self) -> u64 {
        self.params.steps.into()
    }

    fn cost(&self) -> Cost {
        Cost {
            operations: u64::from(self.params.steps) * self.step_operations(),
            bytes_read: self.x_bytes() + self.y_bytes() + 4 * self.layers.parameters() as u64,
            bytes_written: self.loss_bytes() + self.checkpoint_bytes(),
        }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        let spec = |name, len: u64, digest| InputSpec {
            name,
            len: len as usize,
            digest,
        };
        match self.params.data {
            DataSource::Seeded => Vec::new(),
            DataSource::Given { x, y } => {
                vec![spec("x", self.x_bytes(), x), spec("y", self.y_bytes(), y)]
            }
        }
    }

    fn outputs(&self) -> Vec<OutputSpec> {
        let spec = |name, len| OutputSpec { name, len };
        vec![
            spec("loss", self.loss_bytes()),
            spec("checkpoints", self.checkpoint_bytes()),
        ]
    }

    fn examine(&self, inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
        data::examine(self, inputs)
    }

    fn program(&self, target: Target) -> Option<Program> {
        (target == Target::Portable).then(|| program::of(self))
    }

    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        state::reference(self, inputs)
    }

    fn points(&self) -> &dyn PointKernel {
        self
    }

    fn steps(&self) -> Option<&dyn StepKernel> {
        Some(self)
    }
}

impl TryFrom<Params> for MlpSgd {
    type Error = LimitError;

    fn try_from(params: Params) -> Result<Self, LimitError> {
        let layers = Layers::new(params.layers.clone())?;
        check_each(&params)?;
        check_task(&params, &layers)?;
        let job = Self { layers, params };
        check_sizes(&job)?;
        Ok(job)
    }
}

/// Limits of single parameters.
fn check_each(params: &Params) -> Result<(), LimitError> {
    let limits = [
        ("samples", 1, MAX_SAMPLES, params.samples),
        ("batch", 1, MAX_BATCH, params.batch),
        ("steps", 1, MAX_STEPS, params.steps),
        ("checkpoint_every", 1, params.steps, params.checkpoint_every),
        ("learning_rate", 1, MAX_LEARNING_RATE, params.learning_rate),
        ("momentum", 0, MAX_MOMENTUM, params.momentum),
    ];
    for (what, least, most, actual) in limits {
        LimitError::check(what, least, u64::from(most), u64::from(actual))?;
    }
    let rest = params.steps % params.checkpoint_every;
    LimitError::check("steps after the last checkpoint", 0, 0, u64::from(rest))
}

fn check_task(params: &Params, layers: &Layers) -> Result<(), LimitError> {
    if params.task == Task::Regression {
        return Ok(());
    }
    let most = u64::from(super::MAX_WIDTH);
    LimitError::check("classes", 2, most, layers.outputs() as u64)?;
    match params.data {
        DataSource::Seeded => LimitError::check("inputs of spirals", 2, 2, layers.inputs() as u64),
        DataSource::Given { .. } => Ok(()),
    }
}

/// Limits of what follows from several parameters.
fn check_sizes(job: &MlpSgd) -> Result<(), LimitError> {
    let of_a_sample = (job.layers.inputs() + job.layers.outputs()) as u64;
    let elements = u64::from(job.params.samples) * of_a_sample;
    let segment = u64::from(job.params.checkpoint_every) * job.step_operations();
    let output = job.loss_bytes() + job.checkpoint_bytes();
    LimitError::check("elements of the data", 1, MAX_DATA_ELEMENTS, elements)?;
    LimitError::check(
        "operations of a segment",
        1,
        MAX_SEGMENT_OPERATIONS,
        segment,
    )?;
    LimitError::check("bytes of the outputs", 1, MAX_OUTPUT_BYTES, output)
}
