//! Who is given a replica: first an owner of all that have an agent for it, then one of its agents.
//!
//! In scope: who may, and the draw. Out of scope: who is there and has room (`verifier-service`). Each *owner* has the
//! same probability, however many agents it has, unless its agents left others waiting lately
//! ([`patience`](crate::patience)). Those that did in this very job are asked again only where nobody else may have it.

use std::collections::{BTreeMap, BTreeSet};

use evidence::UnixTime;

use crate::action::Candidate;
use crate::context::{Label, Randomness};
use crate::id::{AgentId, PartyId};
use crate::job::Job;
use crate::patience::tickets;

/// Most owners that a job remembers as having let it wait. Beyond that the one that did so first may be asked again.
const PASSED_OVER: usize = 64;

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
    randomness: &Randomness,
) -> Option<&'c Candidate> {
    let stalls = stalls(job, candidates);
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
fn stalls<'c>(job: &Job, candidates: &'c [Candidate]) -> BTreeMap<&'c PartyId, Stall<'c>> {
    let mut stalls: BTreeMap<_, Stall<'_>> = BTreeMap::new();
    for candidate in candidates.iter().filter(|c| is_eligible(job, c)) {
        let stall = stalls.entry(&candidate.owner).or_default();
        stall.tickets = stall.tickets.max(tickets(candidate.missed));
        stall.agents.insert(&candidate.agent, candidate);
    }
    let passed: BTreeSet<_> = job.passed_over.iter().collect();
    if stalls.keys().any(|owner| !passed.contains(owner)) {
        stalls.retain(|owner, _| !passed.contains(owner));
    }
    stalls
}

impl Job {
    /// Whether an offer can be made now to any of these: the same answer that
    /// [`Action::Dispatch`](crate::Action::Dispatch) comes to, for whoever would not touch the job in vain.
    #[must_use]
    pub fn could_offer(&self, candidates: &[Candidate], now: UnixTime) -> bool {
        let mut then = self.clone();
        then.forget_untaken(now);
        then.wants_agents(now) && !then.rests() && candidates.iter().any(|c| is_eligible(&then, c))
    }

    /// An owner let the job wait.
    pub(crate) fn pass_over(&mut self, owner: &PartyId) {
        self.passed_over.retain(|passed| passed != owner);
        self.passed_over.push(owner.clone());
        let beyond = self.passed_over.len().saturating_sub(PASSED_OVER);
        self.passed_over.drain(..beyond);
    }
}

/// Whether a candidate may have a replica of this job.
pub(crate) fn is_eligible(job: &Job, candidate: &Candidate) -> bool {
    is_stranger(job, candidate)
        && is_new(job, candidate)
        && owns_no_replica(job, candidate)
        && has_devices(job, candidate)
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
    job.terms.fit(&candidate.devices)
}
