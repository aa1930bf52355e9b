//! What happens in a process of its own: it finds the fake library, does what it is asked, and writes what came of it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use attestation_agent::{
    CudaSelection, ExecuteError, Execution, Executor, ExecutorKind, HostCpu, HostSettings,
    SharedBuffers, SystemClock, Work, open_executor, process_spoilt,
};
use kernels::Job;
use serde::{Deserialize, Serialize};

use super::samples;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) executor: ExecutorKind,
    pub(crate) gpu: Option<String>,
    pub(crate) attested: bool,
    pub(crate) nvml_library: Option<PathBuf>,
    pub(crate) timeout_ms: u64,
    pub(crate) keep_outputs: bool,
    pub(crate) tasks: Vec<Task>,
}

/// One thing to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Every sample of the catalogue.
    Samples,
    /// A seeded product of this size.
    Product(u32),
    /// A seeded product of bf16, for which there is a module for Hopper alone.
    ProductBf16(u32),
    /// Nothing, for so many milliseconds.
    Wait(u64),
    /// A product of operands that are given: rows, columns, terms.
    Given(u32, u32, u32),
    /// The digest of a part of a shared buffer.
    Digest {
        device: u32,
        handle: String,
        start: u64,
        end: u64,
    },
    /// A copy of the same.
    Copy {
        device: u32,
        handle: String,
        start: u64,
        end: u64,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) opened: Option<Told>,
    pub(crate) done: Vec<Result<Done, Told>>,
    /// What the process knows of itself at its end.
    pub(crate) process_spoilt: bool,
}

/// An error as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) remedy: String,
}

/// What a task left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) what: String,
    pub(crate) executor: String,
    pub(crate) module: Option<String>,
    /// Digests and lengths are those of the reference, and marks those of the host build.
    pub(crate) right: bool,
    /// The bytes came, and belong to the digests.
    pub(crate) kept: bool,
    pub(crate) run_us: u64,
    pub(crate) digest_us: u64,
    pub(crate) telemetry: BTreeMap<String, i64>,
    /// Of a shared buffer: its digest, or its bytes in hexadecimal.
    pub(crate) shared: String,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            executor: ExecutorKind::Cuda,
            gpu: None,
            attested: false,
            nvml_library: None,
            timeout_ms: 60_000,
            keep_outputs: true,
            tasks: Vec::new(),
        }
    }
}

impl From<ExecuteError> for Told {
    fn from(error: ExecuteError) -> Self {
        Self {
            code: error.code().to_owned(),
            message: error.to_string(),
            remedy: error.remedy().to_owned(),
        }
    }
}

pub(crate) fn answer(request: &Request) -> Answer {
    let selection = CudaSelection {
        gpu: request.gpu.clone(),
        attested: request.attested,
        nvml_library: request.nvml_library.clone(),
        timeout: Duration::from_millis(request.timeout_ms),
    };
    match open_executor(request.executor, &selection, &HostSettings::default()) {
        Err(error) => Answer {
            opened: Some(error.into()),
            done: Vec::new(),
            process_spoilt: process_spoilt(),
        },
        Ok(executor) => {
            let shared = OnceCell::new();
            let shared = || {
                let shared = shared.get_or_init(|| SharedBuffers::open(&selection));
                shared.as_ref().map_err(Clone::clone)
            };
            let done = request
                .tasks
                .iter()
                .flat_map(|task| perform(task, executor.as_ref(), &shared, request.keep_outputs));
            let done = done.collect();
            Answer {
                opened: None,
                done,
                process_spoilt: process_spoilt(),
            }
        }
    }
}

fn perform<'a>(
    task: &Task,
    executor: &dyn Executor,
    shared: &dyn Fn() -> Result<&'a SharedBuffers, ExecuteError>,
    keep: bool,
) -> Vec<Result<Done, Told>> {
    let run = |what: &str, job: &Job| run(what, executor, job, BTreeMap::new(), keep);
    match task {
        Task::Samples => {
            let samples = samples::small().into_iter();
            samples.map(|(what, job)| run(&what, &job)).collect()
        }
        Task::Product(n) => vec![run("product", &product("gemm_i8", *n))],
        Task::ProductBf16(n) => vec![run("product", &product("gemm_bf16", *n))],
        Task::Wait(ms) => {
            std::thread::sleep(Duration::from_millis(*ms));
            Vec::new()
        }
        Task::Given(m, n, k) => {
            let (a, b) = (pattern(m * k), pattern(k * n));
            let params = serde_json::json!({"m": m, "n": n, "k": k,
                "operands": {"given": {"a": digest(&a), "b": digest(&b)}}});
            let job = Job::parse("gemm_i8", &params).expect("a job");
            let inputs = [("a".to_owned(), a), ("b".to_owned(), b)];
            vec![self::run("given", executor, &job, inputs.into(), keep)]
        }
        Task::Digest {
            device,
            handle,
            start,
            end,
        } => {
            let digest = shared().and_then(|it| it.digest(*device, &bytes(handle), *start..*end));
            vec![shared_done(digest.map(|digest| digest.to_string()))]
        }
        Task::Copy {
            device,
            handle,
            start,
            end,
        } => {
            let mut copied = Vec::new();
            let mut sink = |piece: &[u8]| {
                copied.extend_from_slice(piece);
                Ok(())
            };
            let copy =
                shared().and_then(|it| it.copy(*device, &bytes(handle), *start..*end, &mut sink));
            vec![shared_done(copy.map(|()| hex::encode(&copied)))]
        }
    }
}

fn shared_done(shared: Result<String, ExecuteError>) -> Result<Done, Told> {
    let done = shared.map(|shared| Done {
        shared,
        ..Done::default()
    });
    done.map_err(Told::from)
}

fn run(
    what: &str,
    executor: &dyn Executor,
    job: &Job,
    inputs: BTreeMap<String, Vec<u8>>,
    keep_outputs: bool,
) -> Result<Done, Told> {
    executor.admit(job)?;
    let work = Work {
        job: job.clone(),
        inputs: Arc::new(job.accept_owned(inputs).expect("inputs")),
        keep_outputs,
        clock: Arc::new(SystemClock::new()),
    };
    let run = executor.execute(&work)?;
    let on_host = HostCpu::new(None).execute(&work)?;
    Ok(Done {
        what: what.to_owned(),
        executor: run.executor.to_owned(),
        module: run.module.map(|module| module.to_string()),
        right: is_right(&run, &job.reference(&work.inputs)) && run.trace == on_host.trace,
        kept: run.outputs.iter().all(|output| {
            output
                .bytes
                .as_ref()
                .is_some_and(|bytes| kernels::Blake3Digest::of(bytes) == output.digest)
        }),
        run_us: run.run_us,
        digest_us: run.digest_us,
        telemetry: run.telemetry,
        shared: String::new(),
    })
}

fn is_right(run: &Execution, reference: &[kernels::Output]) -> bool {
    let mut pairs = run.outputs.iter().zip(reference);
    let same = |(output, right): (&attestation_agent::NamedOutput, &kernels::Output)| {
        output.digest == right.digest() && output.len == right.bytes().len() as u64
    };
    run.outputs.len() == reference.len() && pairs.all(same)
}

fn product(kernel: &str, n: u32) -> Job {
    let params = serde_json::json!({"m": n, "n": n, "k": 3, "operands": {"seed": samples::SEED}});
    Job::parse(kernel, &params).expect("a job")
}

fn digest(bytes: &[u8]) -> String {
    kernels::Blake3Digest::of(bytes).to_string()
}

/// Bytes that do not repeat with any power of two.
fn pattern(len: u32) -> Vec<u8> {
    (0..len)
        .map(|i| u8::try_from(i % 251).expect("below 256"))
        .collect()
}

fn bytes(handle: &str) -> [u8; 64] {
    hex::decode(handle)
        .expect("hexadecimal")
        .try_into()
        .expect("64 bytes")
}
