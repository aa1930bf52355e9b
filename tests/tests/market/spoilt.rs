//! An agent in whose process a kernel went astray.

use fake_cuda::{Fault, Scene};
use tests::cuda::FakeCuda;
use tests::scene::gemm;

use crate::place::{Allowed, FUNDS, Market, terms};

/// The error of a kernel that went astray, as a driver gives it.
const ASTRAY: u32 = 700;

/// Its unit starts it again, and the new process can use the GPU.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_process_cuda_refuses_gives_its_work_back_and_leaves_with_3() {
    // The first launch fails, and every context after it is refused.
    let gpus = FakeCuda::playing(&Scene {
        faults: vec![
            Fault::once("cuEventQuery", ASTRAY),
            Fault::always("cuCtxCreate_v2", ASTRAY).after(1),
        ],
        ..Scene::default()
    });
    let mut market = Market::open(None).await;
    let provider = market.provider().await;
    let allowed = Allowed {
        gpus: Some(&gpus),
        ..Allowed::default()
    };
    let agent = market.agent_that(&provider, 0, allowed).await;
    market.present(&provider, 1).await;
    market.job(&gemm(64, "[]"), &terms(1)).await;
    market.agent_says(agent, "launch_failed").await;
    market.job(&gemm(64, "[]"), &terms(1)).await;
    assert_eq!(market.agent_ends(agent).await, 3);
    market.agent_says(agent, "cuda_process_spoilt").await;
    assert_eq!(
        market.balance(&provider).await,
        FUNDS,
        "nothing is at stake"
    );
}
