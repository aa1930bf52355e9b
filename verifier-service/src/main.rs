//! The verifier as a process: command line, signals, exit status (0, 1 for a failure, 2 for the configuration).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use daemon::notify;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use verifier_service::appraiser::OpenError;
use verifier_service::{
    Appraiser, CertificateFileError, Config, ConfigError, Reload, Service, ServiceError,
    SystemClock, check_certificates, init_logging,
};

/// Time for computations nobody waits for any more to end.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// An appraisal is many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Appraises evidence over HTTP and issues work receipts.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers requests until SIGTERM or SIGINT; SIGHUP has certificate and key of TLS read again.
    Serve(Settings),
    /// Says whether the configuration, the policy and the anchors can be used, and changes nothing.
    CheckConfig(Settings),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// The TOML file, with drop-ins in conf.d/*.toml beside it; without it, defaults and environment alone.
    #[arg(long, env = "POGW_VERIFIER_CONFIG")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match answer(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("verifier-service: {}", in_one_line(&error));
            ExitCode::from(status(&error))
        }
    }
}

fn answer(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(settings) => run(Config::load(settings.config.as_deref())?),
        Command::CheckConfig(settings) => {
            let config = Config::load(settings.config.as_deref())?;
            Appraiser::open(&config.appraisal)?;
            check_certificates(&config.http.tls)?;
            println!("configuration is good");
            Ok(())
        }
    }
}

/// The error and what is behind it, outermost first. A message that ends in the next one is not repeated.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for message in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = message;
        } else if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.join(" ")
}

/// 2 where the configuration, or a policy or anchors it names, cannot be used: what `check-config` would say too.
fn status(error: &anyhow::Error) -> u8 {
    let is_of_configuration = error.is::<ConfigError>()
        || error.is::<OpenError>()
        || error.is::<CertificateFileError>()
        || matches!(
            error.downcast_ref(),
            Some(ServiceError::Config(_) | ServiceError::Appraiser(_) | ServiceError::Tls(_))
        );
    match is_of_configuration {
        true => 2,
        false => 1,
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    init_logging(config.log_level);
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let served = runtime.block_on(listen(config));
    runtime.shutdown_timeout(BACKGROUND_TIMEOUT);
    served
}

async fn listen(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        notify::stopping();
    };
    let hangups = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let address = config.listen;
    let service = Service::open(config, Arc::new(SystemClock)).await?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().context("cannot tell the address")?;
    tracing::info!(%address, "listening");
    tokio::spawn(reload_at(hangups, service.reload()));
    notify::status(&format!("listening on {address}"));
    notify::ready();
    service.serve(listener, shutdown).await?;
    Ok(())
}

/// Reads again what can be, at every SIGHUP.
async fn reload_at(mut hangups: Signal, reload: Reload) {
    while hangups.recv().await.is_some() {
        notify::reloading();
        reload.now();
        notify::ready();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
