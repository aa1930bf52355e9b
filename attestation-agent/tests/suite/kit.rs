//! What several tests need: a job, an agent with a simulated device, and patience measured in
//! milliseconds.

use std::collections::BTreeMap;
use std::path::Path;

use attestation_agent::device::SourceKind;
use attestation_agent::{
    Agent, BoundWork, HttpSettings, InputBytes, RetryPolicy, Settings, Verifier, parse_job,
};
use evidence::work::{Base64Url, JobSpec};

/// The challenge of every test.
pub(crate) const CHALLENGE: Base64Url<32> = Base64Url([7; 32]);

/// Two waits of a millisecond or two; a Retry-After of at most a second.
pub(crate) const IMPATIENT: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_delay_ms: 1,
    max_delay_ms: 2,
    max_retry_after_s: 1,
};

/// A seeded product of 4 by 5 with these checks.
pub(crate) fn seeded_text(checks: &str) -> String {
    format!(
        r#"{{"profile":"pogw/1","kernel":"gemm_i8","params":{{"m":4,"n":5,"k":6,
        "operands":{{"seed":"{}"}}}},"checks":[{checks}]}}"#,
        "5e".repeat(32)
    )
}

pub(crate) fn seeded(checks: &str) -> JobSpec {
    parse_job(seeded_text(checks).as_bytes()).unwrap()
}

/// The product of two given matrices of 1 by 4 and 4 by 1, and the matrices.
pub(crate) fn given(checks: &str) -> (JobSpec, InputBytes) {
    let inputs: BTreeMap<_, _> = [("a", b"abcd"), ("b", b"efgh")]
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .into();
    let digest = |name| kernels::Blake3Digest::of(&inputs[name]);
    let text = format!(
        r#"{{"profile":"pogw/1","kernel":"gemm_i8","params":{{"m":1,"n":1,"k":4,
        "operands":{{"given":{{"a":"{}","b":"{}"}}}}}},"checks":[{checks}]}}"#,
        digest("a"),
        digest("b"),
    );
    (parse_job(text.as_bytes()).unwrap(), inputs)
}

/// Settings with a simulated device, everything in `dir`.
pub(crate) fn settings(dir: &Path) -> Settings {
    let mut settings = Settings {
        state_dir: dir.join("state"),
        retry: IMPATIENT,
        http: HttpSettings {
            timeout_s: 1,
            ..HttpSettings::default()
        },
        ..Settings::default()
    };
    settings.device.kind = SourceKind::Simulated;
    settings
}

pub(crate) fn agent(dir: &Path) -> Agent {
    Agent::open(settings(dir)).unwrap()
}

pub(crate) fn verifier(url: &str, dir: &Path) -> Verifier {
    Verifier::new(url, &settings(dir).http, IMPATIENT).unwrap()
}

/// Runs a job up to its signed bundle.
pub(crate) async fn work(agent: &Agent, spec: JobSpec, inputs: InputBytes) -> BoundWork {
    let job = agent.prepare(spec, inputs, &()).await.unwrap();
    let devices = agent.devices(&()).await.unwrap();
    agent.work(&job, &devices, CHALLENGE, &()).await.unwrap()
}
