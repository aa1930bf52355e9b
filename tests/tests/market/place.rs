//! The market place: verifiers, parties with keys and funds, honest agents, jobs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use evidence::UnixTime;
use evidence::work::JobSpec;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::cuda::FakeCuda;
use tests::market::make_device;
use tests::market::party;
use tests::process::{Process, Verifier};
use tests::served::{AUDIENCE, ISSUER};
use time::OffsetDateTime;

use crate::books::Books;

pub(crate) use tests::market::Party;

/// Paid for an accepted replica.
pub(crate) const PRICE: i64 = 1_200;
/// Held for an assignment.
pub(crate) const STAKE: i64 = 2_400;
/// What every party begins with.
pub(crate) const FUNDS: i64 = 10_000_000;
/// Software devices there are; their roots are known to the verifier from its start.
const DEVICES: usize = 5;
/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the [module documentation](self).
pub(crate) struct Market {
    // Ended in this order: processes before their folder.
    agents: Vec<Process>,
    verifiers: Vec<Verifier>,
    /// Where the verifier listens that this test speaks to.
    pub(crate) url: String,
    store_url: Option<String>,
    /// What every verifier and agent has in its settings beside the usual.
    beside: String,
    client: Client,
    operator: String,
    marketplace: Party,
    /// Who offers jobs.
    pub(crate) tenant: Party,
    folder: TempDir,
}

/// What a provider allows an agent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed<'a> {
    /// Whether it runs tenants' programs.
    pub(crate) commands: bool,
    /// Inputs that it has.
    pub(crate) inputs: &'a [&'a [u8]],
    /// The GPUs that it runs kernels on, in place of the processor.
    pub(crate) gpus: Option<&'a FakeCuda>,
}

impl Market {
    /// Starts a verifier over a new database, and makes tenant and marketplace.
    pub(crate) async fn open(store_url: Option<String>) -> Self {
        Self::open_with(store_url, "").await
    }

    /// The same, with these settings beside the usual for verifiers and agents, TOML.
    pub(crate) async fn open_with(store_url: Option<String>, beside: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_devices(&folder);
        let mut market = Self {
            agents: Vec::new(),
            verifiers: Vec::new(),
            url: String::new(),
            store_url,
            beside: beside.to_owned(),
            client: Client::builder().no_proxy().build().unwrap(),
            operator: String::new(),
            marketplace: Party::default(),
            tenant: Party::default(),
            folder,
        };
        market.another_verifier().await;
        market.speak_to(0);
        let token = market.folder.path().join("state/operator-token");
        let token = std::fs::read_to_string(token).unwrap();
        market.operator = token.trim_end().to_owned();
        market.marketplace = market.party("marketplace").await;
        market.tenant = market.party("tenant").await;
        market.deposit(&market.tenant).await;
        market
    }

    /// Starts one more verifier over the same database, keys and operator token.
    pub(crate) async fn another_verifier(&mut self) {
        let program = env!("CARGO_BIN_EXE_verifier-under-test");
        let name = format!("verifier-{}", self.verifiers.len());
        let mut settings = settings(&self.folder, self.store_url.as_deref());
        settings.push_str(&self.beside);
        let mut verifier = Verifier::new(program, self.folder.path(), &name, &settings, None);
        verifier.start().await;
        self.verifiers.push(verifier);
    }

    /// From now on this test speaks to another of the verifiers.
    pub(crate) fn speak_to(&mut self, verifier: usize) {
        self.url.clone_from(&self.verifiers[verifier].url);
    }

    /// Where the verifiers listen.
    pub(crate) fn urls(&self) -> Vec<String> {
        let urls = self.verifiers.iter().map(|verifier| verifier.url.clone());
        urls.collect()
    }

    pub(crate) async fn start_verifier(&mut self) {
        self.verifiers[0].start().await;
    }

    pub(crate) fn kill_verifier(&mut self) {
        self.verifiers[0].kill();
    }

    /// The first of the verifiers.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifiers[0]
    }

    /// The folder of the device of this place.
    pub(crate) fn device(&self, place: usize) -> PathBuf {
        device(&self.folder, place)
    }

    /// A file of the test's own, which the account alone may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The books, in the verifier's database.
    pub(crate) async fn books(&self) -> Books {
        let sqlite = self.folder.path().join("state/verifier.sqlite");
        Books::open(self.store_url.as_deref(), &sqlite).await
    }

    async fn party(&self, kind: &str) -> Party {
        party(&self.client, &self.url, &self.operator, kind).await
    }

    /// A provider with funds.
    pub(crate) async fn provider(&self) -> Party {
        let provider = self.party("provider").await;
        self.deposit(&provider).await;
        provider
    }

    async fn deposit(&self, party: &Party) {
        let body = json!({ "party": party.id, "reference": format!("in-{}", party.id),
            "money": { "amount": FUNDS, "currency": "EUR" } });
        let answer = self.post(&self.marketplace, "/v1/deposits", body).await;
        assert_eq!(answer.status(), 201);
    }

    /// A one-time token of a provider.
    pub(crate) async fn enrolment_token(&self, provider: &Party) -> String {
        let made = self.post(provider, "/v1/enrolment-tokens", json!({})).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Starts an honest agent of a provider on the device of this place; its number. The agents are spread over the
    /// verifiers in turn.
    pub(crate) async fn agent(&mut self, provider: &Party, place: usize) -> usize {
        self.agent_that(provider, place, Allowed::default()).await
    }

    /// The same with what its provider allows.
    pub(crate) async fn agent_that(
        &mut self,
        provider: &Party,
        place: usize,
        allowed: Allowed<'_>,
    ) -> usize {
        let number = self.agents.len();
        let token = self.enrolment_token(provider).await;
        let token = self.file(&format!("token-{number}"), &token);
        let path = |name: String| self.folder.path().join(name);
        let executor = allowed.gpus.map_or("host", |_| "cuda");
        let settings = format!(
            "state_dir = {:?}\nverifier = {:?}\nexecutor = {executor:?}\n\
             [device]\nkind = \"simulated\"\ndir = {:?}\n\
             [serve]\ntoken_file = {token:?}\ncapacity = 4\nheartbeat_s = 1\n\
             commands = {}\ninputs_dir = {:?}\n\
             [retry]\nfirst_delay_ms = 50\nmax_delay_ms = 500\n{}",
            path(format!("agent-{number}")),
            self.verifiers[number % self.verifiers.len()].url,
            self.device(place),
            allowed.commands,
            self.inputs(number, allowed.inputs),
            self.beside,
        );
        let config = self.file(&format!("agent-{number}.toml"), &settings);
        let program = env!("CARGO_BIN_EXE_agent-under-test");
        let log = path(format!("agent-{number}.log"));
        let variables = allowed.gpus.map(FakeCuda::variables).unwrap_or_default();
        let mut agent = Process::new(program, vec![config], log).with(variables);
        agent.start();
        self.agents.push(agent);
        number
    }

    /// A folder of an agent's own with these inputs, each in a file named by its BLAKE3.
    fn inputs(&self, number: usize, inputs: &[&[u8]]) -> PathBuf {
        let folder = self.folder.path().join(format!("inputs-{number}"));
        std::fs::create_dir(&folder).unwrap();
        for bytes in inputs {
            let name = kernels::Blake3Digest::of(bytes).to_string();
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        folder
    }

    /// Waits until an agent has said this in its log.
    pub(crate) async fn agent_says(&self, number: usize, words: &str) {
        let started = Instant::now();
        while !self.agents[number].said().contains(words) {
            let waits = started.elapsed() < PATIENCE;
            assert!(waits, "expected {words}: {}", self.agents[number].said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Four agents of three providers, all present; the first provider has two.
    pub(crate) async fn four_agents(&mut self) -> [Party; 3] {
        let providers = [
            self.provider().await,
            self.provider().await,
            self.provider().await,
        ];
        for (place, provider) in [0, 0, 1, 2].into_iter().enumerate() {
            self.agent(&providers[provider], place).await;
        }
        for (provider, agents) in providers.iter().zip([2, 1, 1]) {
            self.present(provider, agents).await;
        }
        providers
    }

    /// The status with which an agent ended by itself.
    pub(crate) async fn agent_ends(&mut self, number: usize) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.agents[number].ended() {
                return status;
            }
            let waits = started.elapsed() < PATIENCE;
            assert!(waits, "it goes on: {}", self.agents[number].said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn kill_agent(&mut self, number: usize) {
        self.agents[number].kill();
    }

    pub(crate) fn start_agent(&mut self, number: usize) {
        self.agents[number].start();
    }

    /// How many agents there are.
    pub(crate) fn agents(&self) -> usize {
        self.agents.len()
    }

    /// Waits until so many agents of a provider have been heard of.
    pub(crate) async fn present(&self, provider: &Party, wanted: usize) {
        let started = Instant::now();
        loop {
            let listed = self.read(provider, "/v1/agents").await;
            let listed = listed["agents"].as_array().unwrap();
            let present = listed.iter().filter(|agent| agent["present"] == true);
            if present.count() == wanted {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{listed:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a party has available.
    pub(crate) async fn balance(&self, party: &Party) -> i64 {
        let answer = self.read(party, "/v1/accounts/me").await;
        answer["balances"][0]["available"].as_i64().unwrap()
    }

    /// Offers a job that is taken; its name. With a key it is taken once, however often and whenever it is offered.
    pub(crate) async fn job(&self, spec: &JobSpec, terms: &Value) -> String {
        let answer = self.offer(spec, terms).await;
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(status, 201, "{answer:#}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Offers a job.
    pub(crate) async fn offer(&self, spec: &JobSpec, terms: &Value) -> Response {
        let body = json!({ "spec": spec, "terms": terms });
        self.post(&self.tenant, "/v1/jobs", body).await
    }

    /// Offers a job under a key, to a verifier that may be away; its name, once there is one.
    pub(crate) async fn job_once(&self, key: &str, body: &Value) -> Option<String> {
        let request = self.request(Method::POST, "/v1/jobs");
        let request = request
            .bearer_auth(&self.tenant.key)
            .header("idempotency-key", key);
        let answer = request.json(body).send().await.ok()?;
        let is_taken = answer.status().is_success();
        let text = answer.text().await.ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        // Too busy, or ending.
        assert!(
            is_taken || answer["status"].as_u64() >= Some(500),
            "{answer:#}"
        );
        answer["id"].as_str().map(str::to_owned)
    }

    /// A job as its tenant sees it; nothing from a verifier that is away.
    pub(crate) async fn seen(&self, job: &str) -> Option<Value> {
        let request = self.request(Method::GET, &format!("/v1/jobs/{job}"));
        let answer = request.bearer_auth(&self.tenant.key).send().await.ok()?;
        match answer.status().as_u16() {
            200 => answer.json().await.ok(),
            status => {
                assert!(status >= 500, "job {job} is lost: {status}");
                None
            }
        }
    }

    /// The job once it has this status, or has ended otherwise.
    pub(crate) async fn until(&self, job: &str, status: &str) -> Value {
        let started = Instant::now();
        loop {
            let seen = self.seen(job).await.unwrap_or_default();
            if seen["status"] == status {
                return seen;
            }
            let waits = started.elapsed() < PATIENCE;
            assert!(waits && !has_ended(&seen), "expected {status}: {seen:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes a job back.
    pub(crate) async fn cancel(&self, job: &str) -> Value {
        let path = format!("/v1/jobs/{job}/cancel");
        let answer = self.post(&self.tenant, &path, json!({})).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// The names of the events of a job that has ended.
    pub(crate) async fn history(&self, job: &str) -> Vec<String> {
        let answer = self
            .get(&self.tenant, &format!("/v1/jobs/{job}/events"))
            .await;
        let text = answer.text().await.unwrap();
        let names = text.lines().filter_map(|line| line.strip_prefix("event: "));
        names.map(str::to_owned).collect()
    }

    /// The tokens of a job's receipts that hold.
    pub(crate) async fn receipts(&self, job: &str) -> Vec<String> {
        let answer = self
            .read(&self.tenant, &format!("/v1/jobs/{job}/receipts"))
            .await;
        let all = answer["receipts"].as_array().unwrap().iter();
        let hold = all.filter(|receipt| receipt["revoked_at"].is_null());
        hold.map(|receipt| receipt["receipt"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The statement of a provider, in the form of this media type.
    pub(crate) async fn statement(&self, provider: &Party, form: &str) -> String {
        let path = format!("/v1/providers/{}/statement", provider.id);
        let request = self.request(Method::GET, &path).header("accept", form);
        let answer = request.bearer_auth(&provider.key).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    /// The verifier's published keys.
    pub(crate) async fn key_set(&self) -> String {
        let request = self.request(Method::GET, "/.well-known/jwks.json");
        request.send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn get(&self, party: &Party, path: &str) -> Response {
        let request = self.request(Method::GET, path).bearer_auth(&party.key);
        request.send().await.unwrap()
    }

    async fn read(&self, party: &Party, path: &str) -> Value {
        let answer = self.get(party, path).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn post(&self, party: &Party, path: &str, body: Value) -> Response {
        let request = self.request(Method::POST, path).bearer_auth(&party.key);
        request.json(&body).send().await.unwrap()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request with the operator token.
    pub(crate) fn operated(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).bearer_auth(&self.operator)
    }
}

/// Whether a job is at its end.
pub(crate) fn has_ended(job: &Value) -> bool {
    ["settled", "failed", "cancelled"]
        .map(Value::from)
        .contains(&job["status"])
}

/// Terms for so many replicas, settled as soon as they are accepted, with no audit.
pub(crate) fn terms(replicas: u32) -> Value {
    json!({
        "replicas": { "count": replicas, "adaptive": false },
        "devices": { "simulated": true },
        "price": { "amount": PRICE, "currency": "EUR" },
        "stake": STAKE,
        "commit_within_s": 120, "open_within_s": 60, "dispute_window_s": 1, "deadline_s": 3600,
    })
}

/// The same, audited.
pub(crate) fn audited(replicas: u32) -> Value {
    let mut terms = terms(replicas);
    terms["audit"] = json!({ "wrong_ppm": 50_000, "log2_miss": -20 });
    terms
}

fn device(folder: &TempDir, place: usize) -> PathBuf {
    folder.path().join(format!("device-{place}"))
}

fn make_devices(folder: &TempDir) {
    let collateral = folder.path().join("collateral");
    let now = UnixTime::from_secs(OffsetDateTime::now_utc().unix_timestamp());
    for place in 0..DEVICES {
        make_device(&device(folder, place), &collateral, now);
    }
}

fn settings(folder: &TempDir, store_url: Option<&str>) -> String {
    let collateral = folder.path().join("collateral");
    let store = store_url.map(|url| format!("[store]\nurl = {url:?}\nmax_connections = 6\n"));
    format!(
        "state_dir = {:?}\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\n{}\
         [appraisal]\nrim_dir = {collateral:?}\nsimulated_anchors = [{:?}]\n\
         [appraisal.ocsp]\ndir = {:?}\n",
        folder.path().join("state"),
        store.unwrap_or_default(),
        collateral.join("anchors.toml"),
        collateral.join("ocsp"),
    )
}
