//! The counters around a command's run, read from a driver that is none: what is stated of them, and what is left out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use attestation_agent::SystemClock;
use attestation_agent::command::socket::NoBuffers;
use attestation_agent::command::{CommandJob, CommandRun, Host};
use attestation_agent::device::nvml::{Gauge, GpuProcess};
use fake_nvml::{Fault, Gpu, Scene};
use serde_json::json;
use tests::driver::FakeDriver;

/// A GPU with every counter.
fn gpu() -> Gpu {
    Gpu {
        energy_mj: Some(1_000),
        energy_step_mj: 10,
        clocks_mhz: (1_980, 2_619),
        throttle_reasons: 0b100,
        process_memory: 1 << 20,
        accounting: Some((250, 1 << 21)),
        ..Gpu::default()
    }
}

fn gauge(scene: &Scene) -> (FakeDriver, Gauge) {
    let driver = FakeDriver::playing(scene);
    let gauge = Gauge::open(Some(&driver.library())).unwrap();
    (driver, gauge)
}

#[test]
fn every_counter_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let processes = folder.path().join("pids");
    std::fs::write(&processes, "7\n8\n").unwrap();
    let scene = Scene {
        gpus: vec![Gpu {
            processes: Some(processes),
            ..gpu()
        }],
        ..Scene::default()
    };
    let (_driver, gauge) = gauge(&scene);
    let reading = gauge.read().remove(0);
    assert_eq!(reading.energy_mj, Some(1_000));
    assert_eq!(
        (reading.sm_clock_mhz, reading.memory_clock_mhz),
        (Some(1_980), Some(2_619))
    );
    assert_eq!(reading.throttle_reasons, Some(0b100));
    let process = |pid| GpuProcess {
        pid,
        memory_bytes: Some(1 << 20),
    };
    assert_eq!(reading.processes, [process(7), process(8)]);
    let account = gauge.account(0, &[7, 8]);
    assert_eq!(
        (account.memory_bytes, account.time_ms),
        (Some(1 << 21), Some(500))
    );
}

#[test]
fn what_a_driver_does_not_tell_is_absent() {
    let calls = [
        "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetClockInfo",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetAccountingMode",
    ];
    let scene = Scene {
        gpus: vec![gpu()],
        faults: calls.iter().map(|call| Fault::always(call, 3)).collect(),
        ..Scene::default()
    };
    let (_driver, gauge) = gauge(&scene);
    let reading = gauge.read().remove(0);
    assert_eq!(
        (
            reading.energy_mj,
            reading.sm_clock_mhz,
            reading.throttle_reasons
        ),
        (None, None, None)
    );
    assert!(reading.processes.is_empty());
    assert_eq!(gauge.account(0, &[7]), Default::default());
}

/// Needs the agent's executable, which a test of this package does not build by itself.
fn supervisor() -> Option<PathBuf> {
    let tests = std::env::current_exe().ok()?;
    let built = tests.parent()?.parent()?.join("attestation-agent");
    built.is_file().then_some(built)
}

#[test]
fn the_counters_of_a_run_are_stated() {
    let Some(supervisor) = supervisor() else {
        eprintln!("attestation-agent is not built: the counters of a run were NOT looked at");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let processes = folder.path().join("pids");
    let scene = Scene {
        gpus: vec![
            Gpu {
                processes: Some(processes.clone()),
                ..gpu()
            },
            Gpu::default(),
        ],
        ..Scene::default()
    };
    let (_driver, gauge) = gauge(&scene);
    let text = format!("echo $$ > {}; sleep 1; echo x > out", processes.display());
    let job = json!({
        "profile": "pogw/1",
        "command": {
            "argv": ["sh", "-c", text], "inputs": {}, "outputs": ["out"],
            "limits": { "wall_s": 60, "output_bytes": 100, "processes": 8, "memory_bytes": 1_u64 << 30 },
        },
        "checks": [],
    });
    let job = serde_json::from_value(job).unwrap();
    let job = CommandJob::prepare(job, None, BTreeMap::new()).unwrap();
    let host = Host {
        run_dir: folder.path().join("runs"),
        keep: false,
        environment: Vec::new(),
        supervisor,
        buffers: Arc::new(NoBuffers),
        gauge: Some(Arc::new(gauge)),
    };
    let run = CommandRun::new(&job, &host, &SystemClock::new()).unwrap();
    let told = &run.telemetry;
    assert!(told["gpu0_energy_mj"] > 0, "{told:?}");
    assert_eq!(told["gpu0_sm_clock_mhz"], 1_980);
    assert_eq!(told["gpu0_throttle_reasons"], 0b100);
    assert_eq!(told["gpu0_peak_process_memory_bytes"], 1 << 20);
    assert_eq!(told["gpu0_accounted_memory_bytes"], 1 << 21);
    assert!(!told.contains_key("gpu1_energy_mj"), "{told:?}");
    assert!(!told.contains_key("gpu1_peak_process_memory_bytes"));
}
