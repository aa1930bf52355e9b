//! `tests/vectors/derivations.json`: the derivations of DESIGN section 4, recomputed.

use attestation_agent::AgentKey;
use evidence::crypto::{ed25519, sha256};
use evidence::work::{Base64Url, Blob, Hex, JobSpec, WorkStatement, canonical_json};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "_comment")]
    _comment: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "about")]
    _about: String,
    test_key_seed: Hex<32>,
    job: JobSpec,
    statement: WorkStatement,
    devices: Vec<Device>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    report: Blob,
    chain: Blob,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    job_canonical: String,
    job_digest: Hex<32>,
    statement_canonical: String,
    report_nonce: Hex<32>,
    guest_report_data: Hex<64>,
    bundle_message_length: usize,
    bundle_message_sha256: Hex<32>,
    agent_key: Base64Url<32>,
    signature: Base64Url<64>,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../../tests/vectors/derivations.json");
    serde_json::from_str::<Vectors>(text).unwrap().cases
}

#[test]
fn jobs_and_statements_have_the_published_text_and_digests() {
    for Case {
        name,
        job,
        statement,
        expect,
        ..
    } in cases()
    {
        let text = String::from_utf8(canonical_json(&job).unwrap()).unwrap();
        assert_eq!(text, expect.job_canonical, "{name}");
        assert_eq!(job.digest().unwrap(), expect.job_digest, "{name}");
        assert_eq!(statement.job, expect.job_digest, "{name}");
        let canonical = statement.canonical().unwrap();
        let text = std::str::from_utf8(canonical.as_bytes()).unwrap();
        assert_eq!(text, expect.statement_canonical, "{name}");
        assert_eq!(Hex(canonical.report_nonce()), expect.report_nonce, "{name}");
    }
}

#[test]
fn reports_and_signatures_are_tied_in_as_published() {
    for case in cases() {
        let (name, expect) = (&case.name, &case.expect);
        let canonical = case.statement.canonical().unwrap();
        let reports: Vec<_> = case.devices.iter().map(|d| d.report.0.as_slice()).collect();
        let guest = canonical.guest_report_data(&reports);
        assert_eq!(Hex(guest), expect.guest_report_data, "{name}");
        let pairs = case.devices.iter();
        let pairs = pairs.map(|d| (d.report.0.as_slice(), d.chain.0.as_slice()));
        let message = canonical.bundle_message(pairs);
        assert_eq!(message.len(), expect.bundle_message_length, "{name}");
        let digest = Hex(sha256(&message));
        assert_eq!(digest, expect.bundle_message_sha256, "{name}");

        let key = AgentKey::from_seed(&case.test_key_seed.0).unwrap();
        assert_eq!(key.public(), expect.agent_key, "{name}");
        assert_eq!(case.statement.agent_key, expect.agent_key, "{name}");
        let signature = key.sign(&message);
        assert_eq!(Base64Url(signature), expect.signature, "{name}");
        assert!(ed25519(&expect.agent_key.0, &message, &signature), "{name}");
    }
}
