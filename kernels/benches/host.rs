//! What this CPU does with the kernels, beside what the ecosystem does, in one run: digests beside the `blake3` crate,
//! products of int8 by every build of the sources beside oneDNN, points by the Rust reference.
//!
//! ```sh
//! benches/onednn/run          # compiles the comparison if there is a library, and runs this
//! ```
//!
//! Each figure is the best of a few runs, on one thread by the time it had a processor: other work on the machine only
//! ever adds time. With `ONEDNN_MATMUL` the path of
//! `benches/onednn/matmul.cpp`, compiled, its figures stand beside ours.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::process::Command;
use std::time::{Duration, Instant};

use kernels::host::{Build, Machine};
use kernels::point::InMemory;
use kernels::program::Target;
use kernels::{Blake3Digest, Inputs, Job};

/// Runs of which the best counts.
const RUNS: u32 = 4;
const THREADS: [usize; 2] = [1, 2];
const SIZES: [u32; 3] = [1024, 2048, 4096];

fn main() {
    digests();
    points();
    for size in sizes() {
        for threads in THREADS {
            products(size, threads);
            onednn(size, threads);
        }
    }
}

/// Those named, or all.
fn sizes() -> Vec<u32> {
    let named: Vec<u32> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    if named.is_empty() {
        SIZES.to_vec()
    } else {
        named
    }
}

/// The shortest of some runs by the clock on the wall: for several threads.
fn best(mut run: impl FnMut()) -> Duration {
    let timed = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    timed.min().unwrap_or_default()
}

/// The shortest of some runs by the time this thread was given a processor: others' work counts as little as can be.
fn best_on_cpu(mut run: impl FnMut()) -> Duration {
    let timed = (0..RUNS).map(|_| {
        let start = on_cpu();
        run();
        on_cpu() - start
    });
    timed.min().unwrap_or_default()
}

/// Time on a processor of this thread (Linux, proc(5)).
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

/// Billions a second.
fn rate(count: f64, took: Duration) -> f64 {
    count / took.as_secs_f64() / 1e9
}

fn digests() {
    let bytes = vec![0x5a; 1 << 28];
    let ours = best_on_cpu(|| {
        black_box(Blake3Digest::of(&bytes));
    });
    let of_crate = best_on_cpu(|| {
        black_box(blake3::hash(&bytes));
    });
    let (ours, of_crate) = (
        rate(bytes.len() as f64, ours),
        rate(bytes.len() as f64, of_crate),
    );
    println!("digest {ours:.2} GB/s, blake3 crate {of_crate:.2} GB/s");
}

fn product(size: u32) -> Job {
    let seed = "5e".repeat(32);
    let params = serde_json::json!({"m": size, "n": size, "k": size, "operands": {"seed": seed}});
    Job::parse("gemm_i8", &params).expect("a job")
}

/// Points of a product of given operands would need no Philox; these are what an audit of a seed costs.
fn points() {
    let job = product(4096);
    let count = 64;
    let took = best_on_cpu(|| {
        for point in 0..count {
            let bytes = job.points().eval(point * 4099, &InMemory::default());
            black_box(bytes.expect("a seeded job reads nothing"));
        }
    });
    let macs = (count * 4096) as f64;
    println!(
        "points of gemm_i8 from a seed {:.3} GMAC/s",
        rate(macs, took)
    );
    let (macs, reference) = (512_f64.powi(3), product(512));
    let inputs = reference.accept(&Inputs::none()).expect("no inputs");
    let took = best_on_cpu(|| drop(black_box(reference.reference(&inputs))));
    println!("reference of gemm_i8 512^3 {:.2} GMAC/s", rate(macs, took));
}

/// Whole programs: operands from the seed, the product, the output copied.
fn products(size: u32, threads: usize) {
    let job = product(size);
    let program = job.program(Target::Portable).expect("a program");
    let inputs = job.accept(&Inputs::none()).expect("no inputs");
    let machine = Machine::new(NonZeroUsize::new(threads).expect("not zero"));
    for build in Build::ALL {
        let Some(machine) = machine.with_build(*build) else {
            println!("{build:?} is not for this CPU");
            continue;
        };
        let run = || drop(black_box(machine.run(&program, &inputs).expect("a run")));
        let took = if threads == 1 {
            best_on_cpu(run)
        } else {
            best(run)
        };
        let rate = rate(f64::from(size).powi(3), took);
        println!(
            "host {build:?} {size}^3 on {threads} threads {rate:.1} GMAC/s, operands from the seed included"
        );
    }
}

fn onednn(size: u32, threads: usize) {
    let Some(path) = std::env::var_os("ONEDNN_MATMUL") else {
        println!(
            "onednn NOT COMPARED: ONEDNN_MATMUL names no program (benches/onednn/run makes one)"
        );
        return;
    };
    let mut command = Command::new(path);
    let status = command
        .arg(size.to_string())
        .env("OMP_NUM_THREADS", threads.to_string())
        .status();
    assert!(status.expect("the program starts").success());
}
