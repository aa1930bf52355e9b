//! `serve`: assignments of a verifier, until told to stop.

use std::process;
use std::sync::Arc;

use attestation_agent::{Agent, AgentError, Settings, Until};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::log::Narrator;
use super::report::Report;

/// What a shell reports of a process that was ended by SIGINT.
const INTERRUPTED: i32 = 130;

pub(super) async fn serve(settings: Settings) -> Result<Report, AgentError> {
    let agent = Agent::open(settings)?;
    agent.serve(Arc::new(Narrator), until_told()).await?;
    Ok(Report::done(String::new(), json!({ "outcome": "done" })))
}

/// Turns true at the first SIGTERM or SIGINT; the second ends the process, whose journal is on disk.
fn until_told() -> Until {
    let (stop, until) = watch::channel(false);
    tokio::spawn(async move {
        told().await;
        stop.send_replace(true);
        told().await;
        tracing::warn!("told to stop a second time");
        process::exit(INTERRUPTED);
    });
    until
}

async fn told() {
    let [mut term, mut int] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    tokio::select! {
        () = next(&mut term) => {}
        () = next(&mut int) => {}
    }
}

/// The next signal of a kind; never, where the system does not tell.
async fn next(signal: &mut std::io::Result<Signal>) {
    let came = match signal {
        Ok(signal) => signal.recv().await,
        Err(_) => None,
    };
    if came.is_none() {
        std::future::pending::<()>().await;
    }
}
