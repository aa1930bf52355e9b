//! `pogw job`: jobs of a tenant, from submission to settlement.

mod progress;
mod wait;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::api::{Api, ApiArgs, Call};
use crate::{Exit, Failure, Format, Output, files, random, runtime, shown};

/// Longest job file: a spec of 64 KiB and its terms.
const MAX_JOB_BYTES: usize = 128 * 1024;

/// Submit jobs, and follow them to their end
#[derive(Debug, Args)]
pub struct JobArgs {
    #[command(subcommand)]
    command: JobCommand,
}

#[derive(Debug, Subcommand)]
enum JobCommand {
    /// Submit a job: a JSON file with the members spec and terms
    ///
    /// The price of all replicas goes into escrow. The same --idempotency-key makes the same job once, however often it is
    /// submitted.
    Submit(SubmitArgs),
    /// Wait for the end of a job
    ///
    /// Ends with 0 when the job is accepted (or settled, with --until settled), with 1 when it failed or was cancelled,
    /// with 3 when the time is up or the verifier cannot be asked.
    Wait(WaitArgs),
    /// Show a job
    Show(OneArgs),
    /// Cancel a job, while no result was committed to
    Cancel(OneArgs),
    /// List jobs, the newest first
    List(ListArgs),
}

#[derive(Debug, Args)]
struct SubmitArgs {
    /// The job (JSON), `-` for standard input
    file: PathBuf,

    /// A key under which this job is made once [default: a random one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
struct WaitArgs {
    /// The job
    #[arg(value_parser = id)]
    job: String,

    /// What to wait for
    #[arg(long, value_enum, default_value_t)]
    until: wait::Until,

    /// The longest wait, in seconds [default: none]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,

    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// The job
    #[arg(value_parser = id)]
    job: String,

    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Most jobs of this page
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,

    /// The page after this one, as `next` of the page before says
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(args: &JobArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    runtime()?.block_on(async {
        match &args.command {
            JobCommand::Submit(args) => submit(args, out).await,
            JobCommand::Wait(args) => {
                let api = Api::new(&args.api)?;
                let wanted = wait::Wanted {
                    job: &args.job,
                    until: args.until,
                    timeout: args.timeout,
                };
                wait::wait(&api, &wanted, args.api.format, out).await
            }
            JobCommand::Show(args) => one(args, Call::get(path(&args.job)), out).await,
            JobCommand::Cancel(args) => {
                let call = Call::post(format!("{}/cancel", path(&args.job)), b"{}".to_vec());
                one(args, call, out).await
            }
            JobCommand::List(args) => list(args, out).await,
        }
    })
}

async fn submit(args: &SubmitArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let job = match args.file.as_os_str() == "-" {
        true => files::read_stdin(MAX_JOB_BYTES)?,
        false => files::read(&args.file, MAX_JOB_BYTES)?,
    };
    // What it says is for the verifier to judge; that it is JSON at all saves a round trip.
    let name = args.file.display();
    serde_json::from_slice::<Value>(&job).map_err(|error| Failure::unreadable(name, &error))?;
    let key = match &args.idempotency_key {
        Some(key) => key.clone(),
        None => random_key()?,
    };
    let api = Api::new(&args.api)?;
    let made = api.json(&Call::post("v1/jobs", job).once(key)).await?;
    let [stake, advised] =
        ["/terms/stake", "/advised_stake"].map(|path| made.pointer(path)?.as_u64());
    if let (Some(stake), Some(advised)) = (stake, advised)
        && stake < advised
    {
        out.note(format_args!(
            "the stake of {stake} is below {advised}, from which cheating is a loss where one in five looks away"
        ));
    }
    show(&made, args.api.format, out)
}

async fn one(args: &OneArgs, call: Call, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let job = Api::new(&args.api)?.json(&call).await?;
    show(&job, args.api.format, out)
}

async fn list(args: &ListArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let call = Call::get("v1/jobs")
        .with("limit", args.limit)
        .with("cursor", args.cursor.as_ref());
    let page = Api::new(&args.api)?.json(&call).await?;
    if args.api.format == Format::Json {
        out.json(&page)?;
        return Ok(Exit::Done);
    }
    let jobs = page.get("jobs").and_then(Value::as_array);
    for job in jobs.into_iter().flatten() {
        let line = shown::columns(job, &["id", "status", "code", "created_at"]);
        out.line(format_args!("{line}"))?;
    }
    if let Some(next) = page.get("next").and_then(Value::as_str) {
        out.note(format_args!(
            "more: --cursor {}",
            crate::api::printable(next)
        ));
    }
    Ok(Exit::Done)
}

/// A job as it stands. Work and terms are the tenant's own words, and left out of the text.
fn show(job: &Value, format: Format, out: &mut Output<'_>) -> Result<Exit, Failure> {
    match format {
        Format::Json => out.json(job)?,
        Format::Text => shown::object(job, &["spec", "terms"], out)?,
    }
    Ok(Exit::Done)
}

fn path(job: &str) -> String {
    format!("v1/jobs/{job}")
}

/// Names stand in paths.
pub(crate) fn id(text: &str) -> Result<String, String> {
    let named = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (1..=64).contains(&text.len()) && text.bytes().all(named) {
        true => Ok(text.to_owned()),
        false => Err("expected 1 to 64 of A-Z a-z 0-9 _ -".to_owned()),
    }
}

fn random_key() -> Result<String, Failure> {
    Ok(hex::encode(random::<16>()?))
}
