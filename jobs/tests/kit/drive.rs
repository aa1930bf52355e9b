//! Agents with a character, and a clerk and a referee that do their work.

use evidence::work::Hex;
use jobs::books::{Account, TransferKind};
use jobs::{
    Action, AgentId, AssignmentId, AssignmentStatus, Blame, Code, DisputeKind, Job, JobStatus,
    Refuted, Stake, Upheld, Verdict,
};

use super::{RIGHT, World, keyed};

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Character {
    /// What it should.
    Honest,
    /// Takes work and never commits.
    Silent,
    /// Commits to a wrong result of its own.
    Liar,
    /// Commits to the wrong result that all colluders agreed on.
    Colluder,
    /// Commits to a wrong result and never answers the referee.
    Mute,
    /// Commits to the right digests without the output, and never has it.
    Copier,
    /// Commits to the right digests without the output, and gets it afterwards, so that the honest one looks wrong.
    Framer,
    /// Commits and never opens.
    Withholder,
    /// Does what it should, with evidence that nobody can appraise: collateral of its device is missing.
    Unjudged,
}

impl Character {
    pub(crate) const ALL: [Self; 9] = [
        Self::Honest,
        Self::Silent,
        Self::Liar,
        Self::Colluder,
        Self::Mute,
        Self::Copier,
        Self::Framer,
        Self::Withholder,
        Self::Unjudged,
    ];

    pub(crate) fn results(self, of: &AssignmentId) -> Hex<32> {
        match self {
            Self::Liar | Self::Mute => Hex(evidence::crypto::sha256(of.as_str().as_bytes())),
            Self::Colluder => Hex([6; 32]),
            _ => RIGHT,
        }
    }

    /// Whether it had the output when it committed.
    fn held(self) -> bool {
        !matches!(self, Self::Copier | Self::Framer)
    }
}

/// The number at the end of an agent's name.
pub(crate) fn number_of(agent: &AgentId) -> usize {
    agent.as_str().trim_start_matches("agent-").parse().unwrap()
}

/// A world whose agents have characters, by number.
pub(crate) struct Cast {
    pub(crate) world: World,
    pub(crate) characters: Vec<Character>,
}

impl Cast {
    pub(crate) fn character(&self, id: &AssignmentId) -> Character {
        self.characters[number_of(self.world.job.assignment(id).unwrap().agent())]
    }

    /// What the opening of an agent shows to a verifier that checks what the job lets it check.
    pub(crate) fn verdict(&self, id: &AssignmentId) -> Verdict {
        let character = self.character(id);
        let results = character.results(id);
        if self.world.job.is_checked() && results != RIGHT {
            let code = Code::parse("audit_failed").unwrap();
            let blame = Blame::Wrong;
            return Verdict::Refuted(Refuted { code, blame });
        }
        Verdict::Upheld(self.shown(id, character, results))
    }

    fn shown(&self, id: &AssignmentId, character: Character, results: Hex<32>) -> Upheld {
        let mut shown = self.world.holding(id, results);
        let garbage = |of: &AssignmentId| keyed(of, Hex([0xee; 32]));
        if !character.held() {
            shown.keyed = garbage(id);
        }
        if character == Character::Copier {
            shown
                .cross
                .iter_mut()
                .for_each(|(of, value)| *value = garbage(of));
        }
        shown
    }

    /// Whom a referee that knows the truth finds wrong.
    pub(crate) fn wrong(&self) -> Vec<AssignmentId> {
        let Some(dispute) = self.world.job.dispute() else {
            return Vec::new();
        };
        let standing = |id: &&AssignmentId| self.world.standing().contains(id);
        let wrong = |id: &&AssignmentId| match dispute.about {
            DisputeKind::Results => self.character(id).results(id) != RIGHT,
            DisputeKind::Holding => !self.character(id).held(),
        };
        dispute
            .opponents
            .iter()
            .filter(standing)
            .filter(wrong)
            .cloned()
            .collect()
    }

    /// Lets everybody do at once what they have to do, and time pass where nobody has, until the job ends.
    pub(crate) fn play(&mut self) {
        self.play_while(|job| !job.status().is_final());
    }

    /// The same, until the results are accepted or the job has failed.
    pub(crate) fn play_until_accepted(&mut self) {
        self.play_while(|job| !job.status().is_final() && job.status() != JobStatus::Accepted);
    }

    fn play_while(&mut self, goes_on: impl Fn(&Job) -> bool) {
        for _ in 0..400 {
            if !goes_on(&self.world.job) {
                return;
            }
            match self.next() {
                Some(action) => self.world.must(action),
                None => self.world.tick_when_due(),
            }
        }
        panic!("the job does not end: {:?}", self.world.job);
    }

    /// What somebody has to do now.
    pub(crate) fn next(&self) -> Option<Action> {
        let candidates = super::candidates(self.characters.len());
        let wanted = self.world.job.wants_agents(super::at(self.world.now));
        let eligible = self.world.job.assignments().len() < self.characters.len();
        let dispatch = (wanted && eligible).then_some(Action::Dispatch { candidates });
        let ids = self.world.ids();
        let by_agents = || ids.iter().find_map(|id| self.next_of(id));
        dispatch
            .or_else(by_agents)
            .or_else(|| self.next_of_referee())
    }

    /// What the agent, or whoever judges it, has to do about an assignment.
    pub(crate) fn next_of(&self, id: &AssignmentId) -> Option<Action> {
        let character = self.character(id);
        match self.world.job.assignment(id)?.status() {
            AssignmentStatus::Offered => Some(self.world.accept(id)),
            AssignmentStatus::Leased if character != Character::Silent => {
                Some(self.world.commit(id))
            }
            AssignmentStatus::Opening if character != Character::Withholder => {
                Some(self.world.open(id))
            }
            AssignmentStatus::Opened if character != Character::Unjudged => {
                Some(self.world.judge(id, self.verdict(id)))
            }
            AssignmentStatus::Judged if character != Character::Mute => self.answer_due(id),
            _ => None,
        }
    }

    fn answer_due(&self, id: &AssignmentId) -> Option<Action> {
        let question = self.world.job.dispute()?.question.as_ref()?;
        let answered = self
            .world
            .job
            .assignment(id)?
            .answers()
            .contains_key(&question.number);
        (question.asked.contains(id) && !answered).then(|| self.answer(id, question.number))
    }

    /// The referee asks once, waits for all answers, and decides.
    pub(crate) fn next_of_referee(&self) -> Option<Action> {
        let dispute = self.world.job.dispute()?;
        let Some(question) = &dispute.question else {
            return Some(Action::Ask {
                number: next_question(&self.world.job),
                text: "where?".to_owned(),
                asked: dispute.opponents.clone(),
            });
        };
        let answers =
            |id: &AssignmentId| self.world.job.assignment(id).map(jobs::Assignment::answers);
        let answered =
            |id: &AssignmentId| answers(id).is_some_and(|a| a.contains_key(&question.number));
        let all = question.asked.iter().all(answered);
        all.then(|| Action::Decide {
            wrong: self.wrong(),
        })
    }

    pub(crate) fn answer(&self, id: &AssignmentId, number: u32) -> Action {
        Action::Answer {
            assignment: id.clone(),
            by: self.world.agent_of(id),
            number,
            answer: Hex([5; 32]),
        }
    }
}

/// The number of the question the referee may ask next.
pub(crate) fn next_question(job: &Job) -> u32 {
    let answered = job.assignments().iter().flat_map(|a| a.answers().keys());
    let standing = job
        .dispute()
        .and_then(|d| d.question.as_ref())
        .map(|q| q.number);
    answered.copied().chain(standing).max().unwrap_or(0) + 1
}

/// The books of a job that has ended: nothing in escrow, nothing at stake, each stake returned or slashed once, and
/// nobody paid but who is `paid`, once.
pub(crate) fn assert_closed(world: &World) {
    assert!(world.job.status().is_final());
    assert_eq!(world.balance(&Account::Escrow(world.job.id().clone())), 0);
    for assignment in world.job.assignments() {
        let count = |kind| {
            let of = |t: &&jobs::books::Transfer| {
                t.kind() == kind && t.assignment() == Some(assignment.id())
            };
            world.transfers.iter().filter(of).count()
        };
        let ended = count(TransferKind::ReturnStake) + count(TransferKind::Slash);
        assert_eq!(world.balance(&Account::Stake(assignment.id().clone())), 0);
        assert_eq!(count(TransferKind::Stake), ended, "{assignment:?}");
        let slashed = assignment.stake() == Stake::Slashed;
        let priced = !world.job.terms().price().amount.is_zero();
        let staked = !world.job.terms().stake().is_zero();
        let paid = assignment.status() == AssignmentStatus::Paid;
        assert_eq!(count(TransferKind::Slash), usize::from(slashed && staked));
        assert_eq!(count(TransferKind::Pay), usize::from(paid && priced));
        assert!(!(paid && slashed));
    }
}
