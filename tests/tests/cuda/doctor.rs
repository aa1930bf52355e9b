//! `attestation-agent doctor`: what it says of CUDA.

use attestation_agent::doctor::{Limits, examine};
use attestation_agent::{CudaSettings, DeviceSettings, Settings, SystemClock};
use serde_json::Value;
use std::time::Duration;
use tests::driver::Rack;

use super::*;

/// Where the process of its own finds its settings; the findings go beside them.
const SETTINGS: &str = "POGW_TEST_DOCTOR_SETTINGS";

#[tokio::test]
#[ignore = "started by the other tests, in a process that finds the fake library"]
async fn looks_in_a_process_of_its_own() {
    let path = std::env::var_os(SETTINGS).expect("this test is started by the others");
    let settings: Settings = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let limits = Limits {
        device: Duration::from_secs(2),
        ..Limits::default()
    };
    let diagnosis = examine(&settings, limits, &SystemClock::new()).await;
    let findings = serde_json::to_vec(&diagnosis.unwrap().findings).unwrap();
    let path = std::path::Path::new(&path).with_extension("findings");
    std::fs::write(path, findings).unwrap();
}

/// What is found of CUDA: place, status and codes, and that everything bad has a remedy or names what is in the way.
fn found(cuda: &FakeCuda, settings: &Settings) -> Vec<String> {
    let path = cuda.file("settings.json");
    std::fs::write(&path, serde_json::to_vec(settings).unwrap()).unwrap();
    let variables = [(SETTINGS, path.to_str().unwrap())];
    let test = "doctor::looks_in_a_process_of_its_own";
    let output = again(test, cuda.folder(), &variables);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let findings = std::fs::read(path.with_extension("findings")).unwrap();
    let findings: Vec<Value> = serde_json::from_slice(&findings).unwrap();
    let of_cuda = |it: &&Value| {
        let id = it["id"].as_str().unwrap();
        id.starts_with("cuda_") || id == "compute_capability"
    };
    findings.iter().filter(of_cuda).map(word).collect()
}

fn word(finding: &Value) -> String {
    let bad = matches!(finding["status"].as_str(), Some("problem" | "unknown"));
    let told = finding["found"].as_str().unwrap();
    let open = told.starts_with("not looked at: see ");
    assert_eq!(finding["remedy"].is_string(), bad && !open, "{finding:#}");
    let device = finding["device"].as_u64();
    let device = device.map_or_else(String::new, |device| format!("[{device}]"));
    let codes = finding["codes"].as_array().into_iter().flatten();
    let codes: String = codes
        .map(|code| format!(" {}", code.as_str().unwrap()))
        .collect();
    let text = |name: &str| finding[name].as_str().unwrap().to_owned();
    format!("{} {}{device}{codes}", text("status"), text("id"))
}

/// A host whose GPUs attest: jobs are to run on them.
fn gpu_host(nvml: &FakeDriver, state: &tempfile::TempDir) -> Settings {
    Settings {
        state_dir: state.path().to_owned(),
        device: DeviceSettings { ..nvml.settings() },
        ..Settings::default()
    }
}

fn rack(devices: &[Device]) -> FakeDriver {
    let mut rack = Rack::of(u32::try_from(devices.len()).unwrap());
    for (gpu, device) in rack.scene.gpus.iter_mut().zip(devices) {
        gpu.uuid = device.uuid_text();
    }
    FakeDriver::playing(&rack.scene)
}

#[test]
fn each_thing_that_keeps_jobs_off_the_gpus_is_found_by_name() {
    let two = [Device::numbered(0), Device::numbered(1)];
    let old = Device {
        capability: (7, 5),
        ..Device::numbered(1)
    };
    let good = Scene {
        devices: two.to_vec(),
        ..Scene::default()
    };
    let with = |change: &dyn Fn(&mut Scene)| {
        let mut scene = good.clone();
        change(&mut scene);
        FakeCuda::playing(&scene)
    };
    let absent = with(&|_| {});
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::remove_file(absent.file(name)).unwrap();
    }
    let [ok_library, ok_version, ok_devices] =
        ["library", "version", "devices"].map(|it| format!("ok cuda_{it}"));
    let capable = ["ok compute_capability[0]", "ok compute_capability[1]"];
    let open = |ids: &[&str]| {
        ids.iter()
            .map(|id| format!("unknown {id}"))
            .collect::<Vec<_>>()
    };
    let expect = |known: &[&str]| known.iter().map(ToString::to_string).collect::<Vec<_>>();
    let healthy = expect(&[
        &ok_library,
        &ok_version,
        &ok_devices,
        capable[0],
        capable[1],
    ]);
    let after_library = open(&["cuda_version", "cuda_devices", "compute_capability"]);
    let table = [
        ("healthy", with(&|_| {}), healthy),
        (
            "absent",
            absent,
            [
                expect(&["problem cuda_library cuda_library_not_found"]),
                after_library.clone(),
            ]
            .concat(),
        ),
        (
            "incomplete",
            FakeCuda::without(&good, &["cuMemGetAddressRange_v2"]),
            [
                expect(&["problem cuda_library cuda_symbol_missing"]),
                after_library.clone(),
            ]
            .concat(),
        ),
        (
            "does not start",
            with(&|it| it.faults = vec![Fault::always("cuInit", 803)]),
            [
                expect(&["problem cuda_library cuda_driver_mismatch"]),
                after_library.clone(),
            ]
            .concat(),
        ),
        (
            "hangs at its start",
            with(&|it| {
                it.faults = vec![Fault {
                    delay_ms: 4000,
                    ..Fault::once("cuInit", 0)
                }];
            }),
            [
                expect(&["problem cuda_library device_silent"]),
                after_library,
            ]
            .concat(),
        ),
        (
            "older than the modules",
            with(&|it| it.driver_version = 11_080),
            expect(&[
                &ok_library,
                "problem cuda_version cuda_driver_too_old",
                &ok_devices,
                capable[0],
                capable[1],
            ]),
        ),
        (
            "no GPU",
            with(&|it| it.devices.clear()),
            expect(&[
                &ok_library,
                &ok_version,
                "problem cuda_devices cuda_device_not_found",
                "unknown compute_capability",
            ]),
        ),
        (
            "no GPU that attests",
            with(&|it| it.devices = vec![Device::numbered(7)]),
            expect(&[
                &ok_library,
                &ok_version,
                "problem cuda_devices cuda_device_not_found",
                capable[0],
            ]),
        ),
        (
            "one GPU too old",
            with(&|it| it.devices[1] = old.clone()),
            expect(&[
                &ok_library,
                &ok_version,
                &ok_devices,
                capable[0],
                "problem compute_capability[1] compute_capability_unsupported",
            ]),
        ),
        (
            "no GPU can be asked",
            with(&|it| it.faults = vec![Fault::always("cuDeviceGetUuid", 999)]),
            expect(&[
                &ok_library,
                &ok_version,
                "problem cuda_devices device_lost",
                "unknown compute_capability",
            ]),
        ),
    ];
    let nvml = rack(&two);
    for (what, cuda, expected) in table {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(found(&cuda, &gpu_host(&nvml, &state)), expected, "{what}");
    }
}

#[test]
fn the_gpu_of_the_settings_is_the_one_that_is_looked_for() {
    let devices = [
        Device {
            capability: (7, 5),
            ..Device::numbered(0)
        },
        Device::numbered(1),
    ];
    let cuda = FakeCuda::playing(&Scene {
        devices: devices.to_vec(),
        ..Scene::default()
    });
    let (nvml, state) = (rack(&devices), tempfile::tempdir().unwrap());
    let old = "problem compute_capability[0] compute_capability_unsupported";
    for (gpu, expected) in [(0, "unknown cuda_devices"), (1, "ok cuda_devices")] {
        let settings = Settings {
            cuda: CudaSettings {
                gpu: Some(devices[gpu].uuid_text()),
                ..CudaSettings::default()
            },
            ..gpu_host(&nvml, &state)
        };
        let found = found(&cuda, &settings);
        assert_eq!(
            found[2..],
            [expected, old, "ok compute_capability[1]"],
            "{gpu}"
        );
    }
}

#[test]
fn where_jobs_run_on_the_cpu_cuda_is_no_question() {
    let none = FakeCuda::playing(&Scene::default());
    for name in ["libcuda.so", "libcuda.so.1"] {
        std::fs::remove_file(none.file(name)).unwrap();
    }
    let there = FakeCuda::playing(&Scene::default());
    let not_applicable = [
        "not_applicable cuda_library",
        "not_applicable cuda_version",
        "not_applicable cuda_devices",
        "not_applicable compute_capability",
    ];
    let all_ok = [
        "ok cuda_library",
        "ok cuda_version",
        "ok cuda_devices",
        "ok compute_capability[0]",
    ];
    let missing = [
        "problem cuda_library cuda_library_not_found",
        "unknown cuda_version",
        "unknown cuda_devices",
        "unknown compute_capability",
    ];
    for (cuda, executor, expected) in [
        (&none, ExecutorKind::Auto, not_applicable),
        (&there, ExecutorKind::Auto, all_ok),
        (&there, ExecutorKind::Host, not_applicable),
        (&there, ExecutorKind::CpuReference, not_applicable),
        (&none, ExecutorKind::Cuda, missing),
    ] {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings {
            executor,
            state_dir: state.path().to_owned(),
            device: DeviceSettings {
                kind: attestation_agent::device::SourceKind::Simulated,
                dir: Some(state.path().join("device")),
                library: None,
            },
            ..Settings::default()
        };
        assert_eq!(found(cuda, &settings), expected, "{executor:?}");
    }
}
