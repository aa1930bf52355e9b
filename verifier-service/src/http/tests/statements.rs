//! Statements, accounts and lists of receipts.

use axum::http::Method;

use super::served::Served;
use super::*;

/// A marketplace's key, a provider, and a key of the provider.
async fn market(served: &Served) -> (String, String, String) {
    let scopes = ["books:read", "books:write"];
    let (_, marketplace) = served.party_with_key("marketplace", &scopes).await;
    let (provider, key) = served.party_with_key("provider", &["books:read"]).await;
    (marketplace, provider, key)
}

async fn book(served: &Served, key: &str, kind: &str, party: &str, amount: i64, reference: &str) {
    let money = json!({ "amount": amount, "currency": "EUR" });
    let new = json!({ "party": party, "money": money, "reference": reference });
    served
        .post(&format!("/v1/{kind}"), key, new)
        .await
        .is(201, "");
}

async fn csv(served: &Served, path: &str, key: &str) -> Answered {
    let request = served.request(Method::GET, path).bearer_auth(key);
    served.answer(request.header("accept", "text/csv")).await
}

#[tokio::test]
async fn a_statement_runs_from_what_there_was_to_what_there_is() {
    let served = Served::new().await;
    let (marketplace, provider, key) = market(&served).await;
    book(&served, &marketplace, "deposits", &provider, 1000, "one").await;
    served.rig.clock.advance_s(86_400);
    book(
        &served,
        &marketplace,
        "withdrawals",
        &provider,
        300,
        "=1+2,\"x\"",
    )
    .await;
    let path = format!("/v1/providers/{provider}/statement");
    let all = served.get(&path, &key).await;
    all.is(200, "");
    assert_eq!(all.header("content-type"), "application/json");
    let all = all.json();
    assert_eq!(
        (&all["opening"], &all["party"]),
        (&json!([]), &json!(provider))
    );
    assert_eq!(
        all["closing"],
        json!([{ "currency": "EUR", "amount": 700 }])
    );
    let balances: Vec<_> = all["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["balance"])
        .collect();
    assert_eq!(balances, [1000, 700]);
    // NOW is 2027-01-15T08:00:00Z.
    let second = format!("{path}?from=2027-01-16&to=2027-01-17T00:00:00Z");
    let json = served.get(&second, &key).await.json();
    assert_eq!(
        json["opening"],
        json!([{ "currency": "EUR", "amount": 1000 }])
    );
    assert_eq!(json["entries"].as_array().unwrap().len(), 1);
    assert_eq!(json["entries"][0]["kind"], "withdrawal");
    let text = csv(&served, &second, &key).await;
    text.is(200, "");
    assert_eq!(
        text.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let number = &json["entries"][0]["number"];
    let expected = format!(
        "at,kind,job,assignment,reference,currency,amount,balance,number\r\n\
         2027-01-16T00:00:00Z,opening_balance,,,,EUR,,1000,\r\n\
         2027-01-16T08:00:00Z,withdrawal,,,\"'=1+2,\"\"x\"\"\",EUR,-300,700,{number}\r\n\
         2027-01-17T00:00:00Z,closing_balance,,,,EUR,,700,\r\n"
    );
    assert_eq!(text.body, expected);
    for query in [
        "from=x",
        "to=2027-13-01",
        "from=2027-01-17&to=2027-01-17",
        "day=1",
        "from=",
    ] {
        let answered = served.get(&format!("{path}?{query}"), &key).await;
        answered.is(400, "query_malformed");
    }
    let request = served.request(Method::GET, &path).bearer_auth(&key);
    let answered = served
        .answer(request.header("accept", "application/pdf"))
        .await;
    answered.is(406, "not_acceptable");
}

#[tokio::test]
async fn a_long_statement_is_whole() {
    let served = Served::new().await;
    let (marketplace, provider, key) = market(&served).await;
    for n in 0..1001 {
        book(
            &served,
            &marketplace,
            "deposits",
            &provider,
            1,
            &n.to_string(),
        )
        .await;
    }
    let path = format!("/v1/providers/{provider}/statement");
    let json = served.get(&path, &key).await.json();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1001);
    assert!((1..).zip(entries).all(|(n, entry)| entry["balance"] == n));
    assert_eq!(
        csv(&served, &path, &key).await.body.lines().count(),
        1 + 1001 + 1
    );
}

#[tokio::test]
async fn who_may_read_the_books() {
    let served = Served::new().await;
    let (marketplace, provider, key) = market(&served).await;
    book(&served, &marketplace, "deposits", &provider, 5, "one").await;
    let (tenant, other) = served.party_with_key("tenant", &["books:read"]).await;
    let (_, unscoped) = served.party_with_key("provider", &["agents:read"]).await;
    let paths = [
        format!("/v1/providers/{provider}/statement"),
        format!("/v1/accounts/{provider}"),
    ];
    for path in &paths {
        for reader in [&*key, &*marketplace, served.operator()] {
            served.get(path, reader).await.is(200, "");
        }
        served.get(path, &other).await.is(404, "party_not_found");
        served.get(path, &unscoped).await.is(403, "scope_missing");
        served.get(path, "").await.is(401, "authorization_missing");
        served
            .get(path, "nobody")
            .await
            .is(401, "authorization_invalid");
    }
    let of_tenant = format!("/v1/providers/{tenant}/statement");
    served
        .get(&of_tenant, &other)
        .await
        .is(404, "party_not_found");
    let unknown = format!("/v1/accounts/{}", "0".repeat(32));
    served
        .get(&unknown, &marketplace)
        .await
        .is(404, "party_not_found");
    served
        .get("/v1/accounts/x", &marketplace)
        .await
        .is(404, "party_not_found");
    let account = served.get(&paths[1], &key).await.json();
    let held = json!({ "currency": "EUR", "available": 5, "in_escrow": 0, "at_stake": 0 });
    assert_eq!(account, json!({ "party": provider, "balances": [held] }));
}

#[tokio::test]
async fn a_tenant_without_jobs_has_no_receipts() {
    let served = Served::new().await;
    let (_, key) = served.party_with_key("tenant", &["jobs:read"]).await;
    let listed = served.get("/v1/receipts?limit=3", &key).await;
    listed.is(200, "");
    assert_eq!(listed.json(), json!({ "receipts": [], "next": null }));
    served
        .get("/v1/receipts", "")
        .await
        .is(401, "authorization_missing");
    served
        .get("/v1/receipts?limit=0", &key)
        .await
        .is(400, "query_malformed");
}
