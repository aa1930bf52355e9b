//! From the JSON of a job to the bytes of its result: one entry for agent and verifier alike.
//!
//! # What's in scope
//!
//! [`Job::parse`] (well-formed, limits kept) → [`Job::accept`] (inputs present, of the right length, digest and
//! content) → [`Job::reference_run`] (the right outputs), [`Job::program`] (what a device does for them),
//! [`Job::points`] (one point of them alone). A kernel takes part by implementing [`KernelJob`].
//!
//! # What's out of scope
//!
//! Fetching inputs, running a program, and judging a claimed output ([`audit`](crate::audit),
//! [`freivalds`](crate::freivalds)).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::blake3_tree::{self, Blake3Tree};
use crate::catalog::{Kernel, UnknownKernel};
use crate::digest::Blake3Digest;
use crate::excerpt;
use crate::gemm_bf16::Bf16;
use crate::gemm_chain::{self, GemmChain};
use crate::gemm_i8::GemmI8;
use crate::gemm_i8_requant::{self, GemmI8Requant};
use crate::matrix::{self, Multiply, ShapeError};
use crate::mlp_sgd::{self, MlpSgd};
use crate::nbody::{self, Nbody};
use crate::pathtrace::{self, Pathtrace};
use crate::point::PointKernel;
use crate::program::{Program, Target};
use crate::steps::StepKernel;
use crate::stream::{self, StreamPasses};
use crate::transformer_block::{self, TransformerBlock};
use crate::vram_walk::{self, VramWalk};

/// A job of one kernel whose rules are checked: what each kernel brings along.
pub trait KernelJob: fmt::Debug + Send + Sync {
    /// The kernel.
    fn kernel(&self) -> Kernel;

    /// What the work costs by the kernel's specification.
    fn cost(&self) -> Cost;

    /// The inputs somebody must supply, in the order of the specification; empty for a seeded job.
    fn inputs(&self) -> Vec<InputSpec>;

    /// The outputs, in the order of the specification.
    fn outputs(&self) -> Vec<OutputSpec>;

    /// Rules on the content of inputs whose length and digest are right.
    ///
    /// # Errors
    ///
    /// [`InputError::Content`].
    fn examine(&self, _inputs: &CheckedInputs<'_>) -> Result<(), InputError> {
        Ok(())
    }

    /// What a device of this target does; `None` where the kernel has no module for it.
    fn program(&self, target: Target) -> Option<Program>;

    /// How many digests a run leaves in its trace, one for each [`Step::Mark`](crate::program::Step::Mark).
    fn marks(&self) -> u64 {
        0
    }

    /// The right outputs, from the specification alone, on one thread: slow, and not the source of the device's code.
    fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>>;

    /// The job point by point.
    fn points(&self) -> &dyn PointKernel;

    /// The states that the job marks, one by one; `None` exactly where it marks none, and a dispute has no trace to look
    /// at.
    fn steps(&self) -> Option<&dyn StepKernel> {
        None
    }

    /// The job as an exact integer product, if it is one: then Freivalds' check covers the whole output.
    fn product(&self) -> Option<&GemmI8> {
        None
    }
}

/// What is to be computed: a kernel and its parameters, checked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Job(Arc<dyn KernelJob>);

impl Job {
    /// A job of a kernel.
    pub fn new(job: impl KernelJob + 'static) -> Self {
        Self(Arc::new(job))
    }

    /// Parses a kernel's name and its `params`, from JSON text or a JSON value.
    ///
    /// ```
    /// let params = r#"{"m": 2, "n": 3, "k": 4, "operands": {"seed":
    ///     "0000000000000000000000000000000000000000000000000000000000000000"}}"#;
    /// let job = kernels::Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(params))?;
    /// let outputs = job.reference_run(&kernels::Inputs::none()).unwrap();
    /// assert_eq!(outputs[0].bytes().len(), 4 * 2 * 3);
    /// # Ok::<(), kernels::JobError>(())
    /// ```
    ///
    /// A deserializer of text is left after the value: whether more may follow is the caller's
    /// question.
    ///
    /// # Errors
    ///
    /// [`JobError::Kernel`], then [`JobError::Params`], then the limits of the kernel.
    pub fn parse<'de, D: Deserializer<'de>>(kernel: &str, params: D) -> Result<Self, JobError> {
        let kernel: Kernel = kernel.parse()?;
        match kernel {
            Kernel::Blake3 => made::<blake3_tree::Params, Blake3Tree, D>(kernel, params),
            Kernel::GemmBf16 => parse_product::<Bf16, D>(params),
            Kernel::GemmChain => made::<gemm_chain::Params, GemmChain, D>(kernel, params),
            Kernel::GemmF32 => parse_product::<f32, D>(params),
            Kernel::GemmI8 => parse_product::<i8, D>(params),
            Kernel::GemmI8Requant => {
                made::<gemm_i8_requant::Params, GemmI8Requant, D>(kernel, params)
            }
            Kernel::MlpSgd => made::<mlp_sgd::Params, MlpSgd, D>(kernel, params),
            Kernel::Nbody => made::<nbody::Params, Nbody, D>(kernel, params),
            Kernel::Pathtrace => made::<pathtrace::Params, Pathtrace, D>(kernel, params),
            Kernel::Stream => made::<stream::Params, StreamPasses, D>(kernel, params),
            Kernel::TransformerBlock => {
                made::<transformer_block::Params, TransformerBlock, D>(kernel, params)
            }
            Kernel::VramWalk => made::<vram_walk::Params, VramWalk, D>(kernel, params),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> Kernel {
        self.0.kernel()
    }

    /// What the work costs by the kernel's specification.
    pub fn cost(&self) -> Cost {
        self.0.cost()
    }

    /// The outputs, in the order of the specification.
    pub fn outputs(&self) -> Vec<OutputSpec> {
        self.0.outputs()
    }

    /// The inputs somebody must supply; empty for a seeded job.
    pub fn inputs(&self) -> Vec<InputSpec> {
        self.0.inputs()
    }

    /// What a device of this target does; `None` where the kernel has no module for it.
    pub fn program(&self, target: Target) -> Option<Program> {
        self.0.program(target)
    }

    /// How many digests a run leaves in its trace.
    pub fn marks(&self) -> u64 {
        self.0.marks()
    }

    /// The job point by point.
    pub fn points(&self) -> &dyn PointKernel {
        self.0.points()
    }

    /// The states that the job marks, one by one; `None` where it marks none.
    pub fn steps(&self) -> Option<&dyn StepKernel> {
        self.0.steps()
    }

    /// The job as an exact integer product, if it is one.
    pub fn product(&self) -> Option<&GemmI8> {
        self.0.product()
    }

    /// Checks that `inputs` are those the job names.
    ///
    /// # Errors
    ///
    /// The first rule of [`Inputs`] that does not hold, then those on content.
    pub fn accept<'a>(&self, inputs: &Inputs<'a>) -> Result<CheckedInputs<'a>, InputError> {
        let checked = inputs.matching(&self.inputs())?;
        self.0.examine(&checked)?;
        Ok(checked)
    }

    /// As [`Job::accept`], keeping the bytes for as long as the work takes.
    ///
    /// # Errors
    ///
    /// As [`Job::accept`].
    pub fn accept_owned(
        &self,
        inputs: BTreeMap<String, Vec<u8>>,
    ) -> Result<CheckedInputs<'static>, InputError> {
        let mut named = Inputs::none();
        for (name, bytes) in &inputs {
            named = named.with(name, bytes);
        }
        let specs = self.inputs();
        self.accept(&named)?;
        let owned = inputs.into_iter().filter_map(|(name, bytes)| {
            let spec = specs.iter().find(|spec| spec.name == name)?;
            Some((spec.name, Cow::Owned(bytes)))
        });
        Ok(CheckedInputs {
            bytes: owned.collect(),
        })
    }

    /// Computes the right outputs on this CPU, on one thread.
    ///
    /// # Errors
    ///
    /// As [`Job::accept`].
    pub fn reference_run(&self, inputs: &Inputs<'_>) -> Result<Vec<Output>, InputError> {
        let checked = self.accept(inputs)?;
        Ok(self.reference(&checked))
    }

    /// As [`Job::reference_run`], with inputs that are known to be the right ones.
    pub fn reference(&self, inputs: &CheckedInputs<'_>) -> Vec<Output> {
        let outputs = self.reference_bytes(inputs);
        outputs.into_iter().map(Output::new).collect()
    }

    /// As [`Job::reference`], before the bytes are digested.
    pub fn reference_bytes(&self, inputs: &CheckedInputs<'_>) -> Vec<Vec<u8>> {
        self.0.reference(inputs)
    }
}

/// Output bytes and their digest, which always belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    bytes: Vec<u8>,
    digest: Blake3Digest,
}

impl Output {
    /// Digests `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = Blake3Digest::of(&bytes);
        Self { bytes, digest }
    }

    /// The bytes, in the layout of the kernel's specification.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// BLAKE3 of the bytes.
    pub const fn digest(&self) -> Blake3Digest {
        self.digest
    }

    /// Gives the bytes away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// What a job costs by its specification, whatever the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Arithmetic operations; a multiply-add counts as two.
    pub operations: u64,
    /// Bytes of operands, each counted once.
    pub bytes_read: u64,
    /// Bytes of output.
    pub bytes_written: u64,
}

/// An output of a job, by name and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Its name in the kernel's specification.
    pub name: &'static str,
    /// Its length in bytes; at least one.
    pub len: u64,
}

/// An input that a job needs, by name, length and digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// Its name in the kernel's specification.
    pub name: &'static str,
    /// Its length in bytes.
    pub len: usize,
    /// BLAKE3 of its bytes.
    pub digest: Blake3Digest,
}

/// The bytes somebody supplied for a job, by name. Untrusted until a job accepts them.
///
/// The rules, in the order they are checked: no name the job does not know; every name the job
/// needs; then for each input the length and after it the digest, because hashing costs most.
#[derive(Clone, Debug, Default)]
pub struct Inputs<'a> {
    bytes: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Inputs<'a> {
    /// No inputs, as a seeded job wants it.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an input, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: &'a str, bytes: &'a [u8]) -> Self {
        self.bytes.insert(name, bytes);
        self
    }

    fn matching(&self, specs: &[InputSpec]) -> Result<CheckedInputs<'a>, InputError> {
        self.check_names(specs)?;
        let checked = specs
            .iter()
            .map(|spec| Ok((spec.name, Cow::Borrowed(self.matching_one(spec)?))));
        let bytes = checked.collect::<Result<_, _>>()?;
        Ok(CheckedInputs { bytes })
    }

    fn check_names(&self, specs: &[InputSpec]) -> Result<(), InputError> {
        let known = |name: &str| specs.iter().any(|spec| spec.name == name);
        if let Some(name) = self.bytes.keys().find(|name| !known(name)) {
            return Err(InputError::Unexpected {
                name: excerpt::name(name),
            });
        }
        let supplied = |spec: &&InputSpec| self.bytes.contains_key(spec.name);
        match specs.iter().find(|spec| !supplied(spec)) {
            Some(spec) => Err(InputError::Missing { name: spec.name }),
            None => Ok(()),
        }
    }

    fn matching_one(&self, spec: &InputSpec) -> Result<&'a [u8], InputError> {
        let name = spec.name;
        let bytes = *self.bytes.get(name).ok_or(InputError::Missing { name })?;
        if bytes.len() != spec.len {
            return Err(InputError::Length {
                name,
                expected: spec.len,
                actual: bytes.len(),
            });
        }
        let actual = Blake3Digest::of(bytes);
        if actual != spec.digest {
            return Err(InputError::Digest {
                name,
                expected: spec.digest,
                actual,
            });
        }
        Ok(bytes)
    }
}

/// Inputs that are those a job names. Only [`Job::accept`] and [`Job::accept_owned`] make one.
#[derive(Clone, Debug)]
pub struct CheckedInputs<'a> {
    bytes: BTreeMap<&'static str, Cow<'a, [u8]>>,
}

impl CheckedInputs<'_> {
    /// The bytes of an input; empty for a name the job does not have.
    pub fn get(&self, name: &str) -> &[u8] {
        self.bytes.get(name).map(Cow::as_ref).unwrap_or_default()
    }

    /// Every input by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> + '_ {
        self.bytes
            .iter()
            .map(|(name, bytes)| (*name, bytes.as_ref()))
    }
}

/// Why supplied inputs are not the ones a job needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The bytes are those the job names, and the kernel has no result for them, such as for a number that is not
    /// finite.
    #[error("input {name} cannot be used: {rule}, broken at byte {offset}")]
    Content {
        /// The input.
        name: &'static str,
        /// The rule of the specification.
        rule: &'static str,
        /// First byte of the first element that breaks it.
        offset: u64,
    },
    /// The bytes are others than the job names.
    #[error("input {name} has the wrong digest: expected {expected}, got {actual}")]
    Digest {
        /// The input.
        name: &'static str,
        /// BLAKE3 from the job.
        expected: Blake3Digest,
        /// BLAKE3 of the bytes that came.
        actual: Blake3Digest,
    },
    /// The length is not the one the shape asks for.
    #[error("input {name} has the wrong length: expected {expected} bytes, got {actual}")]
    Length {
        /// The input.
        name: &'static str,
        /// Bytes by the shape.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// An input the job needs was not supplied.
    #[error("input {name} is missing")]
    Missing {
        /// The input.
        name: &'static str,
    },
    /// An input was supplied that the job does not have, for instance any for a seeded job.
    #[error("input {name:?} is not part of this job")]
    Unexpected {
        /// Its name, the first 64 characters.
        name: String,
    },
}

impl InputError {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Content { .. } => "input_content_invalid",
            Self::Digest { .. } => "input_digest_mismatch",
            Self::Length { .. } => "input_length_mismatch",
            Self::Missing { .. } => "input_missing",
            Self::Unexpected { .. } => "input_unexpected",
        }
    }
}

/// Why a kernel's name and `params` are not a [`Job`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The catalogue does not have the kernel.
    #[error(transparent)]
    Kernel(#[from] UnknownKernel),
    /// A parameter is outside its limits.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The parameters do not have the form the kernel asks for.
    #[error("parameters of {kernel} are malformed: {detail}")]
    Params {
        /// The kernel whose parameters they should be.
        kernel: Kernel,
        /// What the deserializer found, its first 256 characters.
        detail: String,
    },
    /// The shape breaks a limit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

impl JobError {
    /// The stable name of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Kernel(error) => error.code(),
            Self::Limit(error) => error.code(),
            Self::Params { .. } => "params_malformed",
            Self::Shape(error) => error.code(),
        }
    }
}

/// A parameter, or a number that follows from several, is outside its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is out of bounds: expected {least} to {most}, got {actual}")]
pub struct LimitError {
    /// The parameter, or what follows from several, such as `bytes of the outputs`.
    pub what: &'static str,
    /// The smallest value allowed.
    pub least: u64,
    /// The largest value allowed.
    pub most: u64,
    /// The value asked for.
    pub actual: u64,
}

impl LimitError {
    /// Whether `actual` is within `least` to `most`.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check(what: &'static str, least: u64, most: u64, actual: u64) -> Result<(), Self> {
        if (least..=most).contains(&actual) {
            return Ok(());
        }
        Err(Self {
            what,
            least,
            most,
            actual,
        })
    }

    /// The stable name of this refusal.
    pub const fn code(&self) -> &'static str {
        "param_out_of_bounds"
    }
}

fn parse_product<'de, E: Multiply, D: Deserializer<'de>>(params: D) -> Result<Job, JobError> {
    let params: matrix::Params = parse_params(E::KERNEL, params)?;
    Ok(Job::new(matrix::Product::<E>::try_from(params)?))
}

/// A job from parameters whose form and rules are its kernel's own.
fn made<'de, P, J, D>(kernel: Kernel, params: D) -> Result<Job, JobError>
where
    D: Deserializer<'de>,
    P: Deserialize<'de>,
    J: KernelJob + TryFrom<P> + 'static,
    JobError: From<J::Error>,
{
    let params: P = parse_params(kernel, params)?;
    Ok(Job::new(J::try_from(params)?))
}

fn parse_params<'de, D, T>(kernel: Kernel, params: D) -> Result<T, JobError>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(params).map_err(|error| JobError::Params {
        kernel,
        detail: excerpt::message(&error.to_string()),
    })
}
