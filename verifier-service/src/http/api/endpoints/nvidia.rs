//! NVIDIA's Remote Attestation Service, as its clients ask it.

use axum::handler::Handler;
use evidence::forms::MAX_JSON_BYTES;

use serde_json::json;

use super::super::codes::{OF_APPRAISAL, OF_JSON};
use super::super::endpoint::{Endpoint, Tag};
use super::super::examples;
use super::super::schema::{text, with};
use crate::http::{App, nvidia};
use crate::problem::ProblemCode::*;

pub(super) fn all() -> Vec<Endpoint> {
    vec![
        attest("/v3/attest/gpu", "attestGpuV3", nvidia::v3_gpu, GPU_V3),
        attest(
            "/v3/attest/switch",
            "attestSwitchV3",
            nvidia::v3_switch,
            SWITCH,
        ),
        attest("/v4/attest/gpu", "attestGpuV4", nvidia::v4_gpu, GPU_V4),
        attest(
            "/v4/attest/switch",
            "attestSwitchV4",
            nvidia::v4_switch,
            SWITCH,
        ),
    ]
}

/// Title, schema of the request, and what its example is about.
type Kind = (&'static str, &'static str, &'static str);

const GPU_V3: Kind = (
    "Have GPUs judged, in NVIDIA's form",
    "NvidiaGpuRequestV3",
    "HOPPER",
);
const GPU_V4: Kind = (GPU_V3.0, "NvidiaGpuRequestV4", GPU_V3.2);
const SWITCH: Kind = (
    "Have switches judged, in NVIDIA's form",
    "NvidiaSwitchRequest",
    "LS10",
);

fn attest<H: Handler<T, App>, T: 'static>(
    path: &'static str,
    id: &'static str,
    handler: H,
    kind: Kind,
) -> Endpoint {
    let (title, schema, architecture) = kind;
    Endpoint::post(path, id, handler)
        .tagged(Tag::Nvidia)
        .in_nvidias_form()
        .says(
            title,
            "A request and an answer in the form of NVIDIA's attestation service, under a key of this verifier \
             (docs/nvidia-compatibility.md). Refuted evidence is an answer, too: the token says so. Where nothing is refuted \
             and a manifest or an answer about revocation is not at hand, the answer is 503.",
        )
        .heeds("X-Nvidia-Ocsp-Allow-Cert-Hold", with(text(), "examples", json!(["true"])), "`true` lets a signer of manifests that is on hold pass, if the operator and the policy allow it.")
        .takes(schema, MAX_JSON_BYTES, examples::nvidia(architecture))
        .gives(200, "DetachedEat", "A token over all devices, and one for each.")
        .fails(OF_JSON)
        .fails(OF_APPRAISAL)
        .fails(&[Unverifiable])
}
