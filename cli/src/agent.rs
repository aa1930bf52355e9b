//! `pogw agent`: what a provider needs to let agents in.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::{Api, ApiArgs, Call, printable};
use crate::{Exit, Failure, Format, Output, runtime};

/// Let agents in
#[derive(Debug, Args)]
pub struct AgentArgs {
    #[command(subcommand)]
    command: AgentCommand,
}

#[derive(Debug, Subcommand)]
enum AgentCommand {
    /// Make a token that lets one agent in
    ///
    /// It is shown once. Give it to `attestation-agent serve` in a file (--token-file) or as a systemd credential.
    EnrolToken(EnrolTokenArgs),
}

#[derive(Debug, Args)]
struct EnrolTokenArgs {
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,

    /// Life of the token, in seconds [default: the verifier's]
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u32>,

    /// File for the token, made readable for this account alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &AgentArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let AgentCommand::EnrolToken(args) = &args.command;
    runtime()?.block_on(enrol_token(args, out))
}

async fn enrol_token(args: &EnrolTokenArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    // Opened first: a token that cannot be written down is lost.
    let file = args
        .out
        .as_deref()
        .map(|path| private(path).map(|file| (path, file)))
        .transpose()?;
    let mut made = Api::new(&args.api)?.json(&request(args)).await?;
    let token = made.get("token").and_then(Value::as_str).map(str::to_owned);
    let token =
        token.ok_or_else(|| Failure::unreadable("the verifier's answer", &"it has no token"))?;
    if let Some((path, mut file)) = file {
        let written = writeln!(file, "{token}").and_then(|()| file.sync_all());
        written.map_err(|error| Failure::Write(format!("{}: {error}", path.display())))?;
        made["token"] = Value::Null;
    }
    match (args.api.format, &args.out) {
        (Format::Json, _) => out.json(&made)?,
        (Format::Text, Some(path)) => out.line(format_args!("{}", path.display()))?,
        (Format::Text, None) => out.line(format_args!("{}", printable(&token)))?,
    }
    if let Some(until) = made.get("expires_at").and_then(Value::as_str) {
        out.note(format_args!(
            "good for one agent, until {}",
            printable(until)
        ));
    }
    Ok(Exit::Done)
}

fn request(args: &EnrolTokenArgs) -> Call {
    let mut body = json!({});
    if let Some(label) = &args.label {
        body["label"] = json!(label);
    }
    if let Some(seconds) = args.expires_in {
        body["expires_in_s"] = json!(seconds);
    }
    Call::post("v1/enrolment-tokens", body.to_string().into_bytes())
}

/// A new file that only this account may read.
fn private(path: &Path) -> Result<std::fs::File, Failure> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    opened.map_err(|error| Failure::Write(format!("{}: {error}", path.display())))
}
