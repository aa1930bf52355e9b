//! Each policy gives the decisions its table states, and a verifier decides by the one that is in force.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::policy::Policy;
use evidence::work::Hex;
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::scene::{AS_OF, Scene, gemm};
use tests::served::{Requests, Served, config, problem};

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    input: String,
    deny: BTreeSet<String>,
}

#[test]
fn every_policy_decides_as_its_table_states() {
    let mut seen = 0;
    for policy in policies() {
        let id = policy.file_stem().unwrap().to_str().unwrap();
        let compiled = Policy::compile(id, &read(&policy)).unwrap();
        let table: Table = toml::from_str(&read(&policy.with_extension("decisions.toml"))).unwrap();
        assert!(
            table.case.iter().any(|case| case.deny.is_empty()),
            "{id} never grants"
        );
        for case in table.case {
            let input = serde_json::from_str(&case.input).unwrap();
            let denials = compiled.denials(&input).unwrap();
            let codes: BTreeSet<_> = denials.into_iter().map(|denial| denial.code).collect();
            assert_eq!(codes, case.deny, "{id}: {}", case.name);
            seen += 1;
        }
    }
    assert!(seen >= 90, "only {seen} decisions");
}

/// The tables of a policy hold each of its words at least once, so that no rule is without a case.
#[test]
fn every_word_of_a_policy_is_in_its_table() {
    for policy in policies() {
        let text = read(&policy);
        let words = text.split("deny contains {\"code\": \"").skip(1);
        let words = words.filter_map(|rest| rest.split('"').next());
        let table = read(&policy.with_extension("decisions.toml"));
        for word in words {
            let excused = policy.ends_with("strict.rego") && OF_DATA.contains(&word);
            let quoted = format!("\"{word}\"");
            let in_table = table
                .lines()
                .any(|l| l.starts_with("deny = ") && l.contains(&quoted));
            assert!(excused || in_table, "{}: {word}", policy.display());
        }
    }
}

/// Words that need data which the policy is shipped without.
const OF_DATA: [&str; 5] = [
    "driver_version_too_low",
    "vbios_version_too_low",
    "driver_version_denied",
    "vbios_version_denied",
    "device_denied",
];

/// `strict.rego` with a line of data filled in, and one device.
fn strict_says(data: (&str, &str), device: Value) -> Vec<String> {
    let (name, value) = data;
    let text = read(&root().join("policies/strict.rego"));
    let empty = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} := ")));
    let filled = text.replacen(empty.unwrap(), &format!("{name} := {value}"), 1);
    assert_ne!(text, filled);
    let mut evidence = json!({
        "kind": "gpu",
        "arch": "HOPPER",
        "ueid": "4711",
        "driver_version": "570.124.06",
        "vbios_version": "96.00.9F.00.01",
        "feature_flag": 0,
        "simulated": false,
        "checks": { "revocation": { "status": "affirmed", "reasons": [] } },
    });
    for (name, value) in device.as_object().unwrap() {
        evidence[name] = value.clone();
    }
    let input = json!({ "checks": {}, "devices": [evidence] });
    let policy = Policy::compile("strict", &filled).unwrap();
    let denials = policy.denials(&input).unwrap();
    denials.into_iter().map(|denial| denial.code).collect()
}

#[test]
fn minimum_versions_of_the_strict_policy() {
    let driver = |minimum: &str, version: Value| {
        let data = format!("{{\"HOPPER\": \"{minimum}\"}}");
        let device = json!({ "driver_version": version });
        strict_says(("minimum_driver_version", &data), device)
    };
    for (minimum, version, good) in [
        ("570.124.06", "570.124.06", true),
        ("570.124.06", "570.124.6", true),
        ("570.124.06", "570.124.07", true),
        ("570.124.06", "580.1", true),
        ("570.124.06", "1000.0.0", true),
        ("570.124.06", "570.124.05", false),
        ("570.124.06", "570.86.15", false),
        ("570.124.06", "99.999.99", false),
        ("570.124.06", "570.124", false),
        ("570.124.06", "570.124.06-beta", false),
        ("570.124.06", "", false),
        ("570.124.06", "570..06", false),
    ] {
        let expected: &[&str] = if good {
            &[]
        } else {
            &["driver_version_too_low"]
        };
        assert_eq!(driver(minimum, version.into()), expected, "{version}");
    }
    assert_eq!(driver("1.0", Value::Null), ["driver_version_too_low"]);
    // The word for another architecture binds nobody here.
    let of_another = ("minimum_driver_version", r#"{"BLACKWELL": "999.0"}"#);
    assert!(strict_says(of_another, json!({})).is_empty());

    let vbios = |version: Value| {
        let data = ("minimum_vbios_version", r#"{"HOPPER": "96.00.9F.00.01"}"#);
        strict_says(data, json!({ "vbios_version": version }))
    };
    for good in [
        "96.00.9F.00.01",
        "96.00.9f.00.01",
        "96.00.A0.00.00",
        "97.00.00.00.00",
    ] {
        assert!(vbios(good.into()).is_empty(), "{good}");
    }
    for low in [
        json!("96.00.9E.FF.FF"),
        json!("96.00.10.00.01"),
        json!("G"),
        Value::Null,
    ] {
        assert_eq!(vbios(low), ["vbios_version_too_low"]);
    }
}

#[test]
fn deny_lists_of_the_strict_policy() {
    let table = [
        (
            "denied_driver_versions",
            r#"{"570.124.06"}"#,
            Some("driver_version_denied"),
        ),
        ("denied_driver_versions", r#"{"570.124.07"}"#, None),
        (
            "denied_vbios_versions",
            r#"{"a", "96.00.9F.00.01"}"#,
            Some("vbios_version_denied"),
        ),
        ("denied_ueids", r#"{"4711"}"#, Some("device_denied")),
        ("denied_ueids", r#"{"471"}"#, None),
    ];
    for (list, value, code) in table {
        let said = strict_says((list, value), json!({}));
        assert_eq!(said.first().map(String::as_str), code, "{list} {value}");
    }
}

/// Denies software devices.
const NO_SOFTWARE: &str = "package pogw\nimport rego.v1\n\
    deny contains {\"code\": \"software\", \"message\": \"no\"} if input.devices[_].simulated\n";

struct World {
    scene: Scene,
    served: Served,
    client: Requests,
    state: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(Scene::new(), tempfile::tempdir().unwrap()).await
    }

    async fn with(scene: Scene, state: tempfile::TempDir) -> Self {
        let served = Served::start(config(state.path(), scene.settings()), AS_OF).await;
        Self {
            client: served.client(),
            scene,
            served,
            state,
        }
    }

    async fn restart(self) -> Self {
        self.served.stop().await;
        Self::with(self.scene, self.state).await
    }

    async fn submit(&self) -> Response {
        let job = gemm(16, r#"["freivalds"]"#);
        let challenge = self.client.challenge(&self.scene, &job).await;
        let bundle = self.scene.unsigned(job, challenge.value);
        self.client.submit(self.scene.sign(bundle).1).await
    }

    async fn operate(&self, method: Method, path: &str, media_type: &str, body: &str) -> Value {
        let token = read(&self.state.path().join("state/operator-token"));
        let client = Client::builder().no_proxy().build().unwrap();
        let request = client.request(method, format!("{}/v1/policies/{path}", self.served.url));
        let request = request.bearer_auth(token.trim_end());
        let request = request.header("content-type", media_type);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap()
    }

    async fn activate(&self, version: &str) {
        let path = format!("{version}/activate");
        self.operate(Method::POST, &path, "", "").await;
    }

    async fn simulate(&self, version: &str) -> Value {
        let path = format!("{version}/simulate");
        let body = r#"{"receipts":"recent"}"#;
        self.operate(Method::POST, &path, "application/json", body)
            .await
    }
}

#[tokio::test]
async fn an_activated_policy_decides_next_and_after_a_restart() {
    let world = World::new().await;
    assert_eq!(world.submit().await.status(), 201);
    world
        .operate(Method::PUT, "site", "text/x-rego", NO_SOFTWARE)
        .await;
    assert_eq!(
        world.submit().await.status(),
        201,
        "uploaded is not activated"
    );
    world.activate("site/versions/1").await;
    let denied = async |world: &World| {
        let (status, _, body) = problem(world.submit().await).await;
        assert!(status >= 400, "{body}");
        let expected = json!([{ "code": "software", "message": "no" }]);
        assert_eq!(body["deny"], expected, "{body:#}");
    };
    denied(&world).await;
    let world = world.restart().await;
    denied(&world).await;
    world.activate("default/versions/1").await;
    assert_eq!(world.submit().await.status(), 201);
}

#[tokio::test]
async fn a_receipt_leads_to_the_text_that_granted_it() {
    let world = World::new().await;
    let token = world.submit().await.text().await.unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let named = &claims["pogw"]["policy"];
    assert_eq!(named["id"], "default", "{claims:#}");
    let sha256 = named["sha256"].as_str().unwrap();
    // Another text of that name in force does not change what the digest leads to.
    world
        .operate(Method::PUT, "default", "text/x-rego", NO_SOFTWARE)
        .await;
    world.activate("default/versions/2").await;
    let path = format!("/v1/policies/by-sha256/{sha256}");
    let found: Value = world.client.get(&path).await.json().await.unwrap();
    assert_eq!(
        (&found["id"], &found["version"]),
        (&json!("default"), &json!(1))
    );
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}{path}", world.served.url));
    let text = request
        .header("accept", "text/x-rego")
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    assert_eq!(
        Hex(evidence::crypto::sha256(text.as_bytes())).to_string(),
        sha256
    );
    assert_eq!(text, read(&root().join("policies/default.rego")));
}

#[tokio::test]
async fn stored_bundles_are_judged_again_under_another_policy() {
    let world = World::new().await;
    assert_eq!(world.submit().await.status(), 201);
    world
        .operate(Method::PUT, "site", "text/x-rego", NO_SOFTWARE)
        .await;
    // Long after: certificates and challenge are judged as of the receipt.
    world.served.clock.advance_s(100_000_000);
    let same = world.simulate("default/versions/1").await;
    assert_eq!(same["changed"], 0, "{same:#}");
    assert_eq!(same["receipts"][0]["granted"], true, "{same:#}");
    let other = world.simulate("site/versions/1").await;
    assert_eq!(other["changed"], 1, "{other:#}");
    let expected = json!([{ "code": "software", "message": "no" }]);
    assert_eq!(other["receipts"][0]["deny"], expected);
    let strict = world.simulate("strict/versions/1").await;
    let deny = strict["receipts"][0]["deny"].as_array().unwrap();
    assert!(
        deny.iter()
            .any(|denial| denial["code"] == "device_simulated"),
        "{strict:#}"
    );
    // Manifests that are gone now are gone for the simulation too.
    for file in std::fs::read_dir(world.scene.collateral_dir()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let without = world.restart().await.simulate("default/versions/1").await;
    assert_eq!(without["changed"], 1, "{without:#}");
}

#[test]
fn a_policy_that_is_none_is_refused_with_a_reason() {
    let table = [
        ("not rego", "package pogw\ndeny contains"),
        ("no deny", "package pogw\nimport rego.v1\nallow := true"),
        (
            "other package",
            "package other\nimport rego.v1\ndeny contains {\"code\": \"a\", \"message\": \"b\"}",
        ),
    ];
    for (name, text) in table {
        let error = Policy::compile(name, text).expect_err(name);
        assert_eq!(error.code().as_str(), "policy_invalid", "{name}");
    }
    let malformed = [
        ("a number", "package pogw\nimport rego.v1\ndeny := 1"),
        (
            "texts",
            "package pogw\nimport rego.v1\ndeny contains \"no\"",
        ),
        (
            "no message",
            "package pogw\nimport rego.v1\ndeny contains {\"code\": \"a\"}",
        ),
    ];
    for (name, text) in malformed {
        let policy = Policy::compile(name, text).unwrap();
        let denials = policy.denials(&Value::Null);
        assert!(denials.is_err(), "{name}: a broken policy must not grant");
    }
}

#[test]
fn a_policy_that_does_not_end_is_ended() {
    let endless = "package pogw\nimport rego.v1\n\
        deny contains {\"code\": \"a\", \"message\": \"b\"} if {\n\
        r := numbers.range(1, 100000)\nsome x in r\nsome y in r\nx * y == -1 }";
    let policy = Policy::compile("endless", endless).unwrap();
    assert!(policy.denials(&Value::Null).is_err());
}

#[test]
fn every_reason_has_its_row_in_the_docs() {
    let docs = section_of_reasons("Reasons");
    for (code, meaning) in evidence::Code::ALL {
        let row = format!("| `{code}` | {} |", meaning.trim());
        assert!(docs.contains(&row), "docs/reasons.md lacks\n{row}");
    }
    assert_eq!(
        codes_in(&docs).len(),
        evidence::Code::ALL.len(),
        "docs/reasons.md has rows of no code"
    );
}

#[test]
fn every_code_of_a_policy_and_of_a_token_has_its_row_in_the_docs() {
    let texts = policies().into_iter().map(|path| read(&path));
    let said: BTreeSet<_> = texts.flat_map(|text| codes_of_policy(&text)).collect();
    let documented = codes_in(&section_of_reasons("What policies say"));
    let made = ["<check>_refuted", "<check>_unverifiable"].map(str::to_owned);
    assert_eq!(documented, said.into_iter().chain(made).collect());

    let faults = verifier_service::nvidia::token::FaultCode::ALL.iter();
    let faults: BTreeSet<_> = faults.map(|code| code.as_str().to_owned()).collect();
    assert_eq!(
        codes_in(&section_of_reasons("Tokens in NVIDIA's form")),
        faults
    );
}

/// What stands under a heading of the page of reasons, up to the next.
fn section_of_reasons(title: &str) -> String {
    let docs = read(&root().join("docs/reasons.md"));
    let mut sections = docs.trim_start_matches("# ").split("\n## ");
    let found = sections.find(|section| section.starts_with(title));
    found
        .unwrap_or_else(|| panic!("docs/reasons.md has no {title}"))
        .to_owned()
}

/// The codes in the first column of a table.
fn codes_in(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let codes = cells.flat_map(|cell| cell.split(", "));
    codes
        .map(|code| code.trim_matches('`').to_owned())
        .collect()
}

/// The codes that a policy spells out.
fn codes_of_policy(rego: &str) -> Vec<String> {
    let after = rego.split("\"code\": \"").skip(1);
    after
        .filter_map(|rest| rest.split('"').next().map(str::to_owned))
        .collect()
}

fn policies() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("policies")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "rego"))
        .collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
