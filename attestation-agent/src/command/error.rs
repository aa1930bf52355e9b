//! Why a program has no statement: one code for each way to go wrong.

use std::io;
use std::path::PathBuf;

use crate::files::FileError;

/// Why a command could not be run, or was run in vain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command line after `--` is not that of the job.
    #[error("the command given is not the job's: expected {expected:?}, got {actual:?}")]
    ArgvMismatch {
        /// `argv` of the job.
        expected: Vec<String>,
        /// What was given.
        actual: Vec<String>,
    },
    /// A command was given for a job that is a kernel.
    #[error("a command was given, and the job is the kernel {kernel}")]
    NotACommand {
        /// The kernel of the job.
        kernel: String,
    },
    /// The job asks for a check that recomputes, which no command allows.
    #[error("a command cannot be recomputed: expected output_digest at most, got {check}")]
    CheckNotAvailable {
        /// The check.
        check: String,
    },
    /// Nothing of that name can be started.
    #[error(
        "no program {program} was found in PATH, as a full path or, as ./NAME, among the inputs"
    )]
    NotFound {
        /// The first argument.
        program: String,
    },
    /// The file is there and cannot be started.
    #[error("{} cannot be started: {detail}", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// An input of the job was not given.
    #[error("input {name} is missing")]
    InputMissing {
        /// Its name.
        name: String,
    },
    /// A file was given for an input that the job does not have.
    #[error("input {name} is not one of the job's")]
    InputUnexpected {
        /// Its name.
        name: String,
    },
    /// An input has another length than the job says.
    #[error("input {name}: expected {expected} bytes, got {actual}")]
    InputLength {
        /// Its name.
        name: String,
        /// As in the job.
        expected: u64,
        /// As found.
        actual: u64,
    },
    /// An input has other bytes than the job says.
    #[error("input {name}: expected BLAKE3 {expected}, got {actual}")]
    InputDigest {
        /// Its name.
        name: String,
        /// As in the job.
        expected: String,
        /// As found.
        actual: String,
    },
    /// The program ran out of time.
    #[error("the program was ended after {limit_s} s, the limit of the job")]
    TimedOut {
        /// The limit.
        limit_s: u64,
    },
    /// The program had more processes than it may.
    #[error("the program was ended: expected at most {limit} processes, got {actual}")]
    TooManyProcesses {
        /// The limit.
        limit: u64,
        /// As seen.
        actual: u64,
    },
    /// The program used more memory than it may.
    #[error("the program was ended: expected at most {limit} bytes of memory, got {actual}")]
    MemoryExceeded {
        /// The limit.
        limit: u64,
        /// As seen.
        actual: u64,
    },
    /// The program wrote more than it may.
    #[error("the program was ended: expected at most {limit} bytes of files, got {actual}")]
    OutputTooLarge {
        /// The limit.
        limit: u64,
        /// As seen; the kernel stops a single file one byte beyond the limit.
        actual: u64,
    },
    /// The program said more on standard output or standard error than is kept.
    #[error("the program was ended: expected at most {limit} bytes on {stream}")]
    StreamTooLong {
        /// `stdout` or `stderr`.
        stream: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Processes of the program went on after it had ended.
    #[error("{count} processes went on after the program had ended, and were ended")]
    Outlived {
        /// How many.
        count: u64,
    },
    /// A signal ended the program.
    #[error("signal {signal} ended the program; last words: {stderr:?}")]
    Killed {
        /// Its number.
        signal: i32,
        /// The end of standard error.
        stderr: String,
    },
    /// The program ended with another exit status than 0.
    #[error("the program ended with exit status {status}; last words: {stderr:?}")]
    Failed {
        /// The status.
        status: i32,
        /// The end of standard error.
        stderr: String,
    },
    /// An output is not there.
    #[error("output {name} is not there")]
    OutputMissing {
        /// Its name.
        name: String,
    },
    /// An output is a link, a folder, a device, or a file with a second name.
    #[error("output {name} is not a plain file: {found}")]
    OutputNotPlain {
        /// Its name.
        name: String,
        /// What it is.
        found: &'static str,
    },
    /// An output changed while it was digested, or after it was handed in.
    #[error("output {name} changed: {detail}")]
    OutputChanged {
        /// Its name.
        name: String,
        /// What differs.
        detail: String,
    },
    /// The path of the socket is longer than an address can be.
    #[error(
        "the run folder's path is too long for a socket: expected at most {limit} bytes, got {actual}"
    )]
    SocketPath {
        /// The bound.
        limit: usize,
        /// The length.
        actual: usize,
    },
    /// The process that watches the program failed.
    #[error("the supervisor failed: {detail}")]
    Supervisor {
        /// What is known.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl CommandError {
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let wrapped = FileError::io(action, path);
        move |source| Self::File(wrapped(source))
    }

    /// The stable word for this cause.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ArgvMismatch { .. } => "command_mismatch",
            Self::NotACommand { .. } => "job_not_a_command",
            Self::CheckNotAvailable { .. } => "check_not_available",
            Self::NotFound { .. } => "command_not_found",
            Self::NotExecutable { .. } => "command_not_executable",
            Self::InputMissing { .. } => "input_missing",
            Self::InputUnexpected { .. } => "input_unexpected",
            Self::InputLength { .. } => "input_length_mismatch",
            Self::InputDigest { .. } => "input_digest_mismatch",
            Self::TimedOut { .. } => "command_timed_out",
            Self::TooManyProcesses { .. } => "command_processes_exceeded",
            Self::MemoryExceeded { .. } => "command_memory_exceeded",
            Self::OutputTooLarge { .. } => "command_output_exceeded",
            Self::StreamTooLong { .. } => "command_stream_exceeded",
            Self::Outlived { .. } => "command_outlived",
            Self::Killed { .. } => "command_killed",
            Self::Failed { .. } => "command_failed",
            Self::OutputMissing { .. } => "output_missing",
            Self::OutputNotPlain { .. } => "output_not_plain",
            Self::OutputChanged { .. } => "output_changed",
            Self::SocketPath { .. } => "socket_path_too_long",
            Self::Supervisor { .. } => "supervisor_failed",
            Self::File(error) => error.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::ArgvMismatch { .. } => {
                "Give the very arguments of the job after --, or leave -- away: the job's are run."
            }
            Self::NotACommand { .. } => "Leave the command away; the agent runs the kernel itself.",
            Self::CheckNotAvailable { .. } => {
                "Ask for output_digest or for no check: nobody but its author can recompute a program."
            }
            Self::NotFound { .. } => {
                "Install the program, give its full path in argv, or make it an input and start ./NAME."
            }
            Self::NotExecutable { .. } => {
                "Make the file executable, for this account and this machine; a script names its interpreter in its first line."
            }
            Self::InputMissing { .. } | Self::InputUnexpected { .. } => {
                "Give every input the job names, and no other, as --input NAME=FILE."
            }
            Self::InputLength { .. } | Self::InputDigest { .. } => {
                "Give exactly the bytes whose length and BLAKE3 digest (b3sum FILE) are in the job."
            }
            Self::TimedOut { .. }
            | Self::TooManyProcesses { .. }
            | Self::MemoryExceeded { .. }
            | Self::OutputTooLarge { .. } => {
                "Ask for a job with wider limits, or make the program need less."
            }
            Self::StreamTooLong { .. } => "Have the program say less, or write to a file.",
            Self::Outlived { .. } => {
                "Have the program wait for all it starts before it ends; nothing may go on behind a statement."
            }
            Self::Killed { .. } => {
                "Look at the end of standard error and at dmesg; signal 9 is often the kernel, out of memory."
            }
            Self::Failed { .. } => {
                "Look at the end of standard error; --keep leaves the run folder. Only a program that ends with 0 gets a receipt."
            }
            Self::OutputMissing { .. } => {
                "Have the program write every output the job names into the folder it starts in."
            }
            Self::OutputNotPlain { .. } => {
                "Have the program write plain files, not links or pipes."
            }
            Self::OutputChanged { .. } => {
                "Let nothing write to an output once it is handed in, or after the program has ended."
            }
            Self::SocketPath { .. } => "Set command.run_dir to a folder with a shorter path.",
            Self::Supervisor { .. } => {
                "Look at the log. Nothing was committed or submitted; the work can be repeated."
            }
            Self::File(error) => error.remedy(),
        }
    }
}
