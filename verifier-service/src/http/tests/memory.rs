//! The memory for bodies: what strangers hold takes none of the agents' memory.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::devices::{Market, new_job};
use super::served::Served;
use super::*;
use crate::budget::SMALL_BYTES;

const MIB: usize = 1024 * 1024;

/// A bundle of a stranger that is not all there.
async fn half_sent(served: &Served, stated: usize, sent: usize) -> TcpStream {
    let mut connection = TcpStream::connect(served.address()).await.unwrap();
    let content_type = media_type::BUNDLE;
    let head = format!(
        "POST /v1/receipts HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: {stated}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b' '; sent]).await.unwrap();
    connection
}

/// Whether there is no memory for a bundle of so many bytes.
async fn is_full(served: &Served, bytes: usize) -> bool {
    let bundle = " ".repeat(bytes);
    let answer = served.rig.post("/v1/receipts", media_type::BUNDLE, bundle);
    answer.await.status == StatusCode::SERVICE_UNAVAILABLE
}

/// Half sends bundles until there is no memory for one of so many bytes. Those sent before may be at an end: a body that
/// stands still for a while is.
async fn fill(
    served: &Served,
    strangers: &mut Vec<TcpStream>,
    (stated, sent): (usize, usize),
    bytes: usize,
) {
    for _ in 0..200 {
        if is_full(served, bytes).await {
            return;
        }
        strangers.push(half_sent(served, stated, sent).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there is memory left");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_keep_no_agent_from_handing_in() {
    let market = Market::with(|config| {
        config.body_limit_bytes = MIB;
        config.body_budget_bytes = 4 * MIB;
        config.body_timeout_s = 60;
        config.request_timeout_s = 61;
    });
    let market = market.await;
    let provider = market.provider().await;
    let machine = market.agent(&provider).await;
    market.job(new_job()).await;
    let taken = market.take(&machine).await;
    let bundle = market.commit(&machine, &taken, "fixture").await;
    // All there is: an eighth of it is for small bodies alone.
    let served = &market.served;
    let (large, small) = ((MIB, MIB / 8 * 7), (SMALL_BYTES, SMALL_BYTES - 1));
    let mut strangers = Vec::new();
    let begun = Instant::now();
    fill(served, &mut strangers, large, SMALL_BYTES + 1).await;
    fill(served, &mut strangers, small, 1).await;
    market.open(&machine, &taken, &bundle).await;
    // They had it all the time, unless the machine is so slow that they were ended.
    assert!(begun.elapsed() >= Duration::from_secs(5) || is_full(served, 1).await);
}
