//! The agent on CUDA, against a stand-in for the driver: allocation, launches, order between streams, errors.
//!
//! **No GPU takes part, and nothing here is evidence about one.** What is tested is the agent's code on this side of the
//! driver; `tests/tests/hardware` is what runs on a GPU.

mod agent;
mod child;
mod doctor;
mod errors;
mod hopper;
#[expect(dead_code, reason = "the list of samples alone is of use here")]
#[path = "../../../kernels/tests/suite/samples.rs"]
mod samples;
mod shared;

use attestation_agent::ExecutorKind;
use child::{Answer, Done, Request, Task, Told};
use fake_cuda::{Device, Fault, NAME, Scene};
use fake_nvml::Gpu;
use tests::cuda::{FakeCuda, again};
use tests::driver::FakeDriver;

/// Where the process of its own finds what it is asked; it answers beside it.
const REQUEST: &str = "POGW_TEST_CUDA_REQUEST";

#[test]
#[ignore = "started by the other tests, in a process that finds the fake library"]
fn in_a_process_of_its_own() {
    let path = std::env::var_os(REQUEST).expect("this test is started by the others");
    let request: Request = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let answer = serde_json::to_vec(&child::answer(&request)).unwrap();
    std::fs::write(std::path::Path::new(&path).with_extension("answer"), answer).unwrap();
}

/// Has a process of its own do what is asked, with the libraries of `cuda`.
fn ask(cuda: &FakeCuda, request: &Request) -> Answer {
    let path = cuda.file("request.json");
    std::fs::write(&path, serde_json::to_vec(request).unwrap()).unwrap();
    let text = path.to_str().unwrap();
    let output = again("in_a_process_of_its_own", cuda.folder(), &[(REQUEST, text)]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{errors}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&std::fs::read(path.with_extension("answer")).unwrap()).unwrap()
}

/// The same for a driver that is used as it should be.
fn ask_rightly(cuda: &FakeCuda, request: &Request) -> Answer {
    let answer = ask(cuda, request);
    assert_eq!(cuda.misuse(), "", "{request:?}");
    answer
}

fn tasks(tasks: &[Task]) -> Request {
    Request {
        tasks: tasks.to_vec(),
        ..Request::default()
    }
}

fn only(answer: Answer) -> Result<Done, Told> {
    assert_eq!(answer.opened, None);
    let [only] = <[_; 1]>::try_from(answer.done).unwrap_or_else(|done| panic!("{done:?}"));
    only
}

fn code_of(told: Option<&Told>) -> &str {
    told.map_or("", |told| told.code.as_str())
}

#[test]
fn every_kernel_gives_the_bits_of_the_reference() {
    let cuda = FakeCuda::playing(&Scene::default());
    let answer = ask_rightly(&cuda, &tasks(&[Task::Samples]));
    assert!(answer.done.len() > 20, "{} samples", answer.done.len());
    for done in answer.done {
        let done = done.unwrap();
        assert!(done.right && done.kept, "{}", done.what);
        assert_eq!(done.executor, "cuda");
        let known = kernels::Module::all().filter_map(kernels::Module::ptx);
        let mut known = known.map(|ptx| hex::encode(ptx.sha256));
        assert!(
            known.any(|sha256| Some(sha256) == done.module),
            "{}",
            done.what
        );
    }
}

#[test]
fn outputs_stay_on_the_device_unless_somebody_wants_them() {
    let cuda = FakeCuda::playing(&Scene::default());
    let request = Request {
        keep_outputs: false,
        ..tasks(&[Task::Product(70)])
    };
    let done = only(ask_rightly(&cuda, &request)).unwrap();
    assert!(done.right && !done.kept);
    assert!(done.run_us > 0 && done.digest_us > 0, "{done:?}");
}

/// 17 MB up and 20 MB down: more than the pinned memory holds at once, so that both of its pieces are used again.
#[test]
fn uploads_and_downloads_in_pieces_arrive_unchanged() {
    let cuda = FakeCuda::playing(&Scene::default());
    let done = only(ask_rightly(&cuda, &tasks(&[Task::Given(1 << 20, 5, 17)]))).unwrap();
    assert!(done.right && done.kept);
}

#[test]
fn what_changes_on_its_way_is_no_result() {
    // The digest is the first download, the output the second.
    let scene = Scene {
        corrupt_download: Some(1),
        ..Scene::default()
    };
    let cuda = FakeCuda::playing(&scene);
    let answer = ask_rightly(&cuda, &tasks(&[Task::Product(4), Task::Product(4)]));
    let codes: Vec<_> = answer
        .done
        .iter()
        .map(|done| code_of(done.as_ref().err()))
        .collect();
    assert_eq!(codes, ["output_digest_differs_from_device", ""]);
}

#[test]
fn too_little_memory_is_told_with_figures() {
    // A job beyond the device is refused before it begins, one beyond what is free before it allocates.
    let small = Device {
        memory_bytes: 80 << 20,
        ..Device::default()
    };
    let taken = Device {
        memory_bytes: 1 << 30,
        taken_bytes: (1 << 30) - (1 << 20),
        ..Device::default()
    };
    for (device, free) in [(small, 80 << 20), (taken, 1 << 20)] {
        let scene = Scene {
            devices: vec![device],
            ..Scene::default()
        };
        let cuda = FakeCuda::playing(&scene);
        let answer = ask_rightly(&cuda, &tasks(&[Task::Product(3000), Task::Product(8)]));
        let told = answer.done[0].as_ref().unwrap_err();
        assert_eq!(told.code, "device_out_of_memory");
        assert!(
            told.message.contains(&format!(" {free} of ")),
            "{}",
            told.message
        );
        assert!(told.message.contains(NAME), "{}", told.message);
        assert!(answer.done[1].as_ref().unwrap().right);
    }
}

#[test]
fn the_gpu_that_runs_is_one_that_attests() {
    let devices: Vec<_> = (0..3).map(Device::numbered).collect();
    // NVML sees the last two, in the other order.
    let gpu = |device: &Device| Gpu {
        uuid: device.uuid_text(),
        ..Gpu::default()
    };
    let nvml = FakeDriver::playing(&fake_nvml::Scene {
        gpus: vec![gpu(&devices[2]), gpu(&devices[1])],
        ..fake_nvml::Scene::default()
    });
    let chosen = |gpu: Option<usize>, attested| {
        let scene = Scene {
            devices: devices.clone(),
            ..Scene::default()
        };
        let request = Request {
            gpu: gpu.map(|index| devices[index].uuid_text()),
            attested,
            nvml_library: Some(nvml.library()),
            ..tasks(&[Task::Product(4)])
        };
        let answer = ask_rightly(&FakeCuda::playing(&scene), &request);
        match answer.opened {
            Some(told) => Err(told.code),
            None => Ok(only(answer)
                .unwrap()
                .telemetry
                .get("cuda_nvml_index")
                .copied()),
        }
    };
    assert_eq!(chosen(None, true), Ok(Some(1)));
    assert_eq!(chosen(Some(2), true), Ok(Some(0)));
    assert_eq!(
        chosen(Some(0), true),
        Err("cuda_device_not_found".to_owned())
    );
    assert_eq!(chosen(Some(0), false), Ok(None));
}

#[test]
fn without_a_usable_gpu_auto_takes_this_cpu_and_cuda_says_why() {
    let old = Scene {
        devices: vec![Device {
            capability: (7, 5),
            ..Device::default()
        }],
        ..Scene::default()
    };
    let none = Scene {
        devices: Vec::new(),
        ..Scene::default()
    };
    let broken = Scene {
        faults: vec![Fault::always("cuInit", 803)],
        ..Scene::default()
    };
    let table = [
        (FakeCuda::playing(&old), "compute_capability_unsupported"),
        (FakeCuda::playing(&none), "cuda_device_not_found"),
        (FakeCuda::playing(&broken), "cuda_driver_mismatch"),
        (
            FakeCuda::without(&Scene::default(), &["cuMemGetAddressRange_v2"]),
            "cuda_symbol_missing",
        ),
    ];
    for (cuda, code) in table {
        assert_chosen(&cuda, code);
    }
    let absent = FakeCuda::playing(&Scene::default());
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::remove_file(absent.file(name)).unwrap();
    }
    assert_chosen(&absent, "cuda_library_not_found");
}

fn assert_chosen(cuda: &FakeCuda, code: &str) {
    let with = |executor| Request {
        executor,
        ..tasks(&[Task::Product(5)])
    };
    let told = ask_rightly(cuda, &with(ExecutorKind::Cuda)).opened;
    assert_eq!(code_of(told.as_ref()), code);
    let done = only(ask_rightly(cuda, &with(ExecutorKind::Auto))).unwrap();
    assert!(
        done.right && done.executor == "host" && done.module.is_none(),
        "{code}"
    );
}

#[test]
fn auto_takes_the_gpu_where_there_is_one() {
    let request = Request {
        executor: ExecutorKind::Auto,
        ..tasks(&[Task::Product(5)])
    };
    let done = only(ask_rightly(&FakeCuda::playing(&Scene::default()), &request)).unwrap();
    assert!(done.right && done.executor == "cuda");
}

#[test]
fn counters_are_those_of_the_driver_and_absent_where_it_has_none() {
    let device = Device::default();
    let gpu = Gpu {
        uuid: device.uuid_text(),
        energy_mj: Some(1000),
        energy_step_mj: 7,
        clocks_mhz: (1980, 2619),
        throttle_reasons: 4,
        temperature_c: 61,
        memory_used: 123_456,
        ecc_errors: Some(0),
        accounting: Some((55, 66)),
        ..Gpu::default()
    };
    let counters = |faults: Vec<fake_nvml::Fault>| {
        let nvml = FakeDriver::playing(&fake_nvml::Scene {
            gpus: vec![gpu.clone()],
            faults,
            ..fake_nvml::Scene::default()
        });
        let request = Request {
            nvml_library: Some(nvml.library()),
            ..tasks(&[Task::Product(4)])
        };
        let done = only(ask_rightly(&FakeCuda::playing(&Scene::default()), &request)).unwrap();
        assert!(done.right);
        done.telemetry
    };
    let all = counters(Vec::new());
    for (name, value) in [
        ("nvml_energy_mj", 7),
        ("nvml_sm_clock_mhz_mean", 1980),
        ("nvml_memory_clock_mhz_max", 2619),
        ("nvml_throttle_reasons", 4),
        ("nvml_temperature_c_max", 61),
        ("nvml_memory_used_bytes_max", 123_456),
        ("nvml_ecc_uncorrected_errors", 0),
        ("nvml_accounting_time_ms", 55),
        ("nvml_accounting_memory_bytes_max", 66),
    ] {
        assert_eq!(all.get(name), Some(&value), "{name}");
    }
    for (call, name) in [
        ("nvmlDeviceGetTotalEnergyConsumption", "nvml_energy_mj"),
        ("nvmlDeviceGetClockInfo", "nvml_sm_clock_mhz_mean"),
        ("nvmlDeviceGetTemperature", "nvml_temperature_c_max"),
        ("nvmlDeviceGetMemoryInfo_v2", "nvml_memory_used_bytes_max"),
        ("nvmlDeviceGetTotalEccErrors", "nvml_ecc_uncorrected_errors"),
        ("nvmlDeviceGetAccountingMode", "nvml_accounting_time_ms"),
    ] {
        let fewer = counters(vec![fake_nvml::Fault::always(call, 999)]);
        assert_eq!(fewer.get(name), None, "{call}");
        assert!(
            fewer.contains_key("nvml_looks") && fewer.contains_key("cuda_run_us"),
            "{call}"
        );
    }
}
