//! The job: what was asked.

use serde::{Deserialize, Serialize};

use super::canonical::{StrictValue, canonical_json};
use super::command::Command;
use super::encoding::{Hex, present};
use super::statement::Profile;
use crate::crypto;

/// A job. Its digest is what statements, challenges and receipts name.
///
/// Its work is a kernel or a command, told by the members it has:
///
/// ```json
/// {"profile":"pogw/1","kernel":"gemm_i8","params":{"m":64,"n":64,"k":64, …},"checks":["freivalds"]}
/// {"profile":"pogw/1","command":{"argv":["python3","train.py"], …},"checks":["output_digest"]}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "JobForm", into = "JobForm")]
pub struct JobSpec {
    /// Version of this form.
    pub profile: Profile,
    /// What is to be run.
    pub task: Task,
    /// The checks of the result the tenant asks for; stated even if there are none, so that a job has one canonical
    /// form.
    pub checks: Vec<RequestedCheck>,
    /// Anything that tells this job from another with the same work, such as an order number.
    pub label: Option<String>,
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// A kernel of a catalogue that verifiers know.
    Kernel(KernelTask),
    /// A program of the tenant's own.
    Command(Command),
}

/// A kernel and what it is to be run with.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelTask {
    /// Name of the kernel.
    pub name: String,
    /// The kernel's parameters: integers, text and structure, no fractions.
    pub params: StrictValue,
}

/// A check of the result that a job can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedCheck {
    /// Hand over the output and compare it with its committed digest.
    OutputDigest,
    /// Hand over the output of a matrix product and check it against the inputs (Freivalds 1977).
    Freivalds,
    /// Hand over the outputs and recompute points of them that the verifier draws afterwards.
    Audit,
}

/// A job that names no work, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected either kernel and params, or command")]
pub struct TaskUnclear;

impl JobSpec {
    /// SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// The job does not serialise, which no job read from JSON does.
    pub fn digest(&self) -> Result<Hex<32>, serde_json::Error> {
        Ok(Hex(crypto::sha256(&canonical_json(self)?)))
    }

    /// The kernel, where the work is one.
    #[must_use]
    pub fn kernel(&self) -> Option<&KernelTask> {
        match &self.task {
            Task::Kernel(kernel) => Some(kernel),
            Task::Command(_) => None,
        }
    }

    /// The command, where the work is one.
    #[must_use]
    pub fn command(&self) -> Option<&Command> {
        match &self.task {
            Task::Kernel(_) => None,
            Task::Command(command) => Some(command),
        }
    }
}

/// The members as they stand in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobForm {
    profile: Profile,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    kernel: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    params: Option<StrictValue>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    command: Option<Command>,
    checks: Vec<RequestedCheck>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    label: Option<String>,
}

impl TryFrom<JobForm> for JobSpec {
    type Error = TaskUnclear;

    fn try_from(form: JobForm) -> Result<Self, TaskUnclear> {
        let task = match (form.kernel, form.params, form.command) {
            (Some(name), Some(params), None) => Task::Kernel(KernelTask { name, params }),
            (None, None, Some(command)) => Task::Command(command),
            _ => return Err(TaskUnclear),
        };
        Ok(Self {
            profile: form.profile,
            task,
            checks: form.checks,
            label: form.label,
        })
    }
}

impl From<JobSpec> for JobForm {
    fn from(job: JobSpec) -> Self {
        let (kernel, params, command) = match job.task {
            Task::Kernel(kernel) => (Some(kernel.name), Some(kernel.params), None),
            Task::Command(command) => (None, None, Some(command)),
        };
        Self {
            profile: job.profile,
            kernel,
            params,
            command,
            checks: job.checks,
            label: job.label,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: &str = r#""command":{"argv":["true"],"inputs":{},"outputs":["a"],
        "limits":{"wall_s":1,"output_bytes":1,"processes":1,"memory_bytes":1}}"#;

    fn read(members: &str) -> Result<JobSpec, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"profile":"pogw/1","checks":[],{members}}}"#))
    }

    #[test]
    fn a_job_is_a_kernel_or_a_command() {
        let kernel = read(r#""kernel":"gemm_i8","params":{"m":1}"#).unwrap();
        assert_eq!(kernel.kernel().unwrap().name, "gemm_i8");
        assert!(kernel.command().is_none());
        let command = read(COMMAND).unwrap();
        assert_eq!(command.command().unwrap().argv(), ["true"]);
        assert!(command.kernel().is_none());
        for unclear in [
            r#""kernel":"gemm_i8""#.to_owned(),
            r#""params":{}"#.to_owned(),
            r#""label":"x""#.to_owned(),
            format!(r#""kernel":"gemm_i8","params":{{}},{COMMAND}"#),
            format!(r#""params":{{}},{COMMAND}"#),
            format!(r#""kernel":null,{COMMAND}"#),
        ] {
            assert!(read(&unclear).is_err(), "{unclear}");
        }
    }

    #[test]
    fn the_digest_is_over_the_members_alone() {
        let text = r#"{"checks":[],"kernel":"k","params":{"m":1},"profile":"pogw/1"}"#;
        let job: JobSpec = serde_json::from_str(text).unwrap();
        assert_eq!(canonical_json(&job).unwrap(), text.as_bytes());
        assert_eq!(job.digest().unwrap(), Hex(crypto::sha256(text.as_bytes())));
    }
}
