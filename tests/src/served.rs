//! A verifier behind real HTTP, and a client that speaks to it without the agent's help, so that tests can say what
//! no agent would.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use evidence::UnixTime;
use evidence::work::{Base64Url, JobSpec};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use verifier_service::{AppraisalSettings, Config, ManualClock, Service};

use crate::scene::Scene;

/// Media type of bundles.
pub const BUNDLE: &str = "application/vnd.pogw.bundle+json";
/// Whom receipts are for.
pub const AUDIENCE: &str = "https://market.example";
/// Who issues them.
pub const ISSUER: &str = "https://verifier.example";

/// The settings of a verifier for tests, with its state in a folder of its own below `folder`.
#[must_use]
pub fn config(folder: &Path, appraisal: AppraisalSettings) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        state_dir: folder.join("state"),
        issuer: ISSUER.to_owned(),
        audience: vec![AUDIENCE.to_owned()],
        appraisal,
        ..Config::default()
    }
}

/// A running verifier. Stops when dropped; [`stop`](Self::stop) waits for it.
pub struct Served {
    /// Where it listens.
    pub url: String,
    /// What time it thinks it is.
    pub clock: Arc<ManualClock>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Served {
    /// Starts a verifier on a port of its own.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(config: Config, now: UnixTime) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let listener = TcpListener::bind(config.listen).await.expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let service = Service::open(config, clock.clone()).await.expect("service");
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async move { drop(stopped.await) };
            service.serve(listener, shutdown).await.expect("service");
        });
        let served = Self {
            url,
            clock,
            stop: Some(stop),
            task,
        };
        // The clock is held until it is there: before it answers it looks from when to when nobody was.
        let (path, client) = (format!("{}/healthz", served.url), Client::builder());
        let client = client.no_proxy().build().expect("client");
        client.get(path).send().await.expect("answer");
        served
    }

    /// Stops in an orderly way and waits for the end.
    ///
    /// # Panics
    /// The service failed.
    pub async fn stop(mut self) {
        self.stop.take();
        self.task.await.expect("service");
    }

    /// A client for this verifier.
    #[must_use]
    pub fn client(&self) -> Requests {
        Requests::new(&self.url)
    }
}

/// A challenge as the verifier gave it.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Name.
    pub id: String,
    /// Value.
    pub value: [u8; 32],
}

/// Requests to one verifier.
#[derive(Clone, Debug)]
pub struct Requests {
    client: Client,
    url: String,
}

impl Requests {
    /// Requests to the verifier at `url`.
    ///
    /// # Panics
    /// There is no TLS library, which there is.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let client = Client::builder().no_proxy().build().expect("client");
        Self {
            client,
            url: url.to_owned(),
        }
    }

    /// Asks for a challenge for a job of the scene's agent.
    ///
    /// # Panics
    /// None was given.
    pub async fn challenge(&self, scene: &Scene, job: &JobSpec) -> Challenge {
        let body = json!({ "job": job.digest().expect("digest"), "agent_key": scene.agent_key() });
        let answer = self
            .post("/v1/challenges", "application/json", body.to_string())
            .await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert!(answer.headers().contains_key("location"));
        let answer: Value = answer.json().await.expect("JSON");
        let value = answer["challenge"].as_str().and_then(Base64Url::parse);
        Challenge {
            id: answer["id"].as_str().expect("id").to_owned(),
            value: value.expect("challenge").0,
        }
    }

    /// Hands in a bundle.
    pub async fn submit(&self, bundle: impl Into<reqwest::Body>) -> Response {
        self.post("/v1/receipts", BUNDLE, bundle).await
    }

    /// Posts a body.
    ///
    /// # Panics
    /// The verifier does not answer.
    pub async fn post(
        &self,
        path: &str,
        media_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("content-type", media_type).body(body);
        request.send().await.expect("answer")
    }

    /// Gets a path.
    ///
    /// # Panics
    /// The verifier does not answer.
    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url));
        request.send().await.expect("answer")
    }
}

/// Status and `code` of a problem, having looked at its form.
///
/// # Panics
/// The answer is not a problem as RFC 9457 has it.
pub async fn problem(answer: Response) -> (u16, String, Value) {
    let status = answer.status().as_u16();
    let media_type = answer.headers().get("content-type").cloned();
    let media_type = media_type.as_ref().and_then(|value| value.to_str().ok());
    let text = answer.text().await.expect("body");
    assert_eq!(
        media_type,
        Some("application/problem+json"),
        "{status} {text}"
    );
    let body: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(body["status"], status, "{body}");
    let code = body["code"].as_str().expect("code").to_owned();
    assert_eq!(body["type"], format!("urn:pogw:problem:{code}"), "{body}");
    assert!(body["title"].is_string(), "{body}");
    (status, code, body)
}
