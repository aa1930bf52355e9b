//! From the JSON of a job to the bytes of its result: one entry for agent and verifier alike.
//!
//! # What's in scope
//!
//! [`Job::parse`] (well-formed, limits kept) → [`Job::load`] (inputs present, of the right length
//! and digest; seeded operands generated) → [`Workload::reference_run`] (the right output).
//!
//! # What's out of scope
//!
//! Fetching inputs, running on a GPU, and judging a claimed output: a verifier matches on
//! [`Workload`] and applies the checks that exist for that kernel, for instance
//! [`freivalds::check`](crate::freivalds::check).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::catalog::{Kernel, UnknownKernel};
use crate::digest::Blake3Digest;
use crate::excerpt;
use crate::gemm_i8::{self, GemmI8, Operands, Params, ShapeError};

/// What is to be computed: a kernel and its parameters, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// An exact int8 matrix product.
    GemmI8(GemmI8),
}

impl Job {
    /// Parses a kernel's name and its `params`, from JSON text or a JSON value.
    ///
    /// ```
    /// let params = r#"{"m": 2, "n": 3, "k": 4, "operands": {"seed":
    ///     "0000000000000000000000000000000000000000000000000000000000000000"}}"#;
    /// let job = kernels::Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(params))?;
    /// let output = job.reference_run(&kernels::Inputs::none()).unwrap();
    /// assert_eq!(output.bytes().len(), 4 * 2 * 3);
    /// # Ok::<(), kernels::JobError>(())
    /// ```
    ///
    /// A deserializer of text is left after the value: whether more may follow is the caller's
    /// question.
    ///
    /// # Errors
    ///
    /// [`JobError::Kernel`], then [`JobError::Params`], then [`JobError::Shape`].
    pub fn parse<'de, D: Deserializer<'de>>(kernel: &str, params: D) -> Result<Self, JobError> {
        match kernel.parse()? {
            Kernel::GemmI8 => {
                let params: Params = parse_params(Kernel::GemmI8, params)?;
                Ok(Self::GemmI8(params.try_into()?))
            }
        }
    }

    /// The kernel.
    pub const fn kernel(&self) -> Kernel {
        match self {
            Self::GemmI8(_) => Kernel::GemmI8,
        }
    }

    /// What the work costs by the kernel's specification.
    pub const fn cost(&self) -> Cost {
        match self {
            Self::GemmI8(job) => job.shape().cost(),
        }
    }

    /// Length of the output in bytes.
    pub const fn output_len(&self) -> usize {
        match self {
            Self::GemmI8(job) => job.shape().output_len(),
        }
    }

    /// The inputs somebody must supply; empty for a seeded job.
    pub fn inputs(&self) -> Vec<InputSpec> {
        match self {
            Self::GemmI8(job) => job.inputs(),
        }
    }

    /// Brings the operands into memory, generated or taken from `inputs`.
    ///
    /// # Errors
    ///
    /// The first rule of [`Inputs`] that does not hold.
    pub fn load(&self, inputs: &Inputs<'_>) -> Result<Workload, InputError> {
        match self {
            Self::GemmI8(job) => job.load(inputs).map(Workload::GemmI8),
        }
    }

    /// Loads the inputs and runs the reference.
    ///
    /// # Errors
    ///
    /// As [`Job::load`].
    pub fn reference_run(&self, inputs: &Inputs<'_>) -> Result<Output, InputError> {
        Ok(self.load(inputs)?.reference_run())
    }
}

/// A job with its operands in memory, ready to run or to check a claimed output against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A and B of an exact int8 matrix product.
    GemmI8(Operands),
}

impl Workload {
    /// Computes the right output on this CPU, on one thread.
    pub fn reference_run(&self) -> Output {
        match self {
            Self::GemmI8(operands) => Output::new(gemm_i8::encode(&gemm_i8::reference(operands))),
        }
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

/// The bytes somebody supplied for a job, by name. Untrusted until a job is loaded with them.
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

    /// The bytes for each of `specs`, in that order, all rules checked.
    pub(crate) fn matching<const N: usize>(
        &self,
        specs: &[InputSpec; N],
    ) -> Result<[&'a [u8]; N], InputError> {
        self.check_names(specs)?;
        let mut found = [[].as_slice(); N];
        for (slot, spec) in found.iter_mut().zip(specs) {
            *slot = self.matching_one(spec)?;
        }
        Ok(found)
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

/// Why supplied inputs are not the ones a job needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
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
    /// A value is outside what the kernel computes with.
    #[error("input {name} is outside the domain: expected {domain}, element {index} is not")]
    Element {
        /// The input.
        name: &'static str,
        /// The first such element, in row-major order.
        index: usize,
        /// The values the kernel admits.
        domain: &'static str,
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
            Self::Digest { .. } => "input_digest_mismatch",
            Self::Element { .. } => "input_element_refused",
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
            Self::Params { .. } => "params_malformed",
            Self::Shape(error) => error.code(),
        }
    }
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
