//! Signing keys rotated while receipts are issued: none is refused, and each validates with the key set that a relying
//! party had when it was issued, and with today's.
//!
//! `POGW_ROTATION_RECEIPTS` says how many at least; in full, 10 000.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use evidence::UnixTime;
use receipt::Algorithm;
use serde_json::Value;
use tests::scene::{Scene, gemm};
use tests::served::{Requests, config};
use tests::world::validate;
use tokio::net::TcpListener;
use verifier_service::{Clock, Config, KeyDesk, Rotation, Service, SystemClock};

/// Short, so that a rotation takes seconds: the key set may then be kept for one.
const PUBLISH_BEFORE_S: u32 = 3;
const MAX_AGE: Duration = Duration::from_secs(1);
const TENANTS: usize = 6;

fn receipts_wanted() -> usize {
    let number = std::env::var("POGW_ROTATION_RECEIPTS");
    number.map_or(300, |number| number.parse().unwrap())
}

fn now() -> UnixTime {
    SystemClock.now()
}

/// What a relying party does: keeps the key set for as long as it may.
struct KeptKeySet {
    jwks: String,
    since: Instant,
}

impl KeptKeySet {
    async fn fetch(client: &Requests) -> Self {
        let since = Instant::now();
        let answer = client.get("/.well-known/jwks.json").await;
        assert_eq!(answer.headers()["cache-control"], "public, max-age=1");
        let jwks = answer.text().await.unwrap();
        Self { jwks, since }
    }

    async fn current(&mut self, client: &Requests) -> &str {
        if self.since.elapsed() >= MAX_AGE {
            *self = Self::fetch(client).await;
        }
        &self.jwks
    }
}

/// Work from one tenant after the other, until told to stop: every receipt is validated with the set at hand before it
/// was asked for.
async fn work(
    client: Requests,
    scene: Arc<Scene>,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Vec<String> {
    let job = || gemm(16, r#"["output_digest"]"#);
    let mut kept = KeptKeySet::fetch(&client).await;
    let mut tokens = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let jwks = kept.current(&client).await.to_owned();
        let challenge = client.challenge(&scene, &job()).await;
        let bundle = scene.sign(scene.unsigned(job(), challenge.value)).1;
        let answer = client.submit(bundle).await;
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        let token = answer.text().await.unwrap();
        if let Err(rejected) = validate(&jwks, &token, now()) {
            panic!("{rejected}: {token} by {jwks}");
        }
        tokens.push(token);
        done.fetch_add(1, Ordering::SeqCst);
    }
    tokens
}

/// Rotates thrice, through every algorithm, each time when the key before has begun to sign.
async fn rotate_thrice(desk: &KeyDesk, done: &AtomicUsize, wanted: usize) {
    let algorithms = [Algorithm::Ed25519, Algorithm::Es256, Algorithm::Es384];
    for (n, algorithm) in algorithms.into_iter().enumerate() {
        until(|| done.load(Ordering::SeqCst) >= wanted * (n + 1) / 4).await;
        let made = desk
            .rotate(Some(algorithm), Rotation::Published)
            .await
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let keys = desk.list().await.unwrap();
            if keys.iter().any(|key| key.kid == made.kid && key.signs) {
                break;
            }
            assert!(Instant::now() < deadline, "{keys:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A verifier retires a key once its successor signs, in a step of its own.
async fn all_but_the_last_are_retired(desk: &KeyDesk) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let listed = desk.list().await.unwrap();
        // The last but one may still have its seconds, in which verifiers without its successor hear of it.
        let retired = listed.iter().filter(|key| key.retired_at.is_some()).count();
        if (listed.len(), retired) == (4, 3) {
            return;
        }
        assert!(Instant::now() < deadline, "{listed:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn kid_of(token: &str) -> String {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header);
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_receipt_validates_with_the_keys_of_its_day_and_of_today() {
    let (scene, state) = (Arc::new(Scene::new()), tempfile::tempdir().unwrap());
    let mut config: Config = config(state.path(), scene.settings());
    config.keys.publish_before_s = PUBLISH_BEFORE_S;
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = Service::open(config.clone(), Arc::new(SystemClock))
        .await
        .unwrap();
    let served = tokio::spawn(service.serve(listener, std::future::pending()));
    let desk = KeyDesk::open(config, Arc::new(SystemClock)).await.unwrap();

    let (done, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let tenants: Vec<_> = (0..TENANTS)
        .map(|_| {
            let client = Requests::new(&url);
            tokio::spawn(work(
                client,
                Arc::clone(&scene),
                Arc::clone(&done),
                Arc::clone(&stop),
            ))
        })
        .collect();
    let wanted = receipts_wanted();
    rotate_thrice(&desk, &done, wanted).await;
    let after_last = done.load(Ordering::SeqCst) + TENANTS;
    until(|| done.load(Ordering::SeqCst) >= wanted.max(after_last)).await;
    stop.store(true, Ordering::SeqCst);
    let mut tokens = Vec::new();
    for tenant in tenants {
        tokens.extend(tenant.await.unwrap());
    }

    let today = KeptKeySet::fetch(&Requests::new(&url)).await.jwks;
    for token in &tokens {
        validate(&today, token, now()).unwrap();
    }
    let kids: BTreeSet<_> = tokens.iter().map(|token| kid_of(token)).collect();
    assert_eq!(kids.len(), 4, "{kids:?}");
    all_but_the_last_are_retired(&desk).await;
    println!("{} receipts under {} keys", tokens.len(), kids.len());
    served.abort();
}
