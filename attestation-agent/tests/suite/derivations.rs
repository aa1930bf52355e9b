//! `tests/vectors/derivations.json`: the derivations of DESIGN section 4, recomputed.

use attestation_agent::AgentKey;
use evidence::UnixTime;
use evidence::crypto::{ed25519, sha256};
use evidence::work::request::{
    ReceivedRequest, SignatureFields, SignatureParams, SignedRequest, Target,
};
use evidence::work::{
    Base64Url, Blob, Hex, JobSpec, ResultCommitment, Secrets, WorkStatement, canonical_json,
};
use kernels::{Blake3Digest, KeyedDigest};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "_comment")]
    _comment: Vec<String>,
    cases: Vec<Case>,
    commitments: Vec<CommitmentCase>,
    requests: Vec<RequestCase>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommitmentCase {
    name: String,
    #[serde(rename = "about")]
    _about: String,
    statement_of: String,
    replica_key: Base64Url<32>,
    salt: Base64Url<32>,
    outputs: Vec<Blob>,
    trace: Vec<Blake3Digest>,
    expect: ExpectedCommitment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedCommitment {
    keyed: Base64Url<32>,
    commitment: Base64Url<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestCase {
    name: String,
    #[serde(rename = "about")]
    _about: String,
    test_key_seed: Hex<32>,
    method: String,
    path: String,
    query: Option<String>,
    body: Blob,
    created: i64,
    key_id: String,
    nonce: Base64Url<16>,
    expect: ExpectedRequest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedRequest {
    base: String,
    content_digest: String,
    signature_input: String,
    signature: String,
}

fn vectors() -> Vectors {
    let text = include_str!("../../../tests/vectors/derivations.json");
    serde_json::from_str(text).unwrap()
}

fn cases() -> Vec<Case> {
    vectors().cases
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

#[test]
fn commitments_are_derived_as_published() {
    let vectors = vectors();
    for case in vectors.commitments {
        let of = vectors.cases.iter().find(|of| of.name == case.statement_of);
        let canonical = of.unwrap().statement.canonical().unwrap();
        let outputs = case.outputs.iter().map(|bytes| bytes.0.as_slice());
        let keyed = KeyedDigest::of(&case.replica_key.0, outputs, &case.trace);
        assert_eq!(Base64Url(keyed), case.expect.keyed, "{}", case.name);
        let secrets = Secrets {
            salt: case.salt,
            keyed: Base64Url(keyed),
        };
        let commitment = ResultCommitment::to(&canonical, &secrets).commitment;
        assert_eq!(commitment, case.expect.commitment, "{}", case.name);
    }
}

#[test]
fn requests_are_signed_and_read_as_published() {
    for case in vectors().requests {
        let (name, expect) = (&case.name, &case.expect);
        let target = Target::new(&case.method, &case.path, case.query.as_deref()).unwrap();
        let created = UnixTime::from_secs(case.created);
        let params = SignatureParams {
            created,
            key_id: case.key_id.clone(),
            nonce: case.nonce,
        };
        let key = AgentKey::from_seed(&case.test_key_seed.0).unwrap();
        let request = SignedRequest::new(target, params, &case.body.0).unwrap();
        let fields = request.sign(|base| {
            assert_eq!(base, expect.base.as_bytes(), "{name}");
            key.sign(base)
        });
        let published = SignatureFields {
            content_digest: expect.content_digest.clone(),
            signature_input: expect.signature_input.clone(),
            signature: expect.signature.clone(),
        };
        assert_eq!(fields, published, "{name}");
        let [digest, input, signature] = [
            &fields.content_digest,
            &fields.signature_input,
            &fields.signature,
        ];
        let received = ReceivedRequest::parse(&target, digest, input, signature).unwrap();
        let verified = received.verify(&key.public().0, &case.body.0, created);
        assert_eq!(verified, Ok(()), "{name}");
    }
}
