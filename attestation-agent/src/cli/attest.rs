//! `attest`: evidence alone, as NVIDIA's tools write it.

use attestation_agent::{AgentError, DeviceSet, Settings, serialized, write_result};
use serde_json::json;

use super::args::AttestArgs;
use super::report::Report;

/// Standard output is the JSON array in both formats: the form is NVIDIA's, not ours.
pub(super) async fn attest(args: AttestArgs, settings: Settings) -> Result<Report, AgentError> {
    let devices = DeviceSet::open(&settings.selection()?)?;
    let evidence = serialized(devices.attest(&args.nonce.0)?)?;
    if evidence.iter().any(|device| device.nonce != args.nonce) {
        tracing::warn!("a recording carries its own nonce, not the one asked for");
    }
    let json = json!(evidence);
    let text = format!("{json:#}\n");
    let Some(path) = args.out else {
        return Ok(Report::done(text, json));
    };
    write_result(&path, text.as_bytes())?;
    let (path, count) = (path.display(), evidence.len());
    Ok(Report::done(
        format!("evidence of {count} devices in {path}\n"),
        json!({ "outcome": "done", "devices": count, "file": path.to_string() }),
    ))
}
