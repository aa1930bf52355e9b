//! The verifier as a process: command line, signals, exit status (0; 1 for a failure; 2 for what an operator has to
//! mend: configuration, keys).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use daemon::notify;
use evidence::UnixTime;
use receipt::{Algorithm, Thumbprint};
use telemetry::Exporter;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use verifier_service::appraiser::OpenError;
use verifier_service::{
    Appraiser, AuditDesk, CertificateFileError, Config, ConfigError, Head, KeyDesk, ListedKey,
    Reload, Retirement, Rotation, Service, ServiceError, Successor, SystemClock,
    check_certificates, init_logging_with_traces,
};

/// Time for computations nobody waits for any more to end.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for the last spans to reach the collector.
const TRACES_TIMEOUT: Duration = Duration::from_secs(3);

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
    /// Lists, rotates and retires the keys that sign receipts, beside running verifiers.
    #[command(subcommand)]
    Keys(KeyCommand),
    /// Checks the audit log and takes it out, beside running verifiers.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Says whether the configuration, the policy and the anchors can be used, and changes nothing.
    CheckConfig(Settings),
    /// Prints the OpenAPI document of the interface.
    Openapi,
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// The TOML file, with drop-ins in conf.d/*.toml beside it; without it, defaults and environment alone.
    #[arg(long, env = "POGW_VERIFIER_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Shows every key, from the first to the last.
    List {
        #[command(flatten)]
        settings: Settings,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Makes a key that takes the place of the one that signs, once it has been published for long enough.
    Rotate {
        #[command(flatten)]
        settings: Settings,
        /// ES384, ES256 or Ed25519 [default: signing_algorithm of the configuration]
        #[arg(long)]
        algorithm: Option<Algorithm>,
        /// Lets it sign as soon as running verifiers know of it, and withdraws keys that were to sign next: for a key that
        /// leaked.
        #[arg(long)]
        at_once: bool,
    },
    /// Ends a key whose successor signs already. It stays published, and receipts of it count.
    Retire {
        #[command(flatten)]
        settings: Settings,
        /// Its name, as `list` shows it.
        #[arg(allow_hyphen_values = true)]
        kid: Thumbprint,
        /// Others may have it: it is published no more, and no receipt of it counts any more, whenever it was issued.
        #[arg(long)]
        leaked: bool,
        /// Another verifier has the key that signs in its place; without this, both have to be within reach here.
        #[arg(long)]
        held_elsewhere: bool,
    },
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Sees that no entry was altered, removed or moved, and prints the head as NUMBER:DIGEST. Exit status 1 if one was.
    Verify {
        #[command(flatten)]
        settings: Settings,
        /// A head that was noted earlier, elsewhere: it must still be in the log.
        #[arg(long, value_name = "NUMBER:DIGEST")]
        head: Option<Head>,
    },
    /// Prints every entry as a line of JSON, the first first.
    Export {
        #[command(flatten)]
        settings: Settings,
    },
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
        Command::Keys(command) => {
            let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
            let answer = runtime.block_on(attend_to_keys(command))?;
            println!("{answer}");
            Ok(())
        }
        Command::Audit(command) => {
            let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
            runtime.block_on(attend_to_audit(command))
        }
        Command::CheckConfig(settings) => {
            let config = Config::load(settings.config.as_deref())?;
            Appraiser::open(&config.appraisal)?;
            check_certificates(&config.http.tls)?;
            println!("configuration is good");
            Ok(())
        }
        Command::Openapi => {
            print!("{}", verifier_service::openapi());
            Ok(())
        }
    }
}

async fn attend_to_audit(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify { settings, head } => {
            let config = Config::load(settings.config.as_deref())?;
            let walked = AuditDesk::open(&config).await?.verify(head).await?;
            println!("{}", walked.head);
            let Some(first) = walked.findings.first() else {
                return Ok(());
            };
            for finding in &walked.findings {
                eprintln!("{finding}");
            }
            bail!("the audit log is not whole: {first}")
        }
        AuditCommand::Export { settings } => {
            let config = Config::load(settings.config.as_deref())?;
            let desk = AuditDesk::open(&config).await?;
            desk.export(std::io::stdout().lock()).await?;
            Ok(())
        }
    }
}

async fn attend_to_keys(command: KeyCommand) -> anyhow::Result<String> {
    match command {
        KeyCommand::List { settings, json } => {
            let keys = key_desk(settings).await?.list().await?;
            match json {
                true => Ok(serde_json::to_string_pretty(&keys)?),
                false => Ok(table_of(&keys)),
            }
        }
        KeyCommand::Rotate {
            settings,
            algorithm,
            at_once,
        } => {
            let when = match at_once {
                true => Rotation::AtOnce,
                false => Rotation::Published,
            };
            let key = key_desk(settings).await?.rotate(algorithm, when).await?;
            let from = match key.usable_from {
                Some(from) => format!("from {from}"),
                None => {
                    "once a running verifier has published it for keys.publish_before_s".to_owned()
                }
            };
            Ok(format!("{} ({}) signs {from}", key.kid, key.algorithm))
        }
        KeyCommand::Retire {
            settings,
            kid,
            leaked,
            held_elsewhere,
        } => {
            let why = match leaked {
                true => Retirement::Leaked,
                false => Retirement::Due,
            };
            let successor = match held_elsewhere {
                true => Successor::Elsewhere,
                false => Successor::Here,
            };
            let desk = key_desk(settings).await?;
            let at = desk.retire(kid, why, successor).await?;
            Ok(match why {
                Retirement::Leaked => {
                    format!("{kid} is published no more; no receipt of it counts")
                }
                _ => format!("{kid} signs until {at}; receipts of it count"),
            })
        }
    }
}

async fn key_desk(settings: Settings) -> anyhow::Result<KeyDesk> {
    let config = Config::load(settings.config.as_deref())?;
    Ok(KeyDesk::open(config, Arc::new(SystemClock)).await?)
}

fn table_of(keys: &[ListedKey]) -> String {
    let time =
        |time: Option<_>| time.map_or_else(|| "-".to_owned(), |time: UnixTime| time.to_string());
    let mut lines = vec![format!(
        "{:<43}  {:<9}  {:<9}  {:<20}  {:<20}  private half",
        "kid", "algorithm", "stage", "signs from", "until"
    )];
    lines.extend(keys.iter().map(|key| {
        let stage = if key.signs { "signs" } else { key.stage };
        format!(
            "{:<43}  {:<9}  {stage:<9}  {:<20}  {:<20}  {}",
            key.kid,
            key.algorithm,
            time(key.usable_from),
            time(key.retired_at),
            key.place.as_deref().unwrap_or("not here"),
        )
    }));
    lines.join("\n")
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

/// 2 where the configuration, or a policy or anchors it names, cannot be used, what `check-config` would say too; and where
/// the keys cannot. Whoever starts the service again must not do so then: each start with a wrong PIN is a try less that the
/// token has left.
fn status(error: &anyhow::Error) -> u8 {
    let is_for_the_operator = error.is::<ConfigError>()
        || error.is::<OpenError>()
        || error.is::<CertificateFileError>()
        || match error.downcast_ref() {
            Some(ServiceError::Config(_) | ServiceError::Appraiser(_) | ServiceError::Tls(_)) => {
                true
            }
            Some(ServiceError::Keys(fault)) => fault.is_for_the_operator(),
            _ => false,
        };
    match is_for_the_operator {
        true => 2,
        false => 1,
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let traces = {
        let _inside = runtime.enter();
        let version = env!("CARGO_PKG_VERSION");
        Exporter::open(&config.telemetry, "pogw-verifier", version)?
    };
    init_logging_with_traces(config.log_level, traces.as_ref());
    let served = runtime.block_on(listen(config));
    if let Some(traces) = traces {
        runtime.block_on(traces.close(TRACES_TIMEOUT));
    }
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
