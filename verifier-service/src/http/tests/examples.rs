//! The examples of the document, sent to a verifier. Each is answered as the document says, and with success unless the
//! table here says why not. (`promised` holds the answers against the document.)

use std::collections::BTreeMap;

use axum::http::Method;

use super::served::Served;
use super::*;

/// What is not answered with success, and why.
const OTHERWISE: &[(&str, u16, &str)] = &[
    (
        "submitBundle",
        422,
        "challenge_unknown: the challenge in it is nobody's",
    ),
    (
        "enrolAgent",
        401,
        "enrolment_token_unknown: tokens are made by the verifier",
    ),
    ("readAgent", 404, "agent_not_found: nobody is enrolled"),
    (
        "readAgentDevices",
        404,
        "agent_not_found: nobody is enrolled",
    ),
    ("removeAgent", 404, "agent_not_found: nobody is enrolled"),
    (
        "payOutOfTreasury",
        402,
        "funds_missing: nothing was slashed",
    ),
    ("disputeJob", 409, "job_status: it was cancelled"),
    ("readRim", 404, "rim_not_found: no manifest is at hand"),
];

/// What others stand on, in this order; what ends things comes last, and everything else between.
const FIRST: [&str; 6] = [
    "bookDeposit",
    "createJob",
    "cancelJob",
    "uploadPolicy",
    "createWebhook",
    "createEnrolmentToken",
];

struct Asked<'d> {
    id: &'d str,
    method: Method,
    path: &'d str,
    operation: &'d Value,
}

/// Who asks, and what stands for the names in paths.
struct Scene {
    served: Served,
    keys: BTreeMap<&'static str, String>,
    names: BTreeMap<&'static str, String>,
}

impl Scene {
    async fn new() -> Self {
        let served =
            Served::with(|config| config.body_limit_bytes = Config::default().body_limit_bytes)
                .await;
        let (tenant, key) = served
            .party_with_key("tenant", &["jobs:read", "jobs:write", "books:read"])
            .await;
        let (provider, of_provider) = served
            .party_with_key("provider", &["agents:read", "agents:write", "books:read"])
            .await;
        let (_, of_marketplace) = served
            .party_with_key("marketplace", &["jobs:read", "books:read", "books:write"])
            .await;
        let path = format!("/v1/parties/{tenant}/keys");
        let spare = json!({ "scopes": ["jobs:read"] });
        let spare = served.post(&path, served.operator(), spare).await.json();
        let challenge = served.rig.challenge().await;
        let receipt = served.rig.submit(&bundle_json(challenge, "one")).await;
        let digest = served.get("/v1/policies", "").await.json()["active"]["sha256"].clone();
        let challenges = served
            .post("/v1/challenges", "", new_challenge())
            .await
            .json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let names = BTreeMap::from([
            ("parties", tenant.clone()),
            ("accounts", tenant),
            ("providers", provider),
            ("key", text(&spare["id"])),
            (
                "receipts",
                receipt
                    .header("location")
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned(),
            ),
            ("challenges", text(&challenges["id"])),
            ("agents", "0".repeat(32)),
            ("assignments", "a".to_owned()),
            ("policies", "mine".to_owned()),
            ("version", "1".to_owned()),
            ("digest", text(&digest)),
            ("rim", "NV_GPU_DRIVER_GH100_1".to_owned()),
            ("request", "MAA=".to_owned()),
        ]);
        let keys = BTreeMap::from([
            ("jobs", key),
            ("agents", of_provider),
            ("books", of_marketplace),
        ]);
        Self {
            served,
            keys,
            names,
        }
    }

    /// The path, with names in it. A name is that of the collection before it, or its own.
    fn path(&self, asked: &Asked<'_>) -> String {
        let mut before = "";
        let parts = asked.path.split('/').map(|part| {
            let name = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'));
            let found = name.map(|name| self.names.get(name).or_else(|| self.names.get(before)));
            before = part;
            // What could not be made is not there, and its maker is told of.
            found.map_or(part, |found| found.map_or("absent", String::as_str))
        });
        let mut path = parts.collect::<Vec<_>>().join("/");
        let parameters = asked.operation["parameters"]
            .as_array()
            .into_iter()
            .flatten();
        let query = parameters
            .filter(|parameter| parameter["in"] == "query" && parameter.get("example").is_some());
        for (n, parameter) in query.enumerate() {
            let example = &parameter["example"];
            let value = example
                .as_str()
                .map_or_else(|| example.to_string(), str::to_owned);
            path = format!(
                "{path}{}{}={value}",
                if n == 0 { '?' } else { '&' },
                parameter["name"].as_str().unwrap()
            );
        }
        path
    }

    fn token(&self, asked: &Asked<'_>) -> &str {
        let security = asked.operation["security"].as_array().unwrap();
        let Some(Value::Object(first)) = security.first() else {
            return "";
        };
        let (scheme, scopes) = first.iter().next().unwrap();
        if scheme == "operatorToken" {
            return self.served.operator();
        }
        let scope = scopes[0].as_str().unwrap_or("jobs");
        &self.keys[scope.split(':').next().unwrap()]
    }

    async fn send(&self, asked: &Asked<'_>) -> Answered {
        let mut request = self.served.request(asked.method.clone(), &self.path(asked));
        let token = self.token(asked);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(content) = asked.operation["requestBody"]["content"].as_object() {
            let (media_type, content) = content.iter().next().unwrap();
            let example = content.get("example").cloned().unwrap_or_default();
            let text = example
                .as_str()
                .map_or_else(|| example.to_string(), str::to_owned);
            // The one name in bodies that has to be somebody's.
            let text = text.replace("0123456789abcdef0123456789abcdef", &self.names["parties"]);
            request = request.header("content-type", media_type).body(text);
        }
        self.served.answer(request).await
    }

    /// What was made is what others ask for.
    fn remember(&mut self, asked: &Asked<'_>, answered: &Answered) {
        let made = [
            ("createJob", "jobs"),
            ("createWebhook", "webhooks"),
            ("createEnrolmentToken", "enrolment-tokens"),
        ];
        let made = made.iter().find(|(id, _)| *id == asked.id);
        if let Some((_, name)) = made.filter(|_| answered.status.is_success()) {
            self.names
                .insert(name, answered.json()["id"].as_str().unwrap().to_owned());
        }
    }
}

fn in_order(document: &Value) -> Vec<Asked<'_>> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, operations)| {
        operations
            .as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| Asked {
                id: operation["operationId"].as_str().unwrap(),
                method: method.to_ascii_uppercase().parse().unwrap(),
                path,
                operation,
            })
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|asked| {
        let first = FIRST.iter().position(|id| *id == asked.id);
        (first.unwrap_or(FIRST.len()), asked.method == Method::DELETE)
    });
    all
}

#[tokio::test]
async fn the_examples_of_the_document_are_answered_as_it_says() {
    let document: Value = serde_json::from_str(&api::document().json).unwrap();
    let mut scene = Scene::new().await;
    let mut wrong = Vec::new();
    for asked in in_order(&document) {
        let answered = scene.send(&asked).await;
        let is_signed = asked.operation["security"][0]
            .get("agentSignature")
            .is_some();
        let otherwise = OTHERWISE.iter().find(|(id, ..)| *id == asked.id);
        let expected = match (is_signed, otherwise) {
            // What an agent signs is signed in `agents` and in the end-to-end tests.
            (true, _) => {
                answered.status == StatusCode::UNAUTHORIZED
                    && answered.json()["code"] == "signature_malformed"
            }
            (false, Some((_, status, why))) => {
                let code = why.split(':').next().unwrap();
                answered.status.as_u16() == *status && answered.json()["code"] == code
            }
            (false, None) => answered.status.is_success(),
        };
        if !expected {
            wrong.push(format!(
                "{}: {} {}",
                asked.id, answered.status, answered.body
            ));
        }
        scene.remember(&asked, &answered);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
