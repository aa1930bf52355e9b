//! The log on standard error, and the progress of a run in it.
//!
//! Digests, sizes and times are logged; evidence, outputs and keys never are.

use std::io;

use attestation_agent::{Progress, Step};
use telemetry::Exporter;
use tracing::{info, warn};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::args::LogFormat;

/// Starts the log. `RUST_LOG` chooses what is in it, else everything from `info` on.
/// Steps of traces are none of it; they go to the exporter, where there is one.
pub(super) fn init(format: LogFormat, traces: Option<&Exporter>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let log = match format {
        LogFormat::Human => log.without_time().with_target(false).compact().boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let is_logged = filter_fn(|metadata| metadata.target() != telemetry::TARGET);
    let log = log.with_filter(filter.and(is_logged));
    let log = tracing_subscriber::registry().with(log);
    // A layer that may be absent would have every step that nobody takes asked about, each time.
    match traces {
        Some(traces) => log.with(traces.layer("assignment")).init(),
        None => log.init(),
    }
}

/// Logs each step.
pub(super) struct Narrator;

impl Progress for Narrator {
    fn step(&self, step: &Step<'_>) {
        match step {
            Step::Prepared { .. }
            | Step::CommandPrepared { .. }
            | Step::CommandFinished { .. }
            | Step::DevicesOpened { .. }
            | Step::Challenged { .. }
            | Step::Executed { .. } => before_commitment(step),
            _ => after_commitment(step),
        }
    }
}

fn before_commitment(step: &Step<'_>) {
    match step {
        Step::Prepared { job } => {
            info!(job = %job.digest, kernel = %job.job.kernel().name(), "job is ready")
        }
        Step::CommandPrepared { job } => {
            info!(job = %job.digest, program = job.command.program(), "job is ready");
        }
        Step::CommandFinished { run } => {
            let (run_us, digest_us) = (run.run_us, run.digest_us);
            info!(
                run_us,
                digest_us,
                marks = run.trace.marks().len(),
                "program ended"
            );
            for output in &run.outputs {
                info!(output = output.name, bytes = output.len, blake3 = %output.blake3, "output is fixed");
            }
        }
        Step::DevicesOpened { devices } => {
            for device in *devices {
                let (index, arch) = (device.index, device.arch);
                info!(device = index, %arch, name = device.name, "device is open");
            }
        }
        Step::Challenged { challenge } => {
            info!(id = challenge.id, expires_at = %challenge.expires_at, "got a challenge");
        }
        Step::Executed { executor, run } => {
            let (run_us, digest_us) = (run.run_us, run.digest_us);
            info!(executor, run_us, digest_us, "kernel ran");
            for output in &run.outputs {
                let (bytes, blake3) = (output.len, output.digest);
                info!(output = output.name, bytes, %blake3, "output is fixed");
            }
        }
        _ => {}
    }
}

fn after_commitment(step: &Step<'_>) {
    match step {
        Step::Committed { nonce, .. } => info!(%nonce, "statement is fixed"),
        Step::Attested { devices } => info!(devices, "reports are collected"),
        Step::Sealed { digest, bytes } => info!(bundle = %digest, bytes, "bundle is signed"),
        Step::Retrying {
            request,
            attempt,
            cause,
            wait,
        } => {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            warn!(
                request,
                attempt, wait_ms, cause, "attempt failed, trying again"
            );
        }
        Step::Received { bundle, location } => {
            info!(%bundle, location, "receipt is stored");
        }
        Step::LeftoverRefused { bundle, cause } => {
            warn!(%bundle, cause, "bundle of an earlier run was refused and is dropped");
        }
        Step::LeftoverExpired { bundle, cause } => {
            warn!(%bundle, cause, "bundle of an earlier run expired unverified");
        }
        Step::LeftoverKept { file, cause } => {
            warn!(file, cause, "bundle of an earlier run stays in the outbox");
        }
        _ => {}
    }
}
