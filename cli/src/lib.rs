//! The `pogw` command: what a tenant, an auditor or a marketplace types.
//!
//! In scope: reading arguments and files, printing answers, exit statuses. Out of scope: every judgement, which
//! belongs to the crates below.
//!
//! Exit statuses: 0 granted or done, 1 refused, 2 usage or unreadable input, 3 unverifiable.

mod agent;
mod api;
mod appraise;
mod demo;
mod eat;
mod failure;
mod fetch;
mod files;
mod job;
mod provider;
mod receipt;
mod shown;

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use evidence::UnixTime;
use serde::Serialize;
use tokio::runtime::Runtime;

pub use agent::AgentArgs;
pub use appraise::{AppraiseArgs, Format};
pub use demo::DemoArgs;
pub use eat::EatArgs;
pub use failure::Failure;
pub use job::JobArgs;
pub use provider::ProviderArgs;
pub use receipt::ReceiptArgs;

/// Proof of GPU work: evidence in, receipts out, checked offline
#[derive(Debug, Parser)]
#[command(name = "pogw", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a verifier and an agent on this machine, and see a receipt made and checked
    Demo(DemoArgs),
    /// Judge attestation evidence of devices on this machine
    Appraise(Box<AppraiseArgs>),
    /// Check a work receipt, or look at one
    Receipt(ReceiptArgs),
    /// Check an attestation token in NVIDIA's form: a detached EAT
    Eat(EatArgs),
    /// Submit jobs, and follow them to their end
    Job(JobArgs),
    /// Let agents in
    Agent(AgentArgs),
    /// See what a provider earned
    Provider(ProviderArgs),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Granted, or done.
    Done = 0,
    /// Refused.
    Refused = 1,
    /// Usage, or input that cannot be read.
    Unreadable = 2,
    /// Nothing refuted, but something missing.
    Unverifiable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::from(0),
            Exit::Refused => Self::from(1),
            Exit::Unreadable => Self::from(2),
            Exit::Unverifiable => Self::from(3),
        }
    }
}

/// Where answers go, and beside them what a person should know that is no answer.
pub struct Output<'a> {
    answers: &'a mut dyn Write,
    notes: &'a mut dyn Write,
    watched: bool,
}

impl<'a> Output<'a> {
    /// Answers go to `answers`, notes to `notes`.
    pub fn new(answers: &'a mut dyn Write, notes: &'a mut dyn Write) -> Self {
        Self {
            answers,
            notes,
            watched: false,
        }
    }

    /// Whether notes go to a terminal, on which a line can be written again.
    #[must_use]
    pub fn watched(self, watched: bool) -> Self {
        Self { watched, ..self }
    }

    /// Prints a line of the answer.
    ///
    /// That whoever read it has gone, as in `pogw … | head`, changes nothing: the command goes on, and its exit status is
    /// that of its verdict.
    fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
        match writeln!(self.answers, "{line}") {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::Write(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Tells what is no answer. Nothing is left to do if nobody hears it.
    fn note(&mut self, note: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.notes, "pogw: {note}");
    }

    /// Bytes of an answer as they came.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self.answers.write_all(bytes) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::Write(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Text beside the answer that is no line of its own, such as a bar that grows.
    fn beside(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = write!(self.notes, "{text}").and_then(|()| self.notes.flush());
    }

    /// Whether a person watches what goes beside the answers.
    fn is_terminal(&self) -> bool {
        self.watched
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|e| Failure::Write(e.to_string()))?;
        self.line(format_args!("{text}"))
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr();
    let watched = stderr.is_terminal();
    run_watched(std::env::args_os(), &mut stdout, &mut stderr, watched).into()
}

/// Runs a command line; answers go to `stdout`, what went wrong to `stderr`.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Exit {
    run_watched(args, stdout, stderr, false)
}

fn run_watched(
    args: impl IntoIterator<Item = OsString>,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
    watched: bool,
) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, stdout, stderr),
    };
    let mut out = Output::new(stdout, stderr).watched(watched);
    dispatch(cli.command, &mut out).unwrap_or_else(|failure| {
        out.note(format_args!("{failure}"));
        failure.exit()
    })
}

fn dispatch(command: Command, out: &mut Output<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::Appraise(args) => appraise::run(&args, now(), out),
        Command::Receipt(args) => receipt::run(&args, now(), out),
        Command::Eat(args) => eat::run(&args, now(), out),
        Command::Job(args) => job::run(&args, out),
        Command::Agent(args) => agent::run(&args, out),
        Command::Provider(args) => provider::run(&args, out),
    }
}

/// Bytes that nobody knew before.
fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let drawn = aws_lc_rs::rand::fill(&mut bytes);
    drawn.map_err(|_| Failure::Unavailable("no random bytes".to_owned()))?;
    Ok(bytes)
}

fn runtime() -> Result<Runtime, Failure> {
    let runtime = Runtime::new();
    runtime.map_err(|error| Failure::Unavailable(format!("cannot start threads: {error}")))
}

/// Help and version are answers; anything else about the command line is a usage error.
fn usage(error: &clap::Error, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Exit {
    let text = error.render();
    if error.use_stderr() {
        let _ = write!(stderr, "{text}");
        Exit::Unreadable
    } else {
        let _ = write!(stdout, "{text}");
        Exit::Done
    }
}

fn now() -> UnixTime {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::from_secs(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}
