//! Whose a device is: it stays with the provider whose agent showed it.

use evidence::work::{Bundle, ResultCommitment, Secrets};

use super::agents::{Machine, another_agent, declared};
use super::served::Served;
use super::*;
use crate::fixture::{GENUINE, bundle_json};

const OPENING: &str = "application/vnd.pogw.opening+json";
pub(super) const FUNDS: i64 = 10_000;
const STAKE: i64 = 200;
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
    /// With a tenant, and a verifier that attends to jobs and takes bodies that jobs of several replicas need.
    pub(super) async fn new() -> Self {
        Self::with(|config| config.body_limit_bytes = Config::default().body_limit_bytes).await
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

    pub(super) async fn job(&self, new: Value) -> String {
        let made = self.served.post("/v1/jobs", &self.tenant, new).await;
        made.is(201, "");
        // Whatever becomes known from now on was not known before.
        self.served.rig.clock.advance_s(1);
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
        self.worked_on(machine, "a device").await
    }

    /// The same on this device.
    async fn worked_on(&self, machine: &Machine, device: &str) -> String {
        let job = self.job(new_job()).await;
        let taken = self.take(machine).await;
        let bundle = self.commit(machine, &taken, device).await;
        self.open(machine, &taken, &bundle).await;
        job
    }

    /// Has agents take one job, each on its device, and open one after the other; the job.
    async fn worked_together(&self, cast: &[(&Machine, &str)]) -> String {
        let mut new = new_job();
        new["terms"]["replicas"]["count"] = json!(cast.len());
        let job = self.job(new).await;
        let mut committed = Vec::new();
        for (machine, device) in cast {
            let taken = self.take(machine).await;
            let bundle = self.commit(machine, &taken, device).await;
            committed.push((taken, bundle));
        }
        for ((machine, _), (taken, bundle)) in cast.iter().zip(&committed) {
            self.open(machine, taken, bundle).await;
            self.served.rig.clock.advance_s(1);
        }
        job
    }

    /// How the replica of a provider ended, with the code and what the provider has gained.
    async fn end(&self, job: &Value, provider: &Provider) -> (String, Value, i64) {
        let mut all = job["assignments"].as_array().unwrap().iter();
        let one = all.find(|one| one["provider"] == provider.id.as_str());
        let one = one.unwrap_or_else(|| panic!("{job:#}"));
        let available = self.available(provider).await.as_i64().unwrap();
        let status = one["status"].as_str().unwrap().to_owned();
        (status, one["code"].clone(), available - FUNDS)
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

    /// Has the agent commit to what this executor came to; the bundle.
    pub(super) async fn commit(&self, machine: &Machine, taken: &Taken, executor: &str) -> Value {
        let mut bundle = bundle_json([0; 32], GENUINE);
        bundle["job"] = taken.offer["spec"].clone();
        bundle["statement"]["job"] = taken.offer["job"].clone();
        bundle["statement"]["challenge"] = taken.lease["challenge"].clone();
        bundle["statement"]["agent_key"] = json!(machine.key());
        bundle["statement"]["executor"] = json!(executor);
        let path = format!("/v1/assignments/{}/commitment", taken.assignment);
        let commitment = commitment(&bundle);
        let committed = machine.post(&self.served, &path, media_type::JSON, &commitment);
        committed.await.is(204, "");
        bundle
    }

    /// Has the agent open once it is asked to.
    pub(super) async fn open(&self, machine: &Machine, taken: &Taken, bundle: &Value) {
        let asked = self.next(machine, "open").await;
        let path = format!("/v1/assignments/{}/opening?round=0", taken.assignment);
        let opening = opening(bundle, &asked);
        let handed_in = machine.post(&self.served, &path, OPENING, &opening);
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
        "price": { "amount": 100, "currency": "EUR" }, "stake": STAKE,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    });
    json!({ "spec": spec, "terms": terms })
}

/// Of everybody: there is no output to digest.
const SECRETS: Secrets = Secrets {
    salt: Base64Url([1; 32]),
    keyed: Base64Url([2; 32]),
};

/// A commitment to a bundle without outputs.
fn commitment(bundle: &Value) -> Value {
    let parsed = Bundle::parse(bundle.to_string().as_bytes()).unwrap();
    let statement = parsed.statement.canonical().unwrap();
    json!(ResultCommitment::to(&statement, &SECRETS))
}

/// What opens it, with the keyed digests that are asked for.
fn opening(bundle: &Value, asked: &Value) -> Value {
    let others = asked["cross"].as_array().unwrap().iter();
    let cross = others.map(|other| {
        let id = other["assignment"].as_str().unwrap();
        (id.to_owned(), json!(SECRETS.keyed))
    });
    json!({
        "profile": "pogw/1", "salt": SECRETS.salt, "keyed": SECRETS.keyed,
        "cross": cross.collect::<serde_json::Map<_, _>>(), "bundle": bundle, "slices": [],
    })
}

fn accepted() -> (String, Value, i64) {
    ("accepted".to_owned(), Value::Null, -STAKE)
}

fn refused(code: &str, gained: i64) -> (String, Value, i64) {
    ("refused".to_owned(), json!(code), gained)
}

fn is_accepted(job: &Value) -> bool {
    job["status"] == "accepted"
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
    let job = market.until(&job, |job| job["status"] == "failed").await;
    let end = market.end(&job, &other).await;
    assert_eq!(end, refused("device_of_another", 0), "the stake is back");
}

/// By whichever of the two was judged first: nobody was known by the device before the job.
#[tokio::test(flavor = "multi_thread")]
async fn two_identities_on_one_device_that_was_nobodys_both_lose_their_stakes() {
    let market = Market::new().await;
    let providers = [
        market.provider().await,
        market.provider().await,
        market.provider().await,
    ];
    let [one, other, third] = &providers;
    let machines = [
        market.agent(one).await,
        market.agent(other).await,
        market.agent(third).await,
    ];
    let [m1, m2, m3] = &machines;
    let cast = [(m1, "shared"), (m2, "shared"), (m3, "its own")];
    let job = market.worked_together(&cast).await;
    let job = market.until(&job, is_accepted).await;
    assert_eq!(market.end(&job, third).await, accepted());
    for liar in [one, other] {
        let end = market.end(&job, liar).await;
        assert_eq!(end, refused("device_shared", -STAKE));
    }
    for (provider, machine) in providers.iter().zip(&machines) {
        market.remove(provider, machine).await;
    }
    // The device is nobody's again: whoever shows it next has it, although the other was judged first.
    let machine = market.agent(other).await;
    let job = market.worked_on(&machine, "shared").await;
    market.until(&job, is_accepted).await;
    market.remove(other, &machine).await;
    let machine = market.agent(one).await;
    let job = market.worked_on(&machine, "shared").await;
    let failed = market.until(&job, |job| job["status"] == "failed").await;
    assert_eq!(failed["assignments"][0]["code"], "device_of_another");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_a_device_that_another_was_known_by_burns_its_own_stake_alone() {
    for newcomer_opens in [1, 0] {
        let market = Market::new().await;
        let (known, newcomer) = (market.provider().await, market.provider().await);
        let m1 = market.agent(&known).await;
        let job = market.worked_on(&m1, "shared").await;
        market.until(&job, is_accepted).await;
        let m2 = market.agent(&newcomer).await;
        let mut cast = vec![(&m1, "shared")];
        cast.insert(newcomer_opens, (&m2, "shared"));
        let job = market.worked_together(&cast).await;
        let job = market.until(&job, is_accepted).await;
        let (status, code, gained) = market.end(&job, &known).await;
        assert_eq!((status.as_str(), code), ("accepted", Value::Null));
        assert_eq!(gained, -2 * STAKE, "held for two jobs");
        let end = market.end(&job, &newcomer).await;
        assert_eq!(end, refused("device_shared", -STAKE));
    }
}

/// To take part with one device does not open another provider's to whoever shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_another_is_no_better_where_the_other_takes_part_with_its_next() {
    let market = Market::new().await;
    let (known, newcomer) = (market.provider().await, market.provider().await);
    let m1 = market.agent(&known).await;
    let job = market.worked_on(&m1, "shown before").await;
    market.until(&job, is_accepted).await;
    let m2 = market.agent(&newcomer).await;
    let cast = [(&m1, "the next"), (&m2, "shown before")];
    let job = market.worked_together(&cast).await;
    let job = market.until(&job, is_accepted).await;
    assert_eq!(market.end(&job, &known).await.0, "accepted");
    let end = market.end(&job, &newcomer).await;
    assert_eq!(end, refused("device_of_another", 0));
}
