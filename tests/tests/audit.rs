//! The audit of a result, from a bundle over HTTP to what the receipt says of it.

use evidence::work::JobSpec;
use receipt::{Method, Status};
use tests::scene::gemm;
use tests::served::problem;
use tests::world::World;

fn job() -> JobSpec {
    gemm(16, r#"["audit"]"#)
}

#[tokio::test]
async fn a_right_output_gets_a_receipt_that_says_what_a_sample_shows() {
    let world = World::new().await;
    let (_, bundle) = world.answered(job()).await;
    let response = world.client.submit(bundle).await;
    assert_eq!(response.status(), 201);
    let receipt = world
        .validate(&response.text().await.unwrap())
        .await
        .unwrap();
    let methods = &receipt.claims().pogw.methods;
    let audit = methods
        .iter()
        .find(|finding| finding.method == Method::Audit);
    let audit = audit.expect("an audit was asked for");
    assert_eq!(audit.status, Status::Affirmed);
    // 300 points: a twentieth of wrong ones is missed with probability 0.95^300 < 2^-22.
    assert_eq!(audit.log2_error.map(|log2| log2.get()), Some(-22));
    assert_eq!(audit.wrong_ppm.map(|share| share.get()), Some(50_000));
}

#[tokio::test]
async fn an_output_wrong_in_every_point_is_refuted_by_the_first_drawn() {
    let world = World::new().await;
    let (challenge, _) = world.answered(job()).await;
    let bundle = world.bundle_with_output(job(), &challenge, |output| {
        for element in output.chunks_exact_mut(4) {
            element[0] ^= 1;
        }
    });
    let (status, code, body) = problem(world.client.submit(bundle).await).await;
    assert_eq!((status, code.as_str()), (422, "audit_refuted"), "{body:#}");
}
