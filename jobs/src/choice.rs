//! Who is given a replica: first an owner is drawn, among all that have an agent for it, then one of its agents.
//!
//! In scope: who may be given one, and the draw. Out of scope: who is there and has room (`verifier-service`). Each
//! *owner* has the same probability, however many agents it has, unless its agents left others waiting lately
//! ([`patience`](crate::patience)). Owners that did so in this very job are asked again only where nobody else may have
//! it.

use std::collections::BTreeMap;

use evidence::UnixTime;
use evidence::work::Task;

use crate::action::Candidate;
use crate::context::{Label, Randomness};
use crate::id::{AgentId, PartyId};
use crate::job::Job;
use crate::patience::tickets;

/// An owner and its agents that may run a replica, by their names.
#[derive(Default)]
struct Stall<'c> {
    tickets: u64,
    agents: BTreeMap<&'c AgentId, &'c Candidate>,
}

/// One of the candidates that may run another replica of this job.
///
/// The order and repetition of candidates do not matter: the draws are over owners and agents, sorted.
pub(crate) fn choose<'c>(
    job: &Job,
    candidates: &'c [Candidate],
    (randomness, now): (&Randomness, UnixTime),
) -> Option<&'c Candidate> {
    let stalls = stalls(job, candidates, now);
    let place = u64::try_from(job.assignments.len()).ok()?;
    let all = stalls.values().map(|stall| stall.tickets);
    let all = all.fold(0, u64::saturating_add);
    let mut ticket = randomness.below(Label::Owner, place, all);
    let drawn = stalls.values().find(|stall| {
        let is_its = ticket < stall.tickets;
        ticket = ticket.saturating_sub(stall.tickets);
        is_its
    })?;
    let bound = u64::try_from(drawn.agents.len()).ok()?;
    let agent = randomness.below(Label::Choice, place, bound);
    let agent = usize::try_from(agent).ok()?;
    drawn.agents.values().nth(agent).copied()
}

/// Who may have it, by owner: those that did not let this job wait, or all if there are no others.
fn stalls<'c>(
    job: &Job,
    candidates: &'c [Candidate],
    now: UnixTime,
) -> BTreeMap<&'c PartyId, Stall<'c>> {
    let mut stalls: BTreeMap<_, Stall<'_>> = BTreeMap::new();
    for candidate in candidates.iter().filter(|c| is_eligible(job, c, now)) {
        let stall = stalls.entry(&candidate.owner).or_default();
        stall.tickets = stall.tickets.max(tickets(candidate.missed));
        stall.agents.insert(&candidate.agent, candidate);
    }
    if stalls.keys().any(|owner| !job.is_passed_over(owner)) {
        stalls.retain(|owner, _| !job.is_passed_over(owner));
    }
    stalls
}

impl Job {
    /// Whether somebody who declares this can be offered the job at all, whoever it is and whatever it did before.
    #[must_use]
    pub fn suits(&self, candidate: &Candidate) -> bool {
        suits(self, candidate)
    }

    /// Whether an offer can be made now to any of these: the same answer that
    /// [`Action::Dispatch`](crate::Action::Dispatch) comes to, for whoever would not touch the job in vain.
    #[must_use]
    pub fn could_offer(&self, candidates: &[Candidate], now: UnixTime) -> bool {
        let mut then = self.clone();
        then.forget_untaken(now);
        then.wants_agents(now)
            && !then.rests()
            && candidates.iter().any(|c| is_eligible(&then, c, now))
    }
}

/// Whether a candidate may have a replica of this job.
pub(crate) fn is_eligible(job: &Job, candidate: &Candidate, now: UnixTime) -> bool {
    is_stranger(job, candidate)
        && is_new(job, candidate)
        && !job.is_let_alone(&candidate.owner, now)
        && owns_no_replica(job, candidate)
        && suits(job, candidate)
}

/// Whether a candidate has what a job asks for, by its own word, and the job what the candidate asks for. Whether it may have
/// this job beside that is not said.
fn suits(job: &Job, candidate: &Candidate) -> bool {
    has_devices(job, candidate)
        && has_assurance(job, candidate)
        && runs_it(job, candidate)
        && meets_conditions(job, candidate)
}

/// Who orders the work does not also do it.
fn is_stranger(job: &Job, candidate: &Candidate) -> bool {
    candidate.owner != job.tenant
}

/// An agent that took this job before does not get it again: it would know more than others, and may have lost it on
/// purpose. One that only saw an offer does, as soon as that is forgotten.
fn is_new(job: &Job, candidate: &Candidate) -> bool {
    job.assignments
        .iter()
        .all(|assignment| assignment.agent != candidate.agent)
}

/// The replicas of a job have distinct owners.
fn owns_no_replica(job: &Job, candidate: &Candidate) -> bool {
    let mut live = job.running().chain(job.standing());
    live.all(|assignment| assignment.owner != candidate.owner)
}

fn has_devices(job: &Job, candidate: &Candidate) -> bool {
    let traits = candidate.devices.iter().map(|it| &it.traits);
    job.terms.fit(traits)
}

/// A receipt is about all devices, and its level that of the least of them.
fn has_assurance(job: &Job, candidate: &Candidate) -> bool {
    let asked = job.terms.min_assurance();
    candidate.devices.iter().all(|it| it.assurance >= asked)
}

fn runs_it(job: &Job, candidate: &Candidate) -> bool {
    candidate.runs_commands || matches!(job.spec.task, Task::Kernel(_))
}

fn meets_conditions(job: &Job, candidate: &Candidate) -> bool {
    candidate.conditions.unmet(job.terms.shown()).is_none()
}
