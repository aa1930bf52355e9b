//! Checks of results over HTTP: their places, their queue, one for the same bytes however often they are sent.

use super::*;

/// What the only place and those who wait for it hold, by `result_checks`.
const ROOM: usize = 65;

/// A service that is shared, with room for as many challenges and bodies as a test asks for.
async fn shared() -> Arc<Rig> {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        max_open_challenges: NonZeroU32::new(128).unwrap(),
        max_open_challenges_per_agent: NonZeroU32::new(128).unwrap(),
        body_budget_bytes: 128 * BODY_LIMIT,
        ..config(folder.path())
    };
    Arc::new(Rig::with_config(folder, config, |store| Arc::new(store)).await)
}

fn send(rig: &Arc<Rig>, bundle: &Value) -> tokio::task::JoinHandle<Answered> {
    let (rig, bundle) = (Arc::clone(rig), bundle.clone());
    tokio::spawn(async move { rig.submit(&bundle).await })
}

/// Waits for something that other tasks bring about.
async fn until(happened: impl Fn() -> bool) {
    while !happened() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bundle_sent_at_once_costs_one_audit() {
    let rig = shared().await;
    for label in ["audit", "audit refuted"] {
        let audits = rig.judge.audits();
        let bundle = bundle_json(rig.challenge().await, label);
        rig.judge.hold_up(true);
        let sent: Vec<_> = (0..8).map(|_| send(&rig, &bundle)).collect();
        until(|| rig.judge.audits() > audits).await;
        // Time for the others to arrive; who does not is answered by what is known then.
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.judge.hold_up(false);
        let mut codes = Vec::new();
        for answer in sent {
            let answer = answer.await.unwrap();
            codes.push(answer.status.as_u16());
        }
        codes.sort_unstable();
        match label {
            "audit" => assert_eq!(codes, [200, 200, 200, 200, 200, 200, 200, 201]),
            _ => assert!(
                codes.iter().all(|code| [409, 422].contains(code)),
                "{codes:?}"
            ),
        }
        assert_eq!(rig.judge.audits(), audits + 1, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_and_comes_again_costs_one_audit() {
    let rig = shared().await;
    let bundle = bundle_json(rig.challenge().await, "audit");
    rig.judge.hold_up(true);
    for _ in 0..3 {
        let sent = send(&rig, &bundle);
        until(|| rig.judge.audits() > 0).await;
        sent.abort();
        sent.await.unwrap_err();
    }
    rig.judge.hold_up(false);
    let answer = rig.submit(&bundle).await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(rig.judge.audits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn audits_that_find_no_room_are_sent_away_and_keep_nobody_else_waiting() {
    let rig = shared().await;
    rig.judge.hold_up(true);
    let mut sent = Vec::new();
    for n in 0..ROOM + 3 {
        let bundle = bundle_json(rig.challenge().await, &format!("audit {n}"));
        sent.push((send(&rig, &bundle), bundle));
    }
    // Who finds no room is told at once; who finds some is told nothing yet.
    until(|| sent.iter().filter(|(task, _)| task.is_finished()).count() >= 3).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (refused, admitted): (Vec<_>, Vec<_>) =
        sent.into_iter().partition(|(task, _)| task.is_finished());
    assert_eq!((admitted.len(), refused.len()), (ROOM, 3));
    let mut again = Vec::new();
    for (task, bundle) in refused {
        let answer = task.await.unwrap();
        answer.is(503, "result_checks_busy");
        assert_eq!(answer.header("retry-after"), "10");
        assert!(answer.json().get("checks").is_none(), "{answer:?}");
        again.push(bundle);
    }
    // Everything else goes its way meanwhile.
    let other = rig.submit(&bundle_json(rig.challenge().await, "one")).await;
    other.is(201, "");
    assert_eq!(rig.judge.audits(), 1, "one place");

    rig.judge.hold_up(false);
    for (task, _) in admitted {
        task.await.unwrap().is(201, "");
    }
    // The challenge of who was sent away is as good as new.
    for bundle in again {
        rig.submit(&bundle).await.is(201, "");
    }
}

#[tokio::test]
async fn a_challenge_answered_with_a_wrong_result_takes_no_other_answer() {
    let rig = Rig::new().await;
    let issued = rig
        .post(
            "/v1/challenges",
            media_type::JSON,
            new_challenge().to_string(),
        )
        .await;
    let challenge = challenge_in(&issued);
    rig.submit(&bundle_json(challenge, "audit refuted"))
        .await
        .is(422, "audit_refuted");
    let rig = rig.restart().await;
    for label in ["audit refuted", "audit", "one"] {
        rig.submit(&bundle_json(challenge, label))
            .await
            .is(409, "challenge_refuted");
    }
    assert_eq!(rig.judge.audits(), 0);
    let status = rig.get(issued.header("location")).await.json()["status"].clone();
    assert_eq!(status, "refuted");
    rig.submit(&bundle_json(rig.challenge().await, "audit"))
        .await
        .is(201, "");
}

#[tokio::test]
async fn an_audit_that_panics_is_a_fault_of_ours_and_takes_no_place_with_it() {
    let rig = Rig::new().await;
    let challenge = rig.challenge().await;
    for _ in 0..ROOM + 1 {
        rig.submit(&bundle_json(challenge, "audit panic"))
            .await
            .is(500, "internal");
    }
    rig.submit(&bundle_json(challenge, "audit"))
        .await
        .is(201, "");
}
