//! Challenges and receipts over HTTP: what is sent, what is tried again, what is not.

use std::time::{Duration, Instant};

use attestation_agent::{
    BUNDLE_MEDIA_TYPE, ChallengeRequest, Explained, Progress, Receipt, Step, VerifierError,
};
use evidence::work::Hex;
use serde_json::json;

use crate::kit::{agent, seeded, verifier, work};
use crate::server::{JWT, Nobody, Reply, Server};

const CHALLENGES: &str = "/v1/challenges";
const RECEIPTS: &str = "/v1/receipts";

/// Hands in a small bundle at a server that answers with `replies`.
async fn submit(replies: Vec<Reply>) -> (Result<Receipt, VerifierError>, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start([(RECEIPTS, replies)]);
    let work = work(&agent(dir.path()), seeded(""), Default::default()).await;
    let verifier = verifier(&server.url, dir.path());
    (verifier.submit(&work.sealed, None, &()).await, server)
}

/// Every attempt sent the same bytes under the same key.
fn assert_same_bytes(server: &Server, attempts: usize) {
    let seen = server.seen(RECEIPTS);
    assert_eq!(seen.len(), attempts);
    for request in &seen {
        assert_eq!(request.body, seen[0].body);
        let digest = Hex(evidence::crypto::sha256(&request.body)).to_string();
        assert_eq!(request.headers["idempotency-key"], digest);
        assert_eq!(request.headers["content-type"], BUNDLE_MEDIA_TYPE);
        assert_eq!(request.headers["accept"], "application/eat+jwt");
    }
}

#[tokio::test]
async fn a_challenge_is_asked_for_by_job_key_and_audience() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start([(CHALLENGES, vec![Reply::challenge()])]);
    let agent = agent(dir.path());
    let request = ChallengeRequest {
        job: Hex([0xab; 32]),
        agent_key: agent.public_key(),
        audience: Some("market"),
    };
    let verifier = verifier(&server.url, dir.path());
    let challenge = verifier.challenge(&request, &()).await.unwrap();
    assert_eq!(
        (challenge.id.as_str(), challenge.challenge.0),
        ("ch-1", [7; 32])
    );
    let seen = server.seen(CHALLENGES);
    let body: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    let key = agent.public_key().to_string();
    assert_eq!(
        body,
        json!({"job": "ab".repeat(32), "agent_key": key, "audience": "market"})
    );
    assert_eq!(seen[0].headers["content-type"], "application/json");
}

#[tokio::test]
async fn what_is_no_challenge_is_not_answered() {
    let good = r#"{"id":"x","challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        "expires_at":"2100-01-01T00:00:00Z","accept":["application/json"]}"#;
    let table = [
        (good.to_owned(), "bundle_not_accepted"),
        (good.replace("BwcH", "BwcHBwcH"), "answer_unexpected"),
        (good.replace("2100-", "soon-"), "answer_unexpected"),
        ("<html>".to_owned(), "answer_unexpected"),
        ("x".repeat(1024 * 1024 + 1), "answer_too_large"),
    ];
    for (body, code) in table {
        let dir = tempfile::tempdir().unwrap();
        let reply = Reply::json(201, "application/json", &body);
        let server = Server::start([(CHALLENGES, vec![reply])]);
        let request = ChallengeRequest {
            job: Hex([0; 32]),
            agent_key: agent(dir.path()).public_key(),
            audience: None,
        };
        let verifier = verifier(&server.url, dir.path());
        let error = verifier.challenge(&request, &()).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(server.seen(CHALLENGES).len(), 1);
    }
}

#[tokio::test]
async fn a_receipt_comes_with_its_place() {
    let (receipt, server) = submit(vec![Reply::receipt()]).await;
    let receipt = receipt.unwrap();
    assert_eq!(receipt.jwt, JWT);
    let place = format!("{}/v1/receipts/r-1", server.url);
    assert_eq!(receipt.location, Some(place));
    assert_same_bytes(&server, 1);
}

#[tokio::test]
async fn a_receipt_issued_before_is_as_good() {
    let reply = Reply::Answer(200, vec![], format!("{JWT}\n").into());
    let (receipt, _server) = submit(vec![reply]).await;
    let receipt = receipt.unwrap();
    assert_eq!((receipt.jwt.as_str(), receipt.location), (JWT, None));
}

#[tokio::test]
async fn passing_troubles_are_overcome_with_the_same_bytes() {
    let troubles = [
        Reply::Hangup,
        Reply::CutShort,
        Reply::Silence,
        Reply::problem(429, "rate_limited"),
        Reply::problem(503, "collateral_unavailable"),
        Reply::json(502, "text/html", "<html>bad gateway"),
        Reply::json(504, "text/html", ""),
        Reply::json(202, "application/json", "{}"),
    ];
    for trouble in troubles {
        let (receipt, server) = submit(vec![trouble.clone(), Reply::receipt()]).await;
        assert_eq!(receipt.unwrap().jwt, JWT, "{trouble:?}");
        assert_same_bytes(&server, 2);
    }
}

#[tokio::test]
async fn patience_ends_after_the_attempts_set() {
    let (receipt, server) = submit(vec![Reply::problem(503, "collateral_unavailable")]).await;
    let error = receipt.unwrap_err();
    assert_same_bytes(&server, 3);
    let VerifierError::Unavailable { attempts: 3, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(error.problem().unwrap().code, "collateral_unavailable");
}

#[tokio::test]
async fn retry_after_is_honoured_within_reason() {
    let start = Instant::now();
    let busy = Reply::problem(503, "busy");
    let (receipt, server) = submit(vec![busy.clone().after(1), Reply::receipt()]).await;
    assert_eq!(receipt.unwrap().jwt, JWT);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_same_bytes(&server, 2);

    let (receipt, server) = submit(vec![busy.after(2), Reply::receipt()]).await;
    let Err(VerifierError::Unavailable { retry_after, .. }) = receipt else {
        panic!("waited longer than allowed");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(2)));
    assert_same_bytes(&server, 1);
}

#[tokio::test]
async fn a_refusal_is_shown_in_full_and_not_tried_again() {
    for status in [400, 401, 403, 409, 410, 413, 415, 422] {
        let (receipt, server) = submit(vec![Reply::problem(status, "some_code")]).await;
        let error = receipt.unwrap_err();
        assert!(matches!(error, VerifierError::Refused(_)), "{error}");
        assert_eq!(error.code(), "some_code");
        let text = Explained(error.problem().unwrap()).to_string();
        for part in [
            "a detail",
            "nonce (device 0)",
            "nonce_mismatch: nonce in the report, expected 3f, got 91",
            "remedy: Attest again.",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_same_bytes(&server, 1);
    }
}

#[tokio::test]
async fn what_does_not_speak_for_a_verifier_is_named_and_not_tried_again() {
    let moved = vec![("Location", "http://127.0.0.1:1/elsewhere".to_owned())];
    let table = [
        (Reply::json(404, "text/html", "<html>"), "answer_unexpected"),
        (Reply::json(422, "text/html", "<html>"), "answer_unexpected"),
        (Reply::Answer(308, moved, vec![]), "answer_unexpected"),
        (Reply::json(201, "text/html", "<html>"), "answer_unexpected"),
        (
            Reply::json(201, "application/eat+jwt", ""),
            "answer_unexpected",
        ),
        (
            Reply::Answer(201, vec![], vec![b'a'; 1024 * 1024 + 1]),
            "answer_too_large",
        ),
        (Reply::problem(500, "storage"), "verifier_unavailable"),
    ];
    for (reply, code) in table {
        let (receipt, server) = submit(vec![reply]).await;
        assert_eq!(receipt.unwrap_err().code(), code);
        assert_same_bytes(&server, 1);
    }
}

#[tokio::test]
async fn nobody_there_is_tried_as_often_as_set() {
    struct Count(std::sync::atomic::AtomicU32);
    impl Progress for Count {
        fn step(&self, step: &Step<'_>) {
            assert!(matches!(
                step,
                Step::Retrying {
                    request: "receipt",
                    ..
                }
            ));
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let work = work(&agent(dir.path()), seeded(""), Default::default()).await;
    let count = Count(0.into());
    let nobody = Nobody::listens();
    let receipt = verifier(&nobody.url, dir.path())
        .submit(&work.sealed, None, &count)
        .await;
    assert_eq!(receipt.unwrap_err().code(), "verifier_unavailable");
    assert_eq!(count.0.into_inner(), 2);
}
