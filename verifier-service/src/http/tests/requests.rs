//! What can be wrong with a request, and the routes that keep nothing.

use super::*;

#[tokio::test]
async fn what_is_not_there() {
    let rig = Rig::new().await;
    rig.get("/").await.is(404, "not_found");
    rig.get("/v1/receipt").await.is(404, "not_found");
    for id in ["x", "..", "%2e%2e", "%ff", &"A".repeat(32), &"0".repeat(31)] {
        rig.get(&format!("/v1/receipts/{id}"))
            .await
            .is(404, "receipt_not_found");
        rig.get(&format!("/v1/challenges/{id}"))
            .await
            .is(404, "challenge_not_found");
    }
    let unknown = "0".repeat(32);
    rig.get(&format!("/v1/receipts/{unknown}"))
        .await
        .is(404, "receipt_not_found");
    rig.get(&format!("/v1/challenges/{unknown}"))
        .await
        .is(404, "challenge_not_found");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let rig = Rig::new().await;
    let table = [
        ("DELETE", "/v1/receipts", "GET,HEAD,POST"),
        ("DELETE", "/v1/challenges", "POST"),
        ("PUT", "/v1/verify", "POST"),
        ("POST", "/.well-known/jwks.json", "GET,HEAD"),
        ("DELETE", "/v1/receipts/x", "GET,HEAD"),
    ];
    for (method, path, allowed) in table {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let answered = rig.send(request).await;
        answered.is(405, "method_not_allowed");
        assert_eq!(answered.header("allow"), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn media_types_sizes_and_garbage() {
    let rig = Rig::new().await;
    let paths = [
        ("/v1/receipts", media_type::BUNDLE, "bundle_malformed"),
        ("/v1/challenges", media_type::JSON, "request_malformed"),
        ("/v1/verify", media_type::JSON, "request_malformed"),
    ];
    for (path, media_type, malformed) in paths {
        rig.post(path, "text/plain", "{}")
            .await
            .is(415, "media_type_unsupported");
        rig.send(Request::post(path).body("{}".into()).unwrap())
            .await
            .is(415, "media_type_unsupported");
        let with_charset = format!("{media_type}; charset=utf-8");
        rig.post(path, &with_charset, "{}").await.is(400, malformed);
        rig.post(path, media_type, "{")
            .await
            .is(400, "json_malformed");
        rig.post(path, media_type, vec![0xff; 10])
            .await
            .is(400, "json_malformed");
        rig.post(path, media_type, "")
            .await
            .is(400, "json_malformed");
        rig.post(path, media_type, "[]").await.is(400, malformed);
        rig.post(path, media_type, vec![b' '; BODY_LIMIT + 1])
            .await
            .is(413, "body_too_large");
        let unknown = rig.post(path, media_type, "{\"secret\": 1}").await;
        unknown.is(400, malformed);
        assert!(!unknown.body.contains("secret"), "{}", unknown.body);
    }
    assert_eq!(rig.judge.asked(), 0);
}

#[tokio::test]
async fn optional_members_are_absent_or_of_their_type() {
    let rig = Rig::new().await;
    let mut challenge = new_challenge();
    for wrong in [Value::Null, json!(1)] {
        challenge["audience"] = wrong.clone();
        let device = json!({ "arch": wrong, "report": "AAAA", "chain": "AAAA" });
        let devices = json!({ "nonce": "00".repeat(32), "devices": [device] });
        for (path, body) in [("/v1/challenges", &challenge), ("/v1/verify", &devices)] {
            let refused = rig.post(path, media_type::JSON, body.to_string()).await;
            refused.is(400, "request_malformed");
            let says = "invalid type, expected a string\"";
            assert!(refused.body.contains(says), "{}", refused.body);
        }
    }
}

#[tokio::test]
async fn forms_nobody_has_are_refused_before_anything_is_spent() {
    let rig = Rig::new().await;
    let challenge = rig.challenge().await;
    let bundle = bundle_json(challenge, "one").to_string();
    let submit = |accept: &str| {
        let request = Request::post("/v1/receipts").header("content-type", media_type::BUNDLE);
        request
            .header("accept", accept)
            .body(bundle.clone().into())
            .unwrap()
    };
    let refused = rig.send(submit("text/html")).await;
    refused.is(406, "not_acceptable");
    assert_eq!(rig.judge.asked(), 0);
    rig.send(submit("application/json")).await.is(201, "");
}

#[tokio::test]
async fn idempotency_keys_are_visible_ascii() {
    let rig = Rig::new().await;
    let long = "k".repeat(256);
    for key in ["", &long, "caf\u{e9}", "a b"] {
        let request = Request::post("/v1/receipts").header("content-type", media_type::BUNDLE);
        let request = request.header("idempotency-key", key.as_bytes());
        rig.send(request.body("{}".into()).unwrap())
            .await
            .is(400, "idempotency_key_malformed");
    }
}

#[tokio::test]
async fn devices_are_judged_alone() {
    let rig = Rig::new().await;
    let device = json!({ "arch": "HOPPER", "report": "AAAA", "chain": "AAAA" });
    let verify =
        |nonce: &str, devices: Value| json!({ "nonce": nonce, "devices": devices }).to_string();
    let nonce = "aF".repeat(32);
    let judged = rig
        .post(
            "/v1/verify",
            media_type::JSON,
            verify(&nonce, json!([device])),
        )
        .await;
    judged.is(200, "");
    assert_eq!(judged.json()["policy"]["granted"], json!(false));
    let too_many = json!(vec![json!({ "report": "", "chain": "" }); 129]);
    for (nonce, devices) in [
        ("00", json!([device])),
        (&nonce, too_many),
        (&nonce, json!([{ "report": "" }])),
    ] {
        let malformed = rig
            .post("/v1/verify", media_type::JSON, verify(nonce, devices))
            .await;
        malformed.is(400, "request_malformed");
    }
    let failed = rig
        .post("/v1/verify", media_type::JSON, verify(&nonce, json!([])))
        .await;
    failed.is(500, "policy_failed");
}

#[tokio::test]
async fn the_key_set_can_be_cached() {
    let rig = Rig::new().await;
    let answered = rig.get("/.well-known/jwks.json").await;
    answered.is(200, "");
    assert_eq!(answered.header("content-type"), media_type::JWK_SET);
    assert_eq!(answered.header("cache-control"), "public, max-age=300");
    let keys = receipt::Jwks::parse(&answered.body).unwrap();
    assert_eq!(keys.keys().len(), 1);
    assert!(!answered.body.contains("\"d\""));
    let again = |tag: &str| {
        let request = Request::get("/.well-known/jwks.json").header("if-none-match", tag);
        request.body(Body::empty()).unwrap()
    };
    let etag = answered.header("etag").to_owned();
    for tag in [etag.clone(), format!("\"other\", W/{etag}"), "*".into()] {
        rig.send(again(&tag)).await.is(304, "");
    }
    rig.send(again("\"other\"")).await.is(200, "");
}

#[tokio::test]
async fn health_and_readiness() {
    let rig = Rig::new().await;
    rig.get("/healthz").await.is(200, "");
    rig.get("/readyz").await.is(200, "");
    // Another process holds the database.
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new();
    let options = options.filename(rig.folder.path().join("verifier.sqlite"));
    let mut other = options.connect().await.unwrap();
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    rig.get("/readyz").await.is(200, ""); // remembered
    tokio::time::sleep(Duration::from_millis(1100)).await;
    rig.get("/healthz").await.is(200, "");
    let unready = rig.get("/readyz").await;
    unready.is(503, "store_unavailable");
    assert_eq!(unready.header("retry-after"), "5");
    lock.rollback().await.unwrap();
    rig.get("/readyz").await.is(200, "");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let rig = Rig::new().await;
    let with_id = |id: &str| {
        Request::get("/healthz")
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        rig.send(with_id("abc-1_2")).await.header("x-request-id"),
        "abc-1_2"
    );
    for id in ["", "a b", "<x>", &"x".repeat(65)] {
        let given = rig.send(with_id(id)).await;
        assert_eq!(given.header("x-request-id").len(), 16, "{id}");
    }
    assert_eq!(
        rig.get("/").await.header("x-content-type-options"),
        "nosniff"
    );
}

#[tokio::test]
async fn pages_of_others_may_read_what_it_takes_to_validate_and_nothing_else() {
    let rig = Rig::new().await;
    let allowed = |answer: &Answered| answer.headers.get("access-control-allow-origin").cloned();
    for path in [
        "/.well-known/jwks.json",
        "/v1/service",
        "/v1/receipts/00000000000000000000000000000000",
    ] {
        let answer = rig.get(path).await;
        assert_eq!(allowed(&answer).unwrap(), "*", "{path}");
        let shown = &answer.headers["access-control-expose-headers"];
        assert!(shown.to_str().unwrap().contains("pogw-receipt-status"));
    }
    for path in [
        "/v1/jobs",
        "/v1/receipts",
        "/v1/policies",
        "/v1/statistics",
        "/v1/audit",
    ] {
        assert_eq!(allowed(&rig.get(path).await), None, "{path}");
    }
}
