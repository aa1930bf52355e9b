//! Who did what, as it is found afterwards.

use axum::http::Method;

use super::agents::Machine;
use super::served::Served;
use super::*;
use crate::audit::{Action, Walk};
use crate::parties::oidc::fixture::FakeIssuer;
use crate::store::audit::AuditStore;

/// With room for openings.
async fn open() -> Served {
    Served::with(|config| config.body_limit_bytes = Config::default().body_limit_bytes).await
}

const ID: &str = "00000000000000000000000000000000";
const GRANTS: &str =
    "package pogw\ndeny contains {\"code\": \"x\", \"message\": \"y\"} if { false }\n";

impl Served {
    async fn log(&self, query: &str) -> Vec<Value> {
        let answered = self
            .get(&format!("/v1/audit?limit=200&{query}"), self.operator())
            .await;
        answered.is(200, "");
        answered.json()["entries"].as_array().unwrap().clone()
    }

    /// What is recorded, the first first, of what is not by a verifier itself.
    async fn recorded(&self) -> Vec<Value> {
        let entries = self.log("").await.into_iter().rev();
        entries
            .filter(|entry| entry["actor"]["kind"] != "service")
            .collect()
    }

    async fn put_policy(&self, text: &'static str) -> Answered {
        let request = self
            .request(Method::PUT, "/v1/policies/site")
            .bearer_auth(self.operator());
        self.answer(request.header("content-type", media_type::REGO).body(text))
            .await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What everybody who acts here does, once each; every secret that was handed out, and the names of what was made.
struct Acted {
    secrets: Vec<String>,
    tenant: String,
    tenant_key: String,
    provider: String,
    job: String,
    webhook: String,
}

async fn act(served: &Served) -> Acted {
    let operator = served.operator();
    let mut secrets = vec![operator.to_owned()];
    served.put_policy(GRANTS).await.is(201, "");
    let of_policy = "/v1/policies/site/versions/1";
    served
        .post(&format!("{of_policy}/activate"), operator, json!({}))
        .await
        .is(200, "");
    let simulation = json!({ "input": {} });
    served
        .post(&format!("{of_policy}/simulate"), operator, simulation)
        .await
        .is(200, "");

    let scopes = ["jobs:read", "jobs:write", "books:read"];
    let (tenant, tenant_key) = served.party_with_key("tenant", &scopes).await;
    let (_, market_key) = served.party_with_key("marketplace", &["books:write"]).await;
    let (provider, provider_key) = served
        .party_with_key("provider", &["agents:read", "agents:write"])
        .await;
    let keys = format!("/v1/parties/{provider}/keys");
    let extra = served
        .post(&keys, operator, json!({ "scopes": ["agents:read"] }))
        .await
        .json();
    served
        .delete(&format!("{keys}/{}", text(&extra["id"])), operator)
        .await
        .is(204, "");

    let bar = format!("/v1/parties/{provider}/bar");
    let request = served.request(Method::PUT, &bar).bearer_auth(operator);
    served.answer(request).await.is(200, "");
    served.delete(&bar, operator).await.is(200, "");

    let money = json!({ "amount": 1_000_000, "currency": "EUR" });
    let deposit = json!({ "party": tenant, "money": money, "reference": "one" });
    served
        .post("/v1/deposits", &market_key, deposit)
        .await
        .is(201, "");
    let money = json!({ "amount": 5, "currency": "EUR" });
    let withdrawal = json!({ "party": tenant, "money": money, "reference": "two" });
    served
        .post("/v1/withdrawals", &market_key, withdrawal)
        .await
        .is(201, "");

    let spec = json!({
        "profile": "pogw/1", "kernel": "gemm_i8", "checks": [],
        "params": { "m": 16, "n": 16, "k": 16, "operands": { "seed": "5eed".repeat(16) } },
    });
    let terms = json!({
        "replicas": { "count": 2, "adaptive": false }, "devices": { "simulated": true },
        "price": { "amount": 1200, "currency": "EUR" }, "stake": 2400,
        "commit_within_s": 600, "open_within_s": 120, "dispute_window_s": 3600, "deadline_s": 86400,
    });
    let made = served
        .post(
            "/v1/jobs",
            &tenant_key,
            json!({ "spec": spec, "terms": terms }),
        )
        .await;
    made.is(201, "");
    let job = text(&made.json()["id"]);
    served
        .post(&format!("/v1/jobs/{job}/cancel"), &tenant_key, json!({}))
        .await
        .is(200, "");

    let new = json!({ "url": "https://hooks.example/secret-path?token=secret-query" });
    let webhook = served.post("/v1/webhooks", &tenant_key, new).await.json();
    let (webhook, secret) = (text(&webhook["id"]), text(&webhook["secret"]));
    let of_webhook = format!("/v1/webhooks/{webhook}");
    let rotated = served
        .post(&format!("{of_webhook}/rotate"), &tenant_key, json!({}))
        .await;
    let rotated = text(&rotated.json()["secret"]);
    served.delete(&of_webhook, &tenant_key).await.is(204, "");

    let tokens = "/v1/enrolment-tokens";
    let unused = served.post(tokens, &provider_key, json!({})).await.json();
    let unused_path = format!("{tokens}/{}", text(&unused["id"]));
    served.delete(&unused_path, &provider_key).await.is(204, "");
    let token = text(&served.post(tokens, &provider_key, json!({})).await.json()["token"]);
    let enrolled = served
        .post("/v1/agents", "", Machine::new().enrolment(&token))
        .await;
    enrolled.is(201, "");
    let agent = text(&enrolled.json()["id"]);
    served
        .delete(&format!("/v1/agents/{agent}"), &provider_key)
        .await
        .is(204, "");

    let of_path = ["secret-path", "secret-query"].map(str::to_owned);
    secrets.extend([
        tenant_key.clone(),
        market_key,
        provider_key,
        token,
        secret,
        rotated,
    ]);
    secrets.extend([text(&extra["key"]), text(&unused["token"])]);
    secrets.extend(of_path);
    Acted {
        secrets,
        tenant,
        tenant_key,
        provider,
        job,
        webhook,
    }
}

#[tokio::test]
async fn each_action_leaves_one_entry() {
    let served = open().await;
    act(&served).await;
    let recorded = served.recorded().await;
    let actions: Vec<_> = recorded
        .iter()
        .map(|entry| text(&entry["action"]))
        .collect();
    let expected = [
        "policy.upload",
        "policy.activate",
        "policy.simulate",
        "party.create",
        "api_key.create",
        "party.create",
        "api_key.create",
        "party.create",
        "api_key.create",
        "api_key.create",
        "api_key.revoke",
        "party.bar",
        "party.admit",
        "transfer.deposit",
        "transfer.withdraw",
        "job.create",
        "job.cancel",
        "webhook.create",
        "webhook.rotate",
        "webhook.remove",
        "enrolment_token.create",
        "enrolment_token.delete",
        "enrolment_token.create",
        "agent.enrol",
        "agent.remove",
    ];
    assert_eq!(actions, expected);
    for entry in &recorded {
        assert_eq!(entry["outcome"], "done", "{entry:#}");
        assert_eq!(text(&entry["request"]).len(), 16, "{entry:#}");
        assert!(entry["object"]["id"].is_string(), "{entry:#}");
    }
    // Every word of the list that an HTTP request of a healthy service leaves is there; two take a job's whole life.
    let missing = Action::ALL.iter().map(|(action, _)| action.as_str());
    let missing: Vec<_> = missing.filter(|word| !expected.contains(word)).collect();
    let elsewhere = [
        "job.dispute",
        "transfer.payout",
        "webhook.redeliver",
        "signing_key.add",
        "signing_key.publish",
        "signing_key.retire",
        "signing_key.disown",
    ];
    assert_eq!(missing, elsewhere);
}

#[tokio::test]
async fn what_is_asked_again_and_changes_nothing_leaves_none() {
    let served = open().await;
    let acted = act(&served).await;
    let before = served.recorded().await.len();
    served.put_policy(GRANTS).await.is(200, "");
    let activate = "/v1/policies/site/versions/1/activate";
    served
        .post(activate, served.operator(), json!({}))
        .await
        .is(200, "");
    let cancel = format!("/v1/jobs/{}/cancel", acted.job);
    served
        .post(&cancel, &acted.tenant_key, json!({}))
        .await
        .is(200, "");
    assert_eq!(served.recorded().await.len(), before);
}

#[tokio::test]
async fn an_entry_says_who_and_in_which_request() {
    let served = open().await;
    let acted = act(&served).await;
    let request = served
        .request(Method::PUT, "/v1/policies/site")
        .bearer_auth(served.operator())
        .header("content-type", media_type::REGO)
        .header("x-request-id", "mine")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );
    served
        .answer(request.body("package pogw\ndeny := set()\n"))
        .await
        .is(201, "");
    let entry = &served.log("action=policy.upload").await[0];
    assert_eq!(entry["actor"], json!({ "kind": "operator" }));
    assert_eq!(entry["object"], json!({ "kind": "policy", "id": "site/2" }));
    assert_eq!(entry["request"], "mine");
    assert_eq!(entry["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(entry["at"], NOW.to_string());
    let cancelled = &served
        .log(&format!("object={}&action=job.cancel", acted.job))
        .await[0];
    let made = &served
        .log(&format!("object={}&action=job.create", acted.job))
        .await[0];
    assert_eq!(cancelled["actor"], made["actor"]);
    assert_eq!(cancelled["actor"]["kind"], "api_key");
    assert_eq!(cancelled["actor"]["party"], acted.tenant.as_str());
    assert_eq!(cancelled["party"], acted.tenant.as_str());
    let enrolled = &served.log("action=agent.enrol").await[0];
    assert_eq!(enrolled["actor"]["kind"], "agent");
    assert_eq!(enrolled["actor"]["id"], enrolled["object"]["id"]);
    assert_eq!(enrolled["party"], acted.provider.as_str());
    let webhook = &served.log(&format!("object={}", acted.webhook)).await[2];
    assert_eq!(webhook["details"], json!({ "host": "hooks.example" }));
}

#[tokio::test]
async fn the_bearer_of_a_token_goes_by_issuer_and_subject() {
    let fake = FakeIssuer::start().await;
    let served = Served::with(|config| {
        config.oidc = fake.settings();
        config.body_limit_bytes = Config::default().body_limit_bytes;
    })
    .await;
    let new = json!({ "kind": "provider", "name": "Acme", "oidc_name": "acme" });
    let party = served.party(new).await;
    let token = fake.token(&fake.claims(NOW));
    served
        .post("/v1/enrolment-tokens", &token, json!({}))
        .await
        .is(201, "");
    let entry = &served.log("action=enrolment_token.create").await[0];
    let actor = json!({ "kind": "oidc", "id": "acme", "issuer": fake.url, "party": party });
    assert_eq!(entry["actor"], actor);
    assert!(!entry.to_string().contains(&token));
}

#[tokio::test]
async fn nothing_secret_is_in_it() {
    let served = open().await;
    let acted = act(&served).await;
    // Secrets in places where they do not belong, by those who may and those who may not.
    for secret in &acted.secrets {
        for token in [served.operator(), &acted.tenant_key, secret, ""] {
            for path in [
                "jobs/SECRET/cancel",
                "webhooks/SECRET/rotate",
                "policies/SECRET/versions/1/activate",
            ] {
                let path = format!("/v1/{}", path.replace("SECRET", secret));
                served.post(&path, token, json!({})).await;
            }
            served
                .delete(&format!("/v1/parties/{ID}/keys/{secret}"), token)
                .await;
            served.delete(&format!("/v1/agents/{secret}"), token).await;
        }
    }
    let log = served.log("").await;
    let refused = log.iter().filter(|entry| entry["outcome"] == "refused");
    assert!(refused.count() > 20, "refusals are there");
    for entry in log {
        let entry = entry.to_string();
        for secret in &acted.secrets {
            assert!(!entry.contains(secret.as_str()), "{entry}");
        }
    }
}

#[tokio::test]
async fn refusals_are_recorded_and_a_flood_of_them_is_counted() {
    let served = open().await;
    let acted = act(&served).await;
    let activate = "/v1/policies/site/versions/9/activate";
    for _ in 0..20 {
        served
            .post(activate, "", json!({}))
            .await
            .is(401, "authorization_missing");
        served
            .post(activate, &acted.tenant_key, json!({}))
            .await
            .is(401, "authorization_invalid");
        served
            .post(activate, served.operator(), json!({}))
            .await
            .is(404, "policy_not_found");
        served
            .delete(&format!("/v1/agents/{ID}"), &acted.tenant_key)
            .await
            .is(403, "party_kind_mismatch");
    }
    let refused = served.log("").await;
    let refused: Vec<_> = refused
        .iter()
        .filter(|entry| entry["outcome"] == "refused")
        .collect();
    let found: Vec<_> = refused
        .iter()
        .rev()
        .map(|entry| (text(&entry["actor"]["kind"]), text(&entry["code"])))
        .collect();
    let expected = [
        ("nobody", "authorization_missing"),
        ("nobody", "authorization_invalid"),
        ("operator", "policy_not_found"),
        ("api_key", "party_kind_mismatch"),
    ];
    assert_eq!(
        found,
        expected.map(|(kind, code)| (kind.to_owned(), code.to_owned()))
    );
    assert_eq!(refused[1]["object"]["id"], "site/9");
    assert_eq!(refused[0]["object"], json!({ "kind": "agent", "id": ID }));
    // Reading is no attempt at anything that is recorded.
    served
        .get("/v1/audit", "")
        .await
        .is(401, "authorization_missing");
    served
        .get("/v1/parties", "")
        .await
        .is(401, "authorization_missing");
    assert_eq!(served.log("actor=nobody").await.len(), 2);
}

#[tokio::test]
async fn pages_lead_through_all_and_filters_are_checked() {
    let served = open().await;
    act(&served).await;
    let (mut numbers, mut path) = (Vec::new(), "/v1/audit?limit=5".to_owned());
    let head = served.get("/v1/audit", served.operator()).await.json()["head"].clone();
    loop {
        let page = served.get(&path, served.operator()).await.json();
        let entries = page["entries"].as_array().unwrap().clone();
        numbers.extend(
            entries
                .iter()
                .map(|entry| entry["number"].as_i64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/audit?limit=5&cursor={next}"),
            None => break,
        }
    }
    let last = head["number"].as_i64().unwrap();
    assert_eq!(numbers, (1..=last).rev().collect::<Vec<_>>());
    let newest = &served.log("").await[0];
    assert_eq!(head["digest"], newest["digest"]);
    assert!(served.log(&format!("since={NOW}")).await.len() > 20);
    assert_eq!(served.log("since=2027-01-16").await.len(), 0);
    for query in [
        "limit=0",
        "limit=201",
        "cursor=x",
        "action=policy",
        "since=yesterday",
        "object=",
        "actor=",
        "other=1",
    ] {
        let answered = served
            .get(&format!("/v1/audit?{query}"), served.operator())
            .await;
        answered.is(400, "query_malformed");
    }
}

#[tokio::test]
async fn a_party_reads_what_concerns_it() {
    let served = open().await;
    let acted = act(&served).await;
    let seen = served.get("/v1/audit?limit=200", &acted.tenant_key).await;
    seen.is(200, "");
    assert_eq!(seen.header("cache-control"), "no-store");
    let entries = seen.json()["entries"].as_array().unwrap().clone();
    let actions: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| text(&entry["action"]))
        .collect();
    let expected = [
        "party.create",
        "api_key.create",
        "transfer.deposit",
        "transfer.withdraw",
        "job.create",
        "job.cancel",
        "webhook.create",
        "webhook.rotate",
        "webhook.remove",
    ];
    assert_eq!(actions, expected);
    // Of the marketplace it learns that it was one with an API key, and no more.
    let deposit = &entries[entries.len() - 3];
    assert_eq!(deposit["actor"], json!({ "kind": "api_key" }));
    assert!(deposit.get("request").is_none());
    assert_eq!(entries[0]["actor"]["party"], acted.tenant.as_str());
    assert!(entries[0]["request"].is_string());
    let others = format!("/v1/audit?object={}", acted.provider);
    assert_eq!(
        served.get(&others, &acted.tenant_key).await.json()["entries"],
        json!([])
    );
    let (_, without) = served.party_with_key("tenant", &["books:read"]).await;
    served
        .get("/v1/audit", &without)
        .await
        .is(403, "scope_missing");
}

/// What is shown is all that is needed to check the chain.
#[tokio::test]
async fn what_is_shown_can_be_checked_by_a_stranger() {
    let served = open().await;
    act(&served).await;
    let mut previous = "0".repeat(64);
    for mut entry in served.log("").await.into_iter().rev() {
        let digest = text(&entry["digest"]);
        entry.as_object_mut().unwrap().remove("digest");
        assert_eq!(entry["previous"], previous.as_str());
        let canonical = evidence::work::canonical_json(&entry).unwrap();
        let text = [b"pogw/1 audit entry\n".as_slice(), &canonical].concat();
        assert_eq!(Hex(evidence::crypto::sha256(&text)).to_string(), digest);
        previous = digest;
    }
    let store = SqlStore::sqlite(&served.rig.folder.path().join("verifier.sqlite"))
        .await
        .unwrap();
    let mut walk = Walk::new(None);
    let entries = store.audit_after(0, 1000).await.unwrap();
    entries.iter().for_each(|entry| walk.see(entry));
    assert_eq!(walk.end().findings, []);
}
