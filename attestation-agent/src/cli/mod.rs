//! The command line: from arguments to a report and an exit code.
//!
//! | Exit code | Meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused by the verifier; `serve`: removed by it; `doctor`, `install-check`: a problem was found |
//! | 2 | usage, settings or input: nothing changes until somebody mends it |
//! | 3 | no device, no verifier, or a verifier that cannot verify now: try later; `doctor`, `install-check`: no problem was found, and something could not be determined |
//!
//! Standard output carries the result and nothing else, as text or as one JSON document. What
//! happens on the way goes to standard error.

mod args;
mod attest;
mod collateral;
mod command;
mod devices;
mod doctor;
mod log;
mod outcome;
mod report;
mod run;
mod serve;
mod submit;

use std::process::ExitCode;
use std::time::Duration;

use attestation_agent::{AgentError, ConfigError, Ending, Settings};
use telemetry::{Exporter, TelemetryError};

pub(crate) use args::Cli;
use args::Command;
use report::{Exit, Report};

/// Time for the last spans to reach the collector.
const TRACES_TIMEOUT: Duration = Duration::from_secs(3);

/// Does what the arguments say.
pub(crate) async fn main(cli: Cli) -> ExitCode {
    let settings = Settings::load(cli.config.as_deref(), &cli.overrides());
    let traces = settings.as_ref().ok().map(exporter).transpose();
    let (traces, fault) = match traces {
        Ok(traces) => (traces.flatten(), None),
        Err(error) => (None, Some(error)),
    };
    log::init(cli.log, traces.as_ref());
    let outcome = match (settings, fault) {
        (Ok(settings), None) => dispatch(cli.command, settings).await,
        (Ok(_), Some(fault)) => Err(ConfigError::Invalid(fault.to_string()).into()),
        (Err(error), _) => Err(error.into()),
    };
    if let Some(traces) = traces {
        traces.close(TRACES_TIMEOUT).await;
    }
    let (printed, exit) = match outcome {
        Ok(report) => (report.print(cli.format), report.exit),
        Err(error) => {
            let exit = Exit::from(error.ending());
            (report::print_error(&error, cli.format), exit)
        }
    };
    match printed {
        Ok(()) => exit_code(exit),
        Err(error) => {
            tracing::error!("cannot write to standard output: {error}");
            exit_code(Exit::Unusable)
        }
    }
}

fn exporter(settings: &Settings) -> Result<Option<Exporter>, TelemetryError> {
    let version = env!("CARGO_PKG_VERSION");
    Exporter::open(&settings.telemetry, "attestation-agent", version)
}

async fn dispatch(command: Command, settings: Settings) -> Result<Report, AgentError> {
    match command {
        Command::Run(args) => run::run(args, settings).await,
        Command::Attest(args) => attest::attest(args, settings).await,
        Command::Devices(_) => devices::devices(settings).await,
        Command::Doctor(_) => doctor::doctor(settings).await,
        Command::InstallCheck(_) => doctor::install_check(settings).await,
        Command::Serve(_) => serve::serve(settings).await,
        Command::Submit => submit::submit(settings).await,
        Command::SimulatedCollateral(args) => collateral::collateral(args, settings),
        // `main` does it, before anything else of this program begins.
        Command::Supervise => Ok(Report::done(String::new(), serde_json::Value::Null)),
    }
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(match exit {
        Exit::Done => 0,
        Exit::No => Ending::Refused.exit_code(),
        Exit::Unusable => Ending::Unusable.exit_code(),
        Exit::Unavailable => Ending::Unavailable.exit_code(),
    })
}
