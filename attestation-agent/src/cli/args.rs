//! The arguments and their help.

use std::path::PathBuf;

use attestation_agent::device::{NONCE_LENGTH, SourceKind};
use attestation_agent::{ExecutorKind, Overrides};
use clap::{Args, Parser, Subcommand, ValueEnum};
use evidence::work::{Base64Url, Hex};

/// Runs work on this host, has its devices sign what came out, and hands both to a verifier.
///
/// Nothing the agent says is taken on trust: the verifier checks the devices' signatures and, where
/// the job asks for it, the result itself.
#[derive(Debug, Parser)]
#[command(name = "attestation-agent", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Settings file (TOML), with drop-ins in conf.d/*.toml beside it; config.example.toml lists every setting
    #[arg(
        long,
        value_name = "FILE",
        env = "ATTESTATION_AGENT_CONFIG",
        global = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Folder of the agent's key, its outbox and its receipts
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,

    /// How to print the result on standard output
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) format: Format,

    /// How to write the log on standard error; RUST_LOG chooses what is in it
    #[arg(
        long,
        value_enum,
        default_value_t,
        env = "ATTESTATION_AGENT_LOG",
        global = true
    )]
    pub(crate) log: LogFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a job, attest with every device, and get a receipt for it
    ///
    /// A job is a kernel, which the agent computes, or a command, a program of this machine. A program starts in a fresh
    /// folder with the inputs of the job in it, an environment of a few variables and the socket $POGW_SOCKET, and is
    /// ended with everything it started when it is beyond a limit of the job. It runs as this account: where the program is
    /// a stranger's, put both into a container.
    ///
    /// Bundles that earlier runs could not hand in are sent first. Without --out the receipt goes
    /// to standard output, with it to DIR/receipt.jwt, beside bundle.json and the outputs.
    Run(RunArgs),
    /// Collect evidence over a nonce, in the JSON array that NVIDIA's tools read
    ///
    /// Without a GPU, --device simulated has the software device sign; `simulated-collateral` makes
    /// what a verifier needs to appraise it.
    Attest(AttestArgs),
    /// Show the devices of this host, or what keeps it from attesting
    ///
    /// Without a GPU, --device simulated shows the software device; `simulated-collateral` makes
    /// what a verifier needs to appraise it.
    Devices(DeviceArgs),
    /// Would this host attest? Look at everything a run needs, and say what to mend
    ///
    /// Driver, GPUs and their modes; a report and a certificate chain of every device over a fresh
    /// nonce; key, state folder and outbox; the way to the verifier, its manifests for this driver
    /// and VBIOS, and its clock. Takes at most 80 seconds, mostly a few.
    ///
    /// What only a verifier knows is not judged here: the roots, the measurements, its policy. A
    /// host without a finding can still be refused.
    Doctor(DoctorArgs),
    /// Does this installation let the agent work? Look at what a sandbox may block, and say what to mend
    ///
    /// Device nodes, folders, executable memory (which a JIT compiler needs), limits of programs, the enrolment, the way to
    /// the verifier and its clock. It tells of the process it runs in: to see what the systemd unit lets through, start
    /// attestation-agent-check.service, which has the unit's sandbox, and read its journal.
    InstallCheck(DoctorArgs),
    /// Serve assignments of a verifier until told to stop (SIGTERM, Ctrl-C)
    ///
    /// The agent enrols once, with a one-time token of its provider, and then asks for assignments by long poll: nothing
    /// connects to it. It takes a job, runs it, commits to the result before anything is revealed, and opens what it is
    /// asked to. Everything that matters is on disk before it is sent, so that a restart goes on where it was.
    ///
    /// Told to stop, it takes no more, commits to what runs if that ends within serve.stop_within_s, and gives back the
    /// rest. What is committed is opened by the next start: start it soon, an opening that is not made costs the stake.
    /// Told a second time, it ends at once.
    Serve(ServeArgs),
    /// Hand in the bundles that earlier runs could not
    ///
    /// A bundle whose challenge expired while the verifier could not verify is moved aside, to
    /// outbox/<sha256>.expired, with the verifier's words beside it. That ends with 3, not with 1.
    Submit,
    /// Watch over a program; started by `run`, with its order on standard input
    #[command(hide = true)]
    Supervise,
    /// Write what a verifier needs to appraise the software device: manifests, roots, OCSP answers
    ///
    /// The device is made in --device-dir at first use, and opened there afterwards; `run` and
    /// `attest` use it with --device simulated and the same --device-dir.
    ///
    /// It proves nothing about hardware: keys, measurements and manifests are made by this program,
    /// and whoever has the folder has the device. No verifier trusts it unless told to, in its
    /// settings:
    ///
    ///   [appraisal]
    ///   simulated_anchors = ["DIR/anchors.toml"]   # the roots of --out
    ///   rim_dir = "DIR"                            # the manifests of --out
    ///
    ///   [appraisal.ocsp]
    ///   dir = "DIR/ocsp"                           # the answers about revocation of --out
    ///
    /// An answer says for how long it holds; run the command again before that ends.
    ///
    /// Receipts for such a device say so (A0, simulated). Where receipts are worth money,
    /// simulated_anchors stays empty.
    #[command(verbatim_doc_comment)]
    SimulatedCollateral(CollateralArgs),
}

/// Where evidence comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DeviceArgs {
    /// Source of the evidence [default: nvml]
    #[arg(long, value_enum)]
    device: Option<DeviceKind>,

    /// Folder of the captures (recorded) or of the device's identity (simulated)
    #[arg(long, value_name = "DIR")]
    device_dir: Option<PathBuf>,

    /// NVIDIA's management library, where it is not found as libnvidia-ml.so.1
    #[arg(long, value_name = "FILE")]
    nvml_library: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The job (JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) job: PathBuf,

    /// Bytes of an input that the job gives by digest; once for each
    #[arg(long = "input", value_name = "NAME=FILE", value_parser = input)]
    pub(crate) inputs: Vec<(String, PathBuf)>,

    /// Address of the verifier
    #[arg(long, value_name = "URL")]
    verifier: Option<String>,

    /// Who the receipt is for
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,

    /// Answer this challenge and make the bundle only; no verifier is asked
    #[arg(long, value_name = "BASE64URL", value_parser = challenge,
          conflicts_with_all = ["verifier", "audience"])]
    pub(crate) challenge: Option<Base64Url<32>>,

    /// What runs the job [default: auto, a GPU if CUDA can use one, else this CPU]
    #[arg(long, value_enum)]
    executor: Option<ExecutorArg>,

    /// UUID of the GPU that runs the job, as `nvidia-smi -L` writes it [default: the first that attests]
    #[arg(long, value_name = "UUID")]
    gpu: Option<String>,

    /// Leave the run folder of a command where it is, for a look at what went wrong
    #[arg(long)]
    pub(crate) keep: bool,

    /// The command of the job, to the letter; without it the job's is run
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,

    /// Folder for bundle.json, the outputs and receipt.jwt; of a command also stdout.txt, stderr.txt and the trace
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address of the verifier
    #[arg(long, value_name = "URL")]
    verifier: Option<String>,

    /// File with the one-time enrolment token, needed at the first start only [default: the systemd credential
    /// enrolment-token]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// What runs jobs [default: auto, a GPU if CUDA can use one, else this CPU]
    #[arg(long, value_enum)]
    executor: Option<ExecutorArg>,

    /// UUID of the GPU that runs jobs, as `nvidia-smi -L` writes it [default: the first that attests]
    #[arg(long, value_name = "UUID")]
    gpu: Option<String>,

    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    /// The nonce every report must carry, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = nonce)]
    pub(crate) nonce: Hex<NONCE_LENGTH>,

    /// File for the evidence, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Address of the verifier
    #[arg(long, value_name = "URL")]
    verifier: Option<String>,

    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CollateralArgs {
    /// Folder of the device's identity [default: simulated/ in the state folder]
    #[arg(long, value_name = "DIR")]
    device_dir: Option<PathBuf>,

    /// Folder for anchors.toml, <id>.xml and ocsp/<serial>.der, made if absent; anchors that are
    /// there stay
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// How long the answers about revocation hold, from now on: a number of s, m, h or d. NVIDIA's
    /// hold for 24h
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    pub(crate) valid_for: time::Duration,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document, also where the command fails
    Json,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Human,
    /// One JSON object a line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExecutorArg {
    /// A GPU if CUDA can use one, else this CPU
    Auto,
    /// An NVIDIA GPU, or nothing
    Cuda,
    /// The kernels' source, compiled for this CPU
    Host,
    /// The reference, on one thread
    CpuReference,
}

impl From<ExecutorArg> for ExecutorKind {
    fn from(kind: ExecutorArg) -> Self {
        match kind {
            ExecutorArg::Auto => Self::Auto,
            ExecutorArg::Cuda => Self::Cuda,
            ExecutorArg::Host => Self::Host,
            ExecutorArg::CpuReference => Self::CpuReference,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DeviceKind {
    /// The NVIDIA GPUs of this machine
    Nvml,
    /// A software device, for machines without a GPU
    Simulated,
    /// Evidence captured earlier
    Recorded,
}

impl From<DeviceKind> for SourceKind {
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Nvml => Self::Nvml,
            DeviceKind::Simulated => Self::Simulated,
            DeviceKind::Recorded => Self::Recorded,
        }
    }
}

impl CollateralArgs {
    /// Whatever device the settings choose, this command is about the simulated one.
    fn device(&self) -> DeviceArgs {
        DeviceArgs {
            device: Some(DeviceKind::Simulated),
            device_dir: self.device_dir.clone(),
            nvml_library: None,
        }
    }
}

impl Cli {
    /// Whether this process only watches over a program.
    pub(crate) fn is_supervisor(&self) -> bool {
        matches!(self.command, Command::Supervise)
    }

    /// The settings that the arguments name.
    pub(crate) fn overrides(&self) -> Overrides {
        let (device, verifier, audience) = match &self.command {
            Command::Run(args) => (
                args.device.clone(),
                args.verifier.clone(),
                args.audience.clone(),
            ),
            Command::Serve(args) => (args.device.clone(), args.verifier.clone(), None),
            Command::Attest(args) => (args.device.clone(), None, None),
            Command::Devices(device) => (device.clone(), None, None),
            Command::Doctor(args) | Command::InstallCheck(args) => {
                (args.device.clone(), args.verifier.clone(), None)
            }
            Command::Submit | Command::Supervise => (DeviceArgs::default(), None, None),
            Command::SimulatedCollateral(args) => (args.device(), None, None),
        };
        let (executor, gpu) = match &self.command {
            Command::Run(args) => (args.executor.map(ExecutorKind::from), args.gpu.clone()),
            Command::Serve(args) => (args.executor.map(ExecutorKind::from), args.gpu.clone()),
            _ => (None, None),
        };
        let token_file = match &self.command {
            Command::Serve(args) => args.token_file.clone(),
            _ => None,
        };
        Overrides {
            token_file,
            state_dir: self.state_dir.clone(),
            verifier,
            audience,
            executor,
            gpu,
            device: device.device.map(SourceKind::from),
            device_dir: device.device_dir,
            nvml_library: device.nvml_library,
        }
    }
}

fn input(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

fn challenge(text: &str) -> Result<Base64Url<32>, String> {
    Base64Url::parse(text).ok_or_else(|| "expected 32 bytes in unpadded base64url".to_owned())
}

fn nonce(text: &str) -> Result<Hex<NONCE_LENGTH>, String> {
    let lower = text.to_ascii_lowercase();
    Hex::parse(&lower).ok_or_else(|| "expected 64 hexadecimal digits".to_owned())
}

/// A number and its unit. The longest reaches no year that an answer cannot state.
fn duration(text: &str) -> Result<time::Duration, String> {
    const LONGEST: time::Duration = time::Duration::days(3650);
    let wrong = || {
        format!(
            "expected a number of s, m, h or d, from 1s to {}d",
            LONGEST.whole_days()
        )
    };
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 60 * 60,
        Some("d") => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u32>().map_err(|_| wrong())?;
    let duration = time::Duration::seconds(i64::from(seconds).saturating_mul(unit));
    let in_bounds = duration.is_positive() && duration <= LONGEST;
    in_bounds.then_some(duration).ok_or_else(wrong)
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused by the verifier, or removed by it (serve); doctor, install-check: a problem was found
  2  wrong usage, settings or input
  3  no device, no verifier, or a verifier that cannot verify now; doctor, install-check: no problem
     was found, and something could not be determined

Settings come from defaults, --config FILE, conf.d/*.toml beside it, ATTESTATION_AGENT__… in the
environment, and these arguments; the later wins.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("1s", 1), ("90m", 5400), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(
                duration(text),
                Ok(time::Duration::seconds(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "7",
            "d",
            "0s",
            "-1d",
            "7 d",
            "7w",
            "3651d",
            "99999999999d",
            "1d1h",
            "é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
