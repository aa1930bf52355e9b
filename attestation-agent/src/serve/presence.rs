//! Heartbeats: which devices this agent has, how many more assignments it takes, what it still holds.

use std::time::Duration;

use evidence::work::wire::{
    Assurance, Conditions, DeclaredDevice, Heartbeat, HeartbeatAnswer, Id, Offer, PROGRAM_EXECUTOR,
    Word,
};

use super::line::{Call, Fault, Line, read};
use super::shop::Shop;
use crate::device::{Description, SourceKind};
use crate::problem::Problem;

/// What a verifier says to a member that it does not know.
const MALFORMED: &str = "request_malformed";

/// What does not change while the agent serves.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    devices: Vec<DeclaredDevice>,
    executors: Vec<Word>,
    conditions: Conditions,
    /// Whether the verifier is told them: one of before there were any refuses what it does not know.
    states_conditions: bool,
    every: Duration,
}

/// What came of a heartbeat.
pub(super) enum Beat {
    /// These are over.
    Heard(HeartbeatAnswer),
    /// Nobody heard it; the next one will tell.
    Lost,
    /// The verifier did not understand it.
    Strange,
    /// The verifier does not know this agent.
    Removed(Box<Problem>),
}

impl Presence {
    pub(super) fn new(shop: &Shop, devices: &[Description], executors: Vec<&'static str>) -> Self {
        let settings = &shop.agent.settings().serve;
        let programs = settings.commands.then_some(PROGRAM_EXECUTOR);
        let executors = executors.into_iter().chain(programs);
        Self {
            devices: devices
                .iter()
                .map(|device| declared(device, settings.most_assurance))
                .collect(),
            executors: executors
                .filter_map(|name| Word::parse(name).ok())
                .collect(),
            conditions: settings.conditions(),
            states_conditions: true,
            every: Duration::from_secs(settings.heartbeat_s),
        }
    }

    /// Why work is not taken on such terms, if it is not.
    pub(super) fn declines(&self, offer: &Offer) -> Option<&'static str> {
        let asked = offer.terms.devices.as_ref();
        let asked = asked.map_or(Assurance::A0, |devices| devices.min_assurance);
        // A receipt is about all devices, and says what the least of them shows.
        let shown = self.devices.iter().map(|device| device.assurance).min();
        self.conditions.unmet(&offer.terms).or_else(|| {
            let is_beyond = asked > shown.unwrap_or(Assurance::A0);
            is_beyond.then_some("assurance_beyond_devices")
        })
    }

    /// The verifier is older than the conditions: it is told none from now on, and offers are declined here alone.
    pub(super) const fn is_not_understood(&mut self) {
        self.states_conditions = false;
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
            conditions: self.states_conditions.then(|| self.conditions.clone()),
        }
    }
}

/// The most that evidence of these kinds has shown, and no more than is to be said: a recording does not follow a challenge.
fn declared(device: &Description, most: Option<Assurance>) -> DeclaredDevice {
    let shown = match device.source {
        SourceKind::Nvml => Assurance::A2,
        SourceKind::Recorded | SourceKind::Simulated => Assurance::A0,
    };
    DeclaredDevice {
        architecture: device.arch,
        assurance: most.map_or(shown, |most| shown.min(most)),
        simulated: device.source == SourceKind::Simulated,
        ueid_sha256: None,
    }
}

/// Waits, then sends one heartbeat, once: the next one says the same and more.
pub(super) async fn beat(line: &Line, after: Duration, heartbeat: Heartbeat) -> Beat {
    tokio::time::sleep(after).await;
    let call = Call::json(format!("/v1/agents/{}/heartbeat", line.id()), &heartbeat);
    let is_plain = heartbeat.conditions.is_none();
    let said = match line.once(&call).await {
        Ok(answer) => read(&answer),
        Err(Fault::Removed(problem)) => return Beat::Removed(problem),
        Err(Fault::Refused(problem)) if problem.code == MALFORMED && !is_plain => {
            return Beat::Strange;
        }
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
