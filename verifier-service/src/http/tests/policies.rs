//! Policies over HTTP: versions, who may change them, what they would have decided.

use super::logs::logged;
use super::*;

/// Denies bundles labelled `two`, and nothing else.
const NOT_TWO: &str = "package pogw\nimport rego.v1\n\
    deny contains {\"code\": \"two\", \"message\": \"labelled two\"} if input.label == \"two\"\n\
    revocation := {\"mode\": \"off\"}\n";
const GRANTS: &str = "package pogw\nimport rego.v1\ndeny contains {\"code\": \"no\", \"message\": \"no\"} if false\n";

impl Rig {
    fn token(&self) -> String {
        let path = self.folder.path().join("operator-token");
        let token = std::fs::read_to_string(path).unwrap();
        format!("Bearer {}", token.trim_end())
    }

    /// A request with the operator token.
    async fn operate(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        body: impl Into<Body>,
    ) -> Answered {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header("authorization", self.token())
            .header("content-type", media_type);
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn upload(&self, id: &str, text: impl Into<Body>) -> Answered {
        let path = format!("/v1/policies/{id}");
        self.operate("PUT", &path, "text/x-rego", text).await
    }

    async fn activate(&self, version: &str) -> Answered {
        let path = format!("/v1/policies/{version}/activate");
        self.operate("POST", &path, "", "").await
    }

    async fn simulate(&self, version: &str, body: Value) -> Answered {
        let path = format!("/v1/policies/{version}/simulate");
        self.operate("POST", &path, media_type::JSON, body.to_string())
            .await
    }

    async fn text(&self, path: &str) -> Answered {
        let request = Request::get(path).header("accept", "text/x-rego");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn active(&self) -> Value {
        self.get("/v1/policies").await.json()["active"].clone()
    }

    /// A receipt for a bundle with this label; its name.
    async fn receipt(&self, label: &str) -> String {
        let issued = self
            .submit(&bundle_json(self.challenge().await, label))
            .await;
        issued.is(201, "");
        let location = issued.header("location").to_owned();
        location.rsplit('/').next().unwrap().to_owned()
    }
}

fn digest(text: &str) -> String {
    Hex(evidence::crypto::sha256(text.as_bytes())).to_string()
}

fn pinned(folder: &Path) -> Config {
    let mut config = config(folder);
    config.appraisal.policy_pinned = true;
    config
}

#[tokio::test]
async fn versions_are_numbered_and_stay() {
    let rig = Rig::new().await;
    let first = rig.upload("site", NOT_TWO).await;
    first.is(201, "");
    assert_eq!(first.header("location"), "/v1/policies/site/versions/1");
    let expected = json!({
        "id": "site",
        "version": 1,
        "sha256": digest(NOT_TWO),
        "added_at": "2027-01-15T08:00:00Z",
        "active": false,
        "compiled": {
            "kind": "pogw",
            "revocation": { "mode": "off", "allow_hold": false },
        },
    });
    assert_eq!(first.json(), expected);

    let same = rig.upload("site", NOT_TWO).await;
    same.is(200, "");
    assert_eq!(same.json(), expected);
    let second = rig.operate(
        "PUT",
        "/v1/policies/site",
        "application/octet-stream",
        GRANTS,
    );
    assert_eq!(second.await.json()["version"], 2);
    // The same text as an older version is a new one: it comes after another.
    assert_eq!(rig.upload("site", NOT_TWO).await.json()["version"], 3);

    let rig = rig.restart().await;
    let versions = rig.get("/v1/policies/site").await;
    versions.is(200, "");
    let versions = versions.json()["versions"].clone();
    let digests: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["sha256"].clone())
        .collect();
    assert_eq!(digests, [digest(NOT_TWO), digest(GRANTS), digest(NOT_TWO)]);

    let text = rig.text("/v1/policies/site/versions/2").await;
    text.is(200, "");
    assert_eq!(text.body, GRANTS);
    assert_eq!(text.header("content-type"), "text/x-rego; charset=utf-8");
    assert!(text.header("cache-control").contains("immutable"));
    assert_eq!(text.header("vary"), "accept");
    let meta = rig.get("/v1/policies/site/versions/2").await;
    assert_eq!(meta.json()["sha256"], digest(GRANTS));
    let request = Request::get("/v1/policies/site/versions/2").header("accept", "image/png");
    let refused = rig.send(request.body(Body::empty()).unwrap()).await;
    refused.is(406, "not_acceptable");
}

#[tokio::test]
async fn every_text_is_found_by_digest() {
    let rig = Rig::new().await;
    rig.upload("site", NOT_TWO).await.is(201, "");
    let built_in = crate::policies::BUILT_IN;
    for text in built_in.map(|(_, text)| text).into_iter().chain([NOT_TWO]) {
        let path = format!("/v1/policies/by-sha256/{}", digest(text));
        assert_eq!(rig.text(&path).await.body, text);
        assert_eq!(rig.get(&path).await.json()["sha256"], digest(text));
    }
    for unknown in [digest("other"), digest(NOT_TWO).to_uppercase(), "x".into()] {
        let path = format!("/v1/policies/by-sha256/{unknown}");
        rig.get(&path).await.is(404, "policy_not_found");
    }
}

#[tokio::test]
async fn what_there_is_and_what_decides() {
    let rig = Rig::new().await;
    let list = rig.get("/v1/policies").await;
    list.is(200, "");
    let list = list.json();
    let ids: Vec<_> = list["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].clone())
        .collect();
    let expected = [
        "air-gapped",
        "danger-without-revocation",
        "default",
        "protected-pcie",
        "strict",
        "tolerate-expired-manifests",
    ];
    assert_eq!(ids, expected);
    assert_eq!(list["active"]["id"], "default");
    assert_eq!(list["active"]["activated_at"], Value::Null);
    assert_eq!(list["pinned"], false);

    rig.upload("site", NOT_TWO).await.is(201, "");
    assert_eq!(
        rig.active().await["id"],
        "default",
        "uploading activates nothing"
    );
    rig.clock.advance_s(60);
    let activated = rig.activate("site/versions/1").await;
    activated.is(200, "");
    assert_eq!(activated.json()["active"], true);
    assert_eq!(activated.json()["activated_at"], "2027-01-15T08:01:00Z");
    let expected = json!({
        "id": "site",
        "version": 1,
        "sha256": digest(NOT_TWO),
        "activated_at": "2027-01-15T08:01:00Z",
    });
    assert_eq!(rig.active().await, expected);
    // Again changes nothing, not even since when.
    rig.clock.advance_s(60);
    rig.activate("site/versions/1").await.is(200, "");
    assert_eq!(rig.active().await, expected);

    let rig = rig.restart().await;
    assert_eq!(rig.active().await, expected);
    // And back to the built-in one.
    rig.activate("default/versions/1").await.is(200, "");
    assert_eq!(rig.active().await["id"], "default");
    let rig = rig.restart().await;
    assert_eq!(rig.active().await["id"], "default");
}

#[tokio::test]
async fn what_is_not_there() {
    let rig = Rig::new().await;
    for path in [
        "/v1/policies/none",
        "/v1/policies/..",
        "/v1/policies/%ff",
        "/v1/policies/a%2fb",
        "/v1/policies/default/versions/0",
        "/v1/policies/default/versions/01",
        "/v1/policies/default/versions/+1",
        "/v1/policies/default/versions/2",
        "/v1/policies/default/versions/4294967296",
        "/v1/policies/default/versions/x",
        "/v1/policies/none/versions/1",
    ] {
        rig.get(path).await.is(404, "policy_not_found");
    }
    for version in [
        "default/versions/2",
        "none/versions/1",
        "default/versions/x",
    ] {
        rig.activate(version).await.is(404, "policy_not_found");
        let body = json!({ "input": {} });
        rig.simulate(version, body)
            .await
            .is(404, "policy_not_found");
    }
}

#[tokio::test]
async fn texts_that_are_refused() {
    let rig = Rig::new().await;
    let words = rig.upload("site", "package pogw\ndeny contains").await;
    words.is(422, "policy_invalid");
    let detail = words.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("site.rego:2:"), "{detail}");
    let terms = format!("{GRANTS}revocation := {{\"mode\": \"sometimes\"}}\n");
    let terms = rig.upload("site", terms).await;
    terms.is(422, "policy_invalid");
    let detail = terms.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("expected mode") && detail.ends_with("got sometimes"),
        "{detail}"
    );
    let nv = "package policy\ndefault nv_match := true";
    rig.upload("nv", nv).await.is(201, "");
    let nv = rig.upload("nv", "package policy\nother := true").await;
    nv.is(422, "policy_invalid");
    rig.upload("site", "").await.is(422, "policy_invalid");

    let not_text = rig.upload("site", b"package \xff".to_vec()).await;
    not_text.is(400, "policy_not_text");
    assert_eq!(not_text.json()["detail"], "UTF-8 ends at byte 8");
    // The service's own bound on bodies is the lower one here.
    let large = rig.upload("site", vec![b'#'; BODY_LIMIT + 1]).await;
    large.is(413, "body_too_large");
    for name in ["a%20b", ".hidden", "%ff", &"a".repeat(65)] {
        let refused = rig.upload(name, GRANTS).await;
        refused.is(400, "policy_name_malformed");
    }
    for media_type in ["application/json", "text/plain", ""] {
        let path = "/v1/policies/site";
        let refused = rig.operate("PUT", path, media_type, GRANTS).await;
        refused.is(415, "media_type_unsupported");
    }
    rig.get("/v1/policies/site")
        .await
        .is(404, "policy_not_found");
    assert_eq!(rig.active().await["id"], "default");
}

#[tokio::test]
async fn a_policy_as_large_as_one_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.body_limit_bytes = 1024 * 1024;
    config.body_budget_bytes = 4 * 1024 * 1024;
    let rig = Rig::with_config(folder, config, |store| Arc::new(store)).await;
    let filler = "#".repeat(999) + "\n";
    let mut text = GRANTS.to_owned();
    while text.len() + filler.len() <= 256 * 1024 {
        text += &filler;
    }
    text += &"#".repeat(256 * 1024 - text.len());
    rig.upload("site", text.clone()).await.is(201, "");
    rig.upload("site", text + "#")
        .await
        .is(413, "body_too_large");
}

#[tokio::test]
async fn only_the_operator_changes_and_simulates() {
    let rig = Rig::new().await;
    let requests = [
        ("PUT", "/v1/policies/site", "text/x-rego", GRANTS),
        ("POST", "/v1/policies/default/versions/1/activate", "", ""),
        (
            "POST",
            "/v1/policies/default/versions/1/simulate",
            media_type::JSON,
            "{\"receipts\":\"recent\"}",
        ),
        // Who is nobody learns nothing about what there is.
        ("POST", "/v1/policies/none/versions/1/activate", "", ""),
        ("PUT", "/v1/policies/a%20b", "text/x-rego", GRANTS),
    ];
    for (method, path, media_type, body) in requests {
        let send = async |authorization: Option<&str>| {
            let mut request = Request::builder().method(method).uri(path);
            request = request.header("content-type", media_type);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            rig.send(request.body(body.into()).unwrap()).await
        };
        let missing = send(None).await;
        missing.is(401, "authorization_missing");
        assert_eq!(
            missing.header("www-authenticate"),
            "Bearer realm=\"operator\""
        );
        for wrong in ["Bearer x", "Basic eDp5", &format!("{}x", rig.token())] {
            let invalid = send(Some(wrong)).await;
            invalid.is(401, "authorization_invalid");
            let challenge = "Bearer realm=\"operator\", error=\"invalid_token\"";
            assert_eq!(invalid.header("www-authenticate"), challenge);
        }
    }
    assert_eq!(rig.active().await["activated_at"], Value::Null);
    rig.get("/v1/policies/site")
        .await
        .is(404, "policy_not_found");
    rig.get("/v1/policies/default/versions/1").await.is(200, "");
}

#[tokio::test]
async fn a_pinned_policy_is_not_changed_over_http() {
    let rig = Rig::new().await;
    rig.upload("site", NOT_TWO).await.is(201, "");
    rig.activate("site/versions/1").await.is(200, "");
    let folder = rig.folder;
    drop(rig.router);
    let config = pinned(folder.path());
    let rig = Rig::with_config(folder, config, |store| Arc::new(store)).await;
    let list = rig.get("/v1/policies").await.json();
    assert_eq!(
        (&list["pinned"], &list["active"]["id"]),
        (&json!(true), &json!("default"))
    );
    rig.upload("site", GRANTS).await.is(403, "policy_pinned");
    rig.activate("site/versions/1")
        .await
        .is(403, "policy_pinned");
    // Asking is not changing.
    let asked = rig
        .simulate("site/versions/1", json!({ "input": {} }))
        .await;
    asked.is(200, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_race_get_different_numbers() {
    let rig = Arc::new(Rig::new().await);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let rig = Arc::clone(&rig);
            let text = format!("{GRANTS}# {n}\n");
            tokio::spawn(async move {
                let uploaded = rig.upload("site", text.clone()).await;
                uploaded.is(201, "");
                (uploaded.json()["version"].as_u64().unwrap(), text)
            })
        })
        .collect();
    let mut uploaded = Vec::new();
    for task in tasks {
        uploaded.push(task.await.unwrap());
    }
    uploaded.sort();
    let numbers: Vec<_> = uploaded.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    for (number, text) in uploaded {
        let path = format!("/v1/policies/site/versions/{number}");
        assert_eq!(rig.text(&path).await.body, text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_activations_that_race_the_last_decides_now_and_after_a_restart() {
    let rig = Arc::new(Rig::new().await);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let rig = Arc::clone(&rig);
            let name = ["default", "strict", "air-gapped"][n % 3];
            tokio::spawn(async move {
                rig.activate(&format!("{name}/versions/1"))
                    .await
                    .is(200, "");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let now = rig.active().await;
    let rig = Arc::into_inner(rig).unwrap().restart().await;
    assert_eq!(rig.active().await, now);
}

#[tokio::test]
async fn a_document_is_simulated() {
    let rig = Rig::new().await;
    rig.upload("site", NOT_TWO).await.is(201, "");
    let asked = rig
        .simulate("site/versions/1", json!({ "input": { "label": "two" } }))
        .await;
    asked.is(200, "");
    let value = asked.json();
    assert_eq!(value["granted"], false);
    assert_eq!(
        value["deny"],
        json!([{ "code": "two", "message": "labelled two" }])
    );
    assert_eq!(value["policy"]["sha256"], digest(NOT_TWO));
    let asked = rig
        .simulate("site/versions/1", json!({ "input": { "label": "one" } }))
        .await;
    assert_eq!(
        (&asked.json()["granted"], &asked.json()["deny"]),
        (&json!(true), &json!([]))
    );

    let failing = "package pogw\nimport rego.v1\ndeny contains \"no word\"\n";
    rig.upload("failing", failing).await.is(201, "");
    let failed = rig
        .simulate("failing/versions/1", json!({ "input": {} }))
        .await;
    failed.is(422, "policy_invalid");
    let detail = failed.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("expected a set of {code, message}"),
        "{detail}"
    );
}

#[tokio::test]
async fn receipts_are_simulated() {
    let rig = Rig::new().await;
    let one = rig.receipt("one").await;
    rig.clock.advance_s(5);
    let two = rig.receipt("two").await;
    rig.upload("site", NOT_TWO).await.is(201, "");

    let simulated = rig
        .simulate("site/versions/1", json!({ "receipts": "recent" }))
        .await;
    simulated.is(200, "");
    let value = simulated.json();
    assert_eq!(value["changed"], 1);
    let expected = json!([
        {
            "receipt": two,
            "as_of": "2027-01-15T08:00:05Z",
            "granted_then": true,
            "granted": false,
            "changed": true,
            "deny": [{ "code": "two", "message": "labelled two" }],
        },
        {
            "receipt": one,
            "as_of": "2027-01-15T08:00:00Z",
            "granted_then": true,
            "granted": true,
            "changed": false,
            "deny": [],
        },
    ]);
    assert_eq!(value["receipts"], expected);

    let last = rig
        .simulate(
            "site/versions/1",
            json!({ "receipts": "recent", "limit": 1 }),
        )
        .await;
    assert_eq!(last.json()["receipts"], json!([expected[0]]));
    let unknown = "0".repeat(32);
    let named = rig
        .simulate("site/versions/1", json!({ "receipts": [one, unknown] }))
        .await;
    let named = named.json();
    assert_eq!(named["receipts"][0], expected[1]);
    assert_eq!(named["receipts"][1]["error"]["code"], "receipt_not_found");
    assert_eq!(named["changed"], 0);

    // A policy at fault says so for each, and decides nothing.
    rig.upload("failing", "package pogw\ndeny := 1")
        .await
        .is(201, "");
    let failing = rig
        .simulate("failing/versions/1", json!({ "receipts": [one] }))
        .await;
    failing.is(200, "");
    assert_eq!(
        failing.json()["receipts"][0]["error"]["code"],
        "policy_invalid"
    );
    // Nothing was issued, and nothing decides but what did.
    assert_eq!(rig.judge.asked(), 2);
    assert_eq!(rig.active().await["id"], "default");
}

#[tokio::test]
async fn simulations_that_are_refused() {
    let rig = Rig::new().await;
    let id = "0".repeat(32);
    for body in [
        json!({}),
        json!({ "input": {}, "receipts": "recent" }),
        json!({ "input": {}, "limit": 1 }),
        json!({ "limit": 1 }),
        json!({ "receipts": "all" }),
        json!({ "receipts": 5 }),
        json!({ "receipts": [5] }),
        json!({ "receipts": ["short"] }),
        json!({ "receipts": null }),
        json!({ "receipts": [id], "limit": 1 }),
        json!({ "receipts": vec![id.clone(); 101] }),
        json!({ "receipts": "recent", "limit": 0 }),
        json!({ "receipts": "recent", "limit": 101 }),
        json!({ "receipts": "recent", "limit": -1 }),
        json!({ "receipt": "recent" }),
    ] {
        let refused = rig.simulate("default/versions/1", body.clone()).await;
        refused.is(400, "request_malformed");
    }
    let path = "/v1/policies/default/versions/1/simulate";
    let refused = rig.operate("POST", path, "text/plain", "{}").await;
    refused.is(415, "media_type_unsupported");
    let none = rig
        .simulate("default/versions/1", json!({ "receipts": "recent" }))
        .await;
    assert_eq!(none.json()["receipts"], json!([]));
}

#[tokio::test]
async fn changes_are_logged_with_who_and_what() {
    let rig = Rig::new().await;
    let lines = logged(async {
        rig.upload("site", NOT_TWO).await.is(201, "");
        rig.upload("site", NOT_TWO).await.is(200, "");
        rig.activate("site/versions/1").await.is(200, "");
        rig.activate("site/versions/9")
            .await
            .is(404, "policy_not_found");
    });
    let lines = lines.await;
    let of = |message: &str| -> Vec<&Value> {
        lines.iter().filter(|l| l["message"] == message).collect()
    };
    let (added, activated) = (of("policy version added"), of("policy activated"));
    assert_eq!((added.len(), activated.len()), (1, 1), "{lines:#?}");
    for line in [added[0], activated[0]] {
        assert_eq!(line["by"], "operator token");
        assert_eq!((&line["id"], &line["version"]), (&json!("site"), &json!(1)));
        assert_eq!(line["sha256"], digest(NOT_TWO));
        assert_eq!(line["span"]["request_id"].as_str().map(str::len), Some(16));
    }
    assert_eq!(activated[0]["replaced_id"], "default");
    let all = json!(lines).to_string();
    let token = rig.token();
    let secret = token.split(' ').nth(1).unwrap();
    assert!(
        !all.contains(secret) && !all.contains("labelled two"),
        "{all}"
    );
}
