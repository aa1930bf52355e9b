//! Evidence of devices, judged alone (`docs/appraise-json.md`), and tokens of NVIDIA's form.

use evidence::limits::{MAX_CHAIN_BYTES, MAX_DEVICES, MAX_REPORT_BYTES};
use serde_json::{Value, json};

use super::super::schema::{
    closed, count_32, flag, list, list_of, object, of, or_null, said, text, with, word,
};
use super::Named;

const GPUS: [&str; 2] = ["HOPPER", "BLACKWELL"];

pub(super) fn all() -> Vec<Named> {
    vec![
        ("Evidence", evidence()),
        ("DeviceEvidence", device_evidence()),
        ("Appraisal", appraisal()),
        ("Check", check()),
        ("AppraisedDevice", device()),
        ("UsedReference", reference()),
        ("RevocationOfChain", revocation()),
        ("CertificateRevocation", certificate()),
        ("NvidiaGpuRequestV3", nvidia_request(&GPUS, &["2.0", "3.0"])),
        (
            "NvidiaGpuRequestV4",
            nvidia_request(&GPUS, &["2.0", "3.0", "4.0"]),
        ),
        (
            "NvidiaSwitchRequest",
            nvidia_request(&["LS10"], &["2.0", "3.0"]),
        ),
        ("DetachedEat", detached_eat()),
    ]
}

fn evidence() -> Value {
    closed([
        ("nonce", of("Nonce")),
        ("devices", list_of(0, MAX_DEVICES, of("DeviceEvidence"))),
    ])
}

fn device_evidence() -> Value {
    closed([
        (
            "arch?",
            said(of("Architecture"), "What the sender says it is."),
        ),
        (
            "report",
            base64(MAX_REPORT_BYTES, "The report, as the driver gave it."),
        ),
        (
            "chain",
            base64(
                MAX_CHAIN_BYTES,
                "The device's certificate chain: PEM text, leaf first.",
            ),
        ),
    ])
}

/// More than so many bytes are read, and refuted.
fn base64(most: usize, text: &str) -> Value {
    said(
        of("Base64"),
        &format!("{text} Beyond {most} bytes it is refuted."),
    )
}

fn appraisal() -> Value {
    let policy = object([
        ("id", text()),
        ("sha256", of("Sha256")),
        ("granted", flag()),
        ("deny", list(of("Denial"))),
    ]);
    let appraisal = object([
        (
            "overall",
            said(
                word(&["pass", "fail", "incomplete"]),
                "The checks summed up. Whether to take the evidence is `policy.granted`.",
            ),
        ),
        ("as_of", of("Time")),
        ("checks", list(of("Check"))),
        ("devices", list(of("AppraisedDevice"))),
        ("policy", policy),
    ]);
    said(
        appraisal,
        "What came of evidence: see docs/appraise-json.md.",
    )
}

fn check() -> Value {
    object([
        ("id", text()),
        ("status", of("CheckStatus")),
        ("reasons", list(of("Reason"))),
        (
            "reasons_left_out",
            said(
                count_32(),
                "How many more were found, of codes that are among the reasons.",
            ),
        ),
    ])
}

fn device() -> Value {
    let maybe = || or_null(text());
    let measurements = object([
        ("compared", count_32()),
        ("skipped_nvdec0", count_32()),
        ("mismatched", list(count_32())),
    ]);
    object([
        ("kind", word(&["gpu", "switch"])),
        ("arch", or_null(of("Architecture"))),
        ("hwmodel", maybe()),
        (
            "ueid",
            said(maybe(), "An identity for life: do not publish it."),
        ),
        ("driver_version", maybe()),
        ("vbios_version", maybe()),
        ("simulated", flag()),
        ("checks", list(of("Check"))),
        ("measurements", or_null(measurements)),
        ("uncovered", list(count_32())),
        ("references", list(of("UsedReference"))),
        ("revocation", list(of("RevocationOfChain"))),
    ])
}

fn reference() -> Value {
    object([
        ("role", word(&["driver_rim", "vbios_rim"])),
        ("id", text()),
        ("sha256", of("Sha256")),
        ("obtained_at", or_null(of("Time"))),
        ("authentic", flag()),
        ("current", flag()),
        ("expires", or_null(of("Time"))),
        ("version_matches", flag()),
        ("trusted", flag()),
    ])
}

fn revocation() -> Value {
    object([
        ("chain", word(&["chain", "driver_rim", "vbios_rim"])),
        ("certificates", list(of("CertificateRevocation"))),
    ])
}

fn certificate() -> Value {
    object([
        ("position", count_32()),
        ("subject", or_null(text())),
        ("serial", text()),
        (
            "status",
            word(&["good", "on_hold", "revoked", "unknown", "not_checked"]),
        ),
        ("verdict", word(&["affirmed", "refuted", "unverifiable"])),
        ("revoked_at", or_null(of("Time"))),
        ("revocation_reason", or_null(text())),
        ("this_update", or_null(of("Time"))),
        ("next_update", or_null(of("Time"))),
        ("response_sha256", or_null(of("Sha256"))),
        ("responder_no_check", or_null(flag())),
        (
            "nonce_matches",
            said(
                or_null(flag()),
                "Whether the answer repeats the nonce; `null` where none was sent.",
            ),
        ),
        ("reasons", list(of("Reason"))),
    ])
}

fn nvidia_request(architectures: &[&str], versions: &[&str]) -> Value {
    let device = object([("evidence", of("Base64")), ("certificate", of("Base64"))]);
    let request = object([
        ("nonce", of("Nonce")),
        ("arch", word(architectures)),
        ("evidence_list", list_of(1, MAX_DEVICES, device)),
        (
            "claims_version?",
            said(
                or_null(word(versions)),
                "Without it, 2.0 on /v3 and 3.0 on /v4.",
            ),
        ),
    ]);
    said(
        request,
        "A request in the form of NVIDIA's attestation service. Members not named here are passed over.",
    )
}

fn detached_eat() -> Value {
    let overall = json!({
        "type": "array", "prefixItems": [{ "const": "JWT" }, of("Token")], "items": false, "minItems": 2,
    });
    let devices = json!({
        "type": "object", "propertyNames": { "pattern": "^(GPU|SWITCH)-[0-9]+$" }, "additionalProperties": of("Token"),
    });
    let eat = json!({ "type": "array", "prefixItems": [overall, devices], "items": false, "minItems": 2 });
    said(
        with(eat, "title", json!("Detached EAT")),
        "The token over all, and one for each device, in NVIDIA's form.",
    )
}
