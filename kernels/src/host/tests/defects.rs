//! Kernels with a defect, and how each is told.

use super::*;

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
        if code == "arithmetic_fault" && !cfg!(target_arch = "x86_64") {
            continue;
        }
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
fn a_defect_on_one_thread_ends_the_launch_on_all() {
    let bench = Bench::new().words(&[0; 64]).on(machine(3));
    let error = bench
        .line("host_test_early_exit", 10_000, 64, &[])
        .unwrap_err();
    assert_eq!(error.code(), "exit_before_barrier");
}
