//! Who does what: agents with characters, a clerk and a referee that do their work, and whatever comes to somebody's mind.

use ::jobs::books::Transfer;
use ::jobs::terms::{Assurance, DeviceTraits};
use ::jobs::{
    Action, Amount, Assignment, AssignmentId, AssignmentStatus, Blame, Candidate, Code,
    DeclaredDevice, Holder, Job, Nature, Outage, Record, Refuted, SeenDevice, Terms, Upheld,
    Verdict,
};
use evidence::UnixTime;
use evidence::device::Architecture;
use evidence::work::wire::Conditions;
use evidence::work::{Base64Url, Hex};
use serde_json::json;

use super::super::life::{PRICE, STAKE, agent, job_id, money, party};
use super::model::Deed;
use super::{AGENTS, Move, PARTIES, Play};

/// What an agent does with what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Character {
    Honest,
    /// Has another result than anybody.
    Liar,
    /// Never commits.
    Silent,
    /// Commits and never opens.
    Withholder,
    /// Has evidence that is not good enough.
    Unfit,
}

impl Play {
    pub(super) fn deed(&self, one: Move) -> Option<Deed> {
        let id = job_id(&format!("j{}", one.which));
        match one.what % 16 {
            0 => return Some(Deed::Book(self.transfer(one))),
            1 => return Some(Deed::Create(id, terms(one.which), nature(one.which))),
            4 | 8 | 12 if one.what / 16 == 12 => return Some(Deed::Outage(self.outage())),
            _ => {}
        }
        let Some(job) = self.model.jobs.get(&id) else {
            return Some(Deed::Create(id, terms(one.which), nature(one.which)));
        };
        let action = match one.what % 4 {
            0 => self.any_action(job, one),
            _ => self.next_action(job, one),
        };
        Some(Deed::Act(id, action?))
    }

    /// Nobody could reach the service until now.
    fn outage(&self) -> Outage {
        Outage {
            from: UnixTime::from_secs(self.model.now - 300),
            until: self.model.at(),
        }
    }

    /// Few references, so that some are used again, for the same or for something else.
    fn transfer(&self, one: Move) -> Transfer {
        let (market, name) = (party("market"), party(PARTIES[one.who % PARTIES.len()]));
        let reference = (one.what / 16 % 8).to_string();
        let amount = money([700, 5_000][one.which % 2]);
        let at = self.model.at();
        match one.who / PARTIES.len() % 3 {
            0 => Transfer::deposit(&market, &name, amount, &reference, at),
            1 => Transfer::withdrawal(&market, &name, amount, &reference, at),
            _ => Transfer::payout(&name, amount, &reference, at),
        }
    }

    /// What somebody has to do now, or what time does where nobody has.
    fn next_action(&self, job: &Job, one: Move) -> Option<Action> {
        if job.wants_agents(self.model.at()) && one.who.is_multiple_of(2) {
            return Some(dispatch());
        }
        let all = job.assignments();
        let first = one.who % all.len().max(1);
        let in_turn = all.iter().cycle().skip(first).take(all.len());
        let next = in_turn.filter_map(|assignment| self.next_of(job, assignment));
        let next = next.into_iter().next();
        next.or_else(|| self.referee(job)).or(Some(Action::Tick))
    }

    fn next_of(&self, job: &Job, assignment: &Assignment) -> Option<Action> {
        let character = self.character(assignment);
        match assignment.status() {
            AssignmentStatus::Offered => Some(accept(assignment)),
            AssignmentStatus::Leased if character != Character::Silent => Some(commit(assignment)),
            AssignmentStatus::Opening if character != Character::Withholder => {
                Some(open(job, assignment))
            }
            AssignmentStatus::Opened => Some(self.judge(job, assignment)),
            AssignmentStatus::Judged => {
                let question = job.dispute()?.question.as_ref()?;
                let is_asked = question.asked.contains(assignment.id());
                let is_answered = assignment.answers().contains_key(&question.number);
                (is_asked && !is_answered).then(|| answer(assignment, question.number))
            }
            _ => None,
        }
    }

    /// Asks once, and decides as one that knows the truth.
    fn referee(&self, job: &Job) -> Option<Action> {
        let dispute = job.dispute()?;
        Some(match &dispute.question {
            None => ask(job, dispute.opponents.clone()),
            Some(_) => self.decide(job),
        })
    }

    fn decide(&self, job: &Job) -> Action {
        let lies = |assignment: &&Assignment| {
            self.character(assignment) == Character::Liar && assignment.ended_at().is_none()
        };
        let wrong = job.assignments().iter().filter(lies);
        Action::Decide {
            wrong: wrong.map(|assignment| assignment.id().clone()).collect(),
        }
    }

    /// Whatever comes to somebody's mind.
    fn any_action(&self, job: &Job, one: Move) -> Option<Action> {
        let all = job.assignments();
        let assignment = all.get(one.who % all.len().max(1));
        let id = |assignment: &Assignment| assignment.id().clone();
        let by = |assignment: &Assignment| assignment.agent().clone();
        Some(match one.what / 16 {
            0 => dispatch(),
            1 => accept(assignment?),
            2 => commit(assignment?),
            3 => open(job, assignment?),
            4 => self.judge(job, assignment?),
            5 => Action::Renew {
                assignment: id(assignment?),
                by: by(assignment?),
            },
            6 => Action::Release {
                assignment: id(assignment?),
                by: by(assignment?),
            },
            7 => ask(job, all.iter().map(id).collect()),
            8 => answer(assignment?, job.questions()),
            9 => self.decide(job),
            10 | 11 => Action::ChallengeAgain {
                by: party(["tenant", "market"][one.who % 2]),
            },
            13 if one.who < 4 => Action::Cancel,
            14 => Action::Settle,
            _ => Action::Tick,
        })
    }

    fn character(&self, assignment: &Assignment) -> Character {
        let of = |(name, _): &(&str, &str)| agent(name) == *assignment.agent();
        self.characters[AGENTS.iter().position(of).unwrap()]
    }

    fn judge(&self, job: &Job, assignment: &Assignment) -> Action {
        let id = assignment.id();
        let refuted = |code, blame| {
            let code = Code::parse(code).unwrap();
            Verdict::Refuted(Refuted { code, blame })
        };
        let verdict = match self.character(assignment) {
            Character::Unfit => refuted("driver_revoked", Blame::Unfit),
            Character::Liar if job.is_checked() => refuted("audit_failed", Blame::Wrong),
            Character::Liar => Verdict::Upheld(upheld(job, id, digest(id))),
            _ => Verdict::Upheld(upheld(job, id, Hex([8; 32]))),
        };
        Action::Judge {
            assignment: id.clone(),
            round: job.round(),
            verdict,
        }
    }
}

fn terms(which: usize) -> Terms {
    let (price, stake) = [(PRICE, STAKE), (PRICE, 0), (0, STAKE), (PRICE, STAKE)][which % 4];
    let terms = json!({
        "replicas": { "count": 1 + which % 3, "adaptive": which.is_multiple_of(2) },
        "price": { "amount": price, "currency": "EUR" }, "stake": stake,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    });
    Terms::parse(&terms).unwrap()
}

/// The last is a command, which nobody can recompute.
fn nature(which: usize) -> Nature {
    let (recomputable, points) = [(true, 0), (true, 271), (true, 0), (false, 0)][which % 4];
    Nature {
        recomputable,
        points,
        operations: recomputable.then_some(1 << (2 * which)),
        given: which % 4 == 2,
    }
}

fn dispatch() -> Action {
    let candidate = |(name, owner): (&str, &str)| Candidate {
        agent: agent(name),
        owner: party(owner),
        record: Record(0),
        missed: 0,
        devices: vec![DeclaredDevice {
            traits: DeviceTraits {
                architecture: Architecture::Hopper,
                simulated: false,
            },
            assurance: Assurance::A2,
        }],
        runs_commands: false,
        conditions: Conditions::default(),
    };
    Action::Dispatch {
        candidates: AGENTS.map(candidate).into(),
    }
}

fn accept(assignment: &Assignment) -> Action {
    Action::Accept {
        assignment: assignment.id().clone(),
        by: assignment.agent().clone(),
        available: Amount::ZERO,
    }
}

fn commit(assignment: &Assignment) -> Action {
    Action::Commit {
        assignment: assignment.id().clone(),
        by: assignment.agent().clone(),
        commitment: Base64Url([7; 32]),
    }
}

fn open(job: &Job, assignment: &Assignment) -> Action {
    Action::Open {
        assignment: assignment.id().clone(),
        by: assignment.agent().clone(),
        round: job.round(),
        opening: digest(assignment.id()),
    }
}

fn ask(job: &Job, asked: Vec<AssignmentId>) -> Action {
    Action::Ask {
        number: job.questions() + 1,
        text: "?".to_owned(),
        asked,
    }
}

fn answer(assignment: &Assignment, number: u32) -> Action {
    Action::Answer {
        assignment: assignment.id().clone(),
        by: assignment.agent().clone(),
        number,
        answer: Hex([5; 32]),
    }
}

fn upheld(job: &Job, id: &AssignmentId, results: Hex<32>) -> Upheld {
    let others = job.assignments().iter().map(Assignment::id);
    let others = others.filter(|other| *other != id);
    Upheld {
        results,
        devices: vec![SeenDevice {
            id: digest(id),
            architecture: Architecture::Hopper,
            simulated: false,
            holder: Holder::Nobody,
        }],
        assurance: Assurance::A2,
        keyed: digest(id),
        cross: others.map(|other| (other.clone(), digest(other))).collect(),
    }
}

fn digest(id: &AssignmentId) -> Hex<32> {
    Hex(evidence::crypto::sha256(id.as_str().as_bytes()))
}
