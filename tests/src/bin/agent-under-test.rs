//! An agent that serves a verifier in a process of its own, for tests that kill it: `agent-under-test CONFIG`.
//!
//! The library that `attestation-agent serve` is made of, with settings from the file. What it does goes to standard error.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use attestation_agent::command::supervise::{SUPERVISE, supervise};
use attestation_agent::{Agent, AgentError, Overrides, Settings};
use telemetry::Exporter;
use tokio::sync::watch;
use verifier_service::{LogLevel, init_logging_with_traces};

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).expect("config");
    // As the agent starts itself again beside a program of a job.
    if argument == SUPERVISE {
        return supervise();
    }
    match serve(&argument) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            ExitCode::from(error.ending().exit_code())
        }
    }
}

#[tokio::main]
async fn serve(config: &str) -> Result<(), AgentError> {
    let settings = Settings::load(Some(Path::new(config)), &Overrides::default());
    let settings = settings.expect("settings");
    let traces = Exporter::open(&settings.telemetry, "attestation-agent", "0").expect("traces");
    init_logging_with_traces(LogLevel::Info, traces.as_ref());
    let agent = Agent::open(settings).expect("agent");
    // Dropped, it would tell the agent to stop.
    let (_serving, until) = watch::channel(false);
    agent.serve(Arc::new(()), until).await
}
