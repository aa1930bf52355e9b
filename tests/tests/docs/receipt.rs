//! `docs/receipt.md` names every member of a receipt, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tests::checks::root;
use tests::market::{Market, audited};
use tests::scene::gemm;
use tests::world::World;

/// Claims under NVIDIA's names; the page has one row for all of them.
const NVIDIA: &str = "x-nvidia-…";

/// Whether a member is issued today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Issued {
    Today,
    NotYet,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_the_members_that_are_issued() {
    let documented = documented();
    let mut issued = BTreeSet::new();
    for token in issued_tokens().await {
        members_of(&token, &mut issued);
    }
    for member in &issued {
        assert_eq!(documented.get(member), Some(&Issued::Today), "{member}");
    }
    // What takes a genuine device, a program or a setting is in the published vectors.
    for token in published_tokens() {
        members_of(&token, &mut issued);
    }
    let missing: Vec<_> = { issued.iter() }
        .filter(|member| !is_documented(&documented, member))
        .collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let today = documented
        .iter()
        .filter(|(_, issued)| **issued == Issued::Today);
    let today: BTreeSet<_> = today.map(|(member, _)| member.clone()).collect();
    let of_nothing: Vec<_> = today.difference(&issued).collect();
    assert_eq!(of_nothing, RARE, "on the page and in no receipt");
}

/// Vectors with claims that no verifier of ours issues, on purpose.
const OF_SOMEBODY_ELSE: [&str; 5] = [
    "good_unknown_claim.txt",
    "good_claim_other_case.txt",
    "good_deepest.txt",
    "good_submod_claim_unknown.txt",
    "good_submod_claims_like_ours.txt",
];

/// What takes a certificate on hold.
const RARE: [&str; 1] = ["pogw.revocation[].reason"];

/// Whether the page has the member, or has one that is not issued yet as a whole.
fn is_documented(documented: &BTreeMap<String, Issued>, member: &str) -> bool {
    let is_inside = |(name, issued): (&String, &Issued)| {
        let rest = member.strip_prefix(name.as_str());
        *issued == Issued::NotYet && rest.is_some_and(|rest| rest.starts_with('.'))
    };
    documented.contains_key(member) || documented.iter().any(is_inside)
}

/// Receipts for a whole check and for an audit, and one of two replicas that agree.
async fn issued_tokens() -> Vec<String> {
    let world = World::new().await;
    let training = serde_json::json!({"profile": "pogw/1", "kernel": "mlp_sgd", "checks": ["audit"], "params":
        {"layers": [2, 5, 3], "task": "classification", "samples": 60, "batch": 7, "steps": 4, "checkpoint_every": 2,
         "learning_rate": 6554, "momentum": 100, "seed": "5eed".repeat(16), "data": "seeded"}});
    let training = attestation_agent::parse_job(training.to_string().as_bytes()).unwrap();
    let mut tokens = Vec::new();
    for job in [gemm(16, r#"["freivalds"]"#), training] {
        let (_, bundle) = world.answered(job).await;
        let answer = world.client.submit(bundle).await;
        assert_eq!(answer.status(), 201);
        tokens.push(answer.text().await.unwrap());
    }
    tokens.extend(receipts_of_replicas().await);
    tokens
}

async fn receipts_of_replicas() -> Vec<String> {
    let mut market = Market::new(None).await;
    let mut hosts = Vec::new();
    for _ in 0..2 {
        let provider = market.provider().await;
        hosts.push(market.host(&provider).await);
    }
    let job = market.job(&gemm(16, "[]"), audited(2)).await;
    let mut runs = Vec::new();
    for host in &mut hosts {
        let offer = host.offer(&market).await;
        let run = host.run(&market, &offer, |_| {}).await;
        assert_eq!(host.commit(&market, &run).await.status(), 204);
        runs.push(run);
    }
    for (host, run) in hosts.iter_mut().zip(&runs) {
        let open = host.open(&market).await;
        assert_eq!(host.hand_in(&market, run, &open).await.status(), 202);
    }
    market.until(&job, "accepted").await;
    market.receipts(&job).await
}

/// The good tokens among the vectors of the crate `receipt`.
fn published_tokens() -> Vec<String> {
    let vectors = fs::read_dir(root().join("receipt/vectors")).unwrap();
    let paths = vectors.map(|entry| entry.unwrap().path());
    let good = paths.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("good_") && !OF_SOMEBODY_ELSE.contains(&&*name)
    });
    let texts = good.map(|path| fs::read_to_string(path).unwrap());
    texts
        .map(|text| text.trim_end().lines().last().unwrap().to_owned())
        .collect()
}

/// Paths of all members of a token.
fn members_of(token: &str, found: &mut BTreeSet<String>) {
    let mut parts = token.split('.').map(|part| {
        let json = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice::<Value>(&json).unwrap_or_default()
    });
    members(&parts.next().unwrap(), "header.", found);
    members(&parts.next().unwrap(), "", found);
}

fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if path == "submods." {
                    members(value, path_of_devices(), found);
                } else if name.starts_with("x-nvidia-") {
                    found.insert(format!("{path}{NVIDIA}"));
                } else {
                    found.insert(format!("{path}{name}"));
                    members(value, &format!("{path}{name}."), found);
                }
            }
        }
        Value::Array(items) => {
            let path = format!("{}[].", path.trim_end_matches('.'));
            items.iter().for_each(|item| members(item, &path, found));
        }
        _ => {}
    }
}

/// Names of submodules are the issuer's choice.
const fn path_of_devices() -> &'static str {
    "submods.*."
}

/// Paths of all members that the page has, each table's under the member it describes.
fn documented() -> BTreeMap<String, Issued> {
    let page = fs::read_to_string(root().join("docs/receipt.md")).unwrap();
    let mut named = BTreeMap::new();
    for section in page.split("\n## ").skip(1) {
        let prefix = match section.lines().next().unwrap() {
            "Header" => "header.",
            "The token" => "",
            "A device's appraisal" => path_of_devices(),
            "The work" => "pogw.",
            other => panic!("what is {other} about?"),
        };
        for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
            let (member, rest) = row.split_once('`').unwrap();
            let issued = match rest.starts_with(" ‡") {
                true => Issued::NotYet,
                false => Issued::Today,
            };
            let first = named.insert(format!("{prefix}{member}"), issued);
            assert!(first.is_none(), "{member} is there twice");
        }
    }
    named
}
