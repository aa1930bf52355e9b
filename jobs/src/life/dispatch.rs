//! Dispatch: agents are picked for the replicas that are missing.
//!
//! An offer that was never taken is soon forgotten, since it moved no money and showed no challenge. Until then its
//! agent is passed over for as long as an offer stands, and its owner for longer each time it did not take one of this
//! job ([`crate::passed_over`]). Such offers use up none of the job's assignments; how many are remembered at one time
//! is bounded in the same way as assignments.

use std::collections::BTreeMap;

use evidence::UnixTime;
use evidence::work::Base64Url;

use super::turn::Turn;
use crate::action::Candidate;
use crate::assignment::{Assignment, Stage, Stake};
use crate::choice::choose;
use crate::clock::{OFFER_S, later};
use crate::context::Label;
use crate::event::EventKind;
use crate::id::AssignmentId;
use crate::job::{Job, Phase};
use crate::record::Record;
use crate::replication::replicas;
use crate::secret::Secret;

pub(super) fn dispatch(job: &mut Job, candidates: &[Candidate], turn: &mut Turn<'_>) {
    if !job.wants_agents(turn.now()) {
        return;
    }
    job.forget_untaken(turn.now());
    while job.wants_agents(turn.now()) && !job.rests() {
        let Some(chosen) = choose(job, candidates, (turn.randomness(), turn.now())) else {
            return;
        };
        decide_replicas(job, chosen, turn);
        offer(job, chosen, turn);
    }
}

impl Job {
    /// Whether a replica is missing that can still be offered to somebody, now or after a rest.
    #[must_use]
    pub fn wants_agents(&self, now: UnixTime) -> bool {
        self.phase == Phase::Open && self.is_replica_missing() && self.may_offer(now)
    }

    /// Before the first agent is chosen, one replica is missing; whether more are depends on that agent.
    fn is_replica_missing(&self) -> bool {
        let wanted = self.wanted.unwrap_or(1);
        self.live() < usize::try_from(wanted).unwrap_or(usize::MAX)
    }

    fn live(&self) -> usize {
        self.running().chain(self.standing()).count()
    }

    /// Whether one more assignment may be made, and would have its whole time to commit before the job's deadline.
    pub(super) fn may_offer(&self, now: UnixTime) -> bool {
        let used = self.assignments.len().saturating_sub(self.untaken());
        now < self.offer_until() && used < self.most()
    }

    /// Whether so many offers were not taken lately that nobody else is disturbed yet.
    pub(crate) fn rests(&self) -> bool {
        self.untaken() >= self.most()
    }

    /// How many offers are remembered that were never taken.
    fn untaken(&self) -> usize {
        let untaken = self.assignments.iter().filter_map(Assignment::untaken_at);
        untaken.count()
    }

    /// When the first of the agents and owners that are passed over after this time, for not taking offers, may be offered the
    /// job again.
    #[must_use]
    pub fn passes_over_until(&self, now: UnixTime) -> Option<UnixTime> {
        let untaken = self.assignments.iter().filter_map(Assignment::untaken_at);
        let agents = untaken.map(|at| later(at, OFFER_S));
        let owners = self.let_alone_until().map(|(_, until)| until);
        agents.chain(owners).filter(|until| now < *until).min()
    }

    fn most(&self) -> usize {
        usize::try_from(self.terms.max_assignments()).unwrap_or(usize::MAX)
    }

    pub(crate) fn forget_untaken(&mut self, now: UnixTime) {
        self.assignments.retain(|assignment| {
            let until = assignment.untaken_at().map(|at| later(at, OFFER_S));
            until.is_none_or(|until| now < until)
        });
    }

    /// An offer accepted at its last moment and committed at its last moment is committed by the job's deadline, which
    /// outages move as they move all others.
    pub(super) fn offer_until(&self) -> UnixTime {
        let needed = self.terms.commit_within_s().saturating_add(OFFER_S);
        let slack = self.terms.deadline_s().saturating_sub(needed);
        let until = later(self.created_at, slack.saturating_add(1));
        later(until, self.excused_s)
    }
}

/// The draw is made for the agent that would be alone. Once more than one replica is wanted, it stays so, however often
/// agents are replaced; where one was enough and its agent is gone, the next one's record decides. Where nobody can tell how
/// much work it is, no record counts.
fn decide_replicas(job: &mut Job, chosen: &Candidate, turn: &Turn<'_>) {
    let asked = job.terms.replicas();
    if job.wanted.is_none_or(|wanted| wanted == 1) {
        let record = job.size().map_or(Record(0), |_| chosen.record);
        let wanted = replicas(asked, record, turn.randomness(), place(job));
        job.wanted = Some(wanted);
    }
}

fn offer(job: &mut Job, chosen: &Candidate, turn: &mut Turn<'_>) {
    let draw = |label| turn.randomness().bytes(label, place(job));
    let assignment = Assignment {
        id: AssignmentId::from_random(&draw(Label::AssignmentId)),
        agent: chosen.agent.clone(),
        owner: chosen.owner.clone(),
        challenge: Base64Url(draw(Label::Challenge)),
        replica_key: Secret::new(draw(Label::ReplicaKey)),
        offered_at: turn.now(),
        stage: Stage::Offered {
            until: later(turn.now(), OFFER_S),
        },
        stake: Stake::None,
        commitment: None,
        openings: Vec::new(),
        upheld: None,
        answers: BTreeMap::new(),
        oversized: None,
    };
    turn.event(EventKind::AssignmentOffered, &assignment);
    turn.effects.wake.push(chosen.agent.clone());
    job.assignments.push(assignment);
}

/// The place of the next assignment: no draw of one action uses it twice.
fn place(job: &Job) -> u64 {
    u64::try_from(job.assignments.len()).unwrap_or(u64::MAX)
}
