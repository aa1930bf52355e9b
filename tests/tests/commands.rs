//! Jobs that are commands, as a verifier judges them: what the statement of a program must say, and every way in which it
//! must not be believed.

use evidence::Code;
use evidence::work::{
    Base64Url, Blob, Bundle, Hex, JobSpec, KernelRef, OutputCommitment, Profile, ProgramRef, Ran,
    Timing, TraceCommitment, UnsignedBundle, WorkStatement,
};
use receipt::Source;
use serde_json::{Value, json};
use tests::scene::{CHALLENGE, Scene, gemm, judge};
use tests::world::World;

const MODEL: &[u8] = b"a model";

fn job(checks: &Value) -> JobSpec {
    let job = json!({
        "profile": "pogw/1",
        "command": {
            "argv": ["python3", "train.py"],
            "inputs": { "train.py": { "blake3": "11".repeat(32), "len": 7 } },
            "outputs": ["model.bin"],
            "limits": { "wall_s": 60, "output_bytes": 100, "processes": 4, "memory_bytes": 100 },
        },
        "checks": checks,
    });
    serde_json::from_value(job).unwrap()
}

fn output(name: &str) -> OutputCommitment {
    OutputCommitment {
        name: name.to_owned(),
        len: 7,
        blake3: Hex(*kernels::Blake3Digest::of(MODEL).as_bytes()),
    }
}

/// What an honest agent would state, changed by `change` before any device signs it.
fn unsigned(
    scene: &Scene,
    job: JobSpec,
    challenge: [u8; 32],
    change: impl FnOnce(&mut WorkStatement),
) -> UnsignedBundle {
    let mut statement = WorkStatement {
        profile: Profile::V1,
        job: job.digest().unwrap(),
        challenge: Base64Url(challenge),
        agent_key: scene.agent_key(),
        ran: Ran::Program(ProgramRef {
            name: "python3".to_owned(),
            blake3: Hex([0x22; 32]),
            exit_code: 0,
        }),
        outputs: vec![output("model.bin")],
        trace: Some(TraceCommitment {
            entries: 2,
            blake3: Hex([0x33; 32]),
        }),
        executor: "host-program".to_owned(),
        timing: Timing {
            started_at_ms: 1_790_000_000_000,
            run_us: 5,
            digest_us: 1,
        },
        telemetry: [("cpu_user_us".to_owned(), 4)].into(),
    };
    change(&mut statement);
    let nonce = statement.canonical().unwrap().report_nonce();
    UnsignedBundle {
        job,
        statement,
        devices: scene.attest(&nonce),
        inputs: [].into(),
        outputs: [("model.bin".to_owned(), Blob(MODEL.to_vec()))].into(),
    }
}

/// The codes of all reasons against a bundle.
fn codes(scene: &Scene, bundle: UnsignedBundle) -> Vec<Code> {
    let bundle: Bundle = scene.sign(bundle).0;
    let decision = judge(&scene.appraiser(), &bundle);
    let appraisal = decision.appraisal();
    let findings = appraisal.findings().iter().map(|finding| &finding.check);
    let checks = appraisal.checks().iter().chain(findings);
    let reasons = checks.flat_map(|check| &check.reasons);
    reasons.map(|reason| reason.code).collect()
}

#[test]
fn an_honest_statement_is_granted() {
    let scene = Scene::new();
    let bundle = unsigned(&scene, job(&json!(["output_digest"])), CHALLENGE, |_| {});
    assert_eq!(codes(&scene, bundle), []);
}

#[test]
fn what_a_statement_of_a_program_must_not_say() {
    let scene = Scene::new();
    type Change = fn(&mut WorkStatement);
    let table: [(Change, Code); 6] = [
        (
            |s| {
                s.ran = Ran::Program(ProgramRef {
                    exit_code: 1,
                    ..program()
                });
            },
            Code::ProgramFailed,
        ),
        (
            |s| {
                s.ran = Ran::Program(ProgramRef {
                    name: "sh".to_owned(),
                    ..program()
                });
            },
            Code::ProgramMismatch,
        ),
        (|s| s.ran = Ran::Kernel(gemm_i8()), Code::ProgramMismatch),
        (|s| s.outputs.clear(), Code::OutputsUnexpected),
        (
            |s| s.outputs.push(output("more.bin")),
            Code::OutputsUnexpected,
        ),
        (|s| s.outputs[0].len = 8, Code::OutputDigestMismatch),
    ];
    for (change, code) in table {
        let bundle = unsigned(&scene, job(&json!(["output_digest"])), CHALLENGE, change);
        let found = codes(&scene, bundle);
        assert!(found.contains(&code), "{code}: {found:?}");
    }
}

fn program() -> ProgramRef {
    ProgramRef {
        name: "python3".to_owned(),
        blake3: Hex([0x22; 32]),
        exit_code: 0,
    }
}

fn gemm_i8() -> KernelRef {
    KernelRef {
        name: "gemm_i8".to_owned(),
        spec: Hex(*kernels::Kernel::GemmI8.digest().as_bytes()),
        module: None,
    }
}

#[test]
fn no_check_recomputes_a_command() {
    let scene = Scene::new();
    for check in ["freivalds", "audit"] {
        let bundle = unsigned(&scene, job(&json!([check])), CHALLENGE, |_| {});
        let found = codes(&scene, bundle);
        assert!(
            found.contains(&Code::CheckNotAvailable),
            "{check}: {found:?}"
        );
    }
}

#[test]
fn bytes_that_no_check_reads_are_refused() {
    let scene = Scene::new();
    let checks = json!(["output_digest"]);
    let mut bundle = unsigned(&scene, job(&checks), CHALLENGE, |_| {});
    bundle.inputs = [("train.py".to_owned(), Blob(vec![1]))].into();
    assert_eq!(codes(&scene, bundle)[0], Code::OutputsUnexpected);
    let mut bundle = unsigned(&scene, job(&checks), CHALLENGE, |_| {});
    bundle.outputs = [("other".to_owned(), Blob(vec![1]))].into();
    assert_eq!(codes(&scene, bundle)[0], Code::OutputsUnexpected);
    let mut bundle = unsigned(&scene, job(&checks), CHALLENGE, |_| {});
    bundle.outputs.clear();
    assert_eq!(codes(&scene, bundle), [Code::OutputNotProvided]);
}

#[test]
fn a_kernel_is_not_stated_as_a_program() {
    let scene = Scene::new();
    let mut bundle = scene.unsigned(gemm(16, "[]"), CHALLENGE);
    bundle.statement.ran = Ran::Program(program());
    bundle.devices = scene.attest(&bundle.statement.canonical().unwrap().report_nonce());
    assert!(codes(&scene, bundle).contains(&Code::ProgramMismatch));
}

/// Without one, a dispute about the training could not be decided.
#[test]
fn a_kernel_with_states_has_a_trace_of_all_of_them() {
    let scene = Scene::new();
    let spec = json!({
        "profile": "pogw/1", "kernel": "mlp_sgd", "checks": [],
        "params": { "layers": [2, 4, 3], "task": "classification", "samples": 12, "batch": 4, "steps": 4,
            "checkpoint_every": 2, "learning_rate": 6554, "momentum": 0, "seed": "5eed".repeat(16), "data": "seeded" },
    });
    let spec: JobSpec = serde_json::from_value(spec).unwrap();
    let good = scene.unsigned(spec, CHALLENGE);
    let trace = good.statement.trace.unwrap();
    assert_eq!(trace.entries, 4);
    let fewer = TraceCommitment {
        entries: 3,
        ..trace
    };
    for (stated, expected) in [
        (Some(trace), &[][..]),
        (None, &[Code::TraceUnexpected]),
        (Some(fewer), &[Code::TraceUnexpected]),
    ] {
        let mut bundle = good.clone();
        bundle.statement.trace = stated;
        bundle.devices = scene.attest(&bundle.statement.canonical().unwrap().report_nonce());
        assert_eq!(codes(&scene, bundle), expected, "{stated:?}");
    }
}

#[test]
fn a_kernel_without_states_has_no_trace() {
    let scene = Scene::new();
    let mut bundle = scene.unsigned(gemm(16, "[]"), CHALLENGE);
    bundle.statement.trace = Some(TraceCommitment {
        entries: 1,
        blake3: Hex([0; 32]),
    });
    bundle.devices = scene.attest(&bundle.statement.canonical().unwrap().report_nonce());
    assert_eq!(codes(&scene, bundle), [Code::TraceUnexpected]);
}

#[tokio::test]
async fn the_receipt_says_whose_word_the_program_is() {
    let world = World::new().await;
    let job = job(&json!(["output_digest"]));
    let challenge = world.client.challenge(&world.scene, &job).await;
    let bundle = unsigned(&world.scene, job, challenge.value, |_| {});
    let answer = world.client.submit(world.scene.sign(bundle).1).await;
    assert_eq!(answer.status(), 201);
    let token = answer.text().await.unwrap();
    let receipt = world.validate(&token).await.unwrap();
    let work = &receipt.claims().pogw;
    assert!(work.kernel.is_none() && work.module_digest.is_none());
    let program = work.program.as_ref().unwrap();
    assert_eq!(program.source, Source::ProviderAsserted);
    assert_eq!(
        (program.value.name.as_str(), program.value.exit_code),
        ("python3", 0)
    );
    assert_eq!(work.trace.unwrap().entries, 2);
    assert!(receipt.results().is_empty(), "nothing was recomputed");
    world.served.stop().await;
}
