//! RIM service and responder killed, hanging, crawling and lying while bundles come in: no request gets a wrong verdict,
//! none takes longer than it may, and what is kept serves within its bound.
//!
//! A wrong verdict is a receipt for forged evidence, or a refusal (4xx) of good evidence. The policy here wants revocation
//! affirmed also of software devices, so that every outage shows.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::policy::Decision;
use evidence::work::JobSpec;
use reqwest::Response;
use serde_json::Value;
use tempfile::TempDir;
use tests::scene::{AS_OF, CHALLENGE, RANDOMNESS, Scene, gemm, judge};
use tests::served::{Requests, Served, config};
use tests::upstream::{CERTIFICATES, Conduct, MANIFESTS, OcspLie, Question, RimLie, Upstream};
use tokio::task::JoinSet;
use verifier_service::appraiser::{Inquiry, Pass};
use verifier_service::{AppraisalSettings, Appraiser, Config, policies};

const HOUR: i64 = 3600;
/// Seconds until the last failure is forgotten, with one to spare.
const FORGOTTEN_S: i64 = 21;
/// The device's certificate 2 as the services count: the first asked about is certificate 1.
const DEVICE_L3: usize = 1;

/// How answers about revocation are wanted.
const CACHED: &str = r#"{"mode": "cached", "max_age_s": 86400, "allow_hold": false}"#;
const REQUIRED: &str = r#"{"mode": "required", "allow_hold": false}"#;

/// Wants everything affirmed that was asked for, of every device.
fn policy(revocation: &str) -> String {
    format!(
        r#"package pogw

import rego.v1

revocation := {revocation}

deny contains {{"code": "not_affirmed", "message": sprintf("%s is %s", [id, check.status])}} if {{
	some id, check in input.checks
	check.status in {{"refuted", "unverifiable"}}
}}

deny contains {{"code": "not_affirmed", "message": sprintf("%s is %s", [id, check.status])}} if {{
	some device in input.devices
	some id, check in device.checks
	check.status in {{"refuted", "unverifiable"}}
}}
"#
    )
}

/// What is handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Good,
    /// The device's reports for another challenge.
    Replayed,
    /// An output that is not the product, and otherwise right in every way.
    WrongOutput,
    /// A report with a bit flipped in its signature.
    Unsigned,
    /// The report of a device under a root that nobody trusts.
    OfAStranger,
}

const FORGED: [Sent; 4] = [
    Sent::Replayed,
    Sent::WrongOutput,
    Sent::Unsigned,
    Sent::OfAStranger,
];

impl Sent {
    /// What forged evidence is refused for.
    fn code(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Replayed => "nonce_mismatch",
            Self::WrongOutput => "freivalds_refuted",
            Self::Unsigned => "report_signature_invalid",
            Self::OfAStranger => "chain_root_untrusted",
        }
    }
}

/// A host, a verifier, and the services that the verifier asks.
struct World {
    scene: Scene,
    stranger: Scene,
    upstream: Upstream,
    served: Served,
    client: Requests,
    _state: TempDir,
}

/// An answer of the verifier's.
#[derive(Debug)]
struct Verdict {
    sent: Sent,
    status: u16,
    retry_after: bool,
    /// The receipt's claims, or the problem.
    body: Value,
    after: Duration,
}

impl World {
    async fn new(revocation: &str) -> Self {
        Self::with(revocation, |_| {}).await
    }

    async fn with(revocation: &str, change: impl FnOnce(&mut Config)) -> Self {
        let scene = Scene::new();
        let upstream = Upstream::start(&scene, AS_OF).await;
        let state = tempfile::tempdir().unwrap();
        let policy_file = state.path().join("policy.rego");
        std::fs::write(&policy_file, policy(revocation)).unwrap();
        let other_signer = state.path().join("other-signer.toml");
        std::fs::write(&other_signer, upstream.other_signer()).unwrap();
        let mut simulated_anchors = scene.settings().simulated_anchors;
        simulated_anchors.push(other_signer);
        let mut appraisal = AppraisalSettings {
            policy_file: Some(policy_file),
            simulated_anchors,
            ..upstream.settings(&scene)
        };
        appraisal.rim_service.negative_s = 20;
        appraisal.ocsp.negative_s = 20;
        let mut config = Config {
            body_timeout_s: 5,
            request_timeout_s: 20,
            challenge_lifetime_s: 3600,
            max_open_challenges_per_agent: 1000.try_into().unwrap(),
            ..config(state.path(), appraisal)
        };
        change(&mut config);
        let served = Served::start(config, AS_OF).await;
        Self {
            client: served.client(),
            stranger: Scene::new(),
            scene,
            upstream,
            served,
            _state: state,
        }
    }

    /// Lets time go by, for everybody.
    fn advance_s(&self, seconds: i64) {
        self.served.clock.advance_s(seconds);
        self.upstream.clock().advance_s(seconds);
    }

    /// A fresh bundle.
    async fn bundle(&self, sent: Sent) -> Vec<u8> {
        let challenge = self.client.challenge(&self.scene, &job()).await.value;
        let mut unsigned = self.scene.unsigned(job(), challenge);
        match sent {
            Sent::Good => {}
            Sent::Replayed => unsigned.devices = self.scene.unsigned(job(), [0; 32]).devices,
            Sent::WrongOutput => {
                let output = unsigned.outputs.get_mut("c").unwrap();
                output.0[0] ^= 1;
                let digest = kernels::Blake3Digest::of(&output.0);
                unsigned.statement.outputs[0].blake3.0 = *digest.as_bytes();
                let nonce = unsigned.statement.canonical().unwrap().report_nonce();
                unsigned.devices = self.scene.attest(&nonce);
            }
            Sent::Unsigned => *unsigned.devices[0].report.0.last_mut().unwrap() ^= 1,
            Sent::OfAStranger => {
                let nonce = unsigned.statement.canonical().unwrap().report_nonce();
                unsigned.devices = self.stranger.attest(&nonce);
            }
        }
        self.scene.sign(unsigned).1
    }

    /// Fresh bundles, every other one forged in one of the ways.
    async fn mixed(&self, number: usize) -> Vec<(Sent, Vec<u8>)> {
        let mut bundles = Vec::new();
        for at in 0..number {
            let sent = match at % 2 {
                0 => Sent::Good,
                _ => FORGED[at / 2 % FORGED.len()],
            };
            bundles.push((sent, self.bundle(sent).await));
        }
        bundles
    }

    /// Hands in bundles, all at once.
    fn load(&self, bundles: &[(Sent, Vec<u8>)]) -> JoinSet<Verdict> {
        let mut load = JoinSet::new();
        for (sent, bundle) in bundles.iter().cloned() {
            let client = self.client.clone();
            load.spawn(async move { submit(&client, sent, bundle).await });
        }
        load
    }

    /// Hands in a fresh good bundle.
    async fn good(&self) -> Verdict {
        let bundle = self.bundle(Sent::Good).await;
        submit(&self.client, Sent::Good, bundle).await
    }

    /// Hands in a good bundle; everything it asked for is kept then.
    async fn warm(&self) {
        self.good().await.is_granted();
    }

    /// How often the services were asked.
    fn asked(&self) -> usize {
        self.upstream.asked().len()
    }

    /// Waits until the services were asked so often.
    async fn until_asked(&self, times: usize) {
        let start = Instant::now();
        while self.asked() < times {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{}",
                self.asked()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn submit(client: &Requests, sent: Sent, bundle: Vec<u8>) -> Verdict {
    let start = Instant::now();
    let answer: Response = client.submit(bundle).await;
    let status = answer.status().as_u16();
    let retry_after = answer.headers().contains_key("retry-after");
    let text = answer.text().await.unwrap();
    let body = match status {
        200 | 201 => claims(&text),
        _ => serde_json::from_str(&text).unwrap(),
    };
    Verdict {
        sent,
        status,
        retry_after,
        body,
        after: start.elapsed(),
    }
}

/// What a receipt says. Whether it is signed is for other tests.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

impl Verdict {
    fn is_granted(&self) {
        assert_eq!(
            (self.sent, self.status),
            (Sent::Good, 201),
            "{:#}",
            self.body
        );
    }

    /// Forged evidence is refused by its own word, whatever else could not be found out.
    fn is_refuted(&self) {
        assert_ne!(self.sent, Sent::Good);
        // A wrong result ends its challenge; sent again, it is told so.
        let is_told_again = self.sent == Sent::WrongOutput && self.status == 409;
        let (status, code) = match is_told_again {
            true => (409, "challenge_refuted"),
            false => (422, self.sent.code()),
        };
        assert_eq!(self.status, status, "{:?} {:#}", self.sent, self.body);
        assert_eq!(self.body["code"], code, "{:#}", self.body);
    }

    /// Good evidence that nobody could judge: the same bytes may come again.
    fn is_open(&self) {
        assert_eq!(self.sent, Sent::Good);
        let found = (self.status, &self.body["code"]);
        assert_eq!(
            found,
            (503, &Value::from("unverifiable")),
            "{:#}",
            self.body
        );
        assert!(self.retry_after);
    }

    /// A check gives this reason, in these words.
    fn says(&self, check: &str, code: &str, words: &str) {
        let checks = self.body["checks"].as_array().unwrap().iter();
        let of_check = checks.filter(|found| found["id"] == check);
        let mut reasons = of_check.flat_map(|found| found["reasons"].as_array().unwrap());
        let said = reasons.any(|reason| {
            reason["code"] == code && reason["message"].as_str().unwrap().contains(words)
        });
        assert!(said, "{check} {code} {words}: {:#}", self.body);
    }
}

fn job() -> JobSpec {
    gemm(16, r#"["freivalds","output_digest"]"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_a_load_changes_no_verdict_while_copies_last() {
    let mut world = World::new(CACHED).await;
    world.warm().await;
    // Half of their time is over: every copy is to be renewed.
    world.advance_s(13 * HOUR);
    let bundles = world.mixed(48).await;
    let before = world.asked();
    let mut load = world.load(&bundles);
    let mut answered = 0;
    while let Some(verdict) = load.join_next().await {
        let verdict = verdict.unwrap();
        match verdict.sent {
            Sent::Good => verdict.is_granted(),
            _ => verdict.is_refuted(),
        }
        assert!(verdict.after < Duration::from_secs(20));
        answered += 1;
        if answered == bundles.len() / 3 {
            world.upstream.kill().await;
        }
    }
    assert_eq!(answered, bundles.len());
    assert!(world.asked() - before <= 2 * (MANIFESTS + CERTIFICATES));
    world.good().await.is_granted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_anything_is_known_is_an_outage_and_no_refusal() {
    let mut world = World::new(CACHED).await;
    let bundles = world.mixed(24).await;
    world.upstream.hang();
    let mut load = world.load(&bundles);
    // Both manifests and the device's three certificates: every one of these questions breaks off.
    world.until_asked(5).await;
    world.upstream.kill().await;
    while let Some(verdict) = load.join_next().await {
        let verdict = verdict.unwrap();
        assert!(verdict.after < Duration::from_secs(20));
        match verdict.sent {
            Sent::Good => verdict.is_open(),
            _ => verdict.is_refuted(),
        }
    }

    // The words are those of the network: now there is nobody to talk to.
    world.advance_s(FORGOTTEN_S);
    let bundles = world.mixed(12).await;
    let mut load = world.load(&bundles);
    while let Some(verdict) = load.join_next().await {
        let verdict = verdict.unwrap();
        if verdict.sent != Sent::Good {
            verdict.is_refuted();
            continue;
        }
        verdict.is_open();
        for check in ["driver_rim", "vbios_rim"] {
            verdict.says(check, "rim_not_available", "RIM service: no connection");
        }
        let words = "OCSP responder: no connection";
        verdict.says("revocation", "ocsp_not_available", words);
    }

    world.upstream.mend();
    world.upstream.revive().await;
    world.advance_s(FORGOTTEN_S);
    let mut load = world.load(&bundles);
    while let Some(verdict) = load.join_next().await {
        let verdict = verdict.unwrap();
        match verdict.sent {
            Sent::Good => verdict.is_granted(),
            _ => verdict.is_refuted(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_hangs_holds_up_nobody_beyond_the_deadline_and_no_worker() {
    let world = World::with(CACHED, |config| {
        config.body_timeout_s = 1;
        config.request_timeout_s = 4;
        config.max_concurrent_appraisals = Some(1.try_into().unwrap());
    });
    let world = world.await;
    world.upstream.hang();
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push((Sent::Good, world.bundle(Sent::Good).await));
    }
    let forged = [Sent::Unsigned, Sent::OfAStranger];
    let forged = [
        (forged[0], world.bundle(forged[0]).await),
        (forged[1], world.bundle(forged[1]).await),
    ];
    let mut load = world.load(&waiting);
    world.until_asked(5).await;
    // One worker, eight that wait: these need nothing from anybody, and are answered before any of those.
    let mut meanwhile = world.load(&forged);
    while let Some(verdict) = meanwhile.join_next().await {
        verdict.unwrap().is_refuted();
    }
    assert_eq!(world.client.get("/healthz").await.status(), 200);
    assert!(load.try_join_next().is_none());
    while let Some(verdict) = load.join_next().await {
        let verdict = verdict.unwrap();
        verdict.is_open();
        verdict.says("driver_rim", "rim_not_available", "no answer in time");
        assert!(
            verdict.after < Duration::from_secs(4),
            "{:?}",
            verdict.after
        );
    }

    // Which answers come first is nobody's to say; a service that is mended is asked again all the same.
    world.upstream.mend();
    let start = Instant::now();
    while world.good().await.status != 201 {
        assert!(start.elapsed() < Duration::from_secs(20));
        world.advance_s(FORGOTTEN_S);
    }
    world.upstream.hang();
    let verdict = world.good().await;
    verdict.is_granted();
    assert!(verdict.after < Duration::from_secs(2));
}

#[tokio::test]
async fn copies_serve_within_their_bound_and_tell_their_age() {
    let change = |config: &mut Config| {
        config.appraisal.rim_service.fresh_s = 3600;
        config.appraisal.rim_service.max_stale_s = 6 * 3600;
    };
    let mut world = World::with(CACHED, change).await;
    world.warm().await;
    world.upstream.kill().await;
    for (hours, stale) in [(0, false), (2, true), (4, true)] {
        world.served.clock.set(later(hours * HOUR));
        let verdict = world.good().await;
        verdict.is_granted();
        let collateral = verdict.body["pogw"]["collateral"].as_array().unwrap();
        assert_eq!(collateral.len(), MANIFESTS, "{:#}", verdict.body);
        for manifest in collateral {
            assert_eq!(manifest["as_of"], AS_OF.secs(), "stale: {stale}");
        }
    }
    world.served.clock.set(later(6 * HOUR + 1));
    let verdict = world.good().await;
    verdict.is_open();
    verdict.says(
        "driver_rim",
        "rim_not_available",
        "RIM service: no connection",
    );
    verdict.says(
        "vbios_rim",
        "rim_not_available",
        "RIM service: no connection",
    );
}

#[tokio::test]
async fn an_answer_about_revocation_ends_with_its_time() {
    let mut world = World::new(CACHED).await;
    world.warm().await;
    world.upstream.kill().await;
    world.served.clock.set(later(24 * HOUR - 1));
    world.good().await.is_granted();
    // Manifests are good for a week.
    world.served.clock.set(later(24 * HOUR + 1));
    let verdict = world.good().await;
    verdict.is_open();
    let words = "OCSP responder: no connection";
    verdict.says("revocation", "ocsp_not_available", words);
    assert_eq!(verdict.body["checks"].as_array().unwrap().len(), 1);
}

fn later(secs: i64) -> evidence::UnixTime {
    evidence::UnixTime::from_secs(AS_OF.secs() + secs)
}

#[tokio::test]
async fn a_revocation_shows_once_answers_are_renewed_and_stays_known() {
    let mut world = World::new(CACHED).await;
    world.warm().await;
    world.upstream.revoke(DEVICE_L3);
    world.advance_s(HOUR);
    // Within the bound that the policy sets.
    world.good().await.is_granted();
    world.advance_s(12 * HOUR);
    let before = world.asked();
    drop(world.good().await);
    world.until_asked(before + CERTIFICATES).await;
    let start = Instant::now();
    let mut verdict = world.good().await;
    while verdict.status == 201 && start.elapsed() < Duration::from_secs(10) {
        verdict = world.good().await;
    }
    assert_eq!(verdict.status, 422, "{:#}", verdict.body);
    assert_eq!(verdict.body["code"], "certificate_revoked");

    world.upstream.kill().await;
    for hours in [1, 48, 24] {
        world.advance_s(hours * HOUR);
        let verdict = world.good().await;
        assert_eq!(verdict.status, 422, "{:#}", verdict.body);
        assert_eq!(verdict.body["code"], "certificate_revoked");
    }
}

#[tokio::test]
async fn a_revocation_shows_at_once_where_answers_are_made_for_the_appraisal() {
    let mut world = World::new(REQUIRED).await;
    world.warm().await;
    world.upstream.revoke(DEVICE_L3);
    let revoked = |verdict: Verdict| {
        assert_eq!(verdict.status, 422, "{:#}", verdict.body);
        assert_eq!(verdict.body["code"], "certificate_revoked");
    };
    revoked(world.good().await);
    // Nothing takes it back, least of all a responder that says nothing, or nothing to be believed.
    for lie in [
        OcspLie::Babble,
        OcspLie::OtherCertificate,
        OcspLie::Forgery,
        OcspLie::NoCertificate,
        OcspLie::TryLater,
        OcspLie::OldAnswer,
    ] {
        world.upstream.ocsp(Conduct::Lies(lie));
        revoked(world.good().await);
    }
    world.upstream.kill().await;
    revoked(world.good().await);
}

/// Each conduct of a RIM service that is of no use: what good evidence is told.
const RIM_FAULTS: [(Conduct<RimLie>, &str, &str); 11] = [
    (
        Conduct::Lies(RimLie::OtherId),
        "rim_service_id_mismatch",
        "id in the answer",
    ),
    (
        Conduct::Lies(RimLie::OtherDigest),
        "rim_service_digest_mismatch",
        "SHA-256",
    ),
    (
        Conduct::Lies(RimLie::Babble),
        "rim_service_malformed",
        "not such JSON",
    ),
    (
        Conduct::Lies(RimLie::OtherManifest),
        "rim_not_available",
        "manifest refused: rim_version_mismatch",
    ),
    (
        Conduct::Lies(RimLie::OtherChip),
        "rim_not_available",
        "manifest refused: rim_product_mismatch",
    ),
    (
        Conduct::Lies(RimLie::Forgery),
        "rim_not_available",
        "manifest refused: rim_digest_mismatch",
    ),
    (Conduct::Drips, "rim_not_available", "no answer within 1 s"),
    (Conduct::Status(500), "rim_not_available", "status 500"),
    (Conduct::Status(403), "rim_not_available", "access refused"),
    (
        Conduct::Lies(RimLie::TakenBack),
        "rim_not_available",
        "no manifest of this id",
    ),
    (
        Conduct::Status(404),
        "rim_not_available",
        "not by the word of the service",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_rim_service_is_refused_by_name_and_poisons_nothing() {
    for (conduct, code, words) in RIM_FAULTS {
        let world = World::with(CACHED, |config| {
            config.appraisal.rim_service.timeout_s = 1;
        });
        let world = world.await;
        world.upstream.rims(conduct);
        let bundles = world.mixed(4).await;
        let mut load = world.load(&bundles);
        while let Some(verdict) = load.join_next().await {
            let verdict = verdict.unwrap();
            match verdict.sent {
                Sent::Good => {
                    verdict.is_open();
                    verdict.says("driver_rim", code, words);
                    verdict.says("vbios_rim", code, words);
                }
                _ => verdict.is_refuted(),
            }
        }
        world.upstream.mend();
        world.advance_s(FORGOTTEN_S);
        let (sent, bundle) = bundles[0].clone();
        submit(&world.client, sent, bundle).await.is_granted();

        // A copy that is to be renewed outlives what came instead, a 404 of some proxy too, but not the service's word that
        // there is none any more.
        world.advance_s(13 * HOUR);
        world.upstream.rims(conduct);
        let before = world.asked();
        world.good().await.is_granted();
        world.until_asked(before + MANIFESTS + CERTIFICATES).await;
        if conduct != Conduct::Lies(RimLie::TakenBack) {
            world.good().await.is_granted();
        }
    }
}

#[test]
fn what_a_pass_settled_with_outlives_its_sources() {
    let scene = Scene::new();
    let policy_file = scene.collateral_dir().join("policy.rego");
    std::fs::write(&policy_file, policy(CACHED)).unwrap();
    let settings = AppraisalSettings {
        policy_file: Some(policy_file),
        ..scene.settings()
    };
    let appraiser = Appraiser::open(&settings).unwrap();
    let (bundle, _) = scene.bundle(job());
    let pass = |inquiry: &Inquiry| {
        appraiser.pass_over_bundle(&bundle, &CHALLENGE, &RANDOMNESS, AS_OF, inquiry)
    };
    let mut before = appraiser.inquiry();
    let Pass::ResultNext(settled) = pass(&before) else {
        panic!("the check of the result has a pass of its own");
    };
    std::fs::remove_dir_all(scene.collateral_dir()).unwrap();
    // A file that was found is at hand for a tenth of a second without another look.
    std::thread::sleep(Duration::from_millis(300));
    before.let_check_result(settled);
    let Pass::Done(made) = pass(&before) else {
        panic!("nothing is wanted any more");
    };
    let decision = policies::decide(before.policy(), made.appraisal).unwrap();
    assert!(matches!(decision, Decision::Granted(_)), "{decision:?}");
    // One that begins now finds nothing.
    let decision = judge(&appraiser, &bundle);
    assert!(matches!(decision, Decision::Refused(_)), "{decision:?}");
}

/// A code, and words that go with it.
type Told = (&'static str, &'static str);

/// Each conduct of a responder that is of no use: what good evidence is told where answers are kept, and where each is
/// made for the appraisal.
const OCSP_FAULTS: [(Conduct<OcspLie>, [Told; 2]); 9] = {
    const fn lie(lie: OcspLie) -> Conduct<OcspLie> {
        Conduct::Lies(lie)
    }
    const NONE: &str = "ocsp_not_available";
    const CERTIFICATE: &str = "ocsp_certificate_mismatch";
    const SIGNATURE: &str = "ocsp_signature_invalid";
    [
        (
            lie(OcspLie::Babble),
            [(NONE, "refused: ocsp_malformed"), ("ocsp_malformed", "")],
        ),
        (
            lie(OcspLie::TryLater),
            [
                (NONE, "refused: ocsp_response_unsuccessful"),
                ("ocsp_response_unsuccessful", ""),
            ],
        ),
        (
            lie(OcspLie::OtherCertificate),
            [
                (NONE, "refused: ocsp_certificate_mismatch"),
                (CERTIFICATE, ""),
            ],
        ),
        (
            lie(OcspLie::Forgery),
            [(NONE, "refused: ocsp_signature_invalid"), (SIGNATURE, "")],
        ),
        (
            lie(OcspLie::NoCertificate),
            [
                (NONE, "refused: certificate_malformed"),
                ("certificate_malformed", ""),
            ],
        ),
        (
            lie(OcspLie::OutOfDate),
            [(NONE, "refused: ocsp_stale"), ("ocsp_stale", "")],
        ),
        (Conduct::Drips, [(NONE, "no answer within 1 s"); 2]),
        (Conduct::Status(500), [(NONE, "status 500"); 2]),
        (Conduct::Status(404), [(NONE, "nothing at this address"); 2]),
    ]
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_responder_is_refused_by_name_and_poisons_nothing() {
    for (conduct, told) in OCSP_FAULTS {
        for (mode, (code, words)) in [CACHED, REQUIRED].into_iter().zip(told) {
            let world = World::with(mode, |config| config.appraisal.ocsp.timeout_s = 1).await;
            world.upstream.ocsp(conduct);
            let bundles = world.mixed(4).await;
            let mut load = world.load(&bundles);
            while let Some(verdict) = load.join_next().await {
                let verdict = verdict.unwrap();
                match verdict.sent {
                    Sent::Good => {
                        verdict.is_open();
                        verdict.says("revocation", code, words);
                    }
                    _ => verdict.is_refuted(),
                }
            }
            world.upstream.mend();
            world.advance_s(FORGOTTEN_S);
            let (sent, bundle) = bundles[0].clone();
            submit(&world.client, sent, bundle).await.is_granted();
            if mode == CACHED {
                world.advance_s(13 * HOUR);
                world.upstream.ocsp(conduct);
                let before = world.asked();
                world.good().await.is_granted();
                world.until_asked(before + MANIFESTS + CERTIFICATES).await;
                world.good().await.is_granted();
            }
        }
    }
}

#[tokio::test]
async fn every_required_answer_has_a_nonce_of_its_own_and_repeats_it() {
    let world = World::new(REQUIRED).await;
    for _ in 0..3 {
        world.warm().await;
    }
    let nonces = |world: &World| -> Vec<_> {
        let asked = world.upstream.asked().into_iter();
        let nonces = asked.filter_map(|question| match question {
            Question::Ocsp { nonce, .. } => Some(nonce.expect("a nonce")),
            Question::Rim(_) => None,
        });
        nonces.collect()
    };
    let mut seen = nonces(&world);
    assert_eq!(seen.len(), 3 * CERTIFICATES);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3 * CERTIFICATES, "one for each question");

    for (lie, code) in [
        (OcspLie::NoNonce, "ocsp_nonce_absent"),
        (OcspLie::OldAnswer, "ocsp_nonce_mismatch"),
    ] {
        world.upstream.ocsp(Conduct::Lies(lie));
        let bundle = world.bundle(Sent::Good).await;
        let verdict = submit(&world.client, Sent::Good, bundle.clone()).await;
        verdict.is_open();
        verdict.says("revocation", code, "nonce of the OCSP response");
        world.upstream.mend();
        submit(&world.client, Sent::Good, bundle).await.is_granted();
    }
    let verdicts = nonces(&world).len();
    assert_eq!(verdicts, 7 * CERTIFICATES, "no answer is used twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_first_comers_is_one_question_for_each_thing() {
    let world = World::new(CACHED).await;
    let mut bundles = Vec::new();
    for _ in 0..32 {
        bundles.push((Sent::Good, world.bundle(Sent::Good).await));
    }
    let mut load = world.load(&bundles);
    while let Some(verdict) = load.join_next().await {
        verdict.unwrap().is_granted();
    }
    let asked = world.upstream.asked();
    for (at, question) in asked.iter().enumerate() {
        assert!(!asked[..at].contains(question), "{question:?} twice");
    }
    assert_eq!(asked.len(), MANIFESTS + CERTIFICATES);
}

#[tokio::test]
async fn evidence_that_no_device_signed_sends_nobody_on_errands() {
    for mode in [CACHED, REQUIRED] {
        let world = World::new(mode).await;
        for sent in [Sent::Unsigned, Sent::OfAStranger] {
            let bundle = world.bundle(sent).await;
            submit(&world.client, sent, bundle).await.is_refuted();
        }
        assert_eq!(world.upstream.asked(), []);
        world.good().await.is_granted();
        assert_eq!(world.asked(), MANIFESTS + CERTIFICATES);
    }
}
