//! Jobs: a life from creation to payment, with every write failing once, and several services at work on it.

use std::collections::{BTreeMap, BTreeSet};

use ::jobs::books::{Account, Transfer};
use ::jobs::terms::{Assurance, DeviceTraits};
use ::jobs::{
    Action, AgentId, Amount, AssignmentId, AssignmentStatus, Candidate, Context, Currency, Effects,
    Job, JobId, JobStatus, Money, NewJob, PartyId, Record, Refusal, SeenDevice, Terms, Upheld,
    Verdict,
};
use evidence::device::Architecture;
use evidence::work::{Base64Url, Hex};
use serde_json::json;

use super::*;
use crate::store::agents::{AgentStore, Enrolment, EnrolmentToken};
use crate::store::books::{BookStore, Booked};
use crate::store::jobs::{Act, Acted, Change, CreatedJob, Document, JobRequest, JobStore, Written};
use crate::store::outbox::{OutboxStore, Webhook};
use crate::store::parties::{Party, PartyKind, PartyStore};

pub(super) const PRICE: i64 = 1_200;
const STAKE: i64 = 2_400;
const ESCROW: i64 = 2 * PRICE;
pub(super) const FUNDS: i64 = 10_000;
/// After every deadline of the jobs here.
const END: UnixTime = UnixTime::from_secs(NOW.secs() + 100_000);

pub(super) fn party(name: &str) -> PartyId {
    PartyId::parse(name).unwrap()
}

pub(super) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

pub(super) fn money(amount: i64) -> Money {
    Money {
        amount: Amount::new(amount).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
    }
}

fn job_id(name: &str) -> JobId {
    JobId::parse(name).unwrap()
}

fn terms() -> Terms {
    let terms = json!({
        "replicas": { "count": 2, "adaptive": false },
        "devices": { "simulated": true },
        "price": { "amount": PRICE, "currency": "EUR" },
        "stake": STAKE,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    });
    Terms::parse(&terms).unwrap()
}

fn request(name: &'static str) -> JobRequest {
    let create = move |available| {
        let spec = r#"{"profile":"pogw/1","checks":[],"kernel":"gemm_i8","params":{}}"#;
        let new = NewJob {
            id: job_id(name),
            tenant: party("tenant"),
            spec: serde_json::from_str(spec).unwrap(),
            terms: terms(),
            nature: ::jobs::Nature::default(),
            available,
        };
        let (job, effects) = Job::create(new, &Context::new(NOW, [1; 32]))?;
        let due_at = job.due_at();
        Ok((job, Change::new(effects, due_at)))
    };
    JobRequest {
        tenant: party("tenant"),
        currency: money(0).currency,
        idempotency: Some((name.to_owned(), [1; 32])),
        create: Box::new(create),
    }
}

impl SqlStore {
    async fn create(&self, name: &'static str) -> Result<CreatedJob, StoreError> {
        self.create_job(request(name)).await
    }

    async fn act(
        &self,
        job: &JobId,
        at: UnixTime,
        action: impl Fn(Amount) -> Action + Send + Sync + 'static,
    ) -> Result<(Job, Written), StoreError> {
        self.act_of(job, at, None, action).await
    }

    async fn act_of(
        &self,
        job: &JobId,
        at: UnixTime,
        available_of: Option<&PartyId>,
        action: impl Fn(Amount) -> Action + Send + Sync + 'static,
    ) -> Result<(Job, Written), StoreError> {
        let act: Act = Box::new(move |job, available| {
            let effects = job.apply(action(available), &Context::new(at, [2; 32]))?;
            Ok(change(job, effects, at))
        });
        match self.with_job(job, available_of, act).await? {
            Acted::Done(job, written) => Ok((*job, written)),
            other => panic!("{other:?}"),
        }
    }
}

/// With an opening for each that came in, and a receipt for each that is accepted.
fn change(job: &Job, effects: Effects, at: UnixTime) -> Change {
    let opened = job
        .assignments()
        .iter()
        .filter(|a| a.status() == AssignmentStatus::Opened);
    let documents = opened.map(|assignment| {
        let bytes = assignment.id().to_string().into_bytes();
        let sha256 = Hex(evidence::crypto::sha256(&bytes));
        Document { sha256, bytes }
    });
    let receipts = effects.receipts.iter().map(|id| {
        let assignment = job.assignment(id).unwrap();
        let bundle = format!("bundle of {id}").into_bytes();
        let receipt = NewReceipt {
            receipt: StoredReceipt {
                id: Id::random(),
                token: format!("token of {id}"),
                issued_at: at,
            },
            challenge: assignment.challenge().0,
            bundle_sha256: evidence::crypto::sha256(&bundle),
            bundle,
            job: job.digest().0,
            ..receipt(0, 0)
        };
        (id.clone(), receipt)
    });
    Change {
        documents: match effects.is_empty() {
            true => Vec::new(),
            false => documents.collect(),
        },
        receipts: receipts.collect(),
        due_at: job.due_at(),
        effects,
    }
}

impl Rig {
    /// A tenant with money, two providers with money and an agent each.
    pub(super) async fn with_market(&self) -> &SqlStore {
        let store = &self.store;
        for (name, kind) in [
            ("tenant", PartyKind::Tenant),
            ("p1", PartyKind::Provider),
            ("p2", PartyKind::Provider),
            ("market", PartyKind::Marketplace),
        ] {
            let party = Party {
                id: party(name),
                kind,
                name: name.to_owned(),
                created_at: NOW,
            };
            assert!(store.add_party(party).await.unwrap());
        }
        for name in ["tenant", "p1", "p2"] {
            let deposit =
                Transfer::deposit(&party("market"), &party(name), money(FUNDS), name, NOW);
            assert_eq!(store.book(deposit).await.unwrap(), Booked::New);
        }
        for (n, (name, owner)) in (1..).zip([("a1", "p1"), ("a2", "p2")]) {
            let token = EnrolmentToken {
                sha256: [n; 32],
                owner: party(owner),
                created_at: NOW,
                expires_at: EXPIRES,
            };
            store.add_enrolment_token(token).await.unwrap();
            let enrolment = Enrolment {
                token_sha256: [n; 32],
                agent: agent(name),
                key: [n; 32],
                now: NOW,
            };
            store.enrol(enrolment).await.unwrap();
        }
        for owner in ["tenant", "p1"] {
            let webhook = Webhook {
                id: Id::random(),
                party: party(owner),
                url: "https://hook.example".to_owned(),
                secret: vec![1],
                created_at: NOW,
            };
            store.add_webhook(webhook).await.unwrap();
        }
        store
    }

    pub(super) async fn available(&self, name: &str) -> i64 {
        self.balance(&Account::Available(party(name))).await
    }

    async fn balance(&self, account: &Account) -> i64 {
        let balances = self.store.balances(account).await.unwrap();
        balances.first().map_or(0, |(_, balance)| *balance)
    }

    /// Everything there is, but for what differs between two runs.
    async fn everything(&self) -> Vec<String> {
        let mut all = Vec::new();
        for sql in [
            "SELECT count(*) AS n FROM assignments",
            "SELECT count(*) AS n FROM assignment_challenges",
            "SELECT count(*) AS n FROM documents",
            "SELECT count(*) AS n FROM receipts",
            "SELECT count(*) AS n FROM bundles",
            "SELECT count(*) AS n FROM job_receipts",
            "SELECT count(*) AS n FROM events",
            "SELECT count(*) AS n FROM deliveries",
            "SELECT count(*) AS n FROM transfers",
            "SELECT count(*) AS n FROM postings",
            "SELECT coalesce(max(due_at), 0) AS n FROM jobs",
            "SELECT CAST(coalesce(sum(good), 0) AS BIGINT) AS n FROM records",
        ] {
            all.push(format!("{sql}: {}", self.count(sql).await));
        }
        for row in self.fetch("SELECT body FROM jobs ORDER BY id").await {
            all.push(row.text("body").unwrap());
        }
        for row in self
            .fetch("SELECT status FROM assignments ORDER BY id")
            .await
        {
            all.push(row.text("status").unwrap());
        }
        for row in self
            .fetch("SELECT name, balance FROM accounts ORDER BY name, currency")
            .await
        {
            all.push(format!(
                "{}: {}",
                row.text("name").unwrap(),
                row.int("balance").unwrap()
            ));
        }
        all
    }

    /// That the journal sums to nothing, and that balances are what it says.
    pub(super) async fn books_balance(&self) {
        let sums = "SELECT count(*) AS n FROM (SELECT transfer FROM postings GROUP BY transfer
            HAVING sum(amount) <> 0 OR count(*) <> 2) AS wrong";
        assert_eq!(self.count(sums).await, 0);
        let without = "SELECT count(*) AS n FROM transfers
            WHERE NOT EXISTS (SELECT 1 FROM postings WHERE transfer = number)";
        assert_eq!(self.count(without).await, 0);
        let mut journal: BTreeMap<String, i64> = BTreeMap::new();
        for row in self.fetch("SELECT account, amount FROM postings").await {
            *journal.entry(row.text("account").unwrap()).or_default() += row.int("amount").unwrap();
        }
        let mut balances = BTreeMap::new();
        for row in self.fetch("SELECT name, balance FROM accounts").await {
            balances.insert(row.text("name").unwrap(), row.int("balance").unwrap());
        }
        assert_eq!(journal, balances);
        let sum: i64 = balances.values().sum();
        assert_eq!(sum, 0);
    }
}

/// The steps of a life, each of which can be asked for again.
pub(super) const STEPS: usize = 11;

/// One step of the life of the job `j`.
pub(super) async fn step(store: &SqlStore, number: usize) -> Result<(), StoreError> {
    let id = job_id("j");
    match number {
        0 => store.create("j").await.map(drop),
        1 => store.act(&id, NOW, |_| dispatch()).await.map(drop),
        2 | 3 => accept(store, number - 2).await,
        4 | 5 => commit(store, number - 4).await,
        6 | 7 => open(store, number - 6).await,
        8 | 9 => judge(store, number - 8).await,
        10 => store.act(&id, END, |_| Action::Tick).await.map(drop),
        _ => panic!("no such step"),
    }
}

fn dispatch() -> Action {
    let candidate = |(name, owner): (&str, &str)| Candidate {
        agent: agent(name),
        owner: party(owner),
        record: Record(0),
        devices: vec![DeviceTraits {
            architecture: Architecture::Hopper,
            simulated: true,
        }],
    };
    Action::Dispatch {
        candidates: [("a1", "p1"), ("a2", "p2")].map(candidate).into(),
    }
}

/// The assignment of an agent, and its owner.
async fn assignment(
    store: &SqlStore,
    n: usize,
) -> Result<(AssignmentId, AgentId, PartyId), StoreError> {
    let job = store.job(&job_id("j")).await?.unwrap();
    let mut all: Vec<_> = job.assignments().iter().collect();
    all.sort_by_key(|assignment| assignment.agent().clone());
    let it = all[n];
    Ok((it.id().clone(), it.agent().clone(), it.owner().clone()))
}

async fn accept(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (assignment, by, owner) = assignment(store, n).await?;
    let action = move |available| Action::Accept {
        assignment: assignment.clone(),
        by: by.clone(),
        available,
    };
    let acted = store.act_of(&job_id("j"), NOW, Some(&owner), action).await;
    acted.map(drop)
}

async fn commit(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (assignment, by, _) = assignment(store, n).await?;
    let action = move |_| Action::Commit {
        assignment: assignment.clone(),
        by: by.clone(),
        commitment: Base64Url([7; 32]),
    };
    store.act(&job_id("j"), NOW, action).await.map(drop)
}

async fn open(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (assignment, by, _) = assignment(store, n).await?;
    let opening = Hex(evidence::crypto::sha256(assignment.as_str().as_bytes()));
    let action = move |_| Action::Open {
        assignment: assignment.clone(),
        by: by.clone(),
        round: 0,
        opening,
    };
    store.act(&job_id("j"), NOW, action).await.map(drop)
}

async fn judge(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (this, _, _) = assignment(store, n).await?;
    let (other, _, _) = assignment(store, 1 - n).await?;
    let keyed = |id: &AssignmentId| Hex(evidence::crypto::sha256(id.as_str().as_bytes()));
    let upheld = Upheld {
        results: Hex([8; 32]),
        devices: vec![SeenDevice {
            id: keyed(&this),
            architecture: Architecture::Hopper,
            simulated: true,
        }],
        assurance: Assurance::A0,
        keyed: keyed(&this),
        cross: BTreeMap::from([(other.clone(), keyed(&other))]),
    };
    let action = move |_| Action::Judge {
        assignment: this.clone(),
        round: 0,
        verdict: Verdict::Upheld(upheld.clone()),
    };
    store.act(&job_id("j"), NOW, action).await.map(drop)
}

on_both! {
    async fn a_job_lives_from_its_creation_to_its_payment(rig) {
        let store = rig.with_market().await;
        for number in 0..STEPS {
            if number == 3 {
                assert_eq!(rig.available("p1").await, FUNDS - STAKE);
            }
            step(store, number).await.unwrap();
            rig.books_balance().await;
        }
        let id = job_id("j");
        let job = store.job(&id).await.unwrap().unwrap();
        assert_eq!(job.status(), JobStatus::Settled);
        assert_eq!(rig.available("tenant").await, FUNDS - ESCROW);
        for (provider, name) in [("p1", "a1"), ("p2", "a2")] {
            assert_eq!(rig.available(provider).await, FUNDS + PRICE);
            let record = store.record(&agent(name), &job.workload()).await.unwrap();
            assert_eq!(record, Record(1));
            assert_eq!(store.open_assignments(&agent(name)).await.unwrap(), []);
        }
        assert_eq!(rig.balance(&Account::Escrow(id.clone())).await, 0);
        let first = job.assignments()[0].id();
        assert_eq!(store.job_of(first).await.unwrap(), Some(id.clone()));
        let digest = Hex(evidence::crypto::sha256(first.as_str().as_bytes()));
        let document = store.document(&id, digest).await.unwrap();
        assert_eq!(document.unwrap(), first.as_str().as_bytes());
        // Both receipts are there, as receipts of the service too.
        let receipts = store.job_receipts(&id).await.unwrap();
        assert_eq!(receipts.len(), 2);
        let token = store.receipt(receipts[0].id).await.unwrap().unwrap().token;
        assert_eq!(token, format!("token of {}", receipts[0].assignment));
        assert_eq!(receipts[0].revoked_at, None);
        let mut listed = store.receipts_of(&party("tenant"), Page { after: None, limit: 9 }).await.unwrap();
        listed.sort_by_key(|receipt| receipt.assignment.clone());
        assert_eq!(listed, receipts);
        let last = Some((listed[0].issued_at, String::new()));
        let none = store.receipts_of(&party("tenant"), Page { after: last, limit: 9 }).await.unwrap();
        assert_eq!(none, []);
        // The history is in order, and the outbox holds what tenant and provider may read.
        let events = store.events(&id, 0, 100).await.unwrap();
        assert!(events.is_sorted_by_key(|event| event.number));
        assert_eq!(events, store.all_events(0, 100).await.unwrap());
        assert_eq!(events.last().unwrap().number, store.last_event().await.unwrap());
        assert_eq!(events[0].kind, ::jobs::EventKind::JobCreated);
        let tail = store.events(&id, events[1].number, 2).await.unwrap();
        assert_eq!(tail, events[2..4]);
        let told = store.due_deliveries(END, END, 100).await.unwrap();
        let tenant = told.iter().filter(|d| d.webhook.party == party("tenant"));
        assert!(tenant.clone().count() > 2);
        for delivery in tenant {
            assert!(!delivery.event.body.contains("assignment_committed"));
        }
        let provider = told.iter().filter(|d| d.webhook.party == party("p1"));
        for delivery in provider {
            assert!(delivery.event.body.contains(r#""provider":"p1""#), "{delivery:?}");
        }
        // Nothing is due any more.
        assert_eq!(store.due(END, END, 10).await.unwrap(), []);
    }

    async fn whatever_write_fails_nothing_is_half_done(rig) {
        let store = rig.with_market().await;
        let faults = store.database().faults();
        let mut struck = 0;
        for number in 0..STEPS {
            let before = rig.everything().await;
            for writes in 0.. {
                faults.fail_after(writes);
                let done = step(store, number).await;
                if !faults.have_struck() {
                    done.unwrap();
                    break;
                }
                assert!(done.unwrap_err().is_transient());
                struck += 1;
                assert_eq!(rig.everything().await, before, "step {number}, write {writes}");
            }
            faults.none();
            let after = rig.everything().await;
            assert_ne!(after, before);
            rig.books_balance().await;
            // Asked for again, it is answered and changes nothing.
            step(store, number).await.unwrap();
            assert_eq!(rig.everything().await, after, "step {number} again");
        }
        assert!(struck > 60, "{struck} writes failed");
    }

    async fn an_answer_lost_after_a_commit_is_no_second_change(rig) {
        let store = rig.with_market().await;
        let faults = store.database().faults();
        for number in 0..STEPS {
            faults.lose_answer_after(0);
            step(store, number).await.unwrap_err();
            faults.none();
            let after = rig.everything().await;
            step(store, number).await.unwrap();
            assert_eq!(rig.everything().await, after, "step {number}");
        }
        rig.books_balance().await;
        assert_eq!(rig.available("p1").await, FUNDS + PRICE);
    }

    async fn no_two_services_are_handed_the_same_job(rig) {
        let store = rig.with_market().await;
        let deposit = Transfer::deposit(&party("market"), &party("tenant"), money(100 * ESCROW), "more", NOW);
        store.book(deposit).await.unwrap();
        let names: Vec<&'static str> = (0..40).map(|n| &*format!("j{n}").leak()).collect();
        for name in &names {
            assert!(matches!(store.create(name).await.unwrap(), CreatedJob::New(..)));
        }
        let other = rig.reopen().await;
        let services = (0..8).map(|n| {
            let store = [store, &other][n % 2].clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                // One that comes away empty may just have met others.
                for _ in 0..30 {
                    taken.extend(store.due(END, UnixTime::from_secs(END.secs() + 60), 3).await.unwrap());
                }
                taken
            })
        });
        let mut all = Vec::new();
        for service in services.collect::<Vec<_>>() {
            all.extend(service.await.unwrap());
        }
        assert_eq!(all.len(), names.len());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), names.len());
        // Whoever took one and died: it is due again, later.
        assert_eq!(store.due(END, END, 10).await.unwrap(), []);
        let later = UnixTime::from_secs(END.secs() + 60);
        assert_eq!(store.due(later, later, 100).await.unwrap().len(), names.len());
    }

    async fn nobody_spends_what_another_has_spent(rig) {
        let store = rig.with_market().await;
        let other = rig.reopen().await;
        let names: Vec<&'static str> = (0..12).map(|n| &*format!("j{n}").leak()).collect();
        let created = names.iter().enumerate().map(|(n, name)| {
            let (store, name) = ([store, &other][n % 2].clone(), *name);
            tokio::spawn(async move { store.create(name).await.unwrap() })
        });
        let (mut new, mut refused) = (0, 0);
        for created in created.collect::<Vec<_>>() {
            match created.await.unwrap() {
                CreatedJob::New(..) => new += 1,
                CreatedJob::Refused(Refusal::FundsMissing { .. }) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        // 10000 pay for four jobs of 2400.
        assert_eq!((new, refused), (4, 8));
        assert_eq!(rig.available("tenant").await, FUNDS - 4 * ESCROW);
        rig.books_balance().await;
    }

    async fn agents_that_act_at_once_on_one_job_all_count(rig) {
        let store = rig.with_market().await;
        for number in 0..2 {
            step(store, number).await.unwrap();
        }
        let other = rig.reopen().await;
        // Each twice, as a client that repeats itself.
        for from in [2, 4, 6, 8] {
            let acts = (0..4).map(|n| {
                let store = [store, &other][n % 2].clone();
                tokio::spawn(async move { step(&store, from + n / 2).await.unwrap() })
            });
            for act in acts.collect::<Vec<_>>() {
                act.await.unwrap();
            }
        }
        step(store, 10).await.unwrap();
        assert_eq!(rig.available("p1").await, FUNDS + PRICE);
        assert_eq!(rig.available("p2").await, FUNDS + PRICE);
        rig.books_balance().await;
    }

    async fn a_request_made_twice_makes_one_job(rig) {
        let store = rig.with_market().await;
        let other = rig.reopen().await;
        let requests = (0..6).map(|n| {
            let store = [store, &other][n % 2].clone();
            let name: &'static str = format!("j{n}").leak();
            // Another id each time, as it is drawn; the same key.
            let request = JobRequest {
                idempotency: Some(("order 7".to_owned(), [1; 32])),
                ..request(name)
            };
            tokio::spawn(async move { store.create_job(request).await.unwrap() })
        });
        let mut made = BTreeSet::new();
        let mut new = 0;
        for request in requests.collect::<Vec<_>>() {
            match request.await.unwrap() {
                CreatedJob::New(job, written) => {
                    new += 1;
                    assert_eq!((written.events.len(), written.effects.transfers.len()), (1, 1));
                    made.insert(job.id().clone());
                }
                CreatedJob::Before(job) => {
                    made.insert(job.id().clone());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((new, made.len()), (1, 1));
        assert_eq!(rig.available("tenant").await, FUNDS - ESCROW);
        let different = JobRequest {
            idempotency: Some(("order 7".to_owned(), [2; 32])),
            ..request("other")
        };
        let reused = store.create_job(different).await.unwrap();
        assert!(matches!(reused, CreatedJob::KeyReused), "{reused:?}");
    }

    async fn refusals_and_strangers_write_nothing(rig) {
        let store = rig.with_market().await;
        step(store, 0).await.unwrap();
        let before = rig.everything().await;
        let refuse: fn() -> Act = || Box::new(|job, _| {
            let settle = Action::Settle;
            let effects = job.apply(settle, &Context::new(NOW, [2; 32]))?;
            Ok(Change::new(effects, None))
        });
        let refused = store.with_job(&job_id("j"), None, refuse()).await.unwrap();
        let Acted::Refused(refusal) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.code(), "job_status");
        let unknown = store.with_job(&job_id("nobody"), None, refuse()).await.unwrap();
        assert!(matches!(unknown, Acted::Unknown), "{unknown:?}");
        assert_eq!(store.job(&job_id("nobody")).await.unwrap(), None);
        assert_eq!(rig.everything().await, before);
        // Effects that cannot be: the same escrow again.
        let twice: Act = Box::new(|job, _| {
            let create = (request("j").create)(Amount::new(FUNDS).unwrap())?;
            Ok(Change::new(create.1.effects, job.due_at()))
        });
        let conflict = store.with_job(&job_id("j"), None, twice).await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict { .. }) && !conflict.is_transient(), "{conflict:?}");
        assert_eq!(rig.everything().await, before);
    }

    async fn pages_of_jobs_have_each_once(rig) {
        let store = rig.with_market().await;
        let deposit = Transfer::deposit(&party("market"), &party("tenant"), money(100 * ESCROW), "more", NOW);
        store.book(deposit).await.unwrap();
        // All of the same second.
        for n in 0..7 {
            store.create(format!("j{n}").leak()).await.unwrap();
        }
        let mut page = Page { after: None, limit: 3 };
        let mut seen = Vec::new();
        loop {
            let jobs = store.jobs(&party("tenant"), page.clone()).await.unwrap();
            let Some(last) = jobs.last() else { break };
            page.after = Some((last.created_at, last.id.to_string()));
            seen.extend(jobs.iter().map(|job| job.id.to_string()));
        }
        assert_eq!(seen, ["j6", "j5", "j4", "j3", "j2", "j1", "j0"]);
        let none = store.jobs(&party("p1"), Page { after: None, limit: 3 }).await.unwrap();
        assert_eq!(none, []);
    }
}
