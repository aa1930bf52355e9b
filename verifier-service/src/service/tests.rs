//! The life of a whole service: start, requests, orderly end, restart.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use evidence::UnixTime;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot::Sender;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::ManualClock;
use crate::store::clerk::{ClerkStore, Return};
use crate::store::jobs::JobStore;
use crate::store::tests::Rig;
use crate::store::tests::life::{job_id, step};

struct Running {
    address: SocketAddr,
    stop: Sender<()>,
    ended: JoinHandle<Result<(), ServiceError>>,
}

fn config(folder: &TempDir) -> Config {
    Config {
        state_dir: folder.path().join("state"),
        issuer: "https://verifier.example".into(),
        audience: vec!["https://market.example".into()],
        // Longer than any test: what ends a request is what the test is about.
        body_timeout_s: 600,
        request_timeout_s: 601,
        shutdown_timeout_s: 120,
        ..Config::default()
    }
}

async fn start(folder: &TempDir) -> Running {
    start_with(config(folder)).await
}

async fn start_with(config: Config) -> Running {
    let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
    start_by(config, Arc::new(clock)).await
}

async fn start_by(config: Config, clock: Arc<ManualClock>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async { drop(stopped.await) };
    let ended = tokio::spawn(serve(config, listener, clock, shutdown));
    Running {
        address,
        stop,
        ended,
    }
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    exchange(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
    )
    .await
}

/// A request whose body is not all there yet, and which the service has begun to read: it asked for the body.
async fn half_sent(address: SocketAddr) -> TcpStream {
    // A service that is still starting would leave the request in the queue of its socket.
    get(address, "/healthz").await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/verify HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
                expect: 100-continue\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, expected);
    connection.write_all(b"{").await.unwrap();
    connection
}

/// Waits until nobody listens any more.
async fn is_closed(address: SocketAddr) {
    for _ in 0..600 {
        if TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("connections are still taken");
}

#[tokio::test]
async fn it_starts_answers_and_keeps_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder).await;
    assert!(
        get(running.address, "/readyz")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let keys = get(running.address, "/.well-known/jwks.json").await;
    running.stop.send(()).unwrap();
    running.ended.await.unwrap().unwrap();
    let files = std::fs::read_dir(folder.path().join("state")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(
        files,
        ["keys", "operator-token", "verifier.sqlite"],
        "the log was folded in"
    );

    let again = start(&folder).await;
    // The certificate around a key is made anew at each start; nothing else of the set changes.
    let bare = |answer: &str| {
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let mut set: serde_json::Value = serde_json::from_str(body).unwrap();
        let keys = set["keys"].as_array_mut().unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys[1]["x5c"].take().is_array() && keys[0].get("x5c").is_none());
        set
    };
    assert_eq!(
        bare(&get(again.address, "/.well-known/jwks.json").await),
        bare(&keys)
    );
}

#[tokio::test]
async fn requests_in_progress_are_finished() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(&folder).await;
    let mut connection = half_sent(running.address).await;
    running.stop.send(()).unwrap();
    is_closed(running.address).await;
    connection.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("missing field"),
        "{answer}"
    );
    running.ended.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_late_while_requests_in_progress_are_finished() {
    // Two agents that are asked to open, and have ten seconds left.
    let rig = Rig::sqlite().await;
    rig.with_market().await;
    rig.run("DELETE FROM webhooks").await.unwrap();
    for number in 0..6 {
        step(&rig.store, number).await.unwrap();
    }
    let job = async || rig.store.job(&job_id("j")).await.unwrap().unwrap();
    // No certificate is made in the year of these jobs: nobody was there until today.
    let first_due = job().await.due_at().unwrap().secs();
    let today = UnixTime::from_secs(1_800_000_000);
    let away = Return {
        now: today,
        until: today,
        least_s: 1,
        so_far: None,
    };
    let last = UnixTime::from_secs(first_due - 10);
    rig.store.is_alive(last).await.unwrap();
    rig.store.come_back(away).await.unwrap();
    let due = job().await.due_at().unwrap().secs();
    assert_eq!(due, today.secs() + 10);
    let clock = Arc::new(ManualClock::new(today));
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(rig.folder(), private).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state_dir: rig.folder().to_owned(),
        ..config(&folder)
    };
    let running = start_by(config.clone(), Arc::clone(&clock)).await;
    let mut connection = half_sent(running.address).await;
    running.stop.send(()).unwrap();
    is_closed(running.address).await;
    // They cannot be heard any more, and the request takes longer than they have. A verifier that went on would look at
    // jobs twice in a second, and say every three that it is there.
    clock.advance_s(12);
    tokio::time::sleep(Duration::from_secs(4)).await;
    connection.write_all(b"}").await.unwrap();
    running.ended.await.unwrap().unwrap();
    clock.advance_s(1);
    let again = start_by(config, Arc::clone(&clock)).await;
    get(again.address, "/healthz").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let job = job().await;
    assert_eq!(job.status(), jobs::JobStatus::Opening);
    assert_eq!(job.standing().count(), 2);
    let left = job.due_at().unwrap().secs() - (due + 3);
    assert!((10..=13).contains(&left), "{left} s left of ten");
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_end_up() {
    let folder = tempfile::tempdir().unwrap();
    let running = start_with(Config {
        shutdown_timeout_s: 1,
        ..config(&folder)
    });
    let running = running.await;
    let _connection = half_sent(running.address).await;
    running.stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), running.ended).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_cannot_start_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.appraisal.policy_file = Some(folder.path().join("missing.rego"));
    let clock = Arc::new(ManualClock::new(UnixTime::from_secs(0)));
    let refused = Service::open(config, clock).await.err().unwrap();
    assert!(matches!(refused, ServiceError::Appraiser(_)), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
