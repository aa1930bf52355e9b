//! A simulation of a policy over stored evidence asks nobody: RIM service and responder count what they are asked.

use std::time::Duration;

use evidence::work::JobSpec;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::scene::{AS_OF, Scene, gemm};
use tests::served::{Requests, Served, config};
use tests::upstream::{CERTIFICATES, MANIFESTS, Upstream};
use verifier_service::Config;

/// A policy that wants these checks affirmed of every device, and answers about revocation come by in this way.
fn wanting(checks: &str, revocation: &str) -> String {
    format!(
        "package pogw\nimport rego.v1\nrevocation := {revocation}\n\
         deny contains {{\"code\": id, \"message\": check.status}} if {{\n\
         some id, check in input.devices[_].checks\nid in {{{checks}}}\n\
         check.status != \"affirmed\"\n}}\n"
    )
}

const MANIFEST_AND_REVOCATION: &str = r#""driver_rim", "revocation""#;
const BOTH_MANIFESTS: &str = r#""driver_rim", "vbios_rim""#;

const CACHED: &str = r#"{"mode": "cached", "max_age_s": 3600}"#;
const REQUIRED: &str = r#"{"mode": "required"}"#;
const OFF: &str = r#"{"mode": "off"}"#;

struct World {
    scene: Scene,
    upstream: Upstream,
    served: Served,
    client: Requests,
    state: TempDir,
}

impl World {
    async fn new() -> Self {
        let scene = Scene::new();
        let upstream = Upstream::start(&scene, AS_OF).await;
        Self::with(scene, upstream, tempfile::tempdir().unwrap()).await
    }

    async fn with(scene: Scene, upstream: Upstream, state: TempDir) -> Self {
        let appraisal = upstream.settings(&scene);
        let config = Config {
            challenge_lifetime_s: 3600,
            ..config(state.path(), appraisal)
        };
        let served = Served::start(config, upstream_time(&upstream)).await;
        Self {
            client: served.client(),
            scene,
            upstream,
            served,
            state,
        }
    }

    /// The same verifier with nothing fetched.
    async fn forgetful(self) -> Self {
        self.served.stop().await;
        let fetched = self.state.path().join("state/collateral");
        std::fs::remove_dir_all(fetched).unwrap();
        Self::with(self.scene, self.upstream, self.state).await
    }

    async fn submit(&self) {
        let job: JobSpec = gemm(16, r#"["freivalds"]"#);
        let challenge = self.client.challenge(&self.scene, &job).await;
        let bundle = self.scene.unsigned(job, challenge.value);
        let answer = self.client.submit(self.scene.sign(bundle).1).await;
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
    }

    async fn operate(&self, method: Method, path: &str, media_type: &str, body: String) -> Value {
        let token = std::fs::read_to_string(self.state.path().join("state/operator-token"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/v1/policies/{path}", self.served.url);
        let request = client.request(method, url).body(body);
        let request = request.bearer_auth(token.unwrap().trim_end());
        let answer = request.header("content-type", media_type).send().await;
        let answer = answer.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap()
    }

    async fn upload(&self, name: &str, text: String) {
        self.operate(Method::PUT, name, "text/x-rego", text).await;
    }

    /// What a policy would have said to the last receipt.
    async fn simulate(&self, name: &str) -> Vec<String> {
        self.simulate_before(name, 0).await
    }

    /// The same of one that so many came after.
    async fn simulate_before(&self, name: &str, later: usize) -> Vec<String> {
        let path = format!("{name}/versions/1/simulate");
        let body = json!({ "receipts": "recent", "limit": later + 1 }).to_string();
        let json = "application/json";
        let answer = self.operate(Method::POST, &path, json, body).await;
        let receipts = answer["receipts"].as_array().unwrap();
        assert_eq!(receipts.len(), later + 1, "{answer:#}");
        let deny = receipts[later]["deny"].as_array().unwrap().iter();
        let mut codes: Vec<_> = deny
            .map(|d| d["code"].as_str().unwrap().to_owned())
            .collect();
        codes.sort();
        codes
    }

    fn advance_s(&self, seconds: i64) {
        self.served.clock.advance_s(seconds);
        self.upstream.clock().advance_s(seconds);
    }

    fn asked(&self) -> usize {
        self.upstream.asked().len()
    }

    /// Also not in the background, a moment later.
    async fn nobody_was_asked_beyond(&self, times: usize) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(self.asked(), times, "{:?}", self.upstream.asked());
    }
}

fn upstream_time(upstream: &Upstream) -> evidence::UnixTime {
    use verifier_service::Clock;
    upstream.clock().now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulation_asks_neither_rim_service_nor_responder() {
    let world = World::new().await;
    for (name, revocation) in [("cached", CACHED), ("required", REQUIRED)] {
        let text = wanting(MANIFEST_AND_REVOCATION, revocation);
        world.upload(name, text).await;
    }
    let [cached, required] = ["cached", "required"];
    let all = MANIFESTS + CERTIFICATES;

    // The answers are 40 minutes old at the second receipt: over half of what this policy takes, so that an appraisal of
    // today would have them renewed.
    world.submit().await;
    assert_eq!(world.asked(), all);
    world.advance_s(40 * 60);
    world.submit().await;
    assert_eq!(world.asked(), all);
    assert!(world.simulate(cached).await.is_empty());
    assert!(world.simulate(required).await.is_empty());
    world.nobody_was_asked_beyond(all).await;

    // With nothing fetched, everything is missing, and still nobody is asked.
    let world = world.forgetful().await;
    for policy in [cached, required] {
        assert_eq!(world.simulate(policy).await, ["driver_rim", "revocation"]);
    }
    world.nobody_was_asked_beyond(all).await;

    // An appraisal of today asks for all of it.
    world.submit().await;
    assert_eq!(world.asked(), 2 * all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_renewed_since_a_receipt_changes_no_verdict_on_its_manifests() {
    let world = World::new().await;
    let of_manifests = wanting(BOTH_MANIFESTS, OFF);
    world.upload("of-manifests", of_manifests).await;
    let required = wanting(MANIFEST_AND_REVOCATION, REQUIRED);
    world.upload("required", required).await;
    world.submit().await;
    assert!(world.simulate("of-manifests").await.is_empty());
    assert!(world.simulate("required").await.is_empty());

    // Half of their time is over: the next appraisal has everything renewed.
    world.advance_s(13 * 3600);
    world.submit().await;
    world
        .nobody_was_asked_beyond(2 * (MANIFESTS + CERTIFICATES))
        .await;
    assert!(world.simulate_before("of-manifests", 1).await.is_empty());
    // The answers are of today now.
    assert_eq!(world.simulate_before("required", 1).await, ["revocation"]);
}
