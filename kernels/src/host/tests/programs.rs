//! Programs: steps, inputs, and those that are refused before a kernel runs.

use std::collections::BTreeSet;

use super::*;

#[test]
fn launches_that_do_not_fit_the_function_are_refused() {
    let iota = "host_test_iota";
    let one = [1, 1, 1];
    let bench = Bench::new().words(&[0; 4]);
    let pointer = Arg::Buffer(bench.buffers[0], 0);
    type Case<'a> = (&'static str, [u32; 3], [u32; 3], &'a [Arg], &'a str);
    let cases: [Case<'_>; 14] = [
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

/// One error of every kind.
fn errors() -> Vec<HostError> {
    let (function, module, name, buffer) = ("f", "m", "n", "b");
    let defects = [
        DefectKind::ArithmeticFault,
        DefectKind::DivergentBarrier,
        DefectKind::ExitBeforeBarrier,
        DefectKind::InactiveLane,
        DefectKind::MemoryFault,
        DefectKind::StackOverflow,
    ];
    let mut errors = vec![
        HostError::ArgumentCount {
            function,
            expected: 1,
            actual: 2,
        },
        HostError::ArgumentType {
            function,
            index: 0,
            expected: ArgType::U32,
            actual: ArgType::I32,
        },
        HostError::BlockSize {
            function,
            block: [0; 3],
        },
        HostError::BufferOffset {
            function,
            index: 0,
            offset: 1,
            len: 0,
        },
        HostError::ContentsLength {
            buffer,
            expected: 1,
            actual: 2,
        },
        HostError::GridSize {
            function,
            grid: [0; 3],
        },
        HostError::InputMissing { name },
        HostError::Misaligned {
            function,
            index: 0,
            offset: 1,
            align: 4,
        },
        HostError::OutOfBoundsWrite {
            function,
            buffer,
            side: Side::After,
            distance: 0,
        },
        HostError::OutOfMemory { name, bytes: 1 },
        HostError::RegionOutside {
            offset: 0,
            len: 1,
            buffer_len: 0,
        },
        HostError::TargetUnsupported {
            module,
            target: Target::Sm90a,
        },
        HostError::UnknownFunction { module, function },
        HostError::UnknownModule { module },
    ];
    let defect = |kind| HostError::Defect {
        function,
        kind,
        detail: String::new(),
    };
    errors.extend(defects.map(defect));
    errors
}

#[test]
fn codes_are_unique_and_the_table_lists_exactly_them() {
    let errors = errors();
    let codes: BTreeSet<&str> = errors.iter().map(HostError::code).collect();
    assert_eq!(codes.len(), errors.len());
    let table: BTreeSet<&str> = include_str!("../../../README.md")
        .lines()
        .skip_while(|line| *line != "## Running kernels on a CPU")
        .take_while(|line| *line != "## What this does not prove")
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(code, _)| code)
        .collect();
    assert_eq!(table, codes);
}
