//! What the tests of jobs share: a market, the steps of a job's life, and everything the store holds afterwards.

use std::collections::BTreeMap;

use ::jobs::books::{Account, Transfer};
use ::jobs::terms::{Assurance, DeviceTraits};
use ::jobs::{
    Action, AgentId, Amount, AssignmentId, AssignmentStatus, Candidate, Context, Currency,
    DeclaredDevice, Effects, Holder, Job, JobId, Money, NewJob, PartyId, Record, SeenDevice, Terms,
    Upheld, Verdict,
};
use evidence::device::Architecture;
use evidence::work::wire::Conditions;
use evidence::work::{Base64Url, Hex};
use serde_json::json;

use super::*;
use crate::parties::Kind;
use crate::store::agents::{Agent, AgentStore, Enrolled, EnrolmentToken, Said};
use crate::store::books::{BookStore, Booked};
use crate::store::jobs::{
    Act, Acted, Change, CreatedJob, Document, JobRequest, JobStore, Queue, Search, Share, TakeDue,
    Written,
};
use crate::store::outbox::{OutboxStore, Webhook};
use crate::store::parties::{AddedParty, Party, PartyStore};

pub(crate) const PRICE: i64 = 1_200;
pub(crate) const STAKE: i64 = 2_400;
pub(crate) const ESCROW: i64 = 2 * PRICE;
pub(crate) const FUNDS: i64 = 10_000;
/// After every deadline of the jobs here.
pub(crate) const END: UnixTime = UnixTime::from_secs(NOW.secs() + 100_000);

pub(crate) fn party(name: &str) -> PartyId {
    PartyId::parse(&id(name).to_string()).unwrap()
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(&id(name).to_string()).unwrap()
}

/// The id that a party or an agent of this short name has.
pub(crate) fn id(name: &str) -> Id {
    format!("{:0<32}", hex::encode(name)).parse().unwrap()
}

pub(crate) fn money(amount: i64) -> Money {
    Money {
        amount: Amount::new(amount).unwrap(),
        currency: Currency::parse("EUR").unwrap(),
    }
}

pub(crate) fn job_id(name: &str) -> JobId {
    JobId::parse(name).unwrap()
}

pub(crate) fn terms() -> Terms {
    terms_for(2, &["HOPPER"])
}

/// For so many replicas on devices of these architectures.
pub(crate) fn terms_for(replicas: u32, architectures: &[&str]) -> Terms {
    let terms = json!({
        "replicas": { "count": replicas, "adaptive": false },
        "devices": { "simulated": true, "architectures": architectures },
        "price": { "amount": PRICE, "currency": "EUR" },
        "stake": STAKE,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    });
    Terms::parse(&terms).unwrap()
}

/// How much work the job is.
pub(crate) const OPERATIONS: u64 = 1 << 19;

pub(crate) fn request(name: &'static str) -> JobRequest {
    request_of("tenant", name, terms())
}

pub(crate) fn request_of(tenant: &'static str, name: &'static str, terms: Terms) -> JobRequest {
    let create = move |available| {
        let spec = r#"{"profile":"pogw/1","checks":[],"kernel":"gemm_i8","params":{}}"#;
        let new = NewJob {
            id: job_id(name),
            tenant: party(tenant),
            spec: serde_json::from_str(spec).unwrap(),
            terms: terms.clone(),
            nature: ::jobs::Nature {
                operations: Some(OPERATIONS),
                ..::jobs::Nature::default()
            },
            available,
        };
        let (job, effects) = Job::create(new, &Context::new(NOW, [1; 32]))?;
        let due_at = job.due_at();
        let search = Search::anew_if(job.wants_agents(NOW));
        Ok((
            job,
            Change {
                search,
                ..Change::new(effects, due_at)
            },
        ))
    };
    JobRequest {
        tenant: party(tenant),
        currency: money(0).currency,
        most_open: 1000,
        idempotency: Some((name.to_owned(), [1; 32])),
        create: Box::new(create),
    }
}

impl SqlStore {
    pub(crate) async fn create(&self, name: &'static str) -> Result<CreatedJob, StoreError> {
        self.create_job(request(name)).await
    }

    pub(crate) async fn act(
        &self,
        job: &JobId,
        at: UnixTime,
        action: impl Fn(Amount) -> Action + Send + Sync + 'static,
    ) -> Result<(Job, Written), StoreError> {
        self.act_of(job, at, None, action).await
    }

    /// Takes jobs that are due, of each tenant and queue so many at most.
    pub(crate) async fn take_due(&self, now: UnixTime, until: UnixTime, most: u32) -> Vec<JobId> {
        let mut taken = Vec::new();
        for queue in [Queue::Openings, Queue::Others] {
            let tenants = self.tenants_due(queue, now).await.unwrap().into_iter();
            let take = TakeDue {
                queue,
                now,
                until,
                shares: tenants.map(|tenant| Share { tenant, most }).collect(),
            };
            taken.extend(self.due(take).await.unwrap());
        }
        taken.into_iter().map(|due| due.job).collect()
    }

    pub(crate) async fn act_of(
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
pub(crate) fn change(job: &Job, effects: Effects, at: UnixTime) -> Change {
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
                provisional: true,
                revoked_at: None,
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
        drafts: Vec::new(),
        grounds: None,
        due_at: job.due_at(),
        search: Search::anew_if(job.wants_agents(NOW)),
        effects,
        audit: None,
    }
}

impl Rig {
    /// A tenant with money, two providers with money and an agent each.
    pub(crate) async fn with_market(&self) -> &SqlStore {
        let store = &self.store;
        for (name, kind) in [
            ("tenant", Kind::Tenant),
            ("p1", Kind::Provider),
            ("p2", Kind::Provider),
            ("market", Kind::Marketplace),
        ] {
            self.add_party(name, kind).await;
        }
        for name in ["tenant", "p1", "p2"] {
            let deposit =
                Transfer::deposit(&party("market"), &party(name), money(FUNDS), name, NOW);
            assert_eq!(store.book(deposit, by(NOW)).await.unwrap(), Booked::New);
        }
        for (n, (name, owner)) in (1..).zip([("a1", "p1"), ("a2", "p2")]) {
            self.add_agent(n, name, owner).await;
        }
        for owner in ["tenant", "p1"] {
            let webhook = Webhook {
                id: Id::random(),
                party: party(owner),
                url: "https://hook.example".to_owned(),
                kinds: None,
                secret: vec![1],
                former: None,
                created_at: NOW,
                disabled_at: None,
            };
            store.add_webhook(webhook, 9, by(NOW)).await.unwrap();
        }
        store
    }

    /// An agent says how much it takes at one time.
    pub(crate) async fn has_capacity(&self, name: &str, capacity: u32) {
        let report = String::new();
        let shape = String::new();
        let said = Said {
            capacity,
            shape,
            report,
        };
        self.store.agent_seen(id(name), said, NOW).await.unwrap();
    }

    pub(crate) async fn add_party(&self, name: &str, kind: Kind) {
        let party = Party {
            id: id(name),
            kind,
            name: name.to_owned(),
            oidc_name: None,
            created_at: NOW,
            barred_at: None,
        };
        let added = self.store.add_party(party, by(NOW)).await.unwrap();
        assert_eq!(added, AddedParty::Stored);
    }

    /// The agent of this number and name.
    pub(crate) async fn add_agent(&self, n: u8, name: &str, owner: &str) {
        let token = EnrolmentToken {
            id: Id::random(),
            owner: id(owner),
            prefix: format!("{n:08}"),
            sha256: [n; 32],
            label: None,
            created_at: NOW,
            expires_at: EXPIRES,
            used_by: None,
        };
        let new = Agent {
            id: id(name),
            owner: id(owner),
            key: [n; 32],
            name: None,
            enrolled_at: NOW,
            removed_at: None,
            seen_at: None,
            report: None,
        };
        let token_id = token.id;
        self.store
            .add_enrolment_token(token, 10, by(NOW))
            .await
            .unwrap();
        let enrolled = self.store.enrol(token_id, new, 10, by(NOW)).await.unwrap();
        assert!(matches!(enrolled, Enrolled::New(_)));
        self.has_capacity(name, 8).await;
    }

    /// A tenant with money for many jobs.
    pub(crate) async fn add_tenant(&self, name: &'static str) {
        self.add_party(name, Kind::Tenant).await;
        self.fund(name, 100 * ESCROW).await;
    }

    pub(crate) async fn fund(&self, name: &str, amount: i64) {
        let reference = format!("more for {name}").replace(' ', "-");
        let deposit = Transfer::deposit(
            &party("market"),
            &party(name),
            money(amount),
            &reference,
            NOW,
        );
        let booked = self.store.book(deposit, by(NOW)).await.unwrap();
        assert_eq!(booked, Booked::New);
    }

    /// As many more jobs like this one, as far as whoever looks for agents can tell: nobody paid for them.
    pub(crate) async fn crowd(&self, name: &str, count: usize) {
        let sql = format!(
            "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})
             INSERT INTO jobs (id, tenant, digest, status, created_at, due_at, body, sought)
             SELECT '{name}-' || i, tenant, digest, status, created_at, due_at,
                    replace(body, '\"id\":\"{name}\"', '\"id\":\"{name}-' || i || '\"'), sought
             FROM jobs, numbers WHERE id = '{name}'"
        );
        let made = self.run(sql.leak()).await.unwrap();
        assert_eq!(usize::try_from(made).unwrap(), count);
    }

    pub(crate) async fn available(&self, name: &str) -> i64 {
        self.balance(&Account::Available(party(name))).await
    }

    pub(crate) async fn balance(&self, account: &Account) -> i64 {
        let sql =
            "SELECT CAST(coalesce(sum(balance), 0) AS BIGINT) AS n FROM accounts WHERE name = $1";
        let mut session = self.store.database().read().await.unwrap();
        let found = session.fetch_int(sql, values![account.to_string()]).await;
        found.unwrap()
    }

    /// Everything there is, but for what differs between two runs.
    pub(crate) async fn everything(&self) -> Vec<String> {
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
    pub(crate) async fn books_balance(&self) {
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
        let days = "SELECT count(*) AS n FROM (
            SELECT account, day, currency, sum(amount) AS amount FROM (
                SELECT account, day, currency, amount FROM days
                UNION ALL
                SELECT account, postings.at / 86400, currency, -amount
                FROM postings JOIN transfers ON number = transfer WHERE account LIKE 'party/%') AS entries
            GROUP BY account, day, currency) AS sums WHERE amount <> 0";
        assert_eq!(self.count(days).await, 0);
        let sum: i64 = balances.values().sum();
        assert_eq!(sum, 0);
    }
}

/// The steps of a life, each of which can be asked for again.
pub(crate) const STEPS: usize = 11;

/// One step of the life of the job `j`.
pub(crate) async fn step(store: &SqlStore, number: usize) -> Result<(), StoreError> {
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

pub(crate) fn dispatch() -> Action {
    let candidate = |(name, owner): (&str, &str)| Candidate {
        agent: agent(name),
        owner: party(owner),
        record: Record(0),
        missed: 0,
        devices: vec![DeclaredDevice {
            traits: DeviceTraits {
                architecture: Architecture::Hopper,
                simulated: true,
            },
            assurance: Assurance::A0,
        }],
        runs_commands: false,
        conditions: Conditions::default(),
    };
    Action::Dispatch {
        candidates: [("a1", "p1"), ("a2", "p2")].map(candidate).into(),
    }
}

/// The assignment of an agent, and its owner.
pub(crate) async fn assignment(
    store: &SqlStore,
    n: usize,
) -> Result<(AssignmentId, AgentId, PartyId), StoreError> {
    let job = store.job(&job_id("j")).await?.unwrap();
    let mut all: Vec<_> = job.assignments().iter().collect();
    all.sort_by_key(|assignment| assignment.agent().clone());
    let it = all[n];
    Ok((it.id().clone(), it.agent().clone(), it.owner().clone()))
}

pub(crate) async fn accept(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (assignment, by, owner) = assignment(store, n).await?;
    let action = move |available| Action::Accept {
        assignment: assignment.clone(),
        by: by.clone(),
        available,
    };
    let acted = store.act_of(&job_id("j"), NOW, Some(&owner), action).await;
    acted.map(drop)
}

pub(crate) async fn commit(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (assignment, by, _) = assignment(store, n).await?;
    let action = move |_| Action::Commit {
        assignment: assignment.clone(),
        by: by.clone(),
        commitment: Base64Url([7; 32]),
    };
    store.act(&job_id("j"), NOW, action).await.map(drop)
}

pub(crate) async fn open(store: &SqlStore, n: usize) -> Result<(), StoreError> {
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

pub(crate) async fn judge(store: &SqlStore, n: usize) -> Result<(), StoreError> {
    let (this, _, _) = assignment(store, n).await?;
    let (other, _, _) = assignment(store, 1 - n).await?;
    let keyed = |id: &AssignmentId| Hex(evidence::crypto::sha256(id.as_str().as_bytes()));
    let upheld = Upheld {
        results: Hex([8; 32]),
        devices: vec![SeenDevice {
            id: keyed(&this),
            architecture: Architecture::Hopper,
            simulated: true,
            holder: Holder::Nobody,
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
