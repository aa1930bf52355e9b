//! A run: the folder, the socket and the supervisor around one program, and what is known afterwards.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use evidence::work::ProgramRef;

use super::environment;
use super::error::CommandError;
use super::folder::RunFolder;
use super::gpu::GpuWatch;
use super::job::{CommandJob, Program};
use super::outputs::{self, FileOutput};
use super::socket::{Desk, DeviceBuffers, Handed, Server};
use super::supervise::{End, MAX_STREAM_BYTES, Order, Report, SUPERVISE};
use super::trace::Trace;
use crate::clock::{Clock, micros};
use crate::device::nvml::Gauge;

/// The word of statements for where a command ran.
pub use evidence::work::wire::PROGRAM_EXECUTOR;

/// Longest report of a supervisor, in bytes: 4096 process ids and a few numbers.
const MAX_REPORT_BYTES: u64 = 256 * 1024;

/// What a host lends to the programs it runs.
#[derive(Clone)]
pub struct Host {
    /// Where run folders are made.
    pub run_dir: PathBuf,
    /// Whether run folders stay.
    pub keep: bool,
    /// Variables that programs get beside [`KEPT_VARIABLES`](super::KEPT_VARIABLES).
    pub environment: Vec<String>,
    /// The agent's executable, started under [`SUPERVISE`] beside each program.
    pub supervisor: PathBuf,
    /// What opens buffers on a device.
    pub buffers: Arc<dyn DeviceBuffers>,
    /// The counters of the GPUs, where there are some.
    pub gauge: Option<Arc<Gauge>>,
}

/// What a run left.
#[derive(Debug)]
pub struct CommandRun {
    /// What ran, in this host's words.
    pub program: ProgramRef,
    /// The outputs in the order of the job.
    pub outputs: Vec<FileOutput>,
    /// The states handed in on the way.
    pub trace: Trace,
    /// Time from start to end, microseconds.
    pub run_us: u64,
    /// Time to digest the outputs, microseconds.
    pub digest_us: u64,
    /// Counters of the host by name.
    pub telemetry: BTreeMap<String, i64>,
    /// The folder, with the outputs in it; gone when this is dropped, unless it is kept.
    pub folder: RunFolder,
}

impl CommandRun {
    /// Runs a command to its end and digests what it left. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`CommandError`]: nothing is left behind, unless the host keeps run folders.
    pub fn new(job: &CommandJob, host: &Host, clock: &dyn Clock) -> Result<Self, CommandError> {
        let folder = RunFolder::create(&host.run_dir, host.keep)?;
        for (name, expected) in job.command.inputs() {
            let source = job.inputs.get(name);
            let source = source.ok_or_else(|| CommandError::InputMissing { name: name.clone() })?;
            folder.place(name, source, expected)?;
        }
        let desk = Arc::new(Desk::new(job, &folder, Arc::clone(&host.buffers)));
        let (report, gpus, handed) = watched(job, host, &folder, &desk)?;
        check_end(&report.end, job, &folder)?;
        let start = clock.elapsed();
        let outputs = digest_outputs(job, &folder, &handed.outputs)?;
        let digest_us = micros(clock.elapsed().saturating_sub(start));
        let mut telemetry = counters(&report);
        telemetry.extend(gpus);
        Ok(Self {
            program: program_ref(job),
            outputs,
            trace: handed.trace,
            run_us: report.wall_us,
            digest_us,
            telemetry,
            folder,
        })
    }
}

type Watched = (Report, BTreeMap<String, i64>, Handed);

/// Runs the program under its supervisor, with the socket served and the GPUs looked at meanwhile.
fn watched(
    job: &CommandJob,
    host: &Host,
    folder: &RunFolder,
    desk: &Arc<Desk>,
) -> Result<Watched, CommandError> {
    let listener = Server::bind(&folder.socket())?;
    let supervisor = Supervisor::start(&host.supervisor, &order(job, host, folder))?;
    let server = Server::serve(listener, Arc::clone(desk), supervisor.id());
    let gpus = host
        .gauge
        .clone()
        .map(|g| GpuWatch::start(g, supervisor.id()));
    let report = supervisor.report();
    // No program is left that could get an answer.
    let handed = desk.close();
    server.stop();
    let pids = report.as_ref().map_or(&[][..], |report| &report.pids);
    let gpus = gpus.map(|watch| watch.finish(pids)).unwrap_or_default();
    Ok((report?, gpus, handed))
}

fn order(job: &CommandJob, host: &Host, folder: &RunFolder) -> Order {
    let inputs = job.command.inputs().values();
    Order {
        executable: match &job.program {
            Program::File { path, .. } => path.clone(),
            Program::Input { name, .. } => folder.work().join(name),
        },
        argv: job.command.argv().to_vec(),
        env: environment::of(folder, &host.environment),
        folder: folder.path().to_path_buf(),
        keep: host.keep,
        limits: *job.command.limits(),
        input_bytes: inputs.map(|i| i.len).fold(0, u64::saturating_add),
    }
}

/// What ran, and with which exit status: a run that is stated ended with 0.
fn program_ref(job: &CommandJob) -> ProgramRef {
    let blake3 = match &job.program {
        Program::File { blake3, .. } | Program::Input { blake3, .. } => *blake3,
    };
    ProgramRef {
        name: job.command.program().to_owned(),
        blake3,
        exit_code: 0,
    }
}

fn check_end(end: &End, job: &CommandJob, folder: &RunFolder) -> Result<(), CommandError> {
    let limits = job.command.limits();
    Err(match end {
        End::Exited { status: 0 } => return Ok(()),
        End::Exited { status } => CommandError::Failed {
            status: *status,
            stderr: folder.last_words(),
        },
        End::Outlived { left, .. } => CommandError::Outlived { count: *left },
        End::Killed { signal } => CommandError::Killed {
            signal: *signal,
            stderr: folder.last_words(),
        },
        End::NotStarted { detail } => CommandError::NotExecutable {
            path: PathBuf::from(job.command.program()),
            detail: detail.clone(),
        },
        End::TimedOut => CommandError::TimedOut {
            limit_s: limits.wall_s,
        },
        End::Processes { seen } => CommandError::TooManyProcesses {
            limit: limits.processes,
            actual: *seen,
        },
        End::Memory { seen } => CommandError::MemoryExceeded {
            limit: limits.memory_bytes,
            actual: *seen,
        },
        End::Output { seen } => CommandError::OutputTooLarge {
            limit: limits.output_bytes,
            actual: *seen,
        },
        End::Stream { name } => CommandError::StreamTooLong {
            stream: if name == "stdout" { "stdout" } else { "stderr" },
            limit: MAX_STREAM_BYTES,
        },
        End::Abandoned => CommandError::Supervisor {
            detail: "it was told to stop".to_owned(),
        },
    })
}

fn digest_outputs(
    job: &CommandJob,
    folder: &RunFolder,
    handed: &BTreeMap<String, FileOutput>,
) -> Result<Vec<FileOutput>, CommandError> {
    let names = job.command.outputs().iter();
    names
        .map(|name| {
            let output = outputs::digest_output(&folder.work(), name)?;
            match handed.get(name) {
                Some(before) if before.blake3 != output.blake3 => {
                    Err(CommandError::OutputChanged {
                        name: name.clone(),
                        detail: format!("{} when handed in, {} now", before.blake3, output.blake3),
                    })
                }
                _ => Ok(output),
            }
        })
        .collect()
}

fn counters(report: &Report) -> BTreeMap<String, i64> {
    let named = [
        ("cpu_user_us", report.cpu_user_us),
        ("cpu_system_us", report.cpu_system_us),
        ("peak_memory_bytes", report.peak_memory_bytes),
        ("peak_processes", report.peak_processes),
        ("written_bytes", report.written_bytes),
    ];
    let fits = |(name, value): (&str, u64)| Some((name.to_owned(), i64::try_from(value).ok()?));
    named.into_iter().filter_map(fits).collect()
}

/// The process beside the program. Dropped before its report is read, it is told to stop, and waited for.
struct Supervisor {
    child: Child,
}

impl Supervisor {
    fn start(executable: &PathBuf, order: &Order) -> Result<Self, CommandError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| CommandError::Supervisor {
                detail: format!("{what}: {error}"),
            }
        };
        let mut child = Command::new(executable)
            .arg(SUPERVISE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed("cannot start it"))?;
        let mut line = serde_json::to_vec(order)
            .map_err(|error| failed("cannot write its order")(error.into()))?;
        line.push(b'\n');
        if let Some(input) = child.stdin.as_mut() {
            input
                .write_all(&line)
                .map_err(failed("cannot send its order"))?;
        }
        Ok(Self { child })
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of everything.
    fn report(mut self) -> Result<Report, CommandError> {
        let mut text = Vec::new();
        let read = match self.child.stdout.take() {
            Some(output) => output.take(MAX_REPORT_BYTES).read_to_end(&mut text),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        let detail = match read {
            Ok(_) => match serde_json::from_slice(&text) {
                Ok(report) => return Ok(report),
                Err(error) => format!("its report is not one: {error}"),
            },
            Err(error) => format!("its report cannot be read: {error}"),
        };
        Err(CommandError::Supervisor { detail })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let started = Instant::now();
        // It ends all that runs below it first.
        if let Err(error) = self.child.wait() {
            tracing::warn!(after = ?started.elapsed(), "cannot wait for the supervisor: {error}");
        }
    }
}
