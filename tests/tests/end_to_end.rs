//! From a challenge to a validated receipt over real HTTP, and every way to be refused.

use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use attestation_agent::device::SourceKind;
use attestation_agent::{Agent, DeviceSettings, InputBytes, Settings};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::UnixTime;
use evidence::work::{Base64Url, Blob, Hex, JobSpec, KernelRef, Ran};
use receipt::{Level, ResultCheck};
use serde_json::Value;
use tests::scene::{AS_OF, Scene, gemm};
use tests::served::{AUDIENCE, BUNDLE, Challenge, ISSUER, Requests, Served, config, problem};
use tests::world::{World, validate};

fn job() -> JobSpec {
    gemm(16, r#"["freivalds","output_digest"]"#)
}

#[tokio::test]
async fn an_agent_gets_a_receipt_that_a_stranger_can_check() {
    let world = World::new().await;
    let agent_state = tempfile::tempdir().unwrap();
    let settings = Settings {
        state_dir: agent_state.path().to_owned(),
        verifier: Some(world.served.url.clone()),
        device: DeviceSettings {
            kind: SourceKind::Simulated,
            dir: Some(world.scene.device_dir()),
            library: None,
        },
        ..Settings::default()
    };
    let agent = Agent::open(settings).unwrap();
    let verifier = agent.verifier().unwrap();
    let run = agent
        .run(job(), InputBytes::new(), &verifier, &())
        .await
        .unwrap();

    let receipt = world.validate(&run.receipt.jwt).await.unwrap();
    assert_eq!(
        receipt.level(),
        Level::A0,
        "a software device proves nothing"
    );
    assert!(receipt.is_simulated());
    assert!(receipt.results().contains(&ResultCheck::Freivalds));
    assert_eq!(
        receipt.job_digest().to_string(),
        job().digest().unwrap().to_string()
    );
    let digest = run.work.outputs[0].digest;
    assert_eq!(receipt.outputs()[0].blake3.as_bytes(), digest.as_bytes());
    world.served.stop().await;
}

#[tokio::test]
async fn the_same_bundle_gives_the_same_receipt() {
    let world = World::new().await;
    let (_, bundle) = world.answered(job()).await;
    let first = world.client.submit(bundle.clone()).await;
    assert_eq!(first.status(), 201);
    let location = first.headers()["location"].to_str().unwrap().to_owned();
    let first = first.text().await.unwrap();
    // Also long after the challenge expired.
    world.served.clock.advance_s(3600);
    let again = world.client.submit(bundle).await;
    assert_eq!(again.status(), 200);
    assert_eq!(again.text().await.unwrap(), first);
    assert_eq!(
        world.client.get(&location).await.text().await.unwrap(),
        first
    );
}

#[tokio::test]
async fn another_bundle_under_a_spent_challenge_is_a_conflict() {
    let world = World::new().await;
    let (challenge, bundle) = world.answered(job()).await;
    assert_eq!(world.client.submit(bundle.clone()).await.status(), 201);
    // The device signs anew with a nonce of its own, so the bytes differ.
    let other = world.bundle_for(job(), &challenge);
    assert_ne!(other, bundle);
    let (status, code, _) = problem(world.client.submit(other).await).await;
    assert_eq!((status, code.as_str()), (409, "challenge_spent"));
}

#[tokio::test]
async fn an_expired_challenge_is_gone() {
    let world = World::new().await;
    let (_, bundle) = world.answered(job()).await;
    world.served.clock.advance_s(301);
    let (status, code, _) = problem(world.client.submit(bundle).await).await;
    assert_eq!((status, code.as_str()), (410, "challenge_expired"));
}

#[tokio::test]
async fn refuted_evidence_is_told_why_and_spends_nothing() {
    let world = World::new().await;
    let (challenge, good) = world.answered(job()).await;

    // Reports for another statement: what a replay looks like.
    let mut unsigned = world.scene.unsigned(job(), challenge.value);
    unsigned.devices = world.scene.unsigned(job(), [0; 32]).devices;
    let (status, code, body) =
        problem(world.client.submit(world.scene.sign(unsigned).1).await).await;
    assert_eq!((status, code.as_str()), (422, "nonce_mismatch"));
    assert_eq!(reason(&body, "nonce"), "nonce_mismatch", "{body:#}");
    let nonce = &finding(&body, "nonce")["reasons"][0];
    assert!(
        nonce["expected"].is_string() && nonce["actual"].is_string(),
        "{body:#}"
    );
    assert!(finding(&body, "nonce")["remedy"].is_string(), "{body:#}");

    // Another output than the committed one.
    let mut unsigned = world.scene.unsigned(job(), challenge.value);
    unsigned
        .outputs
        .insert("c".to_owned(), Blob(vec![0; 16 * 16 * 4]));
    let (status, code, _) = problem(world.client.submit(world.scene.sign(unsigned).1).await).await;
    assert_eq!((status, code.as_str()), (422, "output_digest_mismatch"));

    // Nobody's signature.
    let (mut bundle, _) = world
        .scene
        .sign(world.scene.unsigned(job(), challenge.value));
    bundle.signature.0 = [1; 64];
    let bundle = serde_json::to_vec(&bundle).unwrap();
    let (status, code, _) = problem(world.client.submit(bundle).await).await;
    assert_eq!((status, code.as_str()), (422, "agent_signature_invalid"));

    // None of this has spent the challenge.
    assert_eq!(world.client.submit(good).await.status(), 201);
}

#[tokio::test]
async fn another_specification_or_module_than_those_in_force_is_refused() {
    let world = World::new().await;
    let (challenge, good) = world.answered(job()).await;
    let changes: [fn(&mut KernelRef); 3] = [
        |kernel| kernel.spec = Hex([0; 32]),
        |kernel| kernel.name = "stream".to_owned(),
        |kernel| kernel.module = Some(Hex([0; 32])),
    ];
    for change in changes {
        let mut unsigned = world.scene.unsigned(job(), challenge.value);
        let Ran::Kernel(kernel) = &mut unsigned.statement.ran else {
            panic!("the job is a kernel");
        };
        change(kernel);
        let canonical = unsigned.statement.canonical().unwrap();
        unsigned.devices = world.scene.attest(&canonical.report_nonce());
        let answer = world.client.submit(world.scene.sign(unsigned).1).await;
        let (status, code, body) = problem(answer).await;
        assert_eq!(
            (status, code.as_str()),
            (422, "kernel_mismatch"),
            "{body:#}"
        );
    }
    assert_eq!(world.client.submit(good).await.status(), 201);
}

#[tokio::test]
async fn a_device_has_another_name_towards_another_audience() {
    let scene = Scene::new();
    let state = tempfile::tempdir().unwrap();
    let mut config = config(state.path(), scene.settings());
    config.audience.push("https://other.example".to_owned());
    let served = Served::start(config, AS_OF).await;
    let client = served.client();
    let mut names = Vec::new();
    for audience in [AUDIENCE, "https://other.example", AUDIENCE] {
        let body = serde_json::json!({ "job": job().digest().unwrap(), "agent_key": scene.agent_key(),
            "audience": audience });
        let challenge = client.post("/v1/challenges", "application/json", body.to_string());
        let challenge: Value = challenge.await.json().await.unwrap();
        let challenge = Base64Url::parse(challenge["challenge"].as_str().unwrap()).unwrap();
        let bundle = scene.sign(scene.unsigned(job(), challenge.0)).1;
        let token = client.submit(bundle).await.text().await.unwrap();
        names.push(claims(&token)["pogw"]["devices"][0]["id"].clone());
    }
    assert_eq!(names[0], names[2]);
    assert_ne!(names[0], names[1]);
    served.stop().await;
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_wrong_result_ends_its_challenge() {
    let world = World::new().await;
    let (challenge, good) = world.answered(job()).await;

    // An output that is not the product, committed and signed by its agent.
    let wrong = world.bundle_with_output(job(), &challenge, "c", |output| output[0] ^= 1);
    let (status, code, body) = problem(world.client.submit(wrong).await).await;
    assert_eq!(
        (status, code.as_str()),
        (422, "freivalds_refuted"),
        "{body:#}"
    );

    // Bounds of such a check are for one attempt.
    let (status, code, _) = problem(world.client.submit(good).await).await;
    assert_eq!((status, code.as_str()), (409, "challenge_refuted"));
}

#[tokio::test]
async fn a_stranger_to_the_challenge_is_refused() {
    let world = World::new().await;
    let unknown = world.scene.sign(world.scene.unsigned(job(), [9; 32])).1;
    let (status, code, _) = problem(world.client.submit(unknown).await).await;
    assert_eq!((status, code.as_str()), (422, "challenge_unknown"));
    let challenge = world.client.challenge(&world.scene, &gemm(17, "[]")).await;
    let other_job = world.bundle_for(job(), &challenge);
    let (status, code, _) = problem(world.client.submit(other_job).await).await;
    assert_eq!((status, code.as_str()), (422, "challenge_job_mismatch"));
}

#[tokio::test]
async fn missing_collateral_is_unavailable_and_not_a_refusal() {
    let world = World::new().await;
    let folder = world.scene.collateral_dir();
    let (_, bundle) = world.answered(job()).await;
    let hidden = folder.with_extension("hidden");
    let manifests: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".xml"))
        .collect();
    std::fs::create_dir(&hidden).unwrap();
    for name in &manifests {
        std::fs::rename(folder.join(name), hidden.join(name)).unwrap();
    }
    let answer = world.client.submit(bundle.clone()).await;
    assert!(answer.headers().contains_key("retry-after"));
    let (status, code, body) = problem(answer).await;
    assert_eq!((status, code.as_str()), (503, "unverifiable"));
    assert_eq!(reason(&body, "driver_rim"), "rim_not_available");
    for name in &manifests {
        std::fs::rename(hidden.join(name), folder.join(name)).unwrap();
    }
    assert_eq!(world.client.submit(bundle).await.status(), 201);
}

#[tokio::test]
async fn a_simulated_root_nobody_named_is_not_trusted() {
    let scene = Scene::new();
    let mut appraisal = scene.settings();
    appraisal.simulated_anchors.clear();
    let state = tempfile::tempdir().unwrap();
    let served = Served::start(config(state.path(), appraisal), AS_OF).await;
    let client = served.client();
    let challenge = client.challenge(&scene, &job()).await;
    let bundle = scene.sign(scene.unsigned(job(), challenge.value)).1;
    let (status, code, body) = problem(client.submit(bundle).await).await;
    assert_eq!(
        (status, code.as_str()),
        (422, "chain_root_untrusted"),
        "{body:#}"
    );
}

#[tokio::test]
async fn bad_requests_each_have_their_status() {
    let scene = Scene::new();
    let state = tempfile::tempdir().unwrap();
    let mut settings = config(state.path(), scene.settings());
    settings.body_limit_bytes = 100_000;
    let served = Served::start(settings, AS_OF).await;
    let client = served.client();
    let oversized = vec![b' '; 100_001];
    let bundle = scene.bundle(gemm(4, "[]")).1;
    let twice = String::from_utf8(bundle)
        .unwrap()
        .replacen('{', r#"{"profile":"pogw/1","#, 1);
    let table: Vec<(&str, &str, &str, Vec<u8>, u16)> = vec![
        (
            "garbage",
            "/v1/receipts",
            BUNDLE,
            b"\x00\xffgarbage".to_vec(),
            400,
        ),
        ("empty", "/v1/receipts", BUNDLE, Vec::new(), 400),
        ("other JSON", "/v1/receipts", BUNDLE, b"{}".to_vec(), 400),
        (
            "member twice",
            "/v1/receipts",
            BUNDLE,
            twice.into_bytes(),
            400,
        ),
        (
            "deep",
            "/v1/receipts",
            BUNDLE,
            "[".repeat(50_000).into_bytes(),
            400,
        ),
        ("oversized", "/v1/receipts", BUNDLE, oversized.clone(), 413),
        ("text", "/v1/receipts", "text/plain", b"{}".to_vec(), 415),
        (
            "garbage",
            "/v1/challenges",
            "application/json",
            b"?".to_vec(),
            400,
        ),
        (
            "short job",
            "/v1/challenges",
            "application/json",
            br#"{"job":"00","agent_key":""}"#.to_vec(),
            400,
        ),
        (
            "garbage",
            "/v1/verify",
            "application/json",
            b"?".to_vec(),
            400,
        ),
        (
            "oversized",
            "/v1/verify",
            "application/json",
            oversized,
            413,
        ),
        ("text", "/v1/verify", "text/plain", b"{}".to_vec(), 415),
        (
            "nowhere",
            "/v1/nothing",
            "application/json",
            b"{}".to_vec(),
            404,
        ),
        (
            "no method",
            "/healthz",
            "application/json",
            b"{}".to_vec(),
            405,
        ),
    ];
    for (name, path, media_type, body, expected) in table {
        let (status, code, _) = problem(client.post(path, media_type, body).await).await;
        assert_eq!(status, expected, "{name} to {path}: {code}");
    }
    let blanks = (0..200).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1000]));
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(blanks));
    let (status, _, _) = problem(client.submit(chunked).await).await;
    assert_eq!(status, 413, "no stated length");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(client.get(path).await.status(), 200, "{path}");
    }
    let (status, ..) = problem(
        client
            .get("/v1/receipts/0123456789abcdef0123456789abcdef")
            .await,
    )
    .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn verify_answers_with_findings_whatever_they_are() {
    let world = World::new().await;
    let (bundle, _) = world.scene.bundle(job());
    let device = serde_json::to_value(&bundle.devices[0]).unwrap();
    let nonce = bundle.statement.canonical().unwrap().report_nonce();
    for (nonce, overall, granted) in [(nonce, "pass", true), ([0; 32], "fail", false)] {
        let body = serde_json::json!({ "nonce": hex::encode(nonce), "devices": [device] });
        let answer = world
            .client
            .post("/v1/verify", "application/json", body.to_string())
            .await;
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["overall"], overall);
        assert_eq!(answer["policy"]["granted"], granted);
        assert_eq!(answer["devices"][0]["simulated"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_is_spent_once_however_many_try() {
    let world = World::new().await;
    let (challenge, bundle) = world.answered(job()).await;
    let other = world.bundle_for(job(), &challenge);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let client = world.client.clone();
            let body = if n % 2 == 0 {
                bundle.clone()
            } else {
                other.clone()
            };
            tokio::spawn(async move {
                let answer = client.submit(body).await;
                (
                    n % 2,
                    answer.status().as_u16(),
                    answer.text().await.unwrap(),
                )
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    let created: Vec<_> = answers
        .iter()
        .filter(|(_, status, _)| *status == 201)
        .collect();
    assert_eq!(created.len(), 1, "one receipt is made");
    let (winner, _, token) = created[0];
    for (bundle, status, text) in &answers {
        match bundle == winner {
            true => assert!([200, 201].contains(status) && text == token, "{status}"),
            false => assert_eq!(*status, 409),
        }
    }
}

#[tokio::test]
async fn killing_the_verifier_loses_no_receipt_and_spends_no_challenge_twice() {
    let scene = Scene::new();
    let state = tempfile::tempdir().unwrap();
    let config_file = state.path().join("verifier.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = {:?}\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\n\
         [appraisal]\nrim_dir = {:?}\nsimulated_anchors = [{:?}]\n",
        state.path().join("state"),
        scene.collateral_dir(),
        scene.collateral_dir().join("anchors.toml"),
    );
    std::fs::write(&config_file, text).unwrap();
    let start = |round: usize| {
        Killable::start(&config_file, &state.path().join(format!("address-{round}")))
    };

    let mut verifier = start(0);
    let mut issued: Vec<(String, Vec<u8>, Challenge, String)> = Vec::new();
    for round in 1..=4 {
        let client = verifier.client();
        let challenge = client.challenge(&scene, &job()).await;
        let bundle = scene.sign(scene.unsigned(job(), challenge.value)).1;
        if round % 2 == 0 {
            // Killed between challenge and submission: the challenge survives.
            verifier = verifier.kill_and(|| start(100 + round));
        }
        let answer = verifier.client().submit(bundle.clone()).await;
        assert_eq!(answer.status(), 201, "round {round}");
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        // Killed the moment the answer is there.
        let token = answer.text().await.unwrap();
        issued.push((location, bundle, challenge, token));
        verifier = verifier.kill_and(|| start(round));
        for (location, bundle, challenge, token) in &issued {
            let client = verifier.client();
            assert_eq!(&client.get(location).await.text().await.unwrap(), token);
            let again = client.submit(bundle.clone()).await;
            assert_eq!(again.status(), 200);
            assert_eq!(&again.text().await.unwrap(), token);
            let other = scene.sign(scene.unsigned(job(), challenge.value)).1;
            assert_eq!(client.submit(other).await.status(), 409);
        }
    }
    let client = verifier.client();
    let jwks = client
        .get("/.well-known/jwks.json")
        .await
        .text()
        .await
        .unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for (.., token) in &issued {
        validate(
            &jwks,
            token,
            UnixTime::from_secs(i64::try_from(now).unwrap()),
        )
        .unwrap();
    }
}

/// A verifier in a process of its own.
struct Killable {
    process: Child,
    url: String,
}

impl Killable {
    fn start(config: &std::path::Path, address_file: &std::path::Path) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_verifier-under-test"))
            .args([config, address_file])
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let address = loop {
            match std::fs::read_to_string(address_file) {
                Ok(address) => break address,
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("the verifier does not start: {error}"),
            }
        };
        Self {
            process,
            url: format!("http://{address}"),
        }
    }

    fn client(&self) -> Requests {
        Requests::new(&self.url)
    }

    /// SIGKILL, as kill -9 sends it; then whatever comes next.
    fn kill_and(mut self, next: impl FnOnce() -> Self) -> Self {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        next()
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn finding<'a>(problem: &'a Value, id: &str) -> &'a Value {
    let checks = problem["checks"].as_array().map_or(&[][..], Vec::as_slice);
    checks
        .iter()
        .find(|check| check["id"] == id)
        .unwrap_or(&Value::Null)
}

fn reason<'a>(problem: &'a Value, id: &str) -> &'a str {
    finding(problem, id)["reasons"][0]["code"]
        .as_str()
        .unwrap_or("(absent)")
}
