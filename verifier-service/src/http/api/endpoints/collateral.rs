//! Reference manifests and answers about revocation.

use evidence::limits::MAX_OCSP_BYTES;
use serde_json::{Value, json};

use super::super::codes::OF_BODY;
use super::super::endpoint::{Endpoint, Tag};
use super::super::schema::{list_of, of, short, text, text_like, word};
use crate::http::{coverage, media_type, ocsp, rims};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    let all = [
        coverage(),
        ids(),
        read(),
        relay("/v1/ocsp", "relayOcspQuestion"),
        relay("/ocsp", "relayOcsp"),
        // NVIDIA's Python client ends the address with a slash.
        relay("/v1/ocsp/", "relayOcspQuestionAtSlash"),
        relay("/ocsp/", "relayOcspAtSlash"),
        relay_in_path(),
    ];
    all.map(|endpoint| endpoint.tagged(Tag::Collateral)).into()
}

fn coverage() -> Endpoint {
    let id = text_like("^NV_[A-Za-z0-9._-]{1,125}$");
    let part = || text_like("^[A-Za-z0-9]{1,128}$");
    Endpoint::get("/v1/coverage", "readCoverage", coverage::read)
        .says(
            "Ask whether a device could be judged",
            "As far as manifests go. Either by `rim`, or by `driver`, `vbios` or both, with `arch` or on whichever architecture; \
             `chip` goes with a driver of Blackwell, and `project`, `project_sku` and `chip_sku` together name the board of a VBIOS.",
        )
        .asks("rim", list_of(1, 16, id), "Ids of manifests.", Value::Null)
        .asks("arch", word(&["HOPPER", "BLACKWELL", "LS10"]), "What the device is.", json!("HOPPER"))
        .asks("driver", text_like("^[A-Za-z0-9.]{1,128}$"), "The version of its driver.", json!("550.90.07"))
        .asks("vbios", text_like("^[0-9A-Fa-f.]{10,14}$"), "The version of its VBIOS.", Value::Null)
        .asks("chip", part(), "Its chip.", Value::Null)
        .asks("project", part(), "Of its board.", Value::Null)
        .asks("project_sku", part(), "Of its board.", Value::Null)
        .asks("chip_sku", part(), "Of its board.", Value::Null)
        .gives(200, "Coverage", "`covered` says of all manifests listed whether they are at hand and good now.")
        .fails(&[RimUnavailable])
}

fn ids() -> Endpoint {
    Endpoint::get("/v1/rim/ids", "listRims", rims::ids)
        .says("List the manifests", "In the form of NVIDIA's RIM service: those at hand, and those that the service lists which this one asks. While that cannot be asked there may be more.")
        .gives(200, "RimIds", "Their ids.")
        .fails(&[RimUnavailable])
}

fn read() -> Endpoint {
    Endpoint::get("/v1/rim/{id}", "readRim", rims::read)
        .says("Read a manifest", "In the form of NVIDIA's RIM service. What is not at hand is fetched, if a device could ask for it.")
        .named("id", short(1, 128), "The id of the manifest.")
        .heeds("If-None-Match", text(), "Tags of what the client has (RFC 9110).")
        .gives(200, "Rim", "The manifest.")
        .header(200, "ETag")
        .gives_nothing(304, "The client has it.")
        .header(304, "ETag")
        .fails(&[RimNotFound, RimUnavailable])
}

const RELAYED: &str = "The relay speaks for nobody: whoever asks verifies the answer. What is no question about one \
    certificate is answered with malformedRequest, what the responder does not answer with tryLater.";

fn answered(endpoint: Endpoint) -> Endpoint {
    endpoint
        .gives_as(
            200,
            media_type::OCSP_RESPONSE,
            of("Der"),
            "An answer of the responder, or that there is none.",
        )
        .fails(&[NotFound])
}

fn relay(path: &'static str, id: &'static str) -> Endpoint {
    answered(Endpoint::post(path, id, ocsp::relay))
        .says("Ask about revocation", RELAYED)
        .takes_as(
            &[media_type::OCSP_REQUEST],
            of("Der"),
            MAX_OCSP_BYTES,
            Value::Null,
        )
        .fails(OF_BODY)
}

fn relay_in_path() -> Endpoint {
    answered(Endpoint::get(
        "/ocsp/{*request}",
        "relayOcspInPath",
        ocsp::relay_in_path,
    ))
    .says("Ask about revocation in the path", RELAYED)
    .named(
        "request",
        text(),
        "The question in base64 (RFC 6960 A.1). It may have slashes in it.",
    )
}
