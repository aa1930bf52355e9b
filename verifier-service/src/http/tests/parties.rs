//! Parties, their keys, and what a credential is good for.

use axum::http::Method;

use super::served::Served;
use super::*;
use crate::parties::oidc::fixture::{FakeIssuer, Key};
use crate::parties::{Secret, SecretKind};

#[tokio::test]
async fn parties_are_made_and_listed_by_the_operator() {
    let served = Served::new().await;
    let operator = served.operator();
    let new = json!({ "kind": "tenant", "name": "Acme", "oidc_name": "acme" });
    let made = served.post("/v1/parties", operator, new.clone()).await;
    made.is(201, "");
    assert_eq!(made.header("cache-control"), "no-store");
    let party = made.json();
    assert_eq!(party["kind"], "tenant");
    assert_eq!(party["oidc_name"], "acme");
    let location = made.header("location");
    assert_eq!(served.get(location, operator).await.json(), party);
    served
        .post("/v1/parties", operator, new)
        .await
        .is(409, "oidc_name_taken");
    served.rig.clock.advance_s(1);
    for name in ["Two", "Three"] {
        served
            .party(json!({ "kind": "provider", "name": name }))
            .await;
    }
    let names = |answered: &Answered| {
        let page = answered.json();
        let parties = page["parties"].as_array().unwrap().clone();
        let names = parties
            .iter()
            .map(|party| party["name"].as_str().unwrap().to_owned());
        (
            names.collect::<Vec<_>>(),
            page["next"].as_str().map(str::to_owned),
        )
    };
    let (mut first, next) = names(&served.get("/v1/parties?limit=2", operator).await);
    first.sort();
    assert_eq!(first, ["Three", "Two"]);
    let next = format!("/v1/parties?limit=2&cursor={}", next.unwrap());
    assert_eq!(
        names(&served.get(&next, operator).await),
        (vec!["Acme".to_owned()], None)
    );
    for query in ["limit=0", "limit=201", "limit=x", "cursor=x", "offset=1"] {
        let answered = served.get(&format!("/v1/parties?{query}"), operator).await;
        answered.is(400, "query_malformed");
    }
}

#[tokio::test]
async fn what_is_no_party() {
    let served = Served::new().await;
    let operator = served.operator();
    let table = [
        json!({ "kind": "operator", "name": "x" }),
        json!({ "kind": "tenant", "name": "" }),
        json!({ "kind": "tenant", "name": "a\nb" }),
        json!({ "kind": "tenant", "name": "x".repeat(129) }),
        json!({ "kind": "tenant" }),
        json!({ "kind": "tenant", "name": "x", "oidc_name": null }),
        json!({ "kind": "tenant", "name": "x", "scopes": [] }),
    ];
    for new in table {
        served
            .post("/v1/parties", operator, new)
            .await
            .is(400, "request_malformed");
    }
    for id in ["x", &"0".repeat(32)] {
        served
            .get(&format!("/v1/parties/{id}"), operator)
            .await
            .is(404, "party_not_found");
        let keys = format!("/v1/parties/{id}/keys");
        served.get(&keys, operator).await.is(404, "party_not_found");
        let key = json!({ "scopes": ["jobs:read"] });
        served
            .post(&keys, operator, key)
            .await
            .is(404, "party_not_found");
        let key = format!("{keys}/{id}");
        served
            .delete(&key, operator)
            .await
            .is(404, "api_key_not_found");
    }
}

#[tokio::test]
async fn a_party_is_barred_and_admitted() {
    let served = Served::new().await;
    let operator = served.operator();
    let (party, key) = served.party_with_key("provider", &["agents:read"]).await;
    let of_party = format!("/v1/parties/{party}");
    let bar = format!("{of_party}/bar");
    for _ in 0..2 {
        let barred = served.ask(Method::PUT, &bar, operator, None).await;
        barred.is(200, "");
        assert_eq!(barred.json()["barred_at"], NOW.to_string());
        served.rig.clock.advance_s(1);
    }
    assert!(!served.rig.clerk.is_anybody_free());
    // Whoever is barred is told.
    let own = served.get("/v1/parties/me", &key).await;
    assert_eq!(own.json()["barred_at"], NOW.to_string());
    for _ in 0..2 {
        let admitted = served.ask(Method::DELETE, &bar, operator, None).await;
        admitted.is(200, "");
        assert_eq!(admitted.json().get("barred_at"), None);
    }
    assert!(served.rig.clerk.is_anybody_free(), "its agents");
    for id in ["x", &"0".repeat(32)] {
        for method in [Method::PUT, Method::DELETE] {
            let path = format!("/v1/parties/{id}/bar");
            let none = served.ask(method, &path, operator, None).await;
            none.is(404, "party_not_found");
        }
    }
}

#[tokio::test]
async fn whoever_gets_money_may_have_agents_for_jobs_that_wait() {
    let served = Served::new().await;
    let (party, _) = served.party_with_key("provider", &["agents:read"]).await;
    let (_, key) = served.party_with_key("marketplace", &["books:write"]).await;
    for (path, amount, (status, code), is_free) in [
        ("/v1/withdrawals", 1, (402, "funds_missing"), false),
        ("/v1/deposits", 0, (422, "money_malformed"), false),
        ("/v1/deposits", 2, (201, ""), true),
        ("/v1/withdrawals", 1, (201, ""), false),
    ] {
        let money = json!({ "amount": amount, "currency": "EUR" });
        let body = json!({ "party": party, "reference": format!("{amount}"), "money": money });
        let booked = served.post(path, &key, body).await;
        booked.is(status, code);
        assert_eq!(
            served.rig.clerk.is_anybody_free(),
            is_free,
            "{path} {amount}"
        );
    }
}

#[tokio::test]
async fn everything_about_parties_takes_the_operator_token() {
    let served = Served::new().await;
    let (party, key) = served.party_with_key("tenant", &["jobs:read"]).await;
    let (of_party, keys) = (
        format!("/v1/parties/{party}"),
        format!("/v1/parties/{party}/keys"),
    );
    let of_key = format!("{keys}/{}", "0".repeat(32));
    let bar = format!("{of_party}/bar");
    let table = [
        (Method::POST, "/v1/parties"),
        (Method::GET, "/v1/parties"),
        (Method::GET, &of_party),
        (Method::POST, &keys),
        (Method::GET, &keys),
        (Method::DELETE, &of_key),
        (Method::PUT, &bar),
        (Method::DELETE, &bar),
    ];
    for (method, path) in table {
        let missing = served.ask(method.clone(), path, "", None).await;
        missing.is(401, "authorization_missing");
        assert_eq!(
            missing.header("www-authenticate"),
            "Bearer realm=\"operator\""
        );
        let wrong = served.ask(method, path, &key, None).await;
        wrong.is(401, "authorization_invalid");
        let challenge = "Bearer realm=\"operator\", error=\"invalid_token\"";
        assert_eq!(wrong.header("www-authenticate"), challenge);
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_used_until_it_ends() {
    let served = Served::new().await;
    let operator = served.operator();
    let party = served
        .party(json!({ "kind": "tenant", "name": "Acme" }))
        .await;
    let keys = format!("/v1/parties/{party}/keys");
    let new = json!({ "scopes": ["jobs:write", "jobs:read"], "label": "CI", "expires_in_s": 7200 });
    let made = served.post(&keys, operator, new).await;
    made.is(201, "");
    let shown = made.json();
    let (key, id) = (
        shown["key"].as_str().unwrap(),
        shown["id"].as_str().unwrap(),
    );
    assert!(key.starts_with("pogw_") && key.len() == 57, "{key}");
    assert_eq!(shown["prefix"], key[5..13]);

    let own = served.get("/v1/parties/me", key).await;
    own.is(200, "");
    assert_eq!(own.json()["id"], party);
    assert_eq!(own.json()["scopes"], json!(["jobs:read", "jobs:write"]));
    let listed = served.get(&keys, operator).await;
    assert!(!listed.body.contains(&key[14..]), "{}", listed.body);
    let listed = &listed.json()["keys"][0];
    assert_eq!(listed["last_used_at"], shown["created_at"]);
    assert_eq!(
        (&listed["label"], &listed["scopes"]),
        (&json!("CI"), &json!(["jobs:read", "jobs:write"]))
    );

    // Last use is known to the hour, and no better.
    served.rig.clock.advance_s(3599);
    served.get("/v1/parties/me", key).await.is(200, "");
    let last_used =
        async || served.get(&keys, operator).await.json()["keys"][0]["last_used_at"].clone();
    assert_eq!(last_used().await, shown["created_at"]);
    served.rig.clock.advance_s(1);
    served.get("/v1/parties/me", key).await.is(200, "");
    assert_ne!(last_used().await, shown["created_at"]);

    served.rig.clock.advance_s(3599);
    served.get("/v1/parties/me", key).await.is(200, "");
    served.rig.clock.advance_s(1);
    served
        .get("/v1/parties/me", key)
        .await
        .is(401, "api_key_expired");
    let of_key = format!("{keys}/{id}");
    let gone = served.delete(&of_key, operator).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let refused = served.get("/v1/parties/me", key).await;
    refused.is(401, "api_key_revoked");
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer realm=\"pogw\", error=\"invalid_token\""
    );
    assert_eq!(
        served.delete(&of_key, operator).await.status,
        StatusCode::NO_CONTENT
    );
    let of_another = served
        .party(json!({ "kind": "tenant", "name": "Two" }))
        .await;
    let elsewhere = format!("/v1/parties/{of_another}/keys/{id}");
    served
        .delete(&elsewhere, operator)
        .await
        .is(404, "api_key_not_found");
}

#[tokio::test]
async fn what_is_no_key() {
    let served = Served::new().await;
    let (_, key) = served.party_with_key("tenant", &["jobs:read"]).await;
    let missing = served.get("/v1/parties/me", "").await;
    missing.is(401, "authorization_missing");
    assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"pogw\"");
    let other = Secret::random(SecretKind::ApiKey);
    let same_prefix = format!("{}{}", &key[..13], &other.text()[13..]);
    let of_enrolment = Secret::random(SecretKind::Enrolment);
    for (wrong, code) in [
        (other.text(), "api_key_unknown"),
        (&same_prefix, "api_key_unknown"),
        (&key[..56], "api_key_unknown"),
        ("pogw_", "api_key_unknown"),
        (of_enrolment.text(), "authorization_invalid"),
        (served.operator(), "authorization_invalid"),
        ("a.b.c", "authorization_invalid"),
    ] {
        served.get("/v1/parties/me", wrong).await.is(401, code);
    }
    let twice = served.request(Method::GET, "/v1/parties/me");
    let twice = twice.bearer_auth(&key).bearer_auth(&key);
    served.answer(twice).await.is(401, "authorization_invalid");
}

#[tokio::test]
async fn scopes_are_limited_by_the_kind_and_keys_by_number() {
    let served = Served::new().await;
    let operator = served.operator();
    let table = [
        (
            "tenant",
            json!(["jobs:read", "agents:read"]),
            422,
            "scopes_not_allowed",
        ),
        ("tenant", json!(["books:write"]), 422, "scopes_not_allowed"),
        ("provider", json!(["jobs:write"]), 422, "scopes_not_allowed"),
        (
            "marketplace",
            json!(["agents:write"]),
            422,
            "scopes_not_allowed",
        ),
        ("marketplace", json!(["books:write"]), 201, ""),
        ("tenant", json!([]), 422, "scopes_not_allowed"),
        ("tenant", json!(["jobs:admin"]), 400, "request_malformed"),
    ];
    for (kind, scopes, status, code) in table {
        let party = served.party(json!({ "kind": kind, "name": "x" })).await;
        let keys = format!("/v1/parties/{party}/keys");
        let made = served
            .post(&keys, operator, json!({ "scopes": scopes }))
            .await;
        made.is(status, code);
    }
    let party = served.party(json!({ "kind": "tenant", "name": "x" })).await;
    let keys = format!("/v1/parties/{party}/keys");
    for life in [0, 315_360_001_u32] {
        let new = json!({ "scopes": ["jobs:read"], "expires_in_s": life });
        served
            .post(&keys, operator, new)
            .await
            .is(422, "expiry_not_allowed");
    }
    let new = json!({ "scopes": ["jobs:read"], "expires_in_s": 60 });
    for _ in 0..64 {
        served.post(&keys, operator, new.clone()).await.is(201, "");
    }
    served
        .post(&keys, operator, new.clone())
        .await
        .is(422, "too_many_api_keys");
    served.rig.clock.advance_s(60);
    served.post(&keys, operator, new).await.is(201, "");
}

#[tokio::test]
async fn a_key_that_does_not_allow_it_is_told_the_scope() {
    let served = Served::new().await;
    let (_, reader) = served.party_with_key("provider", &["agents:read"]).await;
    let (_, tenant) = served.party_with_key("tenant", &["jobs:read"]).await;
    served.get("/v1/agents", &reader).await.is(200, "");
    let refused = served
        .post("/v1/enrolment-tokens", &reader, json!({}))
        .await;
    refused.is(403, "scope_missing");
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer realm=\"pogw\", error=\"insufficient_scope\", scope=\"agents:write\""
    );
    let refused = served.get("/v1/agents", &tenant).await;
    refused.is(403, "party_kind_mismatch");
    assert_eq!(
        refused.json()["detail"],
        "expected a provider, got a tenant"
    );
}

#[tokio::test]
async fn tokens_of_the_configured_issuer() {
    let fake = FakeIssuer::start().await;
    let served = Served::with(|config| config.oidc = fake.settings()).await;
    let good = fake.token(&fake.claims(NOW));
    served
        .get("/v1/parties/me", &good)
        .await
        .is(403, "party_unknown");
    let new = json!({ "kind": "tenant", "name": "Acme", "oidc_name": "acme" });
    let party = served.party(new).await;
    let own = served.get("/v1/parties/me", &good).await;
    own.is(200, "");
    assert_eq!(own.json()["id"], party);
    // Of the token's scopes, those a tenant can have.
    assert_eq!(own.json()["scopes"], json!(["jobs:read"]));

    let mut expired = fake.claims(NOW);
    expired["exp"] = json!(NOW.secs() - 60);
    let mut of_another = fake.claims(NOW);
    of_another["aud"] = json!("other");
    let stranger = Key::new("one", jsonwebtoken::Algorithm::ES256);
    let table = [
        (fake.token(&expired), "token_expired"),
        (fake.token(&of_another), "token_audience_mismatch"),
        (
            stranger.sign(&stranger.header(), &fake.claims(NOW)),
            "token_signature_invalid",
        ),
        ("a.b.c".to_owned(), "token_malformed"),
    ];
    for (token, code) in table {
        let refused = served.get("/v1/parties/me", &token).await;
        refused.is(401, code);
        let challenge = "Bearer realm=\"pogw\", error=\"invalid_token\"";
        assert_eq!(refused.header("www-authenticate"), challenge);
        assert!(!refused.body.contains(&token), "{}", refused.body);
    }
    let (_, key) = served.party_with_key("tenant", &["jobs:read"]).await;
    served.get("/v1/parties/me", &key).await.is(200, "");
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_fault_of_the_token() {
    let fake = FakeIssuer::start().await;
    fake.set(|fake| fake.is_away = true);
    let served = Served::with(|config| config.oidc = fake.settings()).await;
    let token = fake.token(&fake.claims(NOW));
    let away = served.get("/v1/parties/me", &token).await;
    away.is(503, "issuer_unavailable");
    assert_eq!(away.header("retry-after"), "10");
    let (_, key) = served.party_with_key("tenant", &["jobs:read"]).await;
    served.get("/v1/parties/me", &key).await.is(200, "");
}
