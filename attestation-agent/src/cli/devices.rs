//! `devices`: what this host has.

use attestation_agent::device::Description;
use attestation_agent::{AgentError, DeviceSet, Settings};
use serde_json::{Value, json};

use super::report::Report;

pub(super) async fn devices(settings: Settings) -> Result<Report, AgentError> {
    let selection = settings.selection()?;
    let devices = DeviceSet::open(&selection)?.describe();
    let text = devices.iter().map(text).collect();
    let json: Vec<_> = devices.iter().map(json).collect();
    Ok(Report::done(
        text,
        json!({ "outcome": "done", "devices": json }),
    ))
}

fn text(device: &Description) -> String {
    let mut text = format!(
        "{} {} {}  {}\n",
        device.index, device.arch, device.uuid, device.name
    );
    let versions = [("driver", &device.driver), ("vbios", &device.vbios)];
    for (what, version) in versions {
        if let Some(version) = version {
            text.push_str(&format!("  {what:<8} {version}\n"));
        }
    }
    for warning in device.warnings() {
        text.push_str(&format!(
            "  warning: {warning} [{}]\n  remedy: {}\n",
            warning.code(),
            warning.remedy()
        ));
    }
    text
}

fn json(device: &Description) -> Value {
    let warnings: Vec<_> = device
        .warnings()
        .iter()
        .map(|w| json!({ "code": w.code(), "message": w.to_string(), "remedy": w.remedy() }))
        .collect();
    let mut json = json!(device);
    if let Some(object) = json.as_object_mut() {
        object.insert("warnings".to_owned(), json!(warnings));
    }
    json
}
