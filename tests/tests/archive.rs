//! The archive of a receipt: what the verifier keeps of a receipt is enough to judge it again with nothing else, and what was
//! changed in it is noticed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use cli::Exit;
use receipt::{
    Algorithm, Claims, ClaimsParts, Jwks, LocalSigner, Sha256Digest, Signer, Text, Thumbprint,
};
use serde_json::Value;
use tempfile::TempDir;
use tests::scene::{AS_OF, Scene, gemm};
use tests::served::{Requests, Served, config, problem};
use tests::upstream::Upstream;
use verifier_service::{AppraisalSettings, issue};

/// A policy that wants answers made for each appraisal.
const REQUIRED: &str = "package pogw\nimport rego.v1\nrevocation := {\"mode\": \"required\"}\n\
    deny contains {\"code\": id, \"message\": check.status} if {\n\
    some id, check in input.devices[_].checks\nid in {\"chain\", \"driver_rim\", \"vbios_rim\", \"revocation\"}\n\
    check.status != \"affirmed\"\n}\n";

type Members = BTreeMap<String, Vec<u8>>;

/// A verifier, and what there is to judge its receipts again: its key set, and the roots of the software device.
struct World {
    scene: Scene,
    served: Served,
    client: Requests,
    state: TempDir,
    jwks: PathBuf,
    _upstream: Option<Upstream>,
}

impl World {
    async fn with(
        scene: Scene,
        appraisal: AppraisalSettings,
        state: TempDir,
        upstream: Option<Upstream>,
    ) -> Self {
        let served = Served::start(config(state.path(), appraisal), AS_OF).await;
        let client = served.client();
        let jwks = state.path().join("jwks.json");
        let keys = client.get("/.well-known/jwks.json").await;
        std::fs::write(&jwks, keys.bytes().await.unwrap()).unwrap();
        Self {
            scene,
            served,
            client,
            state,
            jwks,
            _upstream: upstream,
        }
    }

    /// Manifests and answers lie in directories.
    async fn filed() -> Self {
        let scene = Scene::new();
        let settings = scene.settings();
        Self::with(scene, settings, tempfile::tempdir().unwrap(), None).await
    }

    /// Both come from services, answers with the nonce of each appraisal.
    async fn fetched() -> Self {
        let scene = Scene::new();
        let upstream = Upstream::start(&scene, AS_OF).await;
        let state = tempfile::tempdir().unwrap();
        let policy = state.path().join("required.rego");
        std::fs::write(&policy, REQUIRED).unwrap();
        let settings = AppraisalSettings {
            policy_file: Some(policy),
            ..upstream.settings(&scene)
        };
        Self::with(scene, settings, state, Some(upstream)).await
    }

    /// The path of a new receipt.
    async fn receipt(&self) -> String {
        let job = gemm(16, r#"["freivalds","output_digest"]"#);
        let challenge = self.client.challenge(&self.scene, &job).await;
        let bundle = self.scene.unsigned(job, challenge.value);
        let answer = self.client.submit(self.scene.sign(bundle).1).await;
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn ask_as(&self, token: &str, path: &str) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}", self.served.url);
        client.get(url).bearer_auth(token).send().await.unwrap()
    }

    fn operator_token(&self) -> String {
        let token = std::fs::read_to_string(self.state.path().join("state/operator-token"));
        token.unwrap().trim_end().to_owned()
    }

    /// The archive of a new receipt.
    async fn archive(&self) -> Members {
        let path = format!("{}/archive", self.receipt().await);
        let answer = self.ask_as(&self.operator_token(), &path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/x-tar");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        unpacked(&answer.bytes().await.unwrap())
    }

    /// What `pogw receipt reappraise` says of these members.
    fn reappraise(&self, members: &Members, more: &[&str]) -> (Exit, Value) {
        let file = self.state.path().join("archive.tar");
        std::fs::write(&file, packed(members)).unwrap();
        let anchors = self.scene.collateral_dir().join("anchors.toml");
        let path = |path: &Path| path.as_os_str().to_owned();
        let mut args: Vec<OsString> = ["pogw", "receipt", "reappraise"].map(Into::into).into();
        args.extend([path(&file), "--jwks".into(), path(&self.jwks)]);
        args.extend(["--simulated-anchors".into(), path(&anchors)]);
        args.extend(["--format", "json"].map(Into::into));
        args.extend(more.iter().map(Into::into));
        let (mut answer, mut notes) = (Vec::new(), Vec::new());
        let exit = cli::run(args, &mut answer, &mut notes);
        let notes = String::from_utf8(notes).unwrap();
        let answer = serde_json::from_slice(&answer);
        (exit, answer.unwrap_or_else(|_| Value::from(notes)))
    }
}

fn unpacked(bytes: &[u8]) -> Members {
    let mut tar = tar::Archive::new(bytes);
    let members = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        assert_eq!(entry.header().mode().unwrap(), 0o644, "{path}");
        let time = i64::try_from(entry.header().mtime().unwrap()).unwrap();
        assert_eq!(time, AS_OF.secs(), "{path}");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (path, bytes)
    });
    members.collect()
}

fn packed(members: &Members) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len().try_into().unwrap());
        tar.append_data(&mut header, path, bytes.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap()
}

/// The status of each part, in their order, and the sum of everything.
fn statuses(answer: &Value) -> (Vec<&str>, &str) {
    fn text(value: &Value) -> &str {
        value.as_str().unwrap_or("(absent)")
    }
    let parts = answer["parts"].as_array().unwrap().iter();
    let parts = parts.map(|part| text(&part["status"]));
    (parts.collect(), text(&answer["overall"]))
}

/// Token, bundle, policy, manifests, revocation, work; and the claims, where the archive's own policy grants.
const AFFIRMED: [&str; 7] = ["affirmed"; 7];

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_judged_again_from_its_archive_alone() {
    for world in [World::filed().await, World::fetched().await] {
        let members = world.archive().await;
        let kinds = |start: &str| {
            members
                .keys()
                .filter(|path| path.starts_with(start))
                .count()
        };
        assert_eq!(kinds("rims/"), 2, "{:?}", members.keys());
        assert!(kinds("ocsp/") >= 3, "{:?}", members.keys());
        let (exit, answer) = world.reappraise(&members, &[]);
        assert_eq!(exit, Exit::Done, "{answer:#}");
        assert_eq!(statuses(&answer), (AFFIRMED.to_vec(), "pass"), "{answer:#}");
        assert_eq!(answer["policy"]["granted"], true, "{answer:#}");
        let of_result = answer["checks"].as_array().unwrap().iter();
        let mut freivalds = of_result.filter(|check| check["id"] == "freivalds");
        assert_eq!(freivalds.next().unwrap()["status"], "affirmed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_the_operator_gets_no_evidence() {
    let world = World::filed().await;
    let path = format!("{}/archive", world.receipt().await);
    let (status, code, _) = problem(world.client.get(&path).await).await;
    assert_eq!((status, code.as_str()), (401, "authorization_missing"));
    let other = "0".repeat(43);
    let (status, code, _) = problem(world.ask_as(&other, &path).await).await;
    assert_eq!((status, code.as_str()), (401, "authorization_invalid"));
    let unknown = format!("/v1/receipts/{}/archive", "0".repeat(32));
    let (status, code, _) = problem(world.ask_as(&world.operator_token(), &unknown).await).await;
    assert_eq!((status, code.as_str()), (404, "receipt_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_or_taken_out_is_noticed() {
    let world = World::filed().await;
    let members = world.archive().await;
    let path_of = |start: &str| members.keys().find(|path| path.starts_with(start)).unwrap();
    let with = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = members.clone();
        change(changed.get_mut(path).unwrap());
        world.reappraise(&changed, &[])
    };
    let without = |path: &str| {
        let mut fewer = members.clone();
        fewer.remove(path).unwrap();
        world.reappraise(&fewer, &["--policy", "default"])
    };
    let parts = |changes: &[(usize, &'static str)], of: usize| {
        let mut parts = AFFIRMED.to_vec();
        for (n, status) in changes {
            parts[*n] = *status;
        }
        parts.truncate(of);
        parts
    };
    let part = |n, status| parts(&[(n, status)], 7);

    let (exit, answer) = with("receipt.jwt", &|token| {
        // The last character of a signature has bits that count.
        let at = token.len() - 10;
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
    });
    assert_eq!(exit, Exit::Refused, "{answer:#}");
    assert_eq!(
        statuses(&answer),
        (part(0, "refuted"), "fail"),
        "{answer:#}"
    );

    let (exit, answer) = with("bundle.json", &|bundle| bundle.push(b'\n'));
    assert_eq!(exit, Exit::Refused, "{answer:#}");
    // Its digest is a claim.
    let expected = parts(&[(1, "refuted"), (6, "refuted")], 7);
    assert_eq!(statuses(&answer), (expected, "fail"), "{answer:#}");

    let (exit, answer) = with("policy.rego", &|policy| {
        policy.extend_from_slice(b"\n# more\n");
    });
    assert_eq!(exit, Exit::Refused, "{answer:#}");
    let expected = parts(&[(2, "refuted"), (6, "refuted")], 7);
    assert_eq!(statuses(&answer), (expected, "fail"), "{answer:#}");

    let (exit, answer) = with(path_of("rims/"), &|rim| rim.push(b'\n'));
    assert_eq!(exit, Exit::Refused, "{answer:#}");
    assert_eq!(statuses(&answer).0[3], "refuted", "{answer:#}");

    let (exit, answer) = without(path_of("rims/"));
    assert_eq!(exit, Exit::Unverifiable, "{answer:#}");
    let expected = parts(&[(3, "unverifiable")], 6);
    assert_eq!(statuses(&answer), (expected, "incomplete"), "{answer:#}");

    let (exit, answer) = without("policy.rego");
    assert_eq!(exit, Exit::Unverifiable, "{answer:#}");
    assert_eq!(statuses(&answer).0, parts(&[(2, "unverifiable")], 7));
    assert_eq!(answer["policy"]["granted"], true, "{answer:#}");

    // The bundle of another receipt.
    let mut mixed = members.clone();
    let others = world.archive().await;
    mixed.insert("bundle.json".to_owned(), others["bundle.json"].clone());
    let (exit, answer) = world.reappraise(&mixed, &[]);
    assert_eq!(exit, Exit::Refused, "{answer:#}");
    assert_eq!(statuses(&answer).0[1], "refuted", "{answer:#}");

    // Another day than that of the answers.
    let (exit, answer) = world.reappraise(&members, &["--as-of", "2001-01-01T00:00:00Z"]);
    assert_ne!(exit, Exit::Done, "{answer:#}");
    assert_eq!(answer["policy"]["granted"], false, "{answer:#}");

    // A key set that has other keys.
    let other = World::filed().await;
    std::fs::copy(&other.jwks, &world.jwks).unwrap();
    let (exit, answer) = world.reappraise(&members, &[]);
    assert_eq!(
        (exit, statuses(&answer).0),
        (Exit::Refused, part(0, "refuted"))
    );
}

/// A dishonest issuer: the claims changed, signed with its own key, which its key set has.
fn signed_anew(token: &[u8], change: impl FnOnce(&mut ClaimsParts)) -> (Vec<u8>, String) {
    let token = std::str::from_utf8(token).unwrap();
    let mut parts = issue::claims_of(token).unwrap();
    change(&mut parts);
    let random = aws_lc_rs::rand::SystemRandom::new();
    let key = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let signer = LocalSigner::from_pkcs8(Algorithm::Ed25519, key.as_ref()).unwrap();
    let token = receipt::issue(&Claims::new(parts).unwrap(), &signer).unwrap();
    let keys = Jwks::new(vec![signer.public_jwk().clone().into()]).unwrap();
    (token.into_string().into_bytes(), keys.to_json())
}

type Change = fn(&mut ClaimsParts);

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_says_what_its_bundle_does_not_give_is_refuted() {
    let world = World::filed().await;
    let members = world.archive().await;
    let changes: [(&str, usize, Change); 5] = [
        ("nothing", 7, |_| {}),
        ("job", 5, |claims| {
            claims.pogw.job_digest = Sha256Digest::from_bytes([0; 32]);
        }),
        ("outputs", 5, |claims| claims.pogw.outputs[0].len += 1),
        ("agent", 5, |claims| {
            claims.cnf.jkt = Thumbprint::of_ed25519(&[7; 32]);
            claims.sub = Text::new(claims.cnf.jkt.to_string()).unwrap();
        }),
        ("times", 6, |claims| claims.pogw.timings = None),
    ];
    for (what, refuted, change) in changes {
        let (token, keys) = signed_anew(&members["receipt.jwt"], change);
        std::fs::write(&world.jwks, keys).unwrap();
        let mut forged = members.clone();
        forged.insert("receipt.jwt".to_owned(), token);
        let (exit, answer) = world.reappraise(&forged, &[]);
        let found = statuses(&answer)
            .0
            .iter()
            .position(|status| *status == "refuted");
        assert_eq!(
            found,
            AFFIRMED.get(refuted).map(|_| refuted),
            "{what}: {answer:#}"
        );
        let expected = if found.is_some() {
            Exit::Refused
        } else {
            Exit::Done
        };
        assert_eq!(exit, expected, "{what}: {answer:#}");
        // By a policy of one's own no less.
        let (exit, answer) = world.reappraise(&forged, &["--policy", "default"]);
        assert_eq!(exit, expected, "{what}: {answer:#}");
    }
}
