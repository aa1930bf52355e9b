//! A certificate on hold, asked about by NVIDIA's clients: header, operator and policy must all allow it, and then only in
//! the chain of a manifest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evidence::UnixTime;
use reqwest::Client;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tests::scene::{AS_OF, Scene};
use tests::served::{ISSUER, Served, config};
use tests::upstream::Upstream;
use verifier_service::nvidia::token::{self, Expected, KeySet, Verdict};
use verifier_service::{AppraisalSettings, NvidiaSettings, OcspSettings};

const HEADER: &str = "x-nvidia-ocsp-allow-cert-hold";
const NONCE: [u8; 32] = [7; 32];

/// Positions as the services count: three of the device's chain, then those of the manifests'.
const DEVICE_CERTIFICATE: usize = 0;
const MANIFEST_SIGNER: usize = 3;

/// A host whose manifests' signer, or device, is on hold.
struct Held {
    scene: Scene,
    upstream: Upstream,
}

impl Held {
    async fn at(certificate: usize) -> Self {
        let scene = Scene::new();
        let upstream = Upstream::start(&scene, AS_OF).await;
        upstream.hold(certificate);
        Self { scene, upstream }
    }

    async fn verifier(&self, operator_allows: bool, policy_allows: bool) -> Asked<'_> {
        let folder = tempfile::tempdir().unwrap();
        let policy_file = folder.path().join("policy.rego");
        std::fs::write(&policy_file, policy(policy_allows)).unwrap();
        let appraisal = AppraisalSettings {
            policy_file: Some(policy_file),
            ocsp: OcspSettings {
                url: Some(self.upstream.ocsp_url()),
                ..OcspSettings::default()
            },
            ..self.scene.settings()
        };
        let mut config = config(folder.path(), appraisal);
        config.nvidia = NvidiaSettings {
            simulated_claims: true,
            danger_result_without_revocation: false,
            allow_cert_hold: operator_allows,
        };
        Asked {
            scene: &self.scene,
            served: Served::start(config, AS_OF).await,
            _folder: folder,
        }
    }
}

fn policy(allows: bool) -> String {
    let terms = format!(r#"{{"mode": "cached", "max_age_s": 86400, "allow_hold": {allows}}}"#);
    format!(
        "package pogw\nimport rego.v1\nrevocation := {terms}\n\
         deny contains {{\"code\": \"revocation\", \"message\": check.status}} if {{\n\
         check := input.devices[_].checks.revocation\ncheck.status != \"affirmed\"\n}}\n"
    )
}

struct Asked<'a> {
    scene: &'a Scene,
    served: Served,
    _folder: TempDir,
}

impl Asked<'_> {
    async fn post(&self, path: &str, header: Option<&str>, body: &Value) -> String {
        let client = Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(format!("{}{path}", self.served.url));
        if let Some(value) = header {
            request = request.header(HEADER, value);
        }
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// What NVIDIA's client is told.
    async fn eat(&self, header: Option<&str>) -> Verdict {
        let device = &self.scene.attest(&NONCE)[0];
        let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
        let list = json!([{ "evidence": encoded(&device.report.0), "certificate": encoded(&device.chain.0) }]);
        let request = json!({
            "nonce": hex::encode(NONCE), "arch": "HOPPER", "claims_version": "3.0", "evidence_list": list,
        });
        let text = self.post("/v4/attest/gpu", header, &request).await;
        let keys = self.served.client().get("/.well-known/jwks.json").await;
        let expected = Expected {
            issuer: ISSUER,
            nonce: &NONCE,
            ueids: None,
            at: self.now(),
        };
        let keys = KeySet::parse(&keys.text().await.unwrap()).unwrap();
        token::validate(&text, &keys, &expected)
    }

    /// What our own form is told, which has no header.
    async fn verified(&self) -> Value {
        let device = &self.scene.attest(&NONCE)[0];
        let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
        let devices =
            json!([{ "report": encoded(&device.report.0), "chain": encoded(&device.chain.0) }]);
        let request = json!({ "nonce": hex::encode(NONCE), "devices": devices });
        let text = self.post("/v1/verify", None, &request).await;
        serde_json::from_str(&text).unwrap()
    }

    fn now(&self) -> UnixTime {
        use verifier_service::Clock;
        self.served.clock.now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_operator_and_policy_must_all_allow_it() {
    let held = Held::at(MANIFEST_SIGNER).await;
    for policy_allows in [false, true] {
        for operator_allows in [false, true] {
            let verifier = held.verifier(operator_allows, policy_allows).await;
            for header in [None, Some("false"), Some("1"), Some("true"), Some("TRUE")] {
                let case =
                    format!("policy {policy_allows}, operator {operator_allows}, {header:?}");
                let asks = header.is_some_and(|value| value.eq_ignore_ascii_case("true"));
                let tolerated = policy_allows && operator_allows && asks;
                let verdict = verifier.eat(header).await;
                assert_eq!(verdict.overall_result, Some(tolerated), "{case}");
                let granted = &verdict.claims["x-pogw-policy"]["granted"];
                assert_eq!(*granted, tolerated, "{case}");
                is_said_to_be_on_hold(&verdict.devices[0].claims, tolerated, &case);
            }
        }
    }
}

/// The hold is told either way, as NVIDIA's words have it; a pass in spite of it says so.
fn is_said_to_be_on_hold(claims: &Map<String, Value>, tolerated: bool, case: &str) {
    let chain = &claims["x-nvidia-gpu-driver-rim-cert-chain"];
    assert_eq!(chain["x-nvidia-cert-ocsp-status"], "revoked", "{case}");
    let why = "x-nvidia-cert-revocation-reason";
    assert_eq!(chain[why], "certificateHold", "{case}");
    let warning = &claims["x-nvidia-attestation-warning"];
    assert_eq!(warning.is_string(), tolerated, "{case}: {warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_on_hold_passes_under_nothing() {
    let held = Held::at(DEVICE_CERTIFICATE).await;
    let verifier = held.verifier(true, true).await;
    let verdict = verifier.eat(Some("true")).await;
    assert_eq!(verdict.overall_result, Some(false));
    let claims = &verdict.devices[0].claims;
    assert_eq!(claims["x-nvidia-attestation-warning"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_our_own_forms_the_policy_alone_decides() {
    let held = Held::at(MANIFEST_SIGNER).await;
    for operator_allows in [false, true] {
        for policy_allows in [false, true] {
            let verifier = held.verifier(operator_allows, policy_allows).await;
            let found = verifier.verified().await;
            assert_eq!(found["policy"]["granted"], policy_allows, "{found:#}");
        }
    }
}
