//! `simulated-collateral`: what a verifier needs to appraise the software device.

use std::path::PathBuf;

use attestation_agent::device::Selection;
use attestation_agent::device::simulated::{SimulatedDevice, Window};
use attestation_agent::{AgentError, ConfigError, Settings};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::CollateralArgs;
use super::report::Report;

pub(super) fn collateral(args: CollateralArgs, settings: Settings) -> Result<Report, AgentError> {
    let Selection::Simulated { dir } = settings.selection()? else {
        let other = "only a simulated device has collateral of its own".to_owned();
        return Err(ConfigError::Invalid(other).into());
    };
    let device = SimulatedDevice::open(&dir)?;
    device.write_collateral(&args.out)?;
    let window = window(args.valid_for);
    let ocsp_dir = args.out.join("ocsp");
    let answers = device.write_answers(&ocsp_dir, window)?;
    tracing::warn!(
        "a software device proves nothing about hardware; a verifier trusts it only where \
         appraisal.simulated_anchors names anchors.toml, and finds its manifests in \
         appraisal.rim_dir and its answers about revocation in appraisal.ocsp.dir"
    );
    let valid_until = window.until.format(&Rfc3339).unwrap_or_default();
    tracing::info!(
        "answers about revocation are valid until {valid_until}; run this again before then"
    );
    let (anchors, rims) = (args.out.join("anchors.toml"), device.rims());
    let rims: Vec<_> = rims
        .iter()
        .map(|(id, _)| args.out.join(format!("{id}.xml")))
        .map(path)
        .collect();
    let anchors = path(anchors);
    let answers: Vec<_> = answers.into_iter().map(path).collect();
    let lines = std::iter::once(&anchors).chain(&rims).chain(&answers);
    let text = lines.map(|line| format!("{line}\n")).collect();
    let json = json!({
        "outcome": "done",
        "simulated": true,
        "device_dir": path(dir),
        "anchors": anchors,
        "rims": rims,
        "ocsp": { "dir": path(ocsp_dir), "answers": answers, "valid_until": valid_until },
    });
    Ok(Report::done(text, json))
}

/// From now on, in whole seconds as answers state them.
fn window(valid_for: time::Duration) -> Window {
    let now = OffsetDateTime::now_utc();
    let from = now.replace_nanosecond(0).unwrap_or(now);
    Window {
        from,
        until: from.saturating_add(valid_for),
    }
}

fn path(path: PathBuf) -> String {
    path.display().to_string()
}
