//! Signs of life: what this agent has, how much more it takes, what it still holds.

use std::time::Duration;

use evidence::work::wire::{Assurance, DeclaredDevice, Heartbeat, HeartbeatAnswer, Id, Word};

use super::line::{Call, Fault, Line, read};
use super::shop::Shop;
use crate::command::PROGRAM_EXECUTOR;
use crate::device::{Description, SourceKind};
use crate::problem::Problem;

/// What does not change while the agent serves.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    devices: Vec<DeclaredDevice>,
    executors: Vec<Word>,
    every: Duration,
}

/// What came of a heartbeat.
pub(super) enum Beat {
    /// These are over.
    Heard(HeartbeatAnswer),
    /// Nobody heard it; the next one will tell.
    Lost,
    /// The verifier does not know this agent.
    Removed(Box<Problem>),
}

impl Presence {
    pub(super) fn new(shop: &Shop, devices: &[Description], executors: Vec<&'static str>) -> Self {
        let settings = &shop.agent.settings().serve;
        let programs = settings.commands.then_some(PROGRAM_EXECUTOR);
        let executors = executors.into_iter().chain(programs);
        Self {
            devices: devices.iter().map(declared).collect(),
            executors: executors
                .filter_map(|name| Word::parse(name).ok())
                .collect(),
            every: Duration::from_secs(settings.heartbeat_s),
        }
    }

    /// How long it is between two heartbeats.
    pub(super) const fn every(&self) -> Duration {
        self.every
    }

    /// The verifier wants to hear of us so often: never more seldom than that.
    pub(super) fn hears(&mut self, answer: &HeartbeatAnswer) {
        let wanted = Duration::from_secs(answer.heartbeat_every_s.max(1).into());
        self.every = self.every.min(wanted);
    }

    pub(super) fn heartbeat(&self, capacity: u32, held: Vec<Id>) -> Heartbeat {
        Heartbeat {
            devices: self.devices.clone(),
            executors: self.executors.clone(),
            capacity,
            held,
        }
    }
}

/// The most that evidence of these kinds has shown: a recording does not follow a challenge.
fn declared(device: &Description) -> DeclaredDevice {
    DeclaredDevice {
        architecture: device.arch,
        assurance: match device.source {
            SourceKind::Nvml => Assurance::A2,
            SourceKind::Recorded | SourceKind::Simulated => Assurance::A0,
        },
        simulated: device.source == SourceKind::Simulated,
        ueid_sha256: None,
    }
}

/// Waits, then sends one heartbeat, once: the next one says the same and more.
pub(super) async fn beat(line: &Line, after: Duration, heartbeat: Heartbeat) -> Beat {
    tokio::time::sleep(after).await;
    let call = Call::json(format!("/v1/agents/{}/heartbeat", line.id()), &heartbeat);
    let said = match line.once(&call).await {
        Ok(answer) => read(&answer),
        Err(Fault::Removed(problem)) => return Beat::Removed(problem),
        Err(Fault::Refused(problem)) => Err(problem.to_string()),
        Err(Fault::Passing { cause, .. }) => Err(cause),
    };
    match said {
        Ok(answer) => {
            line.figures().is_heard();
            Beat::Heard(answer)
        }
        Err(cause) => {
            tracing::warn!("heartbeat failed: {cause}");
            Beat::Lost
        }
    }
}
