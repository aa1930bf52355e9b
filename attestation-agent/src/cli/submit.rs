//! `submit`: what earlier runs could not hand in.

use attestation_agent::{Agent, AgentError, Ending, Leftovers, Settings};
use serde_json::json;

use super::log::Narrator;
use super::report::{Report, error_json, error_text};

pub(super) async fn submit(settings: Settings) -> Result<Report, AgentError> {
    let leftovers = Agent::open(settings)?
        .submit_leftovers(true, &Narrator)
        .await?;
    Ok(report(leftovers))
}

fn report(leftovers: Leftovers) -> Report {
    let Leftovers {
        received,
        refused,
        kept,
    } = leftovers;
    let refused: Vec<_> = refused
        .into_iter()
        .map(|(bundle, error)| (bundle.to_string(), AgentError::from(error)))
        .collect();
    let kept: Vec<_> = kept
        .into_iter()
        .map(|(path, error)| (path.display().to_string(), error))
        .collect();

    let mut text = String::new();
    for (_, path) in &received {
        text.push_str(&format!("receipt  {}\n", path.display()));
    }
    for (bundle, error) in &refused {
        text.push_str(&format!("refused  {bundle}\n{}", error_text(error)));
    }
    for (path, error) in &kept {
        text.push_str(&format!("waiting  {path}\n{}", error_text(error)));
    }
    if text.is_empty() {
        text.push_str("nothing waits\n");
    }
    let failures = |failed: &[(String, AgentError)]| -> Vec<_> {
        let json = |(what, error): &(String, AgentError)| json!([what, error_json(error)]);
        failed.iter().map(json).collect()
    };
    let receipts: Vec<_> = received
        .iter()
        .map(|(bundle, path)| json!({ "bundle": bundle, "file": path.display().to_string() }))
        .collect();
    let json = json!({
        "outcome": "done",
        "receipts": receipts,
        "refused": failures(&refused),
        "waiting": failures(&kept),
    });
    let waiting = kept.first().map(|(_, error)| error.ending());
    let ending = refused.first().map(|_| Ending::Refused).or(waiting);
    Report { text, json, ending }
}
