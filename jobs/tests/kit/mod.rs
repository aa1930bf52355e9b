//! A world of one job: its books, its records, its agents, and a clock that is held.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod drive;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use evidence::UnixTime;
use evidence::device::Architecture;
use evidence::work::wire::Conditions;
use evidence::work::{Base64Url, Hex, JobSpec};
use jobs::books::{Account, Ledger, Transfer, TransferKind};
use jobs::patience::Miss;
use jobs::terms::{Assurance, DeviceTraits};
use jobs::{
    Action, AgentId, Amount, AssignmentId, Candidate, Context, Currency, DeclaredDevice, Effects,
    Event, EventKind, Holder, Job, JobId, Money, Nature, NewJob, PartyId, Record, Records, Refusal,
    SeenDevice, Terms, Upheld, Verdict, Workload,
};
use serde_json::{Value, json};

pub(crate) const FUNDS: i64 = 1_000_000;
pub(crate) const PRICE: i64 = 1200;
pub(crate) const STAKE: i64 = 2400;

/// The results an honest agent gets.
pub(crate) const RIGHT: Hex<32> = Hex([1; 32]);

pub(crate) const OPERATIONS: u64 = 1 << 19;

pub(crate) const KERNEL: Nature = Nature {
    recomputable: true,
    points: 0,
    operations: Some(OPERATIONS),
    given: false,
};
pub(crate) const AUDITED: Nature = Nature {
    points: 271,
    ..KERNEL
};
pub(crate) const COMMAND: Nature = Nature {
    recomputable: false,
    points: 0,
    operations: None,
    given: true,
};

pub(crate) fn terms_json(count: u32) -> Value {
    json!({
        "replicas": {"count": count, "adaptive": false},
        "price": {"amount": PRICE, "currency": "EUR"},
        "stake": STAKE,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400
    })
}

pub(crate) fn terms(count: u32) -> Terms {
    Terms::parse(&terms_json(count)).unwrap()
}

pub(crate) fn spec() -> JobSpec {
    let spec = json!({"profile": "pogw/1", "kernel": "gemm_i8", "params": {"m": 64}, "checks": []});
    serde_json::from_value(spec).unwrap()
}

pub(crate) fn agent(n: usize) -> AgentId {
    AgentId::parse(&format!("agent-{n}")).unwrap()
}

pub(crate) fn owner(n: usize) -> PartyId {
    PartyId::parse(&format!("owner-{n}")).unwrap()
}

pub(crate) fn tenant() -> PartyId {
    PartyId::parse("tenant").unwrap()
}

pub(crate) fn marketplace() -> PartyId {
    PartyId::parse("market").unwrap()
}

pub(crate) fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub(crate) fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).unwrap()
}

pub(crate) fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

/// The agent with this number, of the owner with the same number, with one Hopper.
pub(crate) fn candidate(n: usize) -> Candidate {
    Candidate {
        agent: agent(n),
        owner: owner(n),
        record: Record(0),
        missed: 0,
        devices: vec![declared(Assurance::A2)],
        runs_commands: false,
        conditions: Conditions::default(),
    }
}

pub(crate) fn candidates(count: usize) -> Vec<Candidate> {
    (0..count).map(candidate).collect()
}

/// A Hopper of which an agent says so much.
pub(crate) fn declared(assurance: Assurance) -> DeclaredDevice {
    DeclaredDevice {
        traits: hopper(),
        assurance,
    }
}

pub(crate) fn hopper() -> DeviceTraits {
    DeviceTraits {
        architecture: Architecture::Hopper,
        simulated: false,
    }
}

/// A seed that differs from call to call.
pub(crate) fn seed(counter: u64, salt: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&counter.to_le_bytes());
    seed[8..16].copy_from_slice(&salt.to_le_bytes());
    seed
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) job: Job,
    pub(crate) ledger: Ledger,
    pub(crate) now: i64,
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) events: Vec<Event>,
    pub(crate) records: BTreeMap<(AgentId, Workload), Records>,
    pub(crate) missed: Vec<Miss>,
    pub(crate) receipts: Vec<AssignmentId>,
    pub(crate) revoked: Vec<AssignmentId>,
    pub(crate) disowned: Vec<(PartyId, Hex<32>)>,
    pub(crate) spent: Vec<Base64Url<32>>,
    counter: u64,
    salt: u64,
}

pub(crate) fn new_job(terms: Terms, nature: Nature) -> NewJob {
    NewJob {
        id: JobId::parse("job").unwrap(),
        tenant: tenant(),
        spec: spec(),
        terms,
        nature,
        available: amount(FUNDS),
    }
}

impl World {
    pub(crate) fn new(terms: Terms, nature: Nature) -> Self {
        Self::with_salt(terms, nature, 0)
    }

    /// A world in which chance falls otherwise.
    pub(crate) fn with_salt(terms: Terms, nature: Nature, salt: u64) -> Self {
        Self::of(new_job(terms, nature), salt)
    }

    pub(crate) fn of(new: NewJob, salt: u64) -> Self {
        let context = Context::new(at(0), seed(0, salt));
        let (job, effects) = Job::create(new, &context).unwrap();
        let mut world = Self {
            job,
            ledger: funded(),
            now: 0,
            transfers: Vec::new(),
            events: Vec::new(),
            records: BTreeMap::new(),
            missed: Vec::new(),
            receipts: Vec::new(),
            revoked: Vec::new(),
            disowned: Vec::new(),
            spent: Vec::new(),
            counter: 0,
            salt,
        };
        world.write(effects);
        world
    }

    pub(crate) fn context(&mut self) -> Context {
        self.counter += 1;
        Context::new(at(self.now), seed(self.counter, self.salt))
    }

    /// Applies an action as the service does: job and effects together.
    pub(crate) fn apply(&mut self, action: Action) -> Result<(), Refusal> {
        let context = self.context();
        let effects = self.job.apply(action, &context)?;
        self.write(effects);
        Ok(())
    }

    /// Applies an action through a crash and a retry: once so that nothing of it is kept, once for real, and once more
    /// because the answer was lost. The last one must be answered as the one before, and leave nothing.
    pub(crate) fn apply_through_crashes(&mut self, action: Action) -> Result<(), Refusal> {
        let lost = self.context();
        let _ = self.job.clone().apply(action.clone(), &lost);
        self.apply(action.clone())?;
        let before = self.job.clone();
        let again = self.context();
        let effects = self.job.apply(action.clone(), &again);
        assert!(
            effects.as_ref().is_ok_and(Effects::is_empty),
            "{action:?} again: {effects:?}"
        );
        assert_eq!(self.job, before, "{action:?} again");
        Ok(())
    }

    /// Applies an action that must not be refused.
    pub(crate) fn must(&mut self, action: Action) {
        let told = format!("{action:?}");
        self.apply(action)
            .unwrap_or_else(|refusal| panic!("{told}: {refusal}"));
    }

    /// The code of the refusal of an action that must be refused, and must change nothing.
    pub(crate) fn refused(&mut self, action: Action) -> &'static str {
        let before = self.job.clone();
        let told = format!("{action:?}");
        let refusal = self
            .apply(action)
            .err()
            .unwrap_or_else(|| panic!("{told} is not refused"));
        assert_eq!(self.job, before, "{told}");
        refusal.code()
    }

    fn write(&mut self, effects: Effects) {
        for transfer in &effects.transfers {
            let sum: i64 = transfer
                .postings()
                .iter()
                .map(|posting| posting.amount)
                .sum();
            assert_eq!(sum, 0, "{transfer:?}");
            self.ledger.book(transfer).unwrap();
        }
        for change in effects.records {
            let records = self
                .records
                .entry((change.agent, change.workload))
                .or_default();
            records.note(change.result);
        }
        self.missed.extend(effects.missed);
        self.transfers.extend(effects.transfers);
        self.events.extend(effects.events);
        self.receipts.extend(effects.receipts);
        self.revoked.extend(effects.revoked);
        self.disowned.extend(effects.disowned);
        self.spent.extend(effects.spent);
    }

    pub(crate) fn balance(&self, account: &Account) -> i64 {
        self.ledger.balance(account, eur())
    }

    pub(crate) fn available(&self, party: &PartyId) -> i64 {
        self.balance(&Account::Available(party.clone()))
    }

    /// What a provider has gained or lost.
    pub(crate) fn gain(&self, owner: &PartyId) -> i64 {
        self.available(owner) - FUNDS
    }

    pub(crate) fn of_kind(&self, kind: TransferKind) -> usize {
        self.transfers
            .iter()
            .filter(|transfer| transfer.kind() == kind)
            .count()
    }

    pub(crate) fn of_event(&self, kind: EventKind) -> usize {
        self.events
            .iter()
            .filter(|event| event.kind == kind)
            .count()
    }

    pub(crate) fn dispatch(&mut self, count: usize) {
        let candidates = candidates(count);
        self.must(Action::Dispatch { candidates });
    }

    /// The assignments, by id.
    pub(crate) fn ids(&self) -> Vec<AssignmentId> {
        self.job
            .assignments()
            .iter()
            .map(|a| a.id().clone())
            .collect()
    }

    pub(crate) fn agent_of(&self, id: &AssignmentId) -> AgentId {
        self.job.assignment(id).unwrap().agent().clone()
    }

    pub(crate) fn owner_of(&self, id: &AssignmentId) -> PartyId {
        self.job.assignment(id).unwrap().owner().clone()
    }

    pub(crate) fn accept(&self, id: &AssignmentId) -> Action {
        Action::Accept {
            assignment: id.clone(),
            by: self.agent_of(id),
            available: amount(self.available(&self.owner_of(id))),
        }
    }

    pub(crate) fn commit(&self, id: &AssignmentId) -> Action {
        Action::Commit {
            assignment: id.clone(),
            by: self.agent_of(id),
            commitment: Base64Url([7; 32]),
        }
    }

    pub(crate) fn open(&self, id: &AssignmentId) -> Action {
        Action::Open {
            assignment: id.clone(),
            by: self.agent_of(id),
            round: self.job.round(),
            opening: Hex([8; 32]),
        }
    }

    pub(crate) fn judge(&self, id: &AssignmentId, verdict: Verdict) -> Action {
        Action::Judge {
            assignment: id.clone(),
            round: self.job.round(),
            verdict,
        }
    }

    /// What an honest opening shows: the right results, one device of its own, the keyed digests of what it holds.
    pub(crate) fn honest(&self, id: &AssignmentId) -> Upheld {
        self.holding(id, RIGHT)
    }

    /// What the opening of somebody shows who holds these results.
    pub(crate) fn holding(&self, id: &AssignmentId, results: Hex<32>) -> Upheld {
        let others = self
            .job
            .assignments()
            .iter()
            .filter(|other| other.id() != id);
        Upheld {
            results,
            devices: vec![device_of(id)],
            assurance: Assurance::A2,
            keyed: keyed(id, results),
            cross: others
                .map(|o| (o.id().clone(), keyed(o.id(), results)))
                .collect(),
        }
    }

    /// Takes all offers.
    pub(crate) fn accept_all(&mut self) {
        for id in self.ids() {
            self.must(self.accept(&id));
        }
    }

    /// Takes all offers, and commits.
    pub(crate) fn commit_all(&mut self) {
        self.accept_all();
        for id in self.ids() {
            self.must(self.commit(&id));
        }
    }

    /// Opens what is to be opened.
    pub(crate) fn open_all(&mut self) {
        for id in self.standing() {
            self.must(self.open(&id));
        }
    }

    /// Those that committed and were not refused.
    pub(crate) fn standing(&self) -> Vec<AssignmentId> {
        let standing = |a: &&jobs::Assignment| a.commitment().is_some() && a.ended_at().is_none();
        self.job
            .assignments()
            .iter()
            .filter(standing)
            .map(|a| a.id().clone())
            .collect()
    }

    /// Judges each opening by what it shows.
    pub(crate) fn judge_all(&mut self, shown: impl Fn(&Self, usize, &AssignmentId) -> Verdict) {
        for (n, id) in self.standing().into_iter().enumerate() {
            let verdict = shown(self, n, &id);
            self.must(self.judge(&id, verdict));
        }
    }

    /// Lets time pass until the next tick is due, and ticks.
    pub(crate) fn tick_when_due(&mut self) {
        let due = self.job.due_at().expect("a job that goes on").secs();
        self.now = self.now.max(due);
        self.must(Action::Tick);
    }

    /// A job of so many replicas, all honest, accepted.
    pub(crate) fn accepted(count: u32, nature: Nature) -> Self {
        let mut world = Self::new(terms(count), nature);
        world.dispatch(8);
        world.commit_all();
        world.open_all();
        world.judge_all(|world, _, id| Verdict::Upheld(world.honest(id)));
        world
    }
}

/// The keyed digest of somebody who holds these results: the same for the same key and results.
pub(crate) fn keyed(key_of: &AssignmentId, results: Hex<32>) -> Hex<32> {
    Hex(evidence::crypto::sha256_of(&[
        key_of.as_str().as_bytes(),
        &results.0,
    ]))
}

pub(crate) fn device_of(id: &AssignmentId) -> SeenDevice {
    SeenDevice {
        id: Hex(evidence::crypto::sha256(id.as_str().as_bytes())),
        architecture: Architecture::Hopper,
        simulated: false,
        holder: Holder::Nobody,
    }
}

/// The same at the start of every world, so made once.
fn funded() -> Ledger {
    static FUNDED: OnceLock<Ledger> = OnceLock::new();
    FUNDED.get_or_init(fund).clone()
}

fn fund() -> Ledger {
    let mut ledger = Ledger::default();
    let money = Money {
        amount: amount(FUNDS),
        currency: eur(),
    };
    for party in (0..12).map(owner).chain([tenant()]) {
        let deposit = Transfer::deposit(&marketplace(), &party, money, party.as_str(), at(0));
        ledger.book(&deposit).unwrap();
    }
    ledger
}
