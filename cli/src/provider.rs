//! `pogw provider`: what a provider earned.

use clap::{Args, Subcommand};
use evidence::UnixTime;

use crate::api::{Api, ApiArgs, Call};
use crate::{Exit, Failure, Format, Output, job, runtime, shown};

/// See what a provider earned
#[derive(Debug, Args)]
pub struct ProviderArgs {
    #[command(subcommand)]
    command: ProviderCommand,
}

#[derive(Debug, Subcommand)]
enum ProviderCommand {
    /// The statement of a provider: stakes, payments, what was lost, and the balance
    Statement(StatementArgs),
}

#[derive(Debug, Args)]
struct StatementArgs {
    /// The provider
    #[arg(value_parser = job::id)]
    provider: String,

    /// From this time on (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UnixTime>,

    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UnixTime>,

    /// As CSV, one line for each entry
    #[arg(long)]
    csv: bool,

    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &ProviderArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let ProviderCommand::Statement(args) = &args.command;
    runtime()?.block_on(statement(args, out))
}

async fn statement(args: &StatementArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let call = Call::get(format!("v1/providers/{}/statement", args.provider))
        .with("from", args.from)
        .with("to", args.to);
    let api = Api::new(&args.api)?;
    if args.csv {
        out.bytes(&api.body(&call.accepting("text/csv")).await?)?;
        return Ok(Exit::Done);
    }
    let statement = api.json(&call).await?;
    match args.api.format {
        Format::Json => out.json(&statement)?,
        Format::Text => shown::object(&statement, &[], out)?,
    }
    Ok(Exit::Done)
}

fn time(text: &str) -> Result<UnixTime, String> {
    UnixTime::parse_rfc3339(text)
        .ok_or_else(|| "expected an RFC 3339 time, such as 2026-11-01T00:00:00Z".to_owned())
}
