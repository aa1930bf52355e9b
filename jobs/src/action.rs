//! Actions: everything that can happen to a job after its creation.

use evidence::work::wire::Conditions;
use evidence::work::{Base64Url, Hex};

use crate::id::{AgentId, AssignmentId, JobId, PartyId};
use crate::job::Nature;
use crate::money::Amount;
use crate::record::Record;
use crate::terms::{Assurance, DeviceTraits, Terms};
use crate::verdict::Verdict;

/// A job that is to be created.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: PartyId,
    /// What is to be run.
    pub spec: evidence::work::JobSpec,
    /// What is offered beside it.
    pub terms: Terms,
    /// What its kernel says of it.
    pub nature: Nature,
    /// What the tenant has available, in the currency of the terms, read in the same transaction.
    pub available: Amount,
}

/// An agent that could be given a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The agent: enrolled, present, with room for one more assignment. That is for the caller to know.
    pub agent: AgentId,
    /// Whose it is.
    pub owner: PartyId,
    /// Its good results with this job's workload that count towards a job of this size.
    pub record: Record,
    /// How often its owner's agents left others waiting lately: [`Misses::steps_at`](crate::patience::Misses::steps_at).
    pub missed: u32,
    /// Its devices, as it declares them. Evidence is judged with the opening; this only saves vain assignments.
    pub devices: Vec<DeclaredDevice>,
    /// Whether it runs people's own programs.
    pub runs_commands: bool,
    /// What its owner takes work for.
    pub conditions: Conditions,
}

/// A device, as its agent declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredDevice {
    /// What it is.
    pub traits: DeviceTraits,
    /// The most that a receipt about it can say.
    pub assurance: Assurance,
}

/// Something that happens to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The clerk looks for agents for the replicas that are missing.
    Dispatch {
        /// Who could be chosen.
        candidates: Vec<Candidate>,
    },
    /// An agent takes what it was offered; its owner puts the stake down.
    Accept {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
        /// What the owner has available, in the currency of the terms, read in the same transaction.
        available: Amount,
    },
    /// An agent says that it still works.
    Renew {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
    },
    /// An agent gives an assignment back.
    Release {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
    },
    /// An agent commits to a result.
    Commit {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
        /// The salted commitment.
        commitment: Base64Url<32>,
    },
    /// An agent opens what it committed to. It is applied when the bytes are stored, before anybody judges them: what the
    /// verifier cannot judge is then never the agent's fault.
    Open {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
        /// Which request it answers: the `round` of the request.
        round: u32,
        /// SHA-256 of the opening's bytes, which the store keeps.
        opening: Hex<32>,
    },
    /// The clerk has judged an opening.
    Judge {
        /// Which.
        assignment: AssignmentId,
        /// Of which round.
        round: u32,
        /// What it showed.
        verdict: Verdict,
    },
    /// The clerk tried to judge what is opened, and could not.
    TryInVain,
    /// The referee asks a question.
    Ask {
        /// From 1, without gaps, over all disputes of the job.
        number: u32,
        /// Its words.
        text: String,
        /// Who is asked.
        asked: Vec<AssignmentId>,
    },
    /// An agent answers the referee.
    Answer {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
        /// Which question.
        number: u32,
        /// SHA-256 of the answer's bytes, which the store keeps.
        answer: Hex<32>,
    },
    /// An agent handed in more bytes than any right answer to the question that stands has. It may still answer in time;
    /// if it does not, it is told why.
    AnswerTooLarge {
        /// Which.
        assignment: AssignmentId,
        /// Who asks.
        by: AgentId,
    },
    /// The referee has decided who is wrong.
    Decide {
        /// Who: at least one opponent.
        wrong: Vec<AssignmentId>,
    },
    /// Tenant or marketplace want the results audited again.
    ChallengeAgain {
        /// Who asks. That it may is for the caller to know.
        by: PartyId,
    },
    /// The dispute window is over.
    Settle,
    /// The tenant takes the job back.
    Cancel,
    /// Time has passed.
    Tick,
}
