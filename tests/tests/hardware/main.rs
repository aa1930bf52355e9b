//! What only a GPU can show: every kernel against the reference, and what it achieves.
//!
//! One command, on a machine with an NVIDIA GPU and its driver:
//!
//! ```console
//! cargo test --release -p tests --test hardware -- --ignored --nocapture on_this_gpu
//! ```
//!
//! It runs the executor that jobs run on, `POGW_GPU` names another GPU than the first by its UUID, and it prints a table
//! for the README, with a module for one generation alone where that ran, after its known answer. Then it has every GPU
//! sign, and says how long that took, or why there is no evidence (`POGW_NVML_LIBRARY` names another library than the
//! system's), and last whether a process that had a kernel go astray can go on. On a machine without a GPU it is run against the stand-in of `tests/fake-cuda` for its form alone:
//! that table says so in its first line, and its figures mean nothing.

#[expect(dead_code, reason = "the list of samples alone is of use here")]
#[path = "../../../kernels/tests/suite/samples.rs"]
mod samples;

mod astray;
mod table;
mod tensor_core;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attestation_agent::device::Selection;
use attestation_agent::{
    Cuda, CudaDevice, CudaSelection, DeviceSet, ExecuteError, Execution, Executor, SystemClock,
    Work,
};
use fake_cuda::{HopperModules, NAME, Scene};
use kernels::{CheckedInputs, Inputs, Job};
use tests::cuda::{FakeCuda, again};
use tests::driver::{FakeDriver, Rack};

/// Names the management library where the loader does not find it.
const NVML_LIBRARY: &str = "POGW_NVML_LIBRARY";

fn open() -> Cuda {
    let selection = CudaSelection {
        gpu: std::env::var("POGW_GPU").ok(),
        timeout: Duration::from_secs(600),
        ..CudaSelection::default()
    };
    Cuda::open(&selection).unwrap_or_else(|error| panic!("{error}\n{}", error.remedy()))
}

#[test]
#[ignore = "needs an NVIDIA GPU and its driver"]
fn on_this_gpu() {
    let cuda = open();
    let fake = cuda.device().name == NAME;
    println!("{}", heading(cuda.device(), fake));
    let samples = check_samples(&cuda, "");
    println!("{samples} sample jobs: every output equals the reference, bit for bit.\n");
    println!("{}", tensor_core::compare(&cuda));
    println!("{}", table::of(&cuda, fake));
    println!("{}", evidence());
    if !fake && std::env::var_os("POGW_GPU").is_none() {
        println!("{}", astray::and_on(&cuda));
    }
}

/// What tools that watch every access (compute-sanitizer) are run on: the samples, or those of them whose names contain
/// what `POGW_SAMPLES` says.
#[test]
#[ignore = "needs an NVIDIA GPU and its driver"]
fn samples_on_this_gpu() {
    let cuda = open();
    let part = std::env::var("POGW_SAMPLES").unwrap_or_default();
    println!("{} sample jobs", check_samples(&cuda, &part));
}

/// How long this host's GPUs take to sign, all of them at once, the first time and the best of three.
fn evidence() -> String {
    let library = std::env::var_os(NVML_LIBRARY).map(Into::into);
    let devices = match DeviceSet::open(&Selection::Nvml { library }) {
        Ok(devices) => devices,
        Err(error) => return format!("\nNo evidence: {error} [{}]\n", error.code()),
    };
    let mut times = Vec::new();
    for number in 1..=3 {
        let since = Instant::now();
        match devices.attest(&[number; 32]) {
            Ok(_) => times.push(since.elapsed().as_secs_f64() * 1e3),
            Err(error) => return format!("\nNo evidence: {error} [{}]\n", error.code()),
        }
    }
    let best = times.iter().copied().fold(f64::INFINITY, f64::min);
    let (count, first) = (devices.count(), times[0]);
    format!("{EVIDENCE_HEAD}| {count} | {first:.1} ms | {best:.1} ms |\n")
}

const EVIDENCE_HEAD: &str = "\n\
| Evidence of so many GPUs | Report and chain, first | Best of three |
|---|---|---|
";

/// The suite itself, where there is no GPU: its form, and nothing else.
#[test]
fn the_suite_runs_against_the_stand_in_for_its_form_alone() {
    let cuda = FakeCuda::playing(&Scene::default());
    let nvml = FakeDriver::playing(&Rack::of(2).scene);
    let library = nvml.library();
    let variables = [(NVML_LIBRARY, library.to_str().unwrap())];
    let output = again("on_this_gpu", cuda.folder(), &variables);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(cuda.misuse(), "");
    assert!(
        text.contains("NOT A GPU") && text.contains("| `gemm_i8` |"),
        "{text}"
    );
    assert!(
        text.contains(EVIDENCE_HEAD) && text.contains("\n| 2 | "),
        "{text}"
    );
}

/// The stand-in plays Hopper's module, whose known answer the executor asks for first: the table names what ran.
#[test]
fn the_table_names_a_module_that_is_not_the_portable_one() {
    let cuda = FakeCuda::playing(&Scene {
        hopper_modules: HopperModules::Played,
        ..Scene::default()
    });
    let missing = [(NVML_LIBRARY, "/nonexistent/libnvidia-ml.so.1")];
    let output = again("on_this_gpu", cuda.folder(), &missing);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("| `gemm_bf16` by `gemm_bf16_sm90a` |"),
        "{text}"
    );
    assert!(text.contains("No evidence: "), "{text}");
}

fn heading(device: &CudaDevice, fake: bool) -> String {
    let mut heading = String::new();
    if fake {
        heading += "**NOT A GPU: the stand-in of the tests. The figures mean nothing.**\n\n";
    }
    let (major, minor) = device.capability;
    let gib = device.memory_bytes >> 30;
    let _ = writeln!(
        heading,
        "{}, compute capability {major}.{minor}, {gib} GiB\n",
        device.name
    );
    heading
}

/// Runs the samples whose names contain `part`, and says how many.
fn check_samples(cuda: &Cuda, part: &str) -> usize {
    let mut samples = samples::small();
    samples.retain(|(what, _)| what.contains(part));
    for (what, job) in &samples {
        let run = run(cuda, job, true);
        let right = job.reference(&job.accept(&Inputs::none()).unwrap());
        for (output, right) in run.outputs.iter().zip(&right) {
            assert_eq!(output.digest, right.digest(), "{what}: {}", output.name);
        }
        assert_eq!(run.outputs.len(), right.len(), "{what}");
    }
    samples.len()
}

fn run(cuda: &Cuda, job: &Job, keep_outputs: bool) -> Execution {
    let inputs = job.accept(&Inputs::none()).unwrap();
    run_on(cuda, job, inputs, keep_outputs)
}

fn run_on(cuda: &Cuda, job: &Job, inputs: CheckedInputs<'static>, keep_outputs: bool) -> Execution {
    executed(cuda, job, inputs, keep_outputs)
        .unwrap_or_else(|error| panic!("{error}\n{}", error.remedy()))
}

fn try_run(cuda: &Cuda, job: &Job) -> Result<Execution, ExecuteError> {
    executed(cuda, job, job.accept(&Inputs::none()).unwrap(), false)
}

fn executed(
    cuda: &Cuda,
    job: &Job,
    inputs: CheckedInputs<'static>,
    keep_outputs: bool,
) -> Result<Execution, ExecuteError> {
    cuda.execute(&Work {
        job: job.clone(),
        inputs: Arc::new(inputs),
        keep_outputs,
        clock: Arc::new(SystemClock::new()),
    })
}
