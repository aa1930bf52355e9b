//! How it ends: refusals, late answers, a verifier that is away, a full disk, a word to stop.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use evidence::work::wire::{Assurance, DevicesAsked, PolicyName};

use super::verifier::When;
use super::work::command;
use super::{Scene, id, open};
use crate::kit::seeded;
use crate::server::{Nobody, Reply};

/// A request that is refused ends the assignment, with the reason in the log and nothing left.
#[track_caller]
fn ends_at(request: &'static str, status: u16, code: &str) {
    let scene = Scene::new();
    scene
        .verifier
        .state()
        .refusals
        .insert(request, Reply::problem(status, code));
    scene.offer("a-1", &seeded(""));
    let _agent = scene.serve();
    if request == "opening" {
        scene.committed("a-1");
        scene.verifier.ask(open("a-1", 0, 0, true));
    }
    let wanted = format!("{request} was refused: ");
    scene.wait_until_logged(&wanted);
    assert!(scene.log().contains(code), "{}", scene.log());
    scene.wait_until_clean("a-1");
}

#[test]
fn an_offer_that_is_gone_is_dropped() {
    ends_at("accept", 410, "offer_expired");
}

#[test]
fn a_commitment_that_differs_ends_it() {
    ends_at("commitment", 409, "commitment_differs");
}

#[test]
fn a_late_commitment_ends_it() {
    ends_at("commitment", 410, "commitment_late");
}

#[test]
fn a_late_opening_ends_it() {
    ends_at("opening", 410, "opening_late");
}

#[test]
fn a_lease_that_is_lost_ends_it() {
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    scene.verifier.state().lease_s = 1;
    scene
        .verifier
        .state()
        .refusals
        .insert("renew", Reply::problem(410, "lease_expired"));
    scene.offer("a-1", &command("sleep 3; echo > out"));
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("accepted", |state| !state.accepted.is_empty());
    scene.wait_until_clean("a-1");
    scene.wait_until_logged("renew was refused");
    assert!(scene.verifier.state().commitments.is_empty());
}

/// Sets when a file of the agent was written.
fn set_time(scene: &Scene, file: &str, days_ago: u64) {
    let path = scene.path().join("state/serve").join(file);
    let time = SystemTime::now() - Duration::from_secs(days_ago * 24 * 60 * 60);
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// An agent with an assignment that it committed to 70 days ago, started again after so many days without the verifier.
fn committed_long_ago(days_unheard: u64) -> (Scene, super::Serving) {
    let scene = Scene::new();
    scene.offer("a-1", &seeded(""));
    let mut agent = scene.serve();
    scene.committed("a-1");
    let heard = scene.path().join("state/serve/heard");
    let started = Instant::now();
    while !(heard.exists() && scene.assignment("a-1").join("committed").exists()) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{}",
            scene.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    agent.kill();
    set_time(&scene, "assignments/a-1/committed", 70);
    set_time(&scene, "heard", days_unheard);
    let agent = scene.serve();
    (scene, agent)
}

#[test]
fn what_the_verifier_still_wants_is_kept() {
    let (scene, _agent) = committed_long_ago(59);
    scene.verifier.ask(open("a-1", 0, 0, true));
    scene
        .verifier
        .wait_until("opened", |state| !state.openings.is_empty());
}

#[test]
fn what_nobody_could_say_is_over_is_forgotten_some_day() {
    let (scene, _agent) = committed_long_ago(61);
    scene.wait_until_clean("a-1");
    scene.wait_until_logged("the verifier never said that it is over");
}

/// No verifier is there, as long as the second lives; the agent is not enrolled.
fn before_nobody() -> (Scene, Nobody) {
    let nobody = Nobody::listens();
    (Scene::new().at(nobody.url.clone()), nobody)
}

#[test]
fn told_to_stop_before_it_is_enrolled_it_ends_at_once() {
    let (nobody, _held) = before_nobody();
    let silent = Scene::new();
    silent.verifier.state().stall = Some(("agents", When::Before));
    let away = Scene::new();
    let unavailable = Reply::problem(503, "overloaded");
    away.verifier.state().refusals.insert("agents", unavailable);
    for (scene, sign) in [
        (&nobody, "attempt failed"),
        (&silent, ""),
        (&away, "attempt failed"),
    ] {
        let mut agent = scene.serve();
        match sign {
            "" => scene
                .verifier
                .wait_until("a request", |state| state.stalled),
            sign => scene.wait_until_logged(sign),
        }
        let told = Instant::now();
        agent.terminate();
        assert_eq!(agent.wait().code(), Some(0), "{}", scene.log());
        assert!(told.elapsed() < Duration::from_secs(5), "{}", scene.log());
        assert!(scene.log().contains("told to stop before it served"));
    }
}

#[test]
fn an_agent_that_nobody_lets_in_ends_with_the_cause() {
    let (scene, _held) = before_nobody();
    let scene = scene.with("ATTESTATION_AGENT__SERVE__ENROL_WITHIN_S", 1);
    let mut agent = scene.serve();
    // Not among the statuses after which its unit does not start it again.
    assert_eq!(agent.wait().code(), Some(3), "{}", scene.log());
    let log = scene.log();
    for part in ["enrolment_unanswered", "within 1 s", "Connection refused"] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[test]
fn a_removed_agent_leaves_nothing_and_ends_refused() {
    let scene = Scene::new();
    scene.offer("a-1", &seeded(""));
    let mut agent = scene.serve();
    scene.committed("a-1");
    scene
        .verifier
        .state()
        .refusals
        .insert("heartbeat", Reply::problem(401, "agent_unknown"));
    assert_eq!(agent.wait().code(), Some(1));
    assert!(scene.log().contains("agent_removed"), "{}", scene.log());
    let state = scene.path().join("state/serve");
    assert!(!state.join("assignments").exists() && !state.join("agent.json").exists());
}

#[test]
fn a_proxy_that_asks_for_a_password_removes_nobody() {
    let scene = Scene::new();
    let page = Reply::json(401, "text/html", "<html>who are you?");
    scene.verifier.state().refusals.insert("commitment", page);
    scene.offer("a-1", &seeded(""));
    let mut agent = scene.serve();
    scene
        .verifier
        .wait_until("accepted", |state| !state.accepted.is_empty());
    std::thread::sleep(Duration::from_millis(500));
    assert!(agent.0.try_wait().unwrap().is_none());
    scene.verifier.state().refusals.clear();
    scene.committed("a-1");
}

#[test]
fn a_verifier_that_is_away_is_waited_for() {
    let scene = Scene::new();
    scene.offer("a-1", &seeded(""));
    let _agent = scene.serve();
    for (request, away) in [
        ("commitment", Reply::Hangup),
        (
            "commitment",
            Reply::problem(503, "store_unavailable").after(3600),
        ),
        ("commitment", Reply::problem(429, "too_many_requests")),
    ] {
        scene.verifier.state().refusals.insert(request, away);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(scene.verifier.state().commitments.is_empty());
    scene.verifier.state().refusals.clear();
    scene.committed("a-1");
    assert!(scene.log().contains("attempt failed"), "{}", scene.log());
}

/// Of a committed assignment only the verifier says that it is over, also after hours.
#[test]
fn after_the_deadline_the_verifier_decides() {
    let scene = Scene::new();
    scene.offer("a-1", &seeded(""));
    let _agent = scene.serve();
    scene.committed("a-1");
    scene
        .verifier
        .state()
        .refusals
        .insert("opening", Reply::problem(503, "unverifiable"));
    let mut late = open("a-1", 0, 0, true);
    if let evidence::work::wire::Next::Open(open) = &mut late {
        open.until = evidence::UnixTime::from_secs(1);
    }
    scene.verifier.ask(late);
    std::thread::sleep(Duration::from_millis(300));
    assert!(scene.assignment("a-1").exists());
    scene.verifier.state().refusals.clear();
    scene
        .verifier
        .wait_until("opened", |state| !state.openings.is_empty());
}

#[test]
fn clocks_may_differ() {
    let scene = Scene::new();
    scene.verifier.state().ahead_s = 7200;
    scene.offer("a-1", &seeded(""));
    let _agent = scene.serve();
    scene.committed("a-1");
    scene.verifier.assert_no_faults();
}

#[test]
fn an_offer_that_is_said_again_is_worked_on_once() {
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    let ran = scene.path().join("ran");
    let script = format!("echo >> {}; sleep 0.5; echo > out", ran.display());
    scene.verifier.state().forgetful = true;
    scene.verifier.state().stall = Some(("accept", When::After));
    scene.offer("a-1", &command(&script));
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("stalled", |state| state.stalled && state.polls > 1);
    scene.offer("a-1", &command(&script));
    scene.verifier.state().stall = None;
    scene.committed("a-1");
    assert_eq!(scene.verifier.state().accepted.len(), 1);
    assert_eq!(fs::read_to_string(ran).unwrap().lines().count(), 1);
    // Nothing new is no reason to ask without end.
    let before = scene.verifier.state().polls;
    std::thread::sleep(Duration::from_secs(1));
    assert!(scene.verifier.state().polls - before <= 3);
}

#[test]
fn what_does_not_fit_is_declined() {
    let table = [
        (
            "a-1",
            "ATTESTATION_AGENT__SERVE__SPOOL_BYTES",
            "10",
            "spool_full",
        ),
        (
            "a-2",
            "ATTESTATION_AGENT__SERVE__CAPACITY",
            "1",
            "job_unknown",
        ),
        (
            "a-3",
            "ATTESTATION_AGENT__SERVE__CAPACITY",
            "1",
            "job_digest_mismatch",
        ),
        (
            "a-4",
            "ATTESTATION_AGENT__SERVE__LEAST_PRICE",
            "2",
            "price_too_low",
        ),
        (
            "a-5",
            "ATTESTATION_AGENT__SERVE__MOST_STAKE",
            "1",
            "stake_too_high",
        ),
        (
            "a-6",
            "ATTESTATION_AGENT__SERVE__LEAST_OPEN_WITHIN_S",
            "61",
            "time_too_short",
        ),
        (
            "a-7",
            "ATTESTATION_AGENT__SERVE__LONGEST_DISPUTE_WINDOW_S",
            "59",
            "dispute_window_too_long",
        ),
        (
            "a-8",
            "ATTESTATION_AGENT__SERVE__LEAST_COMMIT_WITHIN_S",
            "3601",
            "commit_time_too_short",
        ),
        (
            "a-9",
            "ATTESTATION_AGENT__SERVE__POLICIES",
            "[\"default\"]",
            "policy_not_taken",
        ),
        (
            "a-11",
            "ATTESTATION_AGENT__SERVE__MOST_AGREEING",
            "1",
            "too_many_must_agree",
        ),
        // The device is software.
        (
            "a-10",
            "ATTESTATION_AGENT__SERVE__MOST_ASSURANCE",
            "A2",
            "assurance_beyond_devices",
        ),
    ];
    for (assignment, setting, value, code) in table {
        let scene = Scene::new().with(setting, value);
        let mut offer = super::offer(assignment, &seeded(""));
        match code {
            "job_unknown" => {
                let text = crate::kit::seeded_text("").replace("gemm_i8", "gemm_i9");
                let spec = attestation_agent::parse_job(text.as_bytes()).unwrap();
                offer = super::offer(assignment, &spec);
            }
            "job_digest_mismatch" => offer.job = evidence::work::Hex([0; 32]),
            "too_many_must_agree" => offer.terms.min_agreeing = Some(2),
            "policy_not_taken" => offer.terms.policy = PolicyName::parse("strict").ok(),
            "assurance_beyond_devices" => {
                offer.terms.devices = Some(DevicesAsked {
                    count: 1,
                    architectures: None,
                    min_assurance: Assurance::A1,
                    simulated: true,
                });
            }
            _ => {}
        }
        scene
            .verifier
            .ask(evidence::work::wire::Next::Offer(Box::new(offer)));
        let _agent = scene.serve();
        scene
            .verifier
            .wait_until("declined", |state| !state.released.is_empty());
        assert_eq!(scene.verifier.state().released[&id(assignment)], code);
        scene.wait_until_clean(assignment);
        assert!(scene.verifier.state().accepted.is_empty());
    }
}

#[test]
fn told_to_stop_it_finishes_what_runs_and_keeps_what_is_committed() {
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    scene.verifier.state().lease_s = 60;
    scene.offer("a-1", &command("sleep 1; echo > out"));
    let mut agent = scene.serve();
    scene
        .verifier
        .wait_until("accepted", |state| !state.accepted.is_empty());
    agent.terminate();
    assert_eq!(agent.wait().code(), Some(0), "{}", scene.log());
    assert!(scene.verifier.state().commitments.contains_key(&id("a-1")));
    let capacity = scene.verifier.state().heartbeats.last().unwrap().capacity;
    assert_eq!(capacity, 0);
    assert!(scene.assignment("a-1").join("committed").exists());
    assert!(scene.log().contains("start again soon"), "{}", scene.log());

    scene.verifier.ask(open("a-1", 0, 0, true));
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("opened", |state| !state.openings.is_empty());
}

#[test]
fn told_to_stop_it_gives_back_what_takes_too_long() {
    let scene = Scene::new()
        .with("ATTESTATION_AGENT__SERVE__COMMANDS", "true")
        .with("ATTESTATION_AGENT__SERVE__STOP_WITHIN_S", "1");
    scene.offer("a-1", &command("sleep 50; echo > out"));
    let mut agent = scene.serve();
    scene
        .verifier
        .wait_until("accepted", |state| !state.accepted.is_empty());
    std::thread::sleep(Duration::from_millis(200));
    agent.terminate();
    assert_eq!(agent.wait().code(), Some(0), "{}", scene.log());
    assert_eq!(scene.verifier.state().released[&id("a-1")], "shutting_down");
    scene.wait_until_clean("a-1");
}

#[test]
fn the_verifier_is_told_what_work_is_taken_for() {
    let scene = Scene::new()
        .with("ATTESTATION_AGENT__SERVE__LEAST_PRICE", "7")
        .with("ATTESTATION_AGENT__SERVE__MOST_ASSURANCE", "A0");
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("a heartbeat", |state| !state.heartbeats.is_empty());
    let heartbeat = scene.verifier.state().heartbeats[0].clone();
    let conditions = heartbeat.conditions.unwrap();
    assert_eq!(conditions.least_price, 7);
    assert_eq!(conditions.least_commit_within_s, 10);
}

/// A verifier of before there were conditions refuses what it does not know, and then has the agent as it knew it.
#[test]
fn a_verifier_that_knows_no_conditions_is_told_none() {
    let scene = Scene::new();
    scene.verifier.state().knows_no_conditions = true;
    scene.offer("a-1", &seeded(""));
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("a heartbeat", |state| !state.heartbeats.is_empty());
    assert_eq!(scene.verifier.state().heartbeats[0].conditions, None);
    scene.committed("a-1");
}

/// A file where a folder should be is as good as a full disk: nothing can be written.
#[test]
fn a_spool_that_takes_nothing_gives_back() {
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    let outputs = scene.assignment("a-1").join("outputs");
    let script = format!("rm -rf {0}; echo > {0}; echo > out", outputs.display());
    scene.offer("a-1", &command(&script));
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("given back", |state| !state.released.is_empty());
    scene.wait_until_clean("a-1");
    assert!(scene.log().contains("cannot be done"), "{}", scene.log());
}

#[test]
fn without_a_token_or_with_a_wrong_one_it_does_not_start() {
    let scene = Scene::new();
    fs::write(scene.path().join("token"), "another\n").unwrap();
    assert_eq!(scene.serve().wait().code(), Some(1));
    assert!(
        scene.log().contains("enrolment_token_unknown"),
        "{}",
        scene.log()
    );
    fs::write(scene.path().join("token"), "two words\n").unwrap();
    assert_eq!(scene.serve().wait().code(), Some(2));
    assert!(
        scene.log().contains("enrolment_token_malformed"),
        "{}",
        scene.log()
    );
    fs::write(scene.path().join("token"), "x".repeat(600)).unwrap();
    assert_eq!(scene.serve().wait().code(), Some(2));
    fs::remove_file(scene.path().join("token")).unwrap();
    assert_eq!(scene.serve().wait().code(), Some(2));
    assert!(!scene.log().contains("two words"));
}

#[test]
fn one_folder_serves_one_process_and_one_verifier() {
    let mut scene = Scene::new();
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("enrolled", |state| !state.heartbeats.is_empty());
    assert_eq!(scene.serve().wait().code(), Some(2));
    assert!(scene.log().contains("serve_dir_in_use"), "{}", scene.log());
    drop(_agent);
    scene.verifier = super::Verifier::start();
    assert_eq!(scene.serve().wait().code(), Some(2));
    assert!(
        scene.log().contains("enrolled_elsewhere"),
        "{}",
        scene.log()
    );
}
