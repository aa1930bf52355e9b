//! Every failure of the driver: its code, its remedy, and the next job after it.

use super::*;

/// One job that meets the fault, and one after it in the same process.
fn after(fault: Fault, timeout_ms: u64) -> (Option<Told>, Answer) {
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![fault.clone()],
        ..Scene::default()
    });
    let request = Request {
        timeout_ms,
        ..tasks(&[Task::Product(66), Task::Product(66)])
    };
    // What hangs is left with what it holds, which is no misuse that the stand-in could know of.
    let hangs = fault.delay_ms >= 1000;
    let mut answer = if hangs { ask } else { ask_rightly }(&cuda, &request);
    assert_eq!(answer.opened, None, "{fault:?}");
    let first = answer.done.remove(0).err();
    (first, answer)
}

#[test]
fn each_failure_has_its_code_and_the_next_job_runs() {
    let table = [
        ("cuCtxCreate_v2", 2, "device_out_of_memory"),
        ("cuCtxCreate_v2", 46, "device_busy"),
        ("cuCtxCreate_v2", 101, "cuda_device_not_visible"),
        ("cuCtxCreate_v2", 802, "device_not_ready"),
        ("cuCtxCreate_v2", 999, "device_lost"),
        ("cuMemGetInfo_v2", 999, "device_lost"),
        ("cuModuleLoadDataEx", 2, "device_out_of_memory"),
        ("cuModuleLoadDataEx", 209, "module_refused"),
        ("cuModuleLoadDataEx", 218, "module_refused"),
        ("cuModuleLoadDataEx", 221, "module_refused"),
        ("cuModuleLoadDataEx", 222, "cuda_driver_too_old"),
        ("cuMemAlloc_v2", 2, "device_out_of_memory"),
        ("cuMemHostAlloc", 2, "host_out_of_memory"),
        ("cuStreamCreate", 1, "cuda_call_refused"),
        ("cuEventCreate", 1, "cuda_call_refused"),
        ("cuMemsetD8Async", 719, "launch_failed"),
        ("cuModuleGetFunction", 500, "module_refused"),
        ("cuLaunchKernel", 1, "cuda_call_refused"),
        ("cuLaunchKernel", 2, "device_out_of_memory"),
        ("cuLaunchKernel", 701, "launch_failed"),
        ("cuLaunchKernel", 719, "launch_failed"),
        ("cuEventRecord", 999, "device_lost"),
        ("cuEventQuery", 214, "device_ecc_uncorrectable"),
        ("cuEventQuery", 220, "device_ecc_uncorrectable"),
        ("cuEventQuery", 700, "launch_failed"),
        ("cuEventQuery", 702, "launch_timeout"),
        ("cuEventQuery", 715, "launch_failed"),
        ("cuEventQuery", 719, "launch_failed"),
        ("cuEventQuery", 909, "device_timeout"),
        ("cuEventQuery", 999, "device_lost"),
        ("cuEventElapsedTime", 1, "cuda_call_refused"),
        ("cuStreamWaitEvent", 1, "cuda_call_refused"),
        ("cuMemcpyDtoHAsync_v2", 1, "cuda_call_refused"),
        ("cuMemcpyDtoHAsync_v2", 800, "device_not_permitted"),
        ("cuMemcpyDtoHAsync_v2", 916, "device_key_rotation"),
    ];
    for (call, number, code) in table {
        let (first, rest) = after(Fault::once(call, number), 60_000);
        let told = first.unwrap_or_else(|| panic!("{call} {number} went unnoticed"));
        assert_eq!(told.code, code, "{call} {number}: {}", told.message);
        assert!(!told.remedy.is_empty());
        assert!(only(rest).unwrap().right, "after {call} {number}");
    }
}

/// As many calls as one job makes at least.
#[test]
fn the_second_and_later_calls_fail_as_cleanly() {
    let table = [
        ("cuMemAlloc_v2", 2, 1..5),
        ("cuLaunchKernel", 719, 1..5),
        ("cuEventCreate", 1, 1..5),
        ("cuMemcpyDtoHAsync_v2", 999, 1..2),
    ];
    for (call, number, calls) in table {
        for calls in calls {
            let (first, rest) = after(Fault::once(call, number).after(calls), 60_000);
            assert!(first.is_some(), "{call} after {calls}");
            assert!(only(rest).unwrap().right, "{call} after {calls}");
        }
    }
}

#[test]
fn a_failed_release_is_no_failed_job() {
    for call in [
        "cuMemFree_v2",
        "cuMemFreeHost",
        "cuStreamDestroy_v2",
        "cuModuleUnload",
    ] {
        let cuda = FakeCuda::playing(&Scene {
            faults: vec![Fault::once(call, 1)],
            ..Scene::default()
        });
        let answer = ask(&cuda, &tasks(&[Task::Product(9)]));
        assert!(only(answer).unwrap().right, "{call}");
        // The stand-in finds what the failed release left; that it looks is part of this test.
        assert!(
            cuda.misuse().contains("left in a context"),
            "{call}: {}",
            cuda.misuse()
        );
    }
}

#[test]
fn a_device_that_hangs_is_left() {
    // The one query that is answered takes longer than the job may.
    let fault = Fault {
        delay_ms: 300,
        ..Fault::once("cuEventQuery", 600)
    };
    let (first, rest) = after(fault, 200);
    assert_eq!(code_of(first.as_ref()), "device_timeout");
    assert!(only(rest).unwrap().right);
}

/// Calls that hang while they hold whatever the driver holds.
#[test]
fn a_call_that_hangs_is_left_and_its_place_is_told() {
    let table = [
        ("cuCtxCreate_v2", "making a context"),
        ("cuModuleLoadDataEx", "loading the module"),
        ("cuMemAlloc_v2", "allocating memory"),
        ("cuLaunchKernel", "launching the kernel"),
        ("cuEventQuery", "running"),
        ("cuMemcpyDtoHAsync_v2", "downloading digests"),
        ("cuCtxDestroy_v2", "releasing what the job had"),
    ];
    std::thread::scope(|scope| {
        for (call, during) in table {
            scope.spawn(move || {
                let hang = Fault {
                    delay_ms: 5000,
                    ..Fault::once(call, 0)
                };
                let (first, rest) = after(hang, 100);
                let first = first.unwrap_or_else(|| panic!("{call} was waited for"));
                assert_eq!(first.code, "cuda_driver_hangs", "{call}: {first:?}");
                assert!(first.message.contains(during), "{call}: {first:?}");
                let second = only(rest).unwrap_err();
                assert_eq!(second.code, "cuda_driver_hangs", "{call}");
                assert!(second.message.contains("an earlier call"), "{call}");
            });
        }
    });
}

#[test]
fn a_driver_that_hangs_at_its_start_is_left() {
    let hang = Fault {
        delay_ms: 4000,
        ..Fault::once("cuInit", 0)
    };
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![hang],
        ..Scene::default()
    });
    let request = Request {
        timeout_ms: 100,
        ..tasks(&[Task::Product(4)])
    };
    let told = ask(&cuda, &request).opened.unwrap();
    assert_eq!(told.code, "cuda_driver_hangs");
    assert!(told.message.contains("starting the driver"), "{told:?}");
}

#[test]
fn a_call_that_returns_after_all_is_forgiven() {
    let hang = Fault {
        delay_ms: 3000,
        ..Fault::once("cuMemAlloc_v2", 0)
    };
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![hang],
        ..Scene::default()
    });
    let request = Request {
        timeout_ms: 100,
        ..tasks(&[Task::Product(66), Task::Wait(4000), Task::Product(66)])
    };
    let done = ask_rightly(&cuda, &request).done;
    assert_eq!(code_of(done[0].as_ref().err()), "cuda_driver_hangs");
    assert!(done[1].as_ref().unwrap().right);
}

/// As an H200 was seen to: whatever comes after a kernel that went astray is refused with its error, new contexts too.
#[test]
fn a_process_that_the_driver_refuses_is_told_from_a_device_that_failed() {
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![
            Fault::once("cuEventQuery", 700),
            Fault::always("cuCtxCreate_v2", 700).after(1),
        ],
        ..Scene::default()
    });
    let twice = tasks(&[Task::Product(66), Task::Product(66)]);
    let answer = ask(&cuda, &twice);
    assert_eq!(code_of(answer.done[0].as_ref().err()), "launch_failed");
    let second = answer.done[1].as_ref().unwrap_err();
    assert_eq!(second.code, "cuda_process_spoilt");
    assert!(
        second.message.contains("returned 700"),
        "{}",
        second.message
    );
    assert!(answer.process_spoilt);
}

/// The same error of a process in which nothing ran is about the device: a new process would not help.
#[test]
fn the_error_of_a_kernel_in_a_fresh_process_is_the_device_s() {
    let cuda = FakeCuda::playing(&Scene {
        faults: vec![Fault::always("cuCtxCreate_v2", 220)],
        ..Scene::default()
    });
    let answer = ask(&cuda, &tasks(&[Task::Product(66), Task::Product(66)]));
    for done in &answer.done {
        assert_eq!(code_of(done.as_ref().err()), "device_ecc_uncorrectable");
    }
    assert!(!answer.process_spoilt);
}

#[test]
fn a_driver_older_than_the_modules_is_named() {
    let cuda = FakeCuda::playing(&Scene {
        ptx_version: (7, 8),
        ..Scene::default()
    });
    let told = only(ask_rightly(&cuda, &tasks(&[Task::Product(4)]))).unwrap_err();
    assert_eq!(told.code, "cuda_driver_too_old");
    assert!(
        told.message.contains("fake-cuda takes no such PTX"),
        "{}",
        told.message
    );
}
