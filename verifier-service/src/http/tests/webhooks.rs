//! Webhooks as their parties see them. What is sent is tested with the sender.

use super::served::Served;
use super::*;

const URL: &str = "https://hooks.example/pogw";

#[tokio::test]
async fn a_secret_is_shown_once_and_replaced() {
    let served = Served::new().await;
    let (_, key) = served
        .party_with_key("tenant", &["jobs:read", "jobs:write"])
        .await;
    let new = json!({ "url": URL, "kinds": ["job_settled", "job_created", "job_settled"] });
    let made = served.post("/v1/webhooks", &key, new).await;
    made.is(201, "");
    assert_eq!(made.header("cache-control"), "no-store");
    let mut shown = made.json();
    let secret = shown["secret"].as_str().unwrap().to_owned();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 6 + 44,
        "{secret}"
    );
    assert_eq!(shown["kinds"], json!(["job_created", "job_settled"]));
    shown.as_object_mut().unwrap().remove("secret");
    let path = made.header("location").to_owned();
    assert_eq!(served.get(&path, &key).await.json(), shown);
    let listed = served.get("/v1/webhooks", &key).await.json();
    assert_eq!(listed, json!({ "webhooks": [shown], "next": null }));
    let rotated = served
        .post(&format!("{path}/rotate"), &key, json!({}))
        .await;
    rotated.is(200, "");
    assert_ne!(rotated.json()["secret"], secret);
    let letters = served.get(&format!("{path}/dead-letters"), &key).await;
    assert_eq!(letters.json(), json!({ "dead_letters": [], "next": null }));
    let again = served
        .post(&format!("{path}/redeliver"), &key, json!({}))
        .await;
    again.is(202, "");
    assert_eq!(again.json(), json!({ "redelivered": 0 }));
    assert_eq!(
        served.delete(&path, &key).await.status,
        StatusCode::NO_CONTENT
    );
    served
        .delete(&path, &key)
        .await
        .is(404, "webhook_not_found");
    served.get(&path, &key).await.is(404, "webhook_not_found");
}

#[tokio::test]
async fn what_is_no_webhook() {
    let served = Served::new().await;
    let (_, key) = served
        .party_with_key("provider", &["agents:read", "agents:write"])
        .await;
    let table = [
        (
            json!({ "url": "http://127.0.0.1/" }),
            422,
            "webhook_url_not_allowed",
        ),
        (
            json!({ "url": "https://10.0.0.1/" }),
            422,
            "webhook_url_not_allowed",
        ),
        (
            json!({ "url": "https://localhost/" }),
            422,
            "webhook_url_not_allowed",
        ),
        (json!({ "url": "here" }), 422, "webhook_url_not_allowed"),
        (json!({ "url": URL, "kinds": [] }), 400, "request_malformed"),
        (
            json!({ "url": URL, "kinds": ["all"] }),
            400,
            "request_malformed",
        ),
        (
            json!({ "url": URL, "secret": "x" }),
            400,
            "request_malformed",
        ),
        (json!({}), 400, "request_malformed"),
    ];
    for (new, status, code) in table {
        served
            .post("/v1/webhooks", &key, new)
            .await
            .is(status, code);
    }
    for _ in 0..16 {
        let made = served
            .post("/v1/webhooks", &key, json!({ "url": URL }))
            .await;
        made.is(201, "");
    }
    let more = served
        .post("/v1/webhooks", &key, json!({ "url": URL }))
        .await;
    more.is(422, "too_many_webhooks");
    let page = served.get("/v1/webhooks?limit=10", &key).await.json();
    assert_eq!(page["webhooks"].as_array().unwrap().len(), 10);
    let next = format!("/v1/webhooks?cursor={}", page["next"].as_str().unwrap());
    let rest = served.get(&next, &key).await.json();
    assert_eq!(
        (rest["webhooks"].as_array().unwrap().len(), &rest["next"]),
        (6, &Value::Null)
    );
}

#[tokio::test]
async fn the_configuration_may_allow_this_machine() {
    let served = Served::with(|config| config.danger_webhooks_over_http = true).await;
    let (_, key) = served.party_with_key("tenant", &["jobs:write"]).await;
    let new = json!({ "url": "http://127.0.0.1:9/" });
    served.post("/v1/webhooks", &key, new).await.is(201, "");
    let new = json!({ "url": "http://10.0.0.1/" });
    let refused = served.post("/v1/webhooks", &key, new).await;
    refused.is(422, "webhook_url_not_allowed");
}

#[tokio::test]
async fn webhooks_are_their_partys_own() {
    let served = Served::new().await;
    let (_, key) = served.party_with_key("tenant", &["jobs:write"]).await;
    let (_, other) = served
        .party_with_key("tenant", &["jobs:read", "jobs:write"])
        .await;
    let made = served
        .post("/v1/webhooks", &key, json!({ "url": URL }))
        .await;
    let path = made.header("location").to_owned();
    served.get(&path, &key).await.is(403, "scope_missing");
    served.get(&path, &other).await.is(404, "webhook_not_found");
    served
        .delete(&path, &other)
        .await
        .is(404, "webhook_not_found");
    for action in ["rotate", "redeliver"] {
        let asked = served
            .post(&format!("{path}/{action}"), &other, json!({}))
            .await;
        asked.is(404, "webhook_not_found");
    }
    let letters = served.get(&format!("{path}/dead-letters"), &other).await;
    letters.is(404, "webhook_not_found");
    served
        .get("/v1/webhooks", "")
        .await
        .is(401, "authorization_missing");
    let listed = served.get("/v1/webhooks", &other).await.json();
    assert_eq!(listed["webhooks"], json!([]));
}
