//! Who is offered a replica: agents that were heard of lately, have room and what the terms ask for, whose owner has
//! the stake, and whose conditions the terms meet. The rules draw one of them.

use std::collections::HashMap;

use evidence::work::wire::Conditions;
use jobs::terms::DeviceTraits;
use jobs::{Action, AgentId, Candidate, Currency, DeclaredDevice, Job, PartyId, Record};

use super::act::Deed;
use super::{Clerk, ClerkError, assurance};
use crate::agents::Declared;
use crate::store::StoreError;
use crate::store::clerk::{Available, ClerkStore, Wanted, WithRoom};

/// Most tries to find agents while other jobs take their last places.
const TRIES: usize = 8;

/// The agents with room, as they were at the beginning of a round, less what was offered in it. A job that none of them
/// fits is known by it, so that it costs no question of its own.
pub(super) struct Room {
    vacant: Vec<Vacant>,
    /// What owners have available, of the currencies that were asked about.
    funds: HashMap<Currency, HashMap<PartyId, i64>>,
}

/// Agents of one owner that can be offered the same.
struct Vacant {
    /// The one that it is, or one that stands for all.
    candidate: Candidate,
    /// How many assignments they take, all together.
    places: u32,
}

impl Room {
    pub(super) fn of(all: Vec<WithRoom>) -> Self {
        Self {
            vacant: all.into_iter().filter_map(vacant).collect(),
            funds: HashMap::new(),
        }
    }

    /// How many assignments they take, all together.
    pub(super) fn places(&self) -> u32 {
        let places = self.vacant.iter().map(|vacant| vacant.places);
        places.fold(0, u32::saturating_add)
    }

    /// Whether nobody has room any more.
    pub(super) fn is_full(&self) -> bool {
        self.vacant.is_empty()
    }

    /// An agent, one of these, was offered something, or has no room after all.
    fn is_taken(&mut self, agent: &AgentId, among: &[Candidate]) {
        let Some(taken) = among.iter().find(|one| one.agent == *agent) else {
            return;
        };
        let is_its = |of: &Candidate| {
            of.owner == taken.owner
                && of.devices == taken.devices
                && of.runs_commands == taken.runs_commands
                && of.conditions == taken.conditions
        };
        let its = self.vacant.iter_mut().find(|it| is_its(&it.candidate));
        if let Some(vacant) = its {
            vacant.places = vacant.places.saturating_sub(1);
        }
        self.vacant.retain(|vacant| vacant.places > 0);
    }
}

impl Clerk {
    /// Offers the replicas that are missing, as far as there are agents for them; says whether any was offered.
    ///
    /// Who has room is read without a lock, and known for sure when offers are written: where an agent is full by then,
    /// all are looked at again.
    pub(super) async fn dispatch(&self, job: Job, room: &mut Room) -> Result<bool, ClerkError> {
        if !self.may_find(&job, room).await? {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let candidates = self.candidates(&job).await?;
            // A job that waits costs a look now and then, and no write.
            if !job.could_offer(&candidates, self.parts().clock.now()) {
                break;
            }
            let deed = Deed::new(Action::Dispatch {
                candidates: candidates.clone(),
            });
            match self.act(job.id(), deed).await {
                Err(ClerkError::NoRoom(agent)) => {
                    tracing::debug!(job = %job.id(), %agent, "full by now; agents are looked for again");
                    room.is_taken(&agent, &candidates);
                }
                Err(error) => return Err(error),
                Ok(then) => {
                    let all = then.assignments().iter();
                    let new: Vec<_> = all.filter(|it| job.assignment(it.id()).is_none()).collect();
                    for it in &new {
                        room.is_taken(it.agent(), &candidates);
                    }
                    return Ok(!new.is_empty());
                }
            }
        }
        Ok(false)
    }

    /// Whether the job could be offered to anybody with room whose owner can stake for it.
    async fn may_find(&self, job: &Job, room: &mut Room) -> Result<bool, StoreError> {
        let (stake, currency) = (job.terms().stake().minor_units(), job.terms().currency());
        if stake > 0 && !room.funds.contains_key(&currency) {
            let funds = self.store().funds(self.present_since(), currency).await?;
            room.funds.insert(currency, funds);
        }
        let funds = room.funds.get(&currency);
        let has = |owner| funds.and_then(|of| of.get(owner)).copied().unwrap_or(0);
        let all = room.vacant.iter().map(|vacant| &vacant.candidate);
        let funded = all.filter(|candidate| stake == 0 || has(&candidate.owner) >= stake);
        // Most jobs that are looked at in vain end here: nothing is copied for them.
        let fitting = funded.filter(|candidate| job.suits(candidate));
        let fitting: Vec<Candidate> = fitting.cloned().collect();
        Ok(!fitting.is_empty() && job.could_offer(&fitting, self.parts().clock.now()))
    }

    async fn candidates(&self, job: &Job) -> Result<Vec<Candidate>, ClerkError> {
        let wanted = Wanted {
            now: self.parts().clock.now(),
            since: self.present_since(),
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

/// Whoever declares what this version does not understand has no room.
fn vacant(agents: WithRoom) -> Option<Vacant> {
    let declared = Declared::from_json(agents.declared.as_deref().unwrap_or_default());
    (declared.capacity > 0).then(|| Vacant {
        candidate: Candidate {
            agent: agents.agent,
            owner: agents.owner,
            // Whether it may have a replica does not depend on these.
            record: Record::default(),
            missed: 0,
            devices: devices(&declared),
            runs_commands: declared.runs_commands(),
            conditions: declared.conditions.unwrap_or_else(Conditions::unstated),
        },
        places: agents.places,
    })
}

fn candidate(agent: Available, stake: i64) -> Option<Candidate> {
    let declared = Declared::from_json(agent.declared.as_deref().unwrap_or_default());
    if agent.busy >= declared.capacity || agent.funds < stake {
        return None;
    }
    Some(Candidate {
        agent: agent.agent,
        owner: agent.owner,
        record: agent.record,
        devices: devices(&declared),
        runs_commands: declared.runs_commands(),
        conditions: declared.conditions.unwrap_or_else(Conditions::unstated),
        missed: agent.missed,
    })
}

/// In one order, so that agents of one shape have the same.
fn devices(declared: &Declared) -> Vec<DeclaredDevice> {
    let devices = declared.devices.iter().map(|device| DeclaredDevice {
        traits: DeviceTraits {
            architecture: device.architecture,
            simulated: device.simulated,
        },
        assurance: assurance(device.assurance),
    });
    let mut devices: Vec<_> = devices.collect();
    devices.sort_by_key(|device| {
        let DeviceTraits {
            architecture,
            simulated,
        } = device.traits;
        (architecture.as_str(), simulated, device.assurance)
    });
    devices
}
