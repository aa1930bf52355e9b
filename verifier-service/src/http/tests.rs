//! The interface over a real store, with verdicts that the test chooses. `tests` (the workspace member) tests it over
//! real evidence.

mod agents;
mod attended;
mod audit;
mod collateral;
mod console;
mod devices;
mod examples;
mod fairness;
mod logs;
mod memory;
mod parties;
mod policies;
mod promised;
mod racing_store;
mod requests;
mod result_checks;
mod served;
mod statements;
mod submissions;
mod webhooks;
mod wire;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use evidence::UnixTime;
use evidence::cert::TrustAnchors;
use evidence::work::{Base64Url, Hex};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::agents::Agents;
use crate::clock::ManualClock;
use crate::config::AppraisalSettings;
use crate::fixture::{AGENT_KEY, JOB, MadeToOrder, bundle_json};
use crate::hub::Hub;
use crate::judge::{Judge, Proceedings};
use crate::parties::{Credentials, oidc};
use crate::store::SqlStore;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const BODY_LIMIT: usize = 64 * 1024;

/// A service in a folder of its own.
struct Rig {
    router: Router,
    clock: Arc<ManualClock>,
    judge: MadeToOrder,
    agents: Agents,
    clerk: Clerk,
    hub: Hub,
    folder: TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder).await
    }

    async fn in_folder(folder: TempDir) -> Self {
        Self::with_store(folder, |store| Arc::new(store)).await
    }

    async fn with_store(folder: TempDir, wrap: impl FnOnce(SqlStore) -> Arc<dyn Store>) -> Self {
        let config = config(folder.path());
        Self::with_config(folder, config, wrap).await
    }

    async fn with_config(
        folder: TempDir,
        config: Config,
        wrap: impl FnOnce(SqlStore) -> Arc<dyn Store>,
    ) -> Self {
        Self::with(folder, config, TrustAnchors::default(), wrap).await
    }

    /// A service with these sources of collateral.
    async fn with_collateral(appraisal: AppraisalSettings, anchors: TrustAnchors) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            appraisal,
            ..config(folder.path())
        };
        Self::with(folder, config, anchors, |store| Arc::new(store)).await
    }

    async fn with(
        folder: TempDir,
        config: Config,
        anchors: TrustAnchors,
        wrap: impl FnOnce(SqlStore) -> Arc<dyn Store>,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let collateral = Collateral::open(
            &config.appraisal,
            anchors,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Some(folder.path()),
        );
        let judge = MadeToOrder::default();
        let database = folder.path().join("verifier.sqlite");
        let store = SqlStore::sqlite_with(&database, Duration::from_millis(100))
            .await
            .unwrap();
        let pinned = config.appraisal.policy_pinned;
        let configured = crate::policies::configured(&config.appraisal).unwrap();
        let book = Book::open(
            Arc::new(store.clone()),
            crate::policies::InForce::new(configured),
            pinned,
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        let shared = Arc::new(store.clone());
        let on_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
        let issuer = oidc::Issuer::open(&config.oidc, on_clock()).unwrap();
        let credentials = Credentials::new(Arc::clone(&shared) as _, issuer, on_clock());
        let book = book.await.unwrap();
        let proceedings = Proceedings::new(Arc::new(judge.clone()) as Arc<dyn Judge>, &config);
        let hub = Hub::start(Arc::clone(&shared) as _);
        let clerk = Clerk::new(crate::clerk::Parts {
            store: store.clone(),
            proceedings: proceedings.of_jobs(&config),
            book: book.clone(),
            hub: hub.clone(),
            clock: on_clock(),
            wall: Arc::new(crate::clock::SystemClock),
            audience: config.audience.clone(),
            body_limit: config.body_limit_bytes,
            most_open_jobs: config.max_open_jobs_per_tenant.get(),
            opening_retention_s: config.opening_retention_s,
        });
        let of_keys = Config {
            state_dir: folder.path().to_owned(),
            ..config.clone()
        };
        let keys = Keys::open(&of_keys, Arc::clone(&shared) as _, on_clock()).await;
        let recording = Arc::clone(&shared) as Arc<dyn crate::store::audit::AuditStore>;
        let agents = Agents::new(shared, Arc::new(clerk.clone()), on_clock());
        let token = folder.path().join("operator-token");
        let nvidia = Issuer::new(
            crate::keys::nvidia(folder.path()).unwrap(),
            &config.issuer,
            config.nvidia.clone(),
            NOW,
        );
        let app = App::new(Parts {
            config: Arc::new(config),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            store: wrap(store),
            proceedings,
            clerk: clerk.clone(),
            collateral: Arc::new(collateral.unwrap()),
            keys: keys.unwrap(),
            vault: Arc::new(crate::keys::webhook_vault(folder.path()).unwrap()),
            book,
            operator: OperatorToken::open(&token, None).unwrap(),
            credentials,
            agents: agents.clone(),
            audit: Recorder::new(recording, Arc::clone(&clock) as Arc<dyn Clock>),
            hub: hub.clone(),
            nvidia: nvidia.unwrap(),
        });
        Self {
            router: promised::held(router(app)),
            clock,
            judge,
            agents,
            clerk,
            hub,
            folder,
        }
    }

    /// The same state in a new service; the old one is dropped without being closed.
    async fn restart(self) -> Self {
        let (now, folder) = (self.clock.now(), self.folder);
        drop(self.router);
        let rig = Self::in_folder(folder).await;
        rig.clock.set(now);
        rig
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answered {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn post(&self, path: &str, media_type: &str, body: impl Into<Body>) -> Answered {
        let request = Request::post(path).header("content-type", media_type);
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn submit(&self, bundle: &Value) -> Answered {
        self.post("/v1/receipts", media_type::BUNDLE, bundle.to_string())
            .await
    }

    /// A new challenge for the fixture's job and agent.
    async fn challenge(&self) -> [u8; 32] {
        let issued = self
            .post(
                "/v1/challenges",
                media_type::JSON,
                new_challenge().to_string(),
            )
            .await;
        issued.is(201, "");
        challenge_in(&issued)
    }
}

impl Answered {
    /// Sees that the answer has this status and, where it is a problem, this code and the form of one.
    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.headers.contains_key("x-request-id"));
        if status < 400 {
            return;
        }
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{}",
            self.body
        );
        let value = self.json();
        assert_eq!(value["code"], code, "{value}");
        assert_eq!(value["status"], status, "{value}");
        assert_eq!(value["type"], format!("urn:pogw:problem:{code}"), "{value}");
        assert!(!value["title"].as_str().unwrap().is_empty(), "{value}");
        assert_eq!(value["trace_id"], self.header("x-trace-id"), "{value}");
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

fn config(state_dir: &Path) -> Config {
    Config {
        state_dir: state_dir.to_owned(),
        issuer: "https://verifier.example".into(),
        audience: vec!["https://market.example".into(), "tenant".into()],
        body_limit_bytes: BODY_LIMIT,
        body_budget_bytes: 4 * BODY_LIMIT,
        body_timeout_s: 1,
        request_timeout_s: 5,
        max_open_challenges: NonZeroU32::new(4).unwrap(),
        max_open_challenges_per_agent: NonZeroU32::new(3).unwrap(),
        max_concurrent_result_checks: Some(NonZeroUsize::MIN),
        ..Config::default()
    }
}

fn new_challenge() -> Value {
    json!({ "job": Hex(JOB), "agent_key": Base64Url(AGENT_KEY) })
}

fn challenge_in(answered: &Answered) -> [u8; 32] {
    let value = answered.json();
    Base64Url::parse(value["challenge"].as_str().unwrap())
        .unwrap()
        .0
}
