//! From challenge to receipt, and everything that can come between.

use std::sync::atomic::{AtomicBool, Ordering};

use super::racing_store::RacingStore;
use super::*;

#[tokio::test]
async fn a_challenge_is_random_and_expires() {
    let rig = Rig::new().await;
    let issued = rig
        .post(
            "/v1/challenges",
            media_type::JSON,
            new_challenge().to_string(),
        )
        .await;
    issued.is(201, "");
    let value = issued.json();
    assert_eq!(value["expires_at"], "2027-01-15T08:05:00Z");
    assert_eq!(value["accept"], json!(["application/vnd.pogw.bundle+json"]));
    assert_eq!(issued.header("cache-control"), "no-store");
    let location = issued.header("location").to_owned();
    assert_eq!(
        location,
        format!("/v1/challenges/{}", value["id"].as_str().unwrap())
    );
    assert_ne!(challenge_in(&issued), rig.challenge().await);

    assert_eq!(rig.get(&location).await.json()["status"], "open");
    assert_eq!(
        rig.get(&location).await.json()["challenge"],
        value["challenge"]
    );
    rig.clock.advance_s(300);
    assert_eq!(rig.get(&location).await.json()["status"], "expired");
}

#[tokio::test]
async fn challenges_are_bounded() {
    let rig = Rig::new().await;
    for _ in 0..3 {
        rig.challenge().await;
    }
    let ask = async |agent_key: [u8; 32]| {
        let new = json!({ "job": Hex(JOB), "agent_key": Base64Url(agent_key) });
        rig.post("/v1/challenges", media_type::JSON, new.to_string())
            .await
    };
    let refused = ask(AGENT_KEY).await;
    refused.is(429, "too_many_challenges_of_agent");
    assert_eq!(refused.header("retry-after"), "10");
    ask([8; 32]).await.is(201, "");
    let refused = ask([7; 32]).await;
    refused.is(429, "too_many_challenges");
    assert_eq!(refused.header("retry-after"), "10");
    rig.clock.advance_s(300);
    rig.challenge().await;
}

#[tokio::test]
async fn an_audience_must_be_served() {
    let rig = Rig::new().await;
    let mut new = new_challenge();
    new["audience"] = "elsewhere".into();
    let refused = rig
        .post("/v1/challenges", media_type::JSON, new.to_string())
        .await;
    refused.is(422, "audience_not_served");
    new["audience"] = "tenant".into();
    let issued = rig
        .post("/v1/challenges", media_type::JSON, new.to_string())
        .await;
    let receipt = rig.submit(&bundle_json(challenge_in(&issued), "one")).await;
    assert!(receipt.body.ends_with(".for.tenant"), "{}", receipt.body);
    let receipt = rig.submit(&bundle_json(rig.challenge().await, "one")).await;
    assert!(
        receipt.body.ends_with(".for.https://market.example+tenant"),
        "{}",
        receipt.body
    );
}

#[tokio::test]
async fn a_receipt_is_issued_and_can_be_fetched() {
    let rig = Rig::new().await;
    let issued = rig.submit(&bundle_json(rig.challenge().await, "one")).await;
    issued.is(201, "");
    assert_eq!(issued.header("content-type"), "application/eat+jwt");
    let location = issued.header("location").to_owned();
    let fetched = rig.get(&location).await;
    fetched.is(200, "");
    assert_eq!(fetched.body, issued.body);
    let request = Request::get(&location).header("accept", "application/json");
    let json = rig.send(request.body(Body::empty()).unwrap()).await;
    let id = location.rsplit('/').next().unwrap();
    let expected = json!({
        "id": id, "receipt": issued.body, "issued_at": "2027-01-15T08:00:00Z", "status": "holds",
    });
    assert_eq!(json.json(), expected);
    assert_eq!(json.header("vary"), "accept");
    let request = Request::get(&location).header("accept", "image/png");
    rig.send(request.body(Body::empty()).unwrap())
        .await
        .is(406, "not_acceptable");
}

#[tokio::test]
async fn the_same_bytes_get_the_same_receipt_for_ever() {
    let rig = Rig::new().await;
    let bundle = bundle_json(rig.challenge().await, "one");
    let first = rig.submit(&bundle).await;
    first.is(201, "");
    let check = async |rig: &Rig| {
        let again = rig.submit(&bundle).await;
        again.is(200, "");
        assert_eq!(
            (&again.body, again.header("location")),
            (&first.body, first.header("location"))
        );
    };
    check(&rig).await;
    assert_eq!(rig.judge.asked(), 1, "what was judged is not judged again");
    rig.clock.advance_s(100_000);
    check(&rig).await;
    // Another challenge makes the store forget the expired one.
    rig.challenge().await;
    let rig = rig.restart().await;
    check(&rig).await;
    assert_eq!(rig.judge.asked(), 0);
    let other = rig.submit(&bundle_json(challenge_of(&bundle), "two")).await;
    other.is(409, "challenge_spent");
}

#[tokio::test]
async fn a_challenge_is_spent_once() {
    let rig = Rig::new().await;
    let challenge = rig.challenge().await;
    rig.submit(&bundle_json(challenge, "one")).await.is(201, "");
    rig.submit(&bundle_json(challenge, "two"))
        .await
        .is(409, "challenge_spent");
    rig.clock.advance_s(300);
    rig.submit(&bundle_json(challenge, "two"))
        .await
        .is(409, "challenge_spent");
    let rig = rig.restart().await;
    rig.submit(&bundle_json(challenge, "two"))
        .await
        .is(409, "challenge_spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_bundles_that_race_one_gets_a_receipt() {
    let rig = Arc::new(Rig::new().await);
    let challenge = rig.challenge().await;
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (rig, bundle) = (
                Arc::clone(&rig),
                bundle_json(challenge, &format!("{}", n % 4)),
            );
            tokio::spawn(async move { (n % 4, rig.submit(&bundle).await) })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    let created: Vec<_> = outcomes
        .iter()
        .filter(|(_, a)| a.status == StatusCode::CREATED)
        .collect();
    let [(winner, receipt)] = created.as_slice() else {
        panic!("{outcomes:#?}")
    };
    for (bundle, answered) in &outcomes {
        match bundle == winner {
            true => assert_eq!(answered.body, receipt.body),
            false => answered.is(409, "challenge_spent"),
        }
    }
}

#[tokio::test]
async fn a_twin_granted_after_the_first_look_is_found() {
    let racing = Arc::new(std::sync::OnceLock::new());
    let keep = Arc::clone(&racing);
    let rig = Rig::with_store(tempfile::tempdir().unwrap(), move |store| {
        let too_early = AtomicBool::new(false);
        let racing = keep.get_or_init(|| Arc::new(RacingStore { store, too_early }));
        Arc::<RacingStore>::clone(racing)
    })
    .await;
    let bundle = bundle_json(rig.challenge().await, "one");
    let first = rig.submit(&bundle).await;
    first.is(201, "");
    for key in [None, Some("key")] {
        let store = racing.get().unwrap();
        store.too_early.store(true, Ordering::SeqCst);
        let mut request = Request::post("/v1/receipts").header("content-type", media_type::BUNDLE);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let twin = rig
            .send(request.body(bundle.to_string().into()).unwrap())
            .await;
        twin.is(200, "");
        assert_eq!(twin.body, first.body);
        assert!(!store.too_early.load(Ordering::SeqCst), "the race happened");
    }
}

#[tokio::test]
async fn a_refusal_spends_nothing() {
    let rig = Rig::new().await;
    let challenge = rig.challenge().await;
    rig.submit(&bundle_json(challenge, "refuse"))
        .await
        .is(422, "nonce_mismatch");
    rig.submit(&bundle_json(challenge, "panic"))
        .await
        .is(500, "internal");
    rig.submit(&bundle_json(challenge, "one")).await.is(201, "");
}

#[tokio::test]
async fn challenges_answer_for_one_job_and_one_agent() {
    let rig = Rig::new().await;
    rig.submit(&bundle_json([1; 32], "one"))
        .await
        .is(422, "challenge_unknown");
    let challenge = rig.challenge().await;
    let mut bundle = bundle_json(challenge, "one");
    bundle["statement"]["job"] = json!(Hex([1; 32]));
    let refused = rig.submit(&bundle).await;
    refused.is(422, "challenge_job_mismatch");
    let check = &refused.json()["checks"][0];
    assert_eq!(
        (&check["id"], &check["status"]),
        (&json!("challenge"), &json!("refuted"))
    );
    let reason = &check["reasons"][0];
    assert_eq!(
        (&reason["expected"], &reason["actual"]),
        (&json!(Hex(JOB)), &json!(Hex([1; 32])))
    );

    let mut bundle = bundle_json(challenge, "one");
    bundle["statement"]["agent_key"] = json!(Base64Url([1; 32]));
    rig.submit(&bundle)
        .await
        .is(422, "challenge_agent_mismatch");
    assert_eq!(rig.judge.asked(), 0);
    rig.submit(&bundle_json(challenge, "one")).await.is(201, "");
}

#[tokio::test]
async fn a_late_bundle_is_told_so() {
    let rig = Rig::new().await;
    let challenge = rig.challenge().await;
    rig.clock.advance_s(299);
    let in_time = rig.challenge().await;
    rig.clock.advance_s(1);
    let late = rig.submit(&bundle_json(challenge, "one")).await;
    late.is(410, "challenge_expired");
    rig.submit(&bundle_json(in_time, "one")).await.is(201, "");
    // Forgotten after a while, and then unknown.
    rig.clock.advance_s(3601);
    rig.challenge().await;
    rig.submit(&bundle_json(challenge, "one"))
        .await
        .is(422, "challenge_unknown");
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_bundle() {
    let rig = Rig::new().await;
    let (first, second) = (rig.challenge().await, rig.challenge().await);
    let keyed = |bundle: Value| {
        let request = Request::post("/v1/receipts").header("content-type", media_type::BUNDLE);
        request
            .header("idempotency-key", "order-7")
            .body(bundle.to_string().into())
            .unwrap()
    };
    rig.send(keyed(bundle_json(first, "one"))).await.is(201, "");
    rig.send(keyed(bundle_json(first, "one"))).await.is(200, "");
    rig.send(keyed(bundle_json(second, "one")))
        .await
        .is(422, "idempotency_key_reused");
    rig.submit(&bundle_json(second, "one")).await.is(201, "");
}

fn challenge_of(bundle: &Value) -> [u8; 32] {
    let text = bundle["statement"]["challenge"].as_str().unwrap();
    Base64Url::parse(text).unwrap().0
}
