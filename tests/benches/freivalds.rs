//! Freivalds' check against doing the work again (methods 1.1).
//!
//! ```sh
//! cargo bench -p tests --bench freivalds
//! ```

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use kernels::freivalds::{Randomness, Verdict, check};
use kernels::gemm_i8::{Operands, Shape, encode, reference};
use kernels::{Blake3Digest, OperandSeed};

fn freivalds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("freivalds");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(8));
    for n in [1024, 2048] {
        let shape = Shape::new(n, n, n).expect("shape");
        let operands = Operands::from_seed(shape, &OperandSeed::from_bytes([0x5e; 32]));
        let output = encode(&reference(&operands));
        let randomness = Randomness::drawn_after_commitment([0xa7; 32]);
        for threads in [1, 2] {
            let threads = NonZeroUsize::new(threads).expect("not zero");
            let id = BenchmarkId::new(format!("check_{threads}_threads"), n);
            group.bench_function(id, |bench| {
                bench.iter(|| {
                    let verdict = check(&operands, black_box(&output), &randomness, threads);
                    assert!(matches!(verdict, Ok(Verdict::Accepted(_))));
                });
            });
        }
        group.bench_function(BenchmarkId::new("operands_from_seed", n), |bench| {
            let seed = OperandSeed::from_bytes([0x5e; 32]);
            bench.iter(|| Operands::from_seed(shape, black_box(&seed)));
        });
        group.bench_function(BenchmarkId::new("digest_of_output", n), |bench| {
            bench.iter(|| Blake3Digest::of(black_box(&output)));
        });
        group.bench_function(BenchmarkId::new("recomputation_1_thread", n), |bench| {
            bench.iter(|| reference(black_box(&operands)));
        });
    }
    group.finish();
}

criterion_group!(benches, freivalds);
criterion_main!(benches);
