//! Who is offered a replica: agents heard of lately, with room, devices and a funded stake. Which of them it is, is drawn by
//! the rules.

use evidence::UnixTime;
use jobs::terms::DeviceTraits;
use jobs::{Action, Candidate, Job};

use super::act::Deed;
use super::{Clerk, ClerkError};
use crate::agents::{Declared, PRESENT_FOR_S};
use crate::store::clerk::{Available, ClerkStore, Wanted};

/// Seconds until agents are looked for again, at least and at most; between them, an eighth of the job's age.
const RETRY_S: std::ops::RangeInclusive<i64> = 1..=60;

impl Clerk {
    /// Offers the replicas that are missing, as far as there are agents for them.
    pub(super) async fn dispatch(&self, mut job: Job) -> Result<Job, ClerkError> {
        let now = self.parts().clock.now();
        let since = now.secs().saturating_sub(PRESENT_FOR_S);
        let wanted = Wanted {
            since: UnixTime::from_secs(since),
            workload: job.workload(),
            currency: job.terms().currency(),
        };
        let stake = job.terms().stake().minor_units();
        let available = self.store().available(wanted).await?;
        let candidates: Vec<_> = available
            .into_iter()
            .filter_map(|agent| candidate(agent, stake))
            .collect();
        // One after the other: how many are wanted depends on who was chosen first.
        while job.wants_agents(now) {
            let before = job.assignments().len();
            let candidates = candidates.clone();
            job = self
                .act(job.id(), Deed::new(Action::Dispatch { candidates }))
                .await?;
            if job.assignments().len() == before {
                break;
            }
        }
        Ok(job)
    }
}

fn candidate(agent: Available, stake: i64) -> Option<Candidate> {
    let declared = Declared::from_json(agent.declared.as_deref().unwrap_or_default());
    if agent.busy >= declared.capacity || agent.funds < stake {
        return None;
    }
    let devices = declared.devices.iter().map(|device| DeviceTraits {
        architecture: device.architecture,
        simulated: device.simulated,
    });
    Some(Candidate {
        agent: agent.agent,
        owner: agent.owner,
        record: agent.record,
        devices: devices.collect(),
    })
}

/// When to look for agents again, where there were none.
pub(super) fn again_at(job: &Job, now: UnixTime) -> UnixTime {
    let age = now.secs().saturating_sub(job.created_at().secs());
    let wait = (age / 8).clamp(*RETRY_S.start(), *RETRY_S.end());
    UnixTime::from_secs(now.secs().saturating_add(wait))
}
