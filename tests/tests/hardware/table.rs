//! What a GPU achieves on jobs large enough to measure.

use std::time::Instant;

use attestation_agent::{Cuda, Execution};
use kernels::{Job, Kernel};
use serde_json::json;

use crate::{run, samples};

/// What a datasheet promises of a device, without sparsity: 10^12 operations, 10^9 bytes a second.
struct Datasheet {
    /// What the driver's name for it contains.
    name: &'static str,
    /// int8 on tensor cores; bfloat16 has half.
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
            Kernel::GemmI8 | Kernel::GemmI8Requant | Kernel::GemmChain => self.int8_tops,
            Kernel::GemmBf16 => self.int8_tops.map(|tops| tops / 2.0),
            Kernel::GemmF32 | Kernel::MlpSgd | Kernel::Nbody => self.float32_tflops,
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
    let mut requantised = product.clone();
    requantised["multiplier"] = json!(24_000);
    requantised["shift"] = json!(24);
    let chain = json!({"n": n / 2, "steps": 8, "weights": 2, "seed": seed});
    let (width, bodies, batch) = if small {
        (32, 64, 16)
    } else {
        (1024, 1 << 16, 1024)
    };
    let block = json!({"tokens": width, "width": width, "heads": width / 32, "hidden": 4 * width,
        "operands": {"seed": seed}});
    let training = json!({"layers": [width / 2, width / 2, 10], "task": "regression", "samples": 4 * batch,
        "batch": batch, "steps": 8, "checkpoint_every": 4, "learning_rate": 6554, "momentum": 58_982, "seed": seed,
        "data": "seeded"});
    let stars =
        json!({"n": bodies, "steps": 2, "dt": 656, "softening": 3277, "bodies": {"seed": seed}});
    let mut picture = kernels::pathtrace::Params::marbles(seed.parse().expect("a seed"));
    if small {
        (picture.width, picture.height, picture.samples) = (16, 9, 2);
    }
    let picture = serde_json::to_value(picture).expect("a picture");
    let lanes = if small { 64 } else { 1 << 14 };
    let walk = json!({"lanes": lanes, "depth": 64, "walkers": lanes, "hops": 64, "seed": seed});
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
        ("gemm_i8_requant", requantised),
        ("transformer_block", block),
        ("mlp_sgd", training),
        ("nbody", stars),
        ("pathtrace", picture),
        ("vram_walk", walk),
    ]
}

/// The table's lines, with its head.
pub(crate) fn of(cuda: &Cuda, small: bool) -> String {
    let mut lines = HEAD.to_owned();
    for (kernel, params) in measured(small) {
        match Job::parse(kernel, &params) {
            Ok(job) => lines += &row(cuda, &job),
            Err(error) => panic!("{kernel}: {error}"),
        }
    }
    lines
}

/// No GPU is needed to see that what is measured on one is within the limits of the kernels.
#[test]
fn the_measured_jobs_are_jobs() {
    for (kernel, params) in measured(false).into_iter().chain(measured(true)) {
        let job = Job::parse(kernel, &params).map_err(|error| error.to_string());
        assert!(job.is_ok(), "{kernel}: {job:?}");
    }
}

/// The module that ran, where it is not the kernel's portable one.
pub(crate) fn module_of(run: &Execution, job: &Job) -> String {
    let ran = kernels::Module::all().find(|module| {
        let sha256 = module.ptx().map(|ptx| ptx.sha256);
        run.module.is_some_and(|ran| sha256 == Some(ran.0))
    });
    match ran.map(kernels::Module::name) {
        Some(name) if name != job.kernel().name() => format!(" by `{name}`"),
        _ => String::new(),
    }
}

const HEAD: &str = "\
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
