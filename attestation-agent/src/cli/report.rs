//! What standard output says: a result in both formats, and errors.

use std::io::{self, Write};

use attestation_agent::{AgentError, Ending, Explained};
use serde_json::{Value, json};

use super::args::Format;

/// The result of a command, for people and for programs.
pub(super) struct Report {
    /// Text, with its line ends; nothing is added to it.
    pub(super) text: String,
    /// One document.
    pub(super) json: Value,
    /// How the command ended.
    pub(super) exit: Exit,
}

/// How a command ended, as exit codes tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Well.
    Done,
    /// The answer is no: of the verifier, or of the doctor.
    No,
    /// A file, a setting or an argument is at fault.
    Unusable,
    /// Something is not there, or cannot do its part now.
    Unavailable,
}

impl From<Ending> for Exit {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Refused => Self::No,
            Ending::Unusable => Self::Unusable,
            Ending::Unavailable => Self::Unavailable,
        }
    }
}

impl Report {
    pub(super) fn done(text: String, json: Value) -> Self {
        Self {
            text,
            json,
            exit: Exit::Done,
        }
    }

    /// Prints the report on standard output.
    pub(super) fn print(&self, format: Format) -> io::Result<()> {
        match format {
            Format::Text => write(&self.text),
            Format::Json => write(&format!("{:#}\n", self.json)),
        }
    }
}

/// Prints why a command has no result: to a person on standard error, to a program where it looks
/// for the result.
pub(super) fn print_error(error: &AgentError, format: Format) -> io::Result<()> {
    match format {
        Format::Json => write(&format!("{:#}\n", error_json(error))),
        Format::Text => {
            eprint!("{}", error_text(error));
            Ok(())
        }
    }
}

pub(super) fn error_json(error: &AgentError) -> Value {
    let mut document = json!({
        "outcome": outcome(error.ending()),
        "code": error.code(),
        "message": error.to_string(),
        "remedy": error.remedy(),
    });
    if let AgentError::Verifier(error) = error
        && let Some(problem) = error.problem()
        && let Some(object) = document.as_object_mut()
    {
        object.insert("problem".to_owned(), json!(problem));
    }
    document
}

pub(super) fn error_text(error: &AgentError) -> String {
    let problem = match error {
        AgentError::Verifier(error) => error.problem(),
        _ => None,
    };
    let said = problem.map(|problem| format!("  {}\n", Explained(problem)));
    format!(
        "error: {error} [{}]\n{}remedy: {}\n",
        error.code(),
        said.unwrap_or_default(),
        error.remedy()
    )
}

fn outcome(ending: Ending) -> &'static str {
    match ending {
        Ending::Refused => "refused",
        Ending::Unusable => "unusable",
        Ending::Unavailable => "unavailable",
    }
}

/// A reader that has seen enough and closed the pipe is no failure.
fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
