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
//! system's). On a machine without a GPU it is run against the stand-in of `tests/fake-cuda` for its form alone:
//! that table says so in its first line, and its figures mean nothing.

#[expect(dead_code, reason = "the list of samples alone is of use here")]
#[path = "../../kernels/tests/suite/samples.rs"]
mod samples;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attestation_agent::device::Selection;
use attestation_agent::{
    Cuda, CudaDevice, CudaSelection, DeviceSet, Execution, Executor, SystemClock, Work,
};
use fake_cuda::{HopperModules, NAME, Scene};
use kernels::{Inputs, Job, Kernel};
use serde_json::json;
use tests::cuda::{FakeCuda, again};
use tests::driver::{FakeDriver, Rack};

/// Names the management library where the loader does not find it.
const NVML_LIBRARY: &str = "POGW_NVML_LIBRARY";

/// What a datasheet promises of a device, without sparsity: 10^12 operations, 10^9 bytes a second.
struct Datasheet {
    /// What the driver's name for it contains.
    name: &'static str,
    /// int8 on tensor cores; bfloat16 has half. The integer kernels here use `dp4a`, which is slower by design.
    int8_tops: Option<f64>,
    /// float32 outside tensor cores.
    float32_tflops: Option<f64>,
    memory_gb_s: f64,
}

/// NVIDIA's product pages (<https://www.nvidia.com/en-us/data-center/h200/>, and those of H100, GH200, A100 and L40S), half
/// of the figure with sparsity; of DGX B200, an eighth of its memory bandwidth. The most specific name first: a GH200 has
/// the name of an H200 in its own.
const DATASHEETS: &[Datasheet] = &[
    sheet("GH200", Some(1979.0), Some(67.0), 4000.0),
    sheet("H100 PCIe", Some(1513.0), Some(51.0), 2000.0),
    sheet("H100 NVL", Some(1671.0), Some(60.0), 3900.0),
    sheet("H100", Some(1979.0), Some(67.0), 3350.0),
    sheet("H200 NVL", Some(1671.0), Some(60.0), 4800.0),
    sheet("H200", Some(1979.0), Some(67.0), 4800.0),
    sheet("B200", None, None, 8000.0),
    sheet("A100 80GB PCIe", Some(624.0), Some(19.5), 1935.0),
    sheet("A100-SXM4-80GB", Some(624.0), Some(19.5), 2039.0),
    sheet("A100", Some(624.0), Some(19.5), 1555.0),
    sheet("L40S", Some(733.0), Some(91.6), 864.0),
];

const fn sheet(
    name: &'static str,
    int8_tops: Option<f64>,
    float32_tflops: Option<f64>,
    memory_gb_s: f64,
) -> Datasheet {
    Datasheet {
        name,
        int8_tops,
        float32_tflops,
        memory_gb_s,
    }
}

impl Datasheet {
    /// The rate of the arithmetic that a kernel is made of, where a datasheet has one.
    fn peak(&self, kernel: Kernel) -> Option<f64> {
        match kernel {
            Kernel::GemmI8 | Kernel::GemmChain => self.int8_tops,
            Kernel::GemmBf16 => self.int8_tops.map(|tops| tops / 2.0),
            Kernel::GemmF32 => self.float32_tflops,
            _ => None,
        }
    }
}

/// Jobs large enough to measure: kernel, parameters, what is looked at.
fn measured(small: bool) -> Vec<(&'static str, serde_json::Value)> {
    let seed = samples::SEED;
    let n = if small { 128 } else { 8192 };
    let words = if small { 1 << 12 } else { 1 << 28 };
    let bytes = if small { 1 << 16 } else { 1 << 28 };
    let product = json!({"m": n, "n": n, "k": n, "operands": {"seed": seed}});
    let chain = json!({"n": n / 2, "steps": 8, "weights": 2, "seed": seed});
    vec![
        ("gemm_i8", product.clone()),
        ("gemm_bf16", product.clone()),
        ("gemm_f32", product),
        ("gemm_chain", chain),
        (
            "stream",
            json!({"words": words, "passes": 20, "seed": seed}),
        ),
        ("blake3", json!({"len": bytes, "input": {"seed": seed}})),
    ]
}

#[test]
#[ignore = "needs an NVIDIA GPU and its driver"]
fn on_this_gpu() {
    let selection = CudaSelection {
        gpu: std::env::var("POGW_GPU").ok(),
        timeout: Duration::from_secs(600),
        ..CudaSelection::default()
    };
    let cuda = Cuda::open(&selection).unwrap_or_else(|error| panic!("{error}\n{}", error.remedy()));
    let device = cuda.device();
    let fake = device.name == NAME;
    let mut report = heading(device, fake);
    let samples = check_samples(&cuda);
    let _ = writeln!(
        report,
        "{samples} sample jobs: every output equals the reference, bit for bit.\n"
    );
    report += TABLE_HEAD;
    for (kernel, params) in measured(fake) {
        match Job::parse(kernel, &params) {
            Ok(job) => report += &row(&cuda, &job),
            Err(error) => panic!("{kernel}: {error}"),
        }
    }
    report += &evidence();
    println!("{report}");
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

/// No GPU is needed to see that what is measured on one is within the limits of the kernels.
#[test]
fn the_measured_jobs_are_jobs() {
    for (kernel, params) in measured(false).into_iter().chain(measured(true)) {
        let job = Job::parse(kernel, &params).map_err(|error| error.to_string());
        assert!(job.is_ok(), "{kernel}: {job:?}");
    }
}

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

/// The module that ran, where it is not the kernel's portable one.
fn module_of(run: &Execution, job: &Job) -> String {
    let ran = kernels::Module::all().find(|module| {
        let sha256 = module.ptx().map(|ptx| ptx.sha256);
        run.module.is_some_and(|ran| sha256 == Some(ran.0))
    });
    match ran.map(kernels::Module::name) {
        Some(name) if name != job.kernel().name() => format!(" by `{name}`"),
        _ => String::new(),
    }
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

fn check_samples(cuda: &Cuda) -> usize {
    let samples = samples::small();
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
    let work = Work {
        job: job.clone(),
        inputs: Arc::new(job.accept(&Inputs::none()).unwrap()),
        keep_outputs,
        clock: Arc::new(SystemClock::new()),
    };
    cuda.execute(&work)
        .unwrap_or_else(|error| panic!("{error}\n{}", error.remedy()))
}

const TABLE_HEAD: &str = "\
| Kernel | Time on the device | Operations/s | of datasheet peak | Bytes/s | of datasheet bandwidth | Digest | Digest/run | Around the run |
|---|---|---|---|---|---|---|---|---|
";

/// The best of three runs; "around" is everything but kernel and digest: context, module, memory, counters.
fn row(cuda: &Cuda, job: &Job) -> String {
    let runs = (0..3).map(|_| {
        let since = Instant::now();
        let run = run(cuda, job, false);
        (run, since.elapsed())
    });
    let (run, whole) = runs.min_by_key(|(run, _)| run.run_us).expect("three runs");
    let (cost, name) = (job.cost(), &cuda.device().name);
    let sheet = DATASHEETS.iter().find(|sheet| name.contains(sheet.name));
    let (run_us, digest_us) = (run.run_us.max(1) as f64, run.digest_us as f64);
    let output: u64 = run.outputs.iter().map(|output| output.len).sum();
    let operations = cost.operations as f64 / run_us / 1e6;
    let bytes = (cost.bytes_read + cost.bytes_written) as f64 / run_us / 1e3;
    let around = whole.as_secs_f64() * 1e3 - (run_us + digest_us) / 1e3;
    format!(
        "| `{}`{} | {:.3} ms | {operations:.3} T | {} | {bytes:.1} G | {} | {:.1} GB/s | {:.1} % | {around:.0} ms |\n",
        job.kernel(),
        module_of(&run, job),
        run_us / 1e3,
        share(operations, sheet.and_then(|sheet| sheet.peak(job.kernel()))),
        share(bytes, sheet.map(|sheet| sheet.memory_gb_s)),
        output as f64 / digest_us.max(1.0) / 1e3,
        100.0 * digest_us / run_us,
    )
}

/// A dash where no datasheet is known for the device.
fn share(achieved: f64, peak: Option<f64>) -> String {
    peak.map_or("–".to_owned(), |peak| {
        format!("{:.1} %", 100.0 * achieved / peak)
    })
}
