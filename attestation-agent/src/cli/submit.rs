//! `submit`: what earlier runs could not hand in.

use attestation_agent::{Agent, AgentError, Ending, Leftovers, Settings, VerifierError};
use evidence::work::Hex;
use serde_json::json;

use super::log::Narrator;
use super::report::{Exit, Report, error_json, error_text};

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
        expired,
        kept,
    } = leftovers;
    let (refused, expired) = (by_bundle(refused), by_bundle(expired));
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
    for (bundle, error) in &expired {
        text.push_str(&format!("expired  {bundle}\n{}", error_text(error)));
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
        "expired": failures(&expired),
        "waiting": failures(&kept),
    });
    let unanswered = expired.iter().chain(&kept).next();
    let unanswered = unanswered.map(|(_, error)| error.ending());
    let ending = refused.first().map(|_| Ending::Refused).or(unanswered);
    let exit = ending.map_or(Exit::Done, Exit::from);
    Report { text, json, exit }
}

fn by_bundle(failed: Vec<(Hex<32>, VerifierError)>) -> Vec<(String, AgentError)> {
    let named = failed.into_iter();
    named
        .map(|(bundle, error)| (bundle.to_string(), error.into()))
        .collect()
}
