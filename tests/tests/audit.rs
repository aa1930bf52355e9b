//! The audit of a result, from a bundle over HTTP to what the receipt says of it.

use attestation_agent::parse_job;
use evidence::work::JobSpec;
use receipt::{Method, Status};
use serde_json::{Value, json};
use tests::scene::gemm;
use tests::served::problem;
use tests::world::World;

const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A job of this kernel with an audit of its result.
fn job(kernel: &str, params: Value) -> JobSpec {
    let job = json!({"profile": "pogw/1", "kernel": kernel, "checks": ["audit"], "params": params});
    parse_job(job.to_string().as_bytes()).unwrap()
}

/// Small jobs of kernels with one output, with several, and with outputs that build on each other.
fn jobs() -> Vec<JobSpec> {
    let bodies =
        json!({"n": 12, "steps": 4, "dt": 656, "softening": 3277, "bodies": {"seed": SEED}});
    let block =
        json!({"tokens": 5, "width": 32, "heads": 2, "hidden": 40, "operands": {"seed": SEED}});
    let training = json!({"layers": [2, 5, 3], "task": "classification", "samples": 60, "batch": 7, "steps": 4,
        "checkpoint_every": 2, "learning_rate": 6554, "momentum": 100, "seed": SEED, "data": "seeded"});
    vec![
        gemm(16, r#"["audit"]"#),
        job("blake3", json!({"len": 3000, "input": {"seed": SEED}})),
        job("nbody", bodies),
        job("transformer_block", block),
        job("mlp_sgd", training),
    ]
}

/// Steps that follow from one another in the job of this kernel above, points of its largest output, points drawn.
fn chain_of(kernel: &Option<receipt::Kernel>) -> Option<(u64, u64, u32)> {
    let name = kernel.as_ref().expect("a kernel").name.as_str();
    let (steps, points) = match name {
        // Each element from the inputs alone.
        "gemm_i8" => return None,
        // The root from three chunks.
        "blake3" => (2, 3),
        // Twelve bodies, each from all before.
        "nbody" => (4, 48),
        // Five tokens, 40 columns of the widest output in parts of 16.
        "transformer_block" => (5, 15),
        "mlp_sgd" => (2, 2),
        _ => unreachable!("{name}"),
    };
    Some((steps, points, 300))
}

#[tokio::test]
async fn right_outputs_get_a_receipt_that_says_what_a_sample_shows() {
    let world = World::new().await;
    for job in jobs() {
        let (_, bundle) = world.answered(job.clone()).await;
        let response = world.client.submit(bundle).await;
        assert_eq!(response.status(), 201);
        let receipt = world.validate(&response.text().await.unwrap()).await;
        let receipt = receipt.unwrap();
        let methods = &receipt.claims().pogw.methods;
        let audit = methods
            .iter()
            .find(|finding| finding.method == Method::Audit);
        let audit = audit.expect("an audit was asked for");
        assert_eq!(audit.status, Status::Affirmed);
        // 300 points of each output: a twentieth of wrong ones is missed with probability 0.95^300 < 2^-22.
        assert_eq!(audit.log2_error.map(|log2| log2.get()), Some(-22));
        assert_eq!(audit.wrong_ppm.map(|share| share.get()), Some(50_000));
        let chain = audit.chain.map(|c| (c.steps(), c.points(), c.drawn()));
        assert_eq!(chain, chain_of(&receipt.claims().pogw.kernel), "{job:?}");
    }
}

#[tokio::test]
async fn an_output_that_is_wrong_throughout_is_refuted_whichever_it_is() {
    let world = World::new().await;
    for job in jobs() {
        let unsigned = world.scene.unsigned(job.clone(), [0; 32]);
        for output in unsigned.outputs.keys() {
            let (challenge, _) = world.answered(job.clone()).await;
            let bundle = world.bundle_with_output(job.clone(), &challenge, output, |bytes| {
                bytes.iter_mut().step_by(4).for_each(|byte| *byte ^= 1);
            });
            let (status, code, body) = problem(world.client.submit(bundle).await).await;
            assert_eq!(
                (status, code.as_str()),
                (422, "audit_refuted"),
                "{output}: {body:#}"
            );
        }
    }
}

/// 300 draws from 17 points miss a given one with probability (16/17)^300 < 2^-26.
#[tokio::test]
async fn one_wrong_point_of_few_is_found() {
    let world = World::new().await;
    let job = job("blake3", json!({"len": 16 * 1024, "input": {"seed": SEED}}));
    for (output, at) in [("chunks", 5 * 32), ("root", 31)] {
        let (challenge, _) = world.answered(job.clone()).await;
        let bundle =
            world.bundle_with_output(job.clone(), &challenge, output, |bytes| bytes[at] ^= 0x80);
        let (status, code, body) = problem(world.client.submit(bundle).await).await;
        assert_eq!(
            (status, code.as_str()),
            (422, "audit_refuted"),
            "{output}: {body:#}"
        );
    }
}

#[tokio::test]
async fn checks_that_a_kernel_does_not_have_and_that_cost_too_much_are_refused_unmade() {
    let world = World::new().await;
    let bodies =
        json!({"n": 12, "steps": 1, "dt": 656, "softening": 3277, "bodies": {"seed": SEED}});
    let text =
        json!({"profile": "pogw/1", "kernel": "nbody", "checks": ["freivalds"], "params": bodies});
    let freivalds = parse_job(text.to_string().as_bytes()).unwrap();
    let (_, bundle) = world.answered(freivalds).await;
    let (status, code, body) = problem(world.client.submit(bundle).await).await;
    assert_eq!(
        (status, code.as_str()),
        (422, "check_not_available"),
        "{body:#}"
    );

    // One pixel of very many paths: little output, much to recompute.
    let mut params = kernels::pathtrace::Params::marbles(SEED.parse().unwrap());
    (params.width, params.height, params.samples, params.depth) = (1, 1, 1, 1);
    let cheap = job("pathtrace", json!(params));
    (params.width, params.height, params.samples, params.depth) = (64, 64, 4096, 32);
    let costly = job("pathtrace", json!(params));
    let challenge = world.client.challenge(&world.scene, &costly).await;
    let mut unsigned = world.scene.unsigned(cheap, challenge.value);
    unsigned.statement.job = costly.digest().unwrap();
    unsigned.job = costly;
    let (status, _, body) = problem(world.client.submit(world.scene.sign(unsigned).1).await).await;
    assert_eq!(status, 422);
    assert!(body.to_string().contains("check_too_costly"), "{body:#}");
}
