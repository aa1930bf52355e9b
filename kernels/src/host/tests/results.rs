//! Kernels without a defect, and what they compute.

use super::*;

/// Numbers without a pattern, by a multiplicative generator.
fn numbers(count: usize) -> Vec<u32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 32) as u32
    };
    (0..count).map(|_| next()).collect()
}

fn sums(input: &[u32], per_block: usize) -> Vec<u32> {
    let sum = |block: &[u32]| {
        block
            .iter()
            .fold(0_u32, |sum, word| sum.wrapping_add(*word))
    };
    input.chunks(per_block).map(sum).collect()
}

#[test]
fn a_block_sum_needs_its_barriers_and_gets_them() {
    let input = numbers(256 * 5);
    for seed in 0..20 {
        let bench = Bench::new()
            .words(&input)
            .words(&[0; 5])
            .on(machine(1).with_seed(seed));
        let outputs = bench.line("host_test_block_sum", 5, 256, &[]).unwrap();
        assert_eq!(outputs.words(1), sums(&input, 256), "seed {seed}");
    }
}

#[test]
fn shuffles_sum_a_block_of_any_whole_warps() {
    for warps in [1_u32, 2, 8, 32] {
        let input = numbers(3 * 32 * warps as usize);
        for seed in 0..5 {
            let bench = Bench::new()
                .words(&input)
                .words(&[0; 3])
                .on(machine(1).with_seed(seed));
            let outputs = bench
                .line("host_test_warp_sum", 3, 32 * warps, &[])
                .unwrap();
            assert_eq!(
                outputs.words(1),
                sums(&input, 32 * warps as usize),
                "{warps} warps, seed {seed}"
            );
        }
    }
}

#[test]
fn a_missing_barrier_shows_in_a_shuffled_order_alone() {
    let input = numbers(256);
    let run = |seed| {
        let bench = Bench::new()
            .words(&input)
            .words(&[0])
            .on(machine(1).with_seed(seed));
        let outputs = bench
            .line("host_test_missing_barrier", 1, 256, &[])
            .unwrap();
        outputs.words(1)
    };
    assert_eq!(run(0), sums(&input, 256));
    for seed in 1..6 {
        assert_ne!(run(seed), sums(&input, 256), "seed {seed}");
    }
}

#[test]
fn a_block_that_needs_the_one_before_it_shows_in_a_shuffled_order_alone() {
    let run = |seed| {
        let bench = Bench::new().words(&[0; 9]).on(machine(1).with_seed(seed));
        bench
            .line("host_test_block_chain", 8, 1, &[])
            .unwrap()
            .words(0)
    };
    assert_eq!(run(0), (0..9).collect::<Vec<_>>());
    assert_ne!(run(1), run(0));
}

#[test]
fn warp_operations_do_what_the_programming_guide_says() {
    let lane = |t: u32, source: u32| [100 + source, 100 + t];
    let expected: Vec<u32> = (0..32)
        .flat_map(|t: u32| {
            let up = if t % 16 >= 2 { t - 2 } else { t };
            let down = if t % 16 < 14 { t + 2 } else { t };
            let xor_1 = if t < 16 { t ^ 1 } else { 2 * (t ^ 1) };
            [
                105,
                lane(t, t / 8 * 8 + 5)[0],
                lane(t, t ^ 3)[0],
                lane(t, up)[0],
                lane(t, down)[0],
                0x4924_9249,
                3,
                xor_1,
            ]
        })
        .collect();
    for seed in 0..5 {
        let bench = Bench::new().words(&[0; 256]).on(machine(1).with_seed(seed));
        let outputs = bench.line("host_test_warp_ops", 1, 32, &[]).unwrap();
        assert_eq!(outputs.words(0), expected, "seed {seed}");
    }
}

#[test]
fn intrinsics_compute_what_ptx_says() {
    let bench = Bench::new().words(&[0; 10]).words(&[0; 2]);
    let (a, b, c) = (0x8765_4321_u32, 0x0fed_cba9_u32, u64::MAX - 5);
    let outputs = bench
        .line(
            "host_test_intrinsics",
            1,
            1,
            &[Arg::U32(a), Arg::U32(b), Arg::U64(c)],
        )
        .unwrap();
    let wide = (u64::from(b) << 32) | u64::from(a);
    let high = ((u64::from(a) * u64::from(b)) >> 32) as u32;
    let expected = [
        0x0fcb_6521,
        0x2121_21ff,
        ((wide << 4) >> 32) as u32,
        (wide >> 4) as u32,
        high,
        a.count_ones(),
        5,
        32,
        a.reverse_bits(),
        0x0fcb_6521,
    ];
    assert_eq!(outputs.words(0), expected);
    assert_eq!(
        outputs.wide(1),
        [((u128::from(c) * u128::from(c)) >> 64) as u64]
    );
}

#[test]
fn atomics_lose_nothing_between_threads() {
    let bench = Bench::new()
        .words(&[0, 0, u32::MAX, 0])
        .words(&[0; 2])
        .words(&[0])
        .on(machine(3));
    let outputs = bench.line("host_test_atomics", 1000, 64, &[]).unwrap();
    assert_eq!(outputs.words(0), [64_000, 63_999, 0, u32::MAX]);
    assert_eq!(outputs.wide(1), [64_000 << 32]);
    assert_eq!(outputs.words(2), [(-63_999_i32) as u32]);
}

#[test]
fn arguments_arrive_with_all_their_bits() {
    let bench = Bench::new().words(&[0; 8]);
    let scalars = [
        Arg::U32(u32::MAX),
        Arg::U64(u64::MAX - 1),
        Arg::I32(-2),
        Arg::F32(-0.5),
    ];
    let outputs = bench.line("host_test_arguments", 1, 1, &scalars).unwrap();
    let expected = [
        u64::from(u32::MAX),
        u64::MAX - 1,
        (-2_i64) as u64,
        u64::from((-0.5_f32).to_bits()),
    ];
    assert_eq!(outputs.wide(0), expected);
}

#[test]
fn places_cover_a_grid_of_three_dimensions() {
    let (grid, block) = ([3_u32, 4, 2], [5_u32, 7, 3]);
    let mut expected = Vec::new();
    let places = |size: [u32; 3]| {
        (0..size[2]).flat_map(move |z| {
            (0..size[1]).flat_map(move |y| (0..size[0]).map(move |x| z << 8 | y << 4 | x))
        })
    };
    for of_block in places(grid) {
        expected.extend(places(block).map(|of_thread| of_block << 12 | of_thread));
    }
    for threads in 1..=3 {
        let bench = Bench::new()
            .words(&vec![0; expected.len()])
            .on(machine(threads));
        let outputs = bench.run("host_test_places", grid, block, &[]).unwrap();
        assert_eq!(outputs.words(0), expected, "{threads} threads");
    }
}

#[test]
fn any_number_of_threads_and_any_order_give_the_same_bits() {
    let input = numbers(256 * 1001);
    for threads in 1..=3 {
        for seed in 0..3 {
            let bench = Bench::new()
                .words(&input)
                .words(&[0; 1001])
                .on(machine(threads).with_seed(seed));
            let outputs = bench.line("host_test_block_sum", 1001, 256, &[]).unwrap();
            assert_eq!(
                outputs.words(1),
                sums(&input, 256),
                "{threads} threads, seed {seed}"
            );
        }
    }
}

#[test]
fn every_build_gives_the_bits_of_rust() {
    let input: Vec<u32> = numbers(1000)
        .into_iter()
        .map(|word| f32::from_bits(word >> 3 | 0x2000_0000).to_bits())
        .collect();
    let expected: Vec<u32> = input
        .iter()
        .map(|word| f32::from_bits(*word))
        .flat_map(|x| {
            [
                x * x - 1.0,
                x.mul_add(x, -1.0),
                x * 1e-38 * 1e-3,
                1.0 / x + x.sqrt(),
            ]
        })
        .map(f32::to_bits)
        .collect();
    let builds = Build::ALL;
    for machine in builds
        .iter()
        .filter_map(|build| machine(2).with_build(*build))
    {
        let bench = Bench::new().words(&input).words(&[0; 4000]).on(machine);
        let outputs = bench
            .line("host_test_floats", 8, 128, &[Arg::U32(1000)])
            .unwrap();
        assert_eq!(outputs.words(1), expected, "{machine:?}");
    }
}

/// A kernel may leave flush-to-zero on; neither the next launch nor the caller sees it.
#[test]
fn each_launch_has_the_exact_floating_point_mode() {
    let mode = |bench: &Bench| {
        bench
            .line("host_test_float_mode", 1, 1, &[])
            .unwrap()
            .words(0)[0]
    };
    let bench = Bench::new().words(&[0]);
    let natural = mode(&bench);
    assert_eq!(mode(&bench), natural);
    let least = std::hint::black_box(f32::MIN_POSITIVE);
    assert!(least / 2.0 > 0.0, "subnormals are kept");
}

/// Run with `--ignored --nocapture`; ratios are what counts on a shared machine.
#[test]
#[ignore = "a measurement"]
fn cost_of_threads_and_barriers() {
    let thread =
        cost("host_test_iota", 4000, u32::MAX) - cost("host_test_iota", 1, u32::MAX) / 4000.0;
    println!("a thread without barriers: {thread:.1} ns");
    for function in ["host_test_barriers", "host_test_shuffles"] {
        let (few, many) = (cost(function, 50, 10), cost(function, 50, 110));
        println!(
            "{function}: {:.1} ns a thread and barrier",
            (many - few) / 100.0
        );
    }
}

/// Nanoseconds of a launch for each of its threads, with blocks of 256 on one thread of the CPU.
fn cost(function: &'static str, blocks: u32, count: u32) -> f64 {
    let bench = Bench::new().words(&vec![0; blocks as usize * 256]);
    let time = || {
        let start = std::time::Instant::now();
        bench
            .line(function, blocks, 256, &[Arg::U32(count)])
            .unwrap();
        start.elapsed().as_nanos() as f64 / f64::from(blocks * 256)
    };
    (0..7).map(|_| time()).fold(f64::INFINITY, f64::min)
}
