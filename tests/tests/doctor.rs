//! `attestation-agent doctor` over a fake driver: each thing that can be wrong with a GPU host is found, alone, by name.
//! The verifier's side is met in the agent's own tests, and once here against a real one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use attestation_agent::doctor::{Diagnosis, Finding, FindingId, FindingStatus, Limits, examine};
use attestation_agent::{ExecutorKind, Settings, SystemClock};
use evidence::UnixTime;
use evidence::cert::CertificateChain;
use fake_nvml::{Evidence, Fault, NonceIs, Scene};
use tests::driver::{FakeDriver, Rack};
use tests::served::{Served, config};

const REPORT: &str = "nvmlDeviceGetConfComputeGpuAttestationReport";
const CHAIN: &str = "nvmlDeviceGetConfComputeGpuCertificate";
const SETTINGS: &str = "nvmlSystemGetConfComputeSettings";
const READY: &str = "nvmlSystemGetConfComputeGpusReadyState";

/// Everything that is looked at on the network, which has no answer here.
const OF_VERIFIER: [&str; 8] = [
    "verifier_address",
    "verifier_name",
    "verifier_connect",
    "verifier_tls",
    "verifier_http",
    "verifier_ready",
    "clock",
    "reference_manifest",
];

/// What is found of CUDA is in `cuda/doctor.rs`, where there is a driver to find.
const NO_CUDA: ExecutorKind = ExecutorKind::Host;

fn settings(state: &tempfile::TempDir, driver: &FakeDriver) -> Settings {
    Settings {
        state_dir: state.path().to_owned(),
        device: driver.settings(),
        executor: NO_CUDA,
        ..Settings::default()
    }
}

async fn visit(driver: &FakeDriver, limits: Limits) -> Diagnosis {
    let state = tempfile::tempdir().unwrap();
    let settings = settings(&state, driver);
    examine(&settings, limits, &SystemClock::new())
        .await
        .unwrap()
}

/// What is not as it should be on this host, as `id`, `id[device]`, with its status and codes.
fn complaints(diagnosis: &Diagnosis) -> Vec<String> {
    let of_host = |finding: &&Finding| !OF_VERIFIER.contains(&finding.id.as_str());
    let bad = |finding: &&Finding| finding.status > FindingStatus::NotApplicable;
    let word = |finding: &Finding| {
        let device = finding.device.map(|device| format!("[{device}]"));
        let codes = finding.codes.iter().map(|code| format!(" {code}"));
        format!(
            "{} {}{}{}",
            finding.status.as_str(),
            finding.id,
            device.unwrap_or_default(),
            codes.collect::<String>()
        )
    };
    let findings = diagnosis.findings.iter();
    findings.filter(of_host).filter(bad).map(word).collect()
}

async fn complaints_about(scene: &Scene) -> Vec<String> {
    complaints(&visit(&FakeDriver::playing(scene), Limits::default()).await)
}

/// One complaint for each that follows from a driver that cannot be asked.
fn all_open(first: &str, but: &[&str]) -> Vec<String> {
    let rest = [
        "nvml_library",
        "driver_version",
        "devices",
        "gpu_architecture",
        "confidential_computing",
        "environment",
        "developer_mode",
        "ready_state",
        "multi_gpu_mode",
        "report",
        "certificate_chain",
        "report_form",
        "report_nonce",
        "report_signature",
        "firmware_id",
        "device_identity",
    ];
    let rest = rest.iter().filter(|id| !but.contains(id));
    let word = |id: &&str| match first.split(' ').nth(1) == Some(*id) {
        true => first.to_owned(),
        false => format!("unknown {id}"),
    };
    rest.map(word).collect()
}

#[tokio::test]
async fn a_healthy_host_has_nothing_to_mend() {
    for gpus in [1, 8] {
        let rack = Rack::of(gpus);
        let driver = FakeDriver::playing(&rack.scene);
        let diagnosis = visit(&driver, Limits::default()).await;
        assert_eq!(complaints(&diagnosis), [""; 0]);
        // Every question is answered, in their order, and for each GPU.
        let asked: Vec<_> = diagnosis.findings.iter().map(|f| f.id).collect();
        assert!(asked.is_sorted());
        let of_installation = |id: &&FindingId| FindingId::OF_INSTALLATION.contains(id);
        for id in FindingId::ALL.iter().filter(|id| !of_installation(id)) {
            assert!(asked.contains(id), "{id}");
        }
        let reports = asked.iter().filter(|id| **id == FindingId::ReportSignature);
        assert_eq!(u32::try_from(reports.count()).unwrap(), gpus);
    }
}

#[tokio::test]
async fn what_keeps_the_driver_from_answering_is_the_one_thing_to_mend() {
    for (call, code, expected) in [
        ("nvmlInit_v2", 9, "problem nvml_library driver_not_loaded"),
        ("nvmlInit_v2", 18, "problem nvml_library driver_mismatch"),
        (
            "nvmlInit_v2",
            4,
            "problem nvml_library nvml_permission_denied",
        ),
    ] {
        let mut rack = Rack::of(1);
        rack.scene.faults.push(Fault::always(call, code));
        assert_eq!(complaints_about(&rack.scene).await, all_open(expected, &[]));
    }
    let absent = Settings {
        executor: NO_CUDA,
        state_dir: tempfile::tempdir().unwrap().path().to_owned(),
        device: attestation_agent::DeviceSettings {
            library: Some("/nonexistent/libnvidia-ml.so.1".into()),
            ..attestation_agent::DeviceSettings::default()
        },
        ..Settings::default()
    };
    let diagnosis = examine(&absent, Limits::default(), &SystemClock::new()).await;
    let expected = "problem nvml_library nvml_library_not_found";
    assert_eq!(complaints(&diagnosis.unwrap()), all_open(expected, &[]));
}

#[tokio::test]
async fn a_host_without_gpus_is_told_so() {
    let still_known = [
        "nvml_library",
        "driver_version",
        "confidential_computing",
        "environment",
        "developer_mode",
        "ready_state",
    ];
    let expected = all_open("problem devices no_gpu", &still_known);
    assert_eq!(complaints_about(&Scene::default()).await, expected);
}

#[tokio::test]
async fn confidential_computing_that_is_off_is_the_one_thing_to_mend() {
    let expected = [
        "problem confidential_computing confidential_computing_off",
        "unknown environment",
        "unknown developer_mode",
        "unknown ready_state",
        "unknown multi_gpu_mode",
        "unknown report[0]",
        "unknown certificate_chain[0]",
        "unknown report_form[0]",
        "unknown report_nonce[0]",
        "unknown report_signature[0]",
        "unknown firmware_id[0]",
        "unknown device_identity[0]",
    ];
    let mut rack = Rack::of(1);
    rack.scene.cc_feature = 0;
    assert_eq!(complaints_about(&rack.scene).await, expected);
    let mut rack = Rack::of(1);
    let unsupported = Fault::always("nvmlSystemGetConfComputeState", 3);
    rack.scene.faults.push(unsupported);
    assert_eq!(complaints_about(&rack.scene).await, expected);
}

/// Each row changes one thing about a host with two GPUs.
#[tokio::test]
async fn one_thing_wrong_is_one_finding() {
    type Change = fn(&mut Scene);
    let table: [(&str, Change, &[&str]); 12] = [
        (
            "the driver does not tell its version",
            |s| {
                s.faults
                    .push(Fault::always("nvmlSystemGetDriverVersion", 3))
            },
            &["unknown driver_version nvml_error"],
        ),
        (
            "simulation",
            |s| s.environment = 1,
            &["problem environment"],
        ),
        (
            "no environment",
            |s| s.environment = 0,
            &["unknown environment"],
        ),
        (
            "developer tools",
            |s| s.dev_tools = 1,
            &["problem developer_mode developer_mode"],
        ),
        ("not ready", |s| s.ready = 0, &["problem ready_state"]),
        (
            "no ready state",
            |s| s.faults.push(Fault::always(READY, 13)),
            &["unknown ready_state nvml_symbol_missing"],
        ),
        (
            "no right to the ready state",
            |s| s.faults.push(Fault::always(READY, 4)),
            &["problem ready_state nvml_permission_denied"],
        ),
        (
            "a new multi-GPU mode",
            |s| s.multi_gpu = 3,
            &["unknown multi_gpu_mode"],
        ),
        (
            "no multi-GPU mode",
            |s| s.faults.push(Fault::always(SETTINGS, 3)),
            &["unknown multi_gpu_mode nvml_error"],
        ),
        (
            "another nonce",
            |s| nonce_of_second(s, NonceIs::Other),
            &["problem report_nonce[1] nonce_mismatch"],
        ),
        (
            "a patched nonce",
            |s| nonce_of_second(s, NonceIs::Patched),
            &["problem report_signature[1] report_signature_invalid"],
        ),
        (
            "another family than that of the certificates",
            |s| s.gpus[1].architecture = 10,
            &["problem device_identity[1] architecture_mismatch"],
        ),
    ];
    for (name, change, expected) in table {
        let mut rack = Rack::of(2);
        change(&mut rack.scene);
        assert_eq!(complaints_about(&rack.scene).await, expected, "{name}");
    }
}

fn nonce_of_second(scene: &mut Scene, is: NonceIs) {
    if let Evidence::Simulated { nonce, .. } = &mut scene.gpus[1].evidence {
        *nonce = is;
    }
}

/// One GPU of two that hands out nothing, or nothing right: the other is judged all the same.
#[tokio::test]
async fn a_device_that_does_not_answer_right_is_told_by_its_place() {
    let without_report = |first: &str| {
        vec![
            format!("problem report[1] {first}"),
            "unknown report_form[1]".to_owned(),
            "unknown report_nonce[1]".to_owned(),
            "unknown report_signature[1]".to_owned(),
            "unknown firmware_id[1]".to_owned(),
        ]
    };
    let without_chain = |first: &str| {
        vec![
            format!("problem certificate_chain[1] {first}"),
            "unknown report_signature[1]".to_owned(),
            "unknown firmware_id[1]".to_owned(),
            "unknown device_identity[1]".to_owned(),
        ]
    };
    let fault = |call, code| {
        let mut rack = Rack::of(2);
        let fault = Fault::always(call, code).of_gpu(1);
        rack.scene.faults.push(fault);
        rack
    };
    let rack = fault(REPORT, 15);
    assert_eq!(
        complaints_about(&rack.scene).await,
        without_report("gpu_lost")
    );
    let rack = fault(CHAIN, 999);
    assert_eq!(
        complaints_about(&rack.scene).await,
        without_chain("nvml_error")
    );

    let mut rack = Rack::of(2);
    rack.scene.gpus[1].report_size = Some(8193);
    let expected = without_report("device_report_too_large");
    assert_eq!(complaints_about(&rack.scene).await, expected);
    rack.scene.gpus[1].report_size = None;
    rack.scene.gpus[1].chain_size = Some(0);
    let expected = without_chain("device_chain_empty");
    assert_eq!(complaints_about(&rack.scene).await, expected);

    // Cut short: neither form nor signature is right, and nothing of it is believed.
    rack.scene.gpus[1].chain_size = None;
    rack.scene.gpus[1].report_size = Some(100);
    let told = complaints_about(&rack.scene).await;
    assert!(
        told.contains(&"problem report_form[1] report_too_short".to_owned()),
        "{told:?}"
    );
    assert!(
        told.iter().all(|complaint| complaint.contains("[1]")),
        "{told:?}"
    );

    rack.scene.gpus[1].report_size = None;
    rack.scene.gpus[1].architecture = 8;
    let told = complaints_about(&rack.scene).await;
    assert_eq!(told[0], "problem gpu_architecture[1] wrong_architecture");
    assert!(
        told[1..]
            .iter()
            .all(|complaint| complaint.starts_with("unknown ")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_chain_whose_root_nobody_knows_is_fine_and_one_that_is_broken_is_not() {
    let mut rack = Rack::of(2);
    let driver = FakeDriver::playing(&rack.scene);
    let diagnosis = visit(&driver, Limits::default()).await;
    let chain = |finding: &&Finding| finding.id == FindingId::CertificateChain;
    let found = &diagnosis.findings.iter().find(chain).unwrap().found;
    assert!(found.contains("only a verifier knows the roots"), "{found}");

    // The second GPU hands out its own report with the chain of the first, which lacks a certificate.
    let evidence = driver.open().unwrap().attest(&[7; 32]).unwrap();
    let mut blocks = pem::parse_many(&evidence[0].chain_pem).unwrap();
    blocks.remove(2);
    let folder = tempfile::tempdir().unwrap();
    let (report, chain) = (folder.path().join("r"), folder.path().join("c"));
    std::fs::write(&report, &evidence[1].report).unwrap();
    std::fs::write(&chain, pem::encode_many(&blocks)).unwrap();
    rack.scene.gpus[1].evidence = Evidence::Recorded {
        report,
        chain,
        nonce: NonceIs::Signed,
    };
    let told = complaints_about(&rack.scene).await;
    assert_eq!(
        told,
        [
            "problem certificate_chain[1] chain_length chain_order certificate_signature_invalid",
            "problem report_nonce[1] nonce_mismatch",
            "problem report_signature[1] report_signature_invalid",
        ]
    );
}

#[tokio::test]
async fn an_older_driver_is_told_what_it_lacks() {
    let rack = Rack::of(1);
    let missing = [SETTINGS, READY];
    let driver = FakeDriver::of_older_driver(&rack.scene, &missing);
    let told = complaints(&visit(&driver, Limits::default()).await);
    // A mode that joins GPUs is no question for a single one.
    assert_eq!(told, ["unknown ready_state nvml_symbol_missing"]);
    let state = ["nvmlSystemGetConfComputeState"];
    let driver = FakeDriver::of_older_driver(&rack.scene, &state);
    let told = complaints(&visit(&driver, Limits::default()).await);
    assert_eq!(
        told[0],
        "problem confidential_computing nvml_symbol_missing"
    );
}

#[tokio::test]
async fn a_driver_that_hangs_is_left_behind() {
    let limits = Limits {
        device: Duration::from_millis(500),
        ..Limits::default()
    };
    let hang = |call| Fault::slow(call, 60_000);
    let start = Instant::now();

    let mut rack = Rack::of(2);
    rack.scene.faults.push(hang("nvmlInit_v2"));
    let driver = FakeDriver::playing(&rack.scene);
    let told = complaints(&visit(&driver, limits).await);
    assert_eq!(told, all_open("problem nvml_library device_silent", &[]));

    let mut rack = Rack::of(2);
    rack.scene.faults.push(hang(READY));
    let driver = FakeDriver::playing(&rack.scene);
    let told = complaints(&visit(&driver, limits).await);
    assert_eq!(told[0], "problem ready_state device_silent");

    let mut rack = Rack::of(2);
    rack.scene.faults.push(hang(REPORT).of_gpu(1));
    let driver = FakeDriver::playing(&rack.scene);
    let told = complaints(&visit(&driver, limits).await);
    assert_eq!(told[0], "problem report[1] device_silent");
    assert!(
        told.iter().all(|complaint| complaint.contains("[1]")),
        "{told:?}"
    );

    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn no_identity_of_a_device_is_told() {
    let rack = Rack::of(1);
    let driver = FakeDriver::playing(&rack.scene);
    let evidence = driver.open().unwrap().attest(&[7; 32]).unwrap();
    let chain = CertificateChain::from_pem(&evidence[0].chain_pem).unwrap();
    let mut identities = vec!["GPU-fake-0".to_owned(), rack.scene.gpus[0].serial.clone()];
    for certificate in &chain.peek().certificates()[..2] {
        identities.push(certificate.serial_decimal().to_owned());
        identities.push(hex::encode(certificate.serial()));
    }
    let mut broken = Rack::of(1);
    broken.scene.gpus = rack.scene.gpus.clone();
    broken.scene.gpus[0].report_size = Some(1000);
    for scene in [&rack.scene, &broken.scene] {
        let diagnosis = visit(&FakeDriver::playing(scene), Limits::default()).await;
        let json = serde_json::to_string(&diagnosis.findings).unwrap();
        let text: String = diagnosis.findings.iter().map(ToString::to_string).collect();
        for identity in &identities {
            let told = json.contains(identity) || text.contains(identity);
            assert!(!told, "{identity}: {text}");
        }
    }
}

#[tokio::test]
async fn a_real_verifier_leaves_nothing_to_mend() {
    let rack = Rack::of(2);
    let driver = FakeDriver::playing(&rack.scene);
    let state = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = UnixTime::from_secs(i64::try_from(now.as_secs()).unwrap());
    let served = Served::start(config(state.path(), rack.appraisal()), now).await;
    let settings = Settings {
        verifier: Some(served.url.clone()),
        ..settings(&state, &driver)
    };
    let limits = Limits::default();
    let diagnosis = examine(&settings, limits, &SystemClock::new())
        .await
        .unwrap();
    for finding in &diagnosis.findings {
        assert!(finding.status <= FindingStatus::NotApplicable, "{finding}");
    }
    let mut findings = diagnosis.findings.iter();
    let manifest = findings.find(|finding| finding.id == FindingId::ReferenceManifest);
    assert_eq!(manifest.unwrap().status, FindingStatus::Ok);
    served.stop().await;
}
