//! The verifier as a process: command line, signals, exit status.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use verifier_service::{Appraiser, Config, Service, SystemClock, init_logging};

/// Time for computations nobody waits for any more to end.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Appraises evidence over HTTP and issues work receipts.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers requests until SIGTERM or SIGINT.
    Serve(Settings),
    /// Says whether the configuration, the policy and the anchors can be used, and changes nothing.
    CheckConfig(Settings),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// The TOML file; without it, defaults and environment alone.
    #[arg(long, env = "POGW_VERIFIER_CONFIG")]
    config: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(settings) => run(Config::load(settings.config.as_deref())?),
        Command::CheckConfig(settings) => {
            let config = Config::load(settings.config.as_deref())?;
            Appraiser::open(&config.appraisal)?;
            println!("configuration is good");
            Ok(())
        }
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
    };
    let address = config.listen;
    let service = Service::open(config, Arc::new(SystemClock)).await?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().context("cannot tell the address")?;
    tracing::info!(%address, "listening");
    service.serve(listener, shutdown).await?;
    Ok(())
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
