//! Vectors of meaning: the contradictions, and the shortfalls of a level, that the first table does not show; and what is
//! good although it looks otherwise.

use receipt::{Method, Source, Status};
use serde_json::{Value, json};

use super::Case;
use crate::kit::{finding, parts, parts_of_audit, set_finding};

/// A second GPU, appraised as the first.
fn add_gpu(payload: &mut Value) {
    payload["submods"]["gpu1"] = payload["submods"]["gpu0"].clone();
    let mut device = payload["pogw"]["devices"][0].clone();
    device["id"] = json!("dev-1");
    device["submod"] = json!("gpu1");
    payload["pogw"]["devices"]
        .as_array_mut()
        .unwrap()
        .push(device);
}

/// Replicas that agree, beside the other checks.
fn add_replicas(payload: &mut Value) {
    let replicas =
        json!({ "method": "replicas", "status": "affirmed", "source": "replicas", "agreeing": 3 });
    payload["pogw"]["methods"]
        .as_array_mut()
        .unwrap()
        .push(replicas);
}

fn add_batch(payload: &mut Value) {
    payload["pogw"]["batch"] =
        json!({ "root": "1a".repeat(32), "index": 2, "size": 3, "path": ["1b".repeat(32)] });
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let case = Case::new;
    let mut refuted = parts_of_audit();
    set_finding(&mut refuted, finding(Method::Freivalds, Status::Refuted, Source::Recomputation));
    refuted.pogw.assurance.results.clear();
    let mut not_asked = parts();
    set_finding(&mut not_asked, finding(Method::Revocation, Status::NotRequested, Source::Hardware));
    not_asked.pogw.revocation.clear();
    vec![
        // Good, although.
        case("good_replicas", "ok", "three executions agree").payload(|p| {
            add_replicas(p);
            p["pogw"]["assurance"]["results"] = json!(["freivalds", "replicas"]);
        }),
        case("good_batch", "ok", "one report for three statements").payload(add_batch),
        case("good_two_gpus", "ok", "two GPUs, each appraised").payload(add_gpu),
        case("good_level_understated", "ok", "a level may be understated").payload(|p| p["pogw"]["assurance"]["level"] = json!("A1")),
        case("good_method_unknown", "ok", "a check this version does not know, which counts for nothing")
            .payload(|p| p["pogw"]["methods"][6]["method"] = json!("proof_of_luck")),
        case("good_certificate_on_hold", "ok", "a certificate on hold, which a policy may tolerate")
            .payload(|p| p["pogw"]["revocation"][0]["status"] = json!("on_hold")),
        case("good_revocation_not_requested", "ok", "nobody asked about revocation").claims(not_asked.clone()),

        // Contradictions.
        case("outputs_too_many", "too_many_entries", "257 outputs")
            .payload(|p| p["pogw"]["outputs"] = (0..257).map(|n| json!({ "name": format!("o{n}"), "len": 0, "blake3": "0d".repeat(32) })).collect()),
        case("device_id_twice", "device_duplicate", "two devices of one name")
            .payload(|p| { add_gpu(p); p["pogw"]["devices"][1]["id"] = json!("dev-0"); }),
        case("device_submod_twice", "device_duplicate", "two devices share an appraisal")
            .payload(|p| { add_gpu(p); p["pogw"]["devices"][1]["submod"] = json!("gpu0"); }),
        case("policy_ids_empty", "policy_ids_missing", "an appraisal that names no policy")
            .payload(|p| p["submods"]["gpu0"]["ear_appraisal_policy_ids"] = json!([])),
        case("output_twice", "output_duplicate", "two outputs of one name")
            .payload(|p| { let again = p["pogw"]["outputs"][0].clone(); p["pogw"]["outputs"].as_array_mut().unwrap().push(again); }),
        case("replicas_not_counted", "agreeing_count", "replicas that do not say how many agree").payload(|p| {
            add_replicas(p);
            p["pogw"]["methods"][7].as_object_mut().unwrap().remove("agreeing");
        }),
        case("revocation_lists_unasked", "revocation_not_requested", "lists a certificate that nobody asked about")
            .payload(|p| p["pogw"]["methods"][2]["status"] = json!("not_requested")),
        case("revocation_lists_nothing", "revocation_unshown", "affirms revocation and asked about no certificate")
            .payload(|p| p["pogw"]["revocation"] = json!([])),
        case("revocation_lists_revoked", "revocation_contradiction", "affirms revocation over a revoked certificate")
            .payload(|p| p["pogw"]["revocation"][0]["status"] = json!("revoked")),
        case("outputs_empty", "outputs_missing", "commits to no outputs").payload(|p| p["pogw"]["outputs"] = json!([])),
        case("timings_backwards", "timings_invalid", "ends before it starts")
            .payload(|p| p["pogw"]["timings"]["finished_unix_ms"] = json!(1)),
        case("timings_as_clock", "timings_invalid", "times of the host said to be the verifier's")
            .payload(|p| p["pogw"]["timings"]["source"] = json!("verifier_clock")),
        case("batch_beyond_size", "batch_index_out_of_range", "the place lies outside the batch")
            .payload(|p| { add_batch(p); p["pogw"]["batch"]["index"] = json!(3); }),
        case("result_beside_refuted", "assurance_result_contradicted", "an audit that held beside a check that failed")
            .claims(refuted).payload(|p| p["pogw"]["assurance"]["results"] = json!(["audit"])),

        // Shortfalls.
        case("level_a1_without_gpu", "assurance_level_unsupported", "A1 with a switch alone")
            .payload(|p| p["pogw"]["devices"][0]["kind"] = json!("nvswitch")),
        case("level_a1_hardware_unknown", "assurance_level_unsupported", "A2 although one of two GPUs is not affirmed").payload(|p| {
            add_gpu(p);
            p["submods"]["gpu1"]["ear_trustworthiness_vector"]["hardware"] = json!(0);
        }),
        case("level_a1_without_nonce", "assurance_level_unsupported", "A2 although the evidence may be old")
            .payload(|p| { p["submods"]["gpu0"].as_object_mut().unwrap().remove("eat_nonce"); }),
    ]
}
