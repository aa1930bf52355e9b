//! What openings and disputes cost, beside reading and digesting the whole output.
//!
//! ```sh
//! cargo bench -p kernels --bench openings
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use kernels::audit;
use kernels::bisect::{Claims, Progress, Referee, Side, Witness};
use kernels::committed::{Committed, Outboard};
use kernels::point::InMemory;
use kernels::slices::{open, opening_len, stretches};
use kernels::{Blake3Digest, CheckedInputs, Inputs, Job, OperandSeed, Randomness};

/// A 4096² product of int32: 64 MiB. Its bytes are zero, which costs the same.
fn product() -> Job {
    let seed = OperandSeed::from_bytes([0x5e; 32]);
    let params =
        format!(r#"{{"m": 4096, "n": 4096, "k": 4096, "operands": {{"seed": "{seed}"}}}}"#);
    Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(&params)).expect("a job")
}

fn openings(criterion: &mut Criterion) {
    let job = product();
    let randomness = Randomness::drawn_after_commitment([0xa7; 32]);
    let points = audit::draw(&randomness, &job, 300);
    let needed = stretches(&job, &points, &InMemory::default()).expect("no inputs");
    let bytes = vec![0; job.outputs()[0].len as usize];
    let len = bytes.len() as u64;
    println!(
        "300 points: {} bytes of slices, {:.4} of the output",
        opening_len(&job, &needed),
        opening_len(&job, &needed) as f64 / len as f64
    );
    let mut group = criterion.benchmark_group("openings");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    group.bench_function("digest_64_mib", |bench| {
        bench.iter(|| Blake3Digest::of(black_box(&bytes)));
    });
    group.bench_function("outboard_64_mib", |bench| {
        bench.iter(|| Outboard::of(black_box(&bytes), len));
    });
    let committed = Committed::of(bytes.clone()).expect("in memory");
    let make = || {
        needed
            .iter()
            .map(|(_, stretch)| committed.slice(*stretch).expect("in memory"))
    };
    group.bench_function("make_300_slices", |bench| {
        bench.iter(|| make().count());
    });
    let slices: Vec<_> = make().collect();
    group.bench_function("verify_300_slices", |bench| {
        bench.iter(|| {
            let pairs = needed.iter().zip(&slices);
            let opened = pairs.map(|((_, stretch), slice)| {
                open(committed.digest(), len, *stretch, slice).expect("a slice")
            });
            opened.count()
        });
    });
    group.finish();
}

/// A dispute of two outputs that differ in one element, told by side.
fn dispute(
    job: &Job,
    inputs: &CheckedInputs<'_>,
    outputs: &[[Committed<'_>; 1]; 2],
) -> [Duration; 2] {
    let claims = [0, 1].map(|side: usize| Claims {
        outputs: vec![outputs[side][0].digest()],
        trace: None,
    });
    let [a, b] = claims;
    let [mut referee_time, mut witness_time] = [Duration::ZERO; 2];
    let mut referee = Referee::new(job, inputs, a, b).expect("a dispute");
    let mut witnesses = [0, 1]
        .map(|side: usize| Witness::new(job, inputs, &outputs[side], &[]).expect("a witness"));
    while let Some(question) = referee.question() {
        let start = Instant::now();
        let answers = witnesses
            .each_mut()
            .map(|it| it.answer(&question).expect("an answer"));
        witness_time += start.elapsed() / 2;
        let start = Instant::now();
        referee.answer(Side::A, &answers[0]);
        if let Progress::Undecidable(reason) = referee.answer(Side::B, &answers[1]) {
            panic!("{reason}");
        }
        referee_time += start.elapsed();
    }
    [referee_time, witness_time]
}

fn disputes(criterion: &mut Criterion) {
    let job = product();
    let inputs = job.accept(&Inputs::none()).expect("no inputs");
    let outputs = [1, 2].map(|byte| {
        let mut bytes = vec![0; job.outputs()[0].len as usize];
        bytes[40_000_000] = byte;
        [Committed::of(bytes).expect("in memory")]
    });
    let mut group = criterion.benchmark_group("disputes");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2));
    group.bench_function("referee_of_64_mib", |bench| {
        bench.iter_custom(|times| {
            (0..times)
                .map(|_| dispute(&job, &inputs, &outputs)[0])
                .sum()
        });
    });
    group.bench_function("witness_of_64_mib", |bench| {
        bench.iter_custom(|times| {
            (0..times)
                .map(|_| dispute(&job, &inputs, &outputs)[1])
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, openings, disputes);
criterion_main!(benches);
