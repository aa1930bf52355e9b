//! A command that can be run: the program found, every input named.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use evidence::work::{Command, Hex, JobSpec, RequestedCheck, Task};

use super::error::CommandError;
use super::folder;
use crate::job::JobError;

/// A command that can be run.
#[derive(Clone, Debug)]
pub struct CommandJob {
    /// What was asked.
    pub spec: JobSpec,
    /// SHA-256 of the canonical job.
    pub digest: Hex<32>,
    /// The command of the job.
    pub command: Command,
    /// What will be started.
    pub(super) program: Program,
    /// Files for the inputs.
    pub(super) inputs: BTreeMap<String, PathBuf>,
}

/// What will be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A file of this machine.
    File {
        /// Its full path.
        path: PathBuf,
        /// BLAKE3 of its bytes.
        blake3: Hex<32>,
    },
    /// An input of the job.
    Input {
        /// Its name.
        name: String,
        /// BLAKE3 of its bytes.
        blake3: Hex<32>,
    },
}

impl CommandJob {
    /// Looks for the program and for every input. Whether an input has the right bytes is found out when it is copied to
    /// where the program runs.
    ///
    /// `given` is what stands after `--` on the command line: it must be the job's `argv`, to the letter. Without it the
    /// job's is run.
    ///
    /// # Errors
    /// [`CommandError`] with the reason; [`JobError::Json`] for a job without canonical form, which none read from JSON
    /// is.
    pub fn prepare(
        spec: JobSpec,
        given: Option<&[String]>,
        inputs: BTreeMap<String, PathBuf>,
    ) -> Result<Self, JobError> {
        let command = match &spec.task {
            Task::Command(command) => command.clone(),
            Task::Kernel(kernel) => {
                let kernel = kernel.name.clone();
                return Err(CommandError::NotACommand { kernel }.into());
            }
        };
        is_as_given(&command, given)?;
        is_checkable(&spec.checks)?;
        has_its_inputs(&command, &inputs)?;
        Ok(Self {
            digest: spec.digest()?,
            program: find(&command)?,
            command,
            inputs,
            spec,
        })
    }
}

fn is_as_given(command: &Command, given: Option<&[String]>) -> Result<(), CommandError> {
    match given {
        Some(given) if given != command.argv() => Err(CommandError::ArgvMismatch {
            expected: command.argv().to_vec(),
            actual: given.to_vec(),
        }),
        _ => Ok(()),
    }
}

fn is_checkable(checks: &[RequestedCheck]) -> Result<(), CommandError> {
    let recomputes = |check: &&RequestedCheck| **check != RequestedCheck::OutputDigest;
    match checks.iter().find(recomputes) {
        Some(check) => Err(CommandError::CheckNotAvailable {
            check: format!("{check:?}").to_lowercase(),
        }),
        None => Ok(()),
    }
}

fn has_its_inputs(
    command: &Command,
    inputs: &BTreeMap<String, PathBuf>,
) -> Result<(), CommandError> {
    let missing = command
        .inputs()
        .keys()
        .find(|name| !inputs.contains_key(*name));
    if let Some(name) = missing {
        return Err(CommandError::InputMissing { name: name.clone() });
    }
    match inputs
        .keys()
        .find(|name| !command.inputs().contains_key(*name))
    {
        Some(name) => Err(CommandError::InputUnexpected {
            name: name.chars().take(64).collect(),
        }),
        None => Ok(()),
    }
}

/// A full path, `./` and an input, or a name to be looked for in `PATH`.
fn find(command: &Command) -> Result<Program, CommandError> {
    let program = command.program();
    let not_found = || CommandError::NotFound {
        program: program.to_owned(),
    };
    if let Some(name) = program.strip_prefix("./") {
        let input = command.inputs().get(name).ok_or_else(not_found)?;
        return Ok(Program::Input {
            name: name.to_owned(),
            blake3: input.blake3,
        });
    }
    if program.starts_with('/') {
        return at(Path::new(program))?.ok_or_else(not_found);
    }
    if program.contains('/') {
        return Err(not_found());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut refused = not_found();
    for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
        match at(&folder.join(program)) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// The program at a path; `None` if nothing is there.
fn at(path: &Path) -> Result<Option<Program>, CommandError> {
    let Ok(data) = fs::metadata(path) else {
        return Ok(None);
    };
    let refuse = |detail: &str| CommandError::NotExecutable {
        path: path.to_path_buf(),
        detail: detail.to_owned(),
    };
    if !data.is_file() {
        return Err(refuse("it is not a file"));
    }
    if data.permissions().mode() & 0o111 == 0 {
        return Err(refuse("no execute permission"));
    }
    let blake3 = folder::program_digest(path)?;
    Ok(Some(Program::File {
        path: path.to_path_buf(),
        blake3,
    }))
}
