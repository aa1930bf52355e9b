//! An agent that serves a verifier in a process of its own, for tests that kill it: `agent-under-test CONFIG`.
//!
//! The library that `attestation-agent serve` is made of, with settings from the file. Warnings go to standard error.

use std::path::Path;
use std::sync::Arc;

use attestation_agent::{Agent, Overrides, Settings};
use tokio::sync::watch;
use verifier_service::{LogLevel, init_logging};

#[tokio::main]
async fn main() {
    init_logging(LogLevel::Warn);
    let config = std::env::args().nth(1).expect("config");
    let settings = Settings::load(Some(Path::new(&config)), &Overrides::default());
    let agent = Agent::open(settings.expect("settings")).expect("agent");
    // Dropped, it would tell the agent to stop.
    let (_serving, until) = watch::channel(false);
    let served = agent.serve(Arc::new(()), until).await;
    served.expect("served until killed");
}
