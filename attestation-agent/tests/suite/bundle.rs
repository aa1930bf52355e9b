//! Bundles of a simulated device: everything in them fits together.

use attestation_agent::device::{NONCE_LENGTH, SourceKind};
use attestation_agent::{Agent, BoundWork, InputBytes};
use evidence::crypto::{ed25519, sha256};
use evidence::work::{Bundle, Hex};

use crate::kit::{CHALLENGE, agent, given, seeded, settings, work};

/// The report carries the nonce derived from the statement, and the agent key signed it all.
fn assert_bound(work: &BoundWork) {
    let bundle = Bundle::parse(work.sealed.json()).unwrap();
    assert_eq!(bundle, work.bundle);
    assert_eq!(bundle.statement, work.statement);
    assert_eq!(work.sealed.digest(), Hex(sha256(work.sealed.json())));
    let canonical = bundle.statement.canonical().unwrap();
    for device in &bundle.devices {
        let nonce = &device.report.0[4..4 + NONCE_LENGTH];
        assert_eq!(nonce, canonical.report_nonce());
    }
    let devices = bundle.devices.iter();
    let message =
        canonical.bundle_message(devices.map(|d| (d.report.0.as_slice(), d.chain.0.as_slice())));
    let key = bundle.statement.agent_key.0;
    assert!(ed25519(&key, &message, &bundle.signature.0));
}

#[tokio::test]
async fn a_bundle_is_consistent_and_answers_its_challenge() {
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path());
    let work = work(&agent, seeded(""), InputBytes::new()).await;
    assert_bound(&work);
    let statement = &work.statement;
    assert_eq!(statement.challenge, CHALLENGE);
    assert_eq!(statement.agent_key, agent.public_key());
    assert_eq!(statement.job, seeded("").digest().unwrap());
    assert_eq!(statement.executor, "host");
    assert_eq!(statement.kernel().unwrap().name, "gemm_i8");
    let spec = kernels::Kernel::GemmI8.digest();
    assert_eq!(statement.kernel().unwrap().spec.0, *spec.as_bytes());
    assert_eq!(statement.kernel().unwrap().module, None);
    assert!(statement.timing.started_at_ms > 1_700_000_000_000);
    assert_eq!(work.bundle.devices.len(), 1);
}

#[tokio::test]
async fn the_output_is_the_reference_output_and_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let work = work(&agent(dir.path()), seeded(""), InputBytes::new()).await;
    let job =
        kernels::Job::parse("gemm_i8", seeded("").kernel().unwrap().params.as_value()).unwrap();
    let right = job.reference_run(&kernels::Inputs::none()).unwrap();
    let [output] = work.outputs.as_slice() else {
        panic!("one output expected");
    };
    assert_eq!(output.bytes.as_deref(), Some(right[0].bytes()));
    assert_eq!(work.statement.outputs, [output.commitment()]);
}

#[tokio::test]
async fn only_what_a_check_needs_is_disclosed() {
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path());
    // Checks of the job, whether outputs and whether inputs travel along.
    let table = [
        ("", false, false),
        (r#""output_digest""#, true, false),
        (r#""freivalds""#, true, true),
        (r#""output_digest","freivalds""#, true, true),
    ];
    for (checks, outputs, inputs) in table {
        let (spec, bytes) = given(checks);
        let work = work(&agent, spec, bytes).await;
        assert_bound(&work);
        assert_eq!(!work.bundle.outputs.is_empty(), outputs, "{checks}");
        assert_eq!(!work.bundle.inputs.is_empty(), inputs, "{checks}");
    }
    let seeded = work(&agent, seeded(r#""freivalds""#), InputBytes::new()).await;
    assert!(seeded.bundle.inputs.is_empty());
    assert_eq!(seeded.bundle.outputs["c"].0.len(), 4 * 4 * 5);
}

#[tokio::test]
async fn every_device_is_in_the_bundle_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let captures = dir.path().join("captures");
    for name in ["gpu-0", "gpu-1"] {
        let simulated = attestation_agent::device::simulated::SimulatedDevice::open(
            &dir.path().join(format!("identity of {name}")),
        );
        let evidence =
            attestation_agent::device::Device::attest(&simulated.unwrap(), &[1; 32]).unwrap();
        let folder = captures.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("report.bin"), &evidence.report).unwrap();
        std::fs::write(folder.join("chain.pem"), &evidence.chain_pem).unwrap();
    }
    let mut settings = settings(dir.path());
    settings.device.kind = SourceKind::Recorded;
    settings.device.dir = Some(captures.clone());
    let agent = Agent::open(settings).unwrap();
    let work = work(&agent, seeded(""), InputBytes::new()).await;
    let order: Vec<_> = work.bundle.devices.iter().map(|d| &d.report.0).collect();
    let read = |name: &str| std::fs::read(captures.join(name).join("report.bin")).unwrap();
    assert_eq!(order, [&read("gpu-0"), &read("gpu-1")]);
}
