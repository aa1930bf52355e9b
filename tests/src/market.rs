//! A market over real HTTP: one verifier, a tenant, a marketplace, providers with funds, and hosts that speak the wire by a
//! script, so that tests can have them say what no agent would.

mod host;
mod run;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evidence::UnixTime;
use evidence::work::JobSpec;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, query};
use tempfile::TempDir;
use verifier_service::{AppraisalSettings, Config, ManualClock, OcspSettings, StoreUrl};

use crate::scene::AS_OF;
use crate::served::{Served, config};

pub use host::{Host, Verifier, make_device};
pub use run::{Astray, Made, Run, random};

/// What a replica is paid.
pub const PRICE: i64 = 1_200;
/// What an assignment is staked with.
pub const STAKE: i64 = 2_400;
/// What every party begins with.
pub const FUNDS: i64 = 100_000;

/// See the [module documentation](self).
pub struct Market {
    folder: TempDir,
    config: Config,
    store_url: Option<String>,
    served: Option<Served>,
    client: Client,
    /// What time the verifier thinks it is.
    pub clock: Arc<ManualClock>,
    operator: String,
    /// Who moves money.
    pub marketplace: Party,
    /// Who offers jobs.
    pub tenant: Party,
    hosts: usize,
}

/// A party and its API key.
#[derive(Clone, Debug, Default)]
pub struct Party {
    /// Its name.
    pub id: String,
    /// Its key.
    pub key: String,
}

impl Market {
    /// Starts a verifier and makes its parties. Over PostgreSQL if `store_url` names a database.
    ///
    /// # Panics
    /// The service does not start, or does not answer as it should.
    pub async fn new(store_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let collateral = folder.path().join("collateral");
        std::fs::create_dir_all(collateral.join("ocsp")).expect("folder");
        // A device there before the service: it reads its anchors once.
        for place in 0..HOSTS {
            make_device(&device_dir(folder.path(), place), &collateral, AS_OF);
        }
        let appraisal = AppraisalSettings {
            rim_dir: Some(collateral.clone()),
            ocsp: OcspSettings {
                dir: Some(collateral.join("ocsp")),
                ..OcspSettings::default()
            },
            simulated_anchors: vec![collateral.join("anchors.toml")],
            ..AppraisalSettings::default()
        };
        let mut config = config(folder.path(), appraisal);
        config.store.url = store_url.map(|url| StoreUrl::from(url.to_owned()));
        let served = Served::start(config.clone(), AS_OF).await;
        let operator = std::fs::read_to_string(config.state_dir.join("operator-token"));
        let mut market = Self {
            clock: Arc::clone(&served.clock),
            served: Some(served),
            client: Client::builder().no_proxy().build().expect("client"),
            operator: operator.expect("operator token").trim_end().to_owned(),
            marketplace: Party::default(),
            tenant: Party::default(),
            hosts: 0,
            store_url: store_url.map(str::to_owned),
            folder,
            config,
        };
        market.marketplace = market.party("marketplace").await;
        market.tenant = market.party("tenant").await;
        market.deposit(&market.tenant.id, FUNDS).await;
        market
    }

    /// Stops the verifier and starts it again over the same state, as late as `after_s` seconds.
    ///
    /// # Panics
    /// It does not stop or start.
    pub async fn restart(&mut self, after_s: i64) {
        let now = UnixTime::from_secs(self.now().secs() + after_s);
        if let Some(served) = self.served.take() {
            served.stop().await;
        }
        let served = Served::start(self.config.clone(), now).await;
        self.clock = Arc::clone(&served.clock);
        self.served = Some(served);
    }

    /// Stops the verifier, leaves its database as one would that was killed in the middle of something, and starts it
    /// again.
    ///
    /// # Panics
    /// It does not stop or start, or the database does not take it.
    pub async fn restart_after(&mut self, sql: &str) {
        if let Some(served) = self.served.take() {
            served.stop().await;
        }
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match &self.store_url {
            Some(url) => {
                let mut database = PgConnection::connect(url).await.expect("database");
                query(sql).execute(&mut database).await.map(drop)
            }
            None => {
                let file = self.config.state_dir.join("verifier.sqlite");
                let url = format!("sqlite://{}", file.display());
                let mut database = SqliteConnection::connect(&url).await.expect("database");
                query(sql).execute(&mut database).await.map(drop)
            }
        };
        done.expect("statement");
        self.restart(0).await;
    }

    /// Holds the verifier's SQLite for itself until what is returned is dropped: nobody else writes meanwhile.
    ///
    /// # Panics
    /// It is on PostgreSQL, or cannot be had.
    pub async fn hold_store(&self) -> SqliteConnection {
        assert!(self.store_url.is_none(), "a file is held, not a server");
        let file = self.config.state_dir.join("verifier.sqlite");
        let url = format!("sqlite://{}", file.display());
        let mut database = SqliteConnection::connect(&url).await.expect("database");
        let held = query("BEGIN IMMEDIATE").execute(&mut database).await;
        held.expect("nobody else writes for so long");
        database
    }

    /// A new party of a kind with everything it can be allowed.
    ///
    /// # Panics
    /// There is none.
    pub async fn party(&self, kind: &str) -> Party {
        party(&self.client, self.url(), &self.operator, kind).await
    }

    /// A provider with funds.
    pub async fn provider(&self) -> Party {
        let provider = self.party("provider").await;
        self.deposit(&provider.id, FUNDS).await;
        provider
    }

    /// A host of a provider, enrolled and present, on a device of its own.
    ///
    /// # Panics
    /// It is not let in, or there are more hosts than devices.
    pub async fn host(&mut self, provider: &Party) -> Host {
        let place = self.hosts;
        self.hosts += 1;
        self.host_on(provider, place).await
    }

    /// The same on the device of this place, which another host may have.
    ///
    /// # Panics
    /// It is not let in.
    pub async fn host_on(&mut self, provider: &Party, place: usize) -> Host {
        let made = self.post(provider, "/v1/enrolment-tokens", json!({})).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.expect("JSON");
        let token = made["token"].as_str().expect("token");
        let mut host = Host::new(device_dir(self.folder.path(), place));
        host.enrol(self, token).await;
        host.heartbeat(self).await;
        host
    }

    /// Has money come in.
    ///
    /// # Panics
    /// It does not.
    pub async fn deposit(&self, party: &str, amount: i64) {
        let body = json!({ "party": party, "reference": format!("in-{party}-{amount}"),
            "money": { "amount": amount, "currency": "EUR" } });
        let answer = self.post(&self.marketplace, "/v1/deposits", body).await;
        assert_eq!(answer.status(), 201);
    }

    /// Has money go out under a reference.
    ///
    /// # Panics
    /// The verifier does not answer.
    pub async fn withdraw(&self, party: &Party, amount: i64, reference: &str) -> Response {
        let body = json!({ "party": party.id, "reference": reference,
            "money": { "amount": amount, "currency": "EUR" } });
        self.post(&self.marketplace, "/v1/withdrawals", body).await
    }

    /// What a party has available.
    ///
    /// # Panics
    /// It is not said.
    pub async fn balance(&self, party: &Party) -> i64 {
        let answer = self.get(party, "/v1/accounts/me").await;
        let answer: Value = answer.json().await.expect("JSON");
        answer["balances"][0]["available"]
            .as_i64()
            .expect("balance")
    }

    /// Offers a job.
    pub async fn offer(&self, spec: &JobSpec, terms: Value) -> Response {
        let body = json!({ "spec": spec, "terms": terms });
        self.post(&self.tenant, "/v1/jobs", body).await
    }

    /// Offers a job that is taken; its name.
    ///
    /// # Panics
    /// It is not.
    pub async fn job(&self, spec: &JobSpec, terms: Value) -> String {
        let answer = self.offer(spec, terms).await;
        let status = answer.status();
        let answer: Value = answer.json().await.expect("JSON");
        assert_eq!(status, 201, "{answer:#}");
        answer["id"].as_str().expect("id").to_owned()
    }

    /// A job as its tenant sees it.
    ///
    /// # Panics
    /// It does not.
    pub async fn seen(&self, job: &str) -> Value {
        let answer = self.get(&self.tenant, &format!("/v1/jobs/{job}")).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("JSON")
    }

    /// The job once it has this status.
    ///
    /// # Panics
    /// It does not get it for long.
    pub async fn until(&self, job: &str, status: &str) -> Value {
        let mut seen = Value::Null;
        for _ in 0..200 {
            seen = self.seen(job).await;
            if seen["status"] == status {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("expected {status}: {seen:#}");
    }

    /// The tokens of a job's receipts that hold.
    ///
    /// # Panics
    /// They are not said.
    pub async fn receipts(&self, job: &str) -> Vec<String> {
        let answer = self
            .get(&self.tenant, &format!("/v1/jobs/{job}/receipts"))
            .await;
        let answer: Value = answer.json().await.expect("JSON");
        let all = answer["receipts"].as_array().expect("a list").iter();
        let hold = all.filter(|receipt| receipt["revoked_at"].is_null());
        hold.map(|receipt| receipt["receipt"].as_str().expect("token").to_owned())
            .collect()
    }

    /// The verifier's published keys.
    ///
    /// # Panics
    /// There are none.
    pub async fn key_set(&self) -> String {
        let request = self
            .client
            .get(format!("{}/.well-known/jwks.json", self.url()));
        let answer = request.send().await.expect("answer");
        answer.text().await.expect("keys")
    }

    /// A request by a party.
    ///
    /// # Panics
    /// The verifier does not answer.
    pub async fn post(&self, party: &Party, path: &str, body: Value) -> Response {
        let request = self.request(Method::POST, path).bearer_auth(&party.key);
        request.json(&body).send().await.expect("answer")
    }

    /// A question by a party.
    ///
    /// # Panics
    /// The verifier does not answer.
    pub async fn get(&self, party: &Party, path: &str) -> Response {
        let request = self.request(Method::GET, path).bearer_auth(&party.key);
        request.send().await.expect("answer")
    }

    /// Uploads the first version of a policy.
    ///
    /// # Panics
    /// It is not taken.
    pub async fn policy(&self, name: &str, rego: &str) {
        let request = self.operated(Method::PUT, &format!("/v1/policies/{name}"));
        let request = request.header("Content-Type", "text/x-rego");
        let answer = request.body(rego.to_owned()).send().await.expect("answer");
        assert_eq!(answer.status(), 201);
    }

    /// A request of the operator that is yet to be sent.
    pub fn operated(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).bearer_auth(&self.operator)
    }

    /// Has this text decide from now on, under a name of its own.
    ///
    /// # Panics
    /// It does not.
    pub async fn put_in_force(&self, policy: &str, rego: &str) {
        self.policy(policy, rego).await;
        let path = format!("/v1/policies/{policy}/versions/1/activate");
        let activate = self.operated(Method::POST, &path);
        assert_eq!(activate.send().await.expect("answer").status(), 200);
    }

    /// From the next start of the verifier on there is no collateral: no manifest, and no answer about revocation.
    ///
    /// # Panics
    /// It cannot be removed.
    pub fn lose_collateral(&self) {
        let collateral = self.folder.path().join("collateral");
        let anchors = collateral.join("anchors.toml");
        let kept = std::fs::read(&anchors).expect("anchors");
        std::fs::remove_dir_all(&collateral).expect("collateral");
        std::fs::create_dir_all(collateral.join("ocsp")).expect("folder");
        std::fs::write(anchors, kept).expect("anchors");
    }

    /// A request that is yet to be sent.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url()))
    }
}

/// Has the operator of the verifier at `url` make a party of a kind with everything it can be allowed.
///
/// # Panics
/// There is none.
pub async fn party(client: &Client, url: &str, operator: &str, kind: &str) -> Party {
    let made = async |path: &str, body: Value| -> Value {
        let request = client.post(format!("{url}{path}")).bearer_auth(operator);
        let answer = request.json(&body).send().await.expect("answer");
        assert_eq!(answer.status(), 201, "{path}");
        answer.json().await.expect("JSON")
    };
    let party = made("/v1/parties", json!({ "kind": kind, "name": kind })).await;
    let id = party["id"].as_str().expect("id").to_owned();
    let scopes = match kind {
        "tenant" => json!(["jobs:read", "jobs:write", "books:read"]),
        "provider" => json!(["agents:read", "agents:write", "books:read"]),
        _ => json!(["jobs:read", "jobs:write", "books:read", "books:write"]),
    };
    let path = format!("/v1/parties/{id}/keys");
    let key = made(&path, json!({ "scopes": scopes })).await;
    let key = key["key"].as_str().expect("key").to_owned();
    Party { id, key }
}

impl Verifier for Market {
    fn url(&self) -> &str {
        &self.served.as_ref().expect("running").url
    }

    fn now(&self) -> UnixTime {
        verifier_service::Clock::now(&*self.clock)
    }
}

fn device_dir(folder: &Path, place: usize) -> PathBuf {
    folder.join(format!("device-{place}"))
}

/// An empty database on the server that `POGW_TEST_POSTGRES` names, by PostgreSQL's own client; `None` if it names none.
///
/// # Panics
/// The server makes no database.
#[must_use]
pub fn new_database() -> Option<String> {
    let server = std::env::var("POGW_TEST_POSTGRES").ok()?;
    let name = format!(
        "pogw_jobs_{}_{}",
        std::process::id(),
        DATABASES.fetch_add(1, Ordering::Relaxed)
    );
    let create = format!("CREATE DATABASE {name}");
    let made = Command::new("psql")
        .args([&server, "-qc", &create])
        .status();
    assert!(made.expect("psql").success());
    let mut url = reqwest::Url::parse(&server).expect("an address");
    url.set_path(&name);
    Some(url.into())
}

static DATABASES: AtomicU64 = AtomicU64::new(0);

/// Most hosts with a device of their own.
pub const HOSTS: usize = 4;

/// Terms for so many replicas, without an audit.
#[must_use]
pub fn terms(replicas: u32) -> Value {
    json!({
        "replicas": { "count": replicas, "adaptive": false },
        "devices": { "simulated": true },
        "price": { "amount": PRICE, "currency": "EUR" },
        "stake": STAKE,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    })
}

/// The same with an audit.
#[must_use]
pub fn audited(replicas: u32) -> Value {
    let mut terms = terms(replicas);
    terms["audit"] = json!({ "wrong_ppm": 50_000, "log2_miss": -20 });
    terms
}
