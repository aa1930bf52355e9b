//! `pogw demo`: the whole way of a piece of work on one machine.
//!
//! A verifier listens on this machine, an agent runs a job of a kernel and asks it for a receipt over HTTP, and the
//! receipt is then validated offline with the verifier's key set. State lives in a temporary folder; what is worth
//! keeping is written to `--out`.
//!
//! A GPU in confidential-computing mode is used where there is one. Elsewhere a software device takes its place, and
//! the receipt says so.

mod steps;
mod works;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use attestation_agent::device::simulated::{SimulatedDevice, Window};
use attestation_agent::device::{self, Selection, SourceKind};
use attestation_agent::{Agent, DeviceSettings, InputBytes, RunReport, Settings, parse_job};
use clap::Args;
use evidence::UnixTime;
use receipt::{Expectations, Jwks, Level, Receipt, Validator, limits};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use verifier_service::{AppraisalSettings, Clock, Config, OcspSettings, Service, SystemClock};

use crate::failure::Failure;
use crate::{Exit, Output, fetch};
use steps::{Narrator, Telling};
use works::DemoKernel;

const AUDIENCE: &str = "pogw-demo";
/// A bundle with the outputs of any demonstration, and more.
const MAX_ARCHIVE_BYTES: usize = 256 * 1024 * 1024;

/// Options of `pogw demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// What to run
    #[arg(long, value_enum, default_value_t)]
    kernel: DemoKernel,
    /// Folder for receipt, key set and outputs
    #[arg(long, value_name = "DIR", default_value = "pogw-demo")]
    out: PathBuf,
    /// Size n of the matrix product (n × n × n); other kernels have a size of their own
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=2048))]
    size: u32,
    /// Use a software device even where there is a GPU
    #[arg(long)]
    simulated: bool,
    /// Reference manifests for a real GPU, filed as ID.xml
    #[arg(long, value_name = "DIR")]
    rim_dir: Option<PathBuf>,
}

/// What a run left, and how it is checked.
struct Outcome {
    run: RunReport,
    jwks: String,
    /// The receipt with all it rests on.
    archive: Vec<u8>,
    /// The roots of the software device, where one ran.
    anchors: Option<Vec<u8>>,
    issuer: String,
}

/// Runs the demonstration.
///
/// # Errors
/// A step failed; what it says is what a user of that step would see.
pub(crate) fn run(args: &DemoArgs, out: &mut Output<'_>) -> Result<Exit, Failure> {
    let folder = tempfile::tempdir().map_err(|e| Failure::Write(e.to_string()))?;
    let source = choose_device(args, out)?;
    let appraisal = appraisal_settings(args, source, &folder)?;
    let (telling, told) = mpsc::channel();
    let runtime = crate::runtime()?;
    let task = runtime.spawn(demonstrate(
        args.kernel.job(args.size),
        source,
        appraisal,
        folder,
        telling,
    ));
    for line in told {
        out.line(format_args!("{line}"))?;
    }
    let outcome = runtime
        .block_on(task)
        .map_err(|error| Failure::Unavailable(error.to_string()))??;
    let receipt = validate(&outcome)?;
    out.line(format_args!(
        "validated   offline, with the key set alone\n"
    ))?;
    crate::receipt::print(&receipt, out)?;
    for line in args.kernel.sights(&outcome.run.work.outputs) {
        out.line(format_args!("\n{line}"))?;
    }
    write_results(args, &outcome, &receipt, out)?;
    Ok(Exit::Done)
}

/// The real thing if it is there.
fn choose_device(args: &DemoArgs, out: &mut Output<'_>) -> Result<SourceKind, Failure> {
    if args.simulated {
        return Ok(SourceKind::Simulated);
    }
    match device::open(&Selection::Nvml { library: None }) {
        Ok(_) => {
            if args.rim_dir.is_none() {
                out.line(format_args!(
                    "no --rim-dir: without the manifests of this driver and VBIOS the verifier will have nothing to \
                     compare with, and answer `unverifiable`\n"
                ))?;
            }
            Ok(SourceKind::Nvml)
        }
        Err(error) => {
            out.line(format_args!(
                "no GPU in confidential-computing mode here: {error}"
            ))?;
            out.line(format_args!(
                "a software device takes its place; the receipt will say `simulated`\n"
            ))?;
            Ok(SourceKind::Simulated)
        }
    }
}

/// A verifier trusts a software device only because it is told to.
fn appraisal_settings(
    args: &DemoArgs,
    source: SourceKind,
    folder: &TempDir,
) -> Result<AppraisalSettings, Failure> {
    if source != SourceKind::Simulated {
        return Ok(AppraisalSettings {
            rim_dir: args.rim_dir.clone(),
            ..AppraisalSettings::default()
        });
    }
    let collateral = folder.path().join("collateral");
    let answers = collateral.join("ocsp");
    SimulatedDevice::open(&folder.path().join("device"))
        .and_then(|device| {
            device.write_collateral(&collateral)?;
            device.write_answers(&answers, today())
        })
        .map_err(|error| Failure::Unavailable(error.to_string()))?;
    Ok(AppraisalSettings {
        simulated_anchors: vec![collateral.join("anchors.toml")],
        rim_dir: Some(collateral),
        ocsp: OcspSettings {
            dir: Some(answers),
            ..OcspSettings::default()
        },
        ..AppraisalSettings::default()
    })
}

/// Answers about revocation for as long as the demonstration takes, and for the clock of a machine that is a little off.
fn today() -> Window {
    let now = OffsetDateTime::now_utc();
    Window {
        from: now - time::Duration::MINUTE,
        until: now + time::Duration::HOUR,
    }
}

async fn demonstrate(
    job: Value,
    source: SourceKind,
    appraisal: AppraisalSettings,
    folder: TempDir,
    telling: mpsc::Sender<Telling>,
) -> Result<Outcome, Failure> {
    let unavailable = |error: &dyn std::fmt::Display| Failure::Unavailable(error.to_string());
    let narrator = Narrator::new(telling);
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(|e| unavailable(&e))?;
    let address = listener.local_addr().map_err(|e| unavailable(&e))?;
    let url = format!("http://{address}");
    let config = Config {
        listen: address,
        state_dir: folder.path().join("verifier"),
        issuer: url.clone(),
        audience: vec![AUDIENCE.to_owned()],
        appraisal,
        ..Config::default()
    };
    let service = Service::open(config, Arc::new(SystemClock))
        .await
        .map_err(|e| unavailable(&e))?;
    narrator.tell("verifier", format_args!("listening on {url}"));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(service.serve(listener, async {
        // The sender dropped is as good a sign as a message.
        let _ = stopped.await;
    }));

    let run = work(&job, source, &url, folder.path(), &narrator).await;
    let keys = fetch::get(
        &format!("{url}/.well-known/jwks.json"),
        limits::MAX_JWKS_BYTES,
    )
    .await;
    let archive = match &run {
        Ok(run) => archive(run, folder.path()).await,
        Err(_) => Ok(Vec::new()),
    };
    drop(stop);
    served
        .await
        .map_err(|e| unavailable(&e))?
        .map_err(|e| unavailable(&e))?;
    Ok(Outcome {
        run: run?,
        jwks: keys?.text,
        archive: archive?,
        anchors: fs::read(folder.path().join("collateral/anchors.toml")).ok(),
        issuer: url,
    })
}

/// What the verifier keeps of the receipt. Its operator hands that out; here it is the demonstration.
async fn archive(run: &RunReport, folder: &Path) -> Result<Vec<u8>, Failure> {
    let token = folder.join("verifier/operator-token");
    let token =
        fs::read_to_string(&token).map_err(|error| Failure::unreadable(token.display(), &error))?;
    let location = run.receipt.location.as_deref().unwrap_or_default();
    let of = format!("{location}/archive");
    fetch::with_token(&of, token.trim_end(), MAX_ARCHIVE_BYTES).await
}

async fn work(
    job: &Value,
    source: SourceKind,
    url: &str,
    folder: &Path,
    narrator: &Narrator,
) -> Result<RunReport, Failure> {
    let job = parse_job(job.to_string().as_bytes()).map_err(Failure::usage)?;
    let settings = Settings {
        state_dir: folder.join("agent"),
        verifier: Some(url.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        device: DeviceSettings {
            kind: source,
            dir: (source == SourceKind::Simulated).then(|| folder.join("device")),
            library: None,
        },
        ..Settings::default()
    };
    let agent = Agent::open(settings).map_err(|e| steps::failure(&e))?;
    let verifier = agent.verifier().map_err(|e| steps::failure(&e))?;
    let run = agent.run(job, InputBytes::new(), &verifier, narrator).await;
    run.map_err(|e| steps::failure(&e))
}

fn validate(outcome: &Outcome) -> Result<Receipt, Failure> {
    let keys = Jwks::parse(&outcome.jwks).map_err(|e| Failure::Refused(e.to_string()))?;
    let expected = Expectations::new(&outcome.issuer, AUDIENCE).map_err(Failure::usage)?;
    let now: UnixTime = SystemClock.now();
    let now = receipt::UnixTime::from_secs(u64::try_from(now.secs()).unwrap_or_default());
    Validator::new(keys, expected.danger_accept_a0())
        .validate(&outcome.run.receipt.jwt, now)
        .map_err(|rejected| Failure::Refused(format!("{}: {rejected}", rejected.code())))
}

fn write_results(
    args: &DemoArgs,
    outcome: &Outcome,
    receipt: &Receipt,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let write = |name: &str, bytes: &[u8]| {
        let path = args.out.join(name);
        let failed = |e: std::io::Error| Failure::Write(format!("{}: {e}", path.display()));
        fs::write(&path, bytes).map_err(failed)
    };
    fs::create_dir_all(&args.out)
        .map_err(|e| Failure::Write(format!("{}: {e}", args.out.display())))?;
    write("receipt.jwt", outcome.run.receipt.jwt.as_bytes())?;
    write("jwks.json", outcome.jwks.as_bytes())?;
    write("bundle.json", outcome.run.work.sealed.json())?;
    write("archive.tar", &outcome.archive)?;
    let mut files = Vec::new();
    if let Some(anchors) = &outcome.anchors {
        write("anchors.toml", anchors)?;
        files.push("anchors.toml".to_owned());
    }
    for output in &outcome.run.work.outputs {
        let file = args.kernel.file(output.name);
        write(&file, output.bytes.as_deref().unwrap_or_default())?;
        files.push(file);
    }
    let folder = args.out.display();
    out.line(format_args!(
        "\nwritten to {folder}/: receipt.jwt, jwks.json, bundle.json, archive.tar, {}",
        files.join(", ")
    ))?;
    out.line(format_args!(
        "b3sum of an output prints the digest that the receipt names"
    ))?;
    out.line(format_args!("check it again:"))?;
    out.line(format_args!(
        "  pogw receipt verify {folder}/receipt.jwt --jwks {folder}/jwks.json --audience {AUDIENCE}{}",
        if receipt.level() == Level::A0 { " --danger-accept-a0" } else { "" }
    ))?;
    out.line(format_args!(
        "judge again all that it rests on, without the verifier:"
    ))?;
    let trusted = outcome
        .anchors
        .as_ref()
        .map(|_| format!(" --simulated-anchors {folder}/anchors.toml"));
    out.line(format_args!(
        "  pogw receipt reappraise {folder}/archive.tar --jwks {folder}/jwks.json{}",
        trusted.unwrap_or_default()
    ))
}
