//! Who is given a replica: one of all who may have it, each with the same probability.
//!
//! In scope: who may, and the draw. Out of scope: who is there and has room (`verifier-service`). Each *agent* has the
//! same probability, so an owner of many agents is chosen more often; it still gets one replica of a job at most.

use evidence::UnixTime;

use crate::action::Candidate;
use crate::context::{Label, Randomness};
use crate::job::Job;

/// One of the candidates that may run another replica of this job.
///
/// The order and repetition of candidates do not matter: the draw is over their agents, sorted.
pub(crate) fn choose<'c>(
    job: &Job,
    candidates: &'c [Candidate],
    randomness: &Randomness,
) -> Option<&'c Candidate> {
    let mut eligible: Vec<_> = candidates.iter().filter(|c| is_eligible(job, c)).collect();
    eligible.sort_by(|a, b| a.agent.cmp(&b.agent));
    eligible.dedup_by(|a, b| a.agent == b.agent);
    let place = u64::try_from(job.assignments.len()).ok()?;
    let bound = u64::try_from(eligible.len()).ok()?;
    let drawn = usize::try_from(randomness.below(Label::Choice, place, bound)).ok()?;
    eligible.get(drawn).copied()
}

impl Job {
    /// Whether an offer can be made now to any of these: the same answer that [`Action::Dispatch`](crate::Action::Dispatch)
    /// comes to, for whoever would not touch the job in vain.
    #[must_use]
    pub fn could_offer(&self, candidates: &[Candidate], now: UnixTime) -> bool {
        let mut then = self.clone();
        then.forget_untaken(now);
        then.wants_agents(now) && !then.rests() && candidates.iter().any(|c| is_eligible(&then, c))
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
