//! Jobs: reads a stranger's file and prepares a job that can run.
//!
//! In scope: reading a [`JobSpec`] within a size, asking the catalogue of kernels whether it is one
//! of its jobs, and checking its inputs. All of it happens before a challenge is asked for: no
//! challenge is spent on a job that cannot run.
//!
//! Out of scope: which jobs are worth running, and running them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidence::work::{Hex, JobSpec, RequestedCheck};
use kernels::CheckedInputs;
use kernels::audit::{self, MOST_OPERATIONS, Strength};

use crate::command::CommandError;
use crate::files::{self, FileError};

/// The largest job file read, in bytes. A job names its operands by seed or digest and has a few
/// hundred bytes; the rest is room for a label.
pub const MAX_JOB_BYTES: u64 = 64 * 1024;

/// Input bytes by name, for jobs that give inputs by digest.
pub type InputBytes = BTreeMap<String, Vec<u8>>;

/// A job that can run: known kernel, limits kept, inputs at hand and the right ones.
#[derive(Clone, Debug)]
pub struct PreparedJob {
    /// What was asked.
    pub spec: JobSpec,
    /// SHA-256 of the canonical job.
    pub digest: Hex<32>,
    /// The same as the catalogue knows it.
    pub job: kernels::Job,
    /// Its inputs.
    pub inputs: Arc<CheckedInputs<'static>>,
}

/// Why something is not a job this agent can run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The command of the job cannot be run here.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The job asks for an audit that costs more than a verifier spends on one.
    #[error("an audit of this job is too costly: expected at most {most} operations, got {actual}")]
    CheckTooCostly {
        /// The bound.
        most: u64,
        /// What the points of this job cost.
        actual: u64,
    },
    /// The job is a command, and was asked for as a kernel.
    #[error("the job is a command and not a kernel")]
    NotAKernel,
    /// A file cannot be read, or is too large.
    #[error(transparent)]
    File(#[from] FileError),
    /// An input is not what the job says.
    #[error(transparent)]
    Input(#[from] kernels::InputError),
    /// Not the JSON of a job.
    #[error("job is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// The catalogue does not have this job.
    #[error(transparent)]
    Kernel(#[from] kernels::JobError),
}

impl JobError {
    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Command(error) => error.code(),
            Self::CheckTooCostly { .. } => "check_too_costly",
            Self::NotAKernel => "job_not_a_kernel",
            Self::File(error) => error.code(),
            Self::Input(error) => error.code(),
            Self::Json(_) => "job_malformed",
            Self::Kernel(error) => error.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Command(error) => error.remedy(),
            Self::CheckTooCostly { .. } => {
                "Ask for another check, or split the job so that its points are smaller."
            }
            Self::NotAKernel => {
                "Run it as a command: attestation-agent run --job FILE [-- COMMAND…]."
            }
            Self::File(error) => error.remedy(),
            Self::Input(_) => {
                "Give every input the job names, and no other, as --input NAME=FILE, with exactly \
                 the bytes whose BLAKE3 digest (b3sum FILE) is in the job."
            }
            Self::Json(_) => {
                "A job is one JSON object with profile, checks, either kernel and params or command, \
                 and optionally label; no member twice, no unknown member, no fraction."
            }
            Self::Kernel(_) => {
                "Compare kernel and params with the kernel's specification; an agent older than \
                 the job may not know its kernel."
            }
        }
    }
}

/// Reads a job from a file of at most [`MAX_JOB_BYTES`].
///
/// # Errors
/// [`JobError::File`], [`JobError::Json`].
pub fn read_job(path: &Path) -> Result<JobSpec, JobError> {
    parse_job(&files::read_bounded(path, MAX_JOB_BYTES)?)
}

/// Reads a job from JSON. Unknown and repeated members, fractions and trailing bytes are refused.
///
/// # Errors
/// [`JobError::Json`].
pub fn parse_job(json: &[u8]) -> Result<JobSpec, JobError> {
    Ok(serde_json::from_slice(json)?)
}

/// Reads the inputs that `spec` asks for from files, by name.
///
/// A file is read up to one byte more than the job allows it; whether its length and digest are
/// right, [`PreparedJob::new`] says.
///
/// # Errors
/// [`JobError::Kernel`], [`JobError::File`], [`kernels::InputError::Unexpected`] for a name the job
/// does not have.
pub fn read_inputs(
    spec: &JobSpec,
    paths: &BTreeMap<String, PathBuf>,
) -> Result<InputBytes, JobError> {
    let wanted = catalogued(spec)?.inputs();
    let mut inputs = InputBytes::new();
    for (name, path) in paths {
        let length = wanted.iter().find(|input| input.name == name);
        let length =
            length
                .map(|input| input.len)
                .ok_or_else(|| kernels::InputError::Unexpected {
                    name: name.chars().take(64).collect(),
                })?;
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        inputs.insert(name.clone(), files::read_bounded(path, limit)?);
    }
    Ok(inputs)
}

impl PreparedJob {
    /// Checks a job against the catalogue, and its inputs against the job.
    ///
    /// # Errors
    /// [`JobError::Kernel`], [`JobError::Input`]; [`JobError::Json`] for a job that has no
    /// canonical form, which no job read from JSON is.
    pub fn new(spec: JobSpec, inputs: InputBytes) -> Result<Self, JobError> {
        let job = catalogued(&spec)?;
        let inputs = Arc::new(job.accept_owned(inputs)?);
        Ok(Self {
            digest: spec.digest()?,
            job,
            spec,
            inputs,
        })
    }
}

fn catalogued(spec: &JobSpec) -> Result<kernels::Job, JobError> {
    let kernel = spec.kernel().ok_or(JobError::NotAKernel)?;
    let job = kernels::Job::parse(&kernel.name, kernel.params.as_value())?;
    is_affordable(spec, &job)?;
    Ok(job)
}

/// What no verifier would audit is not worth running: the bundle would be refused after the work.
fn is_affordable(spec: &JobSpec, job: &kernels::Job) -> Result<(), JobError> {
    if !spec.checks.contains(&RequestedCheck::Audit) {
        return Ok(());
    }
    let (most, actual) = (MOST_OPERATIONS, audit::cost(job, Strength::DEFAULT.points));
    if actual > most {
        return Err(JobError::CheckTooCostly { most, actual });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SEED: &str = "0000000000000000000000000000000000000000000000000000000000000001";

    fn seeded(m: u32) -> String {
        format!(
            r#"{{"profile":"pogw/1","kernel":"gemm_i8","checks":[],
            "params":{{"m":{m},"n":3,"k":4,"operands":{{"seed":"{SEED}"}}}}}}"#
        )
    }

    /// A picture whose every pixel is millions of paths.
    fn costly() -> String {
        let seed = SEED.parse().unwrap();
        let mut params = kernels::pathtrace::Params::marbles(seed);
        (params.samples, params.depth) = (4096, 32);
        let params = serde_json::to_string(&params).unwrap();
        format!(
            r#"{{"profile":"pogw/1","kernel":"pathtrace","checks":["audit"],"params":{params}}}"#
        )
    }

    /// The code that reading and preparing this text ends with.
    fn code_of(text: &str) -> &'static str {
        parse_job(text.as_bytes())
            .and_then(|spec| PreparedJob::new(spec, InputBytes::new()))
            .expect_err("a bad job was accepted")
            .code()
    }

    #[test]
    fn a_seeded_job_is_prepared() {
        let job = PreparedJob::new(parse_job(seeded(2).as_bytes()).unwrap(), InputBytes::new());
        let job = job.unwrap();
        assert_eq!(job.job.kernel(), kernels::Kernel::GemmI8);
        assert_eq!(job.digest, job.spec.digest().unwrap());
    }

    #[test]
    fn what_has_two_readings_or_none_is_no_job() {
        let good = seeded(2);
        for bad in [
            "not JSON".to_owned(),
            String::new(),
            format!("{good} {good}"),
            good.replace("\"m\":2", "\"m\":2.0"),
            good.replace("\"m\":2", "\"m\":2,\"m\":2"),
            good.replace("\"kernel\"", "\"kernel\":\"gemm_i8\",\"kernel\""),
            good.replace("\"kernel\"", "\"shell\":\"rm\",\"kernel\""),
            good.replace("pogw/1", "pogw/2"),
        ] {
            assert_eq!(code_of(&bad), "job_malformed", "{bad}");
        }
    }

    #[test]
    fn jobs_the_catalogue_does_not_have_are_named() {
        let good = seeded(2);
        let table = [
            (good.replace("gemm_i8", "gemm_i9"), "kernel_unknown"),
            (good.replace("\"m\":2,", ""), "params_malformed"),
            (good.replace("\"m\":2", "\"m\":-2"), "params_malformed"),
            (seeded(0), "shape_zero_dimension"),
            (seeded(4_000_000_000), "shape_dimension_too_large"),
            (costly(), "check_too_costly"),
        ];
        for (text, code) in table {
            assert_eq!(code_of(&text), code, "{text}");
        }
    }

    #[test]
    fn a_huge_file_is_refused_unread() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.json");
        let file = fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(read_job(&path).unwrap_err().code(), "file_too_large");
        assert_eq!(
            read_job(&dir.path().join("absent")).unwrap_err().code(),
            "file_unusable"
        );
    }

    /// A 1 by 1 by 4 product of `a` and `b`, given by digest.
    fn given(a: &[u8], b: &[u8]) -> JobSpec {
        let digest = kernels::Blake3Digest::of;
        let text = format!(
            r#"{{"profile":"pogw/1","kernel":"gemm_i8","checks":[],"params":{{"m":1,"n":1,"k":4,
            "operands":{{"given":{{"a":"{}","b":"{}"}}}}}}}}"#,
            digest(a),
            digest(b)
        );
        parse_job(text.as_bytes()).unwrap()
    }

    type Input = (&'static str, &'static [u8]);

    /// Writes these inputs to files, reads them for `spec` and prepares it.
    fn prepare(spec: &JobSpec, inputs: &[Input]) -> Result<PreparedJob, JobError> {
        let dir = tempfile::tempdir().unwrap();
        let paths = inputs.iter().map(|(name, bytes)| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            ((*name).to_owned(), path)
        });
        let inputs = read_inputs(spec, &paths.collect())?;
        PreparedJob::new(spec.clone(), inputs)
    }

    #[test]
    fn given_inputs_come_from_files_and_must_be_the_right_ones() {
        let spec = given(b"abcd", b"efgh");
        let b: Input = ("b", b"efgh");
        assert!(prepare(&spec, &[("a", b"abcd"), b]).is_ok());
        let table: [(&[Input], &str); 5] = [
            (&[b], "input_missing"),
            (&[("a", b"abc"), b], "input_length_mismatch"),
            (&[("a", b"abcde"), b], "file_too_large"),
            (&[("a", b"abcx"), b], "input_digest_mismatch"),
            (&[("a", b"abcd"), b, ("c", b"")], "input_unexpected"),
        ];
        for (inputs, code) in table {
            assert_eq!(prepare(&spec, inputs).unwrap_err().code(), code);
        }
    }
}
