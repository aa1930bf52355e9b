//! Examples of requests that several places share.

use evidence::UnixTime;
use serde_json::{Value, json};

/// 32 bytes in base64url.
pub(super) const BYTES_32: &str = "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU";
/// 64 bytes in base64url.
pub(super) const BYTES_64: &str =
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// A digest.
pub(super) const DIGEST: &str = "0606060606060606060606060606060606060606060606060606060606060606";
/// A name of ours.
pub(super) const ID: &str = "0123456789abcdef0123456789abcdef";

/// A job that every verifier takes.
pub(super) fn job() -> Value {
    json!({
        "profile": "pogw/1", "kernel": "gemm_i8", "checks": ["freivalds"],
        "params": {
            "m": 256, "n": 256, "k": 256,
            "operands": { "seed": "0000000000000000000000000000000000000000000000000000000000000001" },
        },
    })
}

/// Terms for it.
pub(super) fn terms() -> Value {
    json!({
        "replicas": { "count": 2, "adaptive": false },
        "devices": { "simulated": true },
        "price": { "amount": 1200, "currency": "EUR" }, "stake": 12000,
        "commit_within_s": 120, "open_within_s": 60, "dispute_window_s": 60, "deadline_s": 3600,
    })
}

/// A bundle of the right form, which no device signed.
pub(super) fn bundle() -> Value {
    json!({
        "profile": "pogw/1",
        "job": job(),
        "statement": {
            "profile": "pogw/1", "job": DIGEST, "challenge": BYTES_32, "agent_key": BYTES_32,
            "kernel": { "name": "gemm_i8", "spec": DIGEST },
            "outputs": [{ "name": "c", "len": 262_144, "blake3": DIGEST }],
            "executor": "cuda",
            "timing": { "started_at_ms": 1_800_000_000_000_u64, "run_us": 1200, "digest_us": 300 },
        },
        "devices": [{ "arch": "HOPPER", "report": "EeAB", "chain": "LS0t" }],
        "signature": BYTES_64,
    })
}

/// A request in NVIDIA's form, about a device that is none.
pub(super) fn nvidia(architecture: &str) -> Value {
    let device = json!({ "evidence": "EeAB", "certificate": "LS0t" });
    json!({ "nonce": DIGEST, "arch": architecture, "evidence_list": [device], "claims_version": "3.0" })
}

/// A time.
pub(super) fn time() -> Value {
    json!(UnixTime::from_secs(1_800_000_000))
}
