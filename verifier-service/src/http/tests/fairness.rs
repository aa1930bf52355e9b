//! What one party, or strangers, can take from others: open jobs, places to be judged in, places to wait in.

use axum::http::Method;

use super::devices::{Market, new_job};
use super::*;
use crate::hub::Topic;

/// Offers the job under a key.
async fn offer(market: &Market, tenant: &str, key: &str) -> Answered {
    let request = market.served.request(Method::POST, "/v1/jobs");
    let request = request.bearer_auth(tenant).header("idempotency-key", key);
    market.served.answer(request.json(&new_job())).await
}

#[tokio::test]
async fn a_tenant_has_as_many_open_jobs_as_it_may() {
    let most = |config: &mut Config| config.max_open_jobs_per_tenant = NonZeroU32::new(2).unwrap();
    let market = Market::with(most).await;
    let first = offer(&market, &market.tenant, "1").await;
    first.is(201, "");
    offer(&market, &market.tenant, "2").await.is(201, "");
    let refused = offer(&market, &market.tenant, "3").await;
    refused.is(429, "too_many_open_jobs");
    assert_eq!(refused.header("retry-after"), "60");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("2 jobs of this tenant are open"),
        "{detail}"
    );
    // What was taken is answered as before.
    let again = offer(&market, &market.tenant, "1").await;
    again.is(200, "");
    assert_eq!(again.json()["id"], first.json()["id"]);
    // Another tenant has its own.
    let scopes = ["jobs:read", "jobs:write"];
    let (id, other) = market.served.party_with_key("tenant", &scopes).await;
    market.fund(&id).await;
    offer(&market, &other, "3").await.is(201, "");
    // One that ends makes room for one, under the key that was refused too.
    let cancel = format!("/v1/jobs/{}/cancel", first.json()["id"].as_str().unwrap());
    let cancelled = market.served.post(&cancel, &market.tenant, json!({})).await;
    cancelled.is(200, "");
    offer(&market, &market.tenant, "3").await.is(201, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_that_take_every_place_keep_no_job_from_being_judged() {
    let market = Market::with(|config| {
        config.max_open_challenges = NonZeroU32::new(128).unwrap();
        config.max_open_challenges_per_agent = NonZeroU32::new(128).unwrap();
        config.body_budget_bytes = 128 * BODY_LIMIT;
        config.request_timeout_s = 60;
    })
    .await;
    let rig = &market.served.rig;
    rig.judge.hold_up(true);
    let mut sent = tokio::task::JoinSet::new();
    // One in the only place, 64 that wait, and more who are sent away.
    for n in 0..70 {
        let bundle = bundle_json(rig.challenge().await, &format!("audit {n}"));
        let request = Request::post("/v1/receipts").header("content-type", media_type::BUNDLE);
        let request = request.body(Body::from(bundle.to_string())).unwrap();
        sent.spawn(rig.router.clone().oneshot(request));
    }
    let refused = sent.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(
        refused.status(),
        503,
        "there is no place, nor one to wait for"
    );
    let provider = market.provider().await;
    let machine = market.agent(&provider).await;
    let job = market.worked(&machine).await;
    market.until(&job, |job| job["status"] == "accepted").await;
    rig.judge.hold_up(false);
}

#[tokio::test]
async fn a_party_that_waits_too_often_is_told_so_and_others_wait() {
    let market = Market::with(|_| {}).await;
    let job = offer(&market, &market.tenant, "1").await.json();
    let path = format!("/v1/jobs/{}/events", job["id"].as_str().unwrap());
    let party = market
        .served
        .get("/v1/parties/me", &market.tenant)
        .await
        .json();
    let party = party["id"].as_str().unwrap().parse().unwrap();
    let topic = Topic::Job(::jobs::JobId::parse("another").unwrap());
    let wait = || market.served.rig.hub.wait_for(party, topic.clone()).ok();
    let held: Vec<_> = std::iter::from_fn(wait).collect();
    let refused = market.served.get(&path, &market.tenant).await;
    refused.is(429, "too_many_waiting");
    assert_eq!(refused.header("retry-after"), "10");
    drop(held);
    let request = market.served.request(Method::GET, &path);
    let followed = request.bearer_auth(&market.tenant).send().await.unwrap();
    assert_eq!(followed.status(), 200);
}
