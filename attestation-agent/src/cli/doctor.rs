//! `doctor`: would this host attest? `install-check`: does this installation let the agent work?

use attestation_agent::doctor::{Diagnosis, FindingStatus, Limits, examine, examine_installation};
use attestation_agent::{AgentError, Settings, SystemClock};
use serde_json::json;

use super::report::{Exit, Report};

pub(super) async fn doctor(settings: Settings) -> Result<Report, AgentError> {
    let diagnosis = examine(&settings, Limits::default(), &SystemClock::new()).await?;
    let good = "nothing is in the way that can be seen from here; the verifier decides";
    Ok(report(&diagnosis, good))
}

pub(super) async fn install_check(settings: Settings) -> Result<Report, AgentError> {
    let clock = SystemClock::new();
    let diagnosis = examine_installation(&settings, Limits::default(), &clock).await?;
    Ok(report(
        &diagnosis,
        "nothing is blocked that the agent needs",
    ))
}

fn report(diagnosis: &Diagnosis, good: &str) -> Report {
    let status = diagnosis.status();
    let mut text: String = diagnosis
        .findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect();
    text.push_str(&format!("\n{}\n", summary(diagnosis, good)));
    Report {
        text,
        json: json!({ "outcome": status.as_str(), "findings": diagnosis.findings }),
        exit: match status {
            FindingStatus::Ok | FindingStatus::NotApplicable => Exit::Done,
            FindingStatus::Unknown => Exit::Unavailable,
            FindingStatus::Problem => Exit::No,
        },
    }
}

fn summary(diagnosis: &Diagnosis, good: &str) -> String {
    let problems = diagnosis.count(FindingStatus::Problem);
    let unknown = diagnosis.count(FindingStatus::Unknown);
    match (problems, unknown) {
        (0, 0) => good.to_owned(),
        (0, unknown) => format!("no problem was found; {unknown} could not be determined"),
        (problems, 0) => format!("problems: {problems}"),
        (problems, unknown) => format!("problems: {problems}; not determined: {unknown}"),
    }
}
