//! What an audit costs beside the work it audits (methods 2.3: 300 points of an 8192³ product).
//!
//! ```sh
//! cargo bench -p kernels --bench points
//! ```

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use kernels::audit::{self, Strength};
use kernels::freivalds::{Randomness, Verdict, check};
use kernels::gemm_i8::{Operands, Shape};
use kernels::point::InMemory;
use kernels::{Job, OperandSeed};

fn seeded(n: u32) -> Job {
    let seed = OperandSeed::from_bytes([0x5e; 32]);
    let params = format!(r#"{{"m": {n}, "n": {n}, "k": {n}, "operands": {{"seed": "{seed}"}}}}"#);
    Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(&params)).expect("a job")
}

fn points(criterion: &mut Criterion) {
    let job = seeded(8192);
    let randomness = Randomness::drawn_after_commitment([0xa7; 32]);
    let drawn = audit::draw(&randomness, &job, Strength::DEFAULT.points);
    let (work, point) = (job.cost().operations, job.points().point_cost(0).operations);
    let audited = point * drawn.len() as u64;
    println!(
        "8192^3: {} points are {audited} of {work} operations, {:.1e}",
        drawn.len(),
        audited as f64 / work as f64
    );
    let mut group = criterion.benchmark_group("points");
    group.sample_size(20);
    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        group.bench_function(
            format!("gemm_i8_8192_from_seed_{threads}_threads"),
            |bench| {
                let none = InMemory::default();
                bench.iter(|| audit::expected(&job, &none, black_box(&drawn), threads));
            },
        );
    }
    group.finish();
}

/// A product whose factors are zero: the check does the same work for any values.
fn freivalds(criterion: &mut Criterion) {
    let shape = Shape::new(4096, 4096, 4096).expect("shape");
    let zeros = |len| vec![0; len];
    let operands = Operands::new(shape, zeros(shape.a_len()), zeros(shape.b_len()));
    let operands = operands.expect("lengths");
    let output = vec![0; shape.output_len()];
    let randomness = Randomness::drawn_after_commitment([0xa7; 32]);
    let mut group = criterion.benchmark_group("freivalds");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads).expect("not zero");
        group.bench_function(format!("4096_{threads}_threads"), |bench| {
            bench.iter(|| {
                let verdict = check(&operands, black_box(&output), &randomness, threads);
                assert!(matches!(verdict, Ok(Verdict::Accepted(_))));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, points, freivalds);
criterion_main!(benches);
