//! Inputs that jobs name by digest, from the folder that the provider fills.
//!
//! A file is named by the BLAKE3 of its bytes, in hexadecimal, so it serves every job that names them. Whether it has
//! these bytes is checked where all inputs are checked: before a kernel runs, and when a program's folder is made.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use evidence::work::{JobSpec, Task};

use crate::job::{InputBytes, JobError, read_inputs};

/// Where the inputs of a job should lie.
fn paths<'a>(
    folder: &Path,
    inputs: impl IntoIterator<Item = (&'a str, String)>,
) -> BTreeMap<String, PathBuf> {
    let inputs = inputs.into_iter();
    let named = inputs.map(|(name, digest)| (name.to_owned(), folder.join(digest)));
    named.filter(|(_, path)| path.is_file()).collect()
}

/// The files there are for the inputs of a job, by name. Which are missing, whoever prepares the job says.
pub(super) fn files_for(folder: Option<&Path>, spec: &JobSpec) -> BTreeMap<String, PathBuf> {
    let Some(folder) = folder else {
        return BTreeMap::new();
    };
    let hex = |digest: &dyn Display| digest.to_string();
    match &spec.task {
        Task::Command(command) => {
            let inputs = command.inputs().iter();
            paths(
                folder,
                inputs.map(|(name, input)| (name.as_str(), hex(&input.blake3))),
            )
        }
        Task::Kernel(kernel) => {
            let job = kernels::Job::parse(&kernel.name, kernel.params.as_value());
            let inputs = job.map(|job| job.inputs()).unwrap_or_default();
            paths(
                folder,
                inputs.iter().map(|input| (input.name, hex(&input.digest))),
            )
        }
    }
}

/// The bytes there are for the inputs of a kernel.
pub(super) fn bytes_for(folder: Option<&Path>, spec: &JobSpec) -> Result<InputBytes, JobError> {
    read_inputs(spec, &files_for(folder, spec))
}
