//! Whose a device is: it stays with the provider whose agent showed it.

use evidence::work::{Bundle, ResultCommitment, Secrets};

use super::agents::{Machine, another_agent, declared};
use super::served::Served;
use super::*;
use crate::fixture::{GENUINE, bundle_json};

const OPENING: &str = "application/vnd.pogw.opening+json";
pub(super) const FUNDS: i64 = 10_000;
/// Asks are repeated for so many times at most, each waits for some seconds.
const TRIES: usize = 20;

pub(super) struct Provider {
    id: String,
    key: String,
}

pub(super) struct Market {
    pub(super) served: Served,
    marketplace: String,
    pub(super) tenant: String,
}

/// What an agent took.
pub(super) struct Taken {
    pub(super) assignment: String,
    offer: Value,
    lease: Value,
}

impl Market {
    /// With a tenant, and a verifier that attends to jobs.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings changed.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let served = Served::with(change).await;
        tokio::spawn(served.rig.clerk.clone().run(std::future::pending()));
        let (_, marketplace) = served.party_with_key("marketplace", &["books:write"]).await;
        let scopes = ["jobs:read", "jobs:write"];
        let (id, tenant) = served.party_with_key("tenant", &scopes).await;
        let market = Self {
            served,
            marketplace,
            tenant,
        };
        market.fund(&id).await;
        market
    }

    /// Another tenant orders from now on.
    pub(super) async fn with_another_tenant(self) -> Self {
        let scopes = ["jobs:read", "jobs:write"];
        let (id, tenant) = self.served.party_with_key("tenant", &scopes).await;
        self.fund(&id).await;
        Self { tenant, ..self }
    }

    pub(super) async fn fund(&self, party: &str) {
        let money = json!({ "amount": FUNDS, "currency": "EUR" });
        let deposit = json!({ "party": party, "money": money, "reference": party });
        let booked = self.served.post("/v1/deposits", &self.marketplace, deposit);
        booked.await.is(201, "");
    }

    pub(super) async fn provider(&self) -> Provider {
        let scopes = ["agents:read", "agents:write", "books:read"];
        let (id, key) = self.served.party_with_key("provider", &scopes).await;
        self.fund(&id).await;
        Provider { id, key }
    }

    /// An agent that is there, says that it has one genuine device.
    pub(super) async fn agent(&self, provider: &Provider) -> Machine {
        self.agent_with(provider, 1).await
    }

    /// One that takes so many assignments at one time.
    pub(super) async fn agent_with(&self, provider: &Provider, capacity: u32) -> Machine {
        let machine = another_agent(&self.served, &provider.key).await;
        let (path, declared) = (machine.heartbeat_path(), declared(capacity));
        let beat = machine.post(&self.served, &path, media_type::JSON, &declared);
        beat.await.is(200, "");
        machine
    }

    async fn remove(&self, provider: &Provider, machine: &Machine) {
        let path = format!("/v1/agents/{}", machine.id);
        let removed = self.served.delete(&path, &provider.key).await;
        removed.is(204, "");
    }

    pub(super) async fn available(&self, provider: &Provider) -> Value {
        let path = format!("/v1/accounts/{}", provider.id);
        let account = self.served.get(&path, &provider.key).await;
        account.json()["balances"][0]["available"].clone()
    }

    pub(super) async fn job(&self, job: Value) -> String {
        let made = self.served.post("/v1/jobs", &self.tenant, job).await;
        made.is(201, "");
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// What an agent is to do next, of this kind.
    pub(super) async fn next(&self, machine: &Machine, kind: &str) -> Value {
        for _ in 0..TRIES {
            let path = "/v1/assignments/next?wait_s=2";
            let asked = json!({ "known": [] });
            let next = machine.post(&self.served, path, media_type::JSON, &asked);
            let next = next.await;
            if next.status == StatusCode::OK && next.json().get(kind).is_some() {
                return next.json()[kind].clone();
            }
        }
        panic!("expected {kind}")
    }

    /// Has the agent take a job, commit and open; the job.
    pub(super) async fn worked(&self, machine: &Machine) -> String {
        let job = self.job(new_job()).await;
        let taken = self.take(machine).await;
        let opening = self.commit(machine, &taken, "fixture").await;
        self.open(machine, &taken, &opening).await;
        job
    }

    /// Has the agent take what it is offered.
    pub(super) async fn take(&self, machine: &Machine) -> Taken {
        let offer = self.next(machine, "offer").await;
        let assignment = offer["assignment"].as_str().unwrap().to_owned();
        let accept = format!("/v1/assignments/{assignment}/accept");
        let nothing = json!({});
        let lease = machine.post(&self.served, &accept, media_type::JSON, &nothing);
        let lease = lease.await;
        lease.is(200, "");
        Taken {
            assignment,
            offer,
            lease: lease.json(),
        }
    }

    /// Has the agent commit to what this executor came to; the opening.
    pub(super) async fn commit(&self, machine: &Machine, taken: &Taken, executor: &str) -> Value {
        let mut bundle = bundle_json([0; 32], GENUINE);
        bundle["job"] = taken.offer["spec"].clone();
        bundle["statement"]["job"] = taken.offer["job"].clone();
        bundle["statement"]["challenge"] = taken.lease["challenge"].clone();
        bundle["statement"]["agent_key"] = json!(machine.key());
        bundle["statement"]["executor"] = json!(executor);
        let (commitment, opening) = opened(&bundle);
        let path = format!("/v1/assignments/{}/commitment", taken.assignment);
        let committed = machine.post(&self.served, &path, media_type::JSON, &commitment);
        committed.await.is(204, "");
        opening
    }

    /// Has the agent open once it is asked to.
    pub(super) async fn open(&self, machine: &Machine, taken: &Taken, opening: &Value) {
        self.next(machine, "open").await;
        let path = format!("/v1/assignments/{}/opening?round=0", taken.assignment);
        let handed_in = machine.post(&self.served, &path, OPENING, opening);
        handed_in.await.is(202, "");
    }

    /// The job, once something is true of it.
    pub(super) async fn until(&self, job: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        for _ in 0..20 * TRIES {
            let path = format!("/v1/jobs/{job}");
            seen = self.served.get(&path, &self.tenant).await.json();
            if is_so(&seen) {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{seen:#}")
    }
}

/// A job of one replica that an agent of [`Market::agent`] fits.
pub(super) fn new_job() -> Value {
    let spec = json!({
        "profile": "pogw/1", "kernel": "gemm_i8", "checks": [], "label": GENUINE,
        "params": { "m": 16, "n": 16, "k": 16, "operands": { "seed": "5eed".repeat(16) } },
    });
    let terms = json!({
        "replicas": { "count": 1, "adaptive": false },
        "price": { "amount": 100, "currency": "EUR" }, "stake": 200,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    });
    json!({ "spec": spec, "terms": terms })
}

/// A commitment to a bundle without outputs, and what opens it.
fn opened(bundle: &Value) -> (Value, Value) {
    let secrets = Secrets {
        salt: Base64Url([1; 32]),
        keyed: Base64Url([2; 32]),
    };
    let parsed = Bundle::parse(bundle.to_string().as_bytes()).unwrap();
    let statement = parsed.statement.canonical().unwrap();
    let opening = json!({
        "profile": "pogw/1", "salt": secrets.salt, "keyed": secrets.keyed,
        "cross": {}, "bundle": bundle, "slices": [],
    });
    (json!(ResultCommitment::to(&statement, &secrets)), opening)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_an_agent_of_another_provider_showed_pays_nothing_and_costs_nothing() {
    let market = Market::new().await;
    let (one, other) = (market.provider().await, market.provider().await);
    // Two agents of one provider may have the device, one after the other.
    for _ in 0..2 {
        let machine = market.agent(&one).await;
        let job = market.worked(&machine).await;
        market.until(&job, |job| job["status"] == "accepted").await;
        market.remove(&one, &machine).await;
    }
    let machine = market.agent(&other).await;
    let job = market.worked(&machine).await;
    let is_refused = |job: &Value| job["assignments"][0]["code"] == "device_of_another";
    let refused = market.until(&job, is_refused).await;
    assert_ne!(refused["status"], "accepted");
    assert_eq!(market.available(&other).await, FUNDS, "the stake is back");
}
