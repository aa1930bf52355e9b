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
const RETRY_S: std::ops::RangeInclusive<i64> = 1..=15;

/// Most tries to find agents while other jobs take their last places.
const TRIES: usize = 8;

impl Clerk {
    /// Offers the replicas that are missing, as far as there are agents for them.
    ///
    /// Who has room is read without a lock, and known for sure when offers are written: where an agent is full by then,
    /// all are looked at again.
    pub(super) async fn dispatch(&self, job: Job) -> Result<Job, ClerkError> {
        for _ in 0..TRIES {
            let candidates = self.candidates(&job).await?;
            // A job that waits costs a look now and then, and no write.
            if !job.could_offer(&candidates, self.parts().clock.now()) {
                break;
            }
            let deed = Deed::new(Action::Dispatch { candidates });
            match self.act(job.id(), deed).await {
                Err(ClerkError::NoRoom(agent)) => {
                    tracing::debug!(job = %job.id(), %agent, "full by now; agents are looked for again");
                }
                done => return done,
            }
        }
        Ok(job)
    }

    async fn candidates(&self, job: &Job) -> Result<Vec<Candidate>, ClerkError> {
        let now = self.parts().clock.now();
        let since = now.secs().saturating_sub(PRESENT_FOR_S);
        let wanted = Wanted {
            now,
            since: UnixTime::from_secs(since),
            workload: job.workload(),
            size: job.size(),
            currency: job.terms().currency(),
        };
        let stake = job.terms().stake().minor_units();
        let available = self.store().available(wanted).await?.into_iter();
        let candidates = available.filter_map(|agent| candidate(agent, stake));
        Ok(candidates.collect())
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
        missed: agent.missed,
        devices: devices.collect(),
    })
}

/// When to look for agents again, where there were none.
pub(super) fn again_at(job: &Job, now: UnixTime) -> UnixTime {
    let age = now.secs().saturating_sub(job.created_at().secs());
    let wait = (age / 8).clamp(*RETRY_S.start(), *RETRY_S.end());
    UnixTime::from_secs(now.secs().saturating_add(wait))
}
