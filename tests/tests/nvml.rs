//! The agent's real `nvml` device, from the loader to a receipt, over a driver that signs with software devices, and
//! every way in which that driver fails. Nothing here says anything about real hardware.

use std::time::{Duration, Instant};

use attestation_agent::device::{Description, DeviceError, MultiGpuMode};
use attestation_agent::{Agent, AgentError, Ending, InputBytes, RunReport, Settings};
use evidence::device::Architecture;
use fake_nvml::{Fault, Gpu, NonceIs, Scene};
use receipt::{Expectations, Jwks, Level, Validator};
use tests::driver::{FakeDriver, Rack};
use tests::scene::{AS_OF, gemm};
use tests::served::{AUDIENCE, ISSUER, Served, config};

const NONCE: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const REPORT: &str = "nvmlDeviceGetConfComputeGpuAttestationReport";
const CHAIN: &str = "nvmlDeviceGetConfComputeGpuCertificate";
const STATE: &str = "nvmlSystemGetConfComputeState";
const SETTINGS: &str = "nvmlSystemGetConfComputeSettings";

/// Two GPUs with blank evidence.
fn pair() -> Scene {
    Scene {
        gpus: vec![Gpu::default(), Gpu::default()],
        ..Scene::default()
    }
}

fn with(change: impl FnOnce(&mut Scene)) -> Scene {
    let mut scene = pair();
    change(&mut scene);
    scene
}

fn with_fault(fault: Fault) -> Scene {
    with(|scene| scene.faults.push(fault))
}

fn described(scene: &Scene) -> Vec<Description> {
    FakeDriver::playing(scene).open().unwrap().describe()
}

#[track_caller]
fn refuses_to_open(scene: &Scene, code: &str) -> String {
    let error = FakeDriver::playing(scene).open().unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error.to_string()
}

#[track_caller]
fn refuses_to_attest(scene: &Scene, code: &str) -> DeviceError {
    let driver = FakeDriver::playing(scene);
    let error = driver.open().unwrap().attest(&NONCE).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error
}

#[test]
fn what_the_driver_says_is_told() {
    let mut scene = with(|scene| scene.multi_gpu = 1);
    scene.gpus[1].uuid = "GPU-of-its-own".to_owned();
    let said = described(&scene);
    let named: Vec<_> = said.iter().map(|d| (d.index, d.uuid.as_str())).collect();
    assert_eq!(named, [(0, "GPU-fake-0"), (1, "GPU-of-its-own")]);
    let first = &said[0];
    assert_eq!(first.driver.as_deref(), Some("550.90.07"));
    assert_eq!(first.vbios.as_deref(), Some("96.00.9F.00.01"));
    assert_eq!(first.name, "fake GPU of the tests");
    let modes = first.modes.unwrap();
    assert!(modes.production && !modes.developer_tools && first.warnings().is_empty());
    assert_eq!(modes.multi_gpu, Some(MultiGpuMode::ProtectedPcie));
}

#[test]
fn the_last_known_multi_gpu_mode_is_not_the_last_number() {
    for (number, mode) in [
        (0, MultiGpuMode::None),
        (2, MultiGpuMode::NvlinkEncryption),
        (3, MultiGpuMode::Other(3)),
    ] {
        let said = described(&with(|scene| scene.multi_gpu = number));
        assert_eq!(said[0].modes.unwrap().multi_gpu, Some(mode));
    }
}

#[test]
fn an_older_driver_does_not_tell_the_multi_gpu_mode() {
    let scene = with(|scene| scene.gpus[0].architecture = 10);
    let driver = FakeDriver::of_older_driver(&scene, &[SETTINGS]);
    let said = driver.open().unwrap().describe();
    assert_eq!(
        (said[0].modes.unwrap().multi_gpu, said[0].arch),
        (None, Architecture::Blackwell)
    );
}

#[test]
fn words_for_people_are_not_needed() {
    let mut scene = with_fault(Fault::always("nvmlSystemGetDriverVersion", 999));
    scene
        .faults
        .push(Fault::always("nvmlDeviceGetVbiosVersion", 3));
    let said = described(&scene);
    assert_eq!((&said[0].driver, &said[0].vbios), (&None, &None));
}

#[test]
fn developer_mode_is_told_and_not_fatal() {
    let driver = FakeDriver::playing(&with(|scene| scene.dev_tools = 1));
    let devices = driver.open().unwrap();
    let warnings = devices.describe()[0].warnings();
    assert_eq!(warnings[0].code(), "developer_mode");
    assert!(devices.attest(&NONCE).is_ok());
}

#[test]
fn a_report_and_a_chain_come_as_they_are() {
    let mut scene = pair();
    // The word "chain" and the NUL behind it, counted.
    scene.gpus[0].chain_size = Some(6);
    scene.gpus[0].report_size = Some(8192);
    scene.gpus[0].cec_report_size = u32::MAX;
    let evidence = FakeDriver::playing(&scene).open().unwrap();
    let evidence = evidence.attest(&NONCE).unwrap();
    assert_eq!(evidence[0].chain_pem, b"chain");
    assert_eq!(evidence[0].report.len(), 8192);
    assert_eq!(evidence[1].report.len(), 4130);
    assert_eq!(evidence[1].report[4..36], NONCE);
}

#[test]
fn preconditions_are_named() {
    let init = |code| with_fault(Fault::always("nvmlInit_v2", code));
    refuses_to_open(&init(9), "driver_not_loaded");
    refuses_to_open(&init(18), "driver_mismatch");
    refuses_to_open(&init(4), "nvml_permission_denied");
    refuses_to_open(&Scene::default(), "no_gpu");
    let architecture = |number| with(|scene| scene.gpus[1].architecture = number);
    let text = refuses_to_open(&architecture(8), "wrong_architecture");
    assert!(text.contains("device 1 is Ada"), "{text}");
    let text = refuses_to_open(&architecture(77), "wrong_architecture");
    assert!(text.contains("architecture 77"), "{text}");
    let off = with(|scene| scene.cc_feature = 0);
    refuses_to_open(&off, "confidential_computing_off");
    // "Not supported" is how a driver says that it knows no such thing.
    let unknown = with_fault(Fault::always(STATE, 3));
    refuses_to_open(&unknown, "confidential_computing_off");
}

#[test]
fn an_older_driver_cannot_attest() {
    let older = FakeDriver::of_older_driver(&pair(), &[STATE]);
    let error = older.open().unwrap_err();
    assert_eq!(error.code(), "nvml_symbol_missing");
    assert!(error.to_string().contains(STATE), "{error}");
    for missing in [REPORT, CHAIN] {
        let older = FakeDriver::of_older_driver(&pair(), &[missing]);
        let error = older.open().unwrap().attest(&NONCE).unwrap_err();
        assert_eq!(error.code(), "nvml_symbol_missing");
        assert!(error.to_string().contains(missing), "{error}");
    }
    // A newer library in front of an older driver has the function, and it answers so.
    refuses_to_attest(
        &with_fault(Fault::always(REPORT, 13)),
        "nvml_symbol_missing",
    );
}

/// Every `nvmlReturn_t`, in every call that attestation needs: a precise error, the name of the call, no panic.
#[test]
fn every_code_of_every_call_is_an_error() {
    let codes = (1..=30).chain([999, u32::MAX]);
    for code in codes {
        for call in [
            "nvmlInit_v2",
            "nvmlDeviceGetCount_v2",
            "nvmlDeviceGetHandleByIndex_v2",
            "nvmlDeviceGetArchitecture",
            "nvmlDeviceGetName",
            "nvmlDeviceGetUUID",
            STATE,
        ] {
            if (call, code) == (STATE, 3) {
                continue;
            }
            let text = refuses_to_open(&with_fault(Fault::always(call, code)), word(code));
            assert!(names(&text, call, code), "{call} {code}: {text}");
        }
        for call in [REPORT, CHAIN] {
            let fault = Fault::always(call, code).of_gpu(1);
            let error = refuses_to_attest(&with_fault(fault), word(code));
            assert!(
                names(&error.to_string(), call, code),
                "{call} {code}: {error}"
            );
        }
    }
}

fn word(code: u32) -> &'static str {
    match code {
        4 | 17 => "nvml_permission_denied",
        9 => "driver_not_loaded",
        13 => "nvml_symbol_missing",
        15 | 16 => "gpu_lost",
        18 => "driver_mismatch",
        _ => "nvml_error",
    }
}

/// Texts name the call, except where the cause has nothing to do with it.
fn names(text: &str, call: &str, code: u32) -> bool {
    text.contains(call) || matches!(code, 9 | 15 | 16 | 18)
}

#[test]
fn answers_to_another_question_are_caught() {
    let report = |size| with(|scene| scene.gpus[1].report_size = Some(size));
    let chain = |size| with(|scene| scene.gpus[1].chain_size = Some(size));
    refuses_to_attest(&report(8193), "device_report_too_large");
    refuses_to_attest(&report(u32::MAX), "device_report_too_large");
    refuses_to_attest(&report(36), "device_report_too_short");
    refuses_to_attest(&report(0), "device_report_too_short");
    refuses_to_attest(&chain(5121), "device_chain_too_large");
    refuses_to_attest(&chain(0), "device_chain_empty");
    let other = Rack::of(2).with_nonce(1, NonceIs::Other);
    refuses_to_attest(&other.scene, "nonce_not_echoed");
}

#[test]
fn a_gpu_lost_on_the_way_is_named_and_takes_the_others_with_it() {
    let lost = Fault {
        after: 1,
        ..Fault::always(REPORT, 15).of_gpu(1)
    };
    let driver = FakeDriver::playing(&with_fault(lost));
    let devices = driver.open().unwrap();
    assert_eq!(devices.attest(&NONCE).unwrap().len(), 2);
    let error = devices.attest(&NONCE).unwrap_err();
    assert!(
        matches!(error, DeviceError::GpuLost { device: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_number_of_gpus_that_changes_is_not_glossed_over() {
    // More are announced than there are: the one too many has no handle.
    let more = with(|scene| scene.announced = vec![3, 2]);
    let driver = FakeDriver::playing(&more);
    let error = driver.open().unwrap_err();
    assert_eq!(error.code(), "nvml_error");
    assert!(
        error.to_string().contains("nvmlDeviceGetHandleByIndex_v2"),
        "{error}"
    );
    // One fewer later: what is open stays what it was, the next opening sees the new number.
    let driver = FakeDriver::playing(&with(|scene| scene.announced = vec![2, 1]));
    let first = driver.open().unwrap();
    let second = driver.open().unwrap();
    assert_eq!((first.count(), second.count()), (2, 1));
    assert_eq!(first.attest(&NONCE).unwrap().len(), 2);
}

#[test]
fn the_library_is_closed_and_read_again() {
    let driver = FakeDriver::playing(&Scene::default());
    assert_eq!(driver.open().unwrap_err().code(), "no_gpu");
    driver.play(&pair());
    assert_eq!(driver.open().unwrap().count(), 2);
    // A scene that cannot be read is a failure of the library, not another scene.
    std::fs::write(driver.library().with_file_name("scene.json"), "{").unwrap();
    assert_eq!(driver.open().unwrap_err().code(), "nvml_error");
}

#[test]
fn gpus_are_asked_at_the_same_time() {
    const EACH_MS: u64 = 400;
    let mut rack = Rack::of(8);
    rack.scene.faults.push(Fault::slow(REPORT, EACH_MS));
    let driver = FakeDriver::playing(&rack.scene);
    let devices = driver.open().unwrap();
    let start = Instant::now();
    assert_eq!(devices.attest(&NONCE).unwrap().len(), 8);
    assert!(start.elapsed() >= Duration::from_millis(EACH_MS));
    assert!(start.elapsed() < Duration::from_millis(4 * EACH_MS));
}

/// A verifier that trusts a rack, and an agent over its driver.
struct World {
    served: Served,
    agent: Agent,
    _driver: FakeDriver,
    _rack: Rack,
    _state: tempfile::TempDir,
}

impl World {
    async fn new(rack: Rack) -> Self {
        let state = tempfile::tempdir().unwrap();
        let served = Served::start(config(state.path(), rack.appraisal()), AS_OF).await;
        let driver = FakeDriver::playing(&rack.scene);
        let settings = Settings {
            state_dir: state.path().join("agent"),
            verifier: Some(served.url.clone()),
            device: driver.settings(),
            ..Settings::default()
        };
        Self {
            agent: Agent::open(settings).unwrap(),
            served,
            _driver: driver,
            _rack: rack,
            _state: state,
        }
    }

    async fn run(&self) -> Result<RunReport, AgentError> {
        let job = gemm(16, r#"["freivalds","output_digest"]"#);
        let verifier = self.agent.verifier().unwrap();
        self.agent.run(job, InputBytes::new(), &verifier, &()).await
    }
}

#[tokio::test]
async fn one_two_and_eight_gpus_get_a_receipt() {
    for gpus in [1, 2, 8] {
        let rack = Rack::of(gpus);
        let world = World::new(rack).await;
        let run = world.run().await.unwrap();
        let jwks = world.served.client().get("/.well-known/jwks.json").await;
        let jwks = Jwks::parse(&jwks.text().await.unwrap()).unwrap();
        let expected = Expectations::new(ISSUER, AUDIENCE)
            .unwrap()
            .danger_accept_a0();
        let now = receipt::UnixTime::from_secs(u64::try_from(AS_OF.secs()).unwrap());
        let receipt = Validator::new(jwks, expected)
            .validate(&run.receipt.jwt, now)
            .unwrap();
        // The driver is a fake one and the roots are simulated: the receipt says so.
        assert_eq!((receipt.level(), receipt.is_simulated()), (Level::A0, true));
        let devices = run.work.bundle.devices.len();
        assert_eq!(u32::try_from(devices).unwrap(), gpus);
        world.served.stop().await;
    }
}

#[tokio::test]
async fn a_nonce_written_over_the_signed_one_is_refuted_by_the_verifier() {
    let world = World::new(Rack::of(2).with_nonce(1, NonceIs::Patched)).await;
    let error = world.run().await.unwrap_err();
    assert_eq!(
        (error.code(), error.ending()),
        ("report_signature_invalid", Ending::Refused)
    );
    world.served.stop().await;
}

#[tokio::test]
async fn one_device_in_two_places_is_refuted_by_the_verifier() {
    let mut rack = Rack::of(2);
    rack.scene.gpus[1].evidence = rack.scene.gpus[0].evidence.clone();
    let world = World::new(rack).await;
    let error = world.run().await.unwrap_err();
    assert_eq!(
        (error.code(), error.ending()),
        ("device_repeated", Ending::Refused)
    );
    world.served.stop().await;
}

#[tokio::test]
async fn a_driver_that_fails_costs_no_challenge() {
    for (scene, code) in [
        (
            with(|scene| scene.cc_feature = 0),
            "confidential_computing_off",
        ),
        (Scene::default(), "no_gpu"),
    ] {
        let mut rack = Rack::of(1);
        rack.scene = scene;
        let world = World::new(rack).await;
        let error = world.run().await.unwrap_err();
        assert_eq!((error.code(), error.ending()), (code, Ending::Unavailable));
        world.served.stop().await;
    }
    // Lost between opening and attesting: nothing is bound, nothing is sent.
    let mut rack = Rack::of(2);
    rack.scene.faults.push(Fault::always(REPORT, 15).of_gpu(1));
    let world = World::new(rack).await;
    let error = world.run().await.unwrap_err();
    assert_eq!(
        (error.code(), error.ending()),
        ("gpu_lost", Ending::Unavailable)
    );
    assert!(error.remedy().contains("Xid"));
    world.served.stop().await;
}

#[tokio::test]
async fn a_gpu_slower_than_the_challenge_lives_is_told_as_such() {
    let mut rack = Rack::of(1);
    rack.scene.faults.push(Fault::slow(REPORT, 1_000));
    let world = World::new(rack).await;
    let (run, ()) = tokio::join!(world.run(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.served.clock.advance_s(301);
    });
    let error = run.unwrap_err();
    assert_eq!(
        (error.code(), error.ending()),
        ("challenge_expired", Ending::Refused)
    );
    assert!(
        error.remedy().contains("lives for minutes"),
        "{}",
        error.remedy()
    );
    world.served.stop().await;
}
