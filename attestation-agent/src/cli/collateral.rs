//! `simulated-collateral`: what a verifier needs to appraise the software device.

use std::path::PathBuf;

use attestation_agent::device::Selection;
use attestation_agent::device::simulated::SimulatedDevice;
use attestation_agent::{AgentError, ConfigError, Settings};
use serde_json::json;

use super::args::CollateralArgs;
use super::report::Report;

pub(super) fn collateral(args: CollateralArgs, settings: Settings) -> Result<Report, AgentError> {
    let Selection::Simulated { dir } = settings.selection()? else {
        let other = "only a simulated device has collateral of its own".to_owned();
        return Err(ConfigError::Invalid(other).into());
    };
    let device = SimulatedDevice::open(&dir)?;
    device.write_collateral(&args.out)?;
    tracing::warn!(
        "a software device proves nothing about hardware; a verifier trusts it only where \
         appraisal.simulated_anchors names anchors.toml, and finds its manifests in appraisal.rim_dir"
    );
    let (anchors, rims) = (args.out.join("anchors.toml"), device.rims());
    let rims: Vec<_> = rims
        .iter()
        .map(|(id, _)| args.out.join(format!("{id}.xml")))
        .map(path)
        .collect();
    let anchors = path(anchors);
    let lines = std::iter::once(&anchors).chain(&rims);
    let text = lines.map(|line| format!("{line}\n")).collect();
    let json = json!({
        "outcome": "done",
        "simulated": true,
        "device_dir": path(dir),
        "anchors": anchors,
        "rims": rims,
    });
    Ok(Report::done(text, json))
}

fn path(path: PathBuf) -> String {
    path.display().to_string()
}
