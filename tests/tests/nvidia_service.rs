//! The verifier in the place of NVIDIA's attestation service, over real HTTP, with forged evidence. `nvidia_claims` has it
//! with real evidence, `tests/sdk` with NVIDIA's own client.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use evidence::cert::Certificate;
use evidence::{Status, UnixTime};
use receipt::{Expectations, Jwks, Rejected, Validator};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::forge::{self, Forged};
use tests::served::{ISSUER, Requests, Served};
use tests::{nras, served};
use verifier_service::nvidia::token::{self, Expected, KeySet, Verdict};
use verifier_service::{AppraisalSettings, NvidiaSettings};

const JSON: &str = "application/json";

/// What lets software devices pass whose revocation nobody asked about.
const WAIVED: NvidiaSettings = NvidiaSettings {
    simulated_claims: true,
    danger_result_without_revocation: true,
    allow_cert_hold: false,
};

struct Rig {
    served: Served,
    client: Requests,
    _folder: TempDir,
}

impl Rig {
    /// A verifier that knows the manifests of these devices.
    async fn of(devices: &[&Forged], nvidia: NvidiaSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = nras::collateral(folder.path(), devices);
        Self::start(folder, settings, nvidia, forge::AS_OF).await
    }

    async fn start(
        folder: TempDir,
        settings: AppraisalSettings,
        nvidia: NvidiaSettings,
        now: UnixTime,
    ) -> Self {
        let mut config = served::config(folder.path(), settings);
        config.nvidia = nvidia;
        let served = Served::start(config, now).await;
        Self {
            client: served.client(),
            served,
            _folder: folder,
        }
    }

    async fn post(&self, path: &str, request: &Value) -> Response {
        self.client.post(path, JSON, request.to_string()).await
    }

    /// The detached EAT for a request, checked as a stranger would.
    async fn eat(&self, path: &str, request: &Value) -> Verdict {
        let answer = self.post(path, request).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        let nonce = hex::decode(request["nonce"].as_str().unwrap()).unwrap();
        let expected = Expected {
            issuer: ISSUER,
            nonce: &nonce.try_into().unwrap(),
            ueids: None,
            at: self.now(),
        };
        token::validate(&text, &self.keys().await, &expected)
    }

    async fn keys(&self) -> KeySet {
        KeySet::parse(&self.jwks().await).unwrap()
    }

    async fn jwks(&self) -> String {
        let answer = self.client.get("/.well-known/jwks.json").await;
        answer.text().await.unwrap()
    }

    fn now(&self) -> UnixTime {
        use verifier_service::Clock;
        self.served.clock.now()
    }
}

fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict
        .faults
        .iter()
        .map(|fault| fault.code.as_str())
        .collect()
}

/// Status and body of an error, having looked at its form.
async fn error(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status, "{body}");
    assert!(body["code"].is_u64(), "{body}");
    for member in ["httpStatus", "message", "description", "type", "title"] {
        assert!(body[member].is_string(), "{member}: {body}");
    }
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_in_both_versions() {
    let (gpus, switch) = (nras::gpus(1), Forged::switch());
    let rig = Rig::of(&[&gpus[0], &switch], WAIVED).await;
    let switches = [switch];
    for (path, devices, name, default) in [
        ("/v3/attest/gpu", &gpus[..], "GPU-0", "2.0"),
        ("/v4/attest/gpu", &gpus[..], "GPU-0", "3.0"),
        ("/v3/attest/switch", &switches[..], "SWITCH-0", "2.0"),
        ("/v4/attest/switch", &switches[..], "SWITCH-0", "3.0"),
    ] {
        for asked in [None, Some("2.0"), Some("3.0")] {
            let verdict = rig.eat(path, &nras::request(devices, asked)).await;
            assert_eq!(
                verdict.status(),
                Status::Affirmed,
                "{path} {asked:?}: {:?}",
                verdict.faults
            );
            let version = asked.unwrap_or(default);
            assert_eq!(verdict.claims["x-nvidia-ver"], version, "{path}");
            assert_eq!(verdict.claims["sub"], "NVIDIA-PLATFORM-ATTESTATION");
            let lifetime = |name: &str| verdict.claims[name].as_i64().unwrap();
            assert_eq!(lifetime("exp") - lifetime("iat"), 3600);
            assert_eq!(verdict.devices[0].name, name);
            let claims = &verdict.devices[0].claims;
            assert_eq!(claims["measres"], "success", "{claims:#?}");
            let kind = if name == "GPU-0" { "gpu" } else { "switch" };
            let chain = claims.get(&format!("x-nvidia-{kind}-attestation-report-cert-chain"));
            assert_eq!(chain.is_some(), version == "3.0", "{path} {asked:?}");
            let extended = claims.contains_key("x-nvidia-device-type");
            assert_eq!(extended, path.starts_with("/v4") && version == "3.0");
            // Said loudly, in every token.
            for claims in [&verdict.claims, claims] {
                assert_eq!(claims["x-pogw-simulated"], true);
                assert_eq!(claims["x-pogw-revocation"], "not_requested");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_that_the_operator_did_not_waive() {
    let gpus = nras::gpus(1);
    let request = nras::request(&gpus, Some("3.0"));
    for (simulated, without) in [(false, false), (true, false), (false, true)] {
        let settings = NvidiaSettings {
            simulated_claims: simulated,
            danger_result_without_revocation: without,
            allow_cert_hold: false,
        };
        let rig = Rig::of(&[&gpus[0]], settings).await;
        let verdict = rig.eat("/v3/attest/gpu", &request).await;
        assert_eq!(verdict.overall_result, Some(false), "{simulated} {without}");
        let claims = &verdict.devices[0].claims;
        assert_eq!(claims["x-pogw-simulated"], true);
        assert_eq!(claims.contains_key("measres"), simulated, "{claims:#?}");
        let error = claims.get("x-nvidia-error-details");
        assert_eq!(error.is_some(), !simulated, "{claims:#?}");
        // The policy has nothing against it: what is missing is what NVIDIA's service would have checked.
        assert_eq!(verdict.claims["x-pogw-policy"]["granted"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_gpus_in_one_request() {
    let gpus = nras::gpus(8);
    let all: Vec<_> = gpus.iter().collect();
    let rig = Rig::of(&all, WAIVED).await;
    let verdict = rig.eat("/v4/attest/gpu", &nras::request(&gpus, None)).await;
    assert_eq!(verdict.status(), Status::Affirmed, "{:?}", verdict.faults);
    let names: Vec<_> = verdict.devices.iter().map(|d| d.name.as_str()).collect();
    let expected: Vec<_> = (0..8).map(|n| format!("GPU-{n}")).collect();
    assert_eq!(names, expected);
    let ueids: std::collections::BTreeSet<_> = verdict
        .devices
        .iter()
        .map(|d| d.claims["ueid"].to_string())
        .collect();
    assert_eq!(ueids.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_device_fails_the_whole_and_names_itself() {
    let mut gpus = nras::gpus(3);
    gpus[1].report_in_transit(|report| *report.last_mut().unwrap() ^= 1);
    let all: Vec<_> = gpus.iter().collect();
    let rig = Rig::of(&all, WAIVED).await;
    let verdict = rig
        .eat("/v3/attest/gpu", &nras::request(&gpus, Some("3.0")))
        .await;
    assert_eq!(codes(&verdict), ["eat_error_claim", "eat_overall_result"]);
    let error = &verdict.devices[1].claims["x-nvidia-error-details"];
    assert_eq!(error["code"], 4013, "{error}");
    assert_eq!(error["message"], "INVALID_EVIDENCE_SIGNATURE");
    for position in [0, 2] {
        let claims = &verdict.devices[position].claims;
        assert_eq!(claims["measres"], "success");
        assert!(!claims.contains_key("x-nvidia-error-details"));
    }
    let after = &verdict.devices[1].claims;
    assert_eq!(
        after["x-nvidia-gpu-attestation-report-signature-verified"],
        false
    );
    assert_eq!(after["measres"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_nonce_ends_the_claims() {
    let gpus = nras::gpus(1);
    let rig = Rig::of(&[&gpus[0]], WAIVED).await;
    let mut request = nras::request(&gpus, Some("2.0"));
    request["nonce"] = json!("00".repeat(32));
    let verdict = rig.eat("/v3/attest/gpu", &request).await;
    assert_eq!(codes(&verdict), ["eat_error_claim", "eat_overall_result"]);
    let claims = &verdict.devices[0].claims;
    assert_eq!(claims["x-nvidia-error-details"]["code"], 4010);
    assert_eq!(claims["measres"], "fail");
    assert!(!claims.contains_key("secboot"));
    assert_eq!(claims["x-nvidia-gpu-driver-rim-fetched"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_outage_is_not_bad_evidence() {
    let gpus = nras::gpus(1);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = nras::collateral(folder.path(), &[&gpus[0]]);
    settings.rim_dir = None;
    let rig = Rig::start(folder, settings, WAIVED, forge::AS_OF).await;
    let request = nras::request(&gpus, None);
    let answer = rig.post("/v3/attest/gpu", &request).await;
    assert!(answer.headers().contains_key("retry-after"));
    let (status, body) = error(answer).await;
    assert_eq!((status, &body["code"]), (503, &json!(5000)), "{body}");
    assert_eq!(body["httpStatus"], "SERVICE_UNAVAILABLE");

    // What is refuted stays so whatever arrives later, and is said at once.
    let mut wrong = request;
    wrong["nonce"] = json!("00".repeat(32));
    let verdict = rig.eat("/v3/attest/gpu", &wrong).await;
    assert_eq!(verdict.overall_result, Some(false));
}

/// A verifier that keeps answers about revocation in a directory which holds none, under this policy.
async fn without_answers(policy: &str, nvidia: NvidiaSettings, gpu: &Forged) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = nras::collateral(folder.path(), &[gpu]);
    settings.policy = Some(policy.to_owned());
    let empty = folder.path().join("ocsp");
    std::fs::create_dir(&empty).unwrap();
    settings.ocsp.dir = Some(empty);
    Rig::start(folder, settings, nvidia, forge::AS_OF).await
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_revocation_passes_where_policy_and_operator_both_let_it_and_is_marked() {
    let gpus = nras::gpus(1);
    let rig = without_answers("air-gapped", WAIVED, &gpus[0]).await;
    for (path, version) in [
        ("/v3", "2.0"),
        ("/v3", "3.0"),
        ("/v4", "2.0"),
        ("/v4", "3.0"),
    ] {
        let path = format!("{path}/attest/gpu");
        let request = nras::request(&gpus, Some(version));
        let verdict = rig.eat(&path, &request).await;
        assert_eq!(verdict.status(), Status::Affirmed, "{:?}", verdict.faults);
        let claims = &verdict.devices[0].claims;
        for claims in [&verdict.claims, claims] {
            assert_eq!(claims["x-pogw-revocation"], "unverifiable");
        }
        let chain = "x-nvidia-gpu-attestation-report-cert-chain";
        if version == "2.0" {
            assert_eq!(claims[&format!("{chain}-validated")], true);
            assert_eq!(claims["x-nvidia-gpu-driver-rim-cert-validated"], true);
        } else {
            assert_eq!(claims[chain]["x-nvidia-cert-ocsp-status"], Value::Null);
        }
        // What is refuted is refuted all the same.
        let mut wrong = request;
        wrong["nonce"] = json!("00".repeat(32));
        assert_eq!(rig.eat(&path, &wrong).await.overall_result, Some(false));
    }
    let unwaived = NvidiaSettings {
        danger_result_without_revocation: false,
        ..WAIVED
    };
    for (policy, nvidia) in [("air-gapped", unwaived), ("strict", WAIVED)] {
        let rig = without_answers(policy, nvidia, &gpus[0]).await;
        let answer = rig
            .post("/v3/attest/gpu", &nras::request(&gpus, None))
            .await;
        let (status, body) = error(answer).await;
        assert_eq!((status, &body["code"]), (503, &json!(5000)), "{policy}");
        assert_eq!(body["detail"], "not at hand for: revocation", "{policy}");
    }
    // A manifest that is not at hand is nobody's to waive.
    let folder = tempfile::tempdir().unwrap();
    let mut settings = nras::collateral(folder.path(), &[&gpus[0]]);
    settings.policy = Some("air-gapped".to_owned());
    settings.ocsp.dir = Some(folder.path().to_owned());
    settings.rim_dir = None;
    let rig = Rig::start(folder, settings, WAIVED, forge::AS_OF).await;
    let answer = rig
        .post("/v3/attest/gpu", &nras::request(&gpus, None))
        .await;
    let (status, _) = error(answer).await;
    assert_eq!(status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests() {
    let (gpus, switch) = (nras::gpus(1), Forged::switch());
    let rig = Rig::of(&[&gpus[0], &switch], WAIVED).await;
    let good = nras::request(&gpus, None);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let device = good["evidence_list"][0].clone();
    let of_switch = nras::evidence(&switch);
    let table = [
        ("not an object", json!([]), 4000),
        ("a bare list", json!([device]), 4000),
        (
            "no nonce",
            with(&|r| _ = r.as_object_mut().unwrap().remove("nonce")),
            4003,
        ),
        ("short nonce", with(&|r| r["nonce"] = json!("00")), 4003),
        (
            "nonce of other digits",
            with(&|r| r["nonce"] = json!("zz".repeat(32))),
            4003,
        ),
        (
            "no arch",
            with(&|r| _ = r.as_object_mut().unwrap().remove("arch")),
            4000,
        ),
        ("unknown arch", with(&|r| r["arch"] = json!("AMPERE")), 4000),
        (
            "unknown claims",
            with(&|r| r["claims_version"] = json!("9.0")),
            4000,
        ),
        ("no device", with(&|r| r["evidence_list"] = json!([])), 4000),
        (
            "a device twice",
            with(&|r| r["evidence_list"] = json!([device, device])),
            4000,
        ),
        (
            "arch of a switch",
            with(&|r| r["arch"] = json!("LS10")),
            4000,
        ),
        (
            "a switch that says it is a GPU",
            with(&|r| {
                r["evidence_list"] = json!([{
                    "evidence": of_switch["evidence"], "certificate": of_switch["certificate"],
                }]);
            }),
            4000,
        ),
    ];
    for (what, request, code) in table {
        let answer = rig.post("/v3/attest/gpu", &request).await;
        let (status, body) = error(answer).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!(code)),
            "{what}: {body}"
        );
        assert_eq!(body["httpStatus"], "BAD_REQUEST", "{what}");
    }
    let (status, _) = error(rig.client.post("/v3/attest/gpu", "text/plain", "{}").await).await;
    assert_eq!(status, 415);
    let (status, body) = error(rig.client.post("/v3/attest/gpu", JSON, "{").await).await;
    assert_eq!((status, &body["message"]), (400, &json!("JSON_MALFORMED")));
    let (status, _) = error(rig.post("/v4/attest/switch", &good).await).await;
    assert_eq!(status, 400);

    // Members nobody knows are ignored, as NVIDIA's service does.
    let more = with(&|r| r["client"] = json!("x"));
    assert_eq!(
        rig.eat("/v3/attest/gpu", &more).await.status(),
        Status::Affirmed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_set_serves_both_readers_and_keeps_them_apart() {
    let gpus = nras::gpus(1);
    let rig = Rig::of(&[&gpus[0]], WAIVED).await;
    let text = rig.jwks().await;
    let set: Value = serde_json::from_str(&text).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let certified: Vec<_> = keys.iter().filter(|key| key.get("x5c").is_some()).collect();
    let [key] = certified.as_slice() else {
        panic!("{set:#}");
    };
    let der = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
    let certificate = Certificate::from_der(&der).unwrap();
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    assert_eq!(certificate.p384_point(), Some(point.as_slice()));
    assert!(certificate.validity().not_after > rig.now());

    // A reader of receipts passes it over, and what it signs is no receipt.
    let receipts = Jwks::parse(&text).unwrap();
    assert_eq!((receipts.keys().len(), receipts.skipped().len()), (1, 1));
    let answer = rig
        .post("/v3/attest/gpu", &nras::request(&gpus, None))
        .await;
    let eat: Value = answer.json().await.unwrap();
    let overall = eat[0][1].as_str().unwrap();
    let expected = Expectations::new(ISSUER, served::AUDIENCE)
        .unwrap()
        .danger_accept_a0();
    let now = receipt::UnixTime::from_secs(rig.now().secs().unsigned_abs());
    let validator = Validator::new(receipts, expected);
    let rejected = validator.validate(overall, now).unwrap_err();
    assert_eq!(
        rejected.code(),
        Rejected::HeaderMemberMissing { name: "typ" }.code()
    );
    // Nor with a receipt's header: the key is unknown to whoever validates receipts.
    let [_, payload, signature] = overall.split('.').collect::<Vec<_>>()[..] else {
        panic!("{overall}");
    };
    let header = json!({ "typ": "eat+jwt", "alg": "ES384", "kid": key["kid"] });
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let dressed = format!("{header}.{payload}.{signature}");
    let rejected = validator.validate(&dressed, now).unwrap_err();
    assert!(
        rejected.code().contains("kid") || rejected.code().contains("key"),
        "{rejected}"
    );
}
