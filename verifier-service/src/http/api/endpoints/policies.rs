//! Policies: their versions, which one decides, and what one would have decided.

use evidence::policy::MAX_POLICY_BYTES;
use serde_json::json;

use super::super::codes::OF_STORE;
use super::super::endpoint::{Access, Endpoint, EvidenceCodes, Tag};
use super::super::schema::{number, of};
use crate::http::{media_type, policies};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        list(),
        versions(),
        version(),
        by_sha256(),
        upload(),
        activate(),
        simulate(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Policies).fails(OF_STORE))
        .into()
}

const NAME: &str = "The name of the policy.";
const INVALID: EvidenceCodes = EvidenceCodes::Some(&[evidence::Code::PolicyInvalid]);

fn list() -> Endpoint {
    Endpoint::get("/v1/policies", "listPolicies", policies::list)
        .says(
            "List policies",
            "The one that decides, and the newest version of each.",
        )
        .gives(200, "Policies", "All of them.")
}

fn versions() -> Endpoint {
    Endpoint::get(
        "/v1/policies/{id}",
        "listPolicyVersions",
        policies::versions,
    )
    .says(
        "List the versions of a policy",
        "Versions are numbered from 1, never changed and never deleted.",
    )
    .named("id", of("PolicyName"), NAME)
    .gives(200, "PolicyVersions", "The versions.")
    .fails(&[PolicyNotFound])
}

/// An endpoint of one version.
fn of_version(endpoint: Endpoint) -> Endpoint {
    endpoint
        .named("id", of("PolicyName"), NAME)
        .named(
            "version",
            number(1, u32::MAX.into()),
            "The number of the version.",
        )
        .fails(&[PolicyNotFound])
}

/// Answers with a version, or its text.
fn in_two_forms(endpoint: Endpoint) -> Endpoint {
    endpoint
        .gives(
            200,
            "PolicyVersion",
            "The version; its text, where `Accept` asks for it.",
        )
        .gives_as(
            200,
            media_type::REGO,
            of("Rego"),
            "The version; its text, where `Accept` asks for it.",
        )
        .fails(&[NotAcceptable])
}

fn version() -> Endpoint {
    let path = "/v1/policies/{id}/versions/{version}";
    in_two_forms(of_version(Endpoint::get(
        path,
        "readPolicy",
        policies::version,
    )))
    .says(
        "Read a version of a policy",
        "What it is; its text, with `Accept: text/x-rego`.",
    )
}

fn by_sha256() -> Endpoint {
    let path = "/v1/policies/by-sha256/{digest}";
    in_two_forms(Endpoint::get(
        path,
        "readPolicyBySha256",
        policies::by_sha256,
    ))
    .says(
        "Read the policy that a receipt names",
        "By the digest of its text.",
    )
    .named("digest", of("Sha256"), "SHA-256 of the text.")
    .fails(&[PolicyNotFound])
}

fn upload() -> Endpoint {
    let text = "package pogw\n\nimport rego.v1\n\ndeny contains {\"code\": \"simulated\", \"message\": \"a software device\"} if {\n  \
                some device in input.devices\n  device.simulated\n}\n";
    Endpoint::put("/v1/policies/{id}", "uploadPolicy", policies::upload)
        .says("Upload a policy", "The text becomes the next version. One that does not compile is refused with the compiler's words. Nothing decides by it before it is activated.")
        .by(Access::Operator)
        .named("id", of("PolicyName"), NAME)
        .takes_as(&[media_type::REGO, media_type::BYTES], of("Rego"), MAX_POLICY_BYTES, json!(text))
        .gives(201, "CompiledPolicy", "Another version.")
        .header(201, "Location")
        .gives(200, "CompiledPolicy", "The newest version is this very text.")
        .header(200, "Location")
        .fails(&[PolicyNameMalformed, PolicyNotText, PolicyPinned, TooManyPolicies])
        .refutes(INVALID)
}

fn activate() -> Endpoint {
    let path = "/v1/policies/{id}/versions/{version}/activate";
    of_version(Endpoint::post(path, "activatePolicy", policies::activate))
        .says(
            "Let a version decide",
            "From now on; a decision in progress ends with the policy it began with.",
        )
        .by(Access::Operator)
        .gives(200, "ActivatedPolicy", "It decides.")
        .fails(&[PolicyPinned])
        .refutes(INVALID)
}

fn simulate() -> Endpoint {
    let path = "/v1/policies/{id}/versions/{version}/simulate";
    of_version(Endpoint::post(path, "simulatePolicy", policies::simulate))
        .says("Ask what a version would say", "To a document, or to what got receipts: the stored bundles are appraised again as of the time of their receipts. Nothing is issued, and no service is asked.")
        .by(Access::Operator)
        .takes("Simulation", policies::MAX_SIMULATION_BYTES, json!({ "receipts": "recent", "limit": 10 }))
        .gives(200, "SimulationAnswer", "What it says, or would have said.")
        .refutes(INVALID)
}
