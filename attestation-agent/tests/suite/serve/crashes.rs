//! Killed in the middle of each step, and started again.

use std::fs;

use evidence::work::wire::{Ask, Next, Question};

use super::verifier::{State, When};
use super::{Scene, id, in_an_hour, open};
use crate::kit::seeded;

/// Kills the agent while a request is kept waiting, before the verifier has done it or after, and starts it again.
fn killed_at(request: &'static str, when: When) -> Scene {
    let scene = Scene::new();
    scene.verifier.state().stall = Some((request, when));
    scene.offer("a-1", &seeded(""));
    let mut agent = scene.serve();
    if matches!(request, "opening" | "answer") {
        scene.committed("a-1");
        scene.verifier.ask(open("a-1", 0, 2, true));
    }
    if request == "answer" {
        scene.verifier.wait_until("opened", opened);
        scene.verifier.ask(question());
    }
    scene.verifier.wait_until("stalled", |state| state.stalled);
    agent.kill();
    scene.verifier.state().stall = None;
    let mut agent = scene.serve();
    scene.committed("a-1");
    if !matches!(request, "opening" | "answer") {
        scene.verifier.ask(open("a-1", 0, 2, true));
    }
    scene.verifier.wait_until("opened", opened);
    if request == "answer" {
        scene
            .verifier
            .wait_until("answered", |state| !state.answers.is_empty());
    }
    agent.kill();
    scene
}

fn opened(state: &State) -> bool {
    state.openings.contains_key(&(id("a-1"), 0))
}

fn question() -> Next {
    Next::Question(Question {
        assignment: id("a-1"),
        number: 1,
        ask: Ask::Outputs {},
        until: in_an_hour(),
    })
}

/// Whatever was sent twice was the same bytes.
#[track_caller]
fn assert_said_once(scene: &Scene) {
    scene.verifier.assert_no_faults();
    let state = scene.verifier.state();
    for said in state.commitments.values() {
        assert!(said.iter().all(|commitment| commitment == &said[0]));
    }
    for said in state.openings.values().chain(state.answers.values()) {
        assert!(said.iter().all(|bytes| bytes == &said[0]));
    }
    assert_eq!(state.commitments.len(), 1);
    assert!(state.released.is_empty());
}

macro_rules! kills {
    ($($name:ident: $request:literal, $when:ident;)*) => {$(
        #[test]
        fn $name() {
            assert_said_once(&killed_at($request, When::$when));
        }
    )*};
}

kills! {
    before_it_is_enrolled: "agents", Before;
    before_it_knows_that_it_is_enrolled: "agents", After;
    in_a_heartbeat: "heartbeat", Before;
    in_a_poll: "next", After;
    before_it_is_accepted: "accept", Before;
    before_it_knows_that_it_is_accepted: "accept", After;
    before_it_is_committed: "commitment", Before;
    before_it_knows_that_it_is_committed: "commitment", After;
    before_it_is_opened: "opening", Before;
    before_it_knows_that_it_is_opened: "opening", After;
    before_it_is_answered: "answer", Before;
    before_it_knows_that_it_is_answered: "answer", After;
}

#[test]
fn in_the_middle_of_the_run_it_runs_again() {
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    let started = scene.path().join("started");
    let script = format!("echo >> {0}; sleep 0.5; echo > out", started.display());
    scene.offer("a-1", &super::work::command(&script));
    let mut agent = scene.serve();
    while !started.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    agent.kill();
    assert!(scene.verifier.state().commitments.is_empty());
    let mut agent = scene.serve();
    scene.committed("a-1");
    agent.kill();
    assert_said_once(&scene);
    assert_eq!(fs::read_to_string(started).unwrap().lines().count(), 2);
}

/// The reports are the one step between statement and commitment that no request stands in.
#[test]
fn after_the_statement_it_attests_to_the_same_one() {
    let scene = Scene::new();
    scene.verifier.state().stall = Some(("commitment", When::Before));
    scene.offer("a-1", &seeded(""));
    let mut agent = scene.serve();
    scene.verifier.wait_until("stalled", |state| state.stalled);
    agent.kill();
    let stated = || fs::read(scene.assignment("a-1").join("statement.json")).unwrap();
    let before = stated();
    fs::remove_file(scene.assignment("a-1").join("bundle.json")).unwrap();
    scene.verifier.state().stall = None;
    let mut agent = scene.serve();
    scene.committed("a-1");
    agent.kill();
    assert_eq!(stated(), before);
    assert_said_once(&scene);
}

#[test]
fn what_was_to_be_given_back_is_not_run_again() {
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    scene.verifier.state().stall = Some(("release", When::Before));
    let ran = scene.path().join("ran");
    let script = format!("echo >> {}; exit 3", ran.display());
    scene.offer("a-1", &super::work::command(&script));
    let mut agent = scene.serve();
    scene.verifier.wait_until("stalled", |state| state.stalled);
    agent.kill();
    scene.verifier.state().stall = None;
    let _agent = scene.serve();
    scene
        .verifier
        .wait_until("given back", |state| !state.released.is_empty());
    scene.wait_until_clean("a-1");
    assert_eq!(fs::read_to_string(ran).unwrap().lines().count(), 1);
    assert_eq!(
        scene.verifier.state().released[&id("a-1")],
        "command_failed"
    );
}

/// A file half written, and a folder whose offer never came, are as if nothing had been.
#[test]
fn what_was_half_written_does_no_harm() {
    let scene = Scene::new();
    scene.offer("a-1", &seeded(""));
    let mut agent = scene.serve();
    scene.committed("a-1");
    agent.kill();
    fs::create_dir(scene.assignment("half")).unwrap();
    fs::write(scene.assignment("half").join(".offer.json.1-1.tmp"), "{").unwrap();
    fs::write(scene.assignment("a-1").join(".opening-0.json.1-1.tmp"), "{").unwrap();
    scene.verifier.ask(open("a-1", 0, 1, false));
    let mut agent = scene.serve();
    scene.verifier.wait_until("opened", opened);
    agent.kill();
    assert!(!scene.assignment("half").exists());
    assert_said_once(&scene);
}
