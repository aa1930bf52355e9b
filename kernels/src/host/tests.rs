//! Tests of the host execution itself, on the kernels of `host/testdata`.

use std::num::NonZeroUsize;

use super::*;
use crate::program::{Arg, BufferId, Program};
use crate::{Blake3Digest, CheckedInputs, Inputs, Job, Module, Output};

/// A machine and some buffers: a program that lacks its launch.
struct Bench {
    machine: Machine,
    program: Program,
    buffers: Vec<BufferId>,
}

impl Bench {
    fn new() -> Self {
        Self {
            machine: machine(1),
            program: Program::new(Module::portable("host_test")),
            buffers: Vec::new(),
        }
    }

    fn on(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Adds a buffer, the next argument of the launch and the next output.
    fn words(mut self, words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let buffer = self.program.bytes("words", bytes);
        self.program.output(buffer);
        self.buffers.push(buffer);
        self
    }

    /// Launches a function with the buffers and then `scalars` as arguments.
    fn run(
        &self,
        function: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        scalars: &[Arg],
    ) -> Result<Outputs, HostError> {
        let pointers = self.buffers.iter().map(|buffer| Arg::Buffer(*buffer, 0));
        let args = pointers.chain(scalars.iter().copied()).collect();
        let mut program = self.program.clone();
        program.launch_grid(function, grid, block, args);
        run(&self.machine, &program).map(Outputs)
    }

    /// The same in one dimension.
    fn line(
        &self,
        function: &'static str,
        blocks: u32,
        threads: u32,
        scalars: &[Arg],
    ) -> Result<Outputs, HostError> {
        self.run(function, [blocks, 1, 1], [threads, 1, 1], scalars)
    }
}

#[derive(Debug)]
struct Outputs(Vec<Output>);

impl Outputs {
    fn words(&self, buffer: usize) -> Vec<u32> {
        let words = self.0[buffer].bytes().chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    fn wide(&self, buffer: usize) -> Vec<u64> {
        let words = self.0[buffer].bytes().chunks_exact(8);
        words
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }
}

fn run(machine: &Machine, program: &Program) -> Result<Vec<Output>, HostError> {
    machine.run(program, &no_inputs()).map(|run| run.outputs)
}

/// A seeded job has no inputs.
fn no_inputs() -> CheckedInputs<'static> {
    let params = r#"{"m": 1, "n": 1, "k": 1, "operands": {"seed":
        "0000000000000000000000000000000000000000000000000000000000000000"}}"#;
    let job = Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(params)).unwrap();
    job.accept(&Inputs::none()).unwrap()
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

/// How a kernel of one pointer fails; and that the machine works on after it.
fn defect(function: &'static str, threads: u32, scalars: &[Arg]) -> HostError {
    let bench = Bench::new().words(&[0; 64]);
    let error = bench
        .line(function, 1, threads, scalars)
        .expect_err(function);
    let outputs = bench
        .line("host_test_iota", 1, 64, &[Arg::U32(64)])
        .unwrap();
    assert_eq!(
        outputs.words(0),
        (0..64).collect::<Vec<_>>(),
        "after {error}"
    );
    error
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
    let builds = [Build::Portable, Build::X86_64V3];
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

#[test]
fn defects_of_a_kernel_are_errors() {
    let cases: [(&'static str, u32, &[Arg], &str); 9] = [
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
        let bench = Bench::new().words(&[0; 64]);
        let error = bench
            .line("host_test_stray_write", 1, 1, &[Arg::I32(at)])
            .expect_err(place);
        assert_eq!(error.code(), "out_of_bounds_write");
        assert_eq!(
            error.to_string(),
            format!("host_test_stray_write wrote {place} buffer words")
        );
    }
    let bench = Bench::new().words(&[0; 64]);
    for at in [0, 63] {
        bench
            .line("host_test_stray_write", 1, 1, &[Arg::I32(at)])
            .unwrap();
    }
}

#[test]
fn launches_that_do_not_fit_the_function_are_refused() {
    let iota = "host_test_iota";
    let one = [1, 1, 1];
    let bench = Bench::new().words(&[0; 4]);
    let pointer = Arg::Buffer(bench.buffers[0], 0);
    let cases: [(&'static str, [u32; 3], [u32; 3], &[Arg], &str); 14] = [
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
        (iota, one, one, &[pointer], "argument_type_mismatch"),
        (
            iota,
            one,
            [0, 1, 1],
            &[Arg::U32(1)],
            "block_size_unsupported",
        ),
        (
            iota,
            one,
            [1025, 1, 1],
            &[Arg::U32(1)],
            "block_size_unsupported",
        ),
        (
            iota,
            one,
            [32, 33, 1],
            &[Arg::U32(1)],
            "block_size_unsupported",
        ),
        (
            iota,
            one,
            [1, 1, 65],
            &[Arg::U32(1)],
            "block_size_unsupported",
        ),
        (
            iota,
            [1, 0, 1],
            one,
            &[Arg::U32(1)],
            "grid_size_unsupported",
        ),
        (
            iota,
            [1, 0x1_0000, 1],
            one,
            &[Arg::U32(1)],
            "grid_size_unsupported",
        ),
        (
            iota,
            [0x8000_0000, 1, 1],
            one,
            &[Arg::U32(1)],
            "grid_size_unsupported",
        ),
    ];
    for (function, grid, block, scalars, code) in cases {
        let error = bench.run(function, grid, block, scalars).expect_err(code);
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn pointers_start_inside_a_buffer_and_are_aligned() {
    let mut program = Program::new(Module::portable("host_test"));
    let (words, bytes) = (program.buffer("words", 16), program.buffer("bytes", 3));
    let elsewhere = program.clone().buffer("another program's", 16);
    let cases = [
        (words, 0, None),
        (words, 12, None),
        (words, 16, None),
        (words, 20, Some("buffer_offset_outside")),
        (words, u64::MAX, Some("buffer_offset_outside")),
        (bytes, 4, Some("buffer_offset_outside")),
        (elsewhere, 0, Some("buffer_offset_outside")),
        (words, 2, Some("buffer_misaligned")),
    ];
    for (buffer, offset, code) in cases {
        let elements = Arg::U32(u32::from(offset < 16));
        let mut program = program.clone();
        program.launch(
            "host_test_iota",
            1,
            1,
            vec![Arg::Buffer(buffer, offset), elements],
        );
        let actual = run(&machine(1), &program).err();
        assert_eq!(
            actual.as_ref().map(HostError::code),
            code,
            "{offset}: {actual:?}"
        );
    }
}

#[test]
fn programs_that_no_cpu_runs_are_refused() {
    let mut unknown = Program::new(Module::portable("no_such_module"));
    unknown.launch("host_test_iota", 1, 1, vec![]);
    let mut input = Program::new(Module::portable("host_test"));
    input.input("a", 4);
    let mut huge = Program::new(Module::portable("host_test"));
    huge.buffer("huge", u64::MAX);
    let mut large = Program::new(Module::portable("host_test"));
    large.buffer("large", 1 << 62);
    let cases = [
        (unknown, "module_unknown"),
        (input, "program_input_missing"),
        (huge, "out_of_memory"),
        (large, "out_of_memory"),
    ];
    for (program, code) in cases {
        assert_eq!(run(&machine(1), &program).unwrap_err().code(), code);
    }
}

#[test]
fn inputs_fill_their_buffers_or_the_program_is_refused() {
    let (a, b) = ([1, 2, 3, 4, 5, 6], [7, 8, 9]);
    let params = format!(
        r#"{{"m": 2, "n": 1, "k": 3, "operands": {{"given": {{"a": "{}", "b": "{}"}}}}}}"#,
        Blake3Digest::of(&a),
        Blake3Digest::of(&b)
    );
    let job = Job::parse("gemm_i8", &mut serde_json::Deserializer::from_str(&params)).unwrap();
    let inputs = job
        .accept(&Inputs::none().with("a", &a).with("b", &b))
        .unwrap();
    let mut program = Program::new(Module::portable("host_test"));
    let (of_a, of_b) = (program.input("a", 6), program.input("b", 3));
    program.mark(of_b);
    program.output(of_b);
    program.output(of_a);
    let run = machine(1).run(&program, &inputs).unwrap();
    assert_eq!(
        run.outputs,
        [Output::new(b.to_vec()), Output::new(a.to_vec())]
    );
    assert_eq!(run.marks, [Blake3Digest::of(&b)]);
    program.input("a", 7);
    let error = machine(1).run(&program, &inputs).unwrap_err();
    assert_eq!(error.code(), "buffer_contents_length");
}

#[test]
fn marks_digest_what_a_buffer_holds_by_then() {
    let mut program = Program::new(Module::portable("host_test"));
    let words = program.buffer("words", 8);
    let iota = |program: &mut Program, n| {
        program.launch(
            "host_test_iota",
            1,
            2,
            vec![Arg::Buffer(words, 0), Arg::U32(n)],
        );
        program.mark(words);
    };
    program.mark(words);
    iota(&mut program, 2);
    let run = machine(1).run(&program, &no_inputs()).unwrap();
    let expected = [[0; 8], [0, 0, 0, 0, 1, 0, 0, 0]];
    assert_eq!(run.marks, expected.map(|bytes| Blake3Digest::of(&bytes)));
    assert!(run.outputs.is_empty());
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

#[test]
fn a_defect_on_one_thread_ends_the_launch_on_all() {
    let bench = Bench::new().words(&[0; 64]).on(machine(3));
    let error = bench
        .line("host_test_early_exit", 10_000, 64, &[])
        .unwrap_err();
    assert_eq!(error.code(), "exit_before_barrier");
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
