//! What is committed to, opened and answered.

use evidence::work::wire::{Answer, Ask, Ended, Next, Question, Reply, Word};
use evidence::work::{OpenedTensor, Opening};
use kernels::committed::Committed;
use kernels::slices::{self, Stretch};
use kernels::{Blake3Digest, KeyedDigest, Randomness, bisect};

use super::{REPLICA_KEY, Scene, id, in_an_hour, open};
use crate::kit::{self, CHALLENGE};

/// A product large enough for a tree: 64 by 64 elements of 4 bytes.
fn product() -> evidence::work::JobSpec {
    let text = kit::seeded_text("").replace("\"m\":4,\"n\":5", "\"m\":64,\"n\":64");
    attestation_agent::parse_job(text.as_bytes()).unwrap()
}

#[track_caller]
fn opened(scene: &Scene, assignment: &str, round: u32) -> Opening {
    let key = (id(assignment), round);
    scene
        .verifier
        .wait_until("opened", |state| state.openings.contains_key(&key));
    let state = scene.verifier.state();
    let commitment = state.commitments[&id(assignment)][0];
    let opening = Opening::parse(&state.openings[&key][0]).unwrap();
    let statement = opening.bundle.statement.canonical().unwrap();
    assert!(opening.opens(&commitment, &statement));
    assert_eq!(opening.bundle.statement.challenge, CHALLENGE);
    opening
}

#[test]
fn a_result_is_committed_to_opened_and_answered_for() {
    let scene = Scene::new();
    let spec = product();
    scene.offer("a-1", &spec);
    let mut agent = scene.serve();
    scene.committed("a-1");

    scene.verifier.ask(open("a-1", 0, 0, true));
    let whole = opened(&scene, "a-1", 0);
    let output = whole.bundle.outputs["c"].0.clone();
    let digest = Blake3Digest::of(&output);
    assert_eq!(output.len(), 64 * 64 * 4);
    assert_eq!(
        whole.bundle.statement.outputs[0].blake3.0,
        *digest.as_bytes()
    );
    let keyed = |key: &[u8; 32]| KeyedDigest::of(key, [output.as_slice()], &[]);
    assert_eq!(whole.keyed.0, keyed(&REPLICA_KEY));
    assert_eq!(whole.cross["other"].0, keyed(&[10; 32]));
    assert!(whole.slices.is_empty());

    scene.verifier.ask(open("a-1", 1, 3, false));
    let sliced = opened(&scene, "a-1", 1);
    assert!(sliced.bundle.outputs.is_empty() && !sliced.slices.is_empty());
    let job = kernels::Job::parse("gemm_i8", spec.kernel().unwrap().params.as_value()).unwrap();
    let randomness = Randomness::drawn_after_commitment([9; 32]);
    for point in kernels::audit::draw(&randomness, &job, 3) {
        let place = job.points().place(point);
        let covers = |slice: &&evidence::work::OpenedSlice| {
            slice.start <= place.offset && place.offset + 4 <= slice.start + slice.len
        };
        let slice = sliced.slices.iter().find(covers).unwrap();
        assert_eq!(slice.tensor, OpenedTensor::Output("c".to_owned()));
        let (start, len) = (slice.start, slice.len);
        let bytes =
            slices::open(digest, 64 * 64 * 4, Stretch { start, len }, &slice.bytes.0).unwrap();
        let from = usize::try_from(start).unwrap();
        assert_eq!(bytes, output[from..from + bytes.len()]);
    }

    let asked = bisect::Question::Nodes {
        tree: bisect::Tree::Output(0),
        start: 0,
        len: 64 * 64 * 4,
        levels: 2,
    };
    let answer = answered(
        &scene,
        1,
        Ask::Witness(serde_json::to_string(&asked).unwrap()),
    );
    let outputs = [Committed::of(output.clone()).unwrap()];
    let inputs = job.accept_owned(Default::default()).unwrap();
    let mut witness = bisect::Witness::new(&job, &inputs, &outputs, &[]).unwrap();
    let Reply::Witness(bytes) = answer.reply else {
        panic!("{answer:?}")
    };
    assert_eq!(bytes.0, witness.answer(&asked).unwrap());

    let answer = answered(&scene, 2, Ask::Outputs {});
    let Reply::Outputs(all) = answer.reply else {
        panic!("{answer:?}")
    };
    assert_eq!(all.outputs["c"].0, output);
    assert!(all.trace.0.is_empty());

    scene.verifier.state().ended.push(Ended {
        assignment: id("a-1"),
        status: Word::parse("paid").unwrap(),
        code: None,
    });
    scene.wait_until_clean("a-1");
    scene.wait_until_logged("ended: paid");
    agent.kill();
    scene.verifier.assert_no_faults();
    assert_eq!(scene.verifier.state().enrolments, 1);
}

#[track_caller]
fn answered(scene: &Scene, number: u32, ask: Ask) -> Answer {
    scene.verifier.ask(Next::Question(Question {
        assignment: id("a-1"),
        number,
        ask,
        until: in_an_hour(),
    }));
    let key = (id("a-1"), number);
    scene
        .verifier
        .wait_until("answered", |state| state.answers.contains_key(&key));
    let answer: Answer = serde_json::from_slice(&scene.verifier.state().answers[&key][0]).unwrap();
    assert_eq!(answer.number, number);
    answer
}

#[test]
fn a_program_is_run_where_the_settings_allow_it() {
    let spec = command("printf done > out; sleep 0.1");
    let refused = Scene::new();
    refused.offer("a-1", &spec);
    let _agent = refused.serve();
    refused
        .verifier
        .wait_until("declined", |state| !state.released.is_empty());
    assert_eq!(
        refused.verifier.state().released[&id("a-1")],
        "commands_not_served"
    );
    refused.wait_until_clean("a-1");

    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__COMMANDS", "true");
    scene.offer("a-1", &spec);
    let _agent = scene.serve();
    scene.committed("a-1");
    scene.verifier.ask(open("a-1", 0, 0, true));
    let opening = opened(&scene, "a-1", 0);
    assert_eq!(opening.bundle.outputs["out"].0, b"done");
    assert_eq!(
        opening.keyed.0,
        KeyedDigest::of(&REPLICA_KEY, [b"done".as_slice()], &[])
    );
    scene.verifier.assert_no_faults();
}

/// A job that is this script.
pub(super) fn command(script: &str) -> evidence::work::JobSpec {
    let text = format!(
        r#"{{"profile":"pogw/1","command":{{"argv":["sh","-c","{script}"],"inputs":{{}},"outputs":["out"],
        "limits":{{"wall_s":60,"output_bytes":1000,"processes":8,"memory_bytes":1000000000}}}},"checks":[]}}"#
    );
    attestation_agent::parse_job(text.as_bytes()).unwrap()
}

#[test]
fn given_inputs_come_from_the_providers_folder() {
    let (spec, inputs) = kit::given("");
    let scene = Scene::new().with("ATTESTATION_AGENT__SERVE__INPUTS_DIR", "inputs");
    scene.offer("a-1", &spec);
    let mut agent = scene.serve();
    scene
        .verifier
        .wait_until("given back", |state| !state.released.is_empty());
    assert_eq!(scene.verifier.state().released[&id("a-1")], "input_missing");
    agent.kill();

    std::fs::create_dir(scene.path().join("inputs")).unwrap();
    for bytes in inputs.values() {
        let path = scene
            .path()
            .join("inputs")
            .join(Blake3Digest::of(bytes).to_string());
        std::fs::write(path, bytes).unwrap();
    }
    scene.offer("a-2", &spec);
    let _agent = scene.serve();
    scene.committed("a-2");
    scene.verifier.ask(open("a-2", 0, 1, false));
    assert_eq!(opened(&scene, "a-2", 0).bundle.inputs["a"].0, inputs["a"]);
}

#[test]
fn work_takes_turns_and_leases_are_renewed_meanwhile() {
    let scene = Scene::new()
        .with("ATTESTATION_AGENT__SERVE__COMMANDS", "true")
        .with("ATTESTATION_AGENT__SERVE__CAPACITY", "2");
    scene.verifier.state().lease_s = 2;
    // Each fails if the other runs: both would have the lock.
    let script = format!(
        "mkdir {0} && sleep 1.5 && rmdir {0} && echo > out",
        scene.path().join("lock").display()
    );
    for assignment in ["a-1", "a-2"] {
        scene.offer(assignment, &command(&script));
    }
    let _agent = scene.serve();
    scene.committed("a-1");
    scene.committed("a-2");
    let state = scene.verifier.state();
    assert!(state.released.is_empty());
    assert!(state.renewed >= 2, "{}", state.renewed);
    drop(state);
    scene.verifier.assert_no_faults();
}
