//! A whole run of the agent on CUDA: what its statement says.

use attestation_agent::device::Selection;
use attestation_agent::{Agent, CudaSettings, DeviceSettings, InputBytes, Settings, parse_job};
use evidence::work::Base64Url;
use serde_json::Value;
use tests::driver::Rack;

use super::*;

/// Where the process of its own finds its settings; the statement goes beside them.
const SETTINGS: &str = "POGW_TEST_CUDA_SETTINGS";

#[tokio::test]
#[ignore = "started by the other tests, in a process that finds the fake library"]
async fn runs_in_a_process_of_its_own() {
    let path = std::env::var_os(SETTINGS).expect("this test is started by the others");
    let settings: Settings = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let agent = Agent::open(settings).unwrap().with_outputs_kept(false);
    let text = format!(
        r#"{{"profile":"pogw/1","kernel":"gemm_i8","checks":[],
        "params":{{"m":65,"n":66,"k":33,"operands":{{"seed":"{}"}}}}}}"#,
        samples::SEED
    );
    let spec = parse_job(text.as_bytes()).unwrap();
    let job = agent.prepare(spec, InputBytes::new(), &()).await.unwrap();
    let devices = agent.devices(&()).await.unwrap();
    let work = agent
        .work(&job, &devices, Base64Url([7; 32]), &())
        .await
        .unwrap();
    assert!(work.outputs.iter().all(|output| output.bytes.is_none()));
    assert!(work.bundle.outputs.is_empty());
    assert_eq!(work.bundle.devices.len(), 2);
    let right = job.job.reference(&job.inputs);
    assert_eq!(work.outputs[0].digest, right[0].digest());
    let statement = serde_json::to_vec(&work.statement).unwrap();
    std::fs::write(
        std::path::Path::new(&path).with_extension("statement"),
        statement,
    )
    .unwrap();
}

#[test]
fn the_statement_names_executor_module_and_counters() {
    let devices: Vec<_> = (0..2).map(Device::numbered).collect();
    let mut rack = Rack::of(2);
    for (gpu, device) in rack.scene.gpus.iter_mut().zip(&devices) {
        gpu.uuid = device.uuid_text();
        gpu.clocks_mhz = (1980, 2619);
    }
    let nvml = FakeDriver::playing(&rack.scene);
    let cuda = FakeCuda::playing(&Scene {
        devices: devices.clone(),
        ..Scene::default()
    });
    let state = tempfile::tempdir().unwrap();
    let settings = Settings {
        state_dir: state.path().to_owned(),
        device: DeviceSettings { ..nvml.settings() },
        cuda: CudaSettings {
            gpu: Some(devices[1].uuid_text()),
            ..CudaSettings::default()
        },
        ..Settings::default()
    };
    assert!(matches!(settings.selection(), Ok(Selection::Nvml { .. })));
    let path = cuda.file("settings.json");
    std::fs::write(&path, serde_json::to_vec(&settings).unwrap()).unwrap();
    let variables = [(SETTINGS, path.to_str().unwrap())];
    let output = again(
        "agent::runs_in_a_process_of_its_own",
        cuda.folder(),
        &variables,
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(cuda.misuse(), "");
    let statement = std::fs::read(path.with_extension("statement")).unwrap();
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    assert_eq!(statement["executor"], "cuda");
    let module = kernels::Module::all()
        .find(|module| module.name() == "gemm_i8")
        .unwrap();
    let sha256 = hex::encode(module.ptx().unwrap().sha256);
    assert_eq!(statement["kernel"]["module"], Value::from(sha256));
    assert_eq!(statement["telemetry"]["cuda_nvml_index"], 1);
    assert_eq!(statement["telemetry"]["nvml_sm_clock_mhz_max"], 1980);
}
