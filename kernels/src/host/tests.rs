//! Tests of the host execution itself, on the kernels of `host/testdata`.

use std::num::NonZeroUsize;

use super::*;

/// Memory with one buffer of words, and a machine: what most tests need.
struct Bench {
    machine: Machine,
    memory: Memory,
    buffers: Vec<BufferRef>,
}

impl Bench {
    fn new() -> Self {
        Self {
            machine: machine(1),
            memory: Memory::new(),
            buffers: Vec::new(),
        }
    }

    fn words(mut self, words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.buffers
            .push(self.memory.filled("words", &bytes).unwrap());
        self
    }

    fn on(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    fn launch(
        &mut self,
        function: &str,
        grid: [u32; 3],
        block: [u32; 3],
        scalars: &[Arg],
    ) -> Result<(), HostError> {
        let pointers = self.buffers.iter().map(|buffer| Arg::Buffer(*buffer, 0));
        let args: Vec<Arg> = pointers.chain(scalars.iter().copied()).collect();
        let launch = Launch {
            module: "host_test",
            function,
            grid,
            block,
            args: &args,
        };
        self.machine.launch(&launch, &mut self.memory)
    }

    fn read(&self, buffer: usize) -> Vec<u32> {
        let bytes = self.memory.bytes(self.buffers[buffer]).chunks_exact(4);
        bytes
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    fn read_wide(&self, buffer: usize) -> Vec<u64> {
        let bytes = self.memory.bytes(self.buffers[buffer]).chunks_exact(8);
        bytes
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }
}

fn machine(threads: usize) -> Machine {
    Machine::new(NonZeroUsize::new(threads).unwrap())
}

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

/// The code of the error that a kernel of one pointer ends with.
fn defect(function: &str, threads: u32, scalars: &[Arg]) -> HostError {
    let mut bench = Bench::new().words(&[0; 64]);
    let error = bench
        .launch(function, [1, 1, 1], [threads, 1, 1], scalars)
        .expect_err(function);
    bench
        .launch("host_test_iota", [1, 1, 1], [64, 1, 1], &[Arg::U32(64)])
        .unwrap();
    assert_eq!(
        bench.read(0),
        (0..64).collect::<Vec<_>>(),
        "the machine works on after {error}"
    );
    error
}

#[test]
fn a_block_sum_needs_its_barriers_and_gets_them() {
    let input = numbers(256 * 5);
    for seed in 0..20 {
        let mut bench = Bench::new()
            .words(&input)
            .words(&[0; 5])
            .on(machine(1).with_seed(seed));
        bench
            .launch("host_test_block_sum", [5, 1, 1], [256, 1, 1], &[])
            .unwrap();
        assert_eq!(bench.read(1), sums(&input, 256), "seed {seed}");
    }
}

#[test]
fn shuffles_sum_a_block_of_any_whole_warps() {
    for warps in [1_u32, 2, 8, 32] {
        let input = numbers(3 * 32 * warps as usize);
        for seed in 0..5 {
            let mut bench = Bench::new()
                .words(&input)
                .words(&[0; 3])
                .on(machine(1).with_seed(seed));
            bench
                .launch("host_test_warp_sum", [3, 1, 1], [32 * warps, 1, 1], &[])
                .unwrap();
            assert_eq!(
                bench.read(1),
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
        let mut bench = Bench::new()
            .words(&input)
            .words(&[0])
            .on(machine(1).with_seed(seed));
        bench
            .launch("host_test_missing_barrier", [1, 1, 1], [256, 1, 1], &[])
            .unwrap();
        bench.read(1)
    };
    assert_eq!(run(0), sums(&input, 256));
    for seed in 1..6 {
        assert_ne!(run(seed), sums(&input, 256), "seed {seed}");
    }
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
        let mut bench = Bench::new().words(&[0; 256]).on(machine(1).with_seed(seed));
        bench
            .launch("host_test_warp_ops", [1, 1, 1], [32, 1, 1], &[])
            .unwrap();
        assert_eq!(bench.read(0), expected, "seed {seed}");
    }
}

#[test]
fn intrinsics_compute_what_ptx_says() {
    let mut bench = Bench::new().words(&[0; 10]).words(&[0; 2]);
    let (a, b, c) = (0x8765_4321_u32, 0x0fed_cba9_u32, u64::MAX - 5);
    bench
        .launch(
            "host_test_intrinsics",
            [1, 1, 1],
            [1, 1, 1],
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
    assert_eq!(bench.read(0), expected);
    assert_eq!(
        bench.read_wide(1),
        [((u128::from(c) * u128::from(c)) >> 64) as u64]
    );
}

#[test]
fn atomics_lose_nothing_between_threads() {
    let mut bench = Bench::new()
        .words(&[0, 0, u32::MAX, 0])
        .words(&[0; 2])
        .words(&[0])
        .on(machine(3));
    bench
        .launch("host_test_atomics", [1000, 1, 1], [64, 1, 1], &[])
        .unwrap();
    assert_eq!(bench.read(0), [64_000, 63_999, 0, u32::MAX]);
    assert_eq!(bench.read_wide(1), [64_000 << 32]);
    assert_eq!(bench.read(2), [(-63_999_i32) as u32]);
}

#[test]
fn arguments_arrive_with_all_their_bits() {
    let mut bench = Bench::new().words(&[0; 8]);
    let scalars = [
        Arg::U32(u32::MAX),
        Arg::U64(u64::MAX - 1),
        Arg::I32(-2),
        Arg::F32(-0.5),
    ];
    bench
        .launch("host_test_arguments", [1, 1, 1], [1, 1, 1], &scalars)
        .unwrap();
    let expected = [
        u64::from(u32::MAX),
        u64::MAX - 1,
        (-2_i64) as u64,
        u64::from((-0.5_f32).to_bits()),
    ];
    assert_eq!(bench.read_wide(0), expected);
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
        let mut bench = Bench::new()
            .words(&vec![0; expected.len()])
            .on(machine(threads));
        bench.launch("host_test_places", grid, block, &[]).unwrap();
        assert_eq!(bench.read(0), expected, "{threads} threads");
    }
}

#[test]
fn any_number_of_threads_and_any_order_give_the_same_bits() {
    let input = numbers(256 * 1001);
    for threads in 1..=3 {
        for seed in 0..3 {
            let mut bench = Bench::new()
                .words(&input)
                .words(&[0; 1001])
                .on(machine(threads).with_seed(seed));
            bench
                .launch("host_test_block_sum", [1001, 1, 1], [256, 1, 1], &[])
                .unwrap();
            assert_eq!(
                bench.read(1),
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
    let builds = [Build::Portable, Build::X86_64V3];
    for machine in builds
        .iter()
        .filter_map(|build| machine(2).with_build(*build))
    {
        let mut bench = Bench::new().words(&input).words(&[0; 4000]).on(machine);
        bench
            .launch(
                "host_test_floats",
                [8, 1, 1],
                [128, 1, 1],
                &[Arg::U32(1000)],
            )
            .unwrap();
        assert_eq!(bench.read(1), expected, "{machine:?}");
    }
}

#[test]
fn defects_of_a_kernel_are_errors() {
    let cases: [(&str, u32, &[Arg], &str); 9] = [
        ("host_test_early_exit", 64, &[], "exit_before_barrier"),
        (
            "host_test_early_exit_in_warp",
            32,
            &[],
            "exit_before_barrier",
        ),
        ("host_test_divergent", 64, &[], "divergent_barrier"),
        ("host_test_divergent_masks", 32, &[], "divergent_barrier"),
        ("host_test_outside_mask", 32, &[], "divergent_barrier"),
        ("host_test_inactive_lane", 16, &[], "inactive_lane"),
        ("host_test_deep_stack", 1, &[Arg::U32(3)], "stack_overflow"),
        (
            "host_test_wild_pointer",
            1,
            &[Arg::U64(1 << 45)],
            "memory_fault",
        ),
        ("host_test_divide", 1, &[Arg::U32(0)], "arithmetic_fault"),
    ];
    for (function, threads, scalars, code) in cases {
        let error = defect(function, threads, scalars);
        assert_eq!(error.code(), code, "{function}: {error}");
    }
}

#[test]
fn writes_next_to_a_buffer_are_found() {
    let cases = [
        (-1, "1 bytes before"),
        (-1024, "4093 bytes before"),
        (64, "0 bytes after"),
        (1087, "4092 bytes after"),
    ];
    for (at, place) in cases {
        let mut bench = Bench::new().words(&[0; 64]);
        let error = bench
            .launch(
                "host_test_stray_write",
                [1, 1, 1],
                [1, 1, 1],
                &[Arg::I32(at)],
            )
            .expect_err(place);
        assert_eq!(error.code(), "out_of_bounds_write");
        assert_eq!(
            error.to_string(),
            format!("host_test_stray_write wrote {place} buffer words")
        );
    }
    let mut bench = Bench::new().words(&[0; 64]);
    for at in [0, 63] {
        bench
            .launch(
                "host_test_stray_write",
                [1, 1, 1],
                [1, 1, 1],
                &[Arg::I32(at)],
            )
            .unwrap();
    }
}

#[test]
fn launches_that_do_not_fit_the_function_are_refused() {
    let iota = "host_test_iota";
    let one = [1, 1, 1];
    let cases: [(&str, [u32; 3], [u32; 3], &[Arg], &str); 14] = [
        ("no_such_function", one, one, &[], "function_unknown"),
        (iota, one, one, &[], "argument_count_mismatch"),
        (
            iota,
            one,
            one,
            &[Arg::U32(1), Arg::U32(1)],
            "argument_count_mismatch",
        ),
        (iota, one, one, &[Arg::I32(1)], "argument_type_mismatch"),
        (iota, one, one, &[Arg::U64(1)], "argument_type_mismatch"),
        (iota, one, one, &[Arg::F32(1.0)], "argument_type_mismatch"),
        (
            iota,
            one,
            one,
            &[Arg::Buffer(BufferRef(0), 0)],
            "argument_type_mismatch",
        ),
        (iota, one, [0, 1, 1], &[Arg::U32(1)], "block_size"),
        (iota, one, [1025, 1, 1], &[Arg::U32(1)], "block_size"),
        (iota, one, [32, 33, 1], &[Arg::U32(1)], "block_size"),
        (iota, one, [1, 1, 65], &[Arg::U32(1)], "block_size"),
        (iota, [1, 0, 1], one, &[Arg::U32(1)], "grid_size"),
        (iota, [1, 0x1_0000, 1], one, &[Arg::U32(1)], "grid_size"),
        (iota, [0x8000_0000, 1, 1], one, &[Arg::U32(1)], "grid_size"),
    ];
    for (function, grid, block, scalars, code) in cases {
        let error = Bench::new()
            .words(&[0; 4])
            .launch(function, grid, block, scalars)
            .expect_err(code);
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn pointers_start_inside_a_buffer_and_are_aligned() {
    let mut memory = Memory::new();
    let buffer = memory.zeroed("words", 16).unwrap();
    let cases = [
        (buffer, 0, None),
        (buffer, 12, None),
        (buffer, 16, None),
        (buffer, 20, Some("buffer_offset")),
        (buffer, u64::MAX, Some("buffer_offset")),
        (BufferRef(1), 0, Some("buffer_offset")),
        (buffer, 2, Some("buffer_misaligned")),
    ];
    for (buffer, offset, code) in cases {
        let launch = Launch {
            module: "host_test",
            function: "host_test_iota",
            grid: [1, 1, 1],
            block: [1, 1, 1],
            args: &[
                Arg::Buffer(buffer, offset),
                Arg::U32(u32::from(offset < 16)),
            ],
        };
        let actual = machine(1).launch(&launch, &mut memory).err();
        assert_eq!(
            actual.as_ref().map(HostError::code),
            code,
            "{offset}: {actual:?}"
        );
    }
}

#[test]
fn unknown_modules_are_refused() {
    let launch = Launch {
        module: "no_such_module",
        function: "host_test_iota",
        grid: [1, 1, 1],
        block: [1, 1, 1],
        args: &[],
    };
    let error = machine(1).launch(&launch, &mut Memory::new()).unwrap_err();
    assert_eq!(error.code(), "module_unknown");
}

#[test]
fn a_defect_on_one_thread_ends_the_launch_on_all() {
    let mut bench = Bench::new().words(&[0; 64]).on(machine(3));
    let error = bench
        .launch("host_test_early_exit", [10_000, 1, 1], [64, 1, 1], &[])
        .unwrap_err();
    assert_eq!(error.code(), "exit_before_barrier");
}

/// Run with `--ignored --nocapture`; ratios are what counts on a shared machine.
#[test]
#[ignore = "a measurement"]
fn cost_of_threads_and_barriers() {
    let time = |function: &str, blocks: u32, count: u32| {
        let mut bench = Bench::new().words(&vec![0; blocks as usize * 256]);
        let run = |bench: &mut Bench| {
            let start = std::time::Instant::now();
            bench
                .launch(function, [blocks, 1, 1], [256, 1, 1], &[Arg::U32(count)])
                .unwrap();
            start.elapsed().as_nanos() as f64 / f64::from(blocks * 256)
        };
        (0..7)
            .map(|_| run(&mut bench))
            .fold(f64::INFINITY, f64::min)
    };
    println!(
        "a thread without barriers: {:.1} ns",
        time("host_test_iota", 1000, u32::MAX)
    );
    for function in ["host_test_barriers", "host_test_shuffles"] {
        let (few, many) = (time(function, 50, 10), time(function, 50, 110));
        println!(
            "{function}: {:.1} ns a thread and barrier, {few:.1} ns for the first ten",
            (many - few) / 100.0
        );
    }
}
